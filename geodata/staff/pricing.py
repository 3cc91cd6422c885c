"""Potentials of an optimal flow, and the arcs left out that they would pay for.

A potential is a price in metres: of one more post of a member, of one more member in a slot. An arc
of cost c from member m to slot s has the reduced cost c + price(m) - price(s).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.spatial import cKDTree

if TYPE_CHECKING:
    from geodata.staff.problem import StaffingProblem

__all__ = ["optimal_potentials", "violated_arcs"]

_UNREACHED = np.int64(1) << 62

# Arcs added a slot and a round; members whose distance is bounded together.
_MOST_NEW = 6
_BLOCK = 32


def optimal_potentials(
    member: NDArray[np.int64],
    slot: NDArray[np.int64],
    cost: NDArray[np.int64],
    used: NDArray[np.bool_],
    capacity: NDArray[np.int64],
    slots: int,
    vacancy_cost: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Shortest distances from the source in the residual graph of an optimal flow.

    Parameters
    ----------
    member, slot, cost, used : ndarray, shape (arcs,)
        Arcs ordered by slot, and whether they carry flow.
    capacity : ndarray, shape (members,)
    slots, vacancy_cost : int

    Returns
    -------
    member_price, slot_price : ndarray of int64
        Not negative; no price of a slot is above ``vacancy_cost``.
    """
    order = np.argsort(member, kind="stable")
    by_slot = np.searchsorted(slot, np.arange(slots + 1))
    by_member = np.searchsorted(member[order], np.arange(len(capacity) + 1))
    held = np.bincount(member[used], minlength=len(capacity))
    member_price = np.where(held < capacity, 0, _UNREACHED)
    slot_price = np.full(slots, vacancy_cost, dtype=np.int64)
    _relax(member, slot, cost, used, by_slot, by_member, order, member_price, slot_price)
    return member_price, slot_price


@njit(cache=True, nogil=True)
def _relax(  # type: ignore[no-untyped-def]
    member, slot, cost, used, by_slot, by_member, order, member_price, slot_price
):
    """Bellman-Ford with a queue of nodes (members first, then slots), in place."""
    members, slots = len(member_price), len(slot_price)
    nodes = members + slots
    queue = np.empty(nodes + 1, dtype=np.int64)
    waiting = np.zeros(nodes, dtype=np.bool_)
    head = tail = 0
    for m in range(members):
        if member_price[m] == 0:
            queue[tail] = m
            waiting[m] = True
            tail += 1
    for s in range(slots):
        queue[tail] = members + s
        waiting[members + s] = True
        tail += 1
    while head != tail:
        node = queue[head]
        head = (head + 1) % (nodes + 1)
        waiting[node] = False
        if node < members:
            for k in range(by_member[node], by_member[node + 1]):
                a = order[k]
                s = slot[a]
                if not used[a] and member_price[node] + cost[a] < slot_price[s]:
                    slot_price[s] = member_price[node] + cost[a]
                    if not waiting[members + s]:
                        waiting[members + s] = True
                        queue[tail] = members + s
                        tail = (tail + 1) % (nodes + 1)
        else:
            s = node - members
            for a in range(by_slot[s], by_slot[s + 1]):
                m = member[a]
                if used[a] and slot_price[s] - cost[a] < member_price[m]:
                    member_price[m] = slot_price[s] - cost[a]
                    if not waiting[m]:
                        waiting[m] = True
                        queue[tail] = m
                        tail = (tail + 1) % (nodes + 1)


def violated_arcs(
    problem: StaffingProblem,
    member: NDArray[np.int64],
    slot: NDArray[np.int64],
    member_price: NDArray[np.int64],
    slot_price: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find arcs outside the given ones with a negative reduced cost.

    None is returned only if there is none; otherwise the ``_MOST_NEW`` lowest of each slot.
    """
    grids = len(problem.grid_codes)
    new_members, new_slots = [], []
    for role in range(len(problem.roles)):
        who = np.flatnonzero(problem.eligible[:, role])
        if not len(who) or not grids:
            continue
        # neighbours in the plane become neighbours in the array, so that blocks are small
        who = who[cKDTree(problem.member_xy[who], leafsize=_BLOCK).indices]
        starts = np.arange(0, len(who), _BLOCK)
        low = np.minimum.reduceat(problem.member_xy[who], starts, axis=0)
        high = np.maximum.reduceat(problem.member_xy[who], starts, axis=0)
        least = np.minimum.reduceat(member_price[who], starts)
        pointer = np.searchsorted(slot, np.arange(role * grids, (role + 1) * grids + 1))
        found = np.full((grids, _MOST_NEW), -1, dtype=np.int64)
        _price(
            problem.grid_xy, slot_price[role * grids : (role + 1) * grids], who,
            problem.member_xy[who], member_price[who], low, high, least, problem.max_distance,
            pointer, member, found,
        )  # fmt: skip
        grid, column = np.nonzero(found >= 0)
        new_members.append(found[grid, column])
        new_slots.append(role * grids + grid)
    none = np.empty(0, dtype=np.int64)
    return np.concatenate([none, *new_members]), np.concatenate([none, *new_slots])


@njit(cache=True, nogil=True)
def _price(  # type: ignore[no-untyped-def]
    grid_xy, slot_price, who, who_xy, who_price, low, high, least, max_distance,
    pointer, arc_member, found,
):  # fmt: skip
    """Fill ``found`` with the members of the lowest negative reduced costs of each slot."""
    kept = np.empty(found.shape[1], dtype=np.int64)
    for g in range(len(grid_xy)):
        x, y = grid_xy[g, 0], grid_xy[g, 1]
        kept[:] = 0
        worst = 0
        for b in range(len(least)):
            # a lower bound of the block; one metre less for rounding to whole metres
            dx = max(low[b, 0] - x, x - high[b, 0], 0.0)
            dy = max(low[b, 1] - y, y - high[b, 1], 0.0)
            bound = np.int64(np.sqrt(dx * dx + dy * dy)) - 1 + least[b] - slot_price[g]
            if bound >= kept[worst]:
                continue
            for k in range(b * _BLOCK, min((b + 1) * _BLOCK, len(who))):
                dx, dy = who_xy[k, 0] - x, who_xy[k, 1] - y
                distance = np.sqrt(dx * dx + dy * dy)
                reduced = np.int64(np.rint(distance)) + who_price[k] - slot_price[g]
                if reduced >= kept[worst] or distance > max_distance:
                    continue
                if _has(arc_member, pointer[g], pointer[g + 1], who[k]):
                    continue
                kept[worst] = reduced
                found[g, worst] = who[k]
                for place in range(len(kept)):
                    if kept[place] > kept[worst]:
                        worst = place


@njit(cache=True, nogil=True)
def _has(arc_member, begin, end, wanted):  # type: ignore[no-untyped-def]
    """Whether a member is among the arcs of a slot (ascending)."""
    while begin < end:
        middle = (begin + end) // 2
        if arc_member[middle] < wanted:
            begin = middle + 1
        elif arc_member[middle] > wanted:
            end = middle
        else:
            return True
    return False
