"""Step 10: codes along a Hilbert curve, so that neighbouring numbers are neighbouring grids."""

from __future__ import annotations

from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

__all__ = ["hilbert_order"]

_LEVELS = 12


def hilbert_order(polygons: NDArray[Any]) -> NDArray[np.int64]:
    """The order of polygons along a Hilbert curve over their bounds that runs west to east.

    Source: the bitwise walk of Warren, Hacker's Delight (2nd ed.), section 16-2.
    """
    xy = shapely.get_coordinates(shapely.centroid(polygons))
    low = xy.min(axis=0)
    extent = max(float((xy.max(axis=0) - low).max()), 1e-12)
    # from the north-west corner along the north edge: x is east, y is south
    cell = np.minimum((xy - low) / extent * 2**_LEVELS, 2**_LEVELS - 1).astype(np.int64)
    x, y = cell[:, 0].copy(), 2**_LEVELS - 1 - cell[:, 1]
    place = np.zeros(len(x), dtype=np.int64)
    side = 2 ** (_LEVELS - 1)
    while side > 0:
        right, low_half = (x & side) > 0, (y & side) > 0
        place += side * side * ((3 * right) ^ low_half)
        turn = ~low_half
        mirror = turn & right
        x[mirror], y[mirror] = side * 2 - 1 - x[mirror], side * 2 - 1 - y[mirror]
        x &= side * 2 - 1
        y &= side * 2 - 1
        x[turn], y[turn] = y[turn], x[turn].copy()
        side //= 2
    return np.lexsort((xy[:, 1], xy[:, 0], place))
