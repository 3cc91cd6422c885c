"""Sites -> buildings -> households, exactly as many as each superblock was allotted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from geodata.sample.divide import Territory
from geodata.sample.fabric import LAST_RANK, Fabrics, place
from geodata.sample.ground import Blocks, Plan
from geodata.sample.patterns import Use

__all__ = ["Homes", "Sites", "settle"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_FLOORS = np.array([11, 11, 16, 18, 18, 24, 26, 32])
_FLATS = np.array([2, 2, 4, 4, 4, 6])


@dataclass
class Sites:
    """Ground that was left open, for schools, clinics and the like: (n, 2) degrees, community."""

    lonlat: Floats
    community: Ints


@dataclass
class Homes:
    """The households of one county in the order of their references.

    ``lonlat`` (n, 2) in degrees; ``building_of`` points into the building arrays ``name``,
    ``number``; ``community`` is the position of the community of each household.
    """

    reference: pa.Array
    address: pa.Array
    building: pa.Array
    unit: pa.Array
    community_code: pa.Array
    lonlat: Floats
    community: Ints
    building_of: Ints
    name: Ints
    number: Ints

    def __len__(self) -> int:
        return len(self.community)


def _capacity(
    rng: np.random.Generator, plan: Plan, fabrics: Fabrics, households: Ints
) -> tuple[Ints, Ints, Ints]:
    """Households, flats a floor and floors of a building on each site, were it built on."""
    count, use = len(fabrics.use), fabrics.use.copy()
    buildable = np.bincount(fabrics.block[use != Use.OPEN], minlength=len(households)) > 0
    use[~buildable[fabrics.block]] = Use.SLAB
    flats, floors = rng.choice(_FLATS, count), rng.choice(_FLOORS, count)
    low = rng.integers(5, 8, count)
    stairs = rng.integers(1, 4, count)
    size = np.select(
        [use == Use.TOWER, use == Use.SLAB, use == Use.LANE, use == Use.VILLA, use == Use.HOUSE],
        [
            np.minimum(flats * floors * np.where(rng.random(count) < 0.12, 2, 1), plan.tower),
            2 * low * stairs,
            rng.choice([1, 1, 2, 2, 3, 4], count),
            np.ones(count, dtype=np.int64),
            np.where(rng.random(count) < 0.12, 2, 1),
        ],
        0,
    ).astype(np.int64)
    floors = np.where(use == Use.TOWER, floors, low)
    flats = np.where(use == Use.TOWER, flats, 2)
    room = np.bincount(fabrics.block, weights=size.astype(np.float64), minlength=len(households))
    # where there is too little room, open ground is built over and then all is built higher
    crowded = (households > room)[fabrics.block] & (use == Use.OPEN) & (fabrics.rank < LAST_RANK)
    size[crowded] = np.minimum(2 * low * stairs, plan.tower)[crowded]
    size = np.minimum(size * _times(fabrics, size, households), np.maximum(size, plan.tower))
    # and where even that is too little, every site takes its equal share at least
    sites = np.bincount(fabrics.block, minlength=len(households))
    level = -(-households // np.maximum(sites, 1))
    short = _times(fabrics, size, households) > 1
    return np.where(short, np.maximum(size, level[fabrics.block]), size), flats, floors


def _times(fabrics: Fabrics, size: Ints, households: Ints) -> Ints:
    """How many times higher each site must be built for its superblock's households."""
    room = np.bincount(fabrics.block, weights=size.astype(np.float64), minlength=len(households))
    more = np.ceil(households / np.maximum(room, 1.0)).astype(np.int64)
    return np.maximum(more, 1)[fabrics.block]


def _build(fabrics: Fabrics, size: Ints, households: Ints) -> tuple[Ints, Ints]:
    """Sites that are built on, in ascending rank until every household has a home.

    Returns
    -------
    site, count : integer arrays
        The sites and the households on each.
    """
    order = np.lexsort((fabrics.rank, fabrics.block))
    order = order[size[order] > 0]
    block = fabrics.block[order]
    total = np.cumsum(size[order])
    before = total - size[order]
    first = np.searchsorted(block, np.arange(len(households)))
    base = np.where(first < len(order), before[np.minimum(first, len(order) - 1)], 0)
    before = before - base[block]
    left = households[block] - before
    taken = left > 0
    return order[taken], np.minimum(size[order], left)[taken]


def _text(values: NDArray[np.integer[Any]]) -> pa.Array:
    return pc.cast(pa.array(values), pa.string())


