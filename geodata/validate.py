"""Raw batch -> valid rows, rejected rows with their reasons, warnings. Nothing is lost between.

Each function takes a :class:`~geodata.read.RawBatch` and gives a :class:`Checked` whose ``valid``
has the columns of ``geodata.schema`` in EPSG:4326. Every row of the file is either in ``valid`` or
in ``rejected``; only divisions of one code are merged, with a warning that counts them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import shapely
from numpy.typing import NDArray

from geodata._polygons import merge_codes, polygons
from geodata._rows import (
    Rejections,
    Texts,
    geometry_of,
    locate_points,
    numbers,
    series,
    whole_numbers,
)
from geodata.datum import to_storage
from geodata.duplicates import DuplicateTracker
from geodata.manifest import BarrierSource, DivisionSource, nearest
from geodata.notices import Notice, counted
from geodata.read import RawBatch, as_text
from geodata.schema import CODE_PATTERN, LEVELS, ROLE_PATTERN, STORAGE_CRS

__all__ = [
    "Checked",
    "DuplicateTracker",
    "barriers",
    "divisions",
    "facilities",
    "households",
    "members",
]

_MOST_HOUSEHOLDS: Final = 2**31 - 1
_MOST_POSTS: Final = 2**15 - 1

_POLYGONAL: Final = (3, 6)
_LINEAR: Final = (1, 2, 5)

#: Names that say nothing.
_NO_NAME: Final = r"^[-‐-―−－_.]*$"

_ROLE: Final = re.compile(ROLE_PATTERN)
_ROLE_SEPARATOR: Final = re.compile(r"[;,；，、|]")


@dataclass(frozen=True, slots=True)
class Checked:
    """The rows of a batch, sorted.

    Attributes
    ----------
    valid : GeoDataFrame
        In EPSG:4326 with the columns of ``geodata.schema``.
    rejected : DataFrame
        ``row`` (1 is the first row of data), ``field`` (the column of the file), ``reason``,
        ``raw`` (the whole row as a dict that JSON can hold).
    notices : list of Notice or str
        Of this batch; ``notices.Notices`` adds up those of a file.
    """

    valid: gpd.GeoDataFrame
    rejected: pd.DataFrame
    notices: Sequence[Notice | str]

    @property
    def warnings(self) -> list[str]:
        """The notices as sentences."""
        return [str(notice) for notice in self.notices]


def households(
    batch: RawBatch,
    *,
    seen: DuplicateTracker | None = None,
    extent: tuple[float, float, float, float] | None = None,
) -> Checked:
    """Check household records.

    Parameters
    ----------
    batch : RawBatch
        Of a ``HouseholdSource``.
    seen : DuplicateTracker, optional
        One for all batches of a file, so that a reference which repeats in a later batch is
        rejected too. Without it only repeats within the batch are found.
    extent : (west, south, east, north), optional
        Bounds of the communities in EPSG:4326; it lets swapped coordinates be recognised where
        both are within 90 degrees.

    Notes
    -----
    A record must stand for at least one household: 0 and blank counts are rejected. Of records
    with the same reference the first valid one stays.
    """
    rejections = Rejections(batch)
    others = ("address", "building", "unit", "community")
    texts = Texts.of(batch, rejections, "id", others)
    rejections.add(texts.missing("id"), "id", "the reference is blank: every record needs its own")
    points = locate_points(rejections, extent=extent, required=True)
    if "households" in batch.source.columns:
        counts = whole_numbers(
            rejections,
            "households",
            least=1,
            most=_MOST_HOUSEHOLDS,
            what="a number of households (1, 2, ...)",
            blank_is_bad=True,
        )
    else:
        counts = np.ones(len(batch))
    _reject_repeats(rejections, texts["id"], DuplicateTracker() if seen is None else seen)
    good = pa.array(rejections.good)
    kept = rejections.good
    columns = {"reference": series(texts["id"].filter(good))}
    columns |= {name: series(texts[name].filter(good)) for name in others[:3]}
    columns["households"] = pd.Series(counts[kept].astype(np.int32))
    columns["community"] = series(texts["community"].filter(good))
    columns["source_x"] = pd.Series(points.x[kept])
    columns["source_y"] = pd.Series(points.y[kept])
    columns["datum"] = series(pa.array([batch.crs]).take(pa.array(np.zeros(kept.sum(), np.int64))))
    columns["row"] = pd.Series(batch.rows[kept])
    place = _places(batch, points.lon[kept], points.lat[kept], kept)
    valid = gpd.GeoDataFrame(columns, geometry=place, crs=STORAGE_CRS)
    warnings: list[Notice | str] = [*batch.warnings, *texts.warnings, *points.warnings]
    return Checked(valid, rejections.frame(), warnings)


def _places(
    batch: RawBatch,
    lon: NDArray[np.float64],
    lat: NDArray[np.float64],
    kept: NDArray[np.bool_],
) -> NDArray[np.object_]:
    """Points at the places of the kept rows: the file's own where they are there already."""
    if batch.geometry is not None:
        own = batch.geometry[kept]
        if (
            (shapely.get_type_id(own) == shapely.GeometryType.POINT).all()
            and np.array_equal(shapely.get_x(own), lon)
            and np.array_equal(shapely.get_y(own), lat)
        ):
            return own
    return np.asarray(shapely.points(lon, lat), dtype=object)


