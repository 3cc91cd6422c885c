"""Many points located, what is near and within, divisions step by step, catchments."""

from __future__ import annotations

import csv
import io
import json
import math
import random
import time
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest
import shapely
from fastapi.testclient import TestClient
from sqlalchemy import func, insert, select, update

from service.app import create_app
from service.db.engine import Database
from service.divisions.models import Dataset, Division
from service.households.models import Assignment, Household
from service.places.models import Facility
from service.settings import Settings
from service.teams.models import Member

DEGREE_M = 111_319.49
GEOJSON = {"Content-Type": "application/geo+json"}
CSV = {"Content-Type": "text/csv"}


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def polygon(west: float, south: float, east: float, north: float) -> dict[str, Any]:
    return shapely.geometry.mapping(shapely.box(west, south, east, north))


# many points


def test_points_of_a_table_get_their_grids(reader: TestClient) -> None:
    body = (
        "name,lon,lat\n"
        "inside,0.001,0.005\n"
        "border,0.005,0.001\n"
        '"far, ""far"" away",0.03,0.005\n'
        "corner,0.02,0.01\n"
    )
    response = reader.post("/locate", content=body, headers=CSV)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    found = rows(response.text)
    assert [each["name"] for each in found] == ["inside", "border", 'far, "far" away', "corner"]
    assert [each["grid_code"] for each in found] == ["C1001", "C1001", "", "C2001"]
    assert [each["on_boundary"] for each in found] == ["false", "true", "", "true"]
    assert found[0]["community_code"] == "C1"
    assert [each["nearest_code"] for each in found] == [""] * 4
    near = rows(reader.post("/locate?nearest=true", content=body, headers=CSV).text)
    assert near[2]["nearest_code"] == "C2001"
    assert float(near[2]["distance_m"]) == pytest.approx(0.01 * DEGREE_M, rel=1e-4)
    assert near[0]["nearest_code"] == ""


def test_points_as_features_keep_what_they_bring(reader: TestClient) -> None:
    point = {"type": "Point", "coordinates": [0.006, 0.005, 12.0]}
    feature = {"type": "Feature", "id": 7, "geometry": point, "properties": {"name": "井"}}
    document = {"type": "FeatureCollection", "features": [feature, {**feature, "properties": None}]}
    response = reader.post("/locate", json=document, headers=GEOJSON)
    first, second = response.json()["features"]
    assert first["id"] == 7
    assert first["geometry"] == point
    assert first["properties"] == {
        "name": "井",
        "grid_code": "C1002",
        "community_code": "C1",
        "on_boundary": False,
        "nearest_code": None,
        "distance_m": None,
    }
    assert second["properties"]["grid_code"] == "C1002"


def test_points_are_located_as_one_by_one(reader: TestClient) -> None:
    draw = random.Random(3)  # noqa: S311
    places = [(draw.uniform(-0.002, 0.024), draw.uniform(-0.002, 0.012)) for _ in range(60)]
    places += [(0.005, 0.002), (0.01, 0.0), (0.0, 0.01)]
    body = "lon,lat\n" + "".join(f"{lon!r},{lat!r}\n" for lon, lat in places)
    found = rows(reader.post("/locate?nearest=true", content=body, headers=CSV).text)
    for (lon, lat), told in zip(places, found, strict=True):
        alone = reader.get(f"/locate?lon={lon!r}&lat={lat!r}").json()
        grid, nearest = alone["grid"], alone["nearest"]
        assert told["grid_code"] == (grid["code"] if grid else "")
        assert told["nearest_code"] == (nearest["code"] if nearest else "")
        if nearest:
            assert float(told["distance_m"]) == pytest.approx(nearest["distance_m"], abs=0.01)


def test_points_on_another_day(reader: TestClient) -> None:
    body = "lon,lat\n0.001,0.005\n"
    for days, code in ((0, "C1001"), (5, "C1001"), (11, "")):
        day = date.today() - timedelta(days=days)
        found = rows(reader.post(f"/locate?at={day}", content=body, headers=CSV).text)
        assert found[0]["grid_code"] == code


