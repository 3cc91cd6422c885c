"""Facilities, and team members with their roles, homes and workplaces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from geodata.sample.divide import Territory
from geodata.sample.ground import Plan
from geodata.sample.homes import Homes, Sites

__all__ = ["TEAM", "Facilities", "Members", "employ", "equip"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Posts that a grid needs, by role.
TEAM: Final = {
    "leader": 1,
    "cadre": 1,
    "party_group_leader": 1,
    "police": 1,
    "doctor": 1,
    "teacher": 1,
    "volunteer": 2,
}

#: Members a grid by role: about 11 in all. Police and doctors are short even at two posts each.
PER_GRID: Final = {
    "leader": 1.15,
    "cadre": 1.5,
    "party_group_leader": 1.8,
    "police": 0.43,
    "doctor": 0.46,
    "teacher": 1.1,
    "volunteer": 4.6,
}

#: Where a role works, and the share of its members placed there; the others are placed at home.
WORKPLACE: Final = {
    "cadre": ("service_centre", 0.6),
    "police": ("police_station", 0.9),
    "doctor": ("clinic", 0.8),
    "teacher": ("school", 0.75),
}

#: A second role that some members may take as well, and their share.
SECOND_ROLE: Final = {
    "leader": ("party_group_leader", 0.10),
    "cadre": ("leader", 0.12),
    "party_group_leader": ("volunteer", 0.15),
    "teacher": ("volunteer", 0.10),
    "doctor": ("volunteer", 0.04),
}

#: Facilities of a community: kind, chances in town and in the country.
_OF_COMMUNITY: Final = (
    ("service_centre", (1.0, 1.0)),
    ("clinic", (0.95, 0.65)),
    ("school", (0.75, 0.55)),
    ("market", (0.6, 0.3)),
    ("care_home", (0.25, 0.12)),
)


@dataclass
class Facilities:
    """Facilities of one county; ``community`` is the position of each one's community."""

    reference: list[str]
    name: list[str]
    kind: list[str]
    lonlat: Floats
    community: Ints


@dataclass
class Members:
    """Members of one county; ``lonlat`` is NaN where the place is unknown."""

    reference: list[str]
    name: list[str]
    roles: list[str]
    max_posts: Ints
    affiliation: list[str]
    lonlat: Floats


def equip(plan: Plan, county: tuple[int, int], territory: Territory, sites: Sites) -> Facilities:
    """Put service centres, clinics, schools, markets and police stations on open ground."""
    rng = plan.generator(44, county[0] + 500, county[1] + 500)
    order = np.argsort(sites.community, kind="stable")
    starts = np.searchsorted(sites.community[order], np.arange(len(territory.communities) + 1))
    reference, name, kind, chosen, community = [], [], [], [], []
    has_police: set[int] = set()
    for c, division in enumerate(territory.communities):
        place, rural = division.name.rsplit(" ", 1)[0], division.name.endswith("Village")
        wanted = [use for use, chances in _OF_COMMUNITY if rng.random() < chances[rural]]
        street = int(territory.street[c])
        if street not in has_police:
            has_police.add(street)
            wanted += ["police_station", "street_office"]
        ground = order[starts[c] : starts[c + 1]]
        picks = rng.choice(ground, size=len(wanted), replace=len(ground) < len(wanted))
        for serial, (use, site) in enumerate(zip(wanted, picks, strict=True), start=1):
            reference.append(f"F{division.code}{serial:02d}")
            name.append(f"{place} {use.replace('_', ' ').title()}")
            kind.append(use)
            chosen.append(int(site))
            community.append(c)
    return Facilities(reference, name, kind, sites.lonlat[chosen], np.array(community))


def _counts(
    rng: np.random.Generator, plan: Plan, territory: Territory, load: Ints, role: str
) -> Ints:
    """Members of one role by community: in proportion to the grids, uneven, whole numbers.

    Some streets have half of the police, and the country has fewer doctors than the town.
    """
    expected = load / plan.target * PER_GRID[role]
    if role == "police":
        thin = rng.random(len(territory.streets)) < 0.2
        expected = np.where(thin[territory.street], expected * 0.5, expected * 1.1)
    if role == "doctor":
        village = np.array([entry.name.endswith("Village") for entry in territory.communities])
        expected = np.where(village, expected * 0.55, expected * 1.15)
    # systematic rounding: the running total is never more than one off
    total = np.floor(np.cumsum(expected) + rng.random())
    return np.diff(total, prepend=0.0).astype(np.int64)


def employ(
    plan: Plan,
    county: tuple[int, int],
    territory: Territory,
    homes: Homes,
    facilities: Facilities,
) -> Members:
    """Members by role with eligible roles and a home or a workplace, about 11 a grid."""
    rng = plan.generator(45, county[0] + 500, county[1] + 500)
    load = np.bincount(homes.community, minlength=len(territory.communities))
    starts = np.cumsum(load) - load
    prefix = territory.counties[0].code[:6]
    role_column: list[str] = []
    lonlat: list[Floats] = []
    affiliation: list[str] = []
    for role in PER_GRID:
        home = np.repeat(
            np.arange(len(load)), np.where(load > 0, _counts(rng, plan, territory, load, role), 0)
        )
        row = starts[home] + np.floor(rng.random(len(home)) * load[home]).astype(np.int64)
        at = homes.lonlat[row].copy()
        works = np.array([""] * len(home), dtype=object)
        if role in WORKPLACE:
            kind, share = WORKPLACE[role]
            site = _nearest_of_kind(territory, facilities, kind, home)
            goes = (rng.random(len(home)) < share) & (site >= 0)
            at[goes] = facilities.lonlat[site[goes]]
            works[goes] = np.array(facilities.reference, dtype=object)[site[goes]]
        second, share = SECOND_ROLE.get(role, ("", 0.0))
        both = rng.random(len(home)) < share
        role_column += [f"{role};{second}" if two else role for two in both.tolist()]
        lonlat.append(at)
        affiliation += works.tolist()
    count = len(role_column)
    place = np.concatenate(lonlat) if lonlat else np.empty((0, 2))
    place[rng.random(count) < 0.002] = np.nan
    return Members(
        [f"M{prefix}{serial:06d}" for serial in range(1, count + 1)],
        [f"Member {serial:05d}" for serial in range(1, count + 1)],
        role_column,
        np.where(rng.random(count) < 0.15, 1, 2),
        affiliation,
        place,
    )


def _nearest_of_kind(
    territory: Territory, facilities: Facilities, kind: str, community: Ints
) -> Ints:
    """For each member's community a facility of one kind: its own, else one of its street, else
    one of its county; -1 where there is none.
    """
    own = np.full(len(territory.communities), -1, dtype=np.int64)
    of_street = np.full(len(territory.streets), -1, dtype=np.int64)
    candidates = [k for k, entry in enumerate(facilities.kind) if entry == kind]
    for k in reversed(candidates):
        own[facilities.community[k]] = k
        of_street[territory.street[facilities.community[k]]] = k
    spare = candidates[0] if candidates else -1
    fallback = np.where(of_street >= 0, of_street, spare)[territory.street]
    return np.where(own >= 0, own, fallback)[community]
