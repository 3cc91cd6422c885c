"""Step 7: moving atoms between grids until the grids are compact, balanced and on barriers.

The energy of a labelling is

    E = sum over grids of P^2 / (4 pi A) + mu * (d^2 + excess * max(0, |d| - tol)^2) + out

with P the perimeter in which a metre off the barriers counts ``cut_cost`` times, A the area and d
the relative deviation of the load from the grid's target; a grid out of its range pays a fixed
price ``out`` and mu * excess times what it is out by, relative to the target. Two moves lower E:
flipping one atom to a neighbouring grid (simulated annealing) and splitting the union of two
neighbouring grids anew by a straight sweep (a recombination). Neither ever breaks a grid in two.

Source: the flip and recombination steps of Markov chain redistricting (DeFord, Duchin and Solomon,
2021), used here to descend rather than to sample.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from geodata.delineate.atomgraph import AtomGraph

__all__ = ["Weights", "anneal", "energy", "recombine"]


@dataclass(frozen=True, slots=True)
class Weights:
    """The weights of the energy; see the module's docstring."""

    mu: float = 7.0
    excess: float = 100.0
    tolerance: float = 0.03
    cut_cost: float = 1.85


#: What a grid out of its range costs however little it is out, and however hot the search: large
#: places have found their company long before the balance comes to count.
_OUTSIDE = 3.0


@njit(cache=True)
def _term(load, area, perimeter, target, low, high, mu, excess, tolerance):  # type: ignore[no-untyped-def]
    deviation = (load - target) / target
    beyond = max(0.0, abs(deviation) - tolerance)
    value = perimeter * perimeter / (12.566370614359172 * max(area, 1.0))
    value += mu * (deviation * deviation + excess * beyond * beyond)
    if load < low:
        value += _OUTSIDE + mu * excess * (low - load) / target
    elif load > high:
        value += _OUTSIDE + mu * excess * (load - high) / target
    return value


@njit(cache=True)
def _totals(start, neighbour, border, load, area, outer, labels, k):  # type: ignore[no-untyped-def]
    loads, areas, perimeters = np.zeros(k), np.zeros(k), np.zeros(k)
    for i in range(len(load)):
        g = labels[i]
        loads[g] += load[i]
        areas[g] += area[i]
        perimeters[g] += outer[i]
        for e in range(start[i], start[i + 1]):
            if labels[neighbour[e]] != g:
                perimeters[g] += border[e]
    return loads, areas, perimeters


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
def _anneal(  # type: ignore[no-untyped-def]
    start, neighbour, border, load, area, outer, labels, k, targets, low, high,
    mu, excess, tolerance, steps, hot, cold, keep_best, state,
):  # fmt: skip
    n = len(load)
    loads, areas, perimeters = _totals(start, neighbour, border, load, area, outer, labels, k)
    terms = np.empty(k)
    for g in range(k):
        terms[g] = _term(
            loads[g], areas[g], perimeters[g], targets[g], low, high, mu, excess, tolerance
        )
    energy = terms.sum()
    best, best_labels = energy, labels.copy()
    seen = np.zeros(n, np.int64)
    queue = np.empty(n, np.int64)
    stamp = 1
    cooling = (cold / hot) ** (1.0 / max(steps, 1)) if hot > 0 else 1.0
    temperature = hot
    for _ in range(steps):
        temperature *= cooling
        state ^= state << np.uint64(13)
        state ^= state >> np.uint64(7)
        state ^= state << np.uint64(17)
        i = np.int64((state >> np.uint64(11)) % np.uint64(n))
        g = labels[i]
        degree = start[i + 1] - start[i]
        if degree == 0:
            continue
        e = start[i] + np.int64((state >> np.uint64(40)) % np.uint64(degree))
        h = labels[neighbour[e]]
        if h == g:
            continue
        with_g, with_h, with_other = 0.0, 0.0, outer[i]
        for f in range(start[i], start[i + 1]):
            other = labels[neighbour[f]]
            if other == g:
                with_g += border[f]
            elif other == h:
                with_h += border[f]
            else:
                with_other += border[f]
        perimeter_g = perimeters[g] - with_other - with_h + with_g
        perimeter_h = perimeters[h] + with_other + with_g - with_h
        term_g = _term(
            loads[g] - load[i],
            areas[g] - area[i],
            perimeter_g,
            targets[g],
            low,
            high,
            mu,
            excess,
            tolerance,
        )
        term_h = _term(
            loads[h] + load[i],
            areas[h] + area[i],
            perimeter_h,
            targets[h],
            low,
            high,
            mu,
            excess,
            tolerance,
        )
        change = term_g + term_h - terms[g] - terms[h]
        if change > 0.0:
            if temperature <= 0.0:
                continue
            uniform = np.float64(state >> np.uint64(12)) / 4503599627370496.0
            if uniform >= np.exp(-change / temperature):
                continue
        stamp += 2
        if not _stays_whole(start, neighbour, labels, i, seen, stamp, queue):
            continue
        labels[i] = h
        loads[g] -= load[i]
        loads[h] += load[i]
        areas[g] -= area[i]
        areas[h] += area[i]
        perimeters[g], perimeters[h] = perimeter_g, perimeter_h
        terms[g], terms[h] = term_g, term_h
        energy += change
        if keep_best and energy < best - 1e-9:
            best = energy
            best_labels[:] = labels
    return (best_labels, best) if keep_best else (labels, energy)


