"""What the search lowers: the energy of a labelling of atoms by grids.

    E = sum over grids of P^2 / (4 pi A) + mu * (d^2 + excess * max(0, |d| - tol)^2) + out

P is the perimeter, in which a metre off the barriers counts ``cut_cost`` times, A the area and d
the relative deviation of the load from the grid's target; a grid out of its range pays a fixed
price ``out`` and mu * excess times what it is out by, relative to the target.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from geodata.delineate.atomgraph import AtomGraph

__all__ = ["Weights", "energy", "load_term", "rules_of", "shape_term", "totals_of_grids"]


@dataclass(frozen=True, slots=True)
class Weights:
    """The weights of the energy; see the module's docstring."""

    mu: float = 7.0
    excess: float = 100.0
    tolerance: float = 0.03
    cut_cost: float = 1.65


def rules_of(
    limits: tuple[float, float], weights: Weights
) -> tuple[float, float, float, float, float]:
    """The range of the loads and the weights of the balance, as compiled code takes them."""
    return (
        float(limits[0]),
        float(limits[1]),
        float(weights.mu),
        float(weights.excess),
        float(weights.tolerance),
    )


#: What a grid out of its range costs however little it is out, and however hot the search: large
#: places have found their company long before the balance comes to count.
_OUTSIDE = 3.0


@njit(cache=True, inline="always")
def shape_term(area, perimeter):  # type: ignore[no-untyped-def]
    """P^2 / (4 pi A): 1 for a disc, and the more the less compact."""
    return perimeter * perimeter / (12.566370614359172 * max(area, 1.0))


@njit(cache=True)
def load_term(load, target, rules):  # type: ignore[no-untyped-def]
    """What a load costs that is not the target, or out of the range from low to high."""
    low, high, mu, excess, tolerance = rules
    deviation = (load - target) / target
    beyond = max(0.0, abs(deviation) - tolerance)
    value = mu * (deviation * deviation + excess * beyond * beyond)
    if load < low:
        value += _OUTSIDE + mu * excess * (low - load) / target
    elif load > high:
        value += _OUTSIDE + mu * excess * (load - high) / target
    return value


@njit(cache=True)
def totals_of_grids(start, neighbour, border, load, area, outer, labels, k):  # type: ignore[no-untyped-def]
    """Load, area and priced perimeter of each grid: three (k,) arrays."""
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
def _energy(  # type: ignore[no-untyped-def]
    start, neighbour, border, load, area, outer, labels, targets, rules
):
    loads, areas, perimeters = totals_of_grids(
        start, neighbour, border, load, area, outer, labels, len(targets)
    )
    value = 0.0
    for g in range(len(targets)):
        value += shape_term(areas[g], perimeters[g])
        value += load_term(loads[g], targets[g], rules)
    return value


def energy(
    graph: AtomGraph,
    labels: NDArray[np.int64],
    targets: NDArray[np.float64],
    limits: tuple[float, float],
    *,
    weights: Weights,
) -> float:
    """The energy of a labelling; see the module's docstring."""
    return float(
        _energy(
            graph.start, graph.neighbour, graph.border, graph.load, graph.area, graph.outer,
            labels, targets, rules_of(limits, weights),
        )
    )  # fmt: skip
