"""Every household has exactly one outcome, the one that plain shapely gives."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import Point, box

from geodata.assign import Placer, assign
from geodata.errors import InputError
from geodata.metric import MetricPlane
from geodata.schema import METHODS

SIDE = 0.002  # degrees: about 220 m


def grid_frame(shapes, codes, crs="EPSG:4326") -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame({"grid_code": list(codes)}, geometry=list(shapes), crs=crs)


def points(*places, crs="EPSG:4326", index=None) -> gpd.GeoDataFrame:
    shapes = [None if place is None else Point(place) for place in places]
    return gpd.GeoDataFrame(
        {"reference": range(len(places))}, geometry=shapes, crs=crs, index=index
    )


#: A003 | A001     two grids that touch, the lower code on the right
GRIDS = grid_frame([box(0, 0, 1, 1), box(1, 0, 2, 1)], ["A003", "A001"])


def brute_force(grids: gpd.GeoDataFrame, households: gpd.GeoDataFrame, tolerance: float):
    """The rule of the ledger, one household at a time."""
    plane = MetricPlane.of_frame(grids)
    ordered = grids.sort_values("grid_code")
    metric = plane.to_metres(np.array(ordered.geometry, dtype=object))
    for point in households.geometry:
        if point is None or point.is_empty or np.isnan(point.x):
            yield None, "exception", np.nan
            continue
        covering = [c for c, g in zip(ordered.grid_code, ordered.geometry, strict=True)
                    if g.covers(point)]  # fmt: skip
        if covering:
            yield covering[0], "covers" if len(covering) == 1 else "boundary", 0.0
            continue
        distance = shapely.distance(metric, plane.to_metres(point))
        k = int(np.flatnonzero(distance <= distance.min() + 1e-6)[0])
        near = distance[k] <= tolerance
        code = ordered.grid_code.iloc[k] if near else None
        yield code, "snapped" if near else "exception", distance[k]


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), tolerance=st.sampled_from([0.0, 30.0, 50.0, 5000.0]))
def test_equals_brute_force_in_any_order(seed, tolerance):
    rng = np.random.default_rng(seed)
    sites = shapely.multipoints(rng.random((8, 2)) * SIDE)
    square = box(0, 0, SIDE, SIDE)
    cells = shapely.get_parts(shapely.voronoi_polygons(sites, extend_to=square))
    cells = shapely.intersection(cells, square)
    overlapping = shapely.buffer(shapely.Point(SIDE, SIDE), SIDE / 3)
    grids = grid_frame([*cells[1:], overlapping], rng.permutation([f"{k:03}" for k in range(8)]))
    vertices = shapely.get_coordinates(cells)
    everywhere = rng.uniform(-SIDE / 2, SIDE * 1.5, (60, 2))
    households = points(*vertices, *everywhere, None, (np.nan, np.nan))

    ledger = assign(grids, households, tolerance)
    codes, methods, distances = zip(*brute_force(grids, households, tolerance), strict=True)
    assert ledger.grid_code.tolist() == list(codes)
    assert ledger.method.tolist() == list(methods)
    # the plane's scale holds to 1e-6 over 400 m
    np.testing.assert_allclose(ledger.distance_m, distances, rtol=1e-5, atol=1e-6)
    shuffled = assign(grids.sample(frac=1, random_state=seed % 1000), households, tolerance)
    pd.testing.assert_frame_equal(ledger, shuffled)

    assert set(ledger.method) <= set(METHODS)
    exception = ledger.method == "exception"
    assert (ledger.grid_code.isna() == exception).all()
    assert (ledger.reason.isna() == ~exception).all()


def test_boundary_goes_to_the_lowest_code():
    ledger = assign(GRIDS, points((0.5, 0.5), (1, 0.5), (0, 0)))
    assert ledger.grid_code.tolist() == ["A003", "A001", "A003"]
    assert ledger.method.tolist() == ["covers", "boundary", "covers"]
    assert ledger.distance_m.tolist() == [0, 0, 0]


def test_snapping_measures_metres_on_the_ground():
    # a minute of latitude is 1,843 m at the equator; 0.0004 degrees are 44.2 m
    ledger = assign(GRIDS, points((0.5, 1.0004), (0.5, 1.0005), (1, 1.0004)), 50)
    assert ledger.method.tolist() == ["snapped", "exception", "snapped"]
    assert ledger.distance_m.tolist() == pytest.approx([44.23, 55.29, 44.23], rel=1e-3)
    assert ledger.grid_code.tolist() == ["A003", None, "A001"]
    assert "nearest is 55 m away, over the 50 m tolerance" in ledger.reason[1]


def test_distances_hold_at_the_far_end_of_a_province():
    # 10 degrees from the middle of the data, where a degree of longitude is far shorter
    grids = grid_frame([box(100, 20, 101, 21), box(100, 40, 101, 41)], ["S", "N"])
    ledger = assign(grids, points((101.001, 40.5), (101.001, 20.5)), 1000)
    assert ledger.distance_m.tolist() == pytest.approx([84.77, 104.33], rel=1e-3)


def test_a_household_without_a_point_is_an_exception_with_its_reason():
    ledger = assign(GRIDS, points(None, (0.5, 0.5), (9, 9), index=["x", "y", "z"]))
    assert ledger.index.tolist() == ["x", "y", "z"]
    assert ledger.loc["x", "reason"].startswith("no position")
    assert ledger.loc["x", "grid_code"] is None
    assert np.isnan(ledger.loc["x", "distance_m"])
    assert "km away" in ledger.loc["z", "reason"]


def test_without_grids_all_are_exceptions():
    ledger = assign(GRIDS.iloc[:0], points((0.5, 0.5)))
    assert ledger.reason.tolist() == ["there is no grid"]
    assert assign(GRIDS, points()).empty


def test_households_in_another_crs():
    there = points((0.5, 0.5), (1.5, 0.5)).to_crs("EPSG:3857")
    assert assign(GRIDS, there).grid_code.tolist() == ["A003", "A001"]


def test_grids_in_a_projected_crs():
    grids = grid_frame([box(0, 0, 100, 100)], ["A001"], crs="EPSG:32650")
    ledger = assign(grids, points((130, 50), (160, 50), crs="EPSG:32650"))
    assert ledger.method.tolist() == ["snapped", "exception"]
    assert ledger.distance_m.tolist() == pytest.approx([30, 60])


@pytest.mark.parametrize(
    ("grids", "households", "message"),
    [
        (GRIDS.rename(columns={"grid_code": "x"}), points((0, 0)), "no column 'grid_code'"),
        (grid_frame([box(0, 0, 1, 1)] * 2, ["A", "A"]), points((0, 0)), "'A' occurs more than"),
        (
            grid_frame([box(0, 0, 1, 1)] * 2, ["A", None]),
            points((0, 0)),
            "row 2, field 'grid_code'",
        ),
        (
            GRIDS,
            gpd.GeoDataFrame(geometry=[Point(0, 0), box(0, 0, 1, 1)], crs="EPSG:4326"),
            "row 2.*must be a point, not a Polygon",
        ),
    ],
)
def test_wrong_input_is_named(grids, households, message):
    with pytest.raises(InputError, match=message):
        assign(grids, households)


def test_a_negative_tolerance_is_refused():
    with pytest.raises(InputError, match="0 m or more"):
        assign(GRIDS, points((0, 0)), -1)


def test_an_empty_point_is_an_exception_like_none():
    grids = gpd.GeoDataFrame({"grid_code": ["1"]}, geometry=[shapely.box(0, 0, 1, 1)], crs=4326)
    points = [shapely.Point(0.5, 0.5), shapely.Point(), None]
    ledger = assign(grids, gpd.GeoDataFrame(geometry=points, crs=4326))
    assert ledger["method"].tolist() == ["covers", "exception", "exception"]


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    tolerance=st.sampled_from([0.0, 50.0, 5000.0]),
    north=st.sampled_from([-0.02, 31.0, 65.0]),
)
def test_the_grids_about_places_are_enough_for_them(seed, tolerance, north):
    """What is placed by some of the grids is placed as by all of them."""
    rng = np.random.default_rng(seed)
    corners = np.array([(x, y) for x in range(12) for y in range(12)]) * 0.01 + [110.0, north]
    corners = corners[rng.random(len(corners)) < 0.8]
    codes = rng.permutation(len(corners)).astype(str)
    placer = Placer(grid_frame(box(*corners.T, *(corners.T + 0.01)), codes), tolerance)
    low = rng.integers(0, 10, 2) * 0.01 + [110.0, north]
    places = low + rng.random((80, 2)) * rng.choice([0.0, 0.003, 0.02, 0.14])
    places[::7] = places[::7].round(2)
    x, y = places.T
    near, rows = placer.about(x, y)
    position, method, distance = near.place(x, y)
    expected = placer.place(x, y)
    position = np.where(position >= 0, rows[position] if len(rows) else -1, -1)
    np.testing.assert_array_equal(position, expected[0])
    np.testing.assert_array_equal(method, expected[1])
    placed = position >= 0
    np.testing.assert_array_equal(distance[placed], expected[2][placed])
    assert list(near.codes) == list(placer.codes[rows])


def test_few_grids_are_about_a_small_place():
    corners = np.array([(x, y) for x in range(30) for y in range(30)]) * 0.01 + [110.0, 30.0]
    codes = np.arange(len(corners)).astype(str)
    placer = Placer(grid_frame(box(*corners.T, *(corners.T + 0.01)), codes), 50.0)
    _, rows = placer.about(np.array([110.105, 110.106]), np.array([30.105, 30.107]))
    assert list(rows) == [10 * 30 + 10]
    assert len(placer.about(np.array([np.nan]), np.array([np.nan]))[1]) == 0
    # two towns far apart do not bring in what lies between them
    _, rows = placer.about(np.array([110.005, 110.295]), np.array([30.005, 30.295]))
    assert {0, 899} <= set(rows)
    assert len(rows) <= 8