def _reject_repeats(rejections: Rejections, references: Any, seen: DuplicateTracker) -> None:
    """Reject good rows whose reference an earlier good row has."""
    good = np.flatnonzero(rejections.good)
    texts = references.take(pa.array(good)).to_numpy(zero_copy_only=False)
    before = np.zeros(len(rejections.good), dtype=np.int64)
    before[good] = seen.check(texts, rejections.batch.rows[good])
    rejections.add(
        before > 0,
        "id",
        lambda at: (
            f"the reference {references[at].as_py()!r} is taken by row {before[at]}, which is kept"
        ),
    )


def divisions(
    batch: RawBatch, *, prefix: str = "", taken: Mapping[str, str] | None = None
) -> Checked:
    """Check the divisions of one level; give the whole file, by ``read.whole``.

    Parameters
    ----------
    batch : RawBatch
        Of a ``DivisionSource``.
    prefix : str
        Put before every code and parent.
    taken : mapping of str to str, optional
        Code (prefix included) -> level of the divisions that are known already. Codes in it are
        refused here, and parents must be in it, of a higher level; a parent that is not becomes
        None with a warning. Without it neither is looked at.

    Notes
    -----
    Features of the same code and name are parts of one division and are merged; the same code
    under another name is rejected. A blank name, or one of dashes, becomes the code.
    """
    source = batch.source
    if not isinstance(source, DivisionSource):
        raise TypeError(f"a DivisionSource is needed, not {type(source).__name__}")
    rejections = Rejections(batch)
    texts = Texts.of(batch, rejections, "code", ("name", "parent"))
    rejections.add(texts.missing("code"), "code", "the code is blank: every division needs one")
    codes = pc.binary_join_element_wise(prefix, texts["code"], "")
    _reject_codes(rejections, codes, taken or {})
    labels = codes.to_pylist()
    shapes, repaired = polygons(rejections, labels)
    names, unnamed = _names(batch, texts["name"], codes)
    frame = pd.DataFrame(
        {
            "code": series(codes),
            "name": series(names),
            "level": source.level,
            "parent": series(pc.binary_join_element_wise(prefix, texts["parent"], "")),
            "position": np.arange(len(batch)),
        }
    )
    frame["level"] = frame["level"].astype("str")
    kept, merged, shared = merge_codes(frame, shapes, rejections)
    kept = kept.drop(columns="position").reset_index(drop=True)
    orphans = _unlink_orphans(batch, kept, source.level, taken)
    valid = gpd.GeoDataFrame(kept, geometry=merged, crs=STORAGE_CRS)
    notices: list[Notice | str] = [*batch.warnings, *texts.warnings]
    notices += [*unnamed, *repaired, *shared, *orphans]
    return Checked(valid, rejections.frame(), notices)


def _reject_codes(rejections: Rejections, codes: Any, taken: Mapping[str, str]) -> None:
    fits = pc.fill_null(pc.match_substring_regex(codes, CODE_PATTERN), False)
    rejections.add(
        ~np.asarray(fits.to_numpy(zero_copy_only=False), dtype=bool),
        "code",
        lambda at: (
            f"{codes[at].as_py()!r} is no code: up to 40 letters, digits, '.', '_' and "
            "'-', a letter or digit at both ends (the prefix counts)"
        ),
    )
    known = np.array([code in taken for code in codes.to_pylist()], dtype=bool)
    rejections.add(
        known,
        "code",
        lambda at: (
            f"the code {codes[at].as_py()!r} is that of a {taken[codes[at].as_py()]} "
            "already: codes must be unique over all levels"
        ),
    )


def _names(batch: RawBatch, names: Any, codes: Any) -> tuple[Any, list[str]]:
    """Names, the code where there is none."""
    empty = pc.fill_null(pc.match_substring_regex(names, _NO_NAME), True)
    count = int(pc.sum(empty).as_py() or 0)
    filled = pc.if_else(empty, codes, names)
    if not count or "name" not in batch.source.columns:
        return filled, []
    return filled, [
        f"{batch.source.file.name}: {counted(count, 'name')} blank or '-': the code stands for it"
    ]


