"""Steps 4 to 8: atoms to grids.

Buildings above the maximum become grids of their own; what they leave falls into pieces, each
piece (or group of pieces too small alone) gets its own number of grids.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from geodata.delineate.counting import grid_count
from geodata.delineate.power import balanced_labels, bisection_centres
from geodata.delineate.refine import AtomGraph, Weights, anneal, connected_pieces, energy, recombine
from geodata.delineate.task import Limits
from geodata.delineate.tiling import Tiling

__all__ = ["Effort", "partition", "whole"]


@dataclass(frozen=True, slots=True)
class Effort:
    """How hard the search works.

    Attributes
    ----------
    steps : int
        Annealing steps an atom.
    hot, cold : float
        The temperatures it starts and ends at, in units of the energy.
    stages : int
        Stages in which the balance is made to count more and more. Early on a large building can
        still move through a grid that it overloads.
    directions : int
        Sweeps that a recombination tries.
    starts : int
        Searches at the most, each from another seed, until every grid is within range and none
        deviates more than ``enough``.
    polish : int
        Annealing steps a fine atom in the last adjustment.
    polish_tolerance : float
        The relative deviation from which on that adjustment counts it as excessive.
    """

    steps: int = 6000
    hot: float = 1.0
    cold: float = 0.01
    stages: int = 10
    directions: int = 16
    starts: int = 6
    enough: float = 0.1
    polish: int = 400
    polish_tolerance: float = 0.01


def partition(
    tiling: Tiling, limits: Limits, *, weights: Weights, effort: Effort, seed: int
) -> NDArray[np.int64]:
    """The grid of each piece of the tiling, numbered from 0."""
    graph, fine = tiling.coarse.graph, tiling.fine.graph
    grid = np.full(len(graph.load), -1, dtype=np.int64)
    oversize = np.flatnonzero(tiling.coarse.heaviest > limits.maximum)
    grid[oversize] = np.arange(len(oversize))
    home = np.empty(len(fine.load), dtype=np.int64)
    home[tiling.fine.atom] = tiling.coarse.atom
    taken = len(oversize)
    groups = _groups(graph, grid, limits) if taken < len(grid) else []
    label = grid[home]
    for group in groups:
        part = _subgraph(graph, group)
        load = float(part.load.sum())
        count = min(grid_count(load, limits.target, limits.minimum, limits.maximum), len(group))
        labels = _split(part, count, limits, weights, effort, seed)
        grid[group] = labels + taken
        inside = np.flatnonzero(np.isin(home, group))
        label[inside] = taken + _polish(
            _subgraph(fine, inside),
            grid[home[inside]] - taken,
            count,
            limits,
            weights,
            effort,
            seed,
        )
        taken += count
    # an atom beside a tower too light for a grid of its own has joined the tower's
    label = np.where(label < 0, grid[home], label)
    return np.unique(label, return_inverse=True)[1].astype(np.int64)[tiling.fine.atom]


def _groups(graph: AtomGraph, grid: NDArray[np.int64], limits: Limits) -> list[NDArray[np.int64]]:
    """The atoms still free, in pieces that can stand alone.

    A piece below the minimum joins the oversize grid it touches (``grid`` is changed), or else the
    nearest other piece.
    """
    piece = connected_pieces(graph, np.where(grid < 0, -1, grid))
    free = np.flatnonzero(grid < 0)
    loads = np.bincount(piece[free], graph.load[free], int(piece.max()) + 1)
    numbers = np.unique(piece[free])
    if len(numbers) > 1:
        for number in numbers[loads[numbers] < limits.minimum]:
            atoms = free[piece[free] == number]
            neighbours = np.concatenate(
                [graph.neighbour[graph.start[i] : graph.start[i + 1]] for i in atoms]
            )
            towers = grid[neighbours][grid[neighbours] >= 0]
            if len(towers):
                grid[atoms] = towers.min()
        free = np.flatnonzero(grid < 0)
    groups = {int(n): free[piece[free] == n] for n in np.unique(piece[free])}
    while len(groups) > 1:
        light = min(groups, key=lambda n: (graph.load[groups[n]].sum(), n))
        if graph.load[groups[light]].sum() >= limits.minimum:
            break
        atoms = groups.pop(light)
        nearest = min(groups, key=lambda n: (_distance(graph, atoms, groups[n])[0], n))
        groups[nearest] = np.sort(np.concatenate([groups[nearest], atoms]))
    return list(groups.values())


def _distance(
    graph: AtomGraph, one: NDArray[np.int64], other: NDArray[np.int64]
) -> tuple[float, int, int]:
    """The nearest two atoms of two groups: square metres, atom, atom."""
    difference = graph.xy[one][:, None, :] - graph.xy[other][None, :, :]
    square = (difference**2).sum(axis=2)
    place = int(np.argmin(square))
    i, j = divmod(place, len(other))
    return float(square[i, j]), int(one[i]), int(other[j])


def _subgraph(graph: AtomGraph, atoms: NDArray[np.int64]) -> AtomGraph:
    """The graph of some atoms; pieces apart are tied by borders of no length."""
    position = np.full(len(graph.load), -1, dtype=np.int64)
    position[atoms] = np.arange(len(atoms))
    row = np.repeat(np.arange(len(graph.load)), np.diff(graph.start))
    inside = (position[row] >= 0) & (position[graph.neighbour] >= 0)
    leaving = (position[row] >= 0) & (position[graph.neighbour] < 0)
    outer = graph.outer[atoms] + np.bincount(
        position[row[leaving]], graph.border[leaving], len(atoms)
    )
    rows, columns = position[row[inside]], position[graph.neighbour[inside]]
    border = graph.border[inside]
    part = _compressed(graph, atoms, rows, columns, border, outer)
    piece = connected_pieces(part, np.zeros(len(atoms), dtype=np.int64))
    while piece.max() > 0:
        first, rest = np.flatnonzero(piece == 0), np.flatnonzero(piece > 0)
        _, i, j = _distance(part, first, rest)
        rows, columns = np.append(rows, [i, j]), np.append(columns, [j, i])
        border = np.append(border, [0.0, 0.0])
        part = _compressed(graph, atoms, rows, columns, border, outer)
        piece = connected_pieces(part, np.zeros(len(atoms), dtype=np.int64))
    return part


def _compressed(
    graph: AtomGraph,
    atoms: NDArray[np.int64],
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    border: NDArray[np.float64],
    outer: NDArray[np.float64],
) -> AtomGraph:
    order = np.lexsort((columns, rows))
    return AtomGraph(
        start=np.searchsorted(rows[order], np.arange(len(atoms) + 1)).astype(np.int64),
        neighbour=columns[order],
        border=border[order],
        load=graph.load[atoms],
        area=graph.area[atoms],
        outer=outer,
        xy=graph.xy[atoms],
    )


def _split(
    graph: AtomGraph,
    count: int,
    limits: Limits,
    weights: Weights,
    effort: Effort,
    seed: int,
) -> NDArray[np.int64]:
    """One connected group of atoms into ``count`` grids of equal load."""
    atoms = len(graph.load)
    if count == 1:
        return np.zeros(atoms, dtype=np.int64)
    targets = np.full(count, graph.load.sum() / count)
    bounds = (limits.minimum, limits.maximum)
    best: tuple[float, NDArray[np.int64]] | None = None
    for start in range(effort.starts):
        labels = _seeded(graph, targets, turn=np.pi * start / effort.starts)
        recombine(graph, labels, targets, bounds, weights=weights, directions=effort.directions)
        labels = _cooled(graph, labels, targets, bounds, weights, effort, seed + start)
        recombine(graph, labels, targets, bounds, weights=weights, directions=effort.directions)
        score = energy(graph, labels, targets, bounds, weights=weights)
        if best is None or score < best[0]:
            best = score, labels
        loads = np.bincount(best[1], graph.load, count)
        within = loads.min() >= limits.minimum and loads.max() <= limits.maximum
        balanced = float(np.abs(loads / targets - 1.0).max()) <= effort.enough
        if (within and balanced) or not limits.minimum <= targets[0] <= limits.maximum:
            break
    assert best is not None  # noqa: S101 - there is at least one start
    return best[1]


def _seeded(graph: AtomGraph, targets: NDArray[np.float64], turn: float) -> NDArray[np.int64]:
    """Labels by a balanced power diagram of the atoms, each grid in one piece."""
    count = len(targets)
    centres = bisection_centres(graph.xy, graph.load, count, turn)
    labels, _, _ = balanced_labels(graph.xy, graph.load, centres, targets)
    return whole(graph, _filled(graph, labels, count))


def _cooled(
    graph: AtomGraph,
    labels: NDArray[np.int64],
    targets: NDArray[np.float64],
    bounds: tuple[float, float],
    weights: Weights,
    effort: Effort,
    seed: int,
) -> NDArray[np.int64]:
    """Annealing in stages: the temperature falls while the balance comes to count."""
    cooling = (effort.cold / effort.hot) ** (1.0 / effort.stages)
    for stage in range(effort.stages):
        share = (stage + 1) / effort.stages
        easier = replace(
            weights, mu=weights.mu * (0.3 + 0.7 * share), excess=weights.excess * share**2
        )
        labels, _ = anneal(
            graph, labels, targets, bounds,
            weights=easier,
            steps=effort.steps * len(labels) // effort.stages,
            hot=effort.hot * cooling**stage,
            cold=effort.hot * cooling ** (stage + 1),
            seed=seed * 31 + stage,
            keep_best=stage == effort.stages - 1,
        )  # fmt: skip
    return labels


def _polish(
    graph: AtomGraph,
    labels: NDArray[np.int64],
    count: int,
    limits: Limits,
    weights: Weights,
    effort: Effort,
    seed: int,
) -> NDArray[np.int64]:
    """Adjust the borders in finer atoms, for balance above all."""
    if count == 1:
        return labels
    targets = np.full(count, graph.load.sum() / count)
    bounds = (limits.minimum, limits.maximum)
    stricter = replace(weights, tolerance=effort.polish_tolerance)
    for hot, cold in ((effort.cold * 5.0, effort.cold / 5.0), (0.0, 0.0)):
        labels, _ = anneal(
            graph, labels, targets, bounds,
            weights=stricter, steps=effort.polish * len(graph.load), hot=hot, cold=cold, seed=seed,
        )  # fmt: skip
    return labels


def _filled(graph: AtomGraph, labels: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """No grid without an atom: an empty one takes an atom of the grid that has most."""
    labels = labels.copy()
    sizes = np.bincount(labels, minlength=count)
    for empty in np.flatnonzero(sizes == 0):
        donor = int(np.argmax(sizes))
        atoms = np.flatnonzero(labels == donor)
        labels[atoms[np.argmax(graph.load[atoms])]] = empty
        sizes = np.bincount(labels, minlength=count)
    return labels


def whole(graph: AtomGraph, labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Keep the heaviest piece of each grid; others go to the neighbour they share most with."""
    labels = labels.copy()
    row = np.repeat(np.arange(len(labels)), np.diff(graph.start))
    for _ in range(len(labels)):
        piece = connected_pieces(graph, labels)
        count = int(piece.max()) + 1
        owner = np.zeros(count, dtype=np.int64)
        owner[piece] = labels
        mass = np.bincount(piece, graph.load, count) + 1e-9 * np.bincount(piece, graph.area, count)
        order = np.lexsort((-mass, owner))
        main = np.zeros(count, dtype=bool)
        main[order[np.unique(owner[order], return_index=True)[1]]] = True
        if main.all():
            break
        # one fragment a round, the lightest: its neighbours may be fragments themselves
        stray = int(min(np.flatnonzero(~main), key=lambda p: (mass[p], p)))
        across = (piece[row] == stray) & (piece[graph.neighbour] != stray)
        shared = np.bincount(
            labels[graph.neighbour[across]], graph.border[across] + 1e-9, int(labels.max()) + 1
        )
        labels[piece == stray] = int(np.argmax(shared))
    return labels
