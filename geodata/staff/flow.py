"""The optimum of a staffing problem, with its proof.

1. Candidate arcs join each slot to its nearest pools of eligible members.
2. Shortest augmenting paths fill one post after another (:mod:`geodata.staff.paths`). A vacancy
   costs more than all distances together, so that as many posts as possible are filled first and
   the distance is least among those ways.
3. The prices of this optimum price every arc that was left out. Those that they would pay for come
   in; only the posts whose prices they undercut are filled anew, and so on. When there is none
   left, the prices prove the flow optimal among all arcs.

Source: column generation for transportation problems (Dantzig & Wolfe 1960; Ahuja, Magnanti &
Orlin 1993, "Network Flows", sections 9 and 17).
"""

from __future__ import annotations

import os
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geodata.staff.arcs import Arcs, add_arcs, nearest_arcs
from geodata.staff.coarse import coarsen, joined
from geodata.staff.network import Network, build_network, deal
from geodata.staff.paths import State, fill, first_posts, link, release, settle
from geodata.staff.pricing import Missing, Pricing
from geodata.staff.problem import Ints, StaffingProblem

__all__ = ["Solution", "optimum", "solve"]

#: Share of the posts that far arcs could fill, and grids, from which a coarser network is asked.
_SCATTERED = 0.01
_MANY_GRIDS = 100


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
        Metres: no way to fill as many posts with as few changes has a smaller total distance.
    arcs, rounds : int
        Arcs in the last flow, and rounds of pricing.
    """

    member: Ints
    role: Ints
    grid: Ints
    distance: Ints
    lower_bound: int
    arcs: int
    rounds: int


def solve(problem: StaffingProblem) -> Solution:
    """Find the staffing with most posts filled, then with the least total distance.

    Where posts are held, each that changes hands counts ``stability`` metres on top; of equal
    ways, one with the fewest changes is taken.

    Raises
    ------
    PlanError
        The problem is too large for 64 bits.
    """
    grids = len(problem.grid_xy)
    network, pools = build_network(problem)
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        arcs, state, rounds = optimum(network, threads)
    used = np.flatnonzero(arcs.flow)
    count = arcs.flow[used].astype(np.int64)
    slot, pool = arcs.slot[used].astype(np.int64), arcs.pool[used].astype(np.int64)
    distance = np.rint(network.distances(pool, slot)).astype(np.int64)
    changes = 0
    if network.switch:
        changes = int(((arcs.cost[used] - distance * network.scale) // network.switch) @ count)
    bound = _bound(network, arcs, state) - network.switch * changes
    member, slot = deal(problem, pools, pool, slot, count)
    role, grid = np.divmod(slot, max(grids, 1))
    step = problem.member_xy[member] - problem.grid_xy[grid]
    return Solution(
        member, role, grid,
        np.rint(np.sqrt(step[:, 0] * step[:, 0] + step[:, 1] * step[:, 1])).astype(np.int64),
        -(-bound // network.scale), len(arcs.pool), rounds,
    )  # fmt: skip


def optimum(network: Network, threads: Executor) -> tuple[Arcs, State, int]:
    """An optimal flow of a network, the prices that prove it, and the rounds that it took."""
    arcs, reach = nearest_arcs(network, threads)
    state = State(
        network.capacity.copy(),
        network.demand.copy(),
        np.zeros_like(network.demand),
        np.zeros_like(network.capacity),
        np.zeros_like(network.demand),
    )
    links = link(arcs, len(network.people))
    first_posts(arcs, links, state, network.vacancy_cost)
    fill(arcs, links, state, network.vacancy_cost)
    pricing = Pricing(network, reach, threads)
    rounds = 1
    while len((missing := pricing.missing(arcs, state)).pool):
        pool, slot = missing.pool, missing.slot
        if rounds == 1 and _scattered(network, state, missing):
            coarse, grid_block, pool_block = coarsen(network)
            far, _, _ = optimum(coarse, threads)
            pool, slot = joined(network, far, grid_block, pool_block)
            pool = np.concatenate([missing.pool, pool])
            slot = np.concatenate([missing.slot, slot])
        arcs = add_arcs(network, arcs, pool, slot)
        links = link(arcs, len(network.people))
        release(arcs, links, state)
        fill(arcs, links, state, network.vacancy_cost)
        settle(arcs, links, state)
        rounds += 1
    return arcs, state, rounds


def _scattered(network: Network, state: State, missing: Missing) -> bool:
    """Whether missing arcs lead many vacant posts to people who are free."""
    if network.grids < _MANY_GRIDS:
        return False
    fillable = np.unique(missing.slot[missing.gain > network.vacancy_cost // 2])
    role = fillable // network.grids
    vacant = np.bincount(role, state.vacant[fillable], network.roles)
    free = np.array([state.room[of].sum() for of in network.eligible.T])
    return bool(np.minimum(vacant, free).sum() > _SCATTERED * network.demand.sum())


def _bound(network: Network, arcs: Arcs, state: State) -> int:
    """What the prices prove about the cost of the arcs of any staffing with as many posts."""
    pool_price = state.pool_price[arcs.pool]
    rent = np.maximum(state.slot_price[arcs.slot] - pool_price - arcs.cost, 0)
    return (
        _product(network.demand - state.vacant, state.slot_price)
        - _product(state.vacant, network.vacancy_cost - state.slot_price)
        - _product(network.capacity, state.pool_price)
        - _product(arcs.limit, rent)
    )


def _product(count: NDArray[np.integer], price: Ints) -> int:
    """The sum of count times price, which may be beyond 64 bits."""
    high, low = np.divmod(price, 1 << 31)
    count = count.astype(np.int64)
    return (int(high @ count) << 31) + int(low @ count)
