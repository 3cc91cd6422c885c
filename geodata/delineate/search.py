"""Steps 5 to 8: one connected group of atoms into grids of equal load.

Balanced seeds, annealing and recombination in coarse atoms, then an adjustment of the borders in
fine ones; as often as it takes, and the best is kept.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from geodata.delineate.anneal import anneal
from geodata.delineate.atomgraph import AtomGraph, connected_pieces, subgraph
from geodata.delineate.balance import bulky, hopeless
from geodata.delineate.energy import Weights, energy
from geodata.delineate.power import balanced_labels, bisection_centres
from geodata.delineate.recombine import recombine

__all__ = ["Effort", "Group", "search", "whole"]

#: Loads are even when they deviate by no more than this in the mean and at the 95th percentile.
_EVEN_MEAN = 0.02
_EVEN_P95 = 0.05
#: By how much more a grid must be off that was annealed with its neighbours in vain, and is now to
#: be with theirs too.
_TRIED = 0.03
#: How much longer and hotter a search is where what others found is not good enough.
_LONGER = 2


@dataclass(frozen=True, slots=True)
class Effort:
    """How hard the search works.

    Attributes
    ----------
    steps : int
        Annealing steps an atom.
    hot, hotter, cold : float
        The temperatures that every other search starts at, and that all end at, in units of the
        energy.
    first_share : float
        How much the balance counts in the beginning.
    directions : int
        Sweeps that a recombination tries.
    settle : int
        Annealing steps an atom that the best result of all is given at the end.
    starts, least : int
        Searches at the most, each from another seed; the best counts. No more than the least are
        made among large buildings, and where the loads are even.
    uneven : int
        Searches that are always made; after them balance counts for more where the loads are not
        even.
    most, small : int
        Searches at the most where a grid is out of its limits, or well off its share, and nothing
        says that it must be; but among large buildings in more than ``small`` coarse atoms only
        where it is out of its limits.
    last, deep : int
        Searches of so many times the steps where a grid is still well off its share then.
    patience : int
        Searches in a row without a better balance after which no other follows.
    stricter : float
        How many times more it counts then.
    repairs : int
        Times that a grid off its share is annealed anew with those around it.
    off : float
        The relative deviation from which on a grid is.
    polish, brief : int
        Annealing steps a fine atom in the last adjustment, and in that of a search of many.
    polish_tolerance : float
        The relative deviation from which on that adjustment counts it as excessive.
    """

    steps: int = 120
    settle: int = 320
    hot: float = 0.5
    hotter: float = 2.0
    cold: float = 0.03
    first_share: float = 0.3
    directions: int = 8
    starts: int = 5
    most: int = 8
    small: int = 150
    last: int = 2
    deep: int = 12
    least: int = 3
    uneven: int = 2
    patience: int = 1
    stricter: float = 4.0
    repairs: int = 6
    off: float = 0.05
    polish: int = 50
    brief: int = 10
    polish_tolerance: float = 0.005


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
    limits : (float, float)
        The loads that it must have if at all possible.
    """

    coarse: AtomGraph
    fine: AtomGraph
    home: NDArray[np.int64]
    targets: NDArray[np.float64]
    bounds: tuple[float, float]
    limits: tuple[float, float]


def search(group: Group, *, weights: Weights, effort: Effort, seed: int) -> NDArray[np.int64]:
    """The grid of each fine atom of a group.

    The search ends when every grid is in bounds and the loads are even, or when it finds nothing
    better any more.
    """
    best, idle = _started(group, 0, weights, effort, seed), 0
    count = len(group.targets)
    forced = best.beyond > 0.0 and hopeless(group.fine.load, count, group.bounds)
    forced_out = best.outside > 0.0 and hopeless(group.fine.load, count, group.limits)
    stricter = replace(weights, mu=effort.stricter * weights.mu)
    longer = replace(effort, steps=_LONGER * effort.steps, hotter=float(_LONGER) * effort.hotter)
    # among large buildings another search is dear and seldom finds more, above all among many
    lumpy = bulky(group.fine.load, float(group.targets[0]))
    many = lumpy and len(group.coarse.load) > effort.small
    starts = effort.least if lumpy else effort.starts
    tried = effort.uneven if many else effort.uneven + 1
    for start in range(1, effort.most):
        urgent = (best.outside > 0.0 and not forced_out) or (
            best.beyond > 0.0 and not forced and not many
        )
        if start >= (effort.most if urgent else starts):
            break
        if start >= effort.least and best.even:
            break
        if start >= tried and idle >= effort.patience and not urgent:
            break
        # where balance does not come by itself it is made to count for more
        if best.even or start < effort.uneven:
            found = _started(group, start, weights, effort, seed + start)
        elif start == effort.uneven:
            found = _mended(group, best.coarse, stricter, effort, seed)
        else:
            found = _started(group, start, stricter, longer if urgent else effort, seed + start)
        idle = 0 if found.better_than(best) else idle + 1
        best = min(best, found)
    weighed, slow = weights if best.even else stricter, replace(effort, steps=effort.settle)
    best = min(best, _annealed(group, best.coarse, weighed, slow, effort.hot, seed))
    if best.beyond > 0.0 and not forced:
        best = min(best, _mended(group, best.coarse, stricter, effort, seed))
    if not many:
        deep = replace(longer, steps=effort.deep * effort.steps)
        for start in range(effort.most, effort.most + effort.last):
            if best.beyond > 0.0 and not forced:
                best = min(best, _started(group, start, stricter, deep, seed + start))
    return best.fine


