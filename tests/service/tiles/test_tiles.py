"""Vector tiles: what is in them, what never is, how large they get, and when they change."""

from __future__ import annotations

import gzip
import math
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import mapbox_vector_tile
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, insert, literal, select, text, update

from service.app import create_app
from service.db.engine import Database
from service.divisions.models import Division
from service.grids.models import CommunityPlan, Grid, GridPlan, GridVersion, PlanGrid
from service.households.models import Assignment, Household
from service.settings import Settings
from service.teams.models import Member, Post
from service.tiles import draw, prepare
from service.tiles.layers import LAYERS
from service.tiles.matrix import MATRIX_SETS, Tile

MVT = "application/vnd.mapbox-vector-tile"
#: Every level at which the town is more than a dot, the ends of the range among them.
LEVELS = (9, 12, 13, 14, 15, 16, 18)


def address(layer: str, matrix_set: str, z: int, lon: float, lat: float) -> str:
    """The tile that a place is in."""
    if matrix_set == "WorldCRS84Quad":
        column, row = (lon + 180) / 180 * 2**z, (90 - lat) / 180 * 2**z
    else:
        northing = math.log(math.tan(math.pi / 4 + math.radians(lat) / 2))
        column, row = (lon + 180) / 360 * 2**z, (1 - northing / math.pi) / 2 * 2**z
    return f"/collections/{layer}/tiles/{matrix_set}/{z}/{int(row)}/{int(column)}"


def features(client: TestClient, url: str, layer: str) -> list[dict[str, Any]]:
    response = client.get(url)
    if response.status_code == 204:
        return []
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == MVT
    decoded = mapbox_vector_tile.decode(response.content)
    assert list(decoded) == [layer]
    return decoded[layer]["features"]


def everywhere(client: TestClient, layer: str, matrix_set: str, z: int) -> list[dict[str, Any]]:
    """The features of every tile that the town touches."""
    urls = {
        address(layer, matrix_set, z, x / 10_000, y / 10_000)
        for x in range(-6, 210, 6 if z > 15 else 20)
        for y in range(-6, 110, 6 if z > 15 else 20)
    }
    return [each for url in sorted(urls) for each in features(client, url, layer)]


@pytest.mark.parametrize("matrix_set", MATRIX_SETS)
@pytest.mark.parametrize("z", LEVELS)
def test_grids_are_all_there_with_their_figures(
    reader: TestClient, matrix_set: str, z: int
) -> None:
    found = {
        each["properties"]["code"]: each["properties"]
        for each in everywhere(reader, "grids", matrix_set, z)
    }
    assert set(found) == {"C1001", "C1002", "C2001"}
    assert {code: each["households"] for code, each in found.items()} == {
        "C1001": 3,
        "C1002": 2,
        "C2001": 5,
    }
    assert {code: each["vacancies"] for code, each in found.items()} == {
        "C1001": 1,
        "C1002": 2,
        "C2001": 2,
    }
    assert found["C2001"]["parent"] == "C2"
    assert found["C2001"]["name"] == "社区二"


@pytest.mark.parametrize("matrix_set", MATRIX_SETS)
def test_a_grid_is_where_it_is(reader: TestClient, matrix_set: str) -> None:
    z = 14
    url = address("grids", matrix_set, z, 0.0025, 0.005)
    [grid] = [
        each for each in features(reader, url, "grids") if each["properties"]["code"] == "C1001"
    ]
    *_, level, row, column = url.split("/")
    bound = Tile(matrix_set, int(level), int(row), int(column)).bound()
    unit = 111319.49079 if matrix_set == "WebMercatorQuad" else 1.0  # near the equator
    [ring] = grid["geometry"]["coordinates"]
    places = {
        (
            round((bound["west"] + x / 4096 * (bound["east"] - bound["west"])) / unit, 4),
            round((bound["south"] + y / 4096 * (bound["north"] - bound["south"])) / unit, 4),
        )
        for x, y in ring
    }
    assert {(0.005, 0.0), (0.005, 0.01)} <= places


@pytest.mark.parametrize("matrix_set", MATRIX_SETS)
@pytest.mark.parametrize("z", [0, 5, *LEVELS])
def test_no_household_is_lost_or_counted_twice(reader: TestClient, matrix_set: str, z: int) -> None:
    found = everywhere(reader, "households", matrix_set, z)
    assert sum(each["properties"]["households"] for each in found) == 11
    assert sum(each["properties"]["records"] for each in found) == 11
    if z == 18:
        assert len(found) == 11
    if z == 5:
        assert len(found) == 1


