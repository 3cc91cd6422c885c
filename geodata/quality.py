"""How good a set of grids is: balance, compactness, contiguity, boundaries that one can see.

Flagged grids (a tower that no polygon can split, a community below the minimum, and so on) are
counted by flag and left out of the figures of balance, compactness and contiguity: the input forces
them.
"""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from shapely import GeometryType

from geodata.along import length_along, segments
from geodata.coverage.faults import AREA_TOLERANCE_M2, code_column
from geodata.coverage.overlaps import joined, left_of, made_valid, overlapping_pairs
from geodata.inputs import (
    ANY,
    AREAS,
    checked_frame,
    checked_table,
    counts,
    limits,
    optional_frame,
    texts,
)
from geodata.inputs import geometries as as_array
from geodata.metric import MetricPlane

__all__ = [
    "BARRIER_REACH_M",
    "border_along",
    "count_parts",
    "flag_names",
    "measure",
    "polsby_popper",
    "signed_deviation",
]

#: A boundary this near to a barrier lies on it: half a street.
BARRIER_REACH_M: Final = 12.0

# Boundaries are sampled at the middle of pieces of at most this length.
_PIECE_M: Final = 2.0

_LINES: Final = [GeometryType.LINESTRING, GeometryType.LINEARRING]


def measure(
    grids: gpd.GeoDataFrame,
    communities: gpd.GeoDataFrame,
    barriers: gpd.GeoDataFrame | None = None,
    target: float = 400,
    minimum: float = 300,
    maximum: float = 500,
) -> pd.Series:
    """Measure grids against their communities and the barriers.

    Parameters
    ----------
    grids : GeoDataFrame
        ``community_code``, ``households`` and polygons; ``flag`` (None or text, several with
        ``;``) if there are flagged ones.
    communities : GeoDataFrame
        ``code`` (or ``community_code``) and polygons.
    barriers : GeoDataFrame, optional
        Lines, or polygons whose edges count.
    target, minimum, maximum : int
        Households a grid; ``target`` is the yardstick of a community without households.

    Returns
    -------
    Series
        - ``grids``, ``households``: counts over all grids.
        - ``deviation_mean``, ``deviation_p95``, ``deviation_max``: ``|h - t| / t`` of unflagged
          grids, where t is the community's own target H / k over its k unflagged grids.
        - ``within_range``: share of unflagged grids with minimum <= h <= maximum.
        - ``noncontiguous``: unflagged grids in more than one part; parts that meet only in
          points are apart.
        - ``gap_m2``: area of the communities that none of their grids covers.
        - ``overlap_m2``: area that two grids cover, over all pairs.
        - ``polsby_popper_median``: of unflagged grids.
        - ``on_barriers``: share of the boundary between grids of one community that lies within
          ``BARRIER_REACH_M`` of a barrier; NaN without barriers or without such a boundary.
        - ``flags``: dict of flag to number of grids.

        Figures over no grid are NaN. Lengths and areas are in the metric plane of the communities.

    Raises
    ------
    InputError
        A column is missing.
    """
    target, minimum, maximum = limits(target, minimum, maximum)
    communities = checked_frame(communities, "communities", kinds=AREAS)
    grids = checked_frame(grids, "grids", "community_code", "households", kinds=AREAS)
    grids = grids.to_crs(communities.crs)
    barriers = optional_frame(barriers, "barriers", kinds=ANY)
    plane = MetricPlane.of_frame(communities if len(communities) else grids)
    shapes = made_valid(plane.to_metres(np.array(grids.geometry, dtype=object)))
    flags = flag_names(grids)
    plain = np.array([not names for names in flags], dtype=bool)
    households = counts(grids, "households", "grids").astype(np.float64)
    # codes are text, whatever the frame holds: 1 and "1" are the same community
    community = texts(grids, "community_code", "grids")

    # the two that take long, side by side: GEOS needs no lock
    with ThreadPoolExecutor(1) as beside:
        gap = beside.submit(_gap_area, shapes, community, communities, plane)
        overlap = float(shapely.area(overlapping_pairs(shapes)[2]).sum())
        gap_m2 = gap.result()
    deviation = np.abs(signed_deviation(households[plain], community[plain], target))
    in_range = (households >= minimum) & (households <= maximum)
    figures = {
        "grids": len(grids),
        "households": int(households.sum()),
        "deviation_mean": _over(deviation, np.mean),
        "deviation_p95": _over(deviation, lambda values: np.percentile(values, 95)),
        "deviation_max": _over(deviation, np.max),
        "within_range": _over(in_range[plain], np.mean),
        "noncontiguous": int((count_parts(shapes[plain]) > 1).sum()),
        "gap_m2": gap_m2,
        "overlap_m2": overlap,
        "polsby_popper_median": _over(_polsby_popper(shapes[plain]), np.median),
        "on_barriers": _share_on_barriers(grids, barriers, plane),
        "flags": dict(sorted(Counter(name for names in flags for name in names).items())),
    }
    return pd.Series(figures, dtype=object)


