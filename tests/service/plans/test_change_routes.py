"""Drawings taken in, and grids split, merged and rebalanced, over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from shapely.geometry import shape
from sqlalchemy import text

from service.app import create_app
from service.db.engine import Database
from service.flows.assign import assign
from service.flows.delineate import delineate
from service.flows.load import load_dataset
from service.flows.staff import staff
from service.settings import Settings

#: 30 cm in degrees of latitude, there.
HAND = 0.3 / 111_200


@pytest.fixture
def client(settings: Settings, smallton: Any) -> Iterator[TestClient]:
    """The small town with grids in force, households assigned and teams."""
    with Database(settings) as database:
        load_dataset(database.session, smallton.manifest)
        with database.session() as session:
            delineate(session)
            assign(session)
            staff(session)
    with TestClient(create_app(settings), base_url="http://127.0.0.1:8000") as opened:
        yield opened


def drawing(*rings: list[tuple[float, float]], **properties: list[Any]) -> dict[str, Any]:
    return {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "properties": {name: values[at] for name, values in properties.items()},
                "geometry": {"type": "Polygon", "coordinates": [[*ring, ring[0]]]},
            }
            for at, ring in enumerate(rings)
        ],
    }


def strip(west: float, east: float) -> list[tuple[float, float]]:
    return [(west, 50.0), (east, 50.0), (east, 50.01), (west, 50.01)]


def test_a_drawing_becomes_a_draft_that_fits(client: TestClient) -> None:
    drawn = drawing(strip(0, 0.01 - HAND), strip(0.01, 0.0203 + HAND), zone=["W", "E"])
    answer = client.post("/plans", params={"name": "by hand", "code_column": "zone"}, json=drawn)
    assert answer.status_code == 201, answer.text
    told = answer.json()
    assert answer.headers["location"] == f"http://127.0.0.1:8000/plans/{told['plan']}"
    assert (told["state"], told["polygons"], told["faults"]) == ("draft", 2, {})
    assert told["fit"]["places"] == {"gap": 1, "stray": 1}
    moved = told["moved_places"]["features"]
    assert {each["properties"]["kind"] for each in moved} == {"gap", "stray"}
    assert client.get(f"/plans/{told['plan']}").json()["name"] == "by hand"
    assert client.post(f"/plans/{told['plan']}/validate").status_code == 200
    done = client.post(f"/plans/{told['plan']}/activate")
    assert done.status_code == 200
    assert done.json()["state"] == "active"
    # two of four grids go on, half of the households move
    assert done.json()["reassigned"] == 200


def test_faults_that_stay_have_their_places_and_keep_the_draft_from_ruling(
    client: TestClient,
) -> None:
    drawn = drawing(strip(0, 0.009), strip(0.01, 0.0203))
    told = client.post("/plans", json=drawn).json()
    assert told["faults"] == {"gap": 1}
    (fault,) = told["fault_places"]["features"]
    assert fault["geometry"]["type"] == "Polygon"
    assert fault["properties"]["area_m2"] == pytest.approx(79_600, rel=0.01)
    assert client.get(f"/plans/{told['plan']}/faults").json()["features"] != []
    refused = client.post(f"/plans/{told['plan']}/validate")
    assert refused.status_code == 409
    assert "has 1 fault, gap at 101" in refused.json()["detail"]
    assert client.post(f"/plans/{told['plan']}/activate").status_code == 409


def test_what_is_no_grid_is_no_draft(client: TestClient) -> None:
    bow = [(0.01, 50.0), (0.0203, 50.01), (0.0203, 50.0), (0.01, 50.01)]
    answer = client.post("/plans", json=drawing(strip(0, 0.01), bow, strip(3, 4)))
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    assert "no draft" in told["detail"].lower()
    places = told["fault_places"]["features"]
    kinds = {each["properties"]["kind"] for each in places}
    assert kinds == {"invalid", "stray", "gap"}
    assert len(client.get("/plans").json()) == 1
    mended = client.post("/plans", params={"repair": True}, json=drawing(strip(0, 0.01), bow))
    assert mended.status_code == 201
    assert mended.json()["repairs"] == {"invalid": 1}


@pytest.mark.parametrize(
    ("params", "body", "says"),
    [
        ({}, {"type": "FeatureCollection", "features": []}, "no polygon"),
        ({}, {"type": "Nonsense"}, "no valid GeoJSON"),
        ({}, drawing(strip(3, 4)), "none of its polygons lies in a community"),
        ({"code_column": "zone"}, drawing(strip(0, 0.01)), "field 'zone'"),
        ({"dataset": "Bigton"}, drawing(strip(0, 0.01)), "no data set 'Bigton'"),
        ({"fit": -1}, drawing(strip(0, 0.01)), "fit"),
        ({"colour": "red"}, drawing(strip(0, 0.01)), "colour"),
        (
            {},
            {
                "type": "Feature",
                "properties": {},
                "geometry": {"type": "Point", "coordinates": [0, 0]},
            },
            "",
        ),
    ],
)
def test_drawings_that_cannot_be_read(
    client: TestClient, params: dict[str, Any], body: dict[str, Any], says: str
) -> None:
    answer = client.post("/plans", params=params, json=body)
    assert answer.status_code in (400, 422), answer.text
    assert says in answer.json()["detail"]
    assert "gridward-" not in answer.text
    assert client.post("/plans", content=b"{", params=params).status_code == 400


def test_a_split_is_previewed_then_applied(client: TestClient) -> None:
    seen = client.post("/grids/101001/split")
    assert seen.status_code == 200, seen.text
    told = seen.json()
    assert (told["plan"], told["changed"], told["households_moved"]) == (None, True, 50)
    assert [side["grid_code"] for side in told["sides"]] == ["101001", "101005"]
    assert [side["households"] for side in told["sides"]] == [50, 50]
    assert told["posts_required"] == {"leader": 1, "police": 1}
    assert client.get("/grids/101005").status_code == 404

    done = client.post("/grids/101001/split", json={"keep": "active"}).json()
    assert done["plan"]["state"] == "active"
    assert done["plan"]["effective_from"] == date.today().isoformat()
    assert done["sides"] == told["sides"]
    # the team parted as it was shown
    for side in told["sides"]:
        held = client.get(f"/grids/{side['grid_code']}").json()
        assert held["households"] == 50
        assert {role: len(posts) for role, posts in held["team"].items()} == side["posts"]

    back = client.post("/grids/merge", json={"codes": ["101001", "101005"], "keep": "active"})
    assert back.status_code == 200
    assert back.json()["kinds"] == {"U": 3, "S": 0, "M": 2, "X": 0}
    assert client.get("/grids/101005").status_code == 404
    assert client.get("/grids/101001").json()["households"] == 100


def test_a_grid_is_split_along_a_line(client: TestClient) -> None:
    grids = client.get("/grids").json()["features"]
    (grid,) = (each for each in grids if each["properties"]["grid_code"] == "101001")
    west, south, east, north = shape(grid["geometry"]).bounds
    x = west + (east - west) / 4
    line = {"type": "LineString", "coordinates": [[x, south - 0.001], [x, north + 0.001, 3.5]]}
    told = client.post("/grids/101001/split", json={"along": line, "keep": "draft"})
    assert told.status_code == 200, told.text
    drawn = client.get(f"/plans/{told.json()['plan']['id']}/grids").json()["features"]
    parts = [
        shape(each["geometry"])
        for each in drawn
        if each["properties"]["grid_code"] in ("101001", "101005")
    ]
    less, more = sorted(parts, key=lambda part: part.area)
    # the ends of the border are led to corners that the neighbours have as well
    assert less.area / (less.area + more.area) == pytest.approx(0.25, abs=0.13)
    assert less.centroid.x < x < more.centroid.x
    assert less.union(more).symmetric_difference(shape(grid["geometry"])).area < 1e-12

    beside = {"type": "LineString", "coordinates": [[0, 0], [1, 1]]}
    answer = client.post("/grids/101001/split", json={"along": beside})
    assert (answer.status_code, "does not cut" in answer.json()["detail"]) == (400, True)
    for wrong in ({"type": "LineString", "coordinates": [[0, 0]]}, {"type": "Point"}, "across"):
        assert client.post("/grids/101001/split", json={"along": wrong}).status_code == 400
    order = {"along": line, "parts": 3}
    assert "in two" in client.post("/grids/101001/split", json=order).json()["detail"]


def test_a_split_on_a_day_to_come_leaves_today_as_it_is(client: TestClient) -> None:
    day = date.today() + timedelta(days=9)
    place = {"lon": 0.0002, "lat": 50.0002}
    code = client.get("/locate", params=place).json()["grid"]["code"]
    order = {"keep": "active", "on": day.isoformat()}
    done = client.post(f"/grids/{code}/split", json=order).json()
    assert done["plan"]["effective_from"] == day.isoformat()
    assert client.get(f"/grids/{code}").json()["households"] == 100
    codes = [
        client.get("/locate", params={**place, "at": each.isoformat()}).json()["grid"]["code"]
        for each in (date.today(), day)
    ]
    assert codes[0] == code
    assert codes[1] in (code, "101005")
    grids = [
        client.get(f"/plans/{plan}/grids", params={"at": day.isoformat()}).json()["features"]
        for plan in (1, done["plan"]["id"])
    ]
    assert [len(each) for each in grids] == [4, 5]
    assert client.post("/grids/101001/split", json={"on": day.isoformat()}).status_code == 400


def test_rebalance_over_http(client: TestClient, settings: Settings) -> None:
    (nothing,) = client.post("/rebalance").json()
    assert (nothing["changed"], nothing["plan"], nothing["sides"]) == (False, None, [])
    with Database(settings) as database, database.session() as session:
        session.execute(
            text(
                "INSERT INTO household (dataset_id, reference, households, geometry)"
                " SELECT 1, 'N', 40, ST_PointOnSurface(geometry) FROM current_grid"
                " WHERE code = '101002'"
            )
        )
    (told,) = client.post("/rebalance", json={"keep": "draft"}).json()
    assert (told["out_of_range_before"], told["out_of_range"]) == (15, 0)
    assert told["plan"]["state"] == "draft"
    assert 15 <= told["households_moved"] <= 80
    assert client.post("/rebalance", json={"communities": ["999"]}).status_code == 400


def test_orders_that_cannot_be(client: TestClient) -> None:
    assert client.post("/grids/101099/split").status_code == 404
    assert client.post("/grids/101001/split", json={"parts": 1}).status_code == 400
    assert client.post("/grids/101001/split", json={"part": 2}).status_code == 400
    assert client.post("/grids/merge", json={"codes": ["101001"]}).status_code == 400
    apart = client.post("/grids/merge", json={"codes": ["101001", "102001"]})
    assert apart.status_code == 400
    assert "several communities" in apart.json()["detail"]
