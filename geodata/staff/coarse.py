"""Far arcs worth having, read off a coarser network.

Where one region has the people and another one the posts, the nearest arcs lead nowhere and pricing
would find the far ones a few at a time. Neighbouring slots and neighbouring pools of the same roles
are put together by fours; what the optimum of this smaller network joins, their parts are joined
by. The smaller network is helped in the same way, so every scale of distance has its network.

Source: multiscale optimal transport (Mérigot 2011, "A multiscale approach to optimal transport";
Gerber & Maggioni 2017, "Multiscale strategies for computing optimal transport").
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from geodata.staff.arcs import Arcs
from geodata.staff.network import Network
from geodata.staff.problem import Ints

__all__ = ["coarsen", "joined"]

#: Slots, and pools, that are put together.
_TOGETHER = 4


def coarsen(network: Network) -> tuple[Network, Ints, Ints]:
    """The coarser network, and the block of each grid and of each pool."""
    grid_block = np.arange(network.grids) // _TOGETHER
    blocks = int(grid_block[-1]) + 1
    _, kind = np.unique(network.eligible, axis=0, return_inverse=True)
    kind = kind.ravel()
    order = np.argsort(kind, kind="stable")
    of_kind = np.bincount(kind)
    rank = np.arange(len(order)) - np.repeat(np.cumsum(of_kind) - of_kind, of_kind)
    pieces = -(-of_kind // _TOGETHER)
    pool_block = np.empty(len(order), dtype=np.int64)
    pool_block[order] = rank // _TOGETHER + np.repeat(np.cumsum(pieces) - pieces, of_kind)

    # a block of one kind of pools follows the other: neighbours within a kind stay neighbours
    eligible = np.zeros((int(pieces.sum()), network.roles), dtype=bool)
    eligible[pool_block] = network.eligible
    role = np.repeat(np.arange(network.roles), network.grids)
    slot_block = role * blocks + np.tile(grid_block, network.roles)
    none = np.empty((0, 2), dtype=np.int64)
    coarse = replace(
        network,
        grid_xy=_means(network.grid_xy, grid_block, np.ones(network.grids)),
        demand=_sums(network.demand, slot_block, blocks * network.roles),
        pool_xy=_means(network.pool_xy, pool_block, network.capacity.astype(np.float64)),
        eligible=eligible,
        # each of them may hold a post in each grid of a block
        people=_sums(network.people, pool_block, len(eligible)) * _TOGETHER,
        capacity=_sums(network.capacity, pool_block, len(eligible)),
        kept=none,
        barred=none,
    )
    return coarse, grid_block, pool_block


def joined(network: Network, coarse: Arcs, grid_block: Ints, pool_block: Ints) -> tuple[Ints, Ints]:
    """Pools and slots of the network whose blocks the flow of the coarser one joins."""
    used = np.flatnonzero(coarse.flow)
    blocks = int(grid_block[-1]) + 1
    role, block = np.divmod(coarse.slot[used].astype(np.int64), blocks)
    grid_start = np.searchsorted(grid_block, np.arange(blocks + 1))
    by_block = np.argsort(pool_block, kind="stable")
    pool_start = np.searchsorted(pool_block[by_block], np.arange(int(pool_block.max()) + 2))
    of_pool = coarse.pool[used]
    pools = (pool_start[1:] - pool_start[:-1])[of_pool]
    pairs = (grid_start[1:] - grid_start[:-1])[block] * pools
    arc = np.repeat(np.arange(len(used)), pairs)
    within = np.arange(len(arc)) - np.repeat(np.cumsum(pairs) - pairs, pairs)
    grid = grid_start[block[arc]] + within // pools[arc]
    pool = by_block[pool_start[of_pool[arc]] + within % pools[arc]]
    return pool, role[arc] * network.grids + grid


def _sums(values: Ints, block: Ints, blocks: int) -> Ints:
    total = np.zeros(blocks, dtype=np.int64)
    np.add.at(total, block, values)
    return total


def _means(xy: np.ndarray, block: Ints, weight: np.ndarray) -> np.ndarray:
    total = np.bincount(block, weight)
    sums = [np.bincount(block, xy[:, axis] * weight) for axis in (0, 1)]
    return np.column_stack(sums) / total[:, None]