@dataclass(frozen=True, slots=True)
class _Found:
    """A labelling of the coarse and of the fine atoms; the lower the better."""

    coarse: NDArray[np.int64]
    fine: NDArray[np.int64]
    outside: float
    beyond: float
    uneven: float
    energy: float

    def __lt__(self, other: _Found) -> bool:
        return self._rank < other._rank

    @property
    def even(self) -> bool:
        """Nothing is left to be wished for in the balance."""
        return self.beyond <= 0.0 and self.uneven <= 0.0

    def better_than(self, other: _Found) -> bool:
        """Whether it is clearly better balanced."""
        return (
            self.outside < other.outside
            or self.beyond < 0.99 * other.beyond
            or self.uneven < 0.97 * other.uneven
        )

    @property
    def _rank(self) -> tuple[float, float, float, float]:
        return round(self.outside, 6), round(self.beyond, 6), round(self.uneven, 3), self.energy


def _judged(group: Group, coarse: NDArray[np.int64], fine: NDArray[np.int64]) -> _Found:
    """How good a labelling is, by the figures that a plan is held to."""
    loads = np.bincount(fine, group.fine.load, len(group.targets)).astype(float)
    deviation = np.abs(loads / group.targets - 1.0)
    return _Found(
        coarse=coarse,
        fine=fine,
        outside=_out_of(group.limits, loads),
        beyond=_out_of(group.bounds, loads),
        uneven=max(float(deviation.mean()) / _EVEN_MEAN - 1.0, 0.0)
        + max(float(np.quantile(deviation, 0.95)) / _EVEN_P95 - 1.0, 0.0),
        energy=energy(group.fine, fine, group.targets, group.bounds, weights=Weights()),
    )


def _out_of(span: tuple[float, float], loads: NDArray[np.float64]) -> float:
    """The households by which loads miss a range, over all grids."""
    out = np.maximum(span[0] - loads, loads - span[1])
    return float(out[out > 1e-9].sum())


def _beyond(graph: AtomGraph, labels: NDArray[np.int64], group: Group) -> NDArray[np.float64]:
    """By how many households each grid is out of bounds; negative within."""
    loads = np.bincount(labels, graph.load, len(group.targets))
    return np.maximum(group.bounds[0] - loads, loads - group.bounds[1]) - 1e-9


def _started(group: Group, start: int, weights: Weights, effort: Effort, seed: int) -> _Found:
    """The grid of each coarse atom: seeds, then annealing between two recombinations."""
    graph, targets, bounds = group.coarse, group.targets, group.bounds
    labels = _seeded(graph, targets, turn=np.pi * start / effort.starts)
    recombine(graph, labels, targets, bounds, weights=weights, directions=effort.directions)
    hot = effort.hot if start % 2 == 0 else effort.hotter
    return _annealed(group, labels, weights, replace(effort, polish=effort.brief), hot, seed)


def _annealed(
    group: Group,
    labels: NDArray[np.int64],
    weights: Weights,
    effort: Effort,
    hot: float,
    seed: int,
) -> _Found:
    """Annealing from a temperature, recombination, and the adjustment in fine atoms."""
    graph, targets, bounds = group.coarse, group.targets, group.bounds
    labels = _cooled(graph, labels, targets, bounds, weights, effort, hot, seed)
    recombine(graph, labels, targets, bounds, weights=weights, directions=effort.directions)
    return _judged(group, labels, _polished(group, labels, weights, effort, seed))


def _seeded(graph: AtomGraph, targets: NDArray[np.float64], turn: float) -> NDArray[np.int64]:
    """Labels by a balanced power diagram of the atoms, each grid in one piece."""
    count = len(targets)
    centres = bisection_centres(graph.xy, graph.load, count, turn)
    labels, _, _ = balanced_labels(graph.xy, graph.load, centres, targets, rounds=6)
    return whole(graph, _filled(graph, labels, count))


def _cooled(
    graph: AtomGraph,
    labels: NDArray[np.int64],
    targets: NDArray[np.float64],
    bounds: tuple[float, float],
    weights: Weights,
    effort: Effort,
    hot: float,
    seed: int,
) -> NDArray[np.int64]:
    """Annealing in which the balance comes to count while the temperature falls."""
    return anneal(
        graph, labels, targets, bounds,
        weights=weights, steps=effort.steps * len(labels), hot=hot, cold=effort.cold,
        seed=seed, first_share=effort.first_share,
    )  # fmt: skip


def _mended(
    group: Group, labels: NDArray[np.int64], weights: Weights, effort: Effort, seed: int
) -> _Found:
    """Anneal the worst grid anew with those around it, until the loads are even.

    Large places freeze early where they are; a few grids alone are cheap to melt again.
    """
    graph, targets = group.coarse, group.targets
    rings = np.ones(len(targets), dtype=np.int64)
    for trial in range(effort.repairs):
        loads = np.bincount(labels, graph.load, len(targets))
        off = np.abs(loads / targets - 1.0)
        off[rings > 2] = 0.0
        worst = int(np.argmax(off - _TRIED * (rings - 1)))
        if off[worst] <= effort.off:
            break
        around = np.array([worst])
        for _ in range(rings[worst]):
            around = _touching(graph, labels, around)
        rings[worst] += 1
        inside = np.flatnonzero(np.isin(labels, around))
        part, own = subgraph(graph, inside), np.searchsorted(around, labels[inside])
        again = _cooled(
            part,
            own,
            targets[around],
            group.bounds,
            weights,
            effort,
            effort.hotter,
            seed * 101 + trial,
        )
        before, after = (
            energy(part, each, targets[around], group.bounds, weights=weights)
            for each in (own, again)
        )
        if after < before - 1e-9:
            labels = labels.copy()
            labels[inside] = around[again]
            rings[around] = 1
    return _judged(group, labels, _polished(group, labels, weights, effort, seed))


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
        finer = anneal(
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
