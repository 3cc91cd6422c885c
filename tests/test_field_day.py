"""A field day: the whole way from files to teams, then a working day over HTTP.

A small sample town with bad rows is loaded, delineated, assigned and staffed; what the service
tells is held against what was put in, and people move households and fill posts.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import geopandas as gpd
import pytest
import shapely
from fastapi.testclient import TestClient
from sqlalchemy import URL

from geodata.sample import write_sample
from service.app import create_app
from service.db.engine import Database
from service.flows.assign import assign
from service.flows.delineate import delineate
from service.flows.load import load_dataset
from service.flows.staff import staff
from service.settings import Settings

HOUSEHOLDS = 1_500


class Day:
    """A client of the service, its database, and how many household records were loaded."""

    def __init__(self, client: TestClient, database: Database, records: int) -> None:
        self.client, self.database, self.records = client, database, records

    def features(self, name: str, **query: str) -> list[dict[str, Any]]:
        """Every feature of a collection, page by page."""
        found: list[dict[str, Any]] = []
        address: str | None = f"/collections/{name}/items"
        parameters: dict[str, Any] | None = {"limit": 400, **query}
        while address is not None:
            response = self.client.get(address, params=parameters)
            assert response.status_code == 200, response.text
            page = response.json()
            found += page["features"]
            links = {each["rel"]: each["href"] for each in page["links"]}
            address, parameters = links.get("next"), None
            assert page["numberMatched"] >= len(found)
        return found

    def properties(self, name: str, **query: str) -> list[dict[str, Any]]:
        return [each["properties"] for each in self.features(name, **query)]


@pytest.fixture(scope="module")
def day(
    cluster: Any, database_template: URL, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Day]:
    folder = tmp_path_factory.mktemp("town")
    sample = write_sample("town", folder, households=HOUSEHOLDS, seed=5)
    url = cluster.create(database_template.database)
    settings = Settings(database_url=url, home=folder / "home")
    try:
        with Database(settings) as database:
            manifest = Path(sample["paths"]["manifest"])
            report = load_dataset(database.session, manifest, rejects=folder / "rejects.csv")
            loaded = report.as_dict()["households"]
            assert loaded["rejected"] > 0, "the sample has bad rows"
            assert loaded["records"] + loaded["rejected"] == sample["records"]
            for flow in (delineate, assign, staff):
                with database.session() as session:
                    flow(session)
            with TestClient(create_app(settings), base_url="http://127.0.0.1:8000") as client:
                yield Day(client, database, loaded["records"])
    finally:
        cluster.drop(url)


def test_nothing_was_lost_on_the_way(day: Day) -> None:
    households = day.properties("households")
    assert len(households) == day.records >= HOUSEHOLDS
    assignments = day.properties("assignments")
    assert len({each["household_id"] for each in assignments}) == day.records
    for each in assignments:
        assert (each["grid_code"] is None) == (each["method"] == "exception")
        assert each["grid_code"] is not None or each["reason"]
    loads = {each["grid_code"]: each["records"] for each in day.properties("grids")}
    placed = Counter(each["grid_code"] for each in assignments if each["grid_code"])
    assert {code: count for code, count in loads.items() if count} == dict(placed)


def test_the_grids_tile_their_communities(day: Day) -> None:
    grids = gpd.GeoDataFrame.from_features(day.features("grids"), crs=4326)
    communities = gpd.GeoDataFrame.from_features(
        day.features("divisions", level="community"), crs=4326
    ).set_index("code")
    assert shapely.coverage_is_valid(grids.geometry.to_numpy())
    for code, own in grids.groupby("community_code"):
        outline = communities.geometry[code]
        union = shapely.coverage_union_all(own.geometry.to_numpy())
        assert shapely.area(shapely.symmetric_difference(union, outline)) < 1e-6 * outline.area


def test_a_place_is_found_where_its_household_is_assigned(day: Day) -> None:
    for feature in day.features("households", method="covers")[::100]:
        lon, lat = feature["geometry"]["coordinates"]
        found = day.client.get("/locate", params={"lon": lon, "lat": lat}).json()
        assert found["grid"]["code"] == feature["properties"]["grid_code"]
        assert found["divisions"][-1]["code"] == found["grid"]["community_code"]


def test_teams_keep_the_rules(day: Day) -> None:
    posts = day.properties("posts")
    members = {each["reference"]: each for each in day.properties("members")}
    held = Counter(each["member"] for each in posts)
    assert posts
    assert all(count <= members[name]["max_posts"] for name, count in held.items())
    assert all(each["role"] in members[each["member"]]["roles"] for each in posts)
    missing = Counter[str]()
    for each in day.properties("vacancies"):
        missing[each["grid_code"]] += each["missing"]
    for each in day.properties("coverage"):
        assert each["vacancies"] == missing[each["grid_code"]]
        assert each["posts_required"] == each["posts_filled"] + each["vacancies"]


def test_a_supervisor_fills_a_vacancy(day: Day) -> None:
    post = day.properties("posts")[0]
    grid, role = post["grid_code"], post["role"]
    before = day.client.get(f"/grids/{grid}").json()
    (current,) = [each for each in before["team"][role] if each["member"] == post["member"]]
    assert day.client.delete(f"/posts/{current['id']}").status_code == 204
    vacant = day.client.get(f"/grids/{grid}").json()
    assert vacant["posts_filled"] == before["posts_filled"] - 1
    assert role in {each["role"] for each in vacant["vacancies"]}
    place = day.features("grids", grid_code=grid)[0]["geometry"]
    centre = shapely.point_on_surface(shapely.geometry.shape(place))
    query = {"lon": centre.x, "lat": centre.y, "role": role, "limit": 100}
    near = day.client.get("/nearest", params=query).json()
    assert [each["distance_m"] for each in near] == sorted(each["distance_m"] for each in near)
    free = next(each for each in near if each["posts"] < each["max_posts"])
    body = {"member": free["member"], "role": role}
    assert day.client.post(f"/grids/{grid}/posts", json=body).status_code == 201
    with day.database.session() as session:
        staff(session)
    after = day.client.get(f"/grids/{grid}").json()
    assert after["posts_filled"] >= before["posts_filled"]
    assert free["member"] in {each["member"] for each in after["team"][role]}, "by hand, so kept"


def test_a_household_moved_by_hand_stays_until_given_back(day: Day) -> None:
    codes = [each["grid_code"] for each in day.properties("grids")]
    first = next(each for each in day.features("households", method="covers"))
    own = first["properties"]["grid_code"]
    other = next(code for code in codes if code != own)
    address = f"/households/{first['properties']['reference']}/assignment"
    moved = day.client.put(address, json={"grid_code": other, "force": True})
    assert moved.json()["method"] == "manual"
    with day.database.session() as session:
        assign(session)
    assert day.client.get(address).json()["grid_code"] == other
    back = day.client.put(address, json={"grid_code": None}).json()
    assert (back["grid_code"], back["method"]) == (own, "covers")
    assert [each["grid_code"] for each in back["history"]] == [other, own]


def test_the_day_ends_with_the_papers(day: Day) -> None:
    assert day.client.get("/map").status_code == 200
    assert day.client.get("/docs").status_code == 200
    text = day.client.get("/exports/households.csv").content.decode("utf-8-sig")
    assert len(list(csv.DictReader(io.StringIO(text, newline="")))) == day.records
    for suffix in ("geojson", "gpkg", "parquet", "fgb"):
        assert day.client.get(f"/exports/coverage.{suffix}").status_code == 200
