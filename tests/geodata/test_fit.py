"""Polygons drawn by hand, fitted: small faults closed without moving far, large ones left alone."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import example, given, settings
from hypothesis import strategies as st
from shapely import Polygon, box
from shapely.affinity import translate

from geodata.coverage import check, repair
from geodata.coverage.fit import Fitted, fit
from geodata.coverage.placing import place_in_parents
from geodata.errors import InputError

#: Metres, in a plane whose units are metres.
CRS = "EPSG:32619"
X, Y = 300_000.0, 4_700_000.0


def frame(*shapes: Any, codes: str = "abcdefghijklmnop", parent: str = "P") -> gpd.GeoDataFrame:
    """Polygons a, b, ... of one parent."""
    moved = [translate(shape, X, Y) for shape in shapes]
    grids = gpd.GeoDataFrame({"grid_code": list(codes[: len(shapes)])}, geometry=moved, crs=CRS)
    return grids.assign(community_code=parent)


def parents(**shapes: Any) -> gpd.GeoDataFrame:
    moved = [translate(shape, X, Y) for shape in shapes.values()]
    return gpd.GeoDataFrame({"code": list(shapes)}, geometry=moved, crs=CRS)


PARENT = parents(P=box(0, 0, 100, 100))


def assert_tiles(fitted: Fitted, areas: gpd.GeoDataFrame) -> None:
    shapes = fitted.polygons.geometry.to_numpy()
    assert check(fitted.polygons, areas).empty
    assert shapely.is_valid(shapes).all()
    assert shapely.coverage_is_valid(shapes)
    assert shapely.area(shapes).sum() == pytest.approx(areas.area.sum(), abs=1e-3)


def kinds(fitted: Fitted) -> dict[str, int]:
    return fitted.adjustments.groupby("kind").size().to_dict()


def test_what_tiles_already_stays_as_it_is() -> None:
    drawn = frame(box(0, 0, 50, 100), box(50, 0, 100, 100))
    fitted = fit(drawn, PARENT)
    assert fitted.adjustments.empty
    assert fitted.moved.empty
    assert fitted.polygons.geometry.geom_equals(drawn.geometry).all()
    assert shapely.get_num_coordinates(fitted.polygons.geometry.to_numpy()).tolist() == [5, 5]


def test_a_gap_an_overlap_and_a_stray_are_closed_and_told() -> None:
    drawn = frame(box(0.4, 0, 49.7, 100), box(50, -0.3, 75.2, 100), box(75, 0, 100, 100.5))
    fitted = fit(drawn, PARENT)
    assert_tiles(fitted, PARENT)
    told = [
        (row.kind, row.codes, round(row.area_m2, 3), round(row.moved_m, 3))
        for row in fitted.adjustments.itertuples()
    ]
    assert sorted(told) == [
        ("gap", ("a",), 30.0, 0.3),
        ("gap", ("a",), 40.0, 0.4),
        ("overlap", ("b", "c"), 20.0, 0.2),
        ("stray", ("b",), 7.56, 0.3),
        ("stray", ("c",), 12.5, 0.5),
    ]
    moved = fitted.moved.set_index("code")
    assert moved.loc["c"].round(3).tolist() == [0.5, 0.0, 32.5]
    # the border that is far enough away from the other keeps its place
    assert fitted.polygons.geometry.iloc[1].bounds[0] == X + 50


def test_the_lower_code_gets_what_both_may_have() -> None:
    shapes = box(0, 0, 49.6, 100), box(50, 0, 100, 100)
    for codes, border in (("ab", 50), ("ba", 49.6)):
        fitted = fit(frame(*shapes, codes=codes), PARENT)
        assert_tiles(fitted, PARENT)
        assert fitted.polygons.geometry.iloc[0].bounds[2] - X == pytest.approx(border)


def test_what_is_larger_than_the_tolerance_stays_a_fault() -> None:
    drawn = frame(box(0, 0, 48, 100), box(50, 0, 80, 100), box(78, 0, 103, 100))
    fitted = fit(drawn, PARENT)
    assert fitted.adjustments.empty
    faults = check(fitted.polygons, PARENT)
    assert sorted(faults["kind"]) == ["gap", "overlap", "stray"]
    assert faults["area_m2"].round().tolist() == [200, 200, 300]
    assert fitted.polygons.geometry.geom_equals(drawn.geometry).all()
    # and with a wider tolerance it does not
    assert_tiles(fit(drawn, PARENT, tolerance_m=3.5), PARENT)


def test_a_wide_hole_is_no_gap_though_its_shore_is_near() -> None:
    """All corners of the triangles in a bay lie on the shore of one polygon."""
    bay = Polygon(
        [(0, 0), (100, 0), (100, 100), (60, 100), (60, 20), (40, 20), (40, 100), (0, 100)]
    )
    fitted = fit(frame(bay), PARENT)
    assert fitted.adjustments.empty
    assert check(fitted.polygons, PARENT)["area_m2"].tolist() == [pytest.approx(1600)]
    # nor is a wide piece beyond the boundary a stray that may be cut off
    host = parents(P=bay, Q=box(40, 20, 60, 100))
    fitted = fit(frame(box(0, 0, 100, 100)), host)
    assert (
        check(fitted.polygons, host)["kind"].tolist() == ["stray", "gap"] or len(fitted.moved) == 0
    )


def test_a_narrow_end_of_a_wide_gap_is_closed_the_rest_left() -> None:
    wedge = Polygon([(50, 0), (60, 100), (50, 100)])
    drawn = frame(box(0, 0, 50, 100), box(50, 0, 100, 100).difference(wedge))
    fitted = fit(drawn, PARENT)
    faults = check(fitted.polygons, PARENT)
    assert faults["kind"].tolist() == ["gap"]
    assert fitted.moved["moved_m"].max() <= 1.0 if len(fitted.moved) else True


def test_a_network_of_gaps_goes_to_those_beside_it() -> None:
    """Every polygon a little too small: the gap is one, and belongs to all."""
    cells = [
        box(25 * i + 0.3, 25 * j + 0.3, 25 * i + 24.7, 25 * j + 24.7)
        for i in range(4)
        for j in range(4)
    ]
    fitted = fit(frame(*cells), PARENT)
    assert_tiles(fitted, PARENT)
    assert shapely.get_num_geometries(fitted.polygons.geometry.to_numpy()).tolist() == [1] * 16
    assert fitted.moved["moved_m"].between(0.3, 1.0).all()
    # the places where borders were parted and none ends are gone again
    assert shapely.get_num_coordinates(fitted.polygons.geometry.to_numpy()).max() <= 17


def test_polygons_meet_their_neighbours_beyond_the_boundary_vertex_for_vertex() -> None:
    areas = parents(P=box(0, 0, 50, 100), Q=box(50, 0, 100, 100))
    west = frame(box(0, 0, 50.2, 40), box(0, 40, 49.8, 100), codes="ab")
    east = frame(box(49.9, 0, 100, 70), box(50, 70, 100, 100), codes="cd", parent="Q")
    drawn = pd.concat([west, east], ignore_index=True)
    fitted = fit(drawn, areas)
    assert_tiles(fitted, areas)
    assert kinds(fitted)["stray"] == 2


def test_three_polygons_over_each_other_are_parted() -> None:
    drawn = frame(box(0, 0, 50.3, 60.3), box(49.9, 0, 100, 60), box(0, 59.8, 100, 100))
    fitted = fit(drawn, PARENT)
    assert_tiles(fitted, PARENT)
    lost = {row.codes[0]: row.codes[1:] for row in fitted.adjustments.itertuples()}
    assert lost["a"] in {("b", "c"), ("b",), ("c",)}


def test_a_polygon_of_which_nothing_would_be_left_stays() -> None:
    drawn = frame(box(0, 0, 100, 100), box(0, 0, 100, 100))
    fitted = fit(drawn, PARENT)
    assert fitted.adjustments.empty
    assert check(fitted.polygons, PARENT)["kind"].tolist() == ["overlap"]


@pytest.mark.parametrize(
    ("shape", "mends"),
    [
        # a spike without width, a loop of 20 cm, a tail that crosses itself
        (Polygon([(0, 0), (100, 0), (100, 100), (50, 100), (50, 99), (50, 100), (0, 100)]), True),
        (
            Polygon([(0, 0), (100, 0), (100, 100), (0.2, 100), (0, 99.8), (0.2, 99.8), (0, 100)]),
            True,
        ),
        # two halves of a bow tie
        (Polygon([(0, 0), (100, 100), (100, 0), (0, 100)]), False),
    ],
)
def test_an_invalid_polygon_is_mended_where_little_is_wrong(shape: Any, mends: bool) -> None:
    fitted = fit(frame(shape), PARENT)
    assert (kinds(fitted).get("invalid", 0) == 1) == mends
    assert fitted.polygons.geometry.iloc[0].is_valid == mends
    if mends:
        assert_tiles(fitted, PARENT)


def test_a_tolerance_of_nothing_changes_nothing() -> None:
    drawn = frame(box(0, 0, 49.9, 100), box(50, 0, 100, 100))
    fitted = fit(drawn, PARENT, tolerance_m=0)
    assert fitted.polygons.geometry.geom_equals(drawn.geometry).all()
    assert fitted.adjustments.empty
    with pytest.raises(InputError, match="0 m or more"):
        fit(drawn, PARENT, tolerance_m=-1)
    with pytest.raises(InputError, match="no parent 'Q'"):
        fit(drawn.assign(community_code="Q"), PARENT)
    with pytest.raises(InputError, match="community_code"):
        fit(drawn.drop(columns="community_code"), PARENT)


def jittered(rng: np.random.Generator, radius: float, degrees: bool) -> tuple[Any, Any]:
    """A random tiling, each vertex of each polygon off by up to a radius in metres."""
    cuts = [np.r_[0.0, np.sort(rng.uniform(10, 90, rng.integers(0, 4))), 100.0] for _ in "xy"]
    cuts = [axis[np.r_[True, np.diff(axis) > 5]] for axis in cuts]
    cells = [box(w, s, e, n) for w, e in pairwise(cuts[0]) for s, n in pairwise(cuts[1])]
    hull = box(0, 0, cuts[0][-1], cuts[1][-1])

    def moved(xy: Any) -> Any:
        angle = rng.uniform(0, 2 * np.pi, len(xy))
        step = radius * np.sqrt(rng.uniform(0, 1, len(xy)))
        out = xy + np.stack([np.cos(angle) * step, np.sin(angle) * step], axis=1)
        out[-1] = out[0]
        return out

    drawn = [shapely.transform(cell.segmentize(float(rng.uniform(5, 60))), moved) for cell in cells]
    areas = parents(P=hull)
    grids = frame(*drawn, codes=[f"{n:03}" for n in rng.permutation(len(drawn))])  # type: ignore[arg-type]
    if degrees:
        return grids.to_crs(4326), areas.to_crs(4326)
    return grids, areas


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_what_is_drawn_within_the_tolerance_tiles_exactly(seed: int, degrees: bool) -> None:
    drawn, areas = jittered(np.random.default_rng(seed), 0.4, degrees)
    fitted = fit(drawn, areas, tolerance_m=1.0)
    assert_tiles_in(fitted, areas)
    assert (fitted.adjustments["moved_m"] <= 1.0 + 1e-6).all()
    before, after = (each.to_crs(CRS).geometry for each in (drawn, fitted.polygons))
    change = shapely.symmetric_difference(before.to_numpy(), after.to_numpy())
    near = shapely.buffer(shapely.boundary(before.to_numpy()), 1.01)
    assert shapely.area(shapely.difference(change, near)).max() < 1e-6
    assert (shapely.get_num_geometries(after.to_numpy()) == 1).all()


def assert_tiles_in(fitted: Fitted, areas: gpd.GeoDataFrame) -> None:
    shapes = fitted.polygons.geometry.to_numpy()
    assert check(fitted.polygons, areas).empty
    assert shapely.is_valid(shapes).all()
    assert shapely.coverage_is_valid(shapes)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
@example(873)  # beside a polygon that cannot be mended
def test_whatever_is_drawn_nothing_gets_worse_and_nobody_moves_far(seed: int) -> None:
    rng = np.random.default_rng(seed)
    drawn, areas = jittered(rng, float(rng.uniform(0, 8)), degrees=False)
    fitted = fit(drawn, areas)
    assert len(fitted.polygons) == len(drawn)
    old, new = (check(each, areas) for each in (drawn, fitted.polygons))
    loss = [frame.loc[frame["kind"] != "invalid", "area_m2"].sum() for frame in (old, new)]
    assert loss[1] <= loss[0] + 1e-3
    assert (fitted.adjustments["moved_m"] <= 1.0 + 1e-6).all()
    before, after = drawn.geometry.to_numpy(), fitted.polygons.geometry.to_numpy()
    sound = shapely.is_valid(before) & shapely.is_valid(after)
    change = shapely.symmetric_difference(before[sound], after[sound])
    near = shapely.buffer(shapely.boundary(before[sound]), 1.01)
    assert shapely.area(shapely.difference(change, near)).sum() < 1e-6


@pytest.fixture(scope="module")
def cambridge(shared_data: Path) -> gpd.GeoDataFrame:
    """The thirteen communities of Cambridge, without their overlaps."""
    drawn = gpd.read_file(shared_data / "cambridge" / "communities.geojson")
    return repair(drawn.rename(columns={"community_code": "code"})[["code", "geometry"]])[0]


def test_real_polygons_drawn_again_by_hand(cambridge: gpd.GeoDataFrame) -> None:
    """Each simplified on its own, each vertex off by up to 40 cm: no two borders match."""
    rng = np.random.default_rng(7)
    hull = shapely.coverage_union_all(cambridge.geometry.to_numpy())
    city = gpd.GeoDataFrame({"code": ["city"]}, geometry=[hull], crs=cambridge.crs)

    def moved(xy: Any) -> Any:
        out = xy + rng.uniform(-0.25, 0.25, xy.shape)
        out[-1] = out[0]
        return out

    drawn = cambridge.to_crs(CRS)
    redrawn = [shapely.transform(shape.simplify(0.2), moved) for shape in drawn.geometry]
    drawn = drawn.set_geometry(redrawn, crs=CRS).to_crs(4326).assign(parent="city")
    assert len(check(drawn, city)) > 400
    fitted = fit(drawn, city)
    assert_tiles_in(fitted, city)
    assert fitted.adjustments["moved_m"].max() <= 1.0
    areas = (each.to_crs(CRS).area.to_numpy() for each in (cambridge, fitted.polygons))
    assert next(areas) == pytest.approx(next(areas), rel=2e-3)


def test_patrol_grids_keep_only_their_large_faults(
    shared_data: Path, cambridge: gpd.GeoDataFrame
) -> None:
    case = shared_data / "cambridge" / "cambridge_case.gpkg"
    grids = gpd.read_file(case, layer="existing_patrol_grids")[["geometry"]]
    grids["grid_code"] = [f"{number:03}" for number in range(len(grids))]
    grids["community_code"] = place_in_parents(grids, cambridge)
    before = check(grids, cambridge)
    fitted = fit(grids, cambridge)
    after = check(fitted.polygons, cambridge)
    assert len(before) > 900
    assert len(after) < 80
    assert set(after["kind"]) == {"gap", "stray"}
    # what is left is wide somewhere, or hangs together with what is
    large = after["area_m2"].sum()
    assert large > 0.9 * before["area_m2"].sum()
    shapes = fitted.polygons.geometry.to_numpy()
    assert shapely.coverage_is_valid(shapes)
    change = fitted.polygons.to_crs(CRS).geometry.symmetric_difference(grids.to_crs(CRS).geometry)
    near = grids.to_crs(CRS).boundary.buffer(1.02)
    assert change.difference(near).area.max() < 1e-3


def test_invalid_subzones_are_mended_and_parted(shared_data: Path) -> None:
    drawn = gpd.read_file(shared_data / "quirks" / "singapore_subzones_invalid.geojson")
    drawn = drawn[["geometry"]].assign(
        grid_code=[f"{number:03}" for number in range(len(drawn))], parent="city"
    )
    hull = shapely.union_all(shapely.make_valid(drawn.geometry.to_numpy()))
    city = gpd.GeoDataFrame({"code": ["city"]}, geometry=[hull], crs=drawn.crs)
    assert set(check(drawn, city)["kind"]) == {"invalid", "overlap"}
    fitted = fit(drawn, city)
    assert_tiles_in(fitted, city)
    assert kinds(fitted)["invalid"] == 6