@njit(cache=True)
def _whole(start, neighbour, atoms, side, which, local, queue):  # type: ignore[no-untyped-def]
    """Whether the atoms with side == which form one piece; ``local`` maps atom -> position + 1."""
    m = len(atoms)
    first, total = -1, 0
    for p in range(m):
        if side[p] == which:
            total += 1
            if first < 0:
                first = p
    if total == 0:
        return False
    visited = np.zeros(m, np.bool_)
    visited[first] = True
    queue[0] = first
    head, tail = 0, 1
    while head < tail:
        p = queue[head]
        head += 1
        i = atoms[p]
        for e in range(start[i], start[i + 1]):
            q = local[neighbour[e]] - 1
            if q >= 0 and not visited[q] and side[q] == which:
                visited[q] = True
                queue[tail] = q
                tail += 1
    return tail == total


@njit(cache=True)
def _pair_energy(  # type: ignore[no-untyped-def]
    start, neighbour, border, load, area, outer, atoms, side, local,
    target_g, target_h, low, high, mu, excess, tolerance,
):  # fmt: skip
    loads, areas, perimeters = np.zeros(2), np.zeros(2), np.zeros(2)
    for p in range(len(atoms)):
        i = atoms[p]
        s = 1 if side[p] else 0
        loads[s] += load[i]
        areas[s] += area[i]
        perimeters[s] += outer[i]
        for e in range(start[i], start[i + 1]):
            q = local[neighbour[e]] - 1
            if q < 0 or side[q] != side[p]:
                perimeters[s] += border[e]
    return _term(
        loads[0], areas[0], perimeters[0], target_g, low, high, mu, excess, tolerance
    ) + _term(loads[1], areas[1], perimeters[1], target_h, low, high, mu, excess, tolerance)


