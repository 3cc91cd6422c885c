"""Step 3: faces that hold too many households, or are very large, are cut into atoms.

A block is cut across its length, like its lots: in the frame of its smallest enclosing rectangle,
by lines between two households, halving the load until no piece exceeds the cap or all of it
stands on one point. Land counts as load there, so that a park or a campus which would wall off
its neighbours can be parted too.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

__all__ = ["cut_lines"]

#: Cuts overshoot by this much, so that they surely meet the lines they end on; the stubs are
#: dangles and drop out when the faces are built again.
_OVERSHOOT_M = 1e-3


def cut_lines(
    faces: NDArray[Any],
    item_face: NDArray[np.int64],
    xy: NDArray[np.float64],
    load: NDArray[np.float64],
    cap: float,
    area_cap: float,
) -> NDArray[Any]:
    """Lines that cut every face heavier than ``cap`` or larger than ``area_cap``.

    Parameters
    ----------
    faces : array of Polygon, metres
    item_face : (n,) face of each household item, -1 for none
    xy : (n, 2) metres
    load : (n,) households
    cap : float
        The load an atom should not exceed.
    area_cap : float
        The area in square metres that an atom should not exceed.

    Returns
    -------
    array of LineString
    """
    places, place_face, place_load = _land(faces, cap, area_cap)
    xy = np.concatenate([xy, places])
    item_face = np.concatenate([item_face, place_face])
    load = np.concatenate([load, place_load])
    face_load = np.bincount(item_face[item_face >= 0], load[item_face >= 0], len(faces))
    heavy = np.flatnonzero(face_load > cap)
    if len(heavy) == 0:
        return np.empty(0, dtype=object)
    order = np.argsort(item_face, kind="stable")
    starts = np.searchsorted(item_face[order], np.arange(len(faces) + 1))
    rectangles = shapely.minimum_rotated_rectangle(faces[heavy])
    segments: list[NDArray[np.float64]] = []
    owner: list[int] = []
    for face, rectangle in zip(heavy.tolist(), rectangles, strict=True):
        items = order[starts[face] : starts[face + 1]]
        if len(items) < 2:
            continue
        cuts = _bisect(_frame(rectangle), xy[items], load[items], cap)
        segments += cuts
        owner += [face] * len(cuts)
    if not segments:
        return np.empty(0, dtype=object)
    lines = shapely.intersection(shapely.linestrings(np.stack(segments)), faces[np.array(owner)])
    return _lengthened(shapely.get_parts(lines))


def _lengthened(parts: NDArray[Any]) -> NDArray[Any]:
    parts = parts[shapely.get_type_id(parts) == 1]
    ends = shapely.get_coordinates(parts).reshape(-1, 2, 2)
    along = ends[:, 1] - ends[:, 0]
    length = np.hypot(along[:, 0], along[:, 1])
    keep = length > 0
    ends, along = ends[keep], along[keep] / length[keep, None] * _OVERSHOOT_M
    return shapely.linestrings(np.stack([ends[:, 0] - along, ends[:, 1] + along], axis=1))


def _land(
    faces: NDArray[Any], cap: float, area_cap: float
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
    """Points on a lattice over the large faces, each with the load that its land stands for."""
    large = np.flatnonzero(shapely.area(faces) > area_cap)
    step = float(np.sqrt(area_cap)) / 2.0
    points, owners = [np.empty((0, 2))], [np.empty(0, dtype=np.int64)]
    for face in large.tolist():
        minx, miny, maxx, maxy = faces[face].bounds
        x = np.arange(minx + step / 2.0, maxx, step)
        y = np.arange(miny + step / 2.0, maxy, step)
        lattice = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
        shapely.prepare(faces[face])
        lattice = lattice[shapely.contains_xy(faces[face], lattice)]
        points.append(lattice)
        owners.append(np.full(len(lattice), face, dtype=np.int64))
    owner = np.concatenate(owners)
    return np.concatenate(points), owner, np.full(len(owner), cap / 4.0)


def _frame(rectangle: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Origin (2,) and axes (2, 2) of a rectangle; unit axes, the longer one first."""
    corners = shapely.get_coordinates(rectangle)
    first, second = corners[1] - corners[0], corners[3] - corners[0]
    lengths = float(np.hypot(*first)), float(np.hypot(*second))
    if lengths[0] < lengths[1]:
        first, second, lengths = second, first, lengths[::-1]
    return corners[0], np.stack([first / max(lengths[0], 1e-9), second / max(lengths[1], 1e-9)])


def _bisect(
    frame: tuple[NDArray[np.float64], NDArray[np.float64]],
    xy: NDArray[np.float64],
    load: NDArray[np.float64],
    cap: float,
) -> list[NDArray[np.float64]]:
    origin, axes = frame
    uv = (xy - origin) @ axes.T
    margin = 1e6  # cuts are clipped by the face; the box only bounds cuts by earlier cuts
    pending = [(np.arange(len(uv)), np.array([[-margin, -margin], [margin, margin]]))]
    cuts: list[NDArray[np.float64]] = []
    while pending:
        items, box = pending.pop()
        if load[items].sum() <= cap or len(items) < 2:
            continue
        split = _best_cut(uv[items], load[items])
        if split is None:
            continue
        axis, place = split
        ends = box.copy()
        ends[:, axis] = place
        cuts.append(ends @ axes + origin)
        below = uv[items, axis] < place
        low, high = box.copy(), box.copy()
        low[1, axis] = high[0, axis] = place
        pending += [(items[below], low), (items[~below], high)]
    return cuts


def _best_cut(uv: NDArray[np.float64], load: NDArray[np.int64]) -> tuple[int, float] | None:
    """Axis and place of the cut that halves the load best, across the longer extent."""
    spread = np.ptp(uv, axis=0)
    for axis in (0, 1) if spread[0] >= spread[1] else (1, 0):
        order = np.argsort(uv[:, axis], kind="stable")
        position, below = uv[order, axis], np.cumsum(load[order])
        gap = np.diff(position)
        if gap.max(initial=0.0) <= 4 * _OVERSHOOT_M:
            continue
        half = below[-1] / 2.0
        # a wide gap near the middle is better than a narrow one at it
        unevenness = np.abs(below[:-1] - half) / half
        score = np.where(gap > 4 * _OVERSHOOT_M, unevenness - 0.25 * gap / gap.max(), np.inf)
        best = int(np.argmin(score))
        return axis, float(position[best] + gap[best] / 2.0)
    return None
