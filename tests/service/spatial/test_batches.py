"""A hundred thousand points at once: today and on a day before, inside, outside and on borders."""

from __future__ import annotations

import csv
import io
import json
import random
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient

from service.app import create_app
from service.settings import Settings

MOST = 100_000
CSV = {"Content-Type": "text/csv"}
GEOJSON = {"Content-Type": "application/geo+json"}
#: Columns of the town and their grids, with what the merged plan makes of them.
BORDERS = {0.0: "C1001", 0.005: "C1001", 0.01: "C1002", 0.02: "C2001"}


@pytest.fixture(scope="module")
def merged(shared_town: Settings) -> Iterator[TestClient]:
    """A client over the town, whose grids C1001 and C1002 are one from today on."""
    with TestClient(create_app(shared_town), base_url="http://127.0.0.1:8000") as client:
        order = {"codes": ["C1001", "C1002"], "keep": "active"}
        answer = client.post("/grids/merge", json=order)
        assert answer.status_code == 200, answer.text
        yield client


def places() -> list[tuple[float, float]]:
    """A hundred thousand points in the town, on its borders and around it."""
    draw = random.Random(11)  # noqa: S311
    borders = [(x, draw.uniform(0, 0.01)) for x in BORDERS for _ in range(1_000)]
    corners = [(x, y) for x in BORDERS for y in (0.0, 0.01)]
    rest = MOST - len(borders) - len(corners)
    free = [(draw.uniform(-0.01, 0.03), draw.uniform(-0.005, 0.015)) for _ in range(rest)]
    return [*borders, *corners, *free]


def before(lon: float, lat: float) -> tuple[str, bool]:
    """The grid of a point before the merger, and whether it lies on a boundary."""
    if not (0 <= lon <= 0.02 and 0 <= lat <= 0.01):
        return "", False
    if lon in BORDERS:
        return BORDERS[lon], True
    code = "C1001" if lon < 0.005 else "C1002" if lon < 0.01 else "C2001"
    return code, lat in (0.0, 0.01)


def today(lon: float, lat: float) -> tuple[str, bool]:
    code, border = before(lon, lat)
    if code == "C1002" or code == "C1001":
        return "C1001", border and not (lon == 0.005 and 0 < lat < 0.01)
    return code, border


@pytest.fixture(scope="module")
def many() -> list[tuple[float, float]]:
    return places()


@pytest.mark.parametrize(("days", "rule"), [(0, today), (1, before)])
def test_a_hundred_thousand_as_csv(
    merged: TestClient, many: list[tuple[float, float]], days: int, rule: Any
) -> None:
    body = "n,lon,lat\n" + "".join(f"{n},{x!r},{y!r}\n" for n, (x, y) in enumerate(many))
    day = date.today() - timedelta(days=days)
    answer = merged.post(f"/locate?at={day}", content=body, headers=CSV)
    assert answer.status_code == 200, answer.text
    found = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    assert [int(each["n"]) for each in found] == list(range(MOST))
    told = [(each["grid_code"], each["on_boundary"] == "true") for each in found]
    assert told == [rule(*each) for each in many]
    assert {each["community_code"] for each in found} == {"C1", "C2", ""}


@pytest.mark.parametrize(("days", "rule"), [(0, today), (1, before)])
def test_a_hundred_thousand_as_features(
    merged: TestClient, many: list[tuple[float, float]], days: int, rule: Any
) -> None:
    day = date.today() - timedelta(days=days)
    answer = merged.post(f"/locate?at={day}", content=features(many), headers=GEOJSON)
    assert answer.status_code == 200, answer.text
    found = answer.json()["features"]
    assert [each["properties"]["n"] for each in found] == list(range(MOST))
    assert [tuple(each["geometry"]["coordinates"]) for each in found] == many
    told = [each["properties"] for each in found]
    assert [(each["grid_code"] or "", bool(each["on_boundary"])) for each in told] == [
        rule(*each) for each in many
    ]
    assert all((each["grid_code"] is None) == (each["on_boundary"] is None) for each in told)


def features(points: list[tuple[float, float]]) -> str:
    rows = [
        {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": each},
            "properties": {"n": n},
        }
        for n, each in enumerate(points)
    ]
    return json.dumps({"type": "FeatureCollection", "features": rows})


def test_one_point_more_is_refused(merged: TestClient) -> None:
    said = set()
    for body, headers in (
        ("lon,lat\n" + "0.001,0.005\n" * (MOST + 1), CSV),
        (features([(0.001, 0.005)] * (MOST + 1)), GEOJSON),
    ):
        answer = merged.post("/locate", content=body, headers=headers)
        assert answer.status_code == 400
        said.add(answer.json()["detail"])
    assert said == {"There are more than 100,000 points: send them in parts."}


def test_single_points_on_the_day_before(merged: TestClient) -> None:
    yesterday = date.today() - timedelta(days=1)
    place = {"lon": 0.007, "lat": 0.005}
    assert merged.get("/locate", params=place).json()["grid"]["code"] == "C1001"
    told = merged.get("/locate", params={**place, "at": str(yesterday)}).json()
    assert told["grid"]["code"] == "C1002"


def test_outside_the_nearest_of_that_day(merged: TestClient) -> None:
    body = "lon,lat\n0.0075,0.0101\n"
    for days, code in ((0, "C1001"), (1, "C1002")):
        day = date.today() - timedelta(days=days)
        answer = merged.post(f"/locate?nearest=true&at={day}", content=body, headers=CSV)
        (found,) = csv.DictReader(io.StringIO(answer.text))
        assert (found["grid_code"], found["nearest_code"]) == ("", code)
