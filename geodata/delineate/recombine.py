"""Step 7, in the large: the union of two neighbouring grids is split anew by a straight sweep.

No split breaks a grid in two.

Source: the recombination step of Markov chain redistricting (DeFord, Duchin and Solomon, 2021),
used here to descend rather than to sample.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from geodata.delineate.atomgraph import AtomGraph
from geodata.delineate.energy import Weights, load_term, rules_of, shape_term

__all__ = ["recombine"]


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
    target_g, target_h, rules,
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
    return (
        shape_term(areas[0], perimeters[0])
        + shape_term(areas[1], perimeters[1])
        + load_term(loads[0], target_g, rules)
        + load_term(loads[1], target_h, rules)
    )


@njit(cache=True)
def _recombine_pair(  # type: ignore[no-untyped-def]
    start, neighbour, border, load, area, outer, xy, labels, local, g, h,
    targets, rules, directions,
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
        targets[g], targets[h], rules,
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
                    targets[g], targets[h], rules,
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
    start, neighbour, border, load, area, outer, xy, labels, k, targets, rules,
    directions,
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
                targets, rules, directions,
            ):  # fmt: skip
                changes += 1
    return changes


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
        labels, len(targets), targets, rules_of(limits, weights), directions,
    )  # fmt: skip
