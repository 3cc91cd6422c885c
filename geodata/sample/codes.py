"""Twelve-digit codes and names of divisions.

A code is 2 + 2 + 2 + 3 + 3 digits: province, city, county, township part, community. In the
township part 001-099 are subdistricts, 100-199 towns, 200-399 townships and 400-599 what is like
one, such as a development zone (GB/T 10114).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geodata.sample.ground import Plan
from geodata.sample.names import PAIRS, compound

__all__ = ["Division", "name_divisions", "named"]

Ints = NDArray[np.int64]

#: First number of the township part, by kind.
_FIRST = {"street": 1, "town": 100, "township": 200, "zone": 400}

#: County number that the development zones of a city are counted under; no county has it.
_ZONES = "71"


@dataclass(frozen=True)
class Division:
    """One administrative division below the county."""

    code: str
    name: str
    name_zh: str
    level: str
    parent: str


def named(code: str, stem: int, kind: str, level: str, parent: str) -> Division:
    """A division whose name has the stems of a number and the suffix of a kind."""
    return Division(code, compound(stem, kind), compound(stem, kind, chinese=True), level, parent)


def name_divisions(
    plan: Plan,
    patch: tuple[int, int],
    county_codes: list[str],
    street: Ints,
    county: Ints,
    ground: Ints,
    load: Ints,
) -> tuple[list[Division], list[Division], list[Division]]:
    """Codes and names of the streets, communities and counties of one patch.

    Parameters
    ----------
    plan, patch
        Decide the names.
    county_codes : list of str
        Codes of the counties.
    street, ground : integer arrays
        For each community its street, and 0 in town, 1 in the country, 2 in a development zone.
    county, load : integer arrays
        For each street its county and its households.
    """
    a, b = patch
    stems = plan.generator(41, a + 500, b + 500).permutation(PAIRS)
    # a city with more divisions than names uses some again
    stem = iter(np.resize(stems, len(street) + len(load) + len(county_codes)).tolist())
    streets: list[Division] = []
    count: Counter[tuple[int, str]] = Counter()
    for s in range(len(load)):
        kind = _street_kind(int(ground[np.flatnonzero(street == s)[0]]), load, s)
        parent = county_codes[int(county[s])]
        code = _street_code(kind, count[int(county[s]), kind], parent)
        count[int(county[s]), kind] += 1
        streets.append(named(code, next(stem), kind, "street", parent))
    communities: list[Division] = []
    serial: Counter[tuple[int, bool]] = Counter()
    for s, rural in zip(street.tolist(), (ground == 1).tolist(), strict=True):
        serial[s, rural] += 1
        number = serial[s, rural] + (200 if rural else 0)
        code, kind = f"{streets[s].code[:9]}{number:03d}", "village" if rural else "community"
        communities.append(named(code, next(stem), kind, "community", streets[s].code))
    counties = [
        named(code, next(stem), _county_kind(plan, code), "county", code[:4] + "0" * 8)
        for code in county_codes
    ]
    return streets, communities, counties


def _county_kind(plan: Plan, code: str) -> str:
    """The first county of a city of a province is its urban district; the others are counties."""
    urban = plan.kind == "city" or (plan.kind == "province" and code[4:6] == "01")
    return "district" if urban else "county"


def _street_kind(ground: int, load: Ints, s: int) -> str:
    if ground == 2:
        return "zone"
    if ground == 0:
        return "street"
    return "town" if load[s] >= 0.8 * np.median(load) else "township"


def _street_code(kind: str, earlier: int, county: str) -> str:
    """The code of a street, given how many of its kind its county has already.

    A development zone breaks the prefix: its county is named by the column alone.
    """
    if kind == "zone":
        # up to four zones a county, so that no two zones of a city share a number
        return f"{county[:4]}{_ZONES}{_FIRST[kind] + int(county[4:6]) * 4 + earlier:03d}000"
    return f"{county[:6]}{_FIRST[kind] + earlier:03d}000"
