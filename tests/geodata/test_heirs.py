"""Plans whose changed grids bear new codes: who goes on from whom, and who moves."""

from __future__ import annotations

from itertools import pairwise

import geopandas as gpd
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import box, points

from geodata.change import compare
from geodata.change.heirs import compare_by_heirs, find_heirs


def strips(cuts: list[float], codes: list[str]) -> gpd.GeoDataFrame:
    """Strips of the square of 0.01 degrees, side by side."""
    edges = [0.0, *cuts, 0.01]
    return gpd.GeoDataFrame(
        {"grid_code": codes, "community_code": "C"},
        geometry=[box(w, 0, e, 0.01) for w, e in pairwise(edges)],
        crs="EPSG:4326",
    )


HOUSEHOLDS = gpd.GeoDataFrame(
    {"households": 1},
    geometry=points(np.linspace(0.00005, 0.00995, 100), np.full(100, 0.005)),
    crs="EPSG:4326",
    index=range(100),
)
BEFORE = strips([0.005], ["C001", "C002"])


def test_a_border_that_moves_moves_those_it_passes() -> None:
    after = strips([0.004], ["C003", "C004"])
    assert find_heirs(BEFORE, after, HOUSEHOLDS) == {"C003": "C001", "C004": "C002"}
    change = compare_by_heirs(BEFORE, after, HOUSEHOLDS)
    assert change.moves["households"].sum() == 10
    assert set(change.moves["new_code"]) == {"C004"}
    assert set(change.lookup["new_code"]) == {"C003", "C004"}
    assert change.sides.set_index("grid_code")["households_before"].to_dict() == {
        "C003": 50,
        "C004": 50,
    }
    # by code alone everyone would have moved
    assert compare(BEFORE, after, HOUSEHOLDS).moves["households"].sum() == 100


def test_the_larger_part_is_the_heir() -> None:
    after = strips([0.002, 0.005], ["C003", "C004", "C002"])
    assert find_heirs(BEFORE, after, HOUSEHOLDS) == {"C002": "C002", "C004": "C001"}
    change = compare_by_heirs(BEFORE, after, HOUSEHOLDS)
    assert dict(zip(change.lookup["new_code"], change.lookup["kind"], strict=True)) == {
        "C002": "U",
        "C003": "S",
        "C004": "S",
    }
    assert change.moves["households"].sum() == 20


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 99), min_size=0, max_size=5, unique=True))
def test_every_household_stays_or_moves(cuts: list[int]) -> None:
    edges = sorted(cut / 10_000 for cut in cuts)
    after = strips(edges, [f"N{number:03}" for number in range(len(edges) + 1)])
    heirs = find_heirs(BEFORE, after, HOUSEHOLDS)
    assert len(set(heirs.values())) == len(heirs)
    change = compare_by_heirs(BEFORE, after, HOUSEHOLDS)
    assert change.lookup["households_moved"].sum() == change.moves["households"].sum()
    assert change.grids["households"].sum() == 100
    assert change.moves["households"].sum() <= 100
    assert list(change.grids["grid_code"]) == sorted(after["grid_code"])
