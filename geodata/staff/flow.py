"""The optimum of a staffing problem: min-cost flow on candidate arcs, then pricing of the rest.

1. Candidate arcs join each grid to the nearest eligible members of each role and each member to
   the nearest grids.
2. Min-cost flow on these arcs. A vacancy costs more than all distances together, so that as many
   posts as possible are filled first and the distance is least among those ways.
3. The potentials of the optimal flow price every arc that was left out. If one has a negative
   reduced cost it is added and the flow is solved again; if none has, the flow is optimal among
   all arcs, and the potentials are the proof.

Source: column generation for transportation problems (Dantzig & Wolfe 1960; Ahuja, Magnanti &
Orlin 1993, "Network Flows", sections 9 and 17); the flow is solved by cost scaling in OR-Tools.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from ortools.graph.python import min_cost_flow
from scipy.spatial import cKDTree

from geodata.errors import PlanError
from geodata.staff.pricing import optimal_potentials, violated_arcs
from geodata.staff.problem import StaffingProblem

__all__ = ["ALL_ARCS", "Solution", "solve"]

#: A problem with at most this many arcs is solved with all of them.
ALL_ARCS = 200_000

_NEAREST = 8


@dataclass(frozen=True, slots=True)
class Solution:
    """Posts of a problem.

    Attributes
    ----------
    member, role, grid : ndarray of int64, shape (posts,)
        Positions in the problem.
    distance : ndarray of int64, shape (posts,)
        Whole metres.
    lower_bound : int
        No way to fill as many posts has a smaller total distance.
    arcs, rounds : int
        Arcs in the last flow, and flows solved.
    """

    member: NDArray[np.int64]
    role: NDArray[np.int64]
    grid: NDArray[np.int64]
    distance: NDArray[np.int64]
    lower_bound: int
    arcs: int
    rounds: int


@dataclass(frozen=True, slots=True)
class Arcs:
    """Arcs from members to slots (slot = role * grids + grid), ordered by slot, then member."""

    member: NDArray[np.int64]
    slot: NDArray[np.int64]
    cost: NDArray[np.int64]


def solve(problem: StaffingProblem, all_arcs: int = ALL_ARCS) -> Solution:
    """Find the staffing with most posts filled, then with the least total distance."""
    grids = len(problem.grid_codes)
    slots = grids * len(problem.roles)
    demand = np.repeat(problem.demand, grids)
    vacancy_cost = _vacancy_cost(problem)
    if problem.eligible.sum() * grids <= all_arcs:
        arcs = _all_arcs(problem)
    else:
        arcs = _nearest_arcs(problem)
    rounds = 0
    while True:
        rounds += 1
        used, vacant = _min_cost_flow(arcs, problem.capacity, demand, vacancy_cost)
        member_price, slot_price = optimal_potentials(
            arcs.member, arcs.slot, arcs.cost, used, problem.capacity, slots, vacancy_cost
        )
        new_member, new_slot = violated_arcs(
            problem, arcs.member, arcs.slot, member_price, slot_price
        )
        if not len(new_member):
            break
        arcs = _ordered(
            problem,
            np.concatenate([arcs.member, new_member]),
            np.concatenate([arcs.slot, new_slot]),
        )
    rent = np.maximum(slot_price[arcs.slot] - member_price[arcs.member] - arcs.cost, 0)
    bound = (
        (demand * slot_price).sum() - (problem.capacity * member_price).sum() - rent.sum()
    ) - vacancy_cost * vacant.sum()
    return Solution(
        arcs.member[used],
        arcs.slot[used] // max(grids, 1),
        arcs.slot[used] % max(grids, 1),
        arcs.cost[used],
        int(bound),
        len(arcs.member),
        rounds,
    )


def _vacancy_cost(problem: StaffingProblem) -> int:
    """More than the total distance of any staffing."""
    every = np.vstack([problem.member_xy, problem.grid_xy])
    if not len(every):
        return 1
    furthest = np.hypot(*(every.max(axis=0) - every.min(axis=0)))
    furthest = int(np.ceil(min(furthest, problem.max_distance))) + 1
    posts = min(problem.capacity.sum(), problem.demand.sum() * len(problem.grid_codes))
    return 1 + furthest * int(posts)


def _distances(
    problem: StaffingProblem, member: NDArray[np.int64], slot: NDArray[np.int64]
) -> NDArray[np.float64]:
    step = problem.member_xy[member] - problem.grid_xy[slot % len(problem.grid_codes)]
    return np.sqrt(step[:, 0] * step[:, 0] + step[:, 1] * step[:, 1])


def _ordered(problem: StaffingProblem, member: NDArray[np.int64], slot: NDArray[np.int64]) -> Arcs:
    """Arcs in canonical order, each once, none over the largest distance."""
    key = np.unique(slot * len(problem.member_ids) + member)
    slot, member = np.divmod(key, max(len(problem.member_ids), 1))
    distance = _distances(problem, member, slot)
    near = distance <= problem.max_distance
    return Arcs(member[near], slot[near], np.rint(distance[near]).astype(np.int64))


def _all_arcs(problem: StaffingProblem) -> Arcs:
    member, role = np.nonzero(problem.eligible)
    grids = len(problem.grid_codes)
    slot = (role[:, None] * grids + np.arange(grids)).ravel()
    return _ordered(problem, np.repeat(member, grids), slot)


def _nearest_arcs(problem: StaffingProblem) -> Arcs:
    """Each grid with its nearest eligible members, each member with the nearest grids."""
    grids = len(problem.grid_codes)
    grid_tree = cKDTree(problem.grid_xy)
    members, slots = [], []
    for role in range(len(problem.roles)):
        who = np.flatnonzero(problem.eligible[:, role])
        if not len(who):
            continue
        near = min(len(who), _NEAREST + int(problem.demand[role]))
        _, found = cKDTree(problem.member_xy[who]).query(problem.grid_xy, k=np.arange(1, near + 1))
        members.append(who[found].ravel())
        slots.append(np.repeat(role * grids + np.arange(grids), near))
        near = min(grids, _NEAREST)
        _, found = grid_tree.query(problem.member_xy[who], k=np.arange(1, near + 1))
        members.append(np.repeat(who, near))
        slots.append((role * grids + found).ravel())
    none = np.empty(0, dtype=np.int64)
    return _ordered(problem, np.concatenate([none, *members]), np.concatenate([none, *slots]))


def _min_cost_flow(
    arcs: Arcs,
    capacity: NDArray[np.int64],
    demand: NDArray[np.int64],
    vacancy_cost: int,
) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Solve the flow source -> member -> slot, with source -> slot as vacancies.

    Returns
    -------
    used : ndarray of bool
        The arcs that carry a post.
    vacant : ndarray of int64
        Vacant posts a slot.
    """
    members, slots = len(capacity), len(demand)
    source = members + slots
    slot_node = members + np.arange(slots)
    flow = min_cost_flow.SimpleMinCostFlow()
    joined = flow.add_arcs_with_capacity_and_unit_cost(
        arcs.member, members + arcs.slot, np.ones_like(arcs.member), arcs.cost
    )
    flow.add_arcs_with_capacity_and_unit_cost(
        np.full(members, source), np.arange(members), capacity, np.zeros(members, dtype=np.int64)
    )
    empty = flow.add_arcs_with_capacity_and_unit_cost(
        np.full(slots, source), slot_node, demand, np.full(slots, vacancy_cost)
    )
    flow.set_nodes_supplies(slot_node, -demand)
    flow.set_node_supply(source, int(demand.sum()))
    status = flow.solve()
    if status != flow.OPTIMAL:
        raise PlanError(
            f"the staffing flow could not be solved ({status.name}): "
            "staff fewer grids at a time, or set a largest distance"
        )
    return flow.flows(joined).astype(bool), flow.flows(empty).astype(np.int64)