def _unlink_orphans(
    batch: RawBatch, frame: pd.DataFrame, level: str, taken: Mapping[str, str] | None
) -> list[str]:
    """Drop parents that are unknown or not of a higher level; say which."""
    if taken is None:
        return []
    rank = LEVELS.index(level)
    higher = {code for code, other in taken.items() if LEVELS.index(other) < rank}
    orphans = frame["parent"].notna() & ~frame["parent"].isin(higher)
    if not orphans.any():
        return []
    lost = sorted(set(frame.loc[orphans, "parent"]))
    frame.loc[orphans, "parent"] = None
    listed = ", ".join(lost[:10]) + (", ..." if len(lost) > 10 else "")
    return [
        f"{batch.source.file.name}: {counted(int(orphans.sum()), 'division')} of level {level} "
        f"name a parent that is no division of a higher level, and are kept without one: {listed}"
    ]


def barriers(batch: RawBatch) -> Checked:
    """Check barriers: lines and polygons; points and empty geometries are rejected.

    A blank weight counts as 1, with a warning.
    """
    source = batch.source
    if not isinstance(source, BarrierSource):
        raise TypeError(f"a BarrierSource is needed, not {type(source).__name__}")
    rejections = Rejections(batch)
    shapes = geometry_of(batch)
    empty = shapely.is_missing(shapes) | shapely.is_empty(shapes)
    rejections.add(empty, "geometry", "there is no geometry: draw the line, or leave the row out")
    rejections.add(
        ~np.isin(shapely.get_type_id(shapes), (*_LINEAR, *_POLYGONAL, 7)),
        "geometry",
        lambda at: f"a {shapes[at].geom_type} is no barrier: give lines or polygons",
    )
    weights, notices = _weights(rejections, source)
    warnings: list[Notice | str] = [*batch.warnings, *notices]
    usable = np.flatnonzero(rejections.good)
    moved = np.full(len(batch), None, dtype=object)
    moved[usable] = to_storage(shapes[usable], batch.crs)
    bounds = shapely.bounds(moved)
    with np.errstate(invalid="ignore"):
        off = ~(np.abs(bounds) <= np.array([180.0, 90.0, 180.0, 90.0])).all(axis=1)
    rejections.add(off, "geometry", f"it lies at no place in {batch.crs}: is that the right CRS?")
    kept = rejections.good
    kinds = _kinds(batch, source)
    valid = gpd.GeoDataFrame(
        {"kind": series(kinds.filter(pa.array(kept))), "weight": pd.Series(weights[kept])},
        geometry=moved[kept],
        crs=STORAGE_CRS,
    )
    if not kept.any():
        layer = f"layer '{source.layer}' of " if source.layer else ""
        warnings.append(
            f"{layer}{source.file.name} holds no lines or polygons: grids will not follow it; "
            "name a layer that does, or leave the table out"
        )
    return Checked(valid, rejections.frame(), warnings)


def _weights(
    rejections: Rejections, source: BarrierSource
) -> tuple[NDArray[np.float64], list[Notice]]:
    batch = rejections.batch
    if not isinstance(source.weight, str):
        weight = 1.0 if source.weight is None else source.weight
        return np.full(len(batch), weight, dtype=np.float64), []
    text = batch.text("weight")
    values, blank, unreadable = numbers(text)
    with np.errstate(invalid="ignore"):
        bad = unreadable | (values <= 0.0)
    rejections.add(bad, "weight", lambda at: f"{text[at].as_py()!r} is no weight above 0")
    if not blank.any():
        return values, []
    values[blank] = 1.0
    return values, [
        Notice(source.file.name, int(blank.sum()), "blank weight", "for which 1 stands")
    ]


def _kinds(batch: RawBatch, source: BarrierSource) -> Any:
    """The column that ``kind`` names, else ``kind`` itself, else the layer or the file's name."""
    fallback = source.layer or source.file.stem
    if source.kind in batch.table.column_names:
        return pc.fill_null(as_text(batch.table.column(source.kind)), fallback)
    return pa.array([source.kind or fallback] * len(batch), pa.string())


