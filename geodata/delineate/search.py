"""Steps 5 to 8: one connected group of atoms into grids of equal load.

Balanced seeds, annealing and recombination in coarse atoms, then an adjustment of the borders in
fine ones; as often as it takes, and the best is kept.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from geodata.delineate.atomgraph import AtomGraph, connected_pieces, subgraph
from geodata.delineate.balance import hopeless
from geodata.delineate.power import balanced_labels, bisection_centres
from geodata.delineate.refine import Weights, anneal, energy, recombine

__all__ = ["Effort", "Group", "search", "whole"]


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
        Searches at the most, each from another seed, until every grid is in bounds.
    least : int
        Searches at the least; the best counts.
    repairs : int
        Times that a grid out of bounds is annealed anew with those around it.
    polish : int
        Annealing steps a fine atom in the last adjustment.
    polish_tolerance : float
        The relative deviation from which on that adjustment counts it as excessive.
    """

    steps: int = 2000
    hot: float = 2.0
    cold: float = 0.03
    stages: int = 10
    directions: int = 16
    starts: int = 6
    least: int = 2
    repairs: int = 12
    polish: int = 400
    polish_tolerance: float = 0.01


@dataclass(frozen=True, slots=True)
class Group:
    """Atoms to divide, and what their grids should hold.

    Attributes
    ----------
    coarse, fine : AtomGraph
    home : (fine atoms,) int64
        The coarse atom that each fine one belongs to.
    targets : (k,) float64 households
    bounds : (float, float)
        The loads that a grid may have.
    """

    coarse: AtomGraph
    fine: AtomGraph
    home: NDArray[np.int64]
    targets: NDArray[np.float64]
    bounds: tuple[float, float]


def search(group: Group, *, weights: Weights, effort: Effort, seed: int) -> NDArray[np.int64]:
    """The grid of each fine atom of a group.

    The search ends when every grid is in bounds, or where it is certain that they cannot all be.
    """
    best: tuple[float, NDArray[np.int64]] | None = None
    forced = False
    for start in range(effort.starts):
        labels = _found(group, start / effort.starts, weights, effort, seed + start)
        finer = _polished(group, labels, weights, effort, seed + start)
        inside = _inside(group, finer)
        if not inside and start == 0:
            forced = hopeless(group.fine.load, len(group.targets), float(group.targets[0]))
        if not (inside or forced):
            labels = _mended(group, labels, weights, effort, seed + start)
            finer = _polished(group, labels, weights, effort, seed + start)
        score = energy(group.fine, finer, group.targets, group.bounds, weights=weights)
        if best is None or score < best[0]:
            best = score, finer
        if start + 1 >= effort.least and (forced or _inside(group, best[1])):
            break
    assert best is not None  # noqa: S101 - there is at least one start
    return best[1]


def _beyond(graph: AtomGraph, labels: NDArray[np.int64], group: Group) -> NDArray[np.float64]:
    """By how many households each grid is out of bounds; negative within."""
    loads = np.bincount(labels, graph.load, len(group.targets))
    return np.maximum(group.bounds[0] - loads, loads - group.bounds[1]) - 1e-9


def _inside(group: Group, labels: NDArray[np.int64]) -> bool:
    """Whether every grid is in bounds."""
    return bool(_beyond(group.fine, labels, group).max() <= 0.0)


def _found(
    group: Group, turn: float, weights: Weights, effort: Effort, seed: int
) -> NDArray[np.int64]:
    """The grid of each coarse atom: seeds, then annealing between two recombinations."""
    graph, targets, bounds = group.coarse, group.targets, group.bounds
    labels = _seeded(graph, targets, turn=np.pi * turn)
    recombine(graph, labels, targets, bounds, weights=weights, directions=effort.directions)
    labels = _cooled(graph, labels, targets, bounds, weights, effort, seed)
    recombine(graph, labels, targets, bounds, weights=weights, directions=effort.directions)
    return labels


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


def _mended(
    group: Group, labels: NDArray[np.int64], weights: Weights, effort: Effort, seed: int
) -> NDArray[np.int64]:
    """Anneal the worst grid out of bounds anew with those around it, until there is none.

    Large places freeze early where they are; a few grids alone are cheap to melt again.
    """
    graph, targets = group.coarse, group.targets
    for trial in range(effort.repairs):
        beyond = _beyond(graph, labels, group)
        if beyond.max() <= 0.0:
            break
        around = np.array([int(np.argmax(beyond))])
        for _ in range(1 + trial % 2):
            around = _touching(graph, labels, around)
        if len(around) == len(targets):
            break  # that would be another start
        inside = np.flatnonzero(np.isin(labels, around))
        part, own = subgraph(graph, inside), np.searchsorted(around, labels[inside])
        again = _cooled(
            part, own, targets[around], group.bounds, weights, effort, seed * 101 + trial
        )
        before, after = (
            energy(part, each, targets[around], group.bounds, weights=weights)
            for each in (own, again)
        )
        if after < before:
            labels = labels.copy()
            labels[inside] = around[again]
    return labels


def _touching(
    graph: AtomGraph, labels: NDArray[np.int64], grids: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Some grids and all that touch them, sorted."""
    row = np.repeat(labels, np.diff(graph.start))
    return np.union1d(grids, labels[graph.neighbour[np.isin(row, grids)]])


def _polished(
    group: Group, labels: NDArray[np.int64], weights: Weights, effort: Effort, seed: int
) -> NDArray[np.int64]:
    """Adjust the borders in fine atoms, for balance above all."""
    stricter = replace(weights, tolerance=effort.polish_tolerance)
    finer = labels[group.home]
    for hot, cold in ((effort.cold * 5.0, effort.cold / 5.0), (0.0, 0.0)):
        finer, _ = anneal(
            group.fine, finer, group.targets, group.bounds,
            weights=stricter, steps=effort.polish * len(finer), hot=hot, cold=cold, seed=seed,
        )  # fmt: skip
    return finer


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
