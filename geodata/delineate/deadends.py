"""Step 2, before the faces: dead ends are led on to the next line, so that they part a block too.

A street that ends inside a block bounds no face and would drop out, and so would a whole street
that a careless drawing left a metre short of the next one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

__all__ = ["lead_on"]

#: A shorter dead end is an overshoot of the drawing rather than a street.
_SHORTEST_M = 20.0
#: So far a led line goes beyond the line it ends on, so that the two surely meet.
_OVERSHOOT_M = 1e-3


def lead_on(area: Any, noded: NDArray[Any], reach: float) -> NDArray[Any]:
    """Straight lines from the dead ends of noded linework to the next line ahead.

    Parameters
    ----------
    area : Polygon or MultiPolygon, metres
        Only ends inside count.
    noded : array of LineString, metres
        Lines that meet in their ends only.
    reach : float
        Metres that a line may be led on at most.

    Returns
    -------
    array of LineString
        None for an end with nothing ahead within reach.
    """
    xy, line = shapely.get_coordinates(noded, return_index=True)
    first = np.searchsorted(line, np.arange(len(noded)))
    last = np.append(first[1:], len(line)) - 1
    end = np.concatenate([first, last])
    before = np.concatenate([first + 1, last - 1])
    length = np.tile(shapely.length(noded), 2)
    place = xy[end, 0] + 1j * xy[end, 1]
    _, position, count = np.unique(place, return_inverse=True, return_counts=True)
    dead = np.flatnonzero((count[position] == 1) & (length >= _SHORTEST_M))
    shapely.prepare(area)
    dead = dead[shapely.contains_xy(area, xy[end[dead]])]
    start, along = xy[end[dead]], xy[end[dead]] - xy[before[dead]]
    step = np.hypot(along[:, 0], along[:, 1])
    start, along = start[step > 0], along[step > 0] / step[step > 0, None]
    if len(start) == 0:
        return np.empty(0, dtype=object)
    ray = shapely.linestrings(
        np.stack([start + along * _OVERSHOOT_M, start + along * reach], axis=1)
    )
    number, other = shapely.STRtree(noded).query(ray, predicate="intersects")
    meeting = shapely.distance(
        shapely.points(start[number]), shapely.intersection(ray[number], noded[other])
    )
    ahead = np.full(len(start), np.inf)
    np.minimum.at(ahead, number, meeting)
    led = np.flatnonzero(np.isfinite(ahead))
    goal = start[led] + along[led] * (ahead[led, None] + _OVERSHOOT_M)
    return shapely.linestrings(np.stack([start[led], goal], axis=1))
