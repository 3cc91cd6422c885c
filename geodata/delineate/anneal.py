"""Step 7, in the small: atoms move between grids until these are compact, balanced, on barriers.

Simulated annealing. A move takes an atom beside another grid over to that grid. Where the atom's
load is what forbids it, a second atom may leave the other grid in the same move, for the first
grid (an exchange) or for a third one (a chain): large places find their company that way. No move
breaks a grid in two.

Source: the flip step of Markov chain redistricting (DeFord, Duchin and Solomon, 2021), used here
to descend rather than to sample, and the ejection chains of Glover (1996).
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from geodata.delineate.atomgraph import AtomGraph
from geodata.delineate.energy import Weights, load_term, rules_of, shape_term, totals_of_grids

__all__ = ["anneal"]

#: Second atoms that a chain tries.
_TRIES = 12
#: A place of this share of a grid is large.
_LARGE = 0.08
#: How much a move may cost in units of the temperature, drawn from the exponential distribution:
#: its quantiles at the middles of equal shares, which is Metropolis' rule without a logarithm.
_WAITS = -np.log((np.arange(1024) + 0.5) / 1024)
#: Stages in which the temperature falls, and the balance comes to count.
_STAGES = 20
#: A descent has ended after so many tries in vain for each edge between grids.
_VAIN = 4


@njit(cache=True)
def _twins(start, neighbour):  # type: ignore[no-untyped-def]
    """The atom that each directed edge leaves, and the edge that leads back."""
    row, twin = np.empty(len(neighbour), np.int64), np.empty(len(neighbour), np.int64)
    for i in range(len(start) - 1):
        for e in range(start[i], start[i + 1]):
            row[e] = i
            j = neighbour[e]
            for f in range(start[j], start[j + 1]):
                if neighbour[f] == i:
                    twin[e] = f
    return row, twin


@njit(cache=True)
def _stays_whole(start, neighbour, labels, atom, seen, stamp, queue):  # type: ignore[no-untyped-def]
    """Whether the grid of ``atom`` stays in one piece without it."""
    g = labels[atom]
    first, wanted = -1, 0
    for e in range(start[atom], start[atom + 1]):
        j = neighbour[e]
        if labels[j] == g and seen[j] != stamp:
            seen[j] = stamp  # marks a neighbour that must be reached
            wanted += 1
            first = j
    if wanted == 0:
        return False  # the last atom of its grid
    if wanted == 1:
        return True
    reached = 1
    queue[0] = first
    seen[first] = stamp + 1
    head, tail = 0, 1
    while head < tail:
        i = queue[head]
        head += 1
        for e in range(start[i], start[i + 1]):
            j = neighbour[e]
            if labels[j] == g and j != atom and seen[j] != stamp + 1:
                if seen[j] == stamp:
                    reached += 1
                    if reached == wanted:
                        return True
                seen[j] = stamp + 1
                queue[tail] = j
                tail += 1
    return False


@njit(cache=True)
def _recut(start, neighbour, twin, labels, atom, cut, place, count):  # type: ignore[no-untyped-def]
    """Bring the edges between grids up to date about an atom; ``cut[:count]`` holds them."""
    for e in range(start[atom], start[atom + 1]):
        between = labels[neighbour[e]] != labels[atom]
        if between == (place[e] >= 0):
            continue
        for f in (e, twin[e]):
            if between:
                cut[count], place[f] = f, count
                count += 1
            else:
                count -= 1
                cut[place[f]] = cut[count]
                place[cut[count]] = place[f]
                place[f] = -1
    return count


@njit(cache=True, inline="always")
def _perimeters_after(graph, around, labels, perimeters, atom, g, h):  # type: ignore[no-untyped-def]
    """The perimeters of grids g and h once ``atom`` has gone from g to h."""
    start, neighbour, border = graph[0], graph[1], graph[2]
    with_g, with_h = 0.0, 0.0
    for e in range(start[atom], start[atom + 1]):
        other = labels[neighbour[e]]
        # without a branch: which of them it is cannot be foretold
        with_g += border[e] * (other == g)
        with_h += border[e] * (other == h)
    return perimeters[g] - around[atom] + 2.0 * with_g, perimeters[h] + around[atom] - 2.0 * with_h


@njit(cache=True)
def _next(state):  # type: ignore[no-untyped-def]
    """Xorshift (Marsaglia, 2003)."""
    state ^= state << np.uint64(13)
    state ^= state >> np.uint64(7)
    state ^= state << np.uint64(17)
    return state


@njit(cache=True)
def _draw(state, count):  # type: ignore[no-untyped-def]
    """A number below ``count`` from the high half of the state."""
    return np.int64(((state >> np.uint64(32)) * np.uint64(count)) >> np.uint64(32))


@njit(cache=True)
def _move(graph, labels, grids, atom, g, h, perimeter_g, perimeter_h):  # type: ignore[no-untyped-def]
    load, area = graph[3][atom], graph[4][atom]
    labels[atom] = h
    grids[0, g] -= load
    grids[0, h] += load
    grids[1, g] -= area
    grids[1, h] += area
    grids[2, g], grids[2, h] = perimeter_g, perimeter_h


@njit(cache=True)
def _follower(  # type: ignore[no-untyped-def]
    graph, around, row, labels, grids, targets, rules, cut, count, first, g, h, spare, allowed,
    state, seen, stamp, queue,
):  # fmt: skip
    """A second atom that leaves h, which the first one has joined, so that both moves are allowed.

    ``spare`` is what the energy of g changes by when the second atom goes elsewhere. Gives the
    atom (-1: none found), its new grid, the change of the energy, and the state and the stamp.
    """
    start, neighbour, load, area = graph[0], graph[1], graph[3], graph[4]
    for _ in range(_TRIES):
        state = _next(state)
        f = cut[_draw(state, count)]
        j, q = row[f], labels[neighbour[f]]
        if j == first or labels[j] != h or q == h or load[j] == 0.0:
            continue
        left, joined = _perimeters_after(graph, around, labels, grids[2], j, h, q)
        change = shape_term(grids[1, h] - area[j], left) - grids[3, h]
        change += shape_term(grids[1, q] + area[j], joined) - grids[3, q]
        change += load_term(grids[0, h] - load[j], targets[h], rules) - grids[4, h]
        change += load_term(grids[0, q] + load[j], targets[q], rules) - grids[4, q]
        if q != g:
            change += spare
        if change > allowed:
            continue
        stamp += 2
        if _stays_whole(start, neighbour, labels, j, seen, stamp, queue):
            return j, q, change, state, stamp
    return -1, -1, 0.0, state, stamp


@njit(cache=True)
def _anneal(graph, labels, targets, rules, steps, hot, cold, first_share, state):  # type: ignore[no-untyped-def]
    start, neighbour, border, load, area, outer = graph
    n, k = len(load), len(targets)
    row, twin = _twins(start, neighbour)
    around = outer.copy()
    for i in range(n):
        around[i] += border[start[i] : start[i + 1]].sum()
    # of each grid: load, area, perimeter, and its terms of the energy for shape and balance
    grids = np.zeros((5, k))
    grids[0], grids[1], grids[2] = totals_of_grids(
        start, neighbour, border, load, area, outer, labels, k
    )
    cut, place, count = np.empty(len(row), np.int64), np.full(len(row), -1, np.int64), 0
    for i in range(n):
        count = _recut(start, neighbour, twin, labels, i, cut, place, count)
    seen, queue, stamp = np.zeros(n, np.int64), np.empty(n, np.int64), 1
    best, best_labels = np.inf, labels.copy()
    low, high, mu, excess, tolerance = rules
    vain = 0
    for stage in range(_STAGES):
        share = (stage + 1) / _STAGES
        sharp = excess * (share * share if first_share < 1.0 else 1.0)
        now = (low, high, mu * (first_share + (1.0 - first_share) * share), sharp, tolerance)
        temperature = hot * (cold / hot) ** (stage / (_STAGES - 1)) if hot > 0.0 else 0.0
        for g in range(k):
            grids[3, g] = shape_term(grids[1, g], grids[2, g])
            grids[4, g] = load_term(grids[0, g], targets[g], now)
        energy = grids[3].sum() + grids[4].sum()
        last = stage == _STAGES - 1
        if last:
            best = energy
            best_labels[:] = labels
        for _ in range(steps // _STAGES):
            if count == 0 or (temperature == 0.0 and vain > _VAIN * count):
                break
            vain += 1
            state = _next(state)
            e = cut[_draw(state, count)]
            i, g, h = row[e], labels[row[e]], labels[neighbour[e]]
            allowed = -1e-12
            if temperature > 0.0:
                allowed = _WAITS[state & np.uint64(1023)] * temperature
            left, joined = _perimeters_after(graph, around, labels, grids[2], i, g, h)
            shape_g = shape_term(grids[1, g] - area[i], left)
            shape_h = shape_term(grids[1, h] + area[i], joined)
            change = shape_g + shape_h - grids[3, g] - grids[3, h]
            # a second atom may at best make up for all that is wrong with both loads
            if change - grids[4, g] - grids[4, h] > allowed:
                continue
            balance_g = load_term(grids[0, g] - load[i], targets[g], now)
            balance_h = load_term(grids[0, h] + load[i], targets[h], now)
            change += balance_g + balance_h - grids[4, g] - grids[4, h]
            alone = change <= allowed
            if not alone and load[i] < _LARGE * targets[g]:
                continue
            stamp += 2
            if not _stays_whole(start, neighbour, labels, i, seen, stamp, queue):
                continue
            before_g, before_h = grids[2, g], grids[2, h]
            _move(graph, labels, grids, i, g, h, left, joined)
            if alone:
                grids[3, g], grids[3, h] = shape_g, shape_h
                grids[4, g], grids[4, h] = balance_g, balance_h
            else:
                j, q, change, state, stamp = _follower(
                    graph, around, row, labels, grids, targets, now, cut, count, i, g, h,
                    shape_g + balance_g - grids[3, g] - grids[4, g], allowed, state,
                    seen, stamp, queue,
                )  # fmt: skip
                if j < 0:
                    _move(graph, labels, grids, i, h, g, before_h, before_g)
                    continue
                left, joined = _perimeters_after(graph, around, labels, grids[2], j, h, q)
                _move(graph, labels, grids, j, h, q, left, joined)
                for each in (g, h, q):
                    grids[3, each] = shape_term(grids[1, each], grids[2, each])
                    grids[4, each] = load_term(grids[0, each], targets[each], now)
                count = _recut(start, neighbour, twin, labels, j, cut, place, count)
            energy += change
            vain = 0
            count = _recut(start, neighbour, twin, labels, i, cut, place, count)
            if last and energy < best - 1e-9:
                best = energy
                best_labels[:] = labels
    return best_labels


def anneal(
    graph: AtomGraph,
    labels: NDArray[np.int64],
    targets: NDArray[np.float64],
    limits: tuple[float, float],
    *,
    weights: Weights,
    steps: int,
    hot: float,
    cold: float,
    seed: int,
    first_share: float = 1.0,
) -> NDArray[np.int64]:
    """Move atoms between grids while it cools; the best labelling of the coldest stage.

    Parameters
    ----------
    graph : AtomGraph
    labels : (n,) int64
        The grid of each atom; every grid has one, and is in one piece.
    targets : (k,) households
    limits : (float, float)
        The loads that a grid may have.
    weights : Weights
    steps : int
        Moves that are tried.
    hot, cold : float
        The temperatures it starts and ends at, in units of the energy; 0 to descend only.
    seed : int
    first_share : float
        How much the balance counts in the beginning, as a share of what it does in the end. Early
        on a large building can still move through a grid that it overloads.

    Returns
    -------
    (n,) int64
    """
    state = np.uint64((seed * 0x9E3779B97F4A7C15 + 0x1234567) % 2**64 or 1)
    return np.asarray(
        _anneal(
            (graph.start, graph.neighbour, graph.border, graph.load, graph.area, graph.outer),
            labels.copy(), targets, rules_of(limits, weights), steps, hot, cold, first_share, state,
        )
    )  # fmt: skip