@pytest.mark.parametrize("matrix_set", MATRIX_SETS)
@pytest.mark.parametrize("z", [0, *LEVELS])
def test_members_are_counted_and_close_by_told_apart(
    reader: TestClient, matrix_set: str, z: int
) -> None:
    found = [each["properties"] for each in everywhere(reader, "members", matrix_set, z)]
    assert sum(each["records"] for each in found) == 2  # the third has no place
    if z >= 15:
        posts = sorted((each["roles"], each["posts"]) for each in found)
        assert posts == [("police", 0), ("police;leader", 1)]


def test_divisions_of_every_level_are_there(reader: TestClient) -> None:
    found = everywhere(reader, "divisions", "WebMercatorQuad", 12)
    levels = {each["properties"]["code"]: each["properties"]["level"] for each in found}
    assert levels == {"S1": "street", "C1": "community", "C2": "community"}
    [street] = {
        (each["properties"]["households"], each["properties"]["grids"])
        for each in found
        if each["properties"]["code"] == "S1"
    }
    assert street == (10, 3)


def test_nothing_personal_is_in_any_tile(reader: TestClient) -> None:
    bodies = b"".join(
        reader.get(address(layer, "WebMercatorQuad", z, 0.004, 0.004)).content
        for layer in LAYERS
        for z in range(21)
    )
    for personal in ("Long Street", "H0", "Ann", "M1", "博", "reference", "address"):
        assert personal.encode() not in bodies, personal
    for layer in ("households", "members"):
        for each in everywhere(reader, layer, "WebMercatorQuad", 18):
            assert set(each["properties"]) <= set(LAYERS[layer].fields)


