"""Step 3 without barriers: straight cuts along the cells of a balanced power diagram."""

from __future__ import annotations

from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

__all__ = ["cell_edges"]


def cell_edges(
    centres: NDArray[np.float64], duals: NDArray[np.float64], bounds: tuple[float, ...]
) -> NDArray[Any]:
    """The edges of a power diagram within a box.

    Cell c is where ``|p - centre_c|^2 - dual_c`` is least: an intersection of half-planes.

    Parameters
    ----------
    centres : (k, 2) metres
    duals : (k,) square metres
    bounds : minx, miny, maxx, maxy in metres

    Returns
    -------
    array of LineString
        Edges between two cells twice, and edges of the box.
    """
    minx, miny, maxx, maxy = bounds
    margin = 1.0 + 0.01 * max(maxx - minx, maxy - miny)
    box = np.array(
        [
            [minx - margin, miny - margin],
            [maxx + margin, miny - margin],
            [maxx + margin, maxy + margin],
            [minx - margin, maxy + margin],
        ]
    )
    outlines = []
    for c in range(len(centres)):
        ring = box
        gap = ((centres - centres[c]) ** 2).sum(axis=1)
        for other in np.argsort(gap, kind="stable"):
            if other == c or len(ring) == 0:
                continue
            normal = 2.0 * (centres[other] - centres[c])
            offset = (centres[other] ** 2).sum() - (centres[c] ** 2).sum() - duals[other] + duals[c]
            ring = _clip(ring, normal, offset)
        if len(ring) >= 3:
            outlines.append(np.concatenate([ring, ring[:1]]))
    segments = [np.stack([ring[:-1], ring[1:]], axis=1) for ring in outlines]
    return shapely.linestrings(np.concatenate(segments))


def _clip(
    ring: NDArray[np.float64], normal: NDArray[np.float64], offset: float
) -> NDArray[np.float64]:
    """A convex ring cut down to where ``normal . p <= offset`` (Sutherland and Hodgman, 1974)."""
    side = ring @ normal - offset
    if (side <= 0).all():
        return ring
    if (side > 0).all():
        return ring[:0]
    after = np.roll(np.arange(len(ring)), -1)
    kept = []
    for i, j in enumerate(after.tolist()):
        if side[i] <= 0:
            kept.append(ring[i])
        if (side[i] <= 0) != (side[j] <= 0):
            kept.append(ring[i] + (ring[j] - ring[i]) * (side[i] / (side[i] - side[j])))
    return np.array(kept).reshape(-1, 2)
