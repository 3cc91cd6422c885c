"""Arcs from pools to slots: the nearest to begin with, and those that are added later."""

from __future__ import annotations

from concurrent.futures import Executor
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from geodata.staff.network import Network
from geodata.staff.problem import Ints

__all__ = ["Arcs", "add_arcs", "nearest_arcs"]

#: Nearest pools of a slot, beyond the posts that it needs.
_NEAREST = 6

Small = NDArray[np.int32]


class Arcs(NamedTuple):
    """Arcs of a network, slot by slot, the cheapest of a slot first.

    Attributes
    ----------
    pointer : ndarray of int64, shape (slots + 1,)
        Where the arcs of each slot begin.
    pool, slot : ndarray of int32, shape (arcs,)
    cost : ndarray of int64, shape (arcs,)
    limit : ndarray of int32, shape (arcs,)
        Posts of the slot that the pool may take.
    flow : ndarray of int32, shape (arcs,)
        Posts of the slot that the pool takes.
    """

    pointer: Ints
    pool: Small
    slot: Small
    cost: Ints
    limit: Small
    flow: Small


def nearest_arcs(network: Network, threads: Executor) -> tuple[Arcs, Ints]:
    """Arcs from each slot to its nearest pools, and whatever is kept or barred.

    Returns
    -------
    arcs : Arcs
        Without flow.
    reach : ndarray of int64, shape (slots,)
        Every arc of a slot that costs less is among them.
    """
    found = list(threads.map(lambda role: _nearest(network, role), range(network.roles)))
    special = np.concatenate([network.kept, network.barred])
    special = special[network.demand[special[:, 1]] > 0]
    special = special[np.lexsort((special[:, 0], special[:, 1]))]
    pool = np.concatenate([special[:0, 0], *(pools for pools, _, _ in found)])
    slot = np.concatenate([special[:0, 1], *(slots for _, slots, _ in found)])
    reach = np.concatenate([special[:0, 0], *(far for _, _, far in found)])
    if len(special):
        pointer = np.searchsorted(special[:, 1], np.arange(len(network.demand) + 1))
        plain = ~_among(pool, slot, pointer, np.ascontiguousarray(special[:, 0]))
        pool, slot = pool[plain], slot[plain]
    nothing = np.empty(0, dtype=np.int32)
    empty = Arcs(
        np.zeros(len(network.demand) + 1, dtype=np.int64), nothing, nothing,
        np.empty(0, dtype=np.int64), nothing, nothing,
    )  # fmt: skip
    # a slot meets its pools in the order of their distance already
    arcs = _merged(empty, pool, slot, *_priced(network, pool, slot))
    barred = np.zeros(len(special), dtype=bool)
    kept = np.zeros(len(special), dtype=bool)
    if len(special):
        key = special[:, 1] * len(network.people) + special[:, 0]
        for flags, pairs in ((barred, network.barred), (kept, network.kept)):
            flags[:] = np.isin(key, pairs[:, 1] * len(network.people) + pairs[:, 0])
    near = network.distances(special[:, 0], special[:, 1]) <= network.max_distance
    special, barred, kept = (part[near | barred] for part in (special, barred, kept))
    cost, limit = _priced(network, special[:, 0], special[:, 1])
    # one that is barred is never looked at before the others
    cost = np.where(barred, network.vacancy_cost, cost - network.switch * kept)
    limit = np.where(barred, 0, limit).astype(np.int32)
    order = np.lexsort((special[:, 0], cost, special[:, 1]))
    arcs = _merged(arcs, special[order, 0], special[order, 1], cost[order], limit[order])
    return arcs, reach


