"""Step 3: faces that hold too many households, or are very large, are cut into atoms.

A block is cut across its length, like its lots: in the frame of its smallest enclosing rectangle,
by lines between two households, halving the load until no piece exceeds the cap or all of it
stands on one point. Land counts as load there, so that a park or a campus which would wall off
its neighbours can be parted too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

__all__ = ["Cuts", "cut_faces"]

#: Cuts overshoot by this much, so that they surely meet the lines they end on; the stubs are
#: dangles and drop out when the faces are built again.
_OVERSHOOT_M = 1e-3
_BEYOND_M = 1e6


@dataclass(frozen=True, slots=True)
class Cuts:
    """How faces are cut, at two depths.

    Attributes
    ----------
    lines : array of LineString, metres
        All cuts, down to the fine cap.
    frames : dict of face -> (origin (2,), axes (2, 2))
        The rectangle's frame that a face was cut in.
    boxes : dict of face -> (m, 2, 2) float64
        The cells down to the coarse cap, as low and high corners in that frame.
    """

    lines: NDArray[Any]
    frames: dict[int, tuple[NDArray[np.float64], NDArray[np.float64]]]
    boxes: dict[int, NDArray[np.float64]]

    def coarse_cell(self, face: NDArray[np.int64], xy: NDArray[np.float64]) -> NDArray[np.int64]:
        """The coarse cell, numbered within its face, that each point (n, 2) of a face lies in."""
        cell = np.zeros(len(face), dtype=np.int64)
        order = np.argsort(face, kind="stable")
        for number, boxes in self.boxes.items():
            low, high = np.searchsorted(face[order], [number, number + 1])
            rows = order[low:high]
            origin, axes = self.frames[number]
            uv = (xy[rows] - origin) @ axes.T
            inside = (uv[:, None, :] >= boxes[None, :, 0]) & (uv[:, None, :] < boxes[None, :, 1])
            cell[rows] = np.argmax(inside.all(axis=2), axis=1)
        return cell


def cut_faces(
    faces: NDArray[Any],
    item_face: NDArray[np.int64],
    xy: NDArray[np.float64],
    load: NDArray[np.float64],
    *,
    coarse: float,
    fine: float,
    area_cap: float,
) -> Cuts:
    """Cut every face heavier than a cap or larger than ``area_cap``.

    Parameters
    ----------
    faces : array of Polygon, metres
    item_face : (n,) face of each household item
    xy : (n, 2) metres
    load : (n,) households
    coarse, fine : float
        The load that an atom for the search, and one for the last adjustment, should not exceed.
    area_cap : float
        The area in square metres that an atom should not exceed.
    """
    places, place_face, place_load = _land(faces, coarse, area_cap)
    xy = np.concatenate([xy, places])
    item_face = np.concatenate([item_face, place_face])
    load = np.concatenate([load, place_load])
    heavy = np.flatnonzero(np.bincount(item_face, load, len(faces)) > fine)
    order = np.argsort(item_face, kind="stable")
    starts = np.searchsorted(item_face[order], np.arange(len(faces) + 1))
    segments: list[NDArray[np.float64]] = []
    owner: list[int] = []
    frames, boxes = {}, {}
    for face, rectangle in zip(
        heavy.tolist(), shapely.minimum_rotated_rectangle(faces[heavy]), strict=True
    ):
        items = order[starts[face] : starts[face + 1]]
        if len(items) < 2:
            continue
        frame = _frame(rectangle)
        cuts, cells = _bisect(frame, xy[items], load[items], coarse, fine)
        segments += cuts
        owner += [face] * len(cuts)
        if len(cells) > 1:
            frames[face], boxes[face] = frame, np.stack(cells)
    lines = np.empty(0, dtype=object)
    if segments:
        across = shapely.linestrings(np.stack(segments))
        lines = _lengthened(shapely.get_parts(shapely.intersection(across, faces[np.array(owner)])))
    return Cuts(lines=lines, frames=frames, boxes=boxes)


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
    coarse: float,
    fine: float,
) -> tuple[list[NDArray[np.float64]], list[NDArray[np.float64]]]:
    """The cuts (2, 2) of one face in metres, and its coarse cells in the frame."""
    origin, axes = frame
    uv = (xy - origin) @ axes.T
    everywhere = np.array([[-np.inf, -np.inf], [np.inf, np.inf]])
    pending = [(np.arange(len(uv)), everywhere, False)]
    cuts: list[NDArray[np.float64]] = []
    cells: list[NDArray[np.float64]] = []
    while pending:
        items, box, counted = pending.pop()
        weight = load[items].sum()
        split = None
        if weight > fine and len(items) > 1:
            split = _best_cut(uv[items], load[items])
        if not counted and (split is None or weight <= coarse):
            cells.append(box)
            counted = True
        if split is None:
            continue
        axis, place = split
        # cuts are clipped by the face; the box only bounds them by earlier cuts
        ends = np.clip(box, -_BEYOND_M, _BEYOND_M)
        ends[:, axis] = place
        cuts.append(ends @ axes + origin)
        below = uv[items, axis] < place
        low, high = box.copy(), box.copy()
        low[1, axis] = high[0, axis] = place
        pending += [(items[below], low, counted), (items[~below], high, counted)]
    return cuts, cells


def _best_cut(uv: NDArray[np.float64], load: NDArray[np.float64]) -> tuple[int, float] | None:
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
