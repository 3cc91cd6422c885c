"""Input that no careful client sends: each has one clear answer, and none is an error of ours."""

from __future__ import annotations

import json

import pytest
from fastapi.testclient import TestClient

GEOJSON = {"Content-Type": "application/geo+json"}
ROUND_THE_EARTH = [[-180, -90], [180, -90], [180, 90], [-180, 90], [-180, -90]]


@pytest.mark.parametrize(
    "address",
    [
        "/coverage/%00",
        "/grids/%00",
        "/map/1/grids/%00",
        "/map/1/search?q=%00",
        "/nearest?lon=0&lat=0&of=facilities&kind=%00",
        "/shortages?dataset=%00",
        "/shortages?division=%00",
        "/households/x/assignment?dataset=%00",
    ],
)
def test_a_nul_is_refused(reader: TestClient, address: str) -> None:
    answer = reader.get(address)
    assert answer.status_code == 400, answer.text
    assert "NUL" in answer.json()["detail"]


def test_the_last_day_of_all(reader: TestClient) -> None:
    assert reader.get("/locate?lon=0.001&lat=0.005&at=9999-12-31").status_code == 200


@pytest.mark.parametrize(
    ("address", "body", "said"),
    [
        ("/locate", '{"type":"Point","coordinates":[%s,0]}' % ("1" * 401), "401 digits"),
        ("/within", '{"type":"Polygon","coordinates":[[[%s,0]]]}' % ("1" * 401), "401 digits"),
        ("/locate", '{"type":"Feature","properties":{"a":1e999}}', "too large"),
        ("/locate", '{"type":"Feature","properties":{"a":NaN}}', "NaN"),
        ("/locate", '{"type":"Feature","properties":{"a":"\\ud800"}}', "surrogates"),
        (
            "/within",
            json.dumps({"type": "Polygon", "coordinates": [ROUND_THE_EARTH]}),
            "half round the earth",
        ),
    ],
)
def test_odd_numbers_and_text_in_json(
    reader: TestClient, address: str, body: str, said: str
) -> None:
    answer = reader.post(address, content=body, headers=GEOJSON)
    assert answer.status_code == 400, answer.text
    assert said in answer.json()["detail"]


@pytest.mark.parametrize("address", ["/map?zzz=1", "/map/live.js?zzz=1", "/map/1/search?z=1"])
def test_the_map_takes_no_unknown_parameter(reader: TestClient, address: str) -> None:
    assert reader.get(address).status_code == 400


def test_numbers_beyond_the_column_find_nothing(reader: TestClient) -> None:
    answer = reader.get("/collections/households/items?households=3000000000")
    assert answer.status_code == 200
    assert answer.json()["numberReturned"] == 0


def test_a_limit_beyond_all_numbers_is_clamped(reader: TestClient) -> None:
    items = "/collections/households/items?limit="
    assert reader.get(f"{items}{'9' * 20}").json()["numberReturned"] == 11
    assert reader.get(f"{items}{'0' * 20}").status_code == 400
