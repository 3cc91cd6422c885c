"""What every answer has in common: who may write, headers, logs, failures."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr

from service.app import create_app
from service.settings import Settings

LOOPBACK = "http://127.0.0.1:8000"
MOVE = "/households/H01/assignment"
BODY = {"grid_code": None}


@pytest.mark.parametrize("base", [LOOPBACK, "http://localhost:8000", "http://[::1]:8000"])
def test_without_a_token_this_machine_writes(town: Settings, base: str) -> None:
    with TestClient(create_app(town), base_url=base) as client:
        # the test client gives the host of its base as the address that was connected to
        response = client.put(MOVE, json=BODY, headers={"Origin": base})
        assert response.status_code == 200, response.text


@pytest.mark.parametrize(
    ("base", "headers"),
    [
        ("http://192.0.2.7:8000", {}),
        ("http://gridward.example", {}),
        ("http://[2001:db8::1]:8000", {}),
        (LOOPBACK, {"Host": "gridward.example"}),
        (LOOPBACK, {"Host": "127.0.0.1.example:8000"}),
        (LOOPBACK, {"Origin": "http://elsewhere.example"}),
        (LOOPBACK, {"Origin": "null"}),
        (LOOPBACK, {"Origin": "http://127.0.0.1:9999"}),
        (LOOPBACK, {"X-Forwarded-For": "192.0.2.7"}),
        (LOOPBACK, {"Forwarded": "for=192.0.2.7"}),
        (LOOPBACK, {"Authorization": "Bearer anything"} | {"Host": "gridward.example"}),
    ],
)
def test_without_a_token_nobody_else_writes(
    shared_town: Settings, base: str, headers: dict[str, str]
) -> None:
    with TestClient(create_app(shared_town), base_url=base) as client:
        for method, address in (
            ("PUT", MOVE),
            ("POST", "/grids/C1001/posts"),
            ("DELETE", "/posts/1"),
        ):
            response = client.request(method, address, json=BODY, headers=headers)
            assert response.status_code == 403
            assert "GRIDWARD_TOKEN" in response.json()["detail"]
        assert client.get(MOVE, headers=headers).json()["history"] == []


def test_with_a_token_whoever_shows_it_writes(town: Settings) -> None:
    guarded = town.model_copy(update={"token": SecretStr("correct horse")})
    with TestClient(create_app(guarded), base_url="http://gridward.example") as client:
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic Y29ycmVj"}):
            response = client.put(MOVE, json=BODY, headers=headers)
            assert response.status_code == 401
            assert response.headers["www-authenticate"] == "Bearer"
            assert response.headers["content-type"] == "application/problem+json"
        shown = {"Authorization": "Bearer correct horse"}
        assert client.put(MOVE, json=BODY, headers=shown).status_code == 200
    with TestClient(create_app(guarded), base_url=LOOPBACK) as client:
        assert client.put(MOVE, json=BODY).status_code == 401


@pytest.mark.parametrize("address", ["/", "/docs", "/collections/grids/items", "/nothing"])
def test_security_headers(reader: TestClient, address: str) -> None:
    headers = reader.get(address).headers
    policy = headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "http" not in policy
    assert "unsafe-eval" not in policy
    assert "script-src" not in policy, "scripts only from here, none inline"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"]
    assert "access-control-allow-origin" not in headers


def test_other_sites_read_only_where_they_are_let_in(shared_town: Settings) -> None:
    origin = {"Origin": "https://planning.example"}
    opened = shared_town.model_copy(update={"cors_origins": ("https://planning.example",)})
    with TestClient(create_app(opened), base_url=LOOPBACK) as client:
        answer = client.get("/collections", headers=origin)
        assert answer.headers["access-control-allow-origin"] == "https://planning.example"
        asked = {"Access-Control-Request-Method": "PATCH"}
        asked |= {"Access-Control-Request-Headers": "if-match, content-type"}
        before = client.options("/collections/members/items/1", headers=origin | asked)
        assert before.status_code == 200
        assert "PATCH" in before.headers["access-control-allow-methods"]
        other = client.get("/collections", headers={"Origin": "https://elsewhere.example"})
        assert "access-control-allow-origin" not in other.headers


def test_long_answers_are_packed(reader: TestClient) -> None:
    packed = {"Accept-Encoding": "gzip"}
    assert reader.get("/api", headers=packed).headers["content-encoding"] == "gzip"
    plain = reader.get("/exports/grids.parquet", headers=packed)
    assert "content-encoding" not in plain.headers


def test_logs_name_routes_and_no_household(
    reader: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    reader.get("/households/H03/assignment?dataset=Town")
    reader.get("/collections/households/items?address=3%20Long%20Street")
    reader.get("/locate?lon=0.0012345&lat=0.004")
    lines = [each.getMessage() for each in caplog.records if each.name == "gridward.access"]
    assert len(lines) == 3
    assert "/households/{household:path}/assignment 200" in lines[0]
    text = "\n".join(lines)
    for secret in ("H03", "Long", "0.0012345", "Town"):
        assert secret not in text


def test_a_defect_is_a_problem_without_its_insides(
    shared_town: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("secret inside")

    monkeypatch.setattr("service.ogc.routes.find_feature", fail)
    app = create_app(shared_town)
    with TestClient(app, base_url=LOOPBACK, raise_server_exceptions=False) as client:
        response = client.get("/collections/grids/items/C1001")
    assert response.status_code == 500
    assert response.headers["content-type"] == "application/problem+json"
    assert "secret" not in response.text


def test_health(reader: TestClient) -> None:
    document = reader.get("/health").json()
    assert document["status"] == "ok"
    assert document["postgis"].startswith("3.")


def test_missing_web_assets_are_said_plainly(shared_town: Settings, tmp_path: Path) -> None:
    bare = shared_town.model_copy(update={"assets": tmp_path})
    with TestClient(create_app(bare), base_url=LOOPBACK) as client:
        response = client.get("/static/vendor/swagger-ui/swagger-ui.css")
        assert response.status_code == 503
        assert "make setup" in response.text
        assert client.get("/collections").status_code == 200


def test_a_database_that_went_away_is_a_problem_of_503(town: Settings, cluster: Any) -> None:
    with TestClient(create_app(town), base_url=LOOPBACK) as client:
        assert client.get("/health").status_code == 200
        cluster.drop(town.database_url)
        response = client.get("/collections/grids/items")
        assert response.status_code == 503
        assert response.headers["content-type"] == "application/problem+json"
        assert response.headers["retry-after"]
        assert "gridward_test" not in response.text
