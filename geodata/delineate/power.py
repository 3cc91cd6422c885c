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

__all__ = ["balanced_labels", "bisection_centres", "nearest_centres"]

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


def nearest_centres(
    xy: NDArray[np.float64], centres: NDArray[np.float64], count: int = _CANDIDATES
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The nearest centres of each point and the squares of their distances: (n, count) each.

    All centres, in their order, where there are no more than ``count``.
    """
    if len(centres) <= count:
        return _all_centres(xy, centres)
    distance, near = cKDTree(centres).query(xy, k=count)
    return near.astype(np.int64), distance**2


@njit(cache=True)
def _all_centres(xy, centres):  # type: ignore[no-untyped-def]
    n, k = len(xy), len(centres)
    near, d2 = np.empty((n, k), np.int64), np.empty((n, k))
    for i in range(n):
        for c in range(k):
            near[i, c] = c
            d2[i, c] = (xy[i, 0] - centres[c, 0]) ** 2 + (xy[i, 1] - centres[c, 1]) ** 2
    return near, d2


@njit(cache=True)
def _two_least(near, d2, duals):  # type: ignore[no-untyped-def]
    """The slots of the least and the second least reduced cost of a point, and these costs."""
    first, second, least, next_least = -1, -1, np.inf, np.inf
    for j in range(len(near)):
        value = d2[j] - duals[near[j]]
        if value < least:
            first, second, least, next_least = j, first, value, least
        elif value < next_least:
            second, next_least = j, value
    return first, second, least, next_least


@njit(cache=True)
def _balancing(reduced, weight, share):  # type: ignore[no-untyped-def]
    """The dual at which the points of lower reduced cost weigh the share; inf if all weigh less.

    Weighted selection by three-way partition (Dijkstra), linear on average.
    """
    lo, hi = 0, len(reduced)
    below = 0.0  # the weight of the points left of lo
    lower, upper = -np.inf, np.inf  # the values next to the range
    while lo < hi:
        a, b, c = reduced[lo], reduced[(lo + hi) // 2], reduced[hi - 1]
        pivot = max(min(a, b), min(max(a, b), c))
        less, greater, p = lo, hi, lo
        lighter, equal = 0.0, 0.0
        left, right = -np.inf, np.inf
        while p < greater:
            value = reduced[p]
            if value < pivot:
                lighter += weight[p]
                left = max(left, value)
                reduced[p], reduced[less] = reduced[less], value
                weight[p], weight[less] = weight[less], weight[p]
                less += 1
                p += 1
            elif value > pivot:
                right = min(right, value)
                greater -= 1
                reduced[p], reduced[greater] = reduced[greater], value
                weight[p], weight[greater] = weight[greater], weight[p]
            else:
                equal += weight[p]
                p += 1
        if below + lighter >= share:
            hi, upper = less, pivot
        elif below + lighter + equal >= share:
            lower, upper = max(lower, left), min(upper, right)
            # what tips the scale goes to the side that is nearer to the share
            if below + lighter + equal - share > equal / 2.0 and np.isfinite(lower):
                return 0.5 * (lower + pivot)
            return 0.5 * (pivot + (upper if np.isfinite(upper) else pivot + 1.0))
        else:
            below += lighter + equal
            lo, lower = greater, pivot
    return np.inf


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
    # the least and the second least reduced cost of each point, and the slots they are in
    first, second = np.empty(n, np.int64), np.empty(n, np.int64)
    least, next_least = np.empty(n), np.empty(n)
    for i in range(n):
        first[i], second[i], least[i], next_least[i] = _two_least(near[i], d2[i], duals)
    for _ in range(sweeps):
        moved = 0.0
        for c in range(k):
            lo, hi = start[c], start[c + 1]
            if hi == lo:
                continue
            reduced, weight = np.empty(hi - lo), np.empty(hi - lo)
            for p in range(lo, hi):
                i, j = member[p], slot[p]
                reduced[p - lo] = d2[i, j] - (next_least[i] if first[i] == j else least[i])
                weight[p - lo] = load[i]
            dual = _balancing(reduced, weight, share[c])
            if not np.isfinite(dual):
                continue
            moved = max(moved, abs(dual - duals[c]))
            duals[c] = dual
            for p in range(lo, hi):
                i, j = member[p], slot[p]
                value = d2[i, j] - dual
                # a cost that grew past the second least may hide a third
                if (first[i] == j and value > next_least[i]) or (
                    second[i] == j and value > next_least[i]
                ):
                    first[i], second[i], least[i], next_least[i] = _two_least(near[i], d2[i], duals)
                elif first[i] == j:
                    least[i] = value
                elif value < least[i]:
                    first[i], second[i], least[i], next_least[i] = j, first[i], value, least[i]
                elif value < next_least[i]:
                    second[i], next_least[i] = j, value
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
    duals: NDArray[np.float64] | None = None,
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
    duals : (k,) square metres, optional
        Where to begin.
    rounds, sweeps : int
        Steps of the iteration, and sweeps over the duals in the last one.

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
    duals = np.zeros(k) if duals is None else duals.copy()
    extent = np.ptp(xy, axis=0)
    still = 1e-5 * float(extent @ extent) / k
    weight = load + 1e-6 * max(float(load.mean()), 1e-9)
    labels = np.zeros(len(xy), dtype=np.int64)
    for step in range(rounds):
        near, d2 = nearest_centres(xy, centres)
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
