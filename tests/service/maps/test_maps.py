"""The live map over HTTP: columns for a view, details of a grid, search, and the page's policy."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from geodata.draw import coverage_map
from geodata.errors import InputError
from service.app import create_app
from service.commands.export import save_coverage_map
from service.db.engine import Database
from service.maps import frames, queries
from service.settings import Settings

TOWN = Path(__file__).parents[2] / "live_town.sql"
EVERYWHERE = {"bbox": "-1,-1,1,1", "zoom": "14"}


@pytest.fixture
def client(settings: Settings) -> Iterator[TestClient]:
    with Database(settings) as database, database.engine.begin() as connection:
        connection.exec_driver_sql(TOWN.read_text("utf-8"))
    with TestClient(create_app(settings)) as opened:
        yield opened


@pytest.fixture
def empty_client(settings: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(settings)) as opened:
        yield opened


def test_a_file_leaves_out_the_layers_that_would_be_too_large(
    client: TestClient, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Database(settings) as database, database.session() as session:
        whole = frames.map_frames(session)
        layers = [name for name in frames.MOST if whole.get(name) is not None]
        assert {"households", "members"} <= set(layers)
        for name in layers:
            monkeypatch.setitem(frames.MOST, name, len(whole[name]))  # type: ignore[misc]
            assert frames.map_frames(session)[name] is not None
            monkeypatch.setitem(frames.MOST, name, len(whole[name]) - 1)  # type: ignore[misc]
            fewer = frames.map_frames(session)
            assert fewer.get(name) is None
            # a post still names its member
            assert fewer["posts"]["member_id"].tolist() == whole["posts"]["member_id"].tolist()
            assert coverage_map(**fewer).get_root().render()


def embedded(page: Path) -> dict:
    """The columns of a stand-alone page."""
    return json.loads(
        re.search(r'id="gridward-data">(.*?)</script>', page.read_text("utf-8"), re.DOTALL)[1]
    )


def test_a_file_of_one_division_holds_what_lies_in_it(
    client: TestClient, settings: Settings, tmp_path: Path
) -> None:
    with Database(settings) as database, database.session() as session:
        path = save_coverage_map(session, tmp_path / "k1.html", division="K1")
        page = embedded(path)
        assert page["meta"]["title"] == "Town <b>K</b></script>, K1"
        payload = page["payload"]
        assert payload["grids"]["code"] == [f"K1{number:03d}" for number in range(1, 7)]
        assert payload["communities"]["code"] == ["K1"]
        # six grids' own households and the tower; T3 and those of K2 lie elsewhere
        whole = frames.map_frames(session)
        assert sum(payload["households"]["households"]) == sum(payload["grids"]["households"])
        assert len(payload["households"]["address"]) < len(whole["households"])
        assert {payload["grids"]["code"][at] for at in payload["posts"]["grid"]} == {
            "K1001",
            "K1004",
        }
        county = embedded(save_coverage_map(session, tmp_path / "j.html", division="J"))
        assert len(county["payload"]["grids"]["code"]) == 12
        with pytest.raises(InputError, match="there is no division 'nowhere'"):
            frames.map_frames(session, division="nowhere")


def test_beyond_what_a_file_holds_divisions_stand_for_their_grids(
    client: TestClient, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Database(settings) as database, database.session() as session:
        monkeypatch.setattr(frames, "MOST_GRIDS", 12)
        assert "grids" in embedded(save_coverage_map(session, tmp_path / "all.html"))["payload"]
        monkeypatch.setattr(frames, "MOST_GRIDS", 11)
        page = embedded(save_coverage_map(session, tmp_path / "all.html"))
        divisions = page["payload"]["divisions"]
        assert divisions["code"] == ["J", "K1", "K2"]
        assert divisions["parent"] == [-1, 0, 0]
        assert divisions["grids"] == [12, 6, 6]
        grids = frames.map_frames(session)["grids"]
        of = grids.groupby("community_code")["households"].sum().tolist()
        assert divisions["households"] == [sum(of), *of]
        assert divisions["out_of_range"] == [1, 1, 0]  # K1004 with 620
        assert divisions["posts_required"] == [24, 12, 12]
        assert divisions["posts_filled"] == [2, 2, 0]
        lacking = page["payload"]["vacancies"]
        assert lacking["role"] == ["doctor", "leader"]
        assert sum(lacking["missing"]) == 22 * 2
        assert "gridward map --division CODE" in page["meta"]["note"]
        one = embedded(save_coverage_map(session, tmp_path / "k2.html", division="K2"))
        assert one["payload"]["grids"]["code"][0] == "K2001"


def test_the_page_names_no_other_host_and_says_so_in_its_policy(client: TestClient) -> None:
    answer = client.get("/map")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert not re.findall(r"(?:src|href)=\"(?!/)", answer.text)
    assert "<b>K" not in answer.text
    live = json.loads(re.search(r'id="gridward-live">(.*?)</script>', answer.text)[1])
    assert live["meta"]["title"] == "Town <b>K</b></script>"
    assert live["meta"]["bounds"] == [0.0, 0.0, 0.04, 0.03]
    assert live["totals"] == {
        "communities": 2,
        "grids": 12,
        "households": sum(391 + at for at in range(12)) - 394 + 620,
        "vacancies": 22,
    }
    assert live["mostMissing"] == 2
    for url in re.findall(r'(?:src|href)="([^"]+)"', answer.text):
        assert client.get(url).status_code == 200, url


def test_its_own_script_and_style_are_kept_by_their_tag(client: TestClient) -> None:
    first = client.get("/map/live.js")
    assert first.headers["content-type"].startswith("text/javascript")
    again = client.get("/map/live.js", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_a_base_map_is_let_through_and_nothing_else(settings: Settings) -> None:
    based = settings.model_copy(update={"basemap_url": "https://{s}.tiles.example/{z}/{x}/{y}.png"})
    with TestClient(create_app(based)) as client:
        policy = client.get("/map").headers["content-security-policy"]
    assert "img-src 'self' data: https://*.tiles.example;" in policy
    assert policy.count("https:") == 1


def test_without_grids_the_page_says_how_to_get_some(empty_client: TestClient) -> None:
    answer = empty_client.get("/map")
    assert answer.status_code == 200
    assert "gridward run" in answer.text
    assert "<script" not in answer.text


def test_grids_come_with_loads_and_vacancies(client: TestClient) -> None:
    columns = client.get("/map/2/grids", params=EVERYWHERE).json()
    figures = zip(columns["households"], columns["missing"], strict=True)
    grids = dict(zip(columns["code"], figures, strict=True))
    assert len(grids) == 12
    assert grids["K1001"] == (391 + 5, 1)  # the two tower records live here too
    assert grids["K1004"] == (620, 1)
    assert grids["K2006"] == (402, 2)
    [[square]] = columns["geometry"][0]
    assert len(square) == 8  # four corners
    one = client.get("/map/2/grids", params={"bbox": "0.031,0.021,0.039,0.029", "zoom": "17"})
    assert one.json()["code"] == ["K2006"]


def test_from_afar_divisions_stand_for_their_grids(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "_MOST_SHAPES", 5)
    columns = client.get("/map/2/grids", params=EVERYWHERE).json()
    assert columns["code"] == ["K1", "K2"]
    assert columns["grids"] == [6, 6]
    assert columns["missing"] == [round(10 / 6, 1), 2.0]
    monkeypatch.setattr(queries, "_MOST_SHAPES", 1)
    columns = client.get("/map/2/grids", params=EVERYWHERE).json()
    assert (columns["code"], columns["grids"], columns["name"]) == (["J"], [12], ["County J"])


def test_a_grid_has_its_team_its_vacancies_and_distances(client: TestClient) -> None:
    grid = client.get("/map/2/grids/K1004").json()
    assert grid["flag"] == "oversize"
    doctor, leader = grid["team"]
    assert doctor == {
        "role": "doctor",
        "members": [],
        "missing": 1,
        "reason": "1 doctor for 12 posts",
    }
    [person] = leader["members"]
    assert (person["id"], person["name"]) == ("m1", "李华")
    assert person["distance"] == pytest.approx(111.2, abs=1)  # 0.001 degrees along the equator
    absent = client.get("/map/2/grids/K1999")
    assert absent.status_code == 404
    assert absent.headers["content-type"] == "application/problem+json"
    assert client.get("/map/1/grids/K1004").status_code == 404  # of another data set


@pytest.mark.parametrize("zoom", ["8", "14", "19"])
def test_households_add_up_at_every_zoom(client: TestClient, zoom: str) -> None:
    view = {"bbox": "-0.1,-0.1,0.1,0.1", "zoom": zoom}
    columns = client.get("/map/2/households", params=view).json()
    drawn = sum(391 + at for at in range(12)) - 394 + 620
    assert sum(columns["households"]) == drawn + (0 if zoom == "8" else 5)
    if zoom == "8":
        assert len(columns["x"]) == 1  # one cell of the screen
    if zoom == "19":
        assert len(columns["x"]) == 12
        assert columns["addresses"][0] == 3
        assert columns["grid"][0] == "K1001"


def test_points_and_lines_of_a_view(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    members = client.get("/map/2/members", params=EVERYWHERE).json()
    assert members["id"] == ["m1"]  # the other one has no place
    assert members["posts"] == [[{"role": "leader", "grid": "K1004"}]]
    assert client.get("/map/2/facilities", params=EVERYWHERE).json()["name"] == ["Clinic"]
    assert client.get("/map/2/communities", params=EVERYWHERE).json()["code"] == ["K1", "K2"]
    layers = client.get("/map/2/backdrop", params=EVERYWHERE).json()["layers"]
    assert [(each["kind"], len(each["lines"]), len(each["areas"])) for each in layers] == [
        ("roads", 1, 0),
        ("water", 0, 1),
    ]
    monkeypatch.setattr(queries, "_MOST_POINTS", 0)
    crowded = client.get("/map/2/facilities", params=EVERYWHERE).json()
    assert (crowded["more"], crowded["name"]) == (True, [])


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("k100", [f"K100{number}" for number in range(1, 7)]),
        ("人民", ["人民路 8 号"]),
        ("long street 1", ["Long Street 1", "Long Street 10", "Long Street 11", "Long Street 12"]),
        ("100%", ["100% Lane_1"]),
        ("%", []),
        ("_____", []),
        ("  ", []),
    ],
)
def test_search(client: TestClient, text: str, labels: list[str]) -> None:
    found = client.get("/map/2/search", params={"q": text}).json()
    assert [each["label"] for each in found] == labels


@pytest.mark.parametrize(
    "wrong",
    [
        {"bbox": "1,2,3", "zoom": "3"},
        {"bbox": "170,0,-170,1", "zoom": "3"},
        {"bbox": "0,0,1,1", "zoom": "-1"},
        {"bbox": "0,0,1,1", "zoom": "nan"},
        {"bbox": "0,0,1,1"},
    ],
)
def test_a_malformed_view_is_refused(client: TestClient, wrong: dict[str, str]) -> None:
    assert client.get("/map/2/grids", params=wrong).status_code == 400
