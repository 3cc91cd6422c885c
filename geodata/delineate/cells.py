"""Step 3 without barriers: straight cuts along the cells of a balanced power diagram."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numba import njit
from numpy.typing import NDArray

from geodata.delineate.power import balanced_labels, bisection_centres, nearest_centres
from geodata.delineate.task import Limits

__all__ = ["Diagram", "balanced_cells", "cell_edges"]

#: Starts of the search for straight cuts, and the steps a cell of each.
_TURNS = 6
_STEPS = 40
#: The diagrams that the climb starts from are found on a lattice of so many squares a cell.
_PLACES = 64


@dataclass(frozen=True, slots=True)
class Diagram:
    """A power diagram, and what its cells hold of the places.

    Attributes
    ----------
    centres : (k, 2) float64, metres
    duals : (k,) float64, square metres
    loads : (k,) float64, households
    """

    centres: NDArray[np.float64]
    duals: NDArray[np.float64]
    loads: NDArray[np.float64]


def cell_edges(diagram: Diagram, bounds: tuple[float, ...]) -> NDArray[Any]:
    """The edges of a power diagram within a box.

    Cell c is where ``|p - centre_c|^2 - dual_c`` is least: an intersection of half-planes.

    Parameters
    ----------
    diagram : Diagram
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
    centres, duals = diagram.centres, diagram.duals
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
) -> list[Diagram]:
    """Power diagrams whose cells are compact and hold equal whole buildings, the best first.

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
    list of Diagram
    """
    if k == 1:
        return [Diagram(xy.mean(axis=0, keepdims=True), np.zeros(1), np.array([load.sum()]))]
    middle = xy.mean(axis=0)
    xy, load = np.ascontiguousarray(xy - middle, float), np.ascontiguousarray(load, float)
    thin, thin_load = _gathered(xy, load, math.sqrt(area / k / _PLACES))
    shares = np.full(k, load.sum() / k)
    rules = (shares[0], float(limits.minimum), float(limits.maximum), area / k)
    found = []
    for start in range(_TURNS):
        centres = bisection_centres(thin, thin_load, k, turn=np.pi * start / _TURNS)
        _, centres, duals = balanced_labels(thin, thin_load, centres, shares, rounds=8)
        if len(thin) < len(xy):
            _, centres, duals = balanced_labels(
                xy, load, centres, shares, duals=duals, rounds=1, sweeps=6
            )
        near, _ = nearest_centres(xy, centres)
        score, loads = _climb(
            xy, load, near, centres, duals, rules, _STEPS * k,
            np.uint64((seed * 2654435761 + start) % 2**63 + 1),
        )  # fmt: skip
        found.append((score, start, Diagram(centres + middle, duals, loads)))
    return [diagram for _, _, diagram in sorted(found, key=lambda each: each[:2])]


