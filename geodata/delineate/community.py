"""The delineation of one community: a task in, its grids out. Independent of every other one."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from geodata.delineate.balance import (
    LARGEST_DEVIATION,
    bulky,
    hopeless,
    kept_range,
    near_share,
    never_balanced,
    no_division,
)
from geodata.delineate.cells import Diagram, balanced_cells, cell_edges
from geodata.delineate.codes import hilbert_order
from geodata.delineate.counting import grid_count
from geodata.delineate.dissolve import dissolve, restore
from geodata.delineate.energy import Weights, energy
from geodata.delineate.graph import share_along, shared_edges
from geodata.delineate.partition import partition
from geodata.delineate.search import Effort, whole
from geodata.delineate.task import Items, Limits, Task, merge_items, metric_area
from geodata.delineate.tiling import Tiling, item_face, tile

__all__ = ["Solved", "solve"]

#: Loads of coarse and fine atoms in relation to the target, and their area in relation to a grid's
#: fair share of the community; tried in turn until every grid is within range and well balanced.
_CAPS = ((0.06, 0.02, 0.3), (0.03, 0.0075, 0.04))
#: The largest deviation at which the cells of a power diagram are good enough as they are.
_GOOD_CELLS = 0.05
#: Among so few atoms another attempt costs next to nothing.
_FEW_ATOMS = 150
#: Without barriers every metre of border costs the same, and balance is easier had.
_STRAIGHT = Weights(cut_cost=1.3, mu=45.0)


@dataclass(frozen=True, slots=True)
class Solved:
    """The grids of one community in canonical order.

    Attributes
    ----------
    code : str
    grids : (k,) array of Polygon or MultiPolygon in the units of the frame
    households : (k,) int64
    owner : (n,) int64
        The grid of each household of the task; on a common edge the first.
    compactness : (k,) float64, Polsby-Popper
    on_barriers : float
        The share of the boundary between grids that lies along barriers; NaN where there is none.
    parts : (k,) int64, polygons that the grid consists of
    flag, reason : (k,) object
        ``None`` for an ordinary grid.
    seconds : float
    """

    code: str
    grids: NDArray[Any]
    households: NDArray[np.int64]
    owner: NDArray[np.int64]
    compactness: NDArray[np.float64]
    on_barriers: float
    parts: NDArray[np.int64]
    flag: NDArray[Any]
    reason: NDArray[Any]
    seconds: float


def solve(task: Task) -> Solved:
    """Divide one community into grids."""
    begun = time.perf_counter()
    area = metric_area(task.area, task.plane)
    items = merge_items(task.plane.forward(task.xy), task.load)
    if len(items.load) == 0 or _is_one_grid(task, items):
        polygons = np.array([task.area], dtype=object)
        owner = np.zeros(len(task.load), dtype=np.int64)
    else:
        polygons = _polygons(task, area, items)
        polygons = polygons[hilbert_order(polygons)]
        owner = item_face(polygons, task.xy)
    loads = np.bincount(owner, task.load, len(polygons)).astype(np.int64)
    metric = task.plane.to_metres(polygons)
    parts = np.array([len(shapely.get_parts(polygon)) for polygon in polygons])
    flag, reason = _flags(task, items, loads, parts)
    if len(polygons) > 1:
        _flag_lumpy(task, items, item_face(metric, items.xy), loads, flag, reason)
    return Solved(
        code=task.code,
        grids=polygons,
        households=loads,
        owner=owner,
        compactness=4.0 * np.pi * shapely.area(metric) / shapely.length(metric) ** 2,
        on_barriers=_on_barriers(task, metric),
        parts=parts,
        flag=flag,
        reason=reason,
        seconds=time.perf_counter() - begun,
    )


def _on_barriers(task: Task, grids: NDArray[Any]) -> float:
    if task.barriers is None or len(grids) < 2:
        return float("nan")
    return share_along(shared_edges(grids), task.plane.to_metres(task.barriers))


def _is_one_grid(task: Task, items: Items) -> bool:
    limits = task.limits
    load = float(items.load.sum())
    heavy = items.load.max() > limits.maximum and len(items.load) > 1
    return not heavy and grid_count(load, limits.target, limits.minimum, limits.maximum) == 1


def _polygons(task: Task, area: Any, items: Items) -> NDArray[Any]:
    """The grids' polygons in the units of the frame."""
    best: Attempt | None = None
    for attempt, enough in _attempts(task, area, items):
        if best is None or attempt.rank < best.rank:
            best = attempt
        if best.good(enough):
            break
    assert best is not None  # noqa: S101 - there is at least one attempt
    grids = dissolve(best.tiling.pieces, best.labels)
    return restore(grids, task.area, task.plane)


