"""Which arcs are missing: those outside the network's arcs that the prices would pay for.

An arc of cost c from a pool to a slot is missing if ``c + price(pool) < price(slot)``. Prices of
pools are never below 0, so nothing is missing beyond ``price(slot)``; and the pools of a role are
kept in a tree of boxes, each with the least price in it, so that whole regions are ruled out at
once.
"""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from geodata.staff.arcs import Arcs
from geodata.staff.network import Network
from geodata.staff.paths import State
from geodata.staff.problem import Floats, Ints

__all__ = ["Missing", "Pricing"]

# Arcs found a slot at once; pools of one box at the bottom of a tree.
_MOST = 4
_BOX = 16

# Metres that nothing on Earth is apart; an empty box is farther away.
_FAR = 1e9


@dataclass(frozen=True, slots=True)
class Missing:
    """Arcs that are missing: the most worthwhile of each slot, none only if there is none at all.

    Attributes
    ----------
    pool, slot : ndarray of int64, shape (arcs,)
    gain : ndarray of int64, shape (arcs,)
        How far the price of the slot is above the cost of the arc.
    """

    pool: Ints
    slot: Ints
    gain: Ints


class Pricing:
    """Finds what is missing; it remembers for which prices nothing was.

    Parameters
    ----------
    network : Network
    reach : ndarray of int64, shape (slots,)
        Every arc of a slot that costs less is among the arcs from the beginning.
    threads : concurrent.futures.Executor
    """

    def __init__(self, network: Network, reach: Ints, threads: Executor) -> None:
        self._network, self._threads = network, threads
        self._trees = list(
            threads.map(lambda role: _Tree(network, np.flatnonzero(network.eligible[:, role])),
                        range(network.roles))
        )  # fmt: skip
        self._reach = reach
        self._safe_slot = reach
        self._safe_pool = np.zeros(len(network.people), dtype=np.int64)

    def missing(self, arcs: Arcs, state: State) -> Missing:
        """Find arcs with a negative reduced cost among all that there could be."""
        fallen = state.pool_price < self._safe_pool
        safe = np.maximum(self._reach, self._safe_slot)

        def of_role(role: int) -> tuple[Ints, Ints, Ints]:
            """Risen slots against all pools, the others against the pools that have fallen."""
            base = role * self._network.grids
            price = state.slot_price[base : base + self._network.grids]
            risen = price > safe[base : base + self._network.grids]
            found = [self._search(arcs, state, role, self._trees[role], np.flatnonzero(risen))]
            pools = self._trees[role].pool
            if fallen[pools].any():
                tree = _Tree(self._network, pools[fallen[pools]])
                rest = np.flatnonzero(~risen & (price > 0))
                found.append(self._search(arcs, state, role, tree, rest))
            pool, slot, reduced = (np.concatenate(part) for part in zip(*found, strict=True))
            return pool, slot, reduced

        found = list(self._threads.map(of_role, range(self._network.roles)))
        pool, slot, reduced = (np.concatenate(part) for part in zip(*found, strict=True))
        price = state.slot_price.copy()
        np.minimum.at(price, slot, state.slot_price[slot] + reduced)
        self._safe_slot, self._safe_pool = price, state.pool_price.copy()
        return Missing(pool, slot, -reduced)

    def _search(
        self, arcs: Arcs, state: State, role: int, tree: _Tree, grids: Ints
    ) -> tuple[Ints, Ints, Ints]:
        """Pools, slots and reduced costs of arcs missing between some grids and a tree."""
        network = self._network
        found = np.full((len(grids), _MOST), -1, dtype=np.int64)
        reduced = np.zeros((len(grids), _MOST), dtype=np.int64)
        base = role * network.grids
        if len(grids) and len(tree.pool):
            worth = state.pool_price[tree.pool]
            _find(
                network.grid_xy, grids, state.slot_price[base : base + network.grids],
                tree.xy, worth, tree.low, tree.high, tree.least(worth), tree.pool,
                arcs.pointer[base : base + network.grids + 1], arcs.pool,
                network.scale, network.switch, min(network.max_distance, _FAR), found, reduced,
            )  # fmt: skip
        row, column = np.nonzero(found >= 0)
        return found[row, column], base + grids[row], reduced[row, column]


