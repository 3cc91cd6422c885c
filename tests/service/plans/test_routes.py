"""Plans over HTTP: listed, looked into, checked, switched; who may not, what is refused."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr
from sqlalchemy import text

from service.app import create_app
from service.db.engine import Database
from service.settings import Settings


@pytest.fixture(name="today")
def _today() -> date:
    """The day of the test: a run may go on past midnight."""
    return date.today()


DRAFT = """
    WITH plan AS (
        INSERT INTO grid_plan (name) VALUES ('second') RETURNING id
    ), ruled AS (
        INSERT INTO community_plan (plan_id, community_code) SELECT id, 'C2' FROM plan
    ), drawn AS (
        INSERT INTO grid (code, community_code, number)
        VALUES ('C2002', 'C2', 2), ('C2003', 'C2', 3)
        RETURNING id, number
    ), version AS (
        INSERT INTO grid_version (grid_id, version, geometry)
        SELECT id, 1, ST_MakeEnvelope(west, 0, west + 0.005, 0.01, 4326)
        FROM drawn JOIN (VALUES (2, 0.01), (3, :second)) AS given (number, west) USING (number)
        RETURNING grid_id, version
    )
    INSERT INTO plan_grid (plan_id, grid_id, version)
    SELECT plan.id, version.grid_id, version.version FROM plan, version
"""


def add_draft(settings: Settings, second: float = 0.015) -> None:
    """A plan of two halves for the second community; the eastern one begins at ``second``."""
    with Database(settings) as database, database.session() as session:
        # the first plan has a given id, which the sequence does not know
        session.execute(text("ALTER TABLE grid_plan ALTER id RESTART WITH 2"))
        session.execute(text("ALTER TABLE grid ALTER id RESTART WITH 4"))
        session.execute(text(DRAFT), {"second": second})


def test_plans_and_their_grids(reader: TestClient) -> None:
    (plan,) = reader.get("/plans").json()
    assert (plan["id"], plan["state"], plan["communities"], plan["grids"]) == (1, "active", 2, 3)
    assert reader.get("/plans/1").json() == plan
    answer = reader.get("/plans/1/grids")
    assert answer.headers["content-type"] == "application/geo+json"
    assert [each["properties"]["grid_code"] for each in answer.json()["features"]] == [
        "C1001",
        "C1002",
        "C2001",
    ]
    assert reader.get("/plans/1/faults").json()["features"] == []


def test_on_another_day(reader: TestClient, today: date) -> None:
    before = today - timedelta(days=11)
    assert reader.get(f"/plans?at={before}").json() == []
    assert [each["id"] for each in reader.get(f"/plans?at={today}").json()] == [1]
    assert reader.get(f"/plans/1/grids?at={before}").json()["features"] == []
    assert len(reader.get(f"/plans/1/grids?at={today}").json()["features"]) == 3


def test_the_grids_of_a_day(reader: TestClient, today: date) -> None:
    answer = reader.get("/grids")
    assert answer.headers["content-type"] == "application/geo+json"
    found = [each["properties"] for each in answer.json()["features"]]
    assert [(each["grid_code"], each["plan_id"]) for each in found] == [
        ("C1001", 1),
        ("C1002", 1),
        ("C2001", 1),
    ]
    assert reader.get(f"/grids?at={today}").json() == answer.json()
    before = today - timedelta(days=11)
    assert reader.get(f"/grids?at={before}").json()["features"] == []
    dataset = found[0]["dataset"]
    assert reader.get(f"/grids?dataset={dataset}").json() == answer.json()
    assert reader.get("/grids?dataset=nowhere").status_code == 400
    assert reader.get("/grids?at=tomorrow").status_code == 400


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("/plans/99", 404),
        ("/plans/99/grids", 404),
        ("/plans/99/faults", 404),
        ("/plans/first", 400),
        ("/plans/99999999999", 400),
        ("/plans?at=yesterday", 400),
        ("/plans?state=active", 400),
        ("/plans/1?at=2026-01-01", 400),
    ],
)
def test_what_there_is_not_is_refused(reader: TestClient, address: str, status: int) -> None:
    answer = reader.get(address)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


def test_from_draft_to_retired(writer: TestClient, town: Settings, today: date) -> None:
    add_draft(town)
    refused = writer.post("/plans/2/activate")
    assert refused.status_code == 409
    assert "plan 2 is draft" in refused.json()["detail"]
    assert writer.post("/plans/2/validate").json() == {
        "plan_id": 2,
        "state": "validated",
        "communities": 1,
        "grids": 2,
    }
    switched = writer.post("/plans/2/activate", json={"on": str(today)}).json()
    assert (switched["state"], switched["effective_from"]) == ("active", str(today))
    assert [each["communities"] for each in writer.get(f"/plans?at={today}").json()] == [1, 1]
    refused = writer.post("/plans/2/retire")
    assert refused.status_code == 409
    assert "still rules" in refused.json()["detail"]
    tomorrow = str(today + timedelta(days=1))
    ended = writer.post("/plans/2/retire", json={"on": tomorrow}).json()
    assert (ended["state"], ended["ends"]) == ("retired", tomorrow)
    assert [each["id"] for each in writer.get(f"/plans?at={tomorrow}").json()] == [1]


def test_faults_have_a_place_and_keep_a_plan_from_ruling(
    writer: TestClient, town: Settings
) -> None:
    add_draft(town, second=0.014)
    (overlap, gap) = sorted(
        writer.get("/plans/2/faults").json()["features"],
        key=lambda each: each["properties"]["kind"],
        reverse=True,
    )
    assert overlap["properties"]["codes"] == "C2002;C2003"
    assert gap["properties"]["kind"] == "gap"
    for fault in (overlap, gap):
        assert fault["geometry"]["type"] == "Polygon"
        assert fault["properties"]["area_m2"] == pytest.approx(111.2 * 1105.7, rel=0.02)
    refused = writer.post("/plans/2/validate")
    assert refused.status_code == 409
    assert "2 faults" in refused.json()["detail"]
    assert writer.post("/plans/2/activate").status_code == 409
    assert writer.get("/plans/2").json()["state"] == "draft"


@pytest.mark.parametrize("step", ["validate", "activate", "retire"])
def test_only_writers_switch(town: Settings, step: str) -> None:
    locked = town.model_copy(update={"token": SecretStr("correct horse")})
    with TestClient(create_app(locked), base_url="http://127.0.0.1:8000") as client:
        assert client.post(f"/plans/1/{step}").status_code == 401


@pytest.mark.parametrize("body", [{"on": "someday"}, {"from": "2030-01-01"}, []])
def test_a_day_that_is_none_is_refused(reader: TestClient, body: object) -> None:
    answer = reader.post("/plans/1/retire", json=body)
    assert answer.status_code == 400
