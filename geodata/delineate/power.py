"""Step 5: balanced seeds by a centroidal power diagram.

Source: Cohen-Addad, Klein and Young, "Balanced centroidal power diagrams for redistricting"
(arXiv 1710.03358); the duals are found by Gauss-Seidel sweeps, one centre at a time: the dual of a
centre is the quantile of its points' reduced costs at which its mass equals its share.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from geodata.delineate.task import Limits

__all__ = ["balanced_cells", "balanced_labels", "bisection_centres"]

#: Each point weighs the nearest few centres only, which keeps a sweep linear in the points.
_CANDIDATES = 12


def bisection_centres(
    xy: NDArray[np.float64], load: NDArray[np.float64], k: int, turn: float = 0.0
) -> NDArray[np.float64]:
    """Centres by weighted bisection across the longer extent, turned by an angle in radians.

    Returns
    -------
    (k, 2) metres
    """
    return _bisection(
        np.ascontiguousarray(xy, np.float64), np.ascontiguousarray(load, np.float64), k, turn
    )


@njit(cache=True)
def _bisection(xy, load, k, turn):  # type: ignore[no-untyped-def]
    n = len(xy)
    centres = np.empty((k, 2))
    found = 0
    order = np.arange(n)
    # what is still to be parted: a range of items, and into how many
    low, high, parts = (
        np.empty(k + 1, np.int64),
        np.empty(k + 1, np.int64),
        np.empty(k + 1, np.int64),
    )
    low[0], high[0], parts[0] = 0, n, k
    pending = 1
    while pending > 0:
        pending -= 1
        a, b, count = low[pending], high[pending], parts[pending]
        mass, x, y = 0.0, 0.0, 0.0
        for p in range(a, b):
            w = load[order[p]] + 1e-9
            mass += w
            x += w * xy[order[p], 0]
            y += w * xy[order[p], 1]
        x, y = x / mass, y / mass
        if count == 1 or b - a < 2:
            for i in range(count):
                # coincident centres part at the next Lloyd step only if they differ a little
                centres[found, 0], centres[found, 1] = x + 0.01 * i, y + 0.01 * i
                found += 1
            continue
        xx, xy_, yy = 0.0, 0.0, 0.0
        for p in range(a, b):
            w = load[order[p]] + 1e-9
            dx, dy = xy[order[p], 0] - x, xy[order[p], 1] - y
            xx += w * dx * dx
            xy_ += w * dx * dy
            yy += w * dy * dy
        angle = 0.5 * np.arctan2(2.0 * xy_, xx - yy) + turn
        c, s = np.cos(angle), np.sin(angle)
        along = np.empty(b - a)
        for p in range(a, b):
            along[p - a] = c * xy[order[p], 0] + s * xy[order[p], 1]
        # equal places in the order of the items
        order[a:b] = order[a:b][np.argsort(along, kind="mergesort")]
        first = count // 2
        total = 0.0
        for p in range(a, b):
            total += load[order[p]]
        below, place = 0.0, a
        while place < b - 1:
            below += load[order[place]]
            place += 1
            if below >= total * first / count:
                break
        low[pending], high[pending], parts[pending] = place, b, count - first
        pending += 1
        low[pending], high[pending], parts[pending] = a, place, first
        pending += 1
    return centres


def _nearest_centres(
    xy: NDArray[np.float64], centres: NDArray[np.float64], count: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The nearest centres of each point and the squares of their distances: (n, count) each."""
    if len(centres) <= count:
        d2 = ((xy[:, None, :] - centres[None, :, :]) ** 2).sum(axis=2)
        return np.tile(np.arange(len(centres)), (len(xy), 1)), d2
    distance, near = cKDTree(centres).query(xy, k=count)
    return near.astype(np.int64), distance**2


