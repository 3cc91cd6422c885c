"""Division polygons: repaired, and those of one code put together."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from geodata._rows import Rejections, geometry_of
from geodata.datum import to_storage
from geodata.notices import counted

__all__ = ["merge_codes", "polygons"]

_COLLECTION: Final = 7
_POLYGONAL: Final = (3, 6)

_Shapes = NDArray[np.object_]


def polygons(rejections: Rejections, labels: list[str | None]) -> tuple[_Shapes, list[str]]:
    """MultiPolygons in EPSG:4326, valid ones; rows without an area are rejected.

    Parameters
    ----------
    rejections : Rejections
        Of the batch.
    labels : list of str or None
        The code of each row, for the warnings.
    """
    batch = rejections.batch
    shapes = geometry_of(batch)
    empty = shapely.is_missing(shapes) | shapely.is_empty(shapes)
    rejections.add(empty, "geometry", "there is no geometry, or it is damaged: draw the polygon")
    kind = shapely.get_type_id(shapes)
    rejections.add(
        ~np.isin(kind, (*_POLYGONAL, _COLLECTION)),
        "geometry",
        lambda at: f"a {shapes[at].geom_type} is no area: give a polygon",
    )
    usable = np.flatnonzero(rejections.good)
    moved = np.full(len(batch), None, dtype=object)
    moved[usable] = to_storage(shapes[usable], batch.crs)
    bounds = shapely.bounds(moved)
    with np.errstate(invalid="ignore"):
        off = ~(np.abs(bounds) <= np.array([180.0, 90.0, 180.0, 90.0])).all(axis=1)
    rejections.add(
        off, "geometry", f"its corners are no places in {batch.crs}: is that the right CRS?"
    )
    return _repaired(rejections, moved, labels)


def _repaired(
    rejections: Rejections, shapes: _Shapes, labels: list[str | None]
) -> tuple[_Shapes, list[str]]:
    """Make geometries valid by GEOS's structure method, which keeps every part of an area."""
    batch = rejections.batch
    whole = shapes.copy()
    invalid = np.flatnonzero(rejections.good & ~shapely.is_valid(shapes))
    # asked before the repair: the reason names the place of the fault
    reasons = shapely.is_valid_reason(shapes[invalid])
    whole[invalid] = shapely.make_valid(shapes[invalid], method="structure", keep_collapsed=False)
    good = np.flatnonzero(rejections.good)
    whole[good] = [_polygonal(shape) for shape in whole[good]]
    gone = rejections.good & shapely.is_empty(whole)
    rejections.add(gone, "geometry", "the polygon is invalid and holds no area once repaired")
    repaired = [(at, reason) for at, reason in zip(invalid, reasons, strict=True) if not gone[at]]
    if not repaired:
        return whole, []
    named = "; ".join(f"{labels[at]} (row {batch.rows[at]}): {why}" for at, why in repaired[:10])
    more = f"; and {len(repaired) - 10:,} more" if len(repaired) > 10 else ""
    return whole, [
        f"{batch.source.file.name}: {counted(len(repaired), 'invalid polygon')} repaired: "
        f"{named}{more}"
    ]


def _polygonal(shape: Any) -> Any:
    """The areas of a geometry as one MultiPolygon."""
    if shape.geom_type == "Polygon":
        return shapely.MultiPolygon([shape] if not shape.is_empty else [])
    if shape.geom_type == "MultiPolygon":
        return shape
    parts = [part for part in shapely.get_parts(shape) if part.geom_type.endswith("Polygon")]
    union = shapely.union_all(parts)
    if union.geom_type == "Polygon":
        return shapely.MultiPolygon([union] if not union.is_empty else [])
    return union


def merge_codes(
    frame: pd.DataFrame, shapes: _Shapes, rejections: Rejections
) -> tuple[pd.DataFrame, _Shapes, list[str]]:
    """One row a code: features of one code and one name become one MultiPolygon.

    Parameters
    ----------
    frame : DataFrame
        ``code``, ``name``, ``parent`` and others of every row of the batch.
    shapes : ndarray of geometry
        As long as the batch.
    rejections : Rejections
        A feature whose code is taken by another name is rejected.

    Returns
    -------
    tuple
        The rows of the first feature of each code, their geometries, warnings.
    """
    batch = rejections.batch
    good = np.flatnonzero(rejections.good)
    first = frame.loc[good].groupby("code", sort=False)["position"].transform("min").to_numpy()
    names = frame["name"].astype(object).where(frame["name"].notna(), None).to_numpy()
    clash = np.zeros(len(batch), dtype=bool)
    clash[good] = names[good] != names[first]
    leader = np.full(len(batch), -1, dtype=np.int64)
    leader[good] = first
    rejections.add(
        clash,
        "code",
        lambda at: (
            f"the code {frame['code'][at]!r} is taken by '{names[leader[at]]}' in row "
            f"{batch.rows[leader[at]]}: codes must be unique"
        ),
    )
    good = np.flatnonzero(rejections.good)
    leaders = leader[good]
    kept, group = np.unique(leaders, return_inverse=True)
    sizes = np.bincount(group, minlength=len(kept))
    merged = shapes[kept].copy()
    for at in np.flatnonzero(sizes > 1):
        merged[at] = _polygonal(shapely.union_all(shapes[good[group == at]]))
    several = kept[sizes > 1]
    if not len(several):
        return frame.loc[kept], merged, []
    listed = ", ".join(str(code) for code in frame["code"][several[:10]])
    return (
        frame.loc[kept],
        merged,
        [
            f"{batch.source.file.name}: {counted(int(sizes[sizes > 1].sum()), 'feature')} share "
            f"{counted(len(several), 'code')} and are merged, one MultiPolygon a code: {listed}"
            + (", ..." if len(several) > 10 else "")
        ],
    )