@dataclass(frozen=True, slots=True)
class Attempt:
    """A labelling of the pieces of a tiling, and how it ranks: less is better.

    Attributes
    ----------
    tiling : Tiling
    labels : (len(tiling.pieces),) int64
    out_of_range : float
        Households below the minimum or above the maximum.
    settled : bool
        None is out of range, or the places force it.
    deviation : float
        The largest deviation; at most a tenth where the places force more.
    energy : float
    unparted : bool
        It is large buildings that keep loads uneven, and atoms are many: finer ones would cost
        much and part no building.
    """

    tiling: Tiling
    labels: NDArray[np.int64]
    out_of_range: float
    settled: bool
    deviation: float
    energy: float
    unparted: bool

    @property
    def rank(self) -> tuple[float, float, float]:
        return self.out_of_range, max(self.deviation - LARGEST_DEVIATION, 0.0), self.energy

    def good(self, enough: float) -> bool:
        """Nothing that another attempt is likely to mend."""
        return self.settled and (self.deviation <= enough or self.unparted)


def _attempt(
    task: Task, items: Items, tiling: Tiling, labels: NDArray[np.int64], weights: Weights
) -> Attempt:
    limits, graph = task.limits, tiling.fine.graph
    atom_label = np.empty(len(graph.load), dtype=np.int64)
    atom_label[tiling.fine.atom] = labels
    loads = np.bincount(atom_label, graph.load)
    low = np.maximum(limits.minimum - loads, 0.0)
    high = np.maximum(loads - limits.maximum, 0.0)
    # a tower that is a grid of its own does not raise the share of the others
    ordinary = loads[loads <= limits.maximum]
    share = float(ordinary.mean() if ordinary.sum() > 0.0 else loads.mean())
    places = items.load[items.load <= limits.maximum]
    deviation = float(np.abs(ordinary / share - 1.0).max(initial=0.0))
    forced = deviation > LARGEST_DEVIATION and hopeless(places, len(ordinary), near_share(share))
    out = float((low + high).sum())
    return Attempt(
        tiling=tiling,
        labels=labels,
        out_of_range=out,
        settled=out == 0.0 or _cannot_fit(items, len(loads), limits),
        deviation=LARGEST_DEVIATION if forced else deviation,
        energy=energy(
            graph, atom_label, np.full(len(loads), share), kept_range(share, limits),
            weights=weights,
        ),
        unparted=deviation > LARGEST_DEVIATION
        and _kept_by_buildings(tiling, atom_label, loads, share),
    )  # fmt: skip


def _kept_by_buildings(
    tiling: Tiling, atom_label: NDArray[np.int64], loads: NDArray[Any], share: float
) -> bool:
    """Whether large buildings are most of the community and of each grid off its share.

    Few atoms are divided so quickly that it does not matter.
    """
    load = tiling.fine.graph.load
    return (
        len(tiling.coarse.graph.load) > _FEW_ATOMS
        and bulky(load, share)
        and all(
            bulky(load[atom_label == grid], share)
            for grid in np.flatnonzero(np.abs(loads / share - 1.0) > LARGEST_DEVIATION)
        )
    )


