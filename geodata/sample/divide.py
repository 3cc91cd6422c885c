"""Superblocks -> communities -> subdistricts and towns: connected groups and exact unions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from geodata.sample.codes import Division, name_divisions
from geodata.sample.ground import Blocks, Plan, Zone

__all__ = ["Territory", "divide", "grow"]

Ints = NDArray[np.int64]


@dataclass
class Territory:
    """The divisions of one county patch.

    Attributes
    ----------
    communities, streets : lists of Division
        ``streets`` are subdistricts, towns, townships and development zones.
    community : integer array
        For each superblock, the position of its community.
    street : integer array
        For each community, the position of its street.
    polygons, street_polygons : arrays of polygons
        In degrees; the streets are the exact unions of their communities.
    counties : lists of Division, with ``county`` for each street and ``county_polygons``
        One in a town or a province's patch; the banks of the river in a city.
    """

    communities: list[Division]
    streets: list[Division]
    counties: list[Division]
    community: Ints
    street: Ints
    county: Ints
    polygons: NDArray[np.object_]
    street_polygons: NDArray[np.object_]
    county_polygons: NDArray[np.object_]


def grow(
    neighbours: Sequence[Sequence[int]],
    weight: NDArray[np.float64],
    kind: Sequence[tuple[int, ...]],
    goal: Callable[[int], float],
) -> Ints:
    """Join neighbouring items of one kind into connected groups of about equal weight.

    A group starts where fewest free neighbours are left, so that no corner is cut off, and takes
    the neighbour that it touches most, up to ``goal`` of its first item. Groups below half of
    the goal then join the lightest neighbouring group of their kind, and groups below 0.3 of it
    any that is of the same kind in the first entry.

    Returns
    -------
    integer array
        For each item the number of its group, from 0, in the order of their first items.
    """
    count = len(neighbours)
    near = [[other for other in neighbours[k] if kind[other] == kind[k]] for k in range(count)]
    group = np.full(count, -1, dtype=np.int64)
    free = set(range(count))
    number = 0
    while free:
        first = min(free, key=lambda k: (sum(other in free for other in near[k]), k))
        limit = goal(first)
        load = 0.0
        member = first
        while True:
            group[member] = number
            free.discard(member)
            load += float(weight[member])
            if load >= 0.85 * limit:
                break
            edge: dict[int, int] = {}
            for inside in np.flatnonzero(group == number):
                for other in near[inside]:
                    if other in free:
                        edge[other] = edge.get(other, 0) + 1
            fits = [k for k in edge if load + weight[k] <= 1.45 * limit]
            if not fits:
                break
            member = max(fits, key=lambda k: (edge[k], -len(near[k]), -k))
        number += 1
    group = _join_small(near, group, weight, goal, 0.5)
    related = [[o for o in neighbours[k] if kind[o][0] == kind[k][0]] for k in range(count)]
    return _join_small(related, group, weight, goal, 0.3)


def _join_small(
    near: list[list[int]],
    group: Ints,
    weight: NDArray[np.float64],
    goal: Callable[[int], float],
    share: float,
) -> Ints:
    """Merge groups below ``share`` of their goal into the lightest neighbour, smallest first."""
    group = group.copy()
    while True:
        total = np.bincount(group, weights=weight)
        numbers, first = np.unique(group, return_index=True)
        small = sorted(
            (float(total[number]), int(number))
            for number, k in zip(numbers, first, strict=True)
            if total[number] < share * goal(int(k))
        )
        for _, number in small:
            touching = {
                int(group[other])
                for k in np.flatnonzero(group == number)
                for other in near[k]
                if group[other] != number
            }
            limit = goal(int(first[np.searchsorted(numbers, number)]))
            fits = {other for other in touching if total[other] + total[number] <= 1.9 * limit}
            if fits or (touching and total[number] < 0.15 * limit):
                touching = fits or touching
                into = min(touching, key=lambda other: (total[other], other))
                group[group == number] = into
                break
        else:
            return np.unique(group, return_inverse=True)[1].astype(np.int64)


def _links(group: Ints, neighbours: Sequence[Sequence[int]]) -> list[list[int]]:
    """Neighbours of the groups, from the neighbours of their items."""
    links: list[set[int]] = [set() for _ in range(int(group.max()) + 1)]
    for k, around in enumerate(neighbours):
        links[int(group[k])].update(int(group[other]) for other in around)
    return [sorted(link - {number}) for number, link in enumerate(links)]


def _merge(polygons: NDArray[np.object_], group: Ints) -> NDArray[np.object_]:
    """The exact union of each group; every vertex of the outlines is kept."""
    count = int(group.max()) + 1
    merged = [shapely.coverage_union_all(polygons[group == number]) for number in range(count)]
    return shapely.normalize(np.array(merged, dtype=object))


def _west_first(polygons: NDArray[np.object_]) -> Ints:
    """Order for numbering: from the west to the east, then from the north to the south."""
    centre = shapely.get_coordinates(shapely.centroid(polygons))
    return np.lexsort((-centre[:, 1], centre[:, 0]))


def divide(plan: Plan, blocks: Blocks, households: Ints, county_codes: list[str]) -> Territory:
    """Group the superblocks of one patch into communities, streets and (in a city) counties.

    Parameters
    ----------
    plan, blocks, households
        The plan, its superblocks and the households of each.
    county_codes : list of str
        Twelve-digit codes for the county-level divisions: two in a city (south and north of the
        river), else one.

    Returns
    -------
    Territory
        Communities keep to one bank of the river and, but for the smallest, to town or country.
    """
    near = [blocks.neighbours(k) for k in range(len(blocks))]
    bank = (blocks.j >= blocks.river_row).astype(np.int64)
    ground = np.select([blocks.zone == Zone.RURAL, blocks.zone == Zone.WORKS], [1, 2], 0)
    kind = list(zip(bank.tolist(), ground.tolist(), strict=True))
    community = grow(
        near,
        households.astype(np.float64),
        kind,
        lambda k: plan.community * (1.0 if ground[k] == 0 else 0.62),
    )
    squares = shapely.polygons(blocks.rings)
    # number by place: positions are in the order of the codes from here on
    order = _west_first(_merge(squares, community))
    community = np.argsort(order)[community]
    polygons = _merge(squares, community)

    count = len(polygons)
    # a community is what its fullest superblock is
    fullest = np.lexsort((-households, community))
    lead = fullest[np.searchsorted(community[fullest], np.arange(count))]
    two_banks = len(county_codes) > 1
    side = bank[lead] if two_banks else np.zeros(count, dtype=np.int64)
    street_kind = list(zip(side.tolist(), ground[lead].tolist(), strict=True))
    street = grow(
        _links(community, near),
        np.ones(count),
        street_kind,
        lambda _: max(2.0, min(6.0, count / 3)),
    )
    order = _west_first(_merge(polygons, street))
    street = np.argsort(order)[street]
    street_polygons = _merge(polygons, street)
    county = np.array([side[np.flatnonzero(street == s)[0]] for s in range(len(street_polygons))])
    load = np.bincount(street[community], weights=households, minlength=len(street_polygons))
    streets, communities, counties = name_divisions(
        plan, blocks.county, county_codes, street, county, ground[lead], load.astype(np.int64)
    )
    return Territory(
        communities=communities,
        streets=streets,
        counties=counties,
        community=community,
        street=street,
        county=county,
        polygons=polygons,
        street_polygons=street_polygons,
        county_polygons=_merge(street_polygons, county),
    )