def polsby_popper(geometries: gpd.GeoSeries | gpd.GeoDataFrame | Any) -> NDArray[np.float64]:
    """Compactness 4 pi A / P^2: 1 for a disc, 0.785 for a square, near 0 for a sliver.

    Parameters
    ----------
    geometries : GeoSeries, GeoDataFrame or array of Polygon and MultiPolygon, shape (n,)
        An array counts as longitude and latitude.

    Returns
    -------
    ndarray of float64, shape (n,)
        NaN where there is no area or perimeter.

    References
    ----------
    Polsby & Popper (1991), "The third criterion", Yale Law & Policy Review 9.
    """
    shapes = as_array(geometries, "geometries")
    if isinstance(geometries, gpd.GeoDataFrame | gpd.GeoSeries):
        plane = MetricPlane.of_frame(geometries)
    else:
        plane = MetricPlane.of_bounds(shapely.total_bounds(shapes))
    return _polsby_popper(plane.to_metres(shapes))


def _polsby_popper(shapes: NDArray[Any]) -> NDArray[np.float64]:
    perimeter = shapely.length(shapes)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(4 * np.pi * shapely.area(shapes) / (perimeter * perimeter))


def _over(values: NDArray[Any], figure: Any) -> float:
    """A figure over values, NaN over none."""
    return float(figure(values)) if len(values) else float("nan")


def flag_names(grids: gpd.GeoDataFrame) -> list[list[str]]:
    """Flags of each grid."""
    checked_table(grids, "grids")
    if "flag" not in grids.columns:
        return [[] for _ in range(len(grids))]
    flags = grids["flag"].where(grids["flag"].notna(), "")
    return [[name.strip() for name in str(flag).split(";") if name.strip()] for flag in flags]


def signed_deviation(
    households: NDArray[np.float64], community: NDArray[Any], target: float
) -> NDArray[np.float64]:
    """How far each grid is above the mean of its community, as a share of it; below is negative."""
    own = pd.Series(households).groupby(pd.Series(community, dtype=object)).transform("mean")
    yardstick = own.where(own > 0, float(target)).to_numpy(dtype=np.float64)
    return np.asarray((households - yardstick) / yardstick)


def count_parts(shapes: NDArray[Any]) -> NDArray[np.int64]:
    """Parts of each polygon after those that share an edge are joined."""
    shapes = as_array(shapes, "shapes")
    counts = np.array(shapely.get_num_geometries(shapes))
    several = np.flatnonzero(counts > 1)
    counts[several] = [
        shapely.get_num_geometries(shapely.union_all(shapely.get_parts(shapes[k]))) for k in several
    ]
    return counts


def _gap_area(
    shapes: NDArray[Any],
    community: NDArray[Any],
    communities: gpd.GeoDataFrame,
    plane: MetricPlane,
) -> float:
    """Area of the communities outside their grids, in square metres."""
    areas = made_valid(plane.to_metres(np.array(communities.geometry, dtype=object)))
    members = pd.Series(np.arange(len(shapes))).groupby(pd.Series(community, dtype=object)).indices
    none = np.empty(0, dtype=np.int64)
    codes = communities[code_column(communities)].astype(str)
    covered = [joined(shapes[members.get(code, none)]) for code in codes]
    gaps = left_of(areas, np.array(covered, dtype=object), 1.0, AREA_TOLERANCE_M2)
    return float(np.nansum(shapely.area(gaps)))


def border_along(
    grids: gpd.GeoDataFrame, barriers: gpd.GeoDataFrame, plane: MetricPlane | None = None
) -> tuple[float, float]:
    """Length of the boundary between grids of one community, on barriers and in all.

    Parameters
    ----------
    grids : GeoDataFrame
        ``community_code`` and polygons.
    barriers : GeoDataFrame
        Lines, or polygons whose edges count.
    plane : MetricPlane, optional
        Where lengths are measured; about the centre of the grids by default.

    Returns
    -------
    along, whole : float, metres
        What lies within ``BARRIER_REACH_M`` of a barrier, and all of it.
    """
    plane = plane or MetricPlane.of_frame(grids)
    if barriers.crs is not None and grids.crs is not None:
        barriers = barriers.to_crs(grids.crs)
    community = grids["community_code"].astype(str).to_numpy(dtype=object)
    shapes = made_valid(plane.to_metres(np.array(grids.geometry, dtype=object)))
    lines = _edges(plane.to_metres(np.array(barriers.geometry, dtype=object)))
    borders = _edges(_inner_boundaries(shapes, community))
    return length_along(segments(borders), segments(lines), BARRIER_REACH_M, _PIECE_M)


def _share_on_barriers(
    grids: gpd.GeoDataFrame, barriers: gpd.GeoDataFrame | None, plane: MetricPlane
) -> float:
    """Share of the inner boundary that lies within reach of a barrier."""
    along, whole = (0.0, 0.0) if barriers is None else border_along(grids, barriers, plane)
    return along / whole if whole > 0 else float("nan")


def _edges(geometries: NDArray[Any]) -> NDArray[Any]:
    """Lines, and the rings of polygons, of any mix of geometries; points have none."""
    parts = shapely.get_parts(geometries)
    while (shapely.get_type_id(parts) > GeometryType.POLYGON).any():
        parts = shapely.get_parts(parts)
    kinds = shapely.get_type_id(parts)
    rings = shapely.get_rings(parts[kinds == GeometryType.POLYGON])
    return np.concatenate([parts[np.isin(kinds, _LINES)], rings])


def _inner_boundaries(shapes: NDArray[Any], community: NDArray[Any]) -> NDArray[Any]:
    """Lines that two grids of one community share."""
    one, other = shapely.STRtree(shapes).query(shapes, predicate="intersects")
    pairs = (one < other) & (community[one] == community[other])
    outlines = shapely.boundary(shapes)
    return np.asarray(shapely.intersection(outlines[one[pairs]], outlines[other[pairs]]))