def _attempts(task: Task, area: Any, items: Items) -> Iterator[tuple[Attempt, float]]:
    """Tilings and labels, the most pleasing first, and the deviation to be content with."""
    limits = task.limits
    if task.barriers is not None:
        lines = task.plane.to_metres(task.barriers)
        price = task.price if task.price is not None else np.ones(len(lines))
        weights = Weights()
    else:
        weights = _STRAIGHT
        diagrams = _diagrams(task, area, items)
        if items.load.max() <= limits.maximum and shapely.get_num_geometries(area) == 1:
            for diagram in _promising(diagrams, limits):
                tiling, labels = _straight(area, items, diagram)
                yield _attempt(task, items, tiling, labels, weights), _GOOD_CELLS
        lines = cell_edges(diagrams[0], area.bounds)
        price = np.ones(len(lines))
    fair = area.area / min(max(float(items.load.sum()) / limits.target, 1.0), len(items.load))
    reach = math.sqrt(fair) if task.barriers is not None else 0.0
    for number, (coarse, fine, land) in enumerate(_CAPS):
        tiling = tile(
            area, items, lines, price,
            coarse=coarse * limits.target, fine=fine * limits.target, area_cap=land * fair,
            cut_cost=weights.cut_cost, reach=reach,
        )  # fmt: skip
        labels = partition(
            tiling, limits, weights=weights, effort=Effort(), seed=task.random_seed + number
        )
        yield _attempt(task, items, tiling, labels, weights), LARGEST_DEVIATION


def _promising(diagrams: list[Diagram], limits: Limits) -> list[Diagram]:
    """The diagrams whose cells are balanced; where there is none, the one that is most nearly."""
    judged = []
    for number, diagram in enumerate(diagrams):
        low, high = limits.minimum - diagram.loads, diagram.loads - limits.maximum
        out = float(np.maximum(np.maximum(low, high), 0.0).sum())
        off = float(np.abs(diagram.loads / diagram.loads.mean() - 1.0).max())
        judged.append((out, off, number))
    good = [diagrams[number] for out, off, number in judged if out == 0.0 and off <= _GOOD_CELLS]
    return good or [diagrams[min(judged)[2]]]


def _diagrams(task: Task, area: Any, items: Items) -> list[Diagram]:
    """Balanced power diagrams, the best first."""
    limits = task.limits
    count = grid_count(float(items.load.sum()), limits.target, limits.minimum, limits.maximum)
    count = min(count, len(items.load))
    return balanced_cells(items.xy, items.load, count, area.area, limits, seed=task.random_seed)


def _straight(area: Any, items: Items, diagram: Diagram) -> tuple[Tiling, NDArray[np.int64]]:
    """The cells of a power diagram as they are."""
    edges = cell_edges(diagram, area.bounds)
    tiling = tile(
        area, items, edges, np.ones(len(edges)),
        coarse=np.inf, fine=np.inf, area_cap=np.inf, cut_cost=1.0,
    )  # fmt: skip
    inside = shapely.get_coordinates(shapely.point_on_surface(tiling.pieces))
    distance = ((inside[:, None, :] - diagram.centres[None, :, :]) ** 2).sum(axis=2)
    distance -= diagram.duals
    # a sliver goes with its atom's largest piece
    order = np.argsort(shapely.area(tiling.pieces), kind="stable")
    graph = tiling.fine.graph
    labels = np.zeros(len(graph.load), dtype=np.int64)
    labels[tiling.fine.atom[order]] = np.argmin(distance[order], axis=1)
    labels = whole(graph, np.unique(labels, return_inverse=True)[1].astype(np.int64))
    return tiling, labels[tiling.fine.atom]