def test_a_formula_in_a_table_stays_text(reader: TestClient) -> None:
    body = "name,lon,lat,height,=2+2\n=1+1,0.001,0.005,-5.5,\n"
    (found,) = rows(reader.post("/locate", content=body, headers=CSV).text)
    assert (found["name"], found["height"]) == ("'=1+1", "-5.5")
    assert "'=2+2" in found


def test_empty_cells_beyond_the_heading_are_nothing(reader: TestClient) -> None:
    for body in ("lon,lat\n0.001,0.005,,\n", "lon,lat,,\n0.001,0.005,,\n"):
        (found,) = rows(reader.post("/locate", content=body, headers=CSV).text)
        assert found["grid_code"] == "C1001"
        assert list(found)[:3] == ["lon", "lat", "grid_code"]


@pytest.mark.parametrize(
    ("body", "headers", "status", "says"),
    [
        ("lon,lat\n1,x\n", CSV, 400, "Row 1: lat"),
        ("lon,lat\n1,2\n1\n", CSV, 400, "Row 2: lat"),
        ("lon,lat\n1,nan\n", CSV, 400, "Row 1"),
        ("lon,lat\n181,2\n", CSV, 400, "Row 1"),
        ("x,y\n1,2\n", CSV, 400, "'lon'"),
        ('lon,lat,name\n1,2,"well\n3,4,pump\n', CSV, 400, "unexpected end"),
        ("lon,lat,,\n1,2,,well\n", CSV, 400, "Row 1 has more cells"),
        (
            '{"type":"FeatureCollection","features":[{"geometry":'
            '{"type":"Point","coordinates":[200,1]}}]}',
            GEOJSON,
            400,
            "Feature 1: 200.0, 1.0",
        ),
        ("lon,lat,lon\n1,2,3\n", CSV, 400, "more than one column 'lon'"),
        ("name,lon,lat\nMain Street, 3,1,2\n", CSV, 400, "Row 1 has more cells"),
        (b"lon,lat\n\xff,1\n", CSV, 400, "UTF-8"),
        ("{}", GEOJSON, 400, "feature collection"),
        ("[]", GEOJSON, 400, "object"),
        ("{", GEOJSON, 400, "JSON"),
        ('{"type":"FeatureCollection","features":[1]}', GEOJSON, 400, "Feature 1"),
        (
            '{"type":"FeatureCollection","features":[{"geometry":'
            '{"type":"Point","coordinates":[true,1]}}]}',
            GEOJSON,
            400,
            "Feature 1",
        ),
        ("lon,lat\n1,2\n", {"Content-Type": "text/plain"}, 415, "text/csv"),
        ("", CSV, 400, "empty"),
    ],
)
def test_points_that_cannot_be_read_are_refused(
    reader: TestClient, body: str | bytes, headers: dict[str, str], status: int, says: str
) -> None:
    response = reader.post("/locate", content=body, headers=headers)
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert says in response.json()["detail"]


def test_a_hundred_thousand_points_and_no_more(reader: TestClient) -> None:
    line = "0.0012,0.005\n"
    body = "lon,lat\n" + line * 100_000
    found = reader.post("/locate", content=body, headers=CSV)
    assert found.status_code == 200
    assert found.text.count("C1001") == 100_000
    refused = reader.post("/locate", content=body + line, headers=CSV)
    assert refused.status_code == 400
    assert "100,000" in refused.json()["detail"]
    assert reader.post("/locate", content="lon,lat\n", headers=CSV).text.count("\n") == 1


# near and within


def test_facilities_near_a_place(reader: TestClient) -> None:
    (found,) = reader.get("/nearest?lon=0.004&lat=0.004&of=facilities").json()
    assert (found["facility"], found["kind"]) == ("F1", "service_centre")
    assert found["distance_m"] == pytest.approx(0.002 * 110_574, rel=1e-3)
    assert reader.get("/nearest?lon=0&lat=0&of=facilities&kind=clinic").json() == []
    assert reader.get("/nearest?lon=0&lat=0&of=facilities&role=police").status_code == 400
    assert reader.get("/nearest?lon=0&lat=0&kind=clinic").status_code == 400
    assert reader.get("/nearest?lon=0&lat=0&of=shops").status_code == 400