def add_arcs(network: Network, arcs: Arcs, pool: Ints, slot: Ints) -> Arcs:
    """The arcs with others, which are neither kept nor barred; what is there already stays."""
    cost, limit = _priced(network, pool, slot)
    order = np.lexsort((pool, cost, slot))
    pool, slot, cost, limit = pool[order], slot[order], cost[order], limit[order]
    new = ~_among(pool, slot, arcs.pointer, arcs.pool)
    new[1:] &= (np.diff(pool) != 0) | (np.diff(slot) != 0)
    new &= network.distances(pool, slot) <= network.max_distance
    return _merged(arcs, pool[new], slot[new], cost[new], limit[new])


def _nearest(network: Network, role: int) -> tuple[Ints, Ints, Ints]:
    """Pools and slots of one role, and how far each slot of the role has them all."""
    base = role * network.grids
    demand = network.demand[base : base + network.grids]
    reach = np.zeros(network.grids, dtype=np.int64)
    who = np.flatnonzero(network.eligible[:, role])
    at = np.flatnonzero(demand)
    if not len(who) or not len(at):
        reach[:] = network.vacancy_cost
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64), reach
    count = min(len(who), _NEAREST + int(demand.max()))
    distance, found = cKDTree(network.pool_xy[who]).query(
        network.grid_xy[at],
        k=np.arange(1, count + 1),
        distance_upper_bound=network.max_distance * (1 + 1e-9) + 1e-6,
    )
    complete = np.isinf(distance[:, -1]) | (count == len(who))
    last = np.where(complete, 0.0, distance[:, -1])
    reach[at] = np.where(
        complete,
        network.vacancy_cost,
        (np.rint(last).astype(np.int64) - 1) * network.scale + network.switch,
    )
    row, column = np.nonzero(found < len(who))
    pool = who[found[row, column]]
    slot = base + at[row]
    near = network.distances(pool, slot) <= network.max_distance
    return pool[near], slot[near], reach


def _priced(network: Network, pool: Ints, slot: Ints) -> tuple[Ints, Small]:
    """Cost and limit of arcs that are neither kept nor barred."""
    metres = np.rint(network.distances(pool, slot)).astype(np.int64)
    limit = np.minimum(network.people[pool], network.demand[slot])
    return metres * network.scale + network.switch, limit.astype(np.int32)


@njit(cache=True, nogil=True)
def _among(pool, slot, pointer, known):  # type: ignore[no-untyped-def]
    """Whether each pool is among the known ones of its slot."""
    found = np.zeros(len(pool), np.bool_)
    for k in range(len(pool)):
        for a in range(pointer[slot[k]], pointer[slot[k] + 1]):
            if known[a] == pool[k]:
                found[k] = True
                break
    return found


@njit(cache=True, nogil=True)
def _merged(arcs, pool, slot, cost, limit):  # type: ignore[no-untyped-def]
    """The arcs with new ones among them, which are ordered by slot and cost and have no flow."""
    slots = len(arcs.pointer) - 1
    total = len(arcs.pool) + len(pool)
    pointer = np.empty(slots + 1, np.int64)
    out_pool, out_slot = np.empty(total, np.int32), np.empty(total, np.int32)
    out_cost = np.empty(total, np.int64)
    out_limit, out_flow = np.empty(total, np.int32), np.empty(total, np.int32)
    k = n = 0
    for s in range(slots):
        pointer[s] = k
        a = arcs.pointer[s]
        while True:
            old = a < arcs.pointer[s + 1]
            new = n < len(pool) and slot[n] == s
            if not old and not new:
                break
            if old and (not new or arcs.cost[a] <= cost[n]):
                out_pool[k], out_cost[k] = arcs.pool[a], arcs.cost[a]
                out_limit[k], out_flow[k] = arcs.limit[a], arcs.flow[a]
                a += 1
            else:
                out_pool[k], out_cost[k] = pool[n], cost[n]
                out_limit[k], out_flow[k] = limit[n], 0
                n += 1
            out_slot[k] = s
            k += 1
    pointer[slots] = k
    return Arcs(pointer, out_pool, out_slot, out_cost, out_limit, out_flow)