def _flags(
    task: Task, items: Items, loads: NDArray[np.int64], parts: NDArray[np.int64]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Why a grid is out of the ordinary: flag and reason, None where it is not."""
    limits, total = task.limits, int(loads.sum())
    flag = np.full(len(loads), None, dtype=object)
    reason = np.full(len(loads), None, dtype=object)
    cause = ""
    for i, load in enumerate(loads.tolist()):
        if total == 0:
            flag[i], reason[i] = "empty", "the community holds no household"
        elif total < limits.minimum:
            flag[i] = "undersize"
            reason[i] = f"the community holds {total} households, fewer than {limits.minimum:g}"
        elif not limits.minimum <= load <= limits.maximum:
            flag[i] = "oversize" if load > limits.maximum else "undersize"
            cause = cause or _cause(limits, items, total, len(loads))
            reason[i] = cause
        elif parts[i] > 1:
            flag[i] = "multipart"
            reason[i] = (
                "a part of the community holds too few households for a grid of its own"
                if len(loads) > 1
                else "the community itself consists of several parts"
            )
    return flag, reason


def _cannot_fit(items: Items, count: int, limits: Limits) -> bool:
    """Whether it is certain that the places make no ``count`` grids within the limits.

    A tower above the maximum is a grid of its own.
    """
    places = items.load[items.load <= limits.maximum]
    towers = len(items.load) - len(places)
    return hopeless(places, max(count - towers, 1), (limits.minimum, limits.maximum))


def _cause(limits: Limits, items: Items, total: int, count: int) -> str:
    """Why a grid of a community with enough households is not within the limits."""
    heaviest = int(items.load.max()) if len(items.load) else 0
    span = f"{limits.minimum:g} to {limits.maximum:g}"
    if heaviest > limits.maximum:
        return f"one building holds {heaviest} households, more than {limits.maximum:g}"
    if math.ceil(total / limits.maximum) > math.floor(total / limits.minimum):
        return f"{total} households make no whole number of grids of {span}"
    if _cannot_fit(items, count, limits):
        return f"{len(items.load)} places cannot be dealt out to {count} grids of {span}"
    return f"buildings of up to {heaviest} households leave no cut into grids of {span}"


def _flag_lumpy(
    task: Task,
    items: Items,
    owner: NDArray[np.int64],
    loads: NDArray[np.int64],
    flag: NDArray[Any],
    reason: NDArray[Any],
) -> None:
    """Flag grids that deviate by more than a tenth because their places force it.

    ``owner`` (items,) is the grid of each item; ``flag`` and ``reason`` are changed.
    """
    ordinary = np.array([name is None for name in flag])
    if ordinary.sum() < 2:
        return
    share = float(loads[ordinary].mean())
    uneven = _off_share(loads, flag)
    if not uneven.any():
        return
    movable = items.load <= task.limits.maximum
    places = items.load[movable].astype(np.int64)
    stuck = np.zeros(len(items.load), dtype=bool)
    stuck[movable] = never_balanced(places, near_share(share))
    hopeless = no_division(places, int(ordinary.sum()), near_share(share))
    for i in np.flatnonzero(uneven).tolist():
        own = items.load[(owner == i) & stuck]
        if len(own):
            flag[i] = "lumpy"
            reason[i] = (
                f"no choice of whole places with the one of {own.max():g} households comes "
                f"within a tenth of the community's share of {share:.0f}"
            )
    if not hopeless:
        return
    said = (
        f"{len(places)} places cannot be dealt out to {ordinary.sum()} grids so that all "
        f"are within a tenth of {share:.0f} households"
    )
    while (off := _off_share(loads, flag)).any():
        flag[off], reason[off] = "lumpy", said


def _off_share(loads: NDArray[np.int64], flag: NDArray[Any]) -> NDArray[np.bool_]:
    """Grids without a flag that deviate by more than a tenth from the mean of these."""
    ordinary = np.array([name is None for name in flag])
    if not ordinary.any():
        return ordinary
    share = float(loads[ordinary].mean())
    return np.asarray(ordinary & (np.abs(loads - share) > LARGEST_DEVIATION * share))