def test_a_tag_saves_the_way_and_a_version_may_be_kept_for_ever(reader: TestClient) -> None:
    url = address("grids", "WebMercatorQuad", 14, 0.004, 0.004)
    first = reader.get(url)
    assert first.headers["cache-control"] == "public, no-cache"
    assert first.headers["vary"] == "Accept-Encoding"
    tag = first.headers["etag"]
    again = reader.get(url, headers={"If-None-Match": f'"other", {tag}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert reader.get(url, headers={"If-None-Match": '"other"'}).status_code == 200
    told = reader.get("/collections/grids/tiles/WebMercatorQuad/tilejson.json").json()
    version = told["tiles"][0].split("?v=")[1]
    kept = reader.get(f"{url}?v={version}")
    assert kept.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert reader.get(f"{url}?v=older").headers["cache-control"] == "public, no-cache"
    assert kept.content == first.content


def test_a_tile_is_packed_for_those_who_can_unpack(reader: TestClient) -> None:
    url = address("grids", "WebMercatorQuad", 14, 0.004, 0.004)
    with reader.stream("GET", url, headers={"Accept-Encoding": "gzip"}) as packed:
        assert packed.headers["content-encoding"] == "gzip"
        raw = b"".join(packed.iter_raw())
    plain = reader.get(url, headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert gzip.decompress(raw) == plain.content


@pytest.mark.parametrize(
    ("url", "status"),
    [
        ("/collections/grids/tiles/WebMercatorQuad/3/0/8", 404),
        ("/collections/grids/tiles/WebMercatorQuad/3/8/0", 404),
        ("/collections/grids/tiles/WorldCRS84Quad/0/0/1", 204),
        ("/collections/grids/tiles/WorldCRS84Quad/0/1/0", 404),
        ("/collections/grids/tiles/WebMercatorQuad/25/0/0", 404),
        ("/collections/grids/tiles/WebMercatorQuad/3/0/x", 400),
        ("/collections/grids/tiles/WebMercatorQuad/3/0/-1", 400),
        ("/collections/grids/tiles/WebMercatorQuad/3/0/1?x=1", 400),
        ("/collections/grids/tiles/Nowhere/3/0/1", 404),
        ("/collections/assignments/tiles/WebMercatorQuad/3/0/1", 404),
        ("/collections/grids/tiles/Nowhere", 404),
        ("/collections/nothing/tiles", 404),
        ("/tileMatrixSets/Nowhere", 404),
    ],
)
def test_addresses_without_a_tile(reader: TestClient, url: str, status: int) -> None:
    response = reader.get(url)
    assert response.status_code == status
    if status >= 400:
        assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("layer", list(LAYERS))
def test_the_documents_lead_to_the_tiles(reader: TestClient, layer: str) -> None:
    listed = reader.get(f"/collections/{layer}/tiles").json()
    assert [each["tileMatrixSetId"] for each in listed["tilesets"]] == list(MATRIX_SETS)
    for each in listed["tilesets"]:
        links = {link["rel"]: link["href"] for link in each["links"]}
        tileset = reader.get(links["self"]).json()
        matrix_set = reader.get(
            links["http://www.opengis.net/def/rel/ogc/1.0/tiling-scheme"]
        ).json()
        assert matrix_set["id"] == each["tileMatrixSetId"]
        assert matrix_set["crs"] == each["crs"] == tileset["crs"]
        [box] = [tileset["boundingBox"]]
        assert box["lowerLeft"] == pytest.approx([0.0, 0.0], abs=0.005)
        assert box["upperRight"] == pytest.approx([0.02, 0.01], abs=0.008)
        items = {link["rel"]: link for link in tileset["links"]}
        template = items["item"]["href"]
        for name, value in (("tileMatrix", 0), ("tileRow", 0), ("tileCol", 0)):
            template = template.replace(f"{{{name}}}", str(value))
        assert reader.get(template).status_code in (200, 204)
        told = reader.get(items["describedby"]["href"]).json()
        assert told["tilejson"] == "3.0.0"
        assert told["vector_layers"][0]["id"] == layer
        named = set(tileset["layers"][0]["propertiesSchema"]["properties"])
        assert set(told["vector_layers"][0]["fields"]) == named
        url = told["tiles"][0].format(z=0, x=0, y=0)
        assert reader.get(url).status_code in (200, 204)
    matrix_sets = reader.get("/tileMatrixSets").json()["tileMatrixSets"]
    assert [each["id"] for each in matrix_sets] == list(MATRIX_SETS)


def test_collections_lead_to_their_tiles(reader: TestClient) -> None:
    conforms = reader.get("/conformance").json()["conformsTo"]
    assert "http://www.opengis.net/spec/ogcapi-tiles-1/1.0/conf/core" in conforms
    led = {}
    for each in reader.get("/collections").json()["collections"]:
        links = [link["href"] for link in each["links"] if link["rel"].endswith("tilesets-vector")]
        led[each["id"]] = [reader.get(href).status_code for href in links]
    assert {name for name, codes in led.items() if codes == [200]} == set(LAYERS)
    assert all(codes == [] for name, codes in led.items() if name not in LAYERS)


def test_an_empty_database_has_empty_tiles(settings: Settings) -> None:
    with TestClient(create_app(settings)) as client:
        for layer in LAYERS:
            assert (
                client.get(f"/collections/{layer}/tiles/WebMercatorQuad/0/0/0").status_code == 204
            )
            tileset = client.get(f"/collections/{layer}/tiles/WebMercatorQuad").json()
            assert "boundingBox" not in tileset


Change = Callable[[Any], None]


def move_household(session: Any) -> None:
    """It leaves its grid with that, until it is assigned again."""
    session.execute(
        update(Household)
        .where(Household.reference == "H00")
        .values(geometry="SRID=4326;POINT(0.015 0.008)")
    )


def reassign(session: Any) -> None:
    session.execute(update(Assignment).where(Assignment.household_id == 1).values(grid_id=2))


def post_a_member(session: Any) -> None:
    session.add(Post(member_id=2, grid_id=3, role="police"))


def rename_a_community(session: Any) -> None:
    session.execute(update(Division).where(Division.code == "C2").values(name="New name"))


def remove_a_member(session: Any) -> None:
    session.execute(text("DELETE FROM member WHERE reference = 'M2'"))


def count_more_households(session: Any) -> None:
    session.execute(update(Household).where(Household.reference == "H00").values(households=7))


def require_a_doctor(session: Any) -> None:
    session.execute(text("INSERT INTO team_requirement VALUES (1, 'doctor', 1)"))


def switch_the_plan(session: Any, on: date | None = None) -> None:
    """C2 in two halves."""
    on = on or date.today()
    session.add(GridPlan(id=2, name="second"))
    session.flush()
    for number, (west, east) in enumerate(((0.01, 0.015), (0.015, 0.02)), start=2):
        ring = f"{west} 0,{east} 0,{east} 0.01,{west} 0.01,{west} 0"
        grid = Grid(id=10 + number, code=f"C200{number}", community_code="C2", number=number)
        session.add(grid)
        session.flush()
        polygon = f"SRID=4326;POLYGON(({ring}))"
        session.add(GridVersion(grid_id=grid.id, version=1, geometry=polygon))
        session.flush()
        session.add(PlanGrid(plan_id=2, grid_id=grid.id, version=1))
    session.add(CommunityPlan(plan_id=2, community_code="C2"))
    session.flush()
    session.execute(text("UPDATE grid_plan SET state = 'validated' WHERE id = 2"))
    close = (
        "UPDATE community_plan SET active = daterange(lower(active), :day) "
        "WHERE plan_id = 1 AND community_code = 'C2'"
    )
    session.execute(text(close), {"day": on})
    begin = "UPDATE community_plan SET active = daterange(:day, NULL) WHERE plan_id = 2"
    session.execute(text(begin), {"day": on})
    activate = "UPDATE grid_plan SET state = 'active', effective_from = :day WHERE id = 2"
    session.execute(text(activate), {"day": on})


CHANGES: list[tuple[Change, set[str]]] = [
    (move_household, {"grids", "divisions", "households"}),
    (reassign, {"grids", "divisions"}),
    (post_a_member, {"grids", "divisions", "members"}),
    (rename_a_community, {"grids", "divisions"}),
    (remove_a_member, {"members"}),
    (count_more_households, {"grids", "divisions", "households"}),
    (require_a_doctor, set(LAYERS)),
    (switch_the_plan, {"grids", "divisions"}),
]

each_change = pytest.mark.parametrize(
    ("change", "layers"), CHANGES, ids=[change.__name__ for change, _ in CHANGES]
)


def told(client: TestClient) -> dict[str, dict[str, Any]]:
    """Tag and content of the tiles of every layer, near and far."""
    seen: dict[str, dict[str, Any]] = {}
    for layer in LAYERS:
        urls = [address(layer, "WebMercatorQuad", z, 0.012, 0.004) for z in (0, 8, 12, 13, 15)]
        answers = [client.get(url) for url in urls]
        tags = {each.headers["etag"] for each in answers}
        assert len(tags) == 1
        seen[layer] = {"tag": tags.pop(), "content": [each.content for each in answers]}
    return seen


@pytest.mark.parametrize(
    ("change", "layers"), CHANGES, ids=lambda value: getattr(value, "__name__", "")
)
def test_a_change_gives_new_tags_to_its_layers_alone(
    town: Settings, change: Change, layers: set[str]
) -> None:
    with TestClient(create_app(town)) as client, Database(town) as database:
        before = told(client)
        with database.session() as session:
            change(session)
        wait_for_the_next_look(client)
        after = told(client)
    changed = {layer for layer in LAYERS if before[layer]["tag"] != after[layer]["tag"]}
    assert changed == layers
    for layer in LAYERS:
        if layer not in layers:
            assert before[layer]["content"] == after[layer]["content"]
    assert any(before[layer]["content"] != after[layer]["content"] for layer in layers)


def wait_for_the_next_look(client: TestClient) -> None:
    client.app.state.tiles._holds_until = 0.0  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("change", "layers"), CHANGES, ids=lambda value: getattr(value, "__name__", "")
)
def test_a_change_brought_in_place_is_the_same_as_all_prepared_anew(
    town: Settings, change: Change, layers: set[str]
) -> None:
    """What is renewed bit by bit must not drift from what the tables say."""
    prepared = text(
        "SELECT 'area', level, code, zoom, ST_AsText(geometry, 3), "
        "concat_ws(',', name, parent, flag, grids, households, vacancies) FROM tile.area "
        "UNION ALL SELECT 'figure', level, code, households, coalesce(name, ''), "
        "concat_ws(',', parent, flag, grids, vacancies) FROM tile.figure "
        "UNION ALL SELECT layer, zoom, x || '/' || y, records, ST_AsText(place, 3), "
        "households::text FROM tile.cell ORDER BY 1, 2, 3, 4"
    )
    with Database(town) as database:
        with database.session() as session:
            prepare.prepare(session)
        with database.session() as session:
            change(session)
        with database.session() as session:
            prepare.prepare(session)
        with database.session() as session:
            in_place = session.execute(prepared).all()
            session.execute(text("INSERT INTO tile.change (kind) VALUES ('everything')"))
        with database.session() as session:
            prepare.prepare(session)
        with database.session() as session:
            assert session.execute(prepared).all() == in_place


def test_a_plan_that_begins_another_day_changes_the_tiles_on_that_day(town: Settings) -> None:
    tomorrow = date.today() + timedelta(days=1)
    with Database(town) as database:
        with database.session() as session:
            switch_the_plan(session, on=tomorrow)
        with database.session() as session:
            prepare.prepare(session)
            assert prepare.versions(session).pending == 0
        with database.session() as session:
            # as if it had been prepared before the plan's first day
            session.execute(
                text("UPDATE community_plan SET active = active - daterange(:t, NULL) WHERE false"),
                {"t": tomorrow},
            )
            session.execute(text("UPDATE tile.state SET day = CURRENT_DATE - 11"))
            assert prepare.versions(session).pending == 2  # both communities began 10 days ago
            assert prepare.prepare(session)
            assert prepare.versions(session).pending == 0


def test_what_fails_leaves_the_tiles_of_before(town: Settings) -> None:
    with TestClient(create_app(town)) as client, Database(town) as database:
        before = told(client)
        with database.session() as session:
            reassign(session)
            prepare.prepare(session)
            session.rollback()
        wait_for_the_next_look(client)
        assert told(client) == before


def test_two_who_prepare_at_once_do_not_wait_for_each_other(town: Settings) -> None:
    with Database(town) as database, database.session() as first:
        assert prepare.prepare(first)
        with database.session() as second:
            assert not prepare.prepare(second)


def add_towers(database: Database, many: int) -> None:
    """Households at places of their own all over the first grid, in another data set's name."""
    with database.session() as session:
        number = func.generate_series(1, many).column_valued("number")
        place = func.ST_MakePoint(func.random() * 0.004, func.random() * 0.004)
        rows = select(literal(1), func.concat("N", number), func.ST_SetSRID(place, 4326))
        columns = ["dataset_id", "reference", "geometry"]
        session.execute(Household.__table__.insert().from_select(columns, rows))


def test_a_tile_stays_small_however_much_is_in_it(
    town: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(draw, "MOST_BYTES", 20_000)
    with Database(town) as database:
        add_towers(database, 30_000)
        with database.session() as session:
            session.execute(
                insert(Member),
                [
                    {
                        "dataset_id": 1,
                        "reference": f"N{number}",
                        "roles": [f"role_{number}"],
                        "geometry": f"SRID=4326;POINT({number / 1e6} 0.001)",
                    }
                    for number in range(1, 3000)
                ],
            )
        with TestClient(create_app(town)) as client:
            for layer in ("households", "members"):
                for z in (0, 8, 13, 14, 15, 16, 17):
                    url = address(layer, "WebMercatorQuad", z, 0.002, 0.001)
                    response = client.get(url, headers={"Accept-Encoding": "identity"})
                    assert 0 < len(response.content) <= 20_000, (layer, z)
            found = everywhere(client, "households", "WebMercatorQuad", 16)
            assert sum(each["properties"]["records"] for each in found) == 30_011
            found = everywhere(client, "members", "WebMercatorQuad", 15)
            assert sum(each["properties"]["records"] for each in found) == 3_001


def test_from_afar_divisions_stand_for_their_grids(
    town: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepare, "_MOST_AREAS", 2)
    with TestClient(create_app(town)) as client:
        close = {
            each["properties"]["level"]
            for each in everywhere(client, "grids", "WebMercatorQuad", 14)
        }
        far = [each["properties"] for each in everywhere(client, "grids", "WebMercatorQuad", 9)]
    assert close == {"grid"}
    assert {(each["code"], each["level"], each["grids"], each["load"]) for each in far} == {
        ("C1", "community", 2, 2),
        ("C2", "community", 1, 5),
    }


def test_the_store_keeps_within_its_room() -> None:
    from service.tiles.store import PackedTile, TileStore

    store = TileStore(room=10_000)
    for column in range(100):
        key = ("grids", Tile("WebMercatorQuad", 9, 0, column))
        store._keep(key, "1", PackedTile(bytes(100)))
    assert 10 < len(store._tiles) < 20
    assert store._size <= 10_000
    newest = ("grids", Tile("WebMercatorQuad", 9, 0, 99))
    assert newest in store._tiles
    store._keep(newest, "2", PackedTile(b""))
    assert store._size == sum(len(tile.content) + 500 for _, tile in store._tiles.values())
