"""What a map of two plans says: what changed, and who moves."""

from __future__ import annotations

import json
import re

import geopandas as gpd
import pytest
from shapely import Point, box

from geodata.draw import comparison_map
from geodata.errors import InputError


def grids(*rows, crs=4326) -> gpd.GeoDataFrame:
    """Rows of (code, west, east)."""
    return gpd.GeoDataFrame(
        {
            "grid_code": [code for code, _, _ in rows],
            "community_code": "K",
            "households": 3,
            "flag": None,
        },
        geometry=[box(120 + west, 30, 120 + east, 30.01) for _, west, east in rows],
        crs=crs,
    )


BEFORE = grids(("K001", 0, 0.01), ("K002", 0.01, 0.02), ("K003", 0.02, 0.03))
#: K001 stays; the border of the other two shifts.
AFTER = grids(("K001", 0, 0.01), ("K002", 0.01, 0.016), ("K003", 0.016, 0.03))
HOMES = gpd.GeoDataFrame(
    {"households": [2, 5, 4, 9], "address": ["secret"] * 4},
    geometry=[Point(120 + x, 30.005) for x in (0.005, 0.012, 0.018, 0.025)],
    crs=4326,
)


def payload(map_) -> dict:
    page = map_.get_root().render()
    return json.loads(re.search(r'id="gridward-data">(.*?)</script>', page)[1])["payload"]


def test_a_household_moves_when_its_grid_has_another_code():
    found = payload(comparison_map(BEFORE, AFTER, HOMES))
    # K002 keeps its 5; the 4 beyond the new border come to K003
    assert found["moved"]["households"] == [4]
    assert found["before"]["code"][found["moved"]["before"][0]] == "K002"
    assert found["after"]["code"][found["moved"]["after"][0]] == "K003"
    assert found["moved"]["x"] == [120_018_000]


def test_changed_grids_are_those_of_another_polygon():
    found = payload(comparison_map(BEFORE, AFTER, HOMES))
    assert found["before"]["changed"] == [0, 1, 1]
    assert found["after"]["changed"] == [0, 1, 1]
    same = payload(comparison_map(BEFORE, BEFORE.iloc[::-1], HOMES))
    assert same["after"]["changed"] == [0, 0, 0]
    assert same["moved"]["households"] == []


def test_no_address_is_on_the_page_and_the_order_does_not_matter():
    page = comparison_map(BEFORE, AFTER, HOMES).get_root().render()
    assert "secret" not in page
    other = comparison_map(BEFORE.iloc[::-1], AFTER.iloc[[2, 0, 1]], HOMES.iloc[::-1].to_crs(32650))
    assert other.get_root().render() == page


def test_without_households_the_plans_are_still_drawn():
    found = payload(comparison_map(BEFORE, AFTER))
    assert "moved" not in found
    with pytest.raises(InputError, match="have no column"):
        comparison_map(BEFORE.drop(columns="grid_code"), AFTER)
