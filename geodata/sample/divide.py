"""Superblocks -> communities -> subdistricts and towns: connected groups, names and codes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from geodata.sample.ground import Blocks, Plan, Zone
from geodata.sample.names import PAIRS, compound

__all__ = ["Division", "Territory", "divide", "grow"]

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Division:
    """One administrative division below the county."""

    code: str
    name: str
    name_zh: str
    level: str
    parent: str


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
    kind: Sequence[object],
    goal: Callable[[int], float],
) -> Ints:
    """Join neighbouring items of one kind into connected groups of about equal weight.

    A group starts where fewest free neighbours are left, so that no corner is cut off, and takes
    the neighbour that it touches most, up to ``goal`` of its first item. Groups below half of
    the goal then join the lightest neighbouring group of their kind.

    Returns
    -------
    integer array
        For each item the number of its group, from 0, in the order of their first items.
    """
    count = len(neighbours)
    near = [[other for other in neighbours[k] if kind[other] == kind[k]] for k in range(count)]
    group = np.full(count, -1, dtype=np.int64)
    free = set(range(count))
    total: list[float] = []
    while free:
        first = min(free, key=lambda k: (sum(other in free for other in near[k]), k))
        number, limit = len(total), goal(first)
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
        total.append(load)
    return _join_small(near, group, total, goal)


def _join_small(
    near: list[list[int]], group: Ints, total: list[float], goal: Callable[[int], float]
) -> Ints:
    """Merge groups below half of their goal into the lightest neighbour, smallest first."""
    while True:
        first = {int(number): int(k) for k, number in reversed(list(enumerate(group)))}
        small = sorted(
            (total[number], number) for number, k in first.items() if total[number] < goal(k) / 2
        )
        for _, number in small:
            touching = {
                int(group[other])
                for k in np.flatnonzero(group == number)
                for other in near[k]
                if group[other] != number
            }
            if touching:
                into = min(touching, key=lambda other: (total[other], other))
                group[group == number] = into
                total[into] += total[number]
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
        Communities never cross the river, nor mix town and country.
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
    lead = np.array([int(np.flatnonzero(community == c)[0]) for c in range(count)])
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
    return _named(
        plan, blocks, county_codes, community, street, county, ground[lead], households,
        polygons, street_polygons,
    )  # fmt: skip


def _named(
    plan: Plan,
    blocks: Blocks,
    county_codes: list[str],
    community: Ints,
    street: Ints,
    county: Ints,
    ground: Ints,
    households: Ints,
    polygons: NDArray[np.object_],
    street_polygons: NDArray[np.object_],
) -> Territory:
    """Give codes and names to the divisions of one patch."""
    a, b = blocks.county
    names = plan.generator(41, a + 500, b + 500).permutation(PAIRS)
    load = np.bincount(
        street[community], weights=households.astype(np.float64), minlength=len(street_polygons)
    )
    streets, counters = [], {"street": 0, "town": 0, "township": 0, "zone": 0}
    for s in range(len(street_polygons)):
        kind = _street_kind(int(ground[np.flatnonzero(street == s)[0]]), load[s], load)
        code = _street_code(kind, counters, county_codes[int(county[s])], (a, b))
        stem = int(names[s])
        streets.append(
            Division(
                code,
                compound(stem, kind),
                compound(stem, kind, chinese=True),
                "street",
                county_codes[int(county[s])],
            )
        )
    communities = []
    serial: dict[tuple[int, bool], int] = {}
    for c in range(len(polygons)):
        s, rural = int(street[c]), bool(ground[c] == 1)
        serial[s, rural] = serial.get((s, rural), 0) + 1
        number = serial[s, rural] + (200 if rural else 0)
        stem, kind = int(names[len(streets) + c]), "village" if rural else "community"
        communities.append(
            Division(
                f"{streets[s].code[:9]}{number:03d}",
                compound(stem, kind),
                compound(stem, kind, chinese=True),
                "community",
                streets[s].code,
            )
        )
    counties, county_polygons = [], _merge(street_polygons, county)
    for k, code in enumerate(county_codes):
        stem = int(names[len(streets) + len(communities) + k])
        kind = (
            "county"
            if plan.kind == "town" or (plan.kind == "province" and code[4:6] != "01")
            else "district"
        )
        counties.append(
            Division(
                code,
                compound(stem, kind),
                compound(stem, kind, chinese=True),
                "county",
                code[:4] + "0" * 8,
            )
        )
    return Territory(
        communities, streets, counties, community, street, county,
        polygons, street_polygons, county_polygons,
    )  # fmt: skip


def _street_kind(ground: int, load: float, loads: NDArray[np.float64]) -> str:
    if ground == 2:
        return "zone"
    if ground == 0:
        return "street"
    return "town" if load >= np.median(loads) * 0.8 else "township"


#: First number of the township part of a code, by kind (GB/T 10114: 001-099 subdistricts,
#: 100-199 towns, 200-399 townships, 400-599 quasi-townships such as development zones).
_FIRST = {"street": 1, "town": 100, "township": 200, "zone": 400}


def _street_code(kind: str, counters: dict[str, int], county: str, patch: tuple[int, int]) -> str:
    """Nine significant digits and three noughts.

    A development zone counts under a county number of its own (71), which no county has: its
    parent is named by the column alone, as in life.
    """
    number = _FIRST[kind] + counters[kind]
    counters[kind] += 1
    if kind == "zone":
        # county 07 of a city numbers its zones from 407 x 5 on, so that two never collide
        number = 400 + (int(county[4:6]) * 4 + counters[kind] - 1) % 200
        return f"{county[:4]}71{number:03d}000"
    return f"{county[:6]}{number:03d}000"