def members(
    batch: RawBatch, *, roles: Collection[str] = (), seen: DuplicateTracker | None = None
) -> Checked:
    """Check team members.

    Parameters
    ----------
    batch : RawBatch
        Of a ``MemberSource``.
    roles : collection of str
        The roles that grids need, of ``[team]``; a role beside them is kept with a warning that
        names it, for it fills no post.
    seen : DuplicateTracker, optional
        As for :func:`households`.

    Notes
    -----
    Roles are separated by ';' or ','. A member without coordinates is kept without a place;
    ``max_posts`` is <NA> where not given.
    """
    rejections = Rejections(batch)
    texts = Texts.of(batch, rejections, "id", ("name", "roles"))
    rejections.add(texts.missing("id"), "id", "the reference is blank: every member needs its own")
    held = [_split_roles(text) for text in texts["roles"].to_pylist()]
    rejections.add(
        np.array([not each for each in held], dtype=bool),
        "roles",
        "there is no role: name at least one, several separated by ';'",
    )
    wrong = [next((role for role in each if not _ROLE.match(role)), None) for each in held]
    rejections.add(
        np.array([role is not None for role in wrong], dtype=bool),
        "roles",
        lambda at: f"{wrong[at]!r} is no role: lower-case letters, digits and '_', a letter first",
    )
    points = locate_points(rejections, extent=None, required=False)
    posts = whole_numbers(
        rejections,
        "max_posts",
        least=0,
        most=_MOST_POSTS,
        what="a number of posts (0, 1, 2, ...)",
        blank_is_bad=False,
    )
    _reject_repeats(rejections, texts["id"], DuplicateTracker() if seen is None else seen)
    kept = np.flatnonzero(rejections.good)
    good = pa.array(rejections.good)
    valid = gpd.GeoDataFrame(
        {
            "member_id": series(texts["id"].filter(good)),
            "name": series(texts["name"].filter(good)),
            "roles": pd.Series([held[at] for at in kept], dtype=object),
            "max_posts": pd.array(posts[kept], dtype="Float64").astype("Int16"),
        },
        geometry=_points_or_none(points.lon[kept], points.lat[kept]),
        crs=STORAGE_CRS,
    )
    warnings: list[Notice | str] = [*batch.warnings, *texts.warnings, *points.warnings]
    warnings += _homeless(batch, points.missing & rejections.good)
    warnings += _idle_roles(batch, valid["roles"], roles)
    return Checked(valid, rejections.frame(), warnings)


def _split_roles(text: str | None) -> list[str]:
    """``"Police; doctor"`` -> ``["police", "doctor"]``, each role once."""
    parts = (part.strip().lower() for part in _ROLE_SEPARATOR.split(text or ""))
    return list(dict.fromkeys(part for part in parts if part))


def _points_or_none(lon: NDArray[np.float64], lat: NDArray[np.float64]) -> NDArray[np.object_]:
    shapes = np.full(len(lon), None, dtype=object)
    there = np.isfinite(lon) & np.isfinite(lat)
    shapes[there] = shapely.points(lon[there], lat[there])
    return shapes


def _homeless(batch: RawBatch, missing: NDArray[np.bool_]) -> list[Notice]:
    if not missing.any():
        return []
    rows = batch.rows[missing]
    return [
        Notice(
            batch.source.file.name,
            len(rows),
            "member",
            "without a place",
            row=int(rows[0]),
            advice=": kept, but posts cannot be given by distance",
        )
    ]


def _idle_roles(batch: RawBatch, held: pd.Series, needed: Collection[str]) -> list[Notice]:
    """Roles that no team needs, with the nearest one that a team does: they may be misspelt."""
    if not needed:
        return []
    counts = held.explode().value_counts()
    return [
        Notice(
            batch.source.file.name,
            int(count),
            "member",
            f"hold the role '{role}', which no team needs: {nearest(str(role), needed)}",
        )
        for role, count in counts.items()
        if role not in needed
    ]


def facilities(batch: RawBatch, *, seen: DuplicateTracker | None = None) -> Checked:
    """Check service centres and other places; ``seen`` as for :func:`households`."""
    rejections = Rejections(batch)
    texts = Texts.of(batch, rejections, "id", ("name", "kind"))
    rejections.add(
        texts.missing("id"), "id", "the reference is blank: every facility needs its own"
    )
    points = locate_points(rejections, extent=None, required=True)
    _reject_repeats(rejections, texts["id"], DuplicateTracker() if seen is None else seen)
    good, kept = pa.array(rejections.good), rejections.good
    valid = gpd.GeoDataFrame(
        {
            "facility_id": series(texts["id"].filter(good)),
            "name": series(texts["name"].filter(good)),
            "kind": series(texts["kind"].filter(good)),
        },
        geometry=shapely.points(points.lon[kept], points.lat[kept]),
        crs=STORAGE_CRS,
    )
    warnings: list[Notice | str] = [*batch.warnings, *texts.warnings, *points.warnings]
    return Checked(valid, rejections.frame(), warnings)