def settle(
    plan: Plan,
    blocks: Blocks,
    territory: Territory,
    fabrics: Fabrics,
    households: Ints,
    names: NDArray[np.object_],
) -> tuple[Homes, Sites]:
    """Fill the sites of one county with households.

    Parameters
    ----------
    plan, blocks, territory, fabrics
        The county.
    households : integer array
        Households of each superblock; met exactly.
    names : array of str
        Street names; a superblock's name slots run through them in turn.
    """
    a, b = blocks.county
    rng = plan.generator(43, a + 500, b + 500)
    size, flats, floors = _capacity(rng, plan, fabrics, households)
    site, count = _build(fabrics, size, households)
    community = territory.community[fabrics.block[site]]
    order = np.lexsort((fabrics.number[site], fabrics.plot[site], fabrics.block[site], community))
    site, count, community = site[order], count[order], community[order]
    xy = place(plan, blocks, fabrics.block[site], fabrics.s[site], fabrics.t[site])
    lonlat = plan.lattice.degrees(*xy)

    building_of = np.repeat(np.arange(len(site)), count)
    ends = np.cumsum(count)
    inside = np.arange(len(building_of)) - np.repeat(ends - count, count)
    per_household = community[building_of]
    codes = pa.array([division.code for division in territory.communities])
    community_code = codes.take(pa.array(per_household))
    starts = np.searchsorted(per_household, np.arange(len(codes)))
    serial = np.arange(len(per_household)) - starts[per_household] + 100_001
    reference = pc.binary_join_element_wise(
        community_code, pc.utf8_slice_codeunits(_text(serial), 1), "-"
    )
    name = fabrics.name[site] % len(names)
    address = pc.binary_join_element_wise(
        pa.array(names, pa.string()).take(pa.array(name)), _text(fabrics.number[site]), " "
    )
    homes = Homes(
        reference=reference,
        address=address.take(pa.array(building_of)),
        building=_buildings(fabrics, site).take(pa.array(building_of)),
        unit=_units(fabrics.use[site], flats[site], floors[site], count, building_of, inside),
        community_code=community_code,
        lonlat=lonlat[building_of],
        community=per_household,
        building_of=building_of,
        name=name,
        number=fabrics.number[site],
    )
    return homes, _open_sites(plan, blocks, territory, fabrics, site)


def _buildings(fabrics: Fabrics, site: Ints) -> pa.Array:
    """Building numbers within the plot for towers and slabs, else null."""
    plot = fabrics.plot[site]
    # sites come plot by plot
    change = np.flatnonzero(np.concatenate([[True], plot[1:] != plot[:-1]]))
    sizes = np.diff(change, append=len(plot))
    number = np.arange(len(plot)) - np.repeat(change, sizes) + 1
    large = np.isin(fabrics.use[site], [Use.TOWER, Use.SLAB, Use.OPEN])
    return pc.if_else(pa.array(large), _text(number), pa.scalar(None, pa.string()))


def _units(
    use: Ints, flats: Ints, floors: Ints, count: Ints, building_of: Ints, inside: Ints
) -> pa.Array:
    """Unit of each household: 1802 in a tower, 2-501 by staircase, 3 in a shared house, or null.

    When the flats of one staircase are used up, the next one begins.
    """
    flat_count, floor_count = flats[building_of], floors[building_of]
    stair = inside // (flat_count * floor_count)
    rest = inside % (flat_count * floor_count)
    door = ((rest // flat_count + 1) * 100 + rest % flat_count + 1).astype(np.int64)
    by_stair = pc.binary_join_element_wise(_text(stair + 1), _text(door), "-")
    large = np.isin(use, [Use.TOWER, Use.SLAB, Use.OPEN])[building_of]
    shared = (count > 1)[building_of]
    single = pc.if_else(
        pa.array(shared), _text(inside.astype(np.int64) + 1), pa.scalar(None, pa.string())
    )
    return pc.if_else(pa.array(large), by_stair, single)


def _open_sites(
    plan: Plan, blocks: Blocks, territory: Territory, fabrics: Fabrics, built: Ints
) -> Sites:
    """Sites without a building, at most 40 a superblock, and the middle of every superblock."""
    vacant = np.ones(len(fabrics.block), dtype=bool)
    vacant[built] = False
    vacant |= fabrics.rank >= LAST_RANK
    site = np.flatnonzero(vacant)
    site = site[np.lexsort((fabrics.rank[site], fabrics.block[site]))]
    block = fabrics.block[site]
    nth = np.arange(len(site)) - np.searchsorted(block, block)
    site = site[nth < 40]
    xy = place(plan, blocks, fabrics.block[site], fabrics.s[site], fabrics.t[site])
    return Sites(plan.lattice.degrees(*xy), territory.community[fabrics.block[site]])