@pytest.mark.parametrize("of", ["members", "facilities"])
def test_more_than_the_most_near_a_place_is_the_most(town: Settings, of: str) -> None:
    with Database(town) as database, database.session() as session:
        kind = Member if of == "members" else Facility
        shapes = [f"SRID=4326;POINT({n / 10_000} 0.001)" for n in range(150)]
        own = {"roles": ["guide"]} if of == "members" else {}
        values = [
            {"dataset_id": 1, "reference": f"N{n}", "geometry": shape, **own}
            for n, shape in enumerate(shapes)
        ]
        session.execute(insert(kind), values)
        matched = session.scalar(select(func.count(kind.geometry)))
    with TestClient(create_app(town), base_url="http://127.0.0.1:8000") as client:
        for limit, returned in ((7, 7), (100, 100), (101, 100), (5_000, 100), ("9" * 40, 100)):
            found = client.get(f"/nearest?lon=0&lat=0&of={of}&limit={limit}")
            assert found.status_code == 200
            assert len(found.json()) == returned
            assert found.headers["OGC-NumberReturned"] == str(returned)
            assert found.headers["OGC-NumberMatched"] == str(matched)
        for limit in ("0", "-3", "x", "1.5", "5.0", "1_0", "%D9%A5", ""):
            refused = client.get(f"/nearest?lon=0&lat=0&of={of}&limit={limit}")
            assert refused.status_code == 400


def test_too_many_to_count_are_not_counted(town: Settings) -> None:
    with Database(town) as database, database.session() as session:
        shape = "SRID=4326;POINT(0.001 0.001)"
        values = [
            {"dataset_id": 1, "reference": f"N{n}", "kind": "tree", "geometry": shape}
            for n in range(10_001)
        ]
        session.execute(insert(Facility), values)
    with TestClient(create_app(town), base_url="http://127.0.0.1:8000") as client:
        trees = client.get("/nearest?lon=0&lat=0&of=facilities&kind=tree")
        assert trees.headers["OGC-NumberReturned"] == "5"
        assert "OGC-NumberMatched" not in trees.headers


def test_more_than_the_most_within_an_area_is_the_most(reader: TestClient) -> None:
    area = polygon(0, 0, 0.02, 0.01)
    all_of_it = reader.post("/within", json=area, headers=GEOJSON).json()
    assert all_of_it["numberReturned"] == {"records": 10, "members": 2, "facilities": 1}
    circle = "/within?lon=0.01&lat=0.005&radius_m=1200"
    for limit in (10_001, "9" * 40):
        assert reader.post(f"/within?limit={limit}", json=area, headers=GEOJSON).json() == all_of_it
        assert len(reader.get(f"{circle}&limit={limit}").json()["households"]) == 11
    few = reader.post("/within?limit=1", json=area, headers=GEOJSON).json()
    assert few["numberReturned"] == {"records": 1, "members": 1, "facilities": 1}
    assert few["counts"] == all_of_it["counts"]
    for limit in ("-1", "x", "1.5", "5.0", "1_0", ""):
        assert reader.get(f"{circle}&limit={limit}").status_code == 400


def star(corners: int) -> dict[str, Any]:
    """Each edge crosses nearly each other."""
    turn = math.pi * (corners - 1) / corners
    ring = [[math.cos(n * turn) * 0.02, math.sin(n * turn) * 0.02] for n in range(corners)]
    return {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}


def test_edges_that_cross_are_mended_soon_or_refused(reader: TestClient) -> None:
    began = time.perf_counter()
    assert reader.post("/within", json=star(49), headers=GEOJSON).status_code == 200
    refused = reader.post("/within", json=star(51), headers=GEOJSON)
    assert refused.status_code == 400
    assert "cross" in refused.json()["detail"]
    assert time.perf_counter() - began < 5


