"""The look-ups on both sides of the antimeridian, and about the poles, over HTTP."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
import shapely
from fastapi.testclient import TestClient
from pyproj import Geod

GEOD = Geod(ellps="WGS84")
GEOJSON = {"Content-Type": "application/geo+json"}


def households(client: TestClient) -> list[tuple[float, float]]:
    features = client.get("/collections/households/items?limit=100").json()["features"]
    assert len(features) == 20
    return [tuple(each["geometry"]["coordinates"]) for each in features]


def metres(one: tuple[float, float], other: tuple[float, float]) -> float:
    return float(GEOD.inv(*one, *other)[2])


def test_a_facility_on_the_other_side_is_the_nearest(strait: TestClient) -> None:
    for lon, first in ((179.9998, "S1"), (-179.9999, "S1"), (179.9945, "K1")):
        found = strait.get(f"/nearest?lon={lon}&lat=0.005&of=facilities&limit=3").json()
        assert found[0]["facility"] == first
        away = [metres((lon, 0.005), (each["lon"], each["lat"])) for each in found]
        assert [each["distance_m"] for each in found] == pytest.approx(away, abs=1e-3)
        assert {each["facility"] for each in found} == {"K1", "K2", "S1"}


@pytest.mark.parametrize("lon", [179.9999, 180, -180, -179.9999])
def test_a_radius_reaches_across(strait: TestClient, lon: float) -> None:
    expected = sum(metres((lon, 0.005), each) <= 500 for each in households(strait))
    found = strait.get(f"/within?lon={lon}&lat=0.005&radius_m=500").json()
    assert found["counts"]["records"] == expected == len(found["households"]) > 6
    assert found["counts"]["grids"] == 2
    assert {each["lon"] > 0 for each in found["households"]} == {True, False}


def test_a_polygon_cut_at_the_antimeridian(strait: TestClient) -> None:
    area = shapely.MultiPolygon(
        [shapely.box(179.997, 0, 180, 0.01), shapely.box(-180, 0, -179.997, 0.01)]
    )
    found = strait.post("/within", json=shapely.geometry.mapping(area), headers=GEOJSON).json()
    assert found["counts"] == {
        "records": 6, "households": 6, "members": 0, "facilities": 2, "grids": 2
    }  # fmt: skip
    beyond = shapely.geometry.mapping(shapely.box(179.997, 0, 180.003, 0.01))
    refused = strait.post("/within", json=beyond, headers=GEOJSON)
    assert refused.status_code == 400
    assert "parted there" in refused.json()["detail"]


def test_the_nearest_grid_lies_on_the_other_side(strait: TestClient) -> None:
    """North of one grid by 9 km, and of the other by less: but that is beyond the line."""
    places = [(179.985, 0.02), (-179.985, 0.02), (179.9999, 0.02), (-170.0, 0.0), (170.0, 0.0)]
    body = "lon,lat\n" + "".join(f"{lon},{lat}\n" for lon, lat in places)
    told = strait.post(
        "/locate?nearest=true", content=body, headers={"Content-Type": "text/csv"}
    ).text
    batch = list(csv.DictReader(io.StringIO(told)))
    assert [each["nearest_code"] for each in batch] == ["A001", "A002", "A001", "A002", "A001"]
    for (lon, lat), each in zip(places, batch, strict=True):
        alone = strait.get(f"/locate?lon={lon}&lat={lat}").json()["nearest"]
        assert each["nearest_code"] == alone["code"]
        assert float(each["distance_m"]) == pytest.approx(alone["distance_m"], abs=0.01)


def test_far_in_the_east_the_nearest_grid_is_in_the_west(strait: TestClient) -> None:
    found = strait.get("/locate?lon=-179&lat=0.005").json()["nearest"]
    assert found["code"] == "A002"
    found = strait.get("/locate?lon=180&lat=0.0101").json()["nearest"]
    assert found["code"] == "A001", "as far from both: the lowest code"


def test_catchments_across_the_antimeridian(strait: TestClient) -> None:
    clinics = {"K1": (179.996, 0.005), "K2": (-179.998, 0.005)}
    near = [
        min(clinics, key=lambda name: metres(clinics[name], each)) for each in households(strait)
    ]
    area = 0.0
    for name in clinics:
        found = strait.get(f"/catchment?facility={name}").json()
        assert found["properties"]["records"] == near.count(name) > 0
        area += found["properties"]["area_m2"]
        shape = shapely.geometry.shape(found["geometry"])
        assert shape.is_valid
        assert all(part.bounds[2] - part.bounds[0] < 0.011 for part in shapely.get_parts(shape))
    west = shapely.box(-180, 0, -179.99, 0.01)
    assert area == pytest.approx(2 * abs(GEOD.geometry_area_perimeter(west)[0]), rel=1e-6)
    alone = strait.get("/catchment?facility=S1").json()["properties"]
    assert alone["records"] == 20
    assert alone["area_m2"] == pytest.approx(area, rel=1e-6)


@pytest.mark.parametrize("reach", [60, 400, 890, 5000])
def test_a_catchment_with_a_distance_across_the_antimeridian(
    strait: TestClient, reach: int
) -> None:
    school = (-179.9999, 0.005)
    expected = [away for each in households(strait) if (away := metres(school, each)) <= reach]
    found = strait.get(f"/catchment?facility=S1&max_distance_m={reach}").json()
    assert found["properties"]["records"] == len(expected)
    assert found["properties"]["max_distance_m"] == pytest.approx(max(expected), abs=1e-3)
    shape = shapely.geometry.shape(found["geometry"])
    assert shape.bounds[0] == -180
    assert shape.bounds[2] == 180 or reach < 12


@pytest.mark.parametrize("name", ["P1", "P2"])
@pytest.mark.parametrize("query", ["", "&max_distance_m=100000", "&max_distance_m=1"])
def test_a_facility_at_a_pole_has_an_answer(strait: TestClient, name: str, query: str) -> None:
    found = strait.get(f"/catchment?facility={name}{query}")
    assert found.status_code == 200, found.text
    assert found.json()["properties"]["records"] in ((0, 20) if not query else (0,))


def test_about_a_pole_every_longitude_is_near(strait: TestClient) -> None:
    found: list[dict[str, Any]] = strait.get(
        "/nearest?lon=100&lat=89.9999&of=facilities&limit=2"
    ).json()
    assert [each["facility"] for each in found] == ["P1", "P2"]
    within = strait.get("/within?lon=100&lat=89.9999&radius_m=40").json()
    assert within["counts"]["facilities"] == 2
    assert strait.get("/within?lon=0&lat=-90&radius_m=100000").status_code == 200
