"""Tiles of further tables: all that is there, in its place, as large as allowed, never old."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import mapbox_vector_tile
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from service.app import create_app
from service.db.engine import Database
from service.settings import Settings
from service.tiles import draw, further
from service.tiles.matrix import MATRIX_SETS, Tile

MVT = "application/vnd.mapbox-vector-tile"
#: The same twenty points, squares and lines at (2.001 .. 2.020, 0.005) in several systems, and what
#: lies where some systems end.
TABLES = """
CREATE SCHEMA city;
CREATE TABLE city.tree (
    id bigint PRIMARY KEY, species text, height numeric(5, 2), planted date, tags text[],
    felled boolean, secret jsonb, records text, place geometry(Point, 4326)
);
INSERT INTO city.tree
SELECT number, '树 ' || repeat('x', 300), number / 2.0, DATE '2020-01-01', ARRAY['tall', 'old'],
    false, '{}', 'own', ST_SetSRID(ST_MakePoint(2 + number * 0.001, 0.005), 4326)
FROM generate_series(1, 20) AS number;
CREATE TABLE city.tree_3857 (id bigint PRIMARY KEY, place geometry(Point, 3857));
INSERT INTO city.tree_3857 SELECT id, ST_Transform(place, 3857) FROM city.tree;
CREATE TABLE city.tree_32631 (id bigint PRIMARY KEY, place geometry(Point, 32631));
INSERT INTO city.tree_32631 SELECT id, ST_Transform(place, 32631) FROM city.tree;
CREATE INDEX ON city.tree_32631 USING gist (place);
CREATE VIEW city.plot AS SELECT 'P' || id AS code, height,
    ST_SetSRID(ST_Expand(place, 0.0004), 4326) AS shape FROM city.tree;
CREATE TABLE city.parcel (code text PRIMARY KEY, height float8, shape geometry(Polygon, 32631));
INSERT INTO city.parcel SELECT code, height, ST_Transform(shape, 32631) FROM city.plot;
CREATE TABLE city.road (id integer PRIMARY KEY, line geometry(LineString, 4490));
INSERT INTO city.road
SELECT id, ST_Transform(ST_MakeLine(place, ST_Translate(place, 0, 0.001)), 4490) FROM city.tree;
INSERT INTO city.road VALUES (99, NULL);
CREATE TABLE city.ice (id integer PRIMARY KEY, shape geometry(Geometry, 4326));
INSERT INTO city.ice VALUES
    (1, ST_MakeEnvelope(-180, -90, 180, -60, 4326)), (2, ST_SetSRID(ST_MakePoint(0, 90), 4326)),
    (3, ST_SetSRID(ST_MakePoint(10, 50), 4326));
CREATE TABLE city.pole (id integer PRIMARY KEY, place geometry(Point, 4326));
INSERT INTO city.pole VALUES (1, ST_SetSRID(ST_MakePoint(5, 89.5), 4326));
CREATE TABLE city.crowd (id bigint PRIMARY KEY, name text, place geometry(Point, 4326));
INSERT INTO city.crowd SELECT number, 'n' || number,
    ST_SetSRID(ST_MakePoint(number % 100 * 0.0001, number / 100 * 0.0001), 4326)
FROM generate_series(0, 8999) AS number;
CREATE TABLE city.block (id bigint PRIMARY KEY, name text, shape geometry(Polygon, 4326));
INSERT INTO city.block SELECT number, repeat(md5(number::text), 6),
    ST_SetSRID(ST_Expand(ST_MakePoint(number % 100 * 0.0001, number / 100 * 0.0001),
        0.00001 + number * 0.000000001), 4326)
