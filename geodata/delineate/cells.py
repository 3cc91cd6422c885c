"""Step 3 without barriers: straight cuts along the cells of a balanced power diagram."""

from __future__ import annotations

from typing import Any

import numpy as np
import shapely
from numba import njit
from numpy.typing import NDArray

from geodata.delineate.power import balanced_labels, bisection_centres
from geodata.delineate.task import Limits

__all__ = ["balanced_cells", "cell_edges"]

#: Starts of the search for straight cuts, and the work (points x centres x steps) spent on each.
_TURNS = 6
_CLIMB_WORK = 2_000_000


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
    furthest = float(duals.max())
    for c in range(len(centres)):
        ring = box
        gap = ((centres - centres[c]) ** 2).sum(axis=1)
        for other in np.argsort(gap, kind="stable"):
            if other == c or len(ring) == 0:
                continue
            # beyond the ring's reach no centre cuts anything off, whatever its dual
            reach = float(((ring - centres[c]) ** 2).sum(axis=1).max())
            spare = gap[other] + duals[c] - furthest
            if spare > 0.0 and spare * spare > 4.0 * gap[other] * reach:
                break
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


def balanced_cells(
    xy: NDArray[np.float64],
    load: NDArray[np.float64],
    k: int,
    area: float,
    limits: Limits,
    *,
    seed: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The power diagram whose cells are compact and hold equal whole buildings.

    The duals balance the loads only up to the building that straddles a cut. From several balanced
    diagrams a random climb over centres and duals looks for one whose cells also balance in whole
    buildings.

    Parameters
    ----------
    xy : (n, 2) metres
    load : (n,) households
    k : int
    area : float
        Square metres of the community.

    Returns
    -------
    centres : (k, 2) metres
    duals : (k,) square metres
    """
    if k == 1:
        return xy.mean(axis=0, keepdims=True), np.zeros(1)
    xy, load = np.ascontiguousarray(xy, float), np.ascontiguousarray(load, float)
    share = load.sum() / k
    steps = int(min(2000, _CLIMB_WORK // (len(xy) * k)))
    # many small buildings balance from any start
    starts = _TURNS if steps >= 100 else 1
    best: tuple[float, NDArray[np.float64], NDArray[np.float64]] | None = None
    for start in range(starts):
        first = bisection_centres(xy, load, k, turn=np.pi * start / _TURNS)
        _, centres, duals = balanced_labels(xy, load, first, np.full(k, share))
        centres, duals, score = _climb(
            xy, load, centres.copy(), duals.copy(), share, limits.minimum, limits.maximum,
            area / k, steps, np.uint64((seed * 2654435761 + start) % 2**63 + 1),
        )  # fmt: skip
        if best is None or score < best[0]:
            best = score, centres, duals
    assert best is not None  # noqa: S101 - there is at least one start
    return best[1], best[2]


@njit(cache=True)
def _score(xy, load, centres, duals, share, low, high, fair_area):  # type: ignore[no-untyped-def]
    """Imbalance and spread of the cells; the spread of a disc of uniform load counts 1."""
    n, k = len(xy), len(centres)
    mass, sx, sy, sxx = np.zeros(k), np.zeros(k), np.zeros(k), np.zeros(k)
    for i in range(n):
        best, cell = np.inf, 0
        for c in range(k):
            dx, dy = xy[i, 0] - centres[c, 0], xy[i, 1] - centres[c, 1]
            value = dx * dx + dy * dy - duals[c]
            if value < best:
                best, cell = value, c
        w = load[i]
        mass[cell] += w
        sx[cell] += w * xy[i, 0]
        sy[cell] += w * xy[i, 1]
        sxx[cell] += w * (xy[i, 0] * xy[i, 0] + xy[i, 1] * xy[i, 1])
    total = 0.0
    for c in range(k):
        if mass[c] <= 0.0:
            return np.inf
        deviation = (mass[c] - share) / share
        beyond = max(0.0, abs(deviation) - 0.03)
        total += 30.0 * (deviation * deviation + 100.0 * beyond * beyond)
        if mass[c] < low:
            total += 1000.0 * (low - mass[c]) / share
        elif mass[c] > high:
            total += 1000.0 * (mass[c] - high) / share
        variance = sxx[c] / mass[c] - (sx[c] / mass[c]) ** 2 - (sy[c] / mass[c]) ** 2
        total += 6.283185307179586 * max(variance, 0.0) / fair_area
    return total


@njit(cache=True)
def _climb(  # type: ignore[no-untyped-def]
    xy, load, centres, duals, share, low, high, fair_area, steps, state
):
    k = len(centres)
    score = _score(xy, load, centres, duals, share, low, high, fair_area)
    radius = np.sqrt(fair_area / 3.141592653589793)
    for step in range(steps):
        size = radius * (0.5 * (1.0 - step / steps) + 0.02)
        draws = np.empty(4)
        for j in range(4):
            state ^= state << np.uint64(13)
            state ^= state >> np.uint64(7)
            state ^= state << np.uint64(17)
            draws[j] = np.float64(state >> np.uint64(12)) / 4503599627370496.0
        c = min(int(draws[0] * k), k - 1)
        x, y, dual = centres[c, 0], centres[c, 1], duals[c]
        centres[c, 0] = x + (2.0 * draws[1] - 1.0) * size
        centres[c, 1] = y + (2.0 * draws[2] - 1.0) * size
        duals[c] = dual + (2.0 * draws[3] - 1.0) * size * radius
        trial = _score(xy, load, centres, duals, share, low, high, fair_area)
        if trial < score:
            score = trial
        else:
            centres[c, 0], centres[c, 1], duals[c] = x, y, dual
    return centres, duals, score