@njit(cache=True)
def _recombine_pair(  # type: ignore[no-untyped-def]
    start, neighbour, border, load, area, outer, xy, labels, local, g, h,
    targets, low, high, mu, excess, tolerance, directions,
):  # fmt: skip
    count = 0
    for i in range(len(labels)):
        if labels[i] == g or labels[i] == h:
            count += 1
    atoms = np.empty(count, np.int64)
    p = 0
    for i in range(len(labels)):
        if labels[i] == g or labels[i] == h:
            atoms[p] = i
            p += 1
            local[i] = p
    side = np.empty(count, np.bool_)
    for p in range(count):
        side[p] = labels[atoms[p]] == h
    queue = np.empty(count, np.int64)
    best = _pair_energy(
        start, neighbour, border, load, area, outer, atoms, side, local,
        targets[g], targets[h], low, high, mu, excess, tolerance,
    )  # fmt: skip
    best -= 1e-7
    best_side = side.copy()
    changed = False
    total = 0.0
    for p in range(count):
        total += load[atoms[p]]
    position = np.empty(count)
    for d in range(directions):
        angle = 3.141592653589793 * d / directions
        c, s = np.cos(angle), np.sin(angle)
        for p in range(count):
            position[p] = c * xy[atoms[p], 0] + s * xy[atoms[p], 1]
        order = np.argsort(position)
        for flip in range(2):
            target = targets[g] if flip == 0 else targets[h]
            share = total * target / (targets[g] + targets[h])
            below = 0.0
            place = 0
            while place < count - 1 and below + load[atoms[order[place]]] / 2.0 < share:
                below += load[atoms[order[place]]]
                place += 1
            for shift in range(-1, 2):
                cut = place + shift
                if cut < 1 or cut >= count:
                    continue
                for r in range(count):
                    side[order[r]] = (r >= cut) == (flip == 0)
                value = _pair_energy(
                    start, neighbour, border, load, area, outer, atoms, side, local,
                    targets[g], targets[h], low, high, mu, excess, tolerance,
                )  # fmt: skip
                if (
                    value < best
                    and _whole(start, neighbour, atoms, side, True, local, queue)
                    and _whole(start, neighbour, atoms, side, False, local, queue)
                ):
                    best = value
                    best_side[:] = side
                    changed = True
            if targets[g] == targets[h]:
                break
    for p in range(count):
        if changed:
            labels[atoms[p]] = h if best_side[p] else g
        local[atoms[p]] = 0
    return changed


@njit(cache=True)
def _recombine(  # type: ignore[no-untyped-def]
    start, neighbour, border, load, area, outer, xy, labels, k, targets, low, high,
    mu, excess, tolerance, directions,
):  # fmt: skip
    local = np.zeros(len(labels), np.int64)
    changes = 0
    touching = np.zeros((k, k), np.bool_)
    for i in range(len(labels)):
        for e in range(start[i], start[i + 1]):
            g, h = labels[i], labels[neighbour[e]]
            if g < h:
                touching[g, h] = True
    for g in range(k):
        for h in range(g + 1, k):
            if touching[g, h] and _recombine_pair(
                start, neighbour, border, load, area, outer, xy, labels, local, g, h,
                targets, low, high, mu, excess, tolerance, directions,
            ):  # fmt: skip
                changes += 1
    return changes


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
    keep_best: bool = True,
) -> tuple[NDArray[np.int64], float]:
    """Flip single atoms; the best labelling met and its energy."""
    state = np.uint64((seed * 0x9E3779B97F4A7C15 + 0x1234567) % 2**64 or 1)
    return _anneal(
        graph.start, graph.neighbour, graph.border, graph.load, graph.area, graph.outer,
        labels.copy(), len(targets), targets, limits[0], limits[1],
        weights.mu, weights.excess, weights.tolerance, steps, hot, cold, keep_best, state,
    )  # fmt: skip


def recombine(
    graph: AtomGraph,
    labels: NDArray[np.int64],
    targets: NDArray[np.float64],
    limits: tuple[float, float],
    *,
    weights: Weights,
    directions: int = 16,
) -> int:
    """Split every pair of neighbouring grids anew where that is better; changes ``labels``."""
    return _recombine(
        graph.start, graph.neighbour, graph.border, graph.load, graph.area, graph.outer, graph.xy,
        labels, len(targets), targets, limits[0], limits[1],
        weights.mu, weights.excess, weights.tolerance, directions,
    )  # fmt: skip


def energy(
    graph: AtomGraph,
    labels: NDArray[np.int64],
    targets: NDArray[np.float64],
    limits: tuple[float, float],
    *,
    weights: Weights,
) -> float:
    """The energy of a labelling; see the module's docstring."""
    return anneal(
        graph, labels, targets, limits, weights=weights, steps=0, hot=0.0, cold=0.0, seed=0
    )[1]