FROM generate_series(0, 8999) AS number;
CREATE TABLE city.drawn (
    found integer PRIMARY KEY, drawn text, place geometry(Point, 4326)
);
INSERT INTO city.drawn VALUES (1, 'by hand', ST_SetSRID(ST_MakePoint(2.5, 0.5), 4326));
CREATE TABLE city.buoy (id integer PRIMARY KEY, place geometry(Point, 4326));
INSERT INTO city.buoy
SELECT row_number() OVER (), ST_SetSRID(ST_MakePoint(lon, lat), 4326)
FROM unnest(ARRAY[-180, 0, 180]) AS lon, unnest(ARRAY[-90, -85, 0, 85, 90]) AS lat;
CREATE TABLE city.plain (id integer PRIMARY KEY);
"""
#: An area with more corners than a tile has bytes for.
STAR = """
INSERT INTO city.ice
SELECT 1, ST_MakePolygon(ST_AddPoint(line, ST_StartPoint(line)))
FROM (
    SELECT ST_MakeLine(
        ST_SetSRID(ST_MakePoint(cos(a) * far, sin(a) * far), 4326) ORDER BY a
    ) AS line
    FROM (
        SELECT radians(a) AS a, 1 + random() * 0.2 AS far
        FROM generate_series(0, 359.999, 0.002) AS a
    ) AS corner
) AS star
"""
NAMES = (
    *("tree", "tree_3857", "tree_32631", "parcel", "road", "ice", "pole", "crowd", "block"),
    *("drawn", "buoy", "plain"),
)
POINTS = ("tree", "tree_3857", "tree_32631")
#: Every level at which what is there is more than a dot, the ends of the range among them.
LEVELS = (0, 4, 9, 12, 14, 16, 18)


@pytest.fixture(scope="module")
def city(publishing: Callable[..., Settings]) -> Settings:
    return publishing(TABLES, *(f"city.{name}" for name in NAMES))


@pytest.fixture(scope="module")
def client(city: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(city), base_url="http://127.0.0.1:8000") as opened:
        yield opened


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
    assert len(response.content) <= draw.MOST_BYTES
    decoded = mapbox_vector_tile.decode(response.content, default_options={"y_coord_down": True})
    assert list(decoded) == [layer]
    found: list[dict[str, Any]] = decoded[layer]["features"]
    return found


def everywhere(client: TestClient, layer: str, matrix_set: str, z: int) -> list[dict[str, Any]]:
    """The features of every tile about the twenty places."""
    urls = {
        address(layer, matrix_set, z, 2 + x / 2000, 0.005 + y / 2000)
        for x in range(42)
        for y in (-2, 0, 2)
    }
    return [each for url in sorted(urls) for each in features(client, url, layer)]


@pytest.mark.parametrize("matrix_set", MATRIX_SETS)
@pytest.mark.parametrize("z", LEVELS)
@pytest.mark.parametrize("layer", POINTS)
def test_each_point_is_in_one_tile(client: TestClient, layer: str, matrix_set: str, z: int) -> None:
    found = everywhere(client, layer, matrix_set, z)
    assert sorted(each["properties"]["id"] for each in found) == list(range(1, 21))
    assert sorted(each["id"] for each in found) == list(range(1, 21))


@pytest.mark.parametrize("matrix_set", MATRIX_SETS)
@pytest.mark.parametrize("layer", POINTS)
def test_a_point_is_where_it_is(client: TestClient, layer: str, matrix_set: str) -> None:
    url = address(layer, matrix_set, 16, 2.007, 0.005)
    (found,) = [each for each in features(client, url, layer) if each["id"] == 7]
    *_, level, row, column = url.split("/")
    bound = Tile(matrix_set, int(level), int(row), int(column)).bound()
    unit = 111319.49079 if matrix_set == "WebMercatorQuad" else 1.0  # near the equator
    x, y = found["geometry"]["coordinates"]
    east = bound["west"] + x / 4096 * (bound["east"] - bound["west"])
    north = bound["north"] - y / 4096 * (bound["north"] - bound["south"])
    assert [east / unit, north / unit] == pytest.approx([2.007, 0.005], abs=2e-6)


@pytest.mark.parametrize("matrix_set", MATRIX_SETS)
@pytest.mark.parametrize("z", LEVELS)
@pytest.mark.parametrize("layer", ["parcel", "road"])
def test_lines_and_areas_are_all_there(
    client: TestClient, layer: str, matrix_set: str, z: int
) -> None:
    found = everywhere(client, layer, matrix_set, z)
    key = "code" if layer == "parcel" else "id"
    assert len({each["properties"][key] for each in found}) == 20
    kinds = {each["geometry"]["type"] for each in found}
    assert kinds <= ({"Polygon"} if layer == "parcel" else {"LineString", "MultiLineString"})


def test_attributes_are_those_that_are_published(client: TestClient) -> None:
    (found,) = features(client, address("tree", "WebMercatorQuad", 18, 2.003, 0.005), "tree")
    assert found["properties"] == {
        "id": 3,
        "species": "树 " + "x" * 198,
        "height": 1.5,
        "planted": "2020-01-01",
        "tags": "tall;old",
        "felled": False,
        "records": "own",
    }


@pytest.mark.parametrize("matrix_set", MATRIX_SETS)
def test_poles_are_left_out_where_mercator_ends(client: TestClient, matrix_set: str) -> None:
    whole = [
        each
        for column in ((0,) if matrix_set == "WebMercatorQuad" else (0, 1))
        for layer in ("ice", "pole")
        for each in features(client, f"/collections/{layer}/tiles/{matrix_set}/0/0/{column}", layer)
    ]
    ids = sorted({each["id"] for each in whole})
    assert ids == ([1, 3] if matrix_set == "WebMercatorQuad" else [1, 2, 3])


@pytest.mark.parametrize("z", [0, 1, 3])
@pytest.mark.parametrize(("matrix_set", "points"), [("WebMercatorQuad", 9), ("WorldCRS84Quad", 15)])
def test_points_where_the_earth_ends_are_in_one_tile(
    client: TestClient, matrix_set: str, points: int, z: int
) -> None:
    columns = 2**z * (2 if matrix_set == "WorldCRS84Quad" else 1)
    found = [
        each["id"]
        for row in range(2**z)
        for column in range(columns)
        for each in features(
            client, f"/collections/buoy/tiles/{matrix_set}/{z}/{row}/{column}", "buoy"
        )
    ]
    assert len(found) == len(set(found)) == points


def test_columns_may_be_called_anything(client: TestClient) -> None:
    (found,) = features(client, address("drawn", "WebMercatorQuad", 4, 2.5, 0.5), "drawn")
    assert found["properties"] == {"found": 1, "drawn": "by hand"}


def test_points_that_are_too_many_are_counted(client: TestClient) -> None:
    for z in (0, 10, 13, 14):
        found = everything(client, "crowd", z)
        assert sum(each["properties"].get("records", 1) for each in found) == 9000
    assert len(everything(client, "crowd", 0)) == 1
    near = features(client, address("crowd", "WebMercatorQuad", 16, 0.001, 0.001), "crowd")
    assert {each["properties"]["name"] for each in near} >= {"n1010"}


def everything(client: TestClient, layer: str, z: int) -> list[dict[str, Any]]:
    urls = {
        address(layer, "WebMercatorQuad", z, x / 1000, y / 1000)
        for x in range(-1, 12)
        for y in range(-1, 12)
    }
    return [each for url in sorted(urls) for each in features(client, url, layer)]


def test_areas_that_are_too_many_give_way_to_the_largest(client: TestClient) -> None:
    url = address("block", "WebMercatorQuad", 14, 0.001, 0.001)
    found = {each["id"] for each in features(client, url, "block")}
    assert 500 < len(found) < 8000
    assert min(found) >= 9000 - 2 * len(found)
    told = client.get("/collections/block/tiles/WebMercatorQuad/tilejson.json").json()
    assert "the largest alone" in told["description"]


def test_one_feature_alone_may_not_be_too_large(
    client: TestClient, city: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Database(city) as database, database.session() as session:
        session.execute(text("DELETE FROM city.ice"))
        session.execute(text(STAR))
    monkeypatch.setattr(further, "MOST_BYTES", 100_000)
    response = client.get("/collections/ice/tiles/WebMercatorQuad/6/31/32")
    assert response.status_code == 200
    assert 1_000 < len(response.content) <= 100_000


@pytest.mark.parametrize("layer", ["tree", "parcel"])
def test_a_tile_is_never_old(client: TestClient, city: Settings, layer: str) -> None:
    url = address(layer, "WebMercatorQuad", 12, 2.01, 0.005)
    first = client.get(url)
    assert first.headers["cache-control"] == "public, no-cache"
    tag = {"If-None-Match": first.headers["etag"]}
    again = client.get(url, headers=tag)
    assert (again.status_code, again.content) == (304, b"")
    assert client.get(url).content == first.content
    change = text(f"UPDATE city.{layer} SET height = height + 1")  # noqa: S608 - a name of ours
    with Database(city) as database, database.session() as session:
        session.execute(change)
    changed = client.get(url, headers=tag)
    assert changed.status_code == 200
    assert changed.headers["etag"] != first.headers["etag"]
    with Database(city) as database, database.session() as session:
        session.execute(text(f"UPDATE city.{layer} SET height = height - 1"))  # noqa: S608


def test_tiles_are_packed_for_those_who_take_it(client: TestClient) -> None:
    url = address("tree", "WebMercatorQuad", 12, 2.01, 0.005)
    packed = client.get(url, headers={"Accept-Encoding": "gzip"})
    plain = client.get(url, headers={"Accept-Encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.content == plain.content
    assert packed.headers["etag"] == plain.headers["etag"]


def test_nothing_is_there(client: TestClient) -> None:
    for layer in ("tree", "tree_32631", "parcel", "road"):
        for z in (7, 14):
            url = address(layer, "WebMercatorQuad", z, -100, 40)
            assert client.get(url).status_code == 204
    for name in ("plain", "nothing"):
        refused = client.get(f"/collections/{name}/tiles")
        assert refused.status_code == 404
        assert "grids, households, members" in refused.json()["detail"]
        assert client.get(f"/collections/{name}/tiles/WebMercatorQuad/0/0/0").status_code == 404
    assert client.get("/collections/tree/tiles/WebMercatorQuad/0/0/0?v=1").status_code == 400
    assert client.get("/collections/tree/tiles/WebMercatorQuad/0/0/1").status_code == 404


@pytest.mark.parametrize("layer", [name for name in NAMES if name not in ("plain", "ice", "pole")])
def test_tile_sets_are_described(client: TestClient, layer: str) -> None:
    collection = client.get(f"/collections/{layer}").json()
    (tiles,) = [each["href"] for each in collection["links"] if each["rel"].endswith("-vector")]
    sets = client.get(tiles).json()["tilesets"]
    assert [each["tileMatrixSetId"] for each in sets] == list(MATRIX_SETS)
    for each in sets:
        (own,) = [link["href"] for link in each["links"] if link["rel"] == "self"]
        document = client.get(own).json()
        box = collection["extent"]["spatial"]["bbox"][0]
        bounds = document["boundingBox"]["lowerLeft"] + document["boundingBox"]["upperRight"]
        assert bounds == pytest.approx(box)
        told = client.get(f"{own}/tilejson.json").json()
        assert told["bounds"] == pytest.approx(box)
        assert told["tiles"] == [f"{own}/{{z}}/{{y}}/{{x}}"]
        fields = told["vector_layers"][0]["fields"]
        properties = document["layers"][0]["propertiesSchema"]["properties"]
        assert set(fields) == set(properties)
        assert "secret" not in fields
    if layer == "tree":
        assert document["layers"][0]["geometryDimension"] == 0
        assert (fields["height"], fields["felled"], fields["tags"]) == (
            *("Number", "Boolean", "String"),
        )
        assert properties["height"]["type"] == "number"
        assert (fields["records"], fields["records_"]) == ("String", "Number")