def test_within_a_polygon(reader: TestClient) -> None:
    area = polygon(0, 0, 0.005, 0.01)
    found = reader.post("/within", json=area, headers=GEOJSON).json()
    assert found["counts"] == {
        "records": 3,
        "households": 3,
        "members": 1,
        "facilities": 1,
        "grids": 2,
    }
    assert [each["reference"] for each in found["households"]] == ["H00", "H01", "H02"]
    assert found["households"][0]["grid_code"] == "C1001"
    assert [each["reference"] for each in found["members"]] == ["M1"]
    assert found["area_m2"] == pytest.approx(0.005 * 0.01 * DEGREE_M * 110_574, rel=1e-3)
    feature = {"type": "Feature", "properties": {}, "geometry": area}
    assert reader.post("/within", json=feature, headers=GEOJSON).json() == found
    few = reader.post("/within?limit=1", json=area, headers=GEOJSON).json()
    assert few["counts"] == found["counts"]
    assert len(few["households"]) == 1
    multi = {"type": "MultiPolygon", "coordinates": [area["coordinates"]]}
    assert reader.post("/within", json=multi, headers=GEOJSON).json() == found


def test_within_a_radius_by_metres_on_the_spheroid(town: Settings) -> None:
    """At 60 degrees a degree of longitude is half as long as one of latitude."""
    draw = random.Random(5)  # noqa: S311
    places = [(30 + draw.uniform(-0.02, 0.02), 60 + draw.uniform(-0.01, 0.01)) for _ in range(300)]
    with Database(town) as database, database.session() as session:
        values = [
            {"dataset_id": 1, "reference": f"N{n}", "geometry": f"SRID=4326;POINT({x} {y})"}
            for n, (x, y) in enumerate(places)
        ]
        session.execute(insert(Household), values)
        place = func.geography(func.ST_SetSRID(func.ST_MakePoint(30, 60), 4326))
        metres = func.ST_Distance(func.geography(Household.geometry), place)
        expected = session.scalar(select(func.count()).where(metres <= 700))
    with TestClient(create_app(town), base_url="http://127.0.0.1:8000") as client:
        found = client.get("/within?lon=30&lat=60&radius_m=700&limit=0").json()
    assert 20 < found["counts"]["records"] == expected < 300
    assert found["households"] == []


@pytest.mark.parametrize(("radius", "grids"), [(1e-9, 1), (50, 1), (120, 2), (700, 3)])
def test_a_radius_within_a_grid_meets_it(reader: TestClient, radius: float, grids: int) -> None:
    found = reader.get(f"/within?lon=0.004&lat=0.004&radius_m={radius}").json()
    assert found["counts"]["grids"] == grids
    assert found["counts"]["members"] == 1


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"type": "Point", "coordinates": [0, 0]},
        {"type": "Polygon", "coordinates": []},
        {"type": "Polygon", "coordinates": [[]]},
        {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 1]]]},
        {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 91], [0, 0]]]},
        {"type": "Polygon", "coordinates": [[[0, 0], [1, "a"], [1, 1], [0, 0]]]},
        {"type": "MultiPolygon", "coordinates": [[0]]},
        {"type": "Feature", "geometry": None},
        [],
    ],
)
def test_what_is_no_area_is_refused(reader: TestClient, body: Any) -> None:
    response = reader.post("/within", json=body, headers=GEOJSON)
    assert response.status_code == 400
    assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("step", [30, 90])
def test_the_whole_earth_is_an_area(reader: TestClient, step: int) -> None:
    eastward = list(range(-180, 181, step))
    ring = [[x, -90] for x in eastward] + [[x, 90] for x in reversed(eastward)]
    area = {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}
    answer = reader.post("/within", json=area, headers=GEOJSON)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert found["counts"]["records"] == 11
    assert found["area_m2"] == pytest.approx(510_065_621.7e6, rel=1e-6)


@pytest.mark.parametrize(
    ("ring", "grids"),
    [
        ([[0, 0], [0, 0], [0, 0], [0, 0]], 1),
        ([[0, 0], [0.02, 0.01], [0, 0], [0, 0]], 3),
        ([[0, 90], [90, 90], [179, 90], [0, 90]], 0),
    ],
)
def test_an_area_of_nothing_holds_what_it_touches(
    reader: TestClient, ring: list[list[float]], grids: int
) -> None:
    area = {"type": "Polygon", "coordinates": [ring]}
    found = reader.post("/within", json=area, headers=GEOJSON).json()
    assert (found["area_m2"], found["counts"]["grids"]) == (0, grids)