class _Tree:
    """Pools in boxes of neighbours, and boxes of boxes: node i holds the nodes 2 i + 1, 2 i + 2."""

    def __init__(self, network: Network, pool: Ints) -> None:
        self.pool = pool
        self.xy = network.pool_xy[pool]
        starts = np.arange(0, len(pool), _BOX)
        self._leaves = 1 << max(len(starts) - 1, 0).bit_length()
        self.low: Floats = np.full((2 * self._leaves - 1, 2), np.inf)
        self.high: Floats = np.full((2 * self._leaves - 1, 2), -np.inf)
        if len(pool):
            at = slice(self._leaves - 1, self._leaves - 1 + len(starts))
            self.low[at] = np.minimum.reduceat(self.xy, starts, axis=0)
            self.high[at] = np.maximum.reduceat(self.xy, starts, axis=0)
        _upwards(self.low, self._leaves, np.minimum)
        _upwards(self.high, self._leaves, np.maximum)

    def least(self, values: Ints) -> Ints:
        """The least of the pools' values in each node."""
        least = np.full(2 * self._leaves - 1, np.iinfo(np.int64).max // 2, dtype=np.int64)
        starts = np.arange(0, len(values), _BOX)
        if len(values):
            least[self._leaves - 1 : self._leaves - 1 + len(starts)] = np.minimum.reduceat(
                values, starts
            )
        _upwards(least, self._leaves, np.minimum)
        return least


def _upwards(values: NDArray[np.float64] | Ints, leaves: int, join: np.ufunc) -> None:
    """Fill the inner nodes of a tree from its leaves."""
    begin, end = leaves - 1, 2 * leaves - 1
    while begin > 0:
        values[begin // 2 : begin] = join(values[begin:end:2], values[begin + 1 : end : 2])
        begin, end = begin // 2, begin


@njit(cache=True, nogil=True)
def _find(  # type: ignore[no-untyped-def]
    grid_xy, grids, slot_price, pool_xy, worth, low, high, least, pool,
    pointer, arc_pool, scale, switch, max_distance, found, reduced,
):  # fmt: skip
    """Fill ``found`` with the pools of the lowest negative reduced costs of each grid."""
    stack = np.empty(128, np.int64)
    most = found.shape[1]
    leaves = (len(least) + 1) // 2
    for row in range(len(grids)):
        g = grids[row]
        x, y, price = grid_xy[g, 0], grid_xy[g, 1], slot_price[g]
        worst = 0
        stack[0] = 0
        top = 1
        while top > 0:
            top -= 1
            node = stack[top]
            away = _away(low, high, node, x, y)
            if away > max_distance:
                continue
            # one metre less for rounding to whole metres
            bound = (np.int64(away) - 1) * scale + switch + least[node] - price
            if bound >= reduced[row, worst]:
                continue
            if node < leaves - 1:
                one, other = 2 * node + 1, 2 * node + 2
                # the more promising half is looked at first
                if _away(low, high, one, x, y) * scale + least[one] > (
                    _away(low, high, other, x, y) * scale + least[other]
                ):
                    one, other = other, one
                stack[top], stack[top + 1] = other, one
                top += 2
                continue
            begin = (node - leaves + 1) * _BOX
            for k in range(begin, min(begin + _BOX, len(pool))):
                dx, dy = pool_xy[k, 0] - x, pool_xy[k, 1] - y
                distance = np.sqrt(dx * dx + dy * dy)
                gain = np.int64(np.rint(distance)) * scale + switch + worth[k] - price
                if gain >= reduced[row, worst] or distance > max_distance:
                    continue
                known = False
                for a in range(pointer[g], pointer[g + 1]):
                    if arc_pool[a] == pool[k]:
                        known = True
                        break
                if known:
                    continue
                reduced[row, worst], found[row, worst] = gain, pool[k]
                for place in range(most):
                    if reduced[row, place] > reduced[row, worst]:
                        worst = place


@njit(cache=True, nogil=True)
def _away(low, high, node, x, y):  # type: ignore[no-untyped-def]
    """Metres from a place to a box; infinite to an empty one."""
    dx = max(low[node, 0] - x, x - high[node, 0], 0.0)
    dy = max(low[node, 1] - y, y - high[node, 1], 0.0)
    return np.sqrt(dx * dx + dy * dy)
