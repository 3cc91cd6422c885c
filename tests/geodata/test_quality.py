"""Figures of quality on layouts whose figures are known, and on grids that people have drawn."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from shapely import LineString, MultiPolygon, Point, box

from geodata.errors import InputError
from geodata.quality import measure, polsby_popper

CRS = "EPSG:32650"

KEYS = [
    "grids", "households", "deviation_mean", "deviation_p95", "deviation_max", "within_range",
    "noncontiguous", "gap_m2", "overlap_m2", "polsby_popper_median", "on_barriers", "flags",
]  # fmt: skip


def community(*shapes, crs=CRS) -> gpd.GeoDataFrame:
    codes = [chr(65 + k) for k in range(len(shapes))]
    return gpd.GeoDataFrame({"code": codes}, geometry=list(shapes), crs=crs)


def grids(*rows, crs=CRS) -> gpd.GeoDataFrame:
    """Rows of (shape, households, community, flag)."""
    padded = [(*row, *("A", None)[len(row) - 2 :]) for row in rows]
    shapes, households, codes, flags = zip(*padded, strict=True)
    return gpd.GeoDataFrame(
        {"grid_code": [f"{c}{k:03}" for k, c in enumerate(codes)], "community_code": codes,
         "households": households, "flag": pd.Series(flags, dtype=object)},
        geometry=list(shapes), crs=crs,
    )  # fmt: skip


#: A square of 200 m in two halves.
SQUARE = community(box(0, 0, 200, 200))
HALVES = grids((box(0, 0, 100, 200), 390), (box(100, 0, 200, 200), 410))


def test_two_halves():
    figures = measure(HALVES, SQUARE)
    assert list(figures.index) == KEYS
    assert figures.grids == 2
    assert figures.households == 800
    assert figures.deviation_mean == figures.deviation_max == pytest.approx(0.025)
    assert figures.within_range == 1
    assert figures.noncontiguous == 0
    assert figures.gap_m2 == figures.overlap_m2 == 0
    assert figures.polsby_popper_median == pytest.approx(4 * np.pi * 20_000 / 600**2)
    assert np.isnan(figures.on_barriers)
    assert figures["flags"] == {}


def test_deviation_is_from_the_communitys_own_target():
    both = community(box(0, 0, 200, 200), box(500, 0, 600, 200))
    figures = measure(
        grids((box(0, 0, 100, 200), 300), (box(100, 0, 200, 200), 340),
              (box(500, 0, 600, 200), 520, "B")),
        both,
    )  # fmt: skip
    assert figures.deviation_max == pytest.approx(20 / 320)
    assert figures.deviation_mean == pytest.approx((20 / 320) * 2 / 3)
    assert figures.within_range == pytest.approx(2 / 3)


def test_flagged_grids_are_counted_and_left_out():
    rows = [(box(0, 0, 100, 200), 400), (box(100, 0, 150, 200), 2000, "A", "oversize"),
            (MultiPolygon([box(150, 0, 160, 10), box(170, 0, 200, 200)]), 50, "A",
             "multipart;undersize")]  # fmt: skip
    figures = measure(grids(*rows), SQUARE)
    assert figures["flags"] == {"multipart": 1, "oversize": 1, "undersize": 1}
    assert figures.households == 2450
    assert figures.deviation_max == 0
    assert figures.noncontiguous == 0
    assert figures.within_range == 1


def test_parts_that_meet_in_a_corner_are_apart_and_along_an_edge_are_not():
    corner = MultiPolygon([box(0, 0, 100, 100), box(100, 100, 200, 200)])
    edge = MultiPolygon([box(0, 100, 50, 200), box(50, 100, 100, 200)])  # invalid as it stands
    figures = measure(grids((corner, 400), (edge, 400), (box(100, 0, 200, 100), 400)), SQUARE)
    assert figures.noncontiguous == 1


def test_gaps_and_overlaps_are_in_square_metres():
    rows = grids((box(0, 0, 110, 200), 400), (box(100, 0, 190, 200), 400))
    figures = measure(rows, SQUARE)
    assert figures.overlap_m2 == pytest.approx(10 * 200)
    assert figures.gap_m2 == pytest.approx(10 * 200)
    degrees = measure(rows.to_crs("EPSG:4326"), SQUARE.to_crs("EPSG:4326"))
    assert degrees.overlap_m2 == pytest.approx(2000, rel=0.01)
    assert measure(HALVES.iloc[:0], SQUARE).gap_m2 == pytest.approx(200 * 200)


def test_boundary_on_barriers_is_that_between_grids_of_one_community():
    # the inner boundary is x = 100 from y = 0 to 200; the road follows 3/4 of it, 5 m off
    road = gpd.GeoDataFrame(geometry=[LineString([(105, -50), (105, 150 - 10.9)])], crs=CRS)
    assert measure(HALVES, SQUARE, road).on_barriers == pytest.approx(0.75, abs=0.01)
    far = gpd.GeoDataFrame(
        geometry=[LineString([(112.1, 0), (112.1, 200)]), Point(100, 100)], crs=CRS
    )
    assert measure(HALVES, SQUARE, far).on_barriers == 0
    lake = gpd.GeoDataFrame(geometry=[box(50, 0, 100, 100), None], crs=CRS)
    assert measure(HALVES, SQUARE, lake.to_crs("EPSG:4326")).on_barriers == pytest.approx(
        (100 + 12) / 200, abs=0.01
    )
    apart = HALVES.assign(community_code=["A", "B"])
    both = community(*HALVES.geometry)
    assert np.isnan(measure(apart, both, road).on_barriers)


def test_polsby_popper_of_known_shapes():
    disc = Point(0, 0).buffer(1000, quad_segs=200)
    series = gpd.GeoSeries([box(0, 0, 10, 10), disc, box(0, 0, 1, 100)], crs=CRS)
    expected = [np.pi / 4, 1, 4 * np.pi * 100 / 202**2]
    assert polsby_popper(series).tolist() == pytest.approx(expected, abs=1e-4)
    on_earth = series.translate(400_000, 4_000_000).to_crs("EPSG:4326")
    assert polsby_popper(on_earth).tolist() == pytest.approx(expected, rel=2e-3)
    assert polsby_popper(np.array(on_earth)).tolist() == pytest.approx(expected, rel=2e-3)


def test_a_missing_column_is_named():
    with pytest.raises(InputError, match="no column 'households'"):
        measure(HALVES.drop(columns="households"), SQUARE)


@pytest.mark.parametrize(
    ("layer", "compactness", "on_barriers", "within"),
    [
        ("census_block_groups_2020", 0.567, 0.94, 0.37),
        ("existing_patrol_grids", 0.649, 0.96, 0.20),
    ],
)
def test_figures_of_grids_drawn_by_people(shared_data, layer, compactness, on_barriers, within):
    source = shared_data / "cambridge" / "cambridge_case.gpkg"
    drawn = gpd.read_file(source, layer=layer)
    city = gpd.read_file(source, layer="city_boundary").assign(code="C")
    records = gpd.read_file(source, layer="household_points")
    joined = gpd.sjoin(records, drawn[["geometry"]], predicate="intersects")
    count = joined.groupby("index_right").households_est.sum()
    drawn["households"] = count.reindex(drawn.index, fill_value=0)
    drawn["community_code"] = "C"
    barriers = pd.concat([gpd.read_file(source, layer=name) for name in ("roads", "rail", "water")])
    figures = measure(drawn, city, barriers)
    assert figures.polsby_popper_median == pytest.approx(compactness, abs=0.0006)
    assert figures.on_barriers == pytest.approx(on_barriers, abs=0.015)
    assert figures.within_range == pytest.approx(within, abs=0.006)
    assert figures.noncontiguous == 0
    assert shapely.is_valid(drawn.geometry).all()


def test_codes_that_are_numbers_are_compared_as_text():
    squares = [shapely.box(x, 0, x + 1000, 1000) for x in (500_000, 501_000)]
    grids = gpd.GeoDataFrame(
        {"grid_code": ["1001", "2001"], "community_code": ["1", "2"], "households": [400, 400]},
        geometry=squares,
        crs="EPSG:32631",
    )
    communities = gpd.GeoDataFrame({"code": [1, 2]}, geometry=squares, crs="EPSG:32631")
    assert measure(grids, communities).gap_m2 == 0