@pytest.mark.parametrize("query", ["", "lon=0&lat=0", "lon=0&lat=0&radius_m=0", "radius_m=5"])
def test_a_radius_needs_a_place_and_metres(reader: TestClient, query: str) -> None:
    assert reader.get(f"/within?{query}").status_code == 400


# divisions


def test_coverage_leads_from_the_top_down_to_the_grids(reader: TestClient) -> None:
    top = reader.get("/coverage").json()
    assert top["division"] is None
    (street,) = top["divisions"]
    assert (street["code"], street["communities"], street["grids"]) == ("S1", 2, 3)
    step = reader.get(street["href"]).json()
    assert [each["code"] for each in step["path"]] == ["S1"]
    assert [each["code"] for each in step["divisions"]] == ["C1", "C2"]
    assert step["division"] == street
    community = reader.get(step["divisions"][0]["href"]).json()
    assert [each["code"] for each in community["path"]] == ["S1", "C1"]
    assert [each["grid_code"] for each in community["grids"]] == ["C1001", "C1002"]
    assert community["divisions"] == []
    assert reader.get("/coverage/nothing").status_code == 404
    assert reader.get("/coverage?dataset=Nowhere").json()["divisions"] == []


def test_figures_of_divisions_add_up(reader: TestClient) -> None:
    street = reader.get("/coverage/S1").json()
    sums = ("communities", "grids", "grids_out_of_range", "records", "households")
    sums += ("posts_required", "posts_filled", "vacancies", "records_unserved")
    for name in sums:
        assert street["division"][name] == sum(each[name] for each in street["divisions"])
    assert street["division"]["records"] == 10
    assert street["division"]["vacancies"] == 5
    assert street["division"]["grids_out_of_range"] == 1, "five households, four at most"
    for each in street["divisions"]:
        grids = reader.get(each["href"]).json()["grids"]
        for name in ("records", "households", "posts_required", "posts_filled", "vacancies"):
            assert each[name] == sum(grid[name] for grid in grids)


@pytest.fixture
def county(town: Settings) -> Iterator[TestClient]:
    """The town below a county, a city and a province, with a second street beside its own.

    Two households have no grid: one lies in the second community, one on the border of both.
    """
    with Database(town) as database, database.session() as session:
        shape = session.scalar(select(Division.geometry).where(Division.code == "S1"))
        above = None
        for code, level in (("P", "province"), ("PC", "city"), ("PCC", "county"), ("S2", "street")):
            values = {"code": code, "name": code, "level": level, "parent": above}
            rank = None if above is None else {"city": 1, "county": 2, "street": 3}[level]
            session.add(Division(dataset_id=1, geometry=shape, parent_rank=rank, **values))
            session.flush()
            above = code
        session.execute(
            update(Division).where(Division.code == "S1").values(parent="PCC", parent_rank=3)
        )
        for reference, x in (("on", 0.01), ("in", 0.012)):
            household = Household(
                dataset_id=1, reference=reference, geometry=f"SRID=4326;POINT({x} 0.002)"
            )
            session.add(household)
            session.flush()
            session.add(Assignment(household_id=household.id, method="exception", reason="no grid"))
    with TestClient(create_app(town), base_url="http://127.0.0.1:8000") as client:
        yield client


def test_every_step_down_adds_up(county: TestClient) -> None:
    sums = ("communities", "grids", "grids_out_of_range", "records", "households")
    sums += ("posts_required", "posts_filled", "vacancies", "records_unserved")
    levels = []
    step = county.get("/coverage").json()
    (current,) = step["divisions"]
    while current["level"] != "community":
        levels.append(current["level"])
        step = county.get(current["href"]).json()
        assert step["division"] == current
        assert [each["level"] for each in step["path"]] == levels
        assert {each["parent"] for each in step["divisions"]} == {current["code"]}
        for name in sums:
            assert current[name] == sum(each[name] for each in step["divisions"]), name
        assert (current["records"], current["records_unserved"]) == (10, 2)
        current = max(step["divisions"], key=lambda each: each["records"])
    assert levels == ["province", "city", "county", "street"]
    unserved = [each["records_unserved"] for each in step["divisions"]]
    assert unserved == [1, 1], "on the border it counts in the lowest code"
    empty = county.get("/coverage/S2").json()
    assert empty["division"]["records"] == empty["division"]["communities"] == 0
    assert empty["divisions"] == empty["grids"] == []


