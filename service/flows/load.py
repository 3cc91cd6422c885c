"""Files of a data set into PostGIS: checked, staged, merged by reference; a transaction each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

from sqlalchemy.orm import Session

from geodata.manifest import BarrierSource, Manifest, Source, read_manifest
from geodata.read import inspect
from service.db.statements import load_statements
from service.flows.rejects import ensure_writable, write_rejects
from service.flows.scope import Progress, silent
from service.flows.sources import FileReport, load_barriers, load_source

__all__ = ["LoadReport", "load_dataset"]

#: Opens a session whose end commits; one is opened for every file.
OpenSession = Callable[[], AbstractContextManager[Session]]

_SQL = load_statements("service.flows", "load.sql")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadReport:
    """What a data set holds after loading, and what became of each file.

    ``households`` has ``records``, ``households`` (a record may stand for several) and
    ``rejected``; the other counts are rows of the database.
    """

    dataset: str
    divisions: int
    households: Mapping[str, int]
    barriers: int
    members: int
    facilities: int
    files: Sequence[FileReport]
    warnings: Sequence[str] = field(default=())
    rejects: str | None
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON."""
        return asdict(self)


def load_dataset(
    open_session: OpenSession,
    manifest: Path | str,
    *,
    rejects: Path | str | None = None,
    prune: bool = False,
    progress: Progress = silent,
) -> LoadReport:
    """Load every file of a manifest, top divisions first.

    Every file is opened and its columns are compared with the manifest before anything is
    written. A file whose content and mapping did not change since it was last loaded is left
    alone.

    Parameters
    ----------
    open_session : callable
        Gives a session whose end commits; each file has its own.
    manifest : path
        The dataset.toml.
    rejects : path, optional
        CSV file (UTF-8 with BOM) that lists the rejected rows of every file.
    prune : bool
        Remove what a changed file no longer holds; by default it is kept and counted in a warning.
    progress : callable, optional
        Called with the step, the rows read and the rows expected.

    Raises
    ------
    InputError
        A file or the manifest is wrong; it names the place.
    Conflict
        A division code belongs to another data set.
    """
    began = perf_counter()
    described = read_manifest(manifest)
    for source in described.sources:
        inspect(source)
    if rejects is not None:
        ensure_writable(rejects)
    files: list[FileReport] = []
    for group in _transactions(described):
        with open_session() as session:
            dataset_id = _save_dataset(session, described)
            done = (
                [load_source(session, dataset_id, described, group, prune, progress)]
                if isinstance(group, Source)
                else load_barriers(session, dataset_id, described, group, progress)
            )
            if any(file.state == "loaded" for file in done):
                session.execute(_SQL["touch_dataset"], {"dataset_id": dataset_id})
            files += done
    with open_session() as session:
        totals = session.execute(_SQL["totals"], {"dataset_id": dataset_id}).one()
        batches = [file.batch for file in files]
        written = (
            write_rejects(session, batches=batches, path=rejects) if rejects is not None else None
        )
    return LoadReport(
        dataset=described.name,
        divisions=totals.divisions,
        households={
            "records": totals.records,
            "households": int(totals.households),
            "rejected": sum(file.rejected for file in files if file.source == "households"),
        },
        barriers=totals.barriers,
        members=totals.members,
        facilities=totals.facilities,
        files=tuple(files),
        warnings=tuple(warning for file in files for warning in file.warnings),
        rejects=str(written) if written else None,
        seconds=round(perf_counter() - began, 3),
    )


def _transactions(manifest: Manifest) -> Iterator[Source | tuple[BarrierSource, ...]]:
    """The sources in the order of loading; each has a transaction, the barriers share one.

    Barriers have no reference by which a changed file could update them. They come even where
    there are none, so that those which the manifest no longer names go.
    """
    yield from manifest.divisions
    yield manifest.barriers
    if manifest.facilities is not None:
        yield manifest.facilities
    yield manifest.households
    if manifest.members is not None:
        yield manifest.members


def _save_dataset(session: Session, manifest: Manifest) -> int:
    """Write what the manifest says of the data set as a whole, and hold its row."""
    roles = list(manifest.team)
    dataset_id: int = session.execute(
        _SQL["save_dataset"],
        {
            "name": manifest.name,
            "prefix": manifest.prefix,
            "crs": manifest.crs,
            "licence": manifest.licence,
            "target": manifest.grid.target,
            "minimum": manifest.grid.minimum,
            "maximum": manifest.grid.maximum,
            "snap_tolerance_m": manifest.grid.snap_tolerance_m,
        },
    ).scalar_one()
    team = {
        "dataset_id": dataset_id,
        "roles": roles,
        "posts": [manifest.team[role] for role in roles],
    }
    session.execute(_SQL["drop_roles"], team)
    session.execute(_SQL["save_roles"], team)
    return dataset_id
