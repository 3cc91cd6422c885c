"""Codes from one plan to the next: who keeps one, who takes a fresh one."""

from __future__ import annotations

from itertools import pairwise, permutations

import geopandas as gpd
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import box, points

from geodata.change import compare, keep_codes
from geodata.change.naming import last_numbers
from geodata.errors import InputError


def strips(cuts: list[float], codes: list[str] | None = None) -> gpd.GeoDataFrame:
    """Strips of the square of 0.01 degrees, side by side."""
    edges = [0.0, *cuts, 0.01]
    shapes = [box(w, 0, e, 0.01) for w, e in pairwise(edges)]
    grids = gpd.GeoDataFrame(geometry=shapes, crs="EPSG:4326").assign(community_code="C")
    return grids if codes is None else grids.assign(grid_code=codes)


HOUSEHOLDS = gpd.GeoDataFrame(
    {"households": 1},
    geometry=points(np.linspace(0.00005, 0.00995, 100), np.full(100, 0.005)),
    crs="EPSG:4326",
    index=range(100),
)
NOBODY = HOUSEHOLDS.iloc[:0]
BEFORE = strips([0.005], ["C001", "C002"])


def codes(cuts: list[float], **options: object) -> list[str]:
    return list(keep_codes(BEFORE, strips(cuts), HOUSEHOLDS, **options))  # type: ignore[arg-type]


def test_a_border_that_moves_leaves_the_codes() -> None:
    assert codes([0.004]) == ["C001", "C002"]


def test_the_larger_part_keeps_the_code_and_the_other_takes_the_next() -> None:
    assert codes([0.002, 0.005]) == ["C003", "C001", "C002"]
    assert codes([0.003, 0.005, 0.006]) == ["C001", "C003", "C004", "C002"]
    assert codes([0.002, 0.005], used_codes=["C007", "D009"]) == ["C008", "C001", "C002"]


def test_the_heavier_of_two_merged_grids_goes_on() -> None:
    before = strips([0.004, 0.006], ["C001", "C002", "C003"])
    assert list(keep_codes(before, strips([0.006]), HOUSEHOLDS)) == ["C001", "C003"]
    assert list(keep_codes(before, strips([0.004]), HOUSEHOLDS)) == ["C001", "C003"]


def test_land_decides_where_nobody_lives() -> None:
    after = strips([0.002, 0.005])
    assert list(keep_codes(BEFORE, after, NOBODY)) == ["C003", "C001", "C002"]


def test_a_chosen_code_is_kept_whatever_the_grid_looks_like() -> None:
    after = strips([0.001, 0.005], ["C002", "draft", "C999"])
    assert list(keep_codes(BEFORE, after, HOUSEHOLDS)) == ["C002", "C001", "C003"]
    twice = strips([0.001, 0.005], ["C002", "C002", "C001"])
    with pytest.raises(InputError, match="two grids bear the code 'C002'"):
        keep_codes(BEFORE, twice, HOUSEHOLDS)


def test_a_code_does_not_leave_its_community() -> None:
    after = strips([0.005]).assign(community_code=["C", "D"])
    chosen = after.assign(grid_code=["C001", "C002"])
    for each in (after, chosen):
        assert list(keep_codes(BEFORE, each, HOUSEHOLDS)) == ["C001", "D001"]


def test_the_first_plan_numbers_its_grids() -> None:
    none = BEFORE.iloc[:0]
    assert list(keep_codes(none, strips([0.002, 0.005]), HOUSEHOLDS)) == ["C001", "C002", "C003"]


def test_a_number_is_read_in_its_own_community_only() -> None:
    assert last_numbers(["C", "C1"], ["C1002", "C1014", "C007", "X900", "C12"]) == {
        "C": 1014,
        "C1": 14,
    }


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.integers(1, 99), min_size=0, max_size=3, unique=True),
    st.lists(st.integers(1, 99), min_size=0, max_size=3, unique=True),
)
def test_no_other_naming_moves_fewer(old_cuts: list[int], new_cuts: list[int]) -> None:
    edges = sorted(cut / 10_000 for cut in old_cuts)
    before = strips(edges, [f"C{n:03}" for n in range(1, len(edges) + 2)])
    after = strips(sorted(cut / 10_000 for cut in new_cuts))
    named = after.assign(grid_code=keep_codes(before, after, HOUSEHOLDS))
    assert named["grid_code"].is_unique
    change = compare(before, named, HOUSEHOLDS)
    moved = change.moves["households"].sum()
    assert change.lookup["households_moved"].sum() == moved

    old = np.searchsorted(edges, HOUSEHOLDS.geometry.x)
    new = np.searchsorted(sorted(cut / 10_000 for cut in new_cuts), HOUSEHOLDS.geometry.x)
    common = np.zeros((len(after), len(before) + len(after)))
    np.add.at(common, (new, old), 1)
    ways = permutations(range(common.shape[1]), len(after))
    assert moved == 100 - max(common[range(len(after)), way].sum() for way in ways)
