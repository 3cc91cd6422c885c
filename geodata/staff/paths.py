"""Shortest augmenting paths: posts are filled one by one, each by the cheapest chain of moves.

Every pool and every slot has a price in the unit of the arcs: of one more post of the pool, of one
more person in the slot. Throughout,

- an arc that can take more costs at least ``price(slot) - price(pool)``, one in use at most;
- a pool with room to spare has the price 0, a slot with a vacancy has the price of a vacancy.

These conditions make a flow optimal (complementary slackness). :func:`fill` takes one post after
another from those that lack someone: Dijkstra's search over reduced costs goes from the slot to
pools, from a full pool on to the slots that it holds, and ends at a pool with room or where a
vacancy is cheapest; the prices of what was searched rise, the chain moves. :func:`settle` does the
same from the other side for pools whose price is above 0 though they have room. A search ends at
the first end that it reaches, so in a plane it stays in the neighbourhood.

Source: successive shortest paths with reduced costs (Ahuja, Magnanti & Orlin 1993, "Network
Flows", section 9.7); the order of ties as in Jonker & Volgenant (1987), "A shortest augmenting path
algorithm for dense and sparse linear assignment problems".
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from geodata.staff.problem import Ints

__all__ = ["State", "fill", "first_posts", "link", "release", "settle"]

Small = NDArray[np.int32]


class State(NamedTuple):
    """Posts and prices.

    Attributes
    ----------
    room : ndarray of int64, shape (pools,)
        Posts that a pool may still take.
    short, vacant : ndarray of int64, shape (slots,)
        Posts that are yet to be filled, and those that stay vacant.
    pool_price, slot_price : ndarray of int64
    """

    room: Ints
    short: Ints
    vacant: Ints
    pool_price: Ints
    slot_price: Ints


class Links(NamedTuple):
    """The arcs in use of each pool as a list both ways (-1 at the ends), and all its arcs."""

    first: Small
    following: Small
    preceding: Small
    pointer: Ints
    arc: Small


class Labels(NamedTuple):
    """What a search knows of a node; valid where the mark is that of the search."""

    slot_cost: Ints
    pool_cost: Ints
    slot_mark: Small
    pool_mark: Small
    slot_arc: Small
    pool_arc: Small
    slots: Small
    pools: Small
    waiting: Small
    keys: Ints
    nodes: Small


@njit(cache=True, nogil=True)
def link(arcs, pools):  # type: ignore[no-untyped-def]
    """Lists of the arcs of each pool, in use and in all."""
    first = np.full(pools, -1, np.int32)
    following = np.full(len(arcs.pool), -1, np.int32)
    preceding = np.full(len(arcs.pool), -1, np.int32)
    pointer = np.zeros(pools + 1, np.int64)
    for a in range(len(arcs.pool)):
        pointer[arcs.pool[a] + 1] += 1
    for m in range(pools):
        pointer[m + 1] += pointer[m]
    arc = np.empty(len(arcs.pool), np.int32)
    place = pointer[:-1].copy()
    links = Links(first, following, preceding, pointer, arc)
    for a in range(len(arcs.pool)):
        m = arcs.pool[a]
        arc[place[m]] = a
        place[m] += 1
        if arcs.flow[a] > 0:
            _join(links, m, a)
    return links


@njit(cache=True, nogil=True)
def _join(links, m, a):  # type: ignore[no-untyped-def]
    head = links.first[m]
    links.following[a], links.preceding[a] = head, -1
    if head >= 0:
        links.preceding[head] = a
    links.first[m] = a


@njit(cache=True, nogil=True)
def _give(arcs, links, a, posts):  # type: ignore[no-untyped-def]
    if arcs.flow[a] == 0:
        _join(links, arcs.pool[a], a)
    arcs.flow[a] += posts


@njit(cache=True, nogil=True)
def _take(arcs, links, a, posts):  # type: ignore[no-untyped-def]
    arcs.flow[a] -= posts
    if arcs.flow[a] == 0:
        before, after = links.preceding[a], links.following[a]
        if before >= 0:
            links.following[before] = after
        else:
            links.first[arcs.pool[a]] = after
        if after >= 0:
            links.preceding[after] = before


@njit(cache=True, nogil=True)
def first_posts(arcs, links, state, vacancy_cost):  # type: ignore[no-untyped-def]
    """Each slot takes its cheapest pools as long as they have room; no pool has a price yet."""
    for s in range(len(state.short)):
        begin, end = arcs.pointer[s], arcs.pointer[s + 1]
        if state.short[s] > 0 and begin == end:
            state.slot_price[s] = vacancy_cost
        open_arc = False
        for a in range(begin, end):
            if (state.short[s] == 0 or open_arc) and arcs.cost[a] > state.slot_price[s]:
                break
            state.slot_price[s] = arcs.cost[a]
            m = arcs.pool[a]
            posts = min(arcs.limit[a], state.room[m], state.short[s])
            if posts > 0:
                _give(arcs, links, a, posts)
                state.room[m] -= posts
                state.short[s] -= posts
            open_arc |= posts < arcs.limit[a]


@njit(cache=True, nogil=True)
def release(arcs, links, state):  # type: ignore[no-untyped-def]
    """Lower the price of each slot to its cheapest arc; posts too dear are to be filled anew."""
    for s in range(len(state.slot_price)):
        price = state.slot_price[s]
        for a in range(arcs.pointer[s], arcs.pointer[s + 1]):
            if arcs.cost[a] >= price:
                break
            if arcs.flow[a] < arcs.limit[a]:
                price = min(price, arcs.cost[a] + state.pool_price[arcs.pool[a]])
        if price >= state.slot_price[s]:
            continue
        state.slot_price[s] = price
        state.short[s] += state.vacant[s]
        state.vacant[s] = 0
        for a in range(arcs.pointer[s], arcs.pointer[s + 1]):
            m = arcs.pool[a]
            posts = arcs.flow[a]
            if posts > 0 and arcs.cost[a] + state.pool_price[m] > price:
                _take(arcs, links, a, posts)
                state.room[m] += posts
                state.short[s] += posts


@njit(cache=True, nogil=True)
def _labels(pools, slots, arcs):  # type: ignore[no-untyped-def]
    """Labels of no search; each arc enters the queue at most once in each direction."""
    return Labels(
        np.empty(slots, np.int64),
        np.empty(pools, np.int64),
        np.full(slots, -1, np.int32),
        np.full(pools, -1, np.int32),
        np.empty(slots, np.int32),
        np.empty(pools, np.int32),
        np.empty(slots, np.int32),
        np.empty(pools, np.int32),
        np.empty(max(slots, pools), np.int32),
        np.empty(2 * arcs + 2, np.int64),
        np.empty(2 * arcs + 2, np.int32),
    )


@njit(cache=True, nogil=True)
def fill(arcs, links, state, vacancy_cost):  # type: ignore[no-untyped-def]
    """Fill every post that is short, or leave one vacant; how many nodes were searched."""
    labels = _labels(len(state.room), len(state.short), len(arcs.pool))
    work = 0
    mark = 0
    for start in range(len(state.short)):
        while state.short[start] > 0:
            cost, pool, slot, slots, pools = _search_from_slot(
                arcs, links, state, labels, start, mark, vacancy_cost
            )
            for i in range(slots):
                s = labels.slots[i]
                if labels.slot_cost[s] < cost:
                    state.slot_price[s] += cost - labels.slot_cost[s]
            for i in range(pools):
                m = labels.pools[i]
                if labels.pool_cost[m] < cost:
                    state.pool_price[m] += cost - labels.pool_cost[m]
            _move_to_slot(arcs, links, state, labels, start, pool, slot)
            work += slots + pools
            mark += 1
    return work


@njit(cache=True, nogil=True)
def _search_from_slot(  # type: ignore[no-untyped-def]
    arcs, links, state, labels, start, mark, vacancy_cost
):
    """The cheapest end for one more post of a slot: a pool with room, or a vacancy (pool -1).

    Returns the cost, the pool or the slot at the end, and how many slots and pools were searched.
    """
    price, worth = state.slot_price, state.pool_price
    keys, nodes, waiting = labels.keys, labels.nodes, labels.waiting
    best, end_pool, end_slot = vacancy_cost - price[start], -1, start
    labels.slot_cost[start], labels.slot_mark[start], labels.slot_arc[start] = 0, mark, -1
    waiting[0] = start
    top, size, slots, pools = 1, 0, 0, 0
    while True:
        while top > 0:
            top -= 1
            s = waiting[top]
            labels.slots[slots] = s
            slots += 1
            base = labels.slot_cost[s] - price[s]
            if base + vacancy_cost < best:
                best, end_pool, end_slot = base + vacancy_cost, -1, s
            for a in range(arcs.pointer[s], arcs.pointer[s + 1]):
                if base + arcs.cost[a] >= best:
                    break
                m = arcs.pool[a]
                cost = base + arcs.cost[a] + worth[m]
                if cost >= best or arcs.flow[a] >= arcs.limit[a]:
                    continue
                if labels.pool_mark[m] == mark and labels.pool_cost[m] <= cost:
                    continue
                labels.pool_mark[m], labels.pool_cost[m], labels.pool_arc[m] = mark, cost, a
                if state.room[m] > 0:
                    best, end_pool, end_slot = cost, m, -1
                else:
                    size = _push(keys, nodes, size, cost, m)
        if size == 0 or keys[0] >= best:
            return best, end_pool, end_slot, slots, pools
        key, node = keys[0], nodes[0]
        size = _pop(keys, nodes, size)
        if node < 0:
            if labels.slot_cost[-1 - node] == key:
                waiting[0] = -1 - node
                top = 1
            continue
        if labels.pool_cost[node] != key:
            continue
        labels.pools[pools] = node
        pools += 1
        a = links.first[node]
        while a >= 0:
            s = arcs.slot[a]
            cost = key + price[s] - arcs.cost[a] - worth[node]
            if cost < best and not (labels.slot_mark[s] == mark and labels.slot_cost[s] <= cost):
                labels.slot_mark[s], labels.slot_cost[s], labels.slot_arc[s] = mark, cost, a
                if cost == key:
                    waiting[top] = s
                    top += 1
                else:
                    size = _push(keys, nodes, size, cost, -1 - s)
            a = links.following[a]


@njit(cache=True, nogil=True)
def _move_to_slot(arcs, links, state, labels, start, pool, slot):  # type: ignore[no-untyped-def]
    """Let everyone on the way to a slot move one on, as many posts at once as the way allows."""
    posts = state.short[start]
    s = slot
    if pool >= 0:
        a = labels.pool_arc[pool]
        s = arcs.slot[a]
        posts = min(posts, state.room[pool], arcs.limit[a] - arcs.flow[a])
    while s != start:
        a = labels.slot_arc[s]
        b = labels.pool_arc[arcs.pool[a]]
        posts = min(posts, arcs.flow[a], arcs.limit[b] - arcs.flow[b])
        s = arcs.slot[b]
    state.short[start] -= posts
    s = slot
    if pool >= 0:
        state.room[pool] -= posts
        _give(arcs, links, labels.pool_arc[pool], posts)
        s = arcs.slot[labels.pool_arc[pool]]
    else:
        state.vacant[slot] += posts
    while s != start:
        a = labels.slot_arc[s]
        b = labels.pool_arc[arcs.pool[a]]
        _take(arcs, links, a, posts)
        _give(arcs, links, b, posts)
        s = arcs.slot[b]


@njit(cache=True, nogil=True)
def settle(arcs, links, state):  # type: ignore[no-untyped-def]
    """Give pools with room and a price something to do, or lower the price; nodes searched."""
    labels = _labels(len(state.room), len(state.short), len(arcs.pool))
    work = 0
    mark = 0
    for start in range(len(state.room)):
        while state.room[start] > 0 and state.pool_price[start] > 0:
            cost, pool, slot, slots, pools = _search_from_pool(
                arcs, links, state, labels, start, mark
            )
            for i in range(slots):
                s = labels.slots[i]
                if labels.slot_cost[s] < cost:
                    state.slot_price[s] -= cost - labels.slot_cost[s]
            for i in range(pools):
                m = labels.pools[i]
                if labels.pool_cost[m] < cost:
                    state.pool_price[m] -= cost - labels.pool_cost[m]
            if pool != start:
                _move_from_pool(arcs, links, state, labels, start, pool, slot)
            work += slots + pools
            mark += 1
    return work


@njit(cache=True, nogil=True)
def _search_from_pool(arcs, links, state, labels, start, mark):  # type: ignore[no-untyped-def]
    """The cheapest end for a post that a pool offers: a vacancy, or a pool that may have room.

    Returns the cost, the pool or the slot (pool -1) at the end, and how many slots and pools were
    searched. The pool may be the start itself: its price falls to 0, and nothing moves.
    """
    price, worth = state.slot_price, state.pool_price
    keys, nodes, waiting = labels.keys, labels.nodes, labels.waiting
    best, end_pool, end_slot = worth[start], start, -1
    labels.pool_cost[start], labels.pool_mark[start], labels.pool_arc[start] = 0, mark, -1
    waiting[0] = start
    top, size, slots, pools = 1, 0, 0, 0
    while True:
        while top > 0:
            top -= 1
            m = waiting[top]
            labels.pools[pools] = m
            pools += 1
            base = labels.pool_cost[m] + worth[m]
            if base < best:
                best, end_pool, end_slot = base, m, -1
            for k in range(links.pointer[m], links.pointer[m + 1]):
                a = links.arc[k]
                s = arcs.slot[a]
                cost = base + arcs.cost[a] - price[s]
                if cost >= best or arcs.flow[a] >= arcs.limit[a]:
                    continue
                if labels.slot_mark[s] == mark and labels.slot_cost[s] <= cost:
                    continue
                labels.slot_mark[s], labels.slot_cost[s], labels.slot_arc[s] = mark, cost, a
                if state.vacant[s] > 0:
                    best, end_pool, end_slot = cost, -1, s
                else:
                    size = _push(keys, nodes, size, cost, -1 - s)
        if size == 0 or keys[0] >= best:
            return best, end_pool, end_slot, slots, pools
        key, node = keys[0], nodes[0]
        size = _pop(keys, nodes, size)
        if node >= 0:
            if labels.pool_cost[node] == key:
                waiting[0] = node
                top = 1
            continue
        s = -1 - node
        if labels.slot_cost[s] != key:
            continue
        labels.slots[slots] = s
        slots += 1
        for a in range(arcs.pointer[s], arcs.pointer[s + 1]):
            if arcs.flow[a] == 0:
                continue
            m = arcs.pool[a]
            cost = key + price[s] - arcs.cost[a] - worth[m]
            if cost < best and not (labels.pool_mark[m] == mark and labels.pool_cost[m] <= cost):
                labels.pool_mark[m], labels.pool_cost[m], labels.pool_arc[m] = mark, cost, a
                if cost == key:
                    waiting[top] = m
                    top += 1
                else:
                    size = _push(keys, nodes, size, cost, m)


@njit(cache=True, nogil=True)
def _move_from_pool(arcs, links, state, labels, start, pool, slot):  # type: ignore[no-untyped-def]
    """Let a pool take over posts, and everyone on the way move one on."""
    posts = state.room[start]
    s = slot
    if pool >= 0:
        a = labels.pool_arc[pool]
        posts = min(posts, arcs.flow[a])
        s = arcs.slot[a]
    else:
        posts = min(posts, state.vacant[slot])
    while True:
        a = labels.slot_arc[s]
        posts = min(posts, arcs.limit[a] - arcs.flow[a])
        if arcs.pool[a] == start:
            break
        b = labels.pool_arc[arcs.pool[a]]
        posts = min(posts, arcs.flow[b])
        s = arcs.slot[b]
    state.room[start] -= posts
    s = slot
    if pool >= 0:
        state.room[pool] += posts
        _take(arcs, links, labels.pool_arc[pool], posts)
        s = arcs.slot[labels.pool_arc[pool]]
    else:
        state.vacant[slot] -= posts
    while True:
        a = labels.slot_arc[s]
        _give(arcs, links, a, posts)
        if arcs.pool[a] == start:
            break
        b = labels.pool_arc[arcs.pool[a]]
        _take(arcs, links, b, posts)
        s = arcs.slot[b]


@njit(cache=True, nogil=True)
def _push(keys, nodes, size, key, node):  # type: ignore[no-untyped-def]
    """Add to a binary heap; the new size."""
    place = size
    while place > 0:
        above = (place - 1) >> 1
        if keys[above] <= key:
            break
        keys[place], nodes[place] = keys[above], nodes[above]
        place = above
    keys[place], nodes[place] = key, node
    return size + 1


@njit(cache=True, nogil=True)
def _pop(keys, nodes, size):  # type: ignore[no-untyped-def]
    """Remove the least of a binary heap; the new size."""
    size -= 1
    key, node = keys[size], nodes[size]
    place = 0
    while True:
        below = 2 * place + 1
        if below >= size:
            break
        if below + 1 < size and keys[below + 1] < keys[below]:
            below += 1
        if keys[below] >= key:
            break
        keys[place], nodes[place] = keys[below], nodes[below]
        place = below
    keys[place], nodes[place] = key, node
    return size
