"""Datums: the conversions against known points and their inverses; the choice of the best fit."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from geodata.datum import (
    best_datum,
    from_wgs84,
    is_ballpark,
    parse_crs,
    same_crs,
    to_wgs84,
)

METRES_PER_DEGREE = 111_320.0


def metres_apart(one: tuple, other: tuple) -> float:
    (lon, lat), (other_lon, other_lat) = one, other
    east = (np.asarray(lon) - other_lon) * np.cos(np.radians(lat))
    return float(np.max(np.hypot(east, np.asarray(lat) - other_lat)) * METRES_PER_DEGREE)


@given(
    lon=st.floats(73.0, 136.0),
    lat=st.floats(2.0, 54.0),
    crs=st.sampled_from(["gcj02", "bd09"]),
)
@settings(max_examples=200, deadline=None)
def test_the_inverse_undoes_the_offset_within_a_millimetre(
    lon: float, lat: float, crs: str
) -> None:
    there = from_wgs84([lon], [lat], crs)
    assert metres_apart(to_wgs84(*there, crs), ([lon], [lat])) < 1e-3


@pytest.mark.parametrize(
    ("crs", "lowest", "highest"), [("gcj02", 250.0, 720.0), ("bd09", 700.0, 1400.0)]
)
def test_the_offset_in_chinese_cities_is_as_wide_as_known(
    crs: str, lowest: float, highest: float
) -> None:
    lon = np.array([116.39, 121.47, 113.26, 104.06, 120.15, 114.30, 87.62, 126.53])
    lat = np.array([39.91, 31.23, 23.13, 30.57, 30.27, 30.59, 43.82, 45.80])
    x, y = from_wgs84(lon, lat, crs)
    offset = np.hypot((x - lon) * np.cos(np.radians(lat)), y - lat) * METRES_PER_DEGREE
    assert lowest < offset.min()
    assert offset.max() < highest


def test_tiananmen() -> None:
    # the gate as GPS and as Chinese web maps give it, to the metre that web maps print
    gcj = from_wgs84([116.39123], [39.90755], "gcj02")
    assert metres_apart(gcj, ([116.39747], [39.90895])) < 2.0


def test_gcj02_is_wgs84_outside_china() -> None:
    lon, lat = np.array([-71.1, 139.7, 2.3, 100.0]), np.array([42.4, 35.7, 48.9, -5.0])
    x, y = from_wgs84(lon, lat, "gcj02")
    np.testing.assert_array_equal(x, lon)
    np.testing.assert_array_equal(y, lat)
    x, y = to_wgs84(lon, lat, "gcj02")
    np.testing.assert_array_equal(x, lon)
    np.testing.assert_array_equal(y, lat)


def test_longitude_comes_first_whatever_the_authority_says() -> None:
    lon, lat = to_wgs84([250_000.0], [2_655_000.0], "EPSG:3826")
    assert lon[0] == pytest.approx(121.0, abs=1e-6)
    assert 23.5 < lat[0] < 24.5
    lon, lat = to_wgs84([116.0], [40.0], "EPSG:4490")
    assert (lon[0], lat[0]) == pytest.approx((116.0, 40.0), abs=1e-6)


def test_what_cannot_be_converted_is_not_finite() -> None:
    lon, lat = to_wgs84([np.nan, 1e30], [1.0, 1e30], "EPSG:3826")
    assert not np.isfinite(lon).any()
    assert len(to_wgs84([], [], "gcj02")[0]) == 0
    lon, lat = to_wgs84([np.nan, 116.0], [1.0, 40.0], "bd09")
    assert np.isnan(lon[0])
    assert np.isfinite([lon[1], lat[1]]).all()


def test_tokyo_and_taiwan_datums_move_by_what_is_known() -> None:
    moved = to_wgs84([139.74], [35.65], "EPSG:4301")
    assert 400.0 < metres_apart(moved, ([139.74], [35.65])) < 500.0
    # TWD67 -> TWD97 on the TM2 grid: about 828 m east and 207 m south
    lon, lat = to_wgs84([250_000.0], [2_655_032.3], "EPSG:3828")
    x, y = from_wgs84(lon, lat, "EPSG:3826")
    assert x[0] - 250_000.0 == pytest.approx(828.0, abs=5.0)
    assert y[0] - 2_655_032.3 == pytest.approx(-207.0, abs=5.0)
    back = from_wgs84(lon, lat, "EPSG:3828")
    assert back[0][0] == pytest.approx(250_000.0, abs=0.02)


def test_conversions_that_nobody_knows_are_told() -> None:
    assert is_ballpark("EPSG:4610", 116.0, 40.0)  # Xian 1980
    assert not is_ballpark("EPSG:4490", 116.0, 40.0)  # CGCS2000 is WGS84 within decimetres
    assert not is_ballpark("EPSG:3828", 250_000.0, 2_650_000.0)
    assert not is_ballpark("EPSG:4301", 139.7, 35.7)
    assert not is_ballpark("gcj02", 116.0, 40.0)


def test_names_of_crs() -> None:
    assert parse_crs(4326) == parse_crs("epsg:4326") == parse_crs("4326") == "EPSG:4326"
    assert parse_crs("GCJ-02") == parse_crs("gcj02") == "gcj02"
    assert parse_crs("BD 09") == "bd09"
    assert same_crs("OGC:CRS84", "EPSG:4326")
    assert not same_crs("gcj02", "EPSG:4326")
    with pytest.raises(ValueError, match="no known CRS"):
        parse_crs("nowhere")


# -- the best fit ---------------------------------------------------------------------------------


def checkerboard(lon: float, lat: float, side: int = 8, degrees: float = 0.008) -> gpd.GeoDataFrame:
    """``side`` x ``side`` square communities of about 800 m."""
    steps = np.arange(side)
    west, south = (lon + degrees * steps), (lat + degrees * steps)
    boxes = [shapely.box(x, y, x + degrees, y + degrees) for y in south for x in west]
    codes = [f"{number:03d}" for number in range(side * side)]
    names = [f"community {number % 50}" for number in range(side * side)]  # some names repeat
    return gpd.GeoDataFrame({"code": codes, "name": names}, geometry=boxes, crs=4326)


def homes(communities: gpd.GeoDataFrame, count: int = 2000) -> tuple:
    """Random points and the row of the community that each is in."""
    rng = np.random.default_rng(1)
    west, south, east, north = communities.total_bounds
    lon, lat = rng.uniform(west, east, count), rng.uniform(south, north, count)
    tree = shapely.STRtree(communities.geometry.array)
    which, polygon = tree.query(shapely.points(lon, lat), predicate="within")
    order = np.argsort(which)
    return lon[which[order]], lat[which[order]], polygon[order]


@pytest.mark.parametrize("true_crs", ["EPSG:4326", "gcj02", "bd09", "EPSG:3821"])
@pytest.mark.parametrize("declared", ["EPSG:4326", "gcj02"])
@pytest.mark.parametrize("column", ["code", "name"])
def test_the_datum_that_the_data_are_in_is_found(true_crs: str, declared: str, column: str) -> None:
    communities = checkerboard(120.2, 23.0)
    lon, lat, own = homes(communities)
    x, y = from_wgs84(lon, lat, true_crs)
    fit = best_datum(x, y, communities[column].iloc[own].tolist(), communities, declared)
    assert fit.best == true_crs
    assert fit.best_share > 0.99
    assert fit.better == (true_crs != declared)
    if fit.better:
        assert true_crs in fit.warning
        assert declared in fit.warning
        assert f"{fit.declared_share:.1%}" in fit.warning
    else:
        assert fit.warning is None


def test_codes_without_the_prefix_are_known() -> None:
    communities = checkerboard(120.2, 23.0)
    lon, lat, own = homes(communities)
    declared = communities["code"].iloc[own].tolist()
    prefixed = communities.assign(code="tn-" + communities["code"])
    fit = best_datum(lon, lat, declared, prefixed, "gcj02", prefix="tn-")
    assert (fit.best, fit.basis) == ("EPSG:4326", "declared community")


def test_without_declared_communities_any_community_counts() -> None:
    communities = checkerboard(120.2, 23.0, side=2)
    lon, lat, _ = homes(communities)
    x, y = from_wgs84(lon, lat, "gcj02")
    fit = best_datum(x, y, None, communities, "EPSG:4326")
    assert fit.basis == "any community"
    assert fit.best == "gcj02"
    assert fit.better
    unknown = best_datum(x, y, ["nowhere"] * len(x), communities, "EPSG:4326")
    assert unknown.basis == "any community"


def test_good_data_with_some_wrong_declarations_draw_no_warning() -> None:
    communities = checkerboard(120.2, 23.0)
    lon, lat, own = homes(communities)
    own[::10] = (own[::10] + 1) % len(communities)
    declared = communities["code"].iloc[own].tolist()
    assert best_datum(lon, lat, declared, communities, "EPSG:4326").warning is None


def test_no_points_no_warning() -> None:
    fit = best_datum([], [], None, checkerboard(120.2, 23.0), "EPSG:4326")
    assert (fit.points, fit.better) == (0, False)


def test_tokyo_shops_whose_datum_is_ignored(shared_data: Path) -> None:
    towns = gpd.read_file(shared_data / "quirks" / "r2ka13106.shp").to_crs(4326)
    towns = towns.rename(columns={"KEY_CODE": "code", "S_NAME": "name"})
    right = gpd.read_file(shared_data / "quirks" / "tokyo_shops_jgd2000.shp").to_crs(4326)
    wrong = gpd.read_file(shared_data / "quirks" / "tokyo_shops_tokyo.shp")
    inside = right.sjoin(towns[["code", "geometry"]])["code"]
    points = wrong.geometry.loc[inside.index]
    fit = best_datum(points.x, points.y, inside.to_numpy(), towns, "EPSG:4612")
    assert fit.best == "EPSG:4301"
    assert fit.better
    assert fit.best_share > 0.99
    assert fit.declared_share < 0.1
    assert "Tokyo" in fit.warning