@njit(cache=True)
def _sweep_duals(near, d2, load, share, duals, sweeps, still):  # type: ignore[no-untyped-def]
    n, m = near.shape
    k = len(duals)
    count = np.zeros(k + 1, np.int64)
    for i in range(n):
        for j in range(m):
            count[near[i, j] + 1] += 1
    start = np.cumsum(count)
    fill = start[:-1].copy()
    member = np.empty(n * m, np.int64)
    slot = np.empty(n * m, np.int64)
    for i in range(n):
        for j in range(m):
            c = near[i, j]
            member[fill[c]] = i
            slot[fill[c]] = j
            fill[c] += 1
    for _ in range(sweeps):
        moved = 0.0
        for c in range(k):
            lo, hi = start[c], start[c + 1]
            if hi == lo:
                continue
            reduced = np.empty(hi - lo)
            for p in range(lo, hi):
                i = member[p]
                best = np.inf
                for j in range(m):
                    if near[i, j] != c:
                        value = d2[i, j] - duals[near[i, j]]
                        if value < best:
                            best = value
                reduced[p - lo] = d2[i, slot[p]] - best
            order = np.argsort(reduced)
            mass = 0.0
            dual = duals[c]
            for q in range(len(order)):
                i = member[lo + order[q]]
                mass += load[i]
                if mass >= share[c]:
                    upper = reduced[order[q + 1]] if q + 1 < len(order) else reduced[order[q]] + 1.0
                    dual = 0.5 * (reduced[order[q]] + upper)
                    # keep the point that tips the scale on the side that is nearer to the share
                    if mass - share[c] > load[i] / 2.0 and q > 0:
                        dual = 0.5 * (reduced[order[q - 1]] + reduced[order[q]])
                    break
            if np.isfinite(dual):
                moved = max(moved, abs(dual - duals[c]))
                duals[c] = dual
        if moved < still:
            break


@njit(cache=True)
def _power_labels(near, d2, duals):  # type: ignore[no-untyped-def]
    n, m = near.shape
    labels = np.empty(n, np.int64)
    for i in range(n):
        best = np.inf
        for j in range(m):
            value = d2[i, j] - duals[near[i, j]]
            if value < best:
                best = value
                labels[i] = near[i, j]
    return labels


def balanced_labels(
    xy: NDArray[np.float64],
    load: NDArray[np.float64],
    centres: NDArray[np.float64],
    share: NDArray[np.float64],
    *,
    rounds: int = 12,
    sweeps: int = 12,
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Lloyd's iteration under equal shares.

    Parameters
    ----------
    xy : (n, 2) metres
    load : (n,) households, zeros allowed
    centres : (k, 2) metres
    share : (k,) households that each cell should hold

    Returns
    -------
    labels : (n,) int64
    centres : (k, 2) metres
    duals : (k,) square metres
        The weights of the power diagram whose cells are the labels.
    """
    k = len(centres)
    if k == 1:
        return np.zeros(len(xy), dtype=np.int64), centres, np.zeros(1)
    xy, load = np.ascontiguousarray(xy, float), np.ascontiguousarray(load, float)
    duals = np.zeros(k)
    extent = np.ptp(xy, axis=0)
    still = 1e-5 * float(extent @ extent) / k
    weight = load + 1e-6 * max(float(load.mean()), 1e-9)
    labels = np.zeros(len(xy), dtype=np.int64)
    for step in range(rounds):
        near, d2 = _nearest_centres(xy, centres, min(k, _CANDIDATES))
        last = step == rounds - 1
        # the duals of one round are nearly those of the next
        _sweep_duals(near, d2, load, share, duals, sweeps if last else 3, still)
        labels = _power_labels(near, d2, duals)
        if last:
            break
        centres = _centroids(xy, weight, labels, centres)
    return labels, centres, duals


@njit(cache=True)
def _centroids(xy, weight, labels, centres):  # type: ignore[no-untyped-def]
    """The weighted mean of each cell's points; a cell without any keeps its centre."""
    k = len(centres)
    mass, total = np.zeros(k), np.zeros((k, 2))
    for i in range(len(xy)):
        mass[labels[i]] += weight[i]
        total[labels[i], 0] += weight[i] * xy[i, 0]
        total[labels[i], 1] += weight[i] * xy[i, 1]
    moved = centres.copy()
    for c in range(k):
        if mass[c] > 0.0:
            moved[c] = total[c] / mass[c]
    return moved


#: Starts of the search for straight cuts, and the work (points x centres x steps) spent on each.
_TURNS = 6
_CLIMB_WORK = 2_000_000


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
