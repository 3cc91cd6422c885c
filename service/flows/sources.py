"""One file of a data set into its table: read, checked, staged, merged by reference."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import geopandas as gpd
import pandas as pd
from sqlalchemy.orm import Session

from geodata import validate
from geodata.coverage import repair
from geodata.errors import InputError
from geodata.frames import datum_warnings
from geodata.manifest import (
    BarrierSource,
    DivisionSource,
    FacilitySource,
    HouseholdSource,
    Manifest,
    MemberSource,
    Source,
)
from geodata.notices import Notices
from geodata.read import batches, whole
from geodata.validate import Checked, DuplicateTracker
from service.db.frames import copy_frame, read_frame
from service.db.statements import load_statements
from service.errors import Conflict
from service.flows.ahead import ahead
from service.flows.fingerprints import fingerprint
from service.flows.fingerprints import label as label_of
from service.flows.scope import Progress

__all__ = ["FileReport", "load_barriers", "load_source"]

_SQL = load_statements("service.flows", "load.sql")

#: Records whose datum is compared with others; enough for shares to within half a percent.
_DATUM_SAMPLE: Final = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class FileReport:
    """What became of one file; ``state`` is ``loaded`` or ``unchanged`` (figures of then)."""

    source: str
    file: str
    state: str
    rows: int
    loaded: int
    rejected: int
    batch: int
    warnings: Sequence[str] = field(default=())


@dataclass(frozen=True, slots=True)
class _Load:
    """What every step of loading one file needs."""

    session: Session
    dataset_id: int
    manifest: Manifest
    source: Source
    batch_id: int
    progress: Progress

    def run(self, block: str, **values: Any) -> Any:
        """Execute a block of ``load.sql``."""
        given = {"dataset_id": self.dataset_id, "batch_id": self.batch_id, **values}
        return self.session.execute(_SQL[block], given)


@dataclass(slots=True)
class _Tally:
    """Rows read, loaded and rejected so far, and what was said.

    ``first`` marks rows that went straight into an empty table: there was nothing before them.
    """

    rows: int = 0
    loaded: int = 0
    rejected: int = 0
    first: bool = False
    said: Notices = field(default_factory=Notices)


def load_source(
    session: Session,
    dataset_id: int,
    manifest: Manifest,
    source: Source,
    prune: bool,
    progress: Progress,
) -> FileReport:
    """Bring the table of a source up to date with its file; nothing is committed.

    Raises
    ------
    InputError
        The file cannot be read as the manifest says.
    Conflict
        A division code belongs to another data set.
    """
    name, label, checksum = _kind(source), label_of(source), fingerprint(source, manifest)
    last = _last_batch(session, dataset_id, name, label)
    if last is not None and last.checksum == checksum:
        return _unchanged(name, label, last)
    load = _open(session, dataset_id, manifest, source, checksum, progress)
    load.run("drop_staged")
    load.run(f"stage_{name}")
    tally = _LOADERS[type(source)](load)
    if not tally.first:
        tally.said.add(_vanished(load, name, prune))
    return _close(load, name, label, tally)


def load_barriers(
    session: Session,
    dataset_id: int,
    manifest: Manifest,
    sources: Sequence[Source],
    progress: Progress,
) -> list[FileReport]:
    """Bring the barriers up to date; where one file changed, all are read again."""
    labels = [label_of(source) for source in sources]
    together = hashlib.sha256()
    for source in sources:
        together.update(fingerprint(source, manifest).encode())
    checksum = together.hexdigest()
    last = {label: _last_batch(session, dataset_id, "barriers", label) for label in labels}
    values = {"dataset_id": dataset_id, "source": "barriers", "files": labels}
    known = set(session.execute(_SQL["batch_labels"], values).scalars())
    if known == set(labels) and all(each.checksum == checksum for each in last.values()):
        return [_unchanged("barriers", label, last[label]) for label in labels]
    session.execute(_SQL["clear_barriers"], values)
    session.execute(_SQL["forget_batches"], values)
    reports = []
    for source, label in zip(sources, labels, strict=True):
        load = _open(session, dataset_id, manifest, source, checksum, progress)
        tally = _Tally()
        for checked in _checked(load, tally, validate.barriers):
            copy_frame(session, checked.valid.assign(dataset_id=dataset_id), "barrier")
        reports.append(_close(load, "barriers", label, tally))
    return reports


# -- one function a kind of source: staged and merged ---------------------------------------------


def _load_divisions(load: _Load) -> _Tally:
    source = load.source
    if not isinstance(source, DivisionSource):
        raise TypeError(source)
    known = {row.code: row.level for row in load.run("known_codes", level=source.level)}
    prefix = load.manifest.prefix
    tally = _Tally()
    for checked in _checked(
        load, tally, lambda raw: validate.divisions(raw, prefix=prefix, taken=known), at_once=True
    ):
        valid = checked.valid
        if source.level == "community" and len(valid):
            valid, faults = repair(valid)
            tally.said.add(_repairs(source, faults))
            tally.rejected += _reject_vanished(load, faults)
        copy_frame(load.session, valid, "staged")
    if source.level == "community" and tally.loaded <= 0:
        raise InputError(
            f"none of its {tally.rows:,} rows is a community, so there is nothing to draw grids in"
            + "".join(f"; the first: {reason}" for reason in load.run("first_reject").scalars()),
            file=source.file,
        )
    _refuse_taken(load)
    load.run("save_divisions")
    return tally


def _reject_vanished(load: _Load, faults: gpd.GeoDataFrame) -> int:
    """Communities of which the repair left nothing are rejected; their number."""
    vanished = faults[faults["kind"] == "vanished"]
    if len(vanished):
        rejects = pd.DataFrame(
            {
                "batch_id": load.batch_id,
                "field": "geometry",
                "reason": [
                    f"{', '.join(row.codes)}: {row.detail}" for row in vanished.itertuples()
                ],
            }
        )
        copy_frame(load.session, rejects, "import_reject")
    return len(vanished)


def _refuse_taken(load: _Load) -> None:
    """Stop before the divisions of another data set are overwritten."""
    taken = load.run("taken_codes").first()
    if taken is not None:
        raise Conflict(
            f"{load.source.file}: the division code '{taken.code}' belongs to the data set "
            f"'{taken.name}' already; nothing was changed. Set a prefix of its own under [dataset] "
            f'in {load.manifest.path.name} (prefix = "x-"), or give it the same name to update it'
        )


_PLURALS: Final = {"overlap": "overlaps", "sliver": "slivers", "invalid": "invalid polygons"}


def _repairs(source: Source, faults: gpd.GeoDataFrame) -> list[str]:
    """Repairs of the communities in words: a sentence a kind, with examples."""
    found = []
    for kind, group in faults.groupby("kind", sort=True):
        what = _PLURALS.get(str(kind), kind)
        area = group["area_m2"].sum()
        examples = "; ".join(
            f"{' and '.join(fault.codes)}: {fault.detail}" for fault in group.head(3).itertuples()
        )
        more = "; ..." if len(group) > 3 else ""
        found.append(
            f"{source.file.name}: {len(group):,} {what} repaired ({area:,.1f} m2): {examples}{more}"
        )
    return found


def _load_households(load: _Load) -> _Tally:
    tally, sample = _Tally(), _Sample(_DATUM_SAMPLE)
    if _first_households(load):
        tally.first = True
        load.run("defer_indexes")
    for valid in _valid_households(load, tally):
        sample.add(valid[["source_x", "source_y", "community", "datum"]])
        if tally.first:
            own = valid.assign(dataset_id=load.dataset_id, batch_id=load.batch_id)
            copy_frame(load.session, own, "household", freeze=True)
        else:
            copy_frame(load.session, valid, "staged")
    if tally.first:
        load.progress("index households", 0, None)
        load.run("build_indexes")
    else:
        load.run("analyze_staged")
        load.run("save_households")
    load.run("analyze_households")
    tally.said.add(_datum_warnings(load, sample.frame))
    return tally


def _first_households(load: _Load) -> bool:
    """Whether there is no household at all, nor comes one while the table is held."""
    if not load.run("no_households").scalar_one():
        return False
    load.run("hold_households")
    # another load may have committed between the first look and the lock
    empty: bool = load.run("no_households").scalar_one()
    return empty


def _valid_households(load: _Load, tally: _Tally) -> Iterator[gpd.GeoDataFrame]:
    seen = DuplicateTracker()
    bounds = load.run("community_bounds").first()
    extent = tuple(bounds) if bounds is not None else None
    for checked in _checked(
        load, tally, lambda raw: validate.households(raw, seen=seen, extent=extent)
    ):
        yield checked.valid.drop(columns="row")


class _Sample:
    """Rows spread evenly over a stream of frames: at most twice ``size``, whatever its length."""

    def __init__(self, size: int) -> None:
        self.frame = pd.DataFrame()
        self._size, self._stride, self._rows = size, 1, 0

    def add(self, frame: pd.DataFrame) -> None:
        chosen = frame.iloc[-self._rows % self._stride :: self._stride]
        self._rows += len(frame)
        self.frame = pd.concat([self.frame, chosen], ignore_index=True)
        while len(self.frame) > 2 * self._size:
            self.frame = self.frame.iloc[::2].reset_index(drop=True)
            self._stride *= 2


def _datum_warnings(load: _Load, sample: pd.DataFrame) -> list[str]:
    """Compare the declared community with the one that covers the point, under each datum."""
    communities = read_frame(load.session, _SQL["communities"], {"dataset_id": load.dataset_id})
    if sample.empty or communities.empty:
        return []
    return datum_warnings(load.source, sample, communities, load.manifest.prefix)


def _load_members(load: _Load) -> _Tally:
    tally, seen = _Tally(), DuplicateTracker()
    roles = list(load.manifest.team)
    for checked in _checked(load, tally, lambda raw: validate.members(raw, roles=roles, seen=seen)):
        copy_frame(load.session, checked.valid.rename(columns={"member_id": "reference"}), "staged")
    load.run("analyze_staged")
    load.run("save_members")
    load.run("release_ineligible")
    return tally


def _load_facilities(load: _Load) -> _Tally:
    tally, seen = _Tally(), DuplicateTracker()
    for checked in _checked(load, tally, lambda raw: validate.facilities(raw, seen=seen)):
        frame = checked.valid.rename(columns={"facility_id": "reference"})
        copy_frame(load.session, frame, "staged")
    load.run("save_facilities")
    return tally


_LOADERS: Final[Mapping[type[Source], Callable[[_Load], _Tally]]] = {
    DivisionSource: _load_divisions,
    HouseholdSource: _load_households,
    MemberSource: _load_members,
    FacilitySource: _load_facilities,
}

_KINDS: Final[Mapping[type[Source], str]] = {
    DivisionSource: "divisions",
    HouseholdSource: "households",
    BarrierSource: "barriers",
    MemberSource: "members",
    FacilitySource: "facilities",
}


# -- what they share ------------------------------------------------------------------------------


def _checked(
    load: _Load,
    tally: _Tally,
    check: Callable[[Any], Checked],
    *,
    at_once: bool = False,
) -> Iterator[Checked]:
    """Batches of a file, checked; rejected rows are written and everything is counted."""
    step = f"load {load.source.table}"
    frames = [whole(load.source)] if at_once else batches(load.source)
    # what is read and checked needs no database
    with ahead((raw, check(raw)) for raw in frames) as found:
        for raw, checked in found:
            # a row may have several faults: each is reported, the row is counted once
            rejected = checked.rejected
            tally.rows += len(raw) + len(raw.malformed)
            tally.rejected += rejected["row"].nunique()
            tally.said.add(checked.notices)
            if len(rejected):
                copy_frame(load.session, rejected.assign(batch_id=load.batch_id), "import_reject")
            yield checked
            tally.loaded = tally.rows - tally.rejected
            load.progress(step, tally.rows, int(tally.rows / raw.done) if raw.done else None)


def _vanished(load: _Load, name: str, prune: bool) -> list[str]:
    """Rows of the table that the file no longer holds: counted, or with ``prune`` removed."""
    source = load.source
    level = source.level if isinstance(source, DivisionSource) else None
    if level is not None and len(_of_level(load.manifest, level)) > 1:
        return []  # the other files of this level hold the rest
    if prune:
        load.run(f"prune_{name}", level=level)
    count = load.run(f"vanished_{name}", level=level).scalar_one()
    if not count:
        return []
    why = (
        "kept, for grids, plans or divisions name them"
        if prune
        else "kept; --prune removes what nothing else names"
    )
    return [f"{source.file.name}: {count:,} {name} of before are no longer in it: {why}"]


def _of_level(manifest: Manifest, level: str) -> list[DivisionSource]:
    return [source for source in manifest.divisions if source.level == level]


def _last_batch(session: Session, dataset_id: int, name: str, label: str) -> Any:
    values = {"dataset_id": dataset_id, "source": name, "file": label}
    return session.execute(_SQL["last_batch"], values).one_or_none()


def _open(
    session: Session,
    dataset_id: int,
    manifest: Manifest,
    source: Source,
    checksum: str,
    progress: Progress,
) -> _Load:
    batch_id: int = session.execute(
        _SQL["open_batch"],
        {
            "dataset_id": dataset_id,
            "source": _kind(source),
            "file": label_of(source),
            "checksum": checksum,
        },
    ).scalar_one()
    return _Load(session, dataset_id, manifest, source, batch_id, progress)


def _close(load: _Load, name: str, label: str, tally: _Tally) -> FileReport:
    if not tally.loaded and name != "barriers":  # of barriers the check says more
        tally.said.add([f"{label}: none of its {tally.rows:,} rows could be loaded"])
    warnings = tally.said.sentences()
    load.run(
        "close_batch",
        rows=tally.rows,
        loaded=tally.loaded,
        rejected=tally.rejected,
        warnings=json.dumps(warnings, ensure_ascii=False),
    )
    return FileReport(
        source=name,
        file=label,
        state="loaded",
        rows=tally.rows,
        loaded=tally.loaded,
        rejected=tally.rejected,
        batch=load.batch_id,
        warnings=tuple(warnings),
    )


def _unchanged(name: str, label: str, last: Any) -> FileReport:
    return FileReport(
        source=name,
        file=label,
        state="unchanged",
        rows=last.rows,
        loaded=last.loaded,
        rejected=last.rejected,
        batch=last.id,
        warnings=tuple(last.warnings),
    )


def _kind(source: Source) -> str:
    return _KINDS[type(source)]
