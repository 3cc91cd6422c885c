"""Step 4: the adjacency graph of a tiling, read off its shared edges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from geodata.delineate.faces import PRECISION_M

__all__ = ["ALONG_M", "Edges", "share_along", "shared_edges", "totals"]

#: A border follows a barrier when it lies this near: the width of a road.
ALONG_M = 12.0


@dataclass(frozen=True, slots=True)
class Edges:
    """The segments of a noded tiling, each with the polygons on its two sides.

    Attributes
    ----------
    left, right : (m,) int64
        Polygon positions, left < right; ``right`` is -1 on the outer boundary, and then
        ``left`` is the only side.
    length : (m,) float64, metres
    ends : (m, 2, 2) float64, metres
    """

    left: NDArray[np.int64]
    right: NDArray[np.int64]
    length: NDArray[np.float64]
    ends: NDArray[np.float64]


def shared_edges(polygons: NDArray[Any]) -> Edges:
    """Every segment of the polygons' rings once, with who lies on either side.

    ``polygons`` tile an area and share vertices exactly (they come from polygonized linework).
    """
    parts, part_owner = shapely.get_parts(polygons, return_index=True)
    rings, ring_part = shapely.get_rings(parts, return_index=True)
    ring_owner = part_owner[ring_part]
    xy, ring_of = shapely.get_coordinates(rings, return_index=True)
    inside = ring_of[1:] == ring_of[:-1]
    start, end = xy[:-1][inside], xy[1:][inside]
    owner = ring_owner[ring_of[:-1][inside]].astype(np.int64)

    key = np.rint(np.concatenate([start, end]) / PRECISION_M).astype(np.int64)
    _, node = np.unique(key[:, 0] + 1j * key[:, 1], return_inverse=True)
    a, b = node[: len(start)].astype(np.int64), node[len(start) :].astype(np.int64)
    low, high = np.minimum(a, b), np.maximum(a, b)
    # a segment shorter than the precision is a point, and parts nobody
    order = np.lexsort((owner, high, low))
    order = order[low[order] < high[order]]
    low, high, owner = low[order], high[order], owner[order]
    ends = np.stack([start[order], end[order]], axis=1)
    twin = np.zeros(len(order), dtype=bool)
    twin[:-1] = (low[1:] == low[:-1]) & (high[1:] == high[:-1])
    second = np.zeros(len(order), dtype=bool)
    second[1:] = twin[:-1]
    first = ~second
    right = np.full(len(order), -1, dtype=np.int64)
    right[:-1][twin[:-1]] = owner[1:][twin[:-1]]
    along = ends[:, 1] - ends[:, 0]
    return Edges(
        left=owner[first],
        right=right[first],
        length=np.hypot(along[:, 0], along[:, 1])[first],
        ends=ends[first],
    )


def share_along(edges: Edges, lines: NDArray[Any]) -> float:
    """The share of the length between polygons that lies along lines; NaN where there is none.

    A segment lies along a line when its middle is within ``ALONG_M`` of it.
    """
    inner = edges.right >= 0
    total = float(edges.length[inner].sum())
    if total == 0.0:
        return float("nan")
    if len(lines) == 0:
        return 0.0
    middle = shapely.points(edges.ends[inner].mean(axis=1))
    # the points in the tree, so that each line, which may be long, is prepared once
    near = np.unique(shapely.STRtree(middle).query(lines, predicate="dwithin", distance=ALONG_M)[1])
    return float(edges.length[inner][near].sum()) / total


def totals(group: NDArray[np.int64], values: NDArray[Any], count: int) -> NDArray[np.float64]:
    """The sum of values by group: (count,) float64."""
    return np.bincount(group, weights=values, minlength=count).astype(np.float64, copy=False)
