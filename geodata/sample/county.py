"""One county patch of a sample, complete: the unit that a province is streamed in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import shapely
from numpy.typing import NDArray

from geodata.sample.codes import Division, named
from geodata.sample.divide import Territory, divide, grow
from geodata.sample.fabric import build
from geodata.sample.ground import Plan, allot, demand, survey
from geodata.sample.homes import Homes, settle
from geodata.sample.lattice import Lattice, hashed
from geodata.sample.names import PAIRS, compound, local_street_names
from geodata.sample.people import Facilities, Members, employ, equip
from geodata.sample.roads import KINDS, WEIGHTS, classify, lattice_lines, waters

__all__ = ["Barriers", "Patch", "make_plan", "patches", "upper_divisions"]

#: Two digits that no province has; by kind, so that one database holds a sample of each.
PROVINCE_CODES = {"town": "97", "city": "98", "province": "99"}

#: Households of one county of a province, about.
COUNTY_HOUSEHOLDS = 100_000


@dataclass
class Barriers:
    """Lines and polygons to cut along, in degrees."""

    geometry: NDArray[np.object_]
    kind: NDArray[np.object_]
    name: NDArray[np.object_]
    weight: NDArray[np.float64]


@dataclass
class Patch:
    """Everything in one county patch.

    ``city`` is the number of its city from 0; the name numbers of ``homes`` point into
    ``street_names``.
    """

    county: tuple[int, int]
    city: int
    territory: Territory
    homes: Homes
    barriers: Barriers
    facilities: Facilities
    members: Members
    street_names: NDArray[np.object_]


def _blob(seed: int, count: int) -> list[tuple[int, int]]:
    """``count`` connected squares of the plane in the shape of a province."""
    chosen, edge = [(0, 0)], {(1, 0), (-1, 0), (0, 1), (0, -1)}
    while len(chosen) < count:
        best = min(
            edge,
            key=lambda at: (
                np.hypot(at[0], 1.25 * at[1])
                + (0.7 + 0.1 * count**0.5) * float(hashed(seed, 6001, *at)),
                at,
            ),
        )
        chosen.append(best)
        edge.discard(best)
        a, b = best
        edge |= {(a + 1, b), (a - 1, b), (a, b + 1), (a, b - 1)} - set(chosen)
    return sorted(chosen)


def _cities(counties: list[tuple[int, int]], size: int) -> list[int]:
    """Number of the city of each county: connected groups of about ``size``, west to east."""
    position = {at: k for k, at in enumerate(counties)}
    near = [
        [position[at] for at in ((a - 1, b), (a + 1, b), (a, b - 1), (a, b + 1)) if at in position]
        for a, b in counties
    ]
    return grow(near, np.ones(len(counties)), [(0,)] * len(counties), lambda _: size).tolist()


def make_plan(kind: str, households: int, seed: int) -> Plan:
    """Decide the lay-out of a sample: how many counties, how fine a lattice, how large a place.

    The size on the ground follows from the usual densities and the number of households.
    """
    counties, cities, origin, squeeze = [(0, 0)], [0], (119.3, 31.2), 0.55
    share = households
    if kind == "province":
        count = max(4, round(households / COUNTY_HOUSEHOLDS))
        counties = _blob(seed, count)
        cities = _cities(counties, 9)
        share, squeeze = round(households / count), 0.66
    cells = int(np.clip(round((share / 640) ** 0.5), 6, 12 if kind == "province" else 40))
    # target of a grid: 20 million households of a province make 110,000 grids
    target = 182 if kind == "province" else 400
    community = {"town": 1200, "city": 2000, "province": 2400}[kind]
    rough = Plan(
        kind=kind,
        households=households,
        seed=seed,
        lattice=Lattice(cells, 1000.0, squeeze, seed, *origin),
        counties=tuple(counties),
        cities=tuple(cities),
        community=max(1, min(community, households // 4)),
        target=target,
        tower=int(0.6 * target),
        river_m={"town": 24.0, "city": 60.0, "province": 80.0}[kind],
    )
    # one trial survey on squares of a kilometre gives the households that they would hold
    trial = [demand(rough, survey(rough, county)).sum() for county in counties[:4]]
    scale = float(np.sqrt(share / np.mean(trial)))
    return _scaled(rough, 1000.0 * scale)


def _scaled(plan: Plan, cell_m: float) -> Plan:
    river = min(plan.river_m, 0.09 * cell_m)
    return replace(plan, lattice=replace(plan.lattice, cell_m=cell_m), river_m=river)


def _county_codes(plan: Plan, index: int) -> list[str]:
    """Codes of the county-level divisions of one patch, numbered within the city."""
    city = plan.cities[index]
    prefix = f"{PROVINCE_CODES[plan.kind]}{city + 1:02d}"
    if plan.kind == "city":
        return [f"{prefix}{number:02d}000000" for number in (1, 2)]
    serial = 1 + sum(other == city for other in plan.cities[:index])
    return [f"{prefix}{serial:02d}000000"]


def patches(plan: Plan) -> Iterator[Patch]:
    """The county patches of a plan, one at a time.

    Each depends on the plan and its own place alone, so the order is a matter of convenience.
    """
    households = allot(plan, [demand(plan, survey(plan, county)) for county in plan.counties])
    for index in range(len(plan.counties)):
        yield make_patch(plan, index, households[index])


def make_patch(plan: Plan, index: int, households: NDArray[np.int64]) -> Patch:
    """One county patch, given the households of its superblocks."""
    county = plan.counties[index]
    blocks = survey(plan, county)
    territory = divide(plan, blocks, households, _county_codes(plan, index))
    network = classify(plan, blocks, territory.community)
    fabrics = build(plan, blocks, network, households)
    a, b = county
    shuffle = plan.generator(46, a + 500, b + 500)
    names = shuffle.permutation(local_street_names())
    homes, sites = settle(plan, blocks, territory, fabrics, households, names)
    facilities = equip(plan, county, territory, sites)
    members = employ(plan, county, territory, homes, facilities)

    lines, kind, avenue = lattice_lines(plan, blocks, network)
    wet, wet_kind = waters(plan, blocks, network)
    stems = shuffle.permutation(PAIRS)
    titles = np.array(
        [f"{compound(int(stems[k]))} Avenue" for k in range(2 * (blocks.cells + 1))], dtype=object
    )
    river = f"{compound(int(hashed(plan.seed, 6101, b) * PAIRS))} River"
    kinds = np.concatenate([KINDS[kind], KINDS[fabrics.line_kind], wet_kind])
    weight = np.concatenate(
        [WEIGHTS[kind], WEIGHTS[fabrics.line_kind], np.where(wet_kind == "river", 5.0, 3.0)]
    )
    named = np.concatenate(
        [
            [
                None if each in ("rail", "stream", "track") else title
                for each, title in zip(KINDS[kind], titles[avenue], strict=True)
            ],
            names[fabrics.line_name % len(names)],
            [river if each == "river" else None for each in wet_kind],
        ]
    )
    geometry = np.concatenate([lines, fabrics.lines, wet])
    return Patch(
        county,
        plan.cities[index],
        territory,
        homes,
        Barriers(geometry, kinds, named, weight),
        facilities,
        members,
        names,
    )


def upper_divisions(
    plan: Plan, counties: list[Division], polygons: list[shapely.Geometry]
) -> tuple[list[Division], list[shapely.Geometry]]:
    """The province and its cities as exact unions of their counties, the province first."""
    shapes = np.array(polygons, dtype=object)
    parents = np.array([division.parent for division in counties])
    divisions = [_top(PROVINCE_CODES[plan.kind] + "0" * 10, plan.seed, "province", None)]
    outlines = [_union(shapes)]
    for code in sorted(set(parents.tolist())):
        divisions.append(_top(code, plan.seed, "city", divisions[0].code))
        outlines.append(_union(shapes[parents == code]))
    return divisions, outlines


def _top(code: str, seed: int, level: str, parent: str | None) -> Division:
    return named(code, int(hashed(seed, 6201, int(code[:4])) * PAIRS), level, level, parent or "")


def _union(shapes: NDArray[np.object_]) -> shapely.Geometry:
    return shapely.normalize(shapely.coverage_union_all(shapes))
