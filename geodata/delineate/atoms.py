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
from numba import njit
from numpy.typing import NDArray

__all__ = ["Cuts", "cut_faces"]

#: Cuts overshoot by this much, so that they surely meet the lines they end on; the stubs are
#: dangles and drop out when the faces are built again.
_OVERSHOOT_M = 1e-3
#: No cut where two households are nearer than this across it.
_NARROWEST_GAP_M = 4 * _OVERSHOOT_M


@dataclass(frozen=True, slots=True)
class Cuts:
    """How faces are cut, at two depths.

    Attributes
    ----------
    lines : array of LineString, metres
        All cuts, down to the fine cap.
    origin : (faces, 2), axes : (faces, 2, 2)
        The frame of each face's rectangle.
    start : (faces + 1,) int64
        Where each face's coarse cells begin; none for a face that is not cut.
    cells : (m, 2, 2) float64
        The cells down to the coarse cap, as low and high corners in the frame of their face.
    """

    lines: NDArray[Any]
    origin: NDArray[np.float64]
    axes: NDArray[np.float64]
    start: NDArray[np.int64]
    cells: NDArray[np.float64]

    def coarse_cell(self, face: NDArray[np.int64], xy: NDArray[np.float64]) -> NDArray[np.int64]:
        """The coarse cell, numbered within its face, that each point (n, 2) of a face lies in."""
        uv = _in_frame(xy, self.origin[face], self.axes[face])
        return _cell_of(face, uv, self.start, self.cells)


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
    heavy = np.bincount(item_face, load, len(faces)) > fine
    origin, axes = _frames(faces, heavy)
    chosen = np.flatnonzero(heavy[item_face])
    chosen = chosen[np.argsort(item_face[chosen], kind="stable")]
    owner = item_face[chosen]
    cuts, cut_face, cells, cell_face = _bisect(
        _in_frame(xy[chosen], origin[owner], axes[owner]),
        load[chosen],
        np.searchsorted(owner, np.arange(len(faces) + 1)),
        coarse,
        fine,
    )
    lines = _inside(cuts, cut_face, faces, origin, axes)
    order = np.argsort(cell_face, kind="stable")
    start = np.searchsorted(cell_face[order], np.arange(len(faces) + 1))
    return Cuts(lines=lines, origin=origin, axes=axes, start=start, cells=cells[order])


