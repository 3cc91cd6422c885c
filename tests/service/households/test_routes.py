"""Moving one household by hand, and back to the rule."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import insert

from service.app import create_app
from service.db.engine import Database
from service.divisions.models import Dataset
from service.households.models import Household
from service.settings import Settings

JSON_PROBLEM = "application/problem+json"


def test_read_by_reference_and_by_id(reader: TestClient) -> None:
    by_reference = reader.get("/households/H03/assignment").json()
    assert by_reference["grid_code"] == "C1002"
    assert by_reference["method"] == "covers"
    assert by_reference["dataset"] == "Town"
    assert by_reference["history"] == []
    assert reader.get(f"/households/{by_reference['household_id']}/assignment").json() == (
        by_reference
    )


def test_move_by_hand_and_back(writer: TestClient) -> None:
    address = "/households/H01/assignment"
    moved = writer.put(address, json={"grid_code": "C1002", "reason": "asked for it"}).json()
    assert (moved["grid_code"], moved["method"], moved["reason"]) == (
        "C1002",
        "manual",
        "asked for it",
    )
    assert moved["distance_m"] == pytest.approx(301.68, abs=0.1)
    assert [(each["grid_code"], each["method"]) for each in moved["history"]] == [
        ("C1001", "covers")
    ]
    assert writer.get("/collections/grids/items/C1002").json()["properties"]["households"] == 3
    back = writer.put(address, json={"grid_code": None}).json()
    assert (back["grid_code"], back["method"], back["distance_m"]) == ("C1001", "covers", 0)
    assert [each["grid_code"] for each in back["history"]] == ["C1002", "C1001"]
    assert writer.get(address).json() == back


def test_another_community_needs_force(writer: TestClient) -> None:
    address = "/households/H01/assignment"
    refused = writer.put(address, json={"grid_code": "C2001"})
    assert refused.status_code == 409
    assert "force" in refused.json()["detail"]
    assert writer.get(address).json()["grid_code"] == "C1001"
    forced = writer.put(address, json={"grid_code": "C2001", "force": True})
    assert forced.status_code == 200
    assert forced.json()["grid_code"] == "C2001"


def test_the_rule_snaps_and_makes_exceptions(writer: TestClient, town: Settings) -> None:
    snapped = writer.put("/households/H10/assignment", json={"grid_code": None}).json()
    assert (snapped["grid_code"], snapped["method"]) == ("C2001", "snapped")
    assert snapped["distance_m"] == pytest.approx(22.26, abs=0.1)
    with Database(town) as database, database.session() as session:
        session.get_one(Dataset, 1).snap_tolerance_m = 10.0
    exception = writer.put("/households/H10/assignment", json={"grid_code": None}).json()
    assert (exception["grid_code"], exception["method"]) == (None, "exception")
    assert "22 m" in exception["reason"]


def test_a_household_never_assigned(writer: TestClient, town: Settings) -> None:
    with Database(town) as database, database.session() as session:
        point = "SRID=4326;POINT(0.005 0.004)"
        values = {"dataset_id": 1, "reference": "N/1 a", "geometry": point}
        session.execute(insert(Household).values(values))
    address = "/households/N%2F1%20a/assignment"
    assert writer.get(address).json()["method"] is None
    placed = writer.put(address, json={"grid_code": None}).json()
    assert (placed["grid_code"], placed["method"]) == ("C1001", "boundary")
    assert placed["history"] == []


def test_a_name_that_means_two_households_is_refused(writer: TestClient, town: Settings) -> None:
    with Database(town) as database, database.session() as session:
        point = "SRID=4326;POINT(0.015 0.004)"
        values = {"dataset_id": 1, "reference": "4", "geometry": point}
        session.execute(insert(Household).values(values))
    assert writer.get("/households/4/assignment").status_code == 409
    assert writer.get("/households/4/assignment?by=id").json()["household"] == "H03"
    assert writer.get("/households/4/assignment?by=reference").json()["household"] == "4"
    assert writer.get("/households/4/assignment?dataset=Nowhere").status_code == 404


@pytest.mark.parametrize(
    ("address", "body", "status"),
    [
        ("/households/nobody/assignment", {"grid_code": None}, 404),
        ("/households/%00/assignment", {"grid_code": None}, 404),
        ("/households/H01/assignment", {"grid_code": "C9999"}, 404),
        ("/households/H01/assignment", {}, 400),
        ("/households/H01/assignment", {"grid_code": 5}, 400),
        ("/households/H01/assignment", {"grid_code": None, "extra": 1}, 400),
        ("/households/H01/assignment?by=name", {"grid_code": None}, 400),
        ("/households/H01/assignment?x=1", {"grid_code": None}, 400),
    ],
)
def test_refusals(reader: TestClient, address: str, body: object, status: int) -> None:
    response = reader.put(address, json=body)
    assert response.status_code == status
    assert response.headers["content-type"] == JSON_PROBLEM
    assert reader.get("/households/H01/assignment").json()["history"] == []


def test_a_grid_of_another_data_set_is_refused(town: Settings) -> None:
    with Database(town) as database, database.session() as session:
        session.add(Dataset(id=2, name="Elsewhere"))
        session.flush()
        values = {
            "dataset_id": 2,
            "reference": "E1",
            "geometry": "SRID=4326;POINT(0.001 0.004)",
        }
        session.execute(insert(Household).values(values))
    with TestClient(create_app(town), base_url="http://127.0.0.1:8000") as client:
        response = client.put("/households/E1/assignment", json={"grid_code": "C1001"})
        assert response.status_code == 409
        assert "data set" in response.json()["detail"]
        alone = client.put("/households/E1/assignment", json={"grid_code": None}).json()
        assert (alone["grid_code"], alone["reason"]) == (None, "there is no grid")
