"""Where a place belongs, grids with their teams, members near a place, posts."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from service.app import create_app
from service.db.engine import Database
from service.db.spatial import distance_m, point
from service.settings import Settings
from service.teams.models import Member, Relief, Shortage
from service.teams.queries import list_nearest_members

DEGREE_M = 111_319.49079327358  # of the equator, a (pi / 180)


def test_inside_a_grid(reader: TestClient) -> None:
    found = reader.get("/locate?lon=0.001&lat=0.005").json()
    assert found["grid"]["code"] == "C1001"
    assert found["grid"]["on_boundary"] is False
    assert found["grid"]["boundary_distance_m"] == pytest.approx(0.001 * DEGREE_M, rel=1e-6)
    assert [each["code"] for each in found["divisions"]] == ["S1", "C1"]
    assert [each["member"] for each in found["team"]["police"]] == ["M1"]
    assert found["nearest"] is None


@pytest.mark.parametrize(
    ("lon", "lat", "code"),
    [
        (0.005, 0.001, "C1001"),
        (0.01, 0.001, "C1002"),
        (0.0, 0.0, "C1001"),
        (0.02, 0.01, "C2001"),
        (0.005, 0.01, "C1001"),
    ],
)
def test_on_a_boundary_the_lowest_code(
    reader: TestClient, lon: float, lat: float, code: str
) -> None:
    grid = reader.get(f"/locate?lon={lon}&lat={lat}").json()["grid"]
    assert grid["code"] == code
    assert grid["on_boundary"] is True
    assert grid["boundary_distance_m"] == 0


@pytest.mark.parametrize(
    ("lon", "lat", "code", "metres"),
    [
        (0.021, 0.005, "C2001", 0.001 * DEGREE_M),
        (-0.003, 0.005, "C1001", 0.003 * DEGREE_M),
        (90.0, 0.005, "C2001", None),
    ],
)
def test_outside_every_grid_the_nearest(
    reader: TestClient, lon: float, lat: float, code: str, metres: float | None
) -> None:
    found = reader.get(f"/locate?lon={lon}&lat={lat}").json()
    assert found["grid"] is None
    assert found["team"] == {}
    assert found["divisions"] == []
    assert found["nearest"]["code"] == code
    if metres is not None:
        assert found["nearest"]["distance_m"] == pytest.approx(metres, rel=1e-6)


def test_on_another_day(reader: TestClient) -> None:
    today, before = date.today(), date.today() - timedelta(days=11)
    assert reader.get(f"/locate?lon=0.001&lat=0.005&at={today}").json()["grid"]["code"] == "C1001"
    past = reader.get(f"/locate?lon=0.001&lat=0.005&at={before}").json()
    assert past["grid"] is None
    assert past["nearest"] is None
    assert [each["code"] for each in past["divisions"]] == ["S1", "C1"]
    early = reader.get(f"/locate?lon=0.001&lat=0.005&at={today - timedelta(days=1)}").json()
    assert early["grid"]["code"] == "C1001"
    assert early["team"] == {}, "the post began today"


def test_a_grid_with_its_team_and_vacancies(reader: TestClient) -> None:
    grid = reader.get("/grids/C1002").json()
    assert (grid["records"], grid["households"], grid["target"]) == (2, 2, 2)
    assert (grid["posts_required"], grid["posts_filled"]) == (2, 0)
    assert grid["team"] == {}
    assert {each["role"]: each["reason"] for each in grid["vacancies"]} == {
        "leader": "no leader is near",
        "police": None,
    }
    assert [each["level"] for each in grid["divisions"]] == ["street", "community"]


def test_members_near_a_place(reader: TestClient) -> None:
    found = reader.get("/nearest?lon=0.012&lat=0.004").json()
    assert [each["member"] for each in found] == ["M2", "M1"]
    assert found[0]["distance_m"] == 0
    assert found[1]["distance_m"] == pytest.approx(0.008 * DEGREE_M, rel=1e-4)
    assert found[1]["posts"] == 1
    leaders = reader.get("/nearest?lon=0.012&lat=0.004&role=leader").json()
    assert [each["member"] for each in leaders] == ["M1"]
    assert reader.get("/nearest?lon=0&lat=0&role=cook").json() == []
    assert len(reader.get("/nearest?lon=0&lat=0&limit=1").json()) == 1


def test_nearest_is_by_metres_not_by_degrees(town: Settings) -> None:
    """At 60 degrees a degree of longitude is half as long as one of latitude."""
    places = {
        f"P{number:03}": (100.0 + (number * 37 % 50) / 1000, 60.0 + (number * 61 % 50) / 1000)
        for number in range(400)
    }
    with Database(town) as database, database.session() as session:
        rows = [
            {
                "dataset_id": 1,
                "reference": reference,
                "roles": ["guide"],
                "geometry": f"SRID=4326;POINT({x} {y})",
            }
            for reference, (x, y) in places.items()
        ]
        session.execute(insert(Member), rows)
        for lon, lat in (
            (100.02, 60.02),
            (100.0, 60.0),
            (100.3, 60.02),
            (99.0, 61.0),
            (-80.0, 5.0),
        ):
            found = list_nearest_members(session, lon=lon, lat=lat, role="guide", limit=7).rows
            assert [each.distance_m for each in found] == _true_distances(session, lon, lat, 7)


def _true_distances(session: Session, lon: float, lat: float, limit: int) -> list[float]:
    metres = distance_m(Member.geometry, point(lon, lat))
    guides = func.array_position(Member.roles, "guide").is_not(None)
    return list(session.scalars(select(metres).where(guides).order_by(metres).limit(limit)))


@pytest.mark.parametrize(
    "address",
    [
        "/locate",
        "/locate?lon=1",
        "/locate?lon=x&lat=1",
        "/locate?lon=181&lat=1",
        "/locate?lon=1&lat=91",
        "/locate?lon=nan&lat=1",
        "/locate?lon=1&lat=inf",
        "/locate?lon=1&lat=1&at=yesterday",
        "/locate?lon=1&lat=1&at=86400",
        "/locate?lon=1&lat=1&at=2026-02-30",
        "/locate?lon=1&lat=1&when=2026-01-01",
        "/nearest?lon=1&lat=1&limit=0",
        "/nearest?lon=1&lat=1&limit=-1",
        "/nearest?lon=1&lat=1&limit=ten",
        "/nearest?lon=1&lat=1&limit=",
        "/shortages?limit=0",
        "/relief?limit=-5",
        "/relief?limit=1.5",
        "/nearest?lon=1&lat=1&role=Not%20a%20role",
        "/grids/C1001?at=2026-01-01",
        "/health?x=1",
    ],
)
def test_malformed_requests_are_refused(reader: TestClient, address: str) -> None:
    response = reader.get(address)
    assert response.status_code == 400
    assert response.headers["content-type"] == "application/problem+json"


def test_unknown_grid(reader: TestClient) -> None:
    response = reader.get("/grids/C9999")
    assert response.status_code == 404
    assert "C9999" in response.json()["detail"]


def test_post_and_end(writer: TestClient) -> None:
    response = writer.post("/grids/C1002/posts", json={"member": "M2", "role": "police"})
    assert response.status_code == 201
    post = response.json()
    assert (post["member"], post["role"], post["fixed"]) == ("M2", "police", True)
    told = writer.get(response.headers["location"]).json()
    assert told["properties"]["grid_code"] == "C1002"
    assert writer.get("/grids/C1002").json()["posts_filled"] == 1
    assert writer.delete(f"/posts/{post['id']}").status_code == 204
    assert writer.get("/grids/C1002").json()["posts_filled"] == 0
    assert writer.delete(f"/posts/{post['id']}").status_code == 404
    again = writer.post("/grids/C1002/posts", json={"member": "M2", "role": "police"})
    assert again.status_code == 201


def test_a_third_post_is_refused(writer: TestClient) -> None:
    second = {"member": "M1", "role": "leader"}
    assert writer.post("/grids/C1002/posts", json=second).status_code == 201
    response = writer.post("/grids/C2001/posts", json=second)
    assert response.status_code == 409
    assert "at most 2" in response.json()["detail"]
    assert writer.get("/collections/posts/items").json()["numberMatched"] == 2


@pytest.mark.parametrize(
    ("grid", "body", "status", "word"),
    [
        ("C1001", {"member": "M2", "role": "doctor"}, 409, "eligible"),
        ("C1001", {"member": "M1", "role": "police"}, 409, "already"),
        ("C1001", {"member": "M9", "role": "police"}, 400, "M9"),
        ("C9999", {"member": "M1", "role": "police"}, 404, "C9999"),
        ("C1001", {"member": "M1", "role": "No role"}, 400, "role"),
        ("C1001", {"member": "M1"}, 400, "role"),
        ("C1001", {"member": "M1", "role": "police", "extra": 1}, 400, "extra"),
        ("C1001", [], 400, "JSON object"),
    ],
)
def test_refused_posts_change_nothing(
    reader: TestClient, grid: str, body: object, status: int, word: str
) -> None:
    response = reader.post(f"/grids/{grid}/posts", json=body)
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert word in response.json()["detail"]
    assert reader.get("/collections/posts/items").json()["numberMatched"] == 1


def test_a_body_that_is_no_json_is_refused(reader: TestClient) -> None:
    for headers in ({"Content-Type": "application/json"}, {"Content-Type": "text/plain"}):
        response = reader.post("/grids/C1001/posts", content=b"{bad", headers=headers)
        assert response.status_code == 400
        assert "Content-Type: application/json" in response.json()["detail"]


def test_two_services_over_one_town_agree(town: Settings) -> None:
    """What one server writes the other tells at once: nothing is remembered in between."""
    address = "/collections/grids/items/C1002"
    one, other = (TestClient(create_app(town), base_url="http://127.0.0.1:8000") for _ in "12")
    with one, other:
        before = other.get(address).json()["properties"]["vacancies"]
        one.post("/grids/C1002/posts", json={"member": "M2", "role": "police"})
        after = other.get(address).json()["properties"]["vacancies"]
    assert (before, after) == (2, 1)


def test_shortages_and_who_would_come(town: Settings) -> None:
    with Database(town) as database, database.session() as session:
        session.add_all(
            [
                Shortage(
                    dataset_id=1, role="police", division_code="C1", needed=4, eligible=1,
                    in_reach=1, filled=2, missing=2, relieved=1,
                ),
                Shortage(
                    dataset_id=1, role="doctor", division_code="C2", needed=3, eligible=0,
                    in_reach=0, filled=0, missing=3, relieved=0,
                ),
                Relief(grid_id=2, role="police", member_id=2, distance_m=900),
            ]
        )  # fmt: skip
    with TestClient(create_app(town), base_url="http://127.0.0.1:8000") as client:
        found = client.get("/shortages").json()
        assert [(each["role"], each["missing"]) for each in found] == [("doctor", 3), ("police", 2)]
        assert (found[0]["name"], found[0]["level"], found[0]["dataset"]) == (
            "社区二", "community", "Town"
        )  # fmt: skip
        for query in ("role=police", "division=C1", "dataset=Town&role=police", "limit=1"):
            answer = client.get(f"/shortages?{query}")
            assert len(answer.json()) == 1
            assert answer.headers["OGC-NumberReturned"] == "1"
            matched = "2" if query == "limit=1" else "1"
            assert answer.headers["OGC-NumberMatched"] == matched
        assert client.get("/shortages?dataset=Elsewhere").json() == []
        (helper,) = client.get("/relief").json()
        assert helper == {
            "role": "police", "grid": "C1002", "member": "M2", "name": "博", "distance_m": 900
        }  # fmt: skip
        assert client.get("/relief?grid=C1001").json() == []
        assert client.get("/relief?role=police&limit=1").json() == [helper]
        assert client.get("/relief?limit=0").status_code == 400
        for address, number in (("/relief", 1), ("/shortages", 2)):
            for limit in (10_001, "9" * 30):
                answer = client.get(f"{address}?limit={limit}")
                assert len(answer.json()) == number
                assert answer.headers["OGC-NumberMatched"] == str(number)
        assert client.get("/shortages?colour=red").status_code == 400
