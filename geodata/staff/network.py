"""The network of a staffing problem: pools of interchangeable members, and slots.

Members at one place with the same roles and the same limit are interchangeable: thirty officers of
one station are one pool, which has thirty times the capacity of one and may hold a slot as often
as it has people. Any flow of a pool can be dealt out to its members, each of whom holds a slot at
most once: since all have the same limit, one goes round (Gale and Ryser's condition holds).

Whoever has posts that must not be given again is a pool of their own, and so is everyone with posts
to keep where a slot of their roles needs two or more; elsewhere the posts that a pool keeps can be
dealt to those who hold them, and the rest to anyone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from geodata.errors import PlanError
from geodata.staff.problem import Flags, Floats, Ints, StaffingProblem

__all__ = ["Network", "Pools", "build_network", "deal"]

#: Above this the sums of prices could leave 64 bits.
_DEAREST = 1 << 61


@dataclass(frozen=True, slots=True)
class Network:
    """Pools and slots; neighbours in the plane are near each other in the arrays.

    Attributes
    ----------
    grid_xy : ndarray of float64, shape (g, 2)
        Metres.
    demand : ndarray of int64, shape (r * g,)
        Posts of a slot (``role * g + grid``).
    pool_xy : ndarray of float64, shape (p, 2)
    eligible : ndarray of bool, shape (p, r)
    people, capacity : ndarray of int64, shape (p,)
        Members of a pool, and the posts that they may hold together.
    kept, barred : ndarray of int64, shape (k, 2)
        Pool and slot, each pair once, ordered by slot: a post that costs no switch; one that is
        not to be given.
    scale, switch : int
        An arc of d metres costs ``d * scale``, and ``switch`` more unless it is kept.
    vacancy_cost : int
        More than all arcs of any staffing together.
    max_distance : float
        Metres.
    """

    grid_xy: Floats
    demand: Ints
    pool_xy: Floats
    eligible: Flags
    people: Ints
    capacity: Ints
    kept: Ints
    barred: Ints
    scale: int
    switch: int
    vacancy_cost: int
    max_distance: float

    @property
    def grids(self) -> int:
        """Number of grids."""
        return len(self.grid_xy)

    @property
    def roles(self) -> int:
        """Number of roles."""
        return self.eligible.shape[1]

    def distances(self, pool: Ints, slot: Ints) -> Floats:
        """Metres between pools and slots."""
        step = self.pool_xy[pool] - self.grid_xy[slot % self.grids]
        return np.sqrt(step[:, 0] * step[:, 0] + step[:, 1] * step[:, 1])


@dataclass(frozen=True, slots=True)
class Pools:
    """Where the parts of a network come from.

    Attributes
    ----------
    grid : ndarray of int64, shape (g,)
        The network's grids in the problem.
    member : ndarray of int64, shape (m,)
        The problem's members, pool after pool, by position within one.
    start : ndarray of int64, shape (p + 1,)
        Where each pool begins in ``member``.
    limit : ndarray of int64, shape (p,)
        Posts that each member of a pool may hold.
    """

    grid: Ints
    member: Ints
    start: Ints
    limit: Ints


def build_network(problem: StaffingProblem) -> tuple[Network, Pools]:
    """Put interchangeable members together and neighbours next to each other.

    Raises
    ------
    PlanError
        The problem is so large that its costs do not fit into 64 bits.
    """
    grids = len(problem.grid_xy)
    grid_order = np.lexsort(_by_place(problem.grid_xy))
    grid_rank = np.empty(grids, dtype=np.int64)
    grid_rank[grid_order] = np.arange(grids)
    limit = np.minimum(problem.capacity, problem.demand.size)

    # a key of its own for whoever must not be put together with others
    alone = np.where(_apart(problem), np.arange(1, len(limit) + 1), 0)
    kind = _role_sets(problem.eligible)
    y, x, block = _by_place(problem.member_xy)
    order = np.lexsort((alone, kind, limit, y, x, block))
    new = np.ones(len(order), dtype=bool)
    new[1:] = np.any([np.diff(key[order]) != 0 for key in (x, y, limit, kind, alone)], axis=0)
    start = np.append(np.flatnonzero(new), len(order))
    first = order[start[:-1]]
    pool_of = np.empty(len(order), dtype=np.int64)
    pool_of[order] = np.cumsum(new) - 1

    def pairs(of_members: Ints) -> Ints:
        role, grid = np.divmod(of_members[:, 1], max(grids, 1))
        slot = role * grids + grid_rank[grid]
        key = np.unique(slot * len(first) + pool_of[of_members[:, 0]])
        return np.column_stack(np.divmod(key, max(len(first), 1))[::-1])

    demand = problem.demand[:, grid_order].ravel()
    people = np.diff(start)
    capacity = people * limit[first]
    scale, switch, vacancy_cost = _costs(problem, demand, capacity)
    network = Network(
        problem.grid_xy[grid_order],
        demand,
        problem.member_xy[first],
        problem.eligible[first],
        people,
        capacity,
        pairs(problem.held),
        pairs(problem.barred),
        scale,
        switch,
        vacancy_cost,
        problem.max_distance,
    )
    return network, Pools(grid_order, order, start, limit[first])


def _apart(problem: StaffingProblem) -> Flags:
    """Members who are not to be put together with others."""
    apart = np.zeros(len(problem.capacity), dtype=bool)
    apart[problem.barred[:, 0]] = True
    holder = problem.held[:, 0]
    several = problem.demand.max(axis=1, initial=0) > 1
    apart[holder] |= problem.eligible[holder][:, several].any(axis=1)
    return apart | (np.bincount(holder, minlength=len(apart)) > problem.capacity)


def _role_sets(eligible: Flags) -> NDArray[np.uint64]:
    """A number for each set of roles."""
    packed = np.packbits(eligible, axis=1)
    words = np.zeros((len(packed), -(-packed.shape[1] // 8) * 8), dtype=np.uint8)
    words[:, : packed.shape[1]] = packed
    words = words.view(np.uint64)
    if words.shape[1] == 1:
        return words[:, 0]
    return np.unique(words, axis=0, return_inverse=True)[1].ravel().astype(np.uint64)


def _by_place(xy: Floats) -> tuple[Floats, Floats, NDArray[np.uint64]]:
    """Keys for ``lexsort`` that put neighbours together: y, x and the place on a Z-order curve."""
    place = np.zeros(len(xy), dtype=np.uint64)
    if len(xy):
        low = xy.min(axis=0)
        extent = max(float((xy.max(axis=0) - low).max()), 1e-9)
        cell = ((xy - low) / extent * (2**21 - 1)).astype(np.uint64)
        for axis in (0, 1):
            bits = cell[:, axis]
            for shift, mask in (
                (16, 0x0000FFFF0000FFFF),
                (8, 0x00FF00FF00FF00FF),
                (4, 0x0F0F0F0F0F0F0F0F),
                (2, 0x3333333333333333),
                (1, 0x5555555555555555),
            ):
                bits = (bits | (bits << np.uint64(shift))) & np.uint64(mask)
            place |= bits << np.uint64(axis)
    return xy[:, 1], xy[:, 0], place


def _costs(problem: StaffingProblem, demand: Ints, capacity: Ints) -> tuple[int, int, int]:
    """The price of a metre, of a change of hands and of a vacancy.

    A change costs the stability and a trifle, so that at equal distance nothing changes: all
    trifles together stay below a metre.
    """
    every = np.vstack([problem.member_xy, problem.grid_xy])
    furthest = 1
    if len(every):
        span = float(np.hypot(*(every.max(axis=0) - every.min(axis=0))))
        furthest += int(np.ceil(min(span, problem.max_distance)))
    posts = min(int(demand.sum()), int(capacity.sum()))
    scale = switch = 1
    if len(problem.held):
        scale = posts + 1
        # one change may let all others have shorter ways, but no more than all distances together
        switch += min(problem.stability, furthest * posts) * scale
    else:
        switch = 0
    vacancy_cost = 1 + (furthest * scale + switch) * (posts + 1)
    if vacancy_cost > _DEAREST:
        what = "a largest distance" + (" or a smaller stability" if switch else "")
        raise PlanError(
            f"{posts} posts over {furthest} m are too many to be staffed at once: "
            f"set {what}, or staff part by part"
        )
    return scale, switch, vacancy_cost


def deal(
    problem: StaffingProblem, pools: Pools, pool: Ints, slot: Ints, count: Ints
) -> tuple[Ints, Ints]:
    """Deal the posts of pools out to their members; who holds a post keeps it.

    Parameters
    ----------
    problem : StaffingProblem
    pools : Pools
    pool, slot, count : ndarray of int64
        How many posts of a slot of the network each pool takes.

    Returns
    -------
    member, slot : ndarray of int64, shape (posts,)
        In the problem.
    """
    grids = len(pools.grid)
    role, grid = np.divmod(slot, max(grids, 1))
    slot = role * grids + pools.grid[grid]
    order = np.lexsort((slot, pool))
    pool, slot, count = pool[order], slot[order], count[order]
    place = np.empty(len(pools.member), dtype=np.int64)
    place[pools.member] = np.arange(len(place))
    pool_of = np.repeat(np.arange(len(pools.limit)), np.diff(pools.start))
    held_place, held_slot = place[problem.held[:, 0]], problem.held[:, 1]
    held = np.lexsort((held_place, held_slot, pool_of[held_place]))
    given, given_slot = _deal(
        pool, slot, count, pools.start, pools.limit,
        pool_of[held_place[held]], held_slot[held], held_place[held],
    )  # fmt: skip
    return pools.member[given], given_slot


@njit(cache=True, nogil=True)
def _deal(  # type: ignore[no-untyped-def]
    pool, slot, count, start, limit, held_pool, held_slot, held_place
):
    """Places of members and slots, one a post; see :func:`deal`."""
    total = count.sum()
    given, given_slot = np.empty(total, np.int64), np.empty(total, np.int64)
    load = np.zeros(start[-1], np.int64)
    left = count.copy()
    done = 0
    h = 0
    for k in range(len(pool)):
        while h < len(held_pool) and (
            held_pool[h] < pool[k] or (held_pool[h] == pool[k] and held_slot[h] < slot[k])
        ):
            h += 1
        while (
            h < len(held_pool)
            and held_pool[h] == pool[k]
            and held_slot[h] == slot[k]
            and left[k] > 0
        ):
            if load[held_place[h]] < limit[pool[k]]:
                given[done], given_slot[done] = held_place[h], slot[k]
                load[held_place[h]] += 1
                left[k] -= 1
                done += 1
            h += 1
    level, turn, current = 0, 0, -1
    for k in range(len(pool)):
        if pool[k] != current:
            current = pool[k]
            level, turn = 0, start[current]
        while left[k] > 0:
            while load[turn] > level:
                turn += 1
                if turn == start[current + 1]:
                    level, turn = level + 1, start[current]
            given[done], given_slot[done] = turn, slot[k]
            load[turn] += 1
            left[k] -= 1
            done += 1
            turn += 1
            if turn == start[current + 1]:
                level, turn = level + 1, start[current]
    return given, given_slot
