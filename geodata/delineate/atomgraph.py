"""Atoms and their neighbours as a graph in compressed rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["AtomGraph", "connected_pieces", "nearest_atoms", "subgraph"]


@dataclass(frozen=True, slots=True)
class AtomGraph:
    """Atoms and their shared borders in compressed rows.

    Attributes
    ----------
    start : (n + 1,) int64; neighbour : (m,) int64; border : (m,) float64
        Row i lists the neighbours of atom i and the priced length of the common border.
    load : (n,) float64 households; area : (n,) float64 square metres
    outer : (n,) float64 metres of border with the world outside the community
    xy : (n, 2) float64 metres, a point of each atom
    """

    start: NDArray[np.int64]
    neighbour: NDArray[np.int64]
    border: NDArray[np.float64]
    load: NDArray[np.float64]
    area: NDArray[np.float64]
    outer: NDArray[np.float64]
    xy: NDArray[np.float64]


@njit(cache=True)
def _pieces(start, neighbour, labels):  # type: ignore[no-untyped-def]
    n = len(labels)
    piece = np.full(n, -1, np.int64)
    queue = np.empty(n, np.int64)
    count = 0
    for first in range(n):
        if piece[first] >= 0:
            continue
        piece[first] = count
        queue[0] = first
        head, tail = 0, 1
        while head < tail:
            i = queue[head]
            head += 1
            for e in range(start[i], start[i + 1]):
                j = neighbour[e]
                if piece[j] < 0 and labels[j] == labels[first]:
                    piece[j] = count
                    queue[tail] = j
                    tail += 1
        count += 1
    return piece


def connected_pieces(graph: AtomGraph, labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """The connected piece that each atom belongs to: (n,) int64, numbered from 0."""
    return _pieces(graph.start, graph.neighbour, labels)


def nearest_atoms(
    graph: AtomGraph, one: NDArray[np.int64], other: NDArray[np.int64]
) -> tuple[float, int, int]:
    """The nearest two atoms of two groups: square metres, atom, atom."""
    difference = graph.xy[one][:, None, :] - graph.xy[other][None, :, :]
    square = (difference**2).sum(axis=2)
    place = int(np.argmin(square))
    i, j = divmod(place, len(other))
    return float(square[i, j]), int(one[i]), int(other[j])


def subgraph(graph: AtomGraph, atoms: NDArray[np.int64]) -> AtomGraph:
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
        _, i, j = nearest_atoms(part, first, rest)
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