def _in_frame(
    xy: NDArray[np.float64], origin: NDArray[np.float64], axes: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Points (n, 2) in metres, each in the frame of its own face."""
    return np.asarray(np.einsum("ni,nji->nj", xy - origin, axes))


def _inside(
    cuts: NDArray[np.float64],
    cut_face: NDArray[np.int64],
    faces: NDArray[Any],
    origin: NDArray[np.float64],
    axes: NDArray[np.float64],
) -> NDArray[Any]:
    """Cuts in the frames of their faces -> lines in metres, from edge to edge of the faces."""
    if len(cuts) == 0:
        return np.empty(0, dtype=object)
    used = np.unique(cut_face)
    rings, ring_face = shapely.get_rings(faces[used], return_index=True)
    xy, ring = shapely.get_coordinates(rings, return_index=True)
    face = ring_face[ring]
    ends, piece_face = _pieces(
        cuts,
        np.searchsorted(used, cut_face),
        _in_frame(xy, origin[used[face]], axes[used[face]]),
        ring,
        np.searchsorted(face, np.arange(len(used) + 1)),
    )
    face = used[piece_face]
    return shapely.linestrings(ends @ axes[face] + origin[face, None, :])


@njit(cache=True)
def _pieces(cuts, cut_face, uv, ring, start):  # type: ignore[no-untyped-def]
    """The pieces of cuts along an axis that lie inside their faces, a little too long.

    ``uv[start[f] : start[f + 1]]`` are the rings of face f. Gives ends (p, 2, 2) and faces (p,).
    """
    ends, piece_face = (
        np.empty((len(cuts) + len(uv), 2, 2)),
        np.empty(len(cuts) + len(uv), np.int64),
    )
    count = 0
    for c in range(len(cuts)):
        face = cut_face[c]
        axis = 0 if cuts[c, 0, 0] == cuts[c, 1, 0] else 1
        place, along = cuts[c, 0, axis], 1 - axis
        met, found = np.empty(start[face + 1] - start[face]), 0
        for p in range(start[face], start[face + 1] - 1):
            a, b = uv[p, axis], uv[p + 1, axis]
            if ring[p] == ring[p + 1] and (a <= place) != (b <= place):
                share = (place - a) / (b - a)
                met[found] = uv[p, along] + share * (uv[p + 1, along] - uv[p, along])
                found += 1
        met = np.sort(met[:found])
        for p in range(0, found - 1, 2):
            low = max(met[p], min(cuts[c, 0, along], cuts[c, 1, along]))
            high = min(met[p + 1], max(cuts[c, 0, along], cuts[c, 1, along]))
            if high <= low:
                continue
            if count == len(ends):
                ends, piece_face = _doubled(ends), _doubled(piece_face)
            ends[count, :, axis] = place
            ends[count, 0, along], ends[count, 1, along] = low - _OVERSHOOT_M, high + _OVERSHOOT_M
            piece_face[count] = face
            count += 1
    return ends[:count], piece_face[:count]


@njit(cache=True)
def _doubled(values):  # type: ignore[no-untyped-def]
    """The same values with as much room again."""
    room = np.empty((2 * len(values), *values.shape[1:]), values.dtype)
    room[: len(values)] = values
    return room


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


def _frames(
    faces: NDArray[Any], wanted: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Origin (n, 2) and unit axes (n, 2, 2), the longer first, of the wanted faces' rectangles.

    A rectangle without extent, and a face that is not wanted, has the axes of the plane.
    """
    origin = np.zeros((len(faces), 2))
    axes = np.tile(np.eye(2), (len(faces), 1, 1))
    rows = np.flatnonzero(wanted)
    rectangles = shapely.minimum_rotated_rectangle(faces[rows])
    sound = shapely.get_num_coordinates(rectangles) == 5
    rows, rectangles = rows[sound], rectangles[sound]
    corners = shapely.get_coordinates(rectangles).reshape(-1, 5, 2)
    sides = np.stack([corners[:, 1] - corners[:, 0], corners[:, 3] - corners[:, 0]], axis=1)
    length = np.maximum(np.hypot(sides[..., 0], sides[..., 1]), 1e-9)
    longer_first = np.argsort(-length, axis=1, kind="stable")
    units = sides / length[..., None]
    origin[rows] = corners[:, 0]
    axes[rows] = np.take_along_axis(units, longer_first[..., None], axis=1)
    return origin, axes


@njit(cache=True)
def _best_cut(uv, load, items):  # type: ignore[no-untyped-def]
    """Axis and place of the cut that halves the load best, across the longer extent; or -1."""
    n = len(items)
    low, high = np.full(2, np.inf), np.full(2, -np.inf)
    total = 0.0
    for p in range(n):
        total += load[items[p]]
        for axis in range(2):
            low[axis] = min(low[axis], uv[items[p], axis])
            high[axis] = max(high[axis], uv[items[p], axis])
    longer = 0 if high[0] - low[0] >= high[1] - low[1] else 1
    position = np.empty(n)
    for turn in range(2):
        axis = longer if turn == 0 else 1 - longer
        for p in range(n):
            position[p] = uv[items[p], axis]
        order = np.argsort(position)
        widest = 0.0
        for p in range(n - 1):
            widest = max(widest, position[order[p + 1]] - position[order[p]])
        if widest <= _NARROWEST_GAP_M:
            continue
        half, below = total / 2.0, 0.0
        best, place = np.inf, 0.0
        for p in range(n - 1):
            below += load[items[order[p]]]
            gap = position[order[p + 1]] - position[order[p]]
            # a wide gap near the middle is better than a narrow one at it
            score = abs(below - half) / half - 0.25 * gap / widest
            if gap > _NARROWEST_GAP_M and score < best:
                best, place = score, position[order[p]] + gap / 2.0
        return axis, place
    return -1, 0.0


@njit(cache=True)
def _bisect(uv, load, start, coarse, fine):  # type: ignore[no-untyped-def]
    """Halve the items of each face down to both caps.

    Returns the cuts (c, 2, 2) as ends in the frame of their face, their faces (c,), the coarse
    cells (m, 2, 2) of the faces that are cut as low and high corners, and theirs (m,).
    """
    n = len(uv)
    order = np.arange(n)
    cuts, cut_face = np.empty((n, 2, 2)), np.empty(n, np.int64)
    cells, cell_face = np.empty((n, 2, 2)), np.empty(n, np.int64)
    cut_count, cell_count = 0, 0
    # what is still to be cut: a range of items, the box around them, and whether it is counted
    low, high, counted = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.bool_)
    boxes = np.empty((n, 2, 2))
    side = np.empty(n, np.int64)
    for face in range(len(start) - 1):
        if start[face + 1] - start[face] < 2:
            continue
        low[0], high[0], counted[0] = start[face], start[face + 1], False
        boxes[0, 0], boxes[0, 1] = -np.inf, np.inf
        pending = 1
        while pending > 0:
            pending -= 1
            a, b, box, done = low[pending], high[pending], boxes[pending].copy(), counted[pending]
            weight = load[order[a:b]].sum()
            axis, place = -1, 0.0
            if weight > fine and b - a > 1:
                axis, place = _best_cut(uv, load, order[a:b])
            if not done and (axis < 0 or weight <= coarse):
                cells[cell_count], cell_face[cell_count] = box, face
                cell_count += 1
                done = True
            if axis < 0:
                continue
            # cuts are clipped by the face; the box only bounds them by earlier cuts
            cuts[cut_count], cut_face[cut_count] = box, face
            cuts[cut_count, :, axis] = place
            cut_count += 1
            middle, rest = a, 0
            for p in range(a, b):
                if uv[order[p], axis] < place:
                    order[middle] = order[p]
                    middle += 1
                else:
                    side[rest] = order[p]
                    rest += 1
            order[middle:b] = side[:rest]
            low[pending], high[pending], counted[pending] = a, middle, done
            boxes[pending] = box
            boxes[pending, 1, axis] = place
            pending += 1
            low[pending], high[pending], counted[pending] = middle, b, done
            boxes[pending] = box
            boxes[pending, 0, axis] = place
            pending += 1
    return cuts[:cut_count], cut_face[:cut_count], cells[:cell_count], cell_face[:cell_count]


@njit(cache=True)
def _cell_of(face, uv, start, cells):  # type: ignore[no-untyped-def]
    found = np.zeros(len(face), np.int64)
    for i in range(len(face)):
        for cell in range(start[face[i]], start[face[i] + 1]):
            u, v = uv[i, 0], uv[i, 1]
            if (
                cells[cell, 0, 0] <= u < cells[cell, 1, 0]
                and cells[cell, 0, 1] <= v < cells[cell, 1, 1]
            ):
                found[i] = cell - start[face[i]]
                break
    return found
