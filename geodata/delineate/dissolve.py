"""Step 9: atoms to polygons that tile the community exactly."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from geodata.delineate.faces import PRECISION_M
from geodata.delineate.task import original_vertices
from geodata.metric import MetricPlane

__all__ = ["dissolve", "restore"]

#: Vertices that move a border by less than this are left out, on both sides alike.
_SIMPLIFY_M = 0.3


def dissolve(pieces: NDArray[Any], grid: NDArray[np.int64]) -> NDArray[Any]:
    """The union of each grid's pieces: (k,) polygons in metres, sharing vertices exactly."""
    order = np.argsort(grid, kind="stable")
    starts = np.searchsorted(grid[order], np.arange(int(grid.max()) + 2))
    unions = np.array(
        [shapely.coverage_union_all(pieces[order[a:b]]) for a, b in pairwise(starts)],
        dtype=object,
    )
    # the outer boundary belongs to the community and stays as it is
    simpler = shapely.coverage_simplify(unions, _SIMPLIFY_M, simplify_boundary=False)
    return simpler if shapely.is_valid(simpler).all() else unions


def restore(grids: NDArray[Any], area: Any, plane: MetricPlane) -> NDArray[Any]:
    """Metres -> the units of the frame; the community's own vertices come back bit for bit."""
    keys, vertices = original_vertices(area, plane)

    def back(xy: NDArray[np.float64]) -> NDArray[np.float64]:
        steps = np.rint(xy / PRECISION_M)
        wanted = steps[:, 0] + 1j * steps[:, 1]
        place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        own = keys[place] == wanted
        result = plane.inverse(steps * PRECISION_M)
        result[own] = vertices[place[own]]
        return result

    return shapely.transform(grids, back)
