"""Steps 4 to 8: atoms to grids.

Buildings above the maximum become grids of their own; what they leave falls into pieces, each
piece (or group of pieces too small alone) gets its own number of grids.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from geodata.delineate.atomgraph import AtomGraph, connected_pieces, nearest_atoms, subgraph
from geodata.delineate.balance import kept_range
from geodata.delineate.counting import grid_count
from geodata.delineate.energy import Weights
from geodata.delineate.search import Effort, Group, search
from geodata.delineate.task import Limits
from geodata.delineate.tiling import Tiling

__all__ = ["partition"]


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
    # an atom beside a tower too light for a grid of its own has joined the tower's
    label = grid[home]
    for atoms in groups:
        load = float(graph.load[atoms].sum())
        count = min(grid_count(load, limits.target, limits.minimum, limits.maximum), len(atoms))
        inside = np.flatnonzero(np.isin(home, atoms))
        label[inside] = taken
        if count > 1:
            group = Group(
                coarse=subgraph(graph, atoms),
                fine=subgraph(fine, inside),
                home=np.searchsorted(atoms, home[inside]),
                targets=np.full(count, load / count),
                bounds=kept_range(load / count, limits),
                limits=(limits.minimum, limits.maximum),
            )
            label[inside] += search(group, weights=weights, effort=effort, seed=seed)
        taken += count
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
        nearest = min(groups, key=lambda n: (nearest_atoms(graph, atoms, groups[n])[0], n))
        groups[nearest] = np.sort(np.concatenate([groups[nearest], atoms]))
    return list(groups.values())
