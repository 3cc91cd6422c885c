"""Which atoms of one grid go to its neighbour: few households, both grids compact and whole.

The candidates are sweeps over the giver in many directions, each adjusted by single flips; the
energy is that of ``geodata.delineate.energy``, its balance left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geodata.delineate.atomgraph import AtomGraph, connected_pieces
from geodata.delineate.energy import Weights, energy

__all__ = ["GIVER", "TAKER", "Wish", "choices"]

GIVER, TAKER = 0, 1
_DIRECTIONS = 16
_BORDER_PLACES = 6
#: What moving a target's worth of households too many costs, in units of the energy.
_TOO_MANY = 15.0
_ADJUSTMENTS = 3


@dataclass(frozen=True, slots=True)
class Wish:
    """How many households to move.

    Attributes
    ----------
    amount, ceiling : float
        At the least, and at the most.
    target : float
        What a grid should hold.
    """

    amount: float
    ceiling: float
    target: float


def choices(
    graph: AtomGraph, owner: NDArray[np.int64], wish: Wish, weights: Weights
) -> list[NDArray[np.int64]]:
    """Labels of the atoms, GIVER or TAKER, that move what is wished; the most pleasing first.

    Parameters
    ----------
    graph : AtomGraph
        Of two neighbouring grids.
    owner : (n,) int64
        GIVER or TAKER, as it is.
    wish : Wish
    weights : Weights
        ``mu`` is left out of account.
    """
    shape = Weights(0.0, cut_cost=weights.cut_cost)
    found: dict[bytes, tuple[float, NDArray[np.int64]]] = {}
    for order in _orders(graph, owner):
        label = _grown(graph, owner, order, wish)
        if label is not None:
            label, score = _adjusted(graph, owner, label, wish, shape)
            found.setdefault(label.tobytes(), (score, label))
    return [label for _, label in sorted(found.values(), key=lambda choice: choice[0])]


def _orders(graph: AtomGraph, owner: NDArray[np.int64]) -> Iterator[NDArray[np.float64]]:
    """Values by which the atoms of the giver come in turn."""
    for turn in range(_DIRECTIONS):
        angle = 2.0 * np.pi * turn / _DIRECTIONS
        yield graph.xy @ np.array([np.cos(angle), np.sin(angle)])
    yield np.hypot(*(graph.xy - graph.xy[owner == TAKER].mean(axis=0)).T)
    beside = _beside(graph, owner)
    for atom in beside[:: max(1, len(beside) // _BORDER_PLACES)]:
        yield np.hypot(*(graph.xy - graph.xy[atom]).T)


def _beside(graph: AtomGraph, owner: NDArray[np.int64]) -> NDArray[np.int64]:
    """Atoms of the giver beside the taker, in turn along the border."""
    row = np.repeat(np.arange(len(owner)), np.diff(graph.start))
    atoms = np.unique(row[(owner[row] == GIVER) & (owner[graph.neighbour] == TAKER)])
    if len(atoms) < 2:
        return atoms
    deviation = graph.xy[atoms] - graph.xy[atoms].mean(axis=0)
    axis = np.linalg.eigh(deviation.T @ deviation)[1][:, -1]
    return atoms[np.argsort(deviation @ axis, kind="stable")]


def _grown(
    graph: AtomGraph, owner: NDArray[np.int64], order: NDArray[np.float64], wish: Wish
) -> NDArray[np.int64] | None:
    """The taker grown into the giver, the least in order first; None where it gets too little."""
    label = owner.copy()
    whole = _piece_counts(graph, owner)
    row = np.repeat(np.arange(len(owner)), np.diff(graph.start))
    moved = 0.0
    while moved < wish.amount:
        front = np.unique(row[(label[row] == GIVER) & (label[graph.neighbour] == TAKER)])
        front = front[moved + graph.load[front] <= wish.ceiling]
        for atom in front[np.argsort(order[front], kind="stable")].tolist():
            label[atom] = TAKER
            if _whole(graph, label, whole):
                moved += float(graph.load[atom])
                break
            label[atom] = GIVER
        else:
            return None
    return label


def _adjusted(
    graph: AtomGraph,
    owner: NDArray[np.int64],
    label: NDArray[np.int64],
    wish: Wish,
    weights: Weights,
) -> tuple[NDArray[np.int64], float]:
    """Flip single atoms of the giver, either way, as long as that is better; and the score."""

    def scored() -> tuple[float, float]:
        moved = float(graph.load[(owner == GIVER) & (label == TAKER)].sum())
        shape = energy(graph, label, np.ones(2), (0.0, np.inf), weights=weights)
        return shape + _TOO_MANY * (moved - wish.amount) / wish.target, moved

    whole = _piece_counts(graph, owner)
    row = np.repeat(np.arange(len(owner)), np.diff(graph.start))
    score, _ = scored()
    for _ in range(_ADJUSTMENTS):
        before = score
        edge = np.unique(row[label[row] != label[graph.neighbour]])
        for atom in edge[owner[edge] == GIVER].tolist():
            label[atom] = 1 - label[atom]
            value, moved = scored()
            fits = wish.amount <= moved <= wish.ceiling
            if fits and value < score - 1e-9 and _whole(graph, label, whole):
                score = value
            else:
                label[atom] = 1 - label[atom]
        if score == before:
            break
    return label, score


def _piece_counts(graph: AtomGraph, label: NDArray[np.int64]) -> tuple[int, int]:
    """The number of pieces that giver and taker consist of."""
    piece = connected_pieces(graph, label)
    return len(np.unique(piece[label == GIVER])), len(np.unique(piece[label == TAKER]))


def _whole(graph: AtomGraph, label: NDArray[np.int64], allowed: tuple[int, int]) -> bool:
    giver, taker = _piece_counts(graph, label)
    return 0 < giver <= allowed[GIVER] and taker <= allowed[TAKER]