def test_households_without_a_grid_count_where_they_lie(town: Settings) -> None:
    with TestClient(create_app(town), base_url="http://127.0.0.1:8000") as client:
        created = client.post(
            "/collections/households/items",
            json={
                "type": "Feature",
                "geometry": {"type": "Point", "coordinates": [0.015, 0.005]},
                "properties": {"reference": "N1"},
            },
            headers=GEOJSON,
        )
        assert created.status_code == 201
        assert client.get("/coverage/C2").json()["division"]["records_unserved"] == 0
        retired = client.post("/plans/1/retire", json={"on": str(date.today())})
        assert retired.status_code == 200
        body = {"grid_code": None}
        assert client.put("/households/N1/assignment", json=body).json()["method"] == "exception"
        figures = client.get("/coverage/C2").json()["division"]
        assert (figures["grids"], figures["records"], figures["records_unserved"]) == (0, 0, 1)


# catchments


@pytest.fixture(scope="module")
def clinics(shared_town: Settings) -> TestClient:
    """Two clinics in the town, at 0.005 and 0.015 degrees east."""
    with Database(shared_town) as database, database.session() as session:
        for reference, x in (("K1", 0.005), ("K2", 0.015)):
            values = {"dataset_id": 1, "reference": reference, "kind": "clinic"}
            shape = f"SRID=4326;POINT({x} 0.005)"
            session.execute(insert(Facility).values(**values, geometry=shape))
    with TestClient(create_app(shared_town), base_url="http://127.0.0.1:8000") as client:
        yield client


def test_catchments_share_the_land(clinics: TestClient) -> None:
    one, other = (clinics.get(f"/catchment?facility={name}").json() for name in ("K1", "K2"))
    assert one["properties"]["records"] + other["properties"]["records"] == 10
    assert one["properties"]["records"] == 5
    shapes = [shapely.geometry.shape(each["geometry"]) for each in (one, other)]
    assert shapes[0].bounds == pytest.approx((0, 0, 0.01, 0.01), abs=1e-6)
    assert shapely.area(shapely.intersection(*shapes)) < 1e-12
    assert shapely.area(shapely.union(*shapes)) == pytest.approx(0.0002)
    assert one["properties"]["max_distance_m"] == pytest.approx(0.0047 * DEGREE_M, rel=0.05)
    near = clinics.get("/catchment?facility=K1&max_distance_m=250").json()
    assert near["properties"]["records"] == 2
    assert near["properties"]["max_distance_m"] <= 250


def test_a_facility_alone_of_its_kind_serves_all(clinics: TestClient) -> None:
    found = clinics.get("/catchment?facility=F1&dataset=Town").json()
    assert found["properties"]["records"] == 10
    assert found["properties"]["area_m2"] == pytest.approx(0.0002 * DEGREE_M * 110_574, rel=1e-3)


def test_a_catchment_needs_one_facility(clinics: TestClient, shared_town: Settings) -> None:
    assert clinics.get("/catchment?facility=nothing").status_code == 404
    assert clinics.get("/catchment?facility=%00").status_code == 404
    assert clinics.get("/catchment").status_code == 400
    with Database(shared_town) as database, database.session() as session:
        session.add(Dataset(id=9, name="Elsewhere"))
        session.flush()
        shape = "SRID=4326;POINT(50 50)"
        values = {"dataset_id": 9, "reference": "K1", "kind": "clinic"}
        session.execute(insert(Facility).values(**values, geometry=shape))
    assert clinics.get("/catchment?facility=K1").status_code == 409
    assert clinics.get("/catchment?facility=K1&dataset=Town").status_code == 200
    empty = clinics.get("/catchment?facility=K1&dataset=Elsewhere").json()
    assert empty["geometry"] is None
    assert json.dumps(empty["properties"]["records"]) == "0"