def _gathered(
    xy: NDArray[np.float64], load: NDArray[np.float64], side: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Points drawn together that share a square of a lattice: (m, 2) metres, and their loads."""
    square = np.floor(xy / side).astype(np.int64)
    _, place = np.unique(square[:, 0] * (1 << 31) + square[:, 1], return_inverse=True)
    count = int(place.max()) + 1
    if 2 * count > len(xy):
        return xy, load
    weight = load + 1e-9  # a place may be empty
    mass = np.bincount(place, weight, count)
    middle = [np.bincount(place, weight * xy[:, axis], count) / mass for axis in (0, 1)]
    return np.stack(middle, axis=1), np.bincount(place, load, count).astype(float)


@njit(cache=True)
def _term(sums, rules):  # type: ignore[no-untyped-def]
    """Imbalance and spread of a cell; the spread of a disc of uniform load counts 1."""
    share, low, high, fair_area = rules
    mass, sx, sy, sxx = sums
    if mass <= 0.0:
        return 1e9
    deviation = (mass - share) / share
    beyond = max(0.0, abs(deviation) - 0.03)
    value = 30.0 * (deviation * deviation + 100.0 * beyond * beyond)
    if mass < low:
        value += 1000.0 * (low - mass) / share
    elif mass > high:
        value += 1000.0 * (mass - high) / share
    variance = sxx / mass - (sx / mass) ** 2 - (sy / mass) ** 2
    return value + 6.283185307179586 * max(variance, 0.0) / fair_area


@njit(cache=True)
def _owner(xy, near, centres, duals, i):  # type: ignore[no-untyped-def]
    """The cell of a point among those near it, and its reduced cost there."""
    best, cell = np.inf, -1
    for c in near[i]:
        dx, dy = xy[i, 0] - centres[c, 0], xy[i, 1] - centres[c, 1]
        value = dx * dx + dy * dy - duals[c]
        if value < best:
            best, cell = value, c
    return cell, best


@njit(cache=True)
def _shift(sums, xy, load, i, old, new):  # type: ignore[no-untyped-def]
    """Take a point from one cell to another in the sums: mass, and moments of x, y and both."""
    w, x, y = load[i], xy[i, 0], xy[i, 1]
    for cell, sign in ((old, -1.0), (new, 1.0)):
        if cell >= 0:
            sums[cell, 0] += sign * w
            sums[cell, 1] += sign * w * x
            sums[cell, 2] += sign * w * y
            sums[cell, 3] += sign * w * (x * x + y * y)


@njit(cache=True)
def _climb(xy, load, near, centres, duals, rules, steps, state):  # type: ignore[no-untyped-def]
    """Move one centre and its dual at a time, and keep what lowers the sum of the terms.

    ``centres`` and ``duals`` are changed; gives the sum and the cells' loads. A step looks only at
    the points that have the centre among those near them.
    """
    n, k = len(near), len(centres)
    start, member = _members(near, k)
    cell, cost, sums = np.empty(n, np.int64), np.empty(n), np.zeros((k, 4))
    for i in range(n):
        cell[i], cost[i] = _owner(xy, near, centres, duals, i)
        _shift(sums, xy, load, i, -1, cell[i])
    terms = np.empty(k)
    for c in range(k):
        terms[c] = _term(sums[c], rules)
    trial, touched, before = sums.copy(), np.empty(k, np.int64), np.full(k, -1, np.int64)
    new_cell, new_cost = cell.copy(), cost.copy()
    radius = np.sqrt(rules[3] / 3.141592653589793)
    draws = np.empty(4)
    for step in range(steps):
        size = radius * (0.5 * (1.0 - step / steps) + 0.02)
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
        touched[0], before[c], count = c, step, 1
        for p in range(start[c], start[c + 1]):
            i = member[p]
            dx, dy = xy[i, 0] - centres[c, 0], xy[i, 1] - centres[c, 1]
            value = dx * dx + dy * dy - duals[c]
            if cell[i] == c:
                if value > cost[i]:
                    new_cell[i], new_cost[i] = _owner(xy, near, centres, duals, i)
                else:
                    new_cost[i] = value
            elif value < cost[i]:
                new_cell[i], new_cost[i] = c, value
            if new_cell[i] != cell[i]:
                _shift(trial, xy, load, i, cell[i], new_cell[i])
                other = new_cell[i] if cell[i] == c else cell[i]
                if before[other] != step:
                    touched[count], before[other] = other, step
                    count += 1
        gain = 0.0
        for t in range(count):
            gain += terms[touched[t]] - _term(trial[touched[t]], rules)
        kept = gain > 0.0
        for t in range(count):
            each = touched[t]
            if kept:
                sums[each] = trial[each]
                terms[each] = _term(sums[each], rules)
            else:
                trial[each] = sums[each]
        if not kept:
            centres[c, 0], centres[c, 1], duals[c] = x, y, dual
        for p in range(start[c], start[c + 1]):
            i = member[p]
            if kept:
                cell[i], cost[i] = new_cell[i], new_cost[i]
            else:
                new_cell[i], new_cost[i] = cell[i], cost[i]
    return terms.sum(), sums[:, 0].copy()


@njit(cache=True)
def _members(near, k):  # type: ignore[no-untyped-def]
    """The points that have each centre near them, in compressed rows."""
    n, m = near.shape
    start = np.zeros(k + 1, np.int64)
    for i in range(n):
        for j in range(m):
            start[near[i, j] + 1] += 1
    start = np.cumsum(start)
    fill, member = start[:-1].copy(), np.empty(n * m, np.int64)
    for i in range(n):
        for j in range(m):
            member[fill[near[i, j]]] = i
            fill[near[i, j]] += 1
    return start, member
