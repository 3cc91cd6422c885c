"""Further tables, named in the settings, are collections like Gridward's own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import URL, text

from geodata.errors import InputError
from service.app import create_app
from service.catalogue.formats import FORMATS
from service.catalogue.published import COLLECTIONS
from service.catalogue.reflected import reflect_tables
from service.catalogue.tiled import TILESETS
from service.db.engine import Database
from service.settings import Settings

TABLES = """
CREATE SCHEMA city;
CREATE TABLE city.tree (
    id bigint PRIMARY KEY, species varchar(40) NOT NULL, height numeric(5, 2), planted date,
    checked timestamp, tags text[], felled boolean DEFAULT false, secret jsonb,
    place geometry(Point, 3857)
);
COMMENT ON TABLE city.tree IS 'Trees along the streets.';
COMMENT ON COLUMN city.tree.height IS 'Height in metres';
INSERT INTO city.tree
SELECT number, 'oak', number / 2.0, DATE '2020-01-01' + number,
    TIMESTAMP '2026-01-01 12:00' + number * interval '1 day', ARRAY['tall'], false, '{"a": 1}',
    ST_Transform(ST_SetSRID(ST_MakePoint(number * 0.001, 0.005), 4326), 3857)
FROM generate_series(1, 20) AS number;
CREATE INDEX ON city.tree USING gist (place);
CREATE VIEW city.tall_tree AS SELECT id, species, place FROM city.tree WHERE height > 9;
CREATE TABLE city.grids (code uuid PRIMARY KEY, shape geometry(Polygon, 4326));
INSERT INTO city.grids VALUES
    ('6fa459ea-ee8a-3ca4-894e-db77e160355e', ST_MakeEnvelope(0, 0, 1, 1, 4326));
CREATE TABLE city.segment (
    street text, number integer, line geometry(LineString, 4326), PRIMARY KEY (street, number)
);
INSERT INTO city.segment
SELECT 'Long Street', number, ST_MakeLine(ST_SetSRID(ST_MakePoint(number, 0), 4326),
    ST_SetSRID(ST_MakePoint(number + 1, 0), 4326)) FROM generate_series(1, 3) AS number;
CREATE TABLE city.keyless (name text, place geometry(Point, 4326));
CREATE TABLE city.plain (id integer PRIMARY KEY, geometry text);
INSERT INTO city.plain VALUES (1, 'square'), (2, NULL);
CREATE TABLE city.utm (id integer PRIMARY KEY, place geometry(Point, 32650));
INSERT INTO city.utm
SELECT number, ST_Transform(ST_SetSRID(ST_MakePoint(117 + number, 31), 4326), 32650)
FROM generate_series(0, 2) AS number;
CREATE TABLE city.endless (id integer PRIMARY KEY, place geometry(Point, 4326));
INSERT INTO city.endless VALUES
    (1, ST_SetSRID(ST_MakePoint('Infinity', 0), 4326)),
    (2, ST_SetSRID(ST_MakePoint(0, 'NaN'), 4326)), (3, ST_SetSRID(ST_MakePoint(7, 50), 4326)),
    (4, NULL);
CREATE TABLE city.stray (id integer PRIMARY KEY, place geometry(Point, 32650));
INSERT INTO city.stray VALUES (1, ST_SetSRID(ST_MakePoint(1e30, 1e30), 32650));
CREATE TABLE city.bent (id integer PRIMARY KEY, line geometry(CircularStringZ, 4326));
CREATE TABLE city.round (id integer PRIMARY KEY, place geography(Point));
CREATE TABLE city.loose (id integer PRIMARY KEY, place geometry);
"""


@pytest.fixture(scope="module")
def city(
    cluster: Any, database_template: URL, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Settings]:
    url = cluster.create(database_template.database)
    settings = Settings(database_url=url, home=tmp_path_factory.mktemp("home"))
    with Database(settings) as database, database.session() as session:
        for statement in TABLES.split(";\n"):
            if statement.strip():
                session.execute(text(statement))
    yield settings
    cluster.drop(url)


@pytest.fixture(scope="module")
def client(city: Settings) -> Iterator[TestClient]:
    named = (
        "city.tree",
        "city.tall_tree:id",
        "city.grids",
        "city.segment",
        "city.plain",
        "city.utm",
        "city.endless",
        "city.stray",
    )
    settings = city.model_copy(update={"publish": named})
    with TestClient(create_app(settings), base_url="http://127.0.0.1:8000") as opened:
        yield opened


def test_tables_are_listed_after_our_own(client: TestClient) -> None:
    listed = [each["id"] for each in client.get("/collections").json()["collections"]]
    own = ["tree", "tall_tree", "city.grids", "segment", "plain", "utm", "endless", "stray"]
    assert listed == [*COLLECTIONS, *own]
    tree = client.get("/collections/tree").json()
    assert tree["description"] == "Trees along the streets."
    assert tree["storageCrs"] == "http://www.opengis.net/def/crs/EPSG/0/3857"
    extent = tree["extent"]["spatial"]["bbox"][0]
    assert extent == pytest.approx([0.001, 0.005, 0.02, 0.005])
    files = [each["href"] for each in tree["links"] if each["rel"] == "enclosure"]
    assert [each.rsplit("/", 1)[1] for each in files] == [f"tree.{each}" for each in FORMATS]
    assert [each for each in tree["links"] if each["rel"] == TILESETS]


def test_features_are_in_degrees_unless_asked_otherwise(client: TestClient) -> None:
    feature = client.get("/collections/tree/items/3").json()
    assert feature["id"] == 3
    assert feature["geometry"]["coordinates"] == pytest.approx([0.003, 0.005])
    assert feature["properties"] == {
        "id": 3,
        "species": "oak",
        "height": 1.5,
        "planted": "2020-01-04",
        "checked": "2026-01-04T12:00:00+00:00",
        "tags": ["tall"],
        "felled": False,
    }
    uri = "http://www.opengis.net/def/crs/EPSG/0/3857"
    stored = client.get(f"/collections/tree/items/3?crs={uri}").json()
    assert stored["geometry"]["coordinates"] == pytest.approx([333.9585, 556.5975], abs=1e-3)


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("bbox=0,0,0.0051,1", 5),
        ("bbox=0,0,600,600&bbox-crs=http://www.opengis.net/def/crs/EPSG/0/3857", 5),
        ("species=oak&height=1.5", 1),
        ("tags=tall", 20),
        ("planted=2020-01-04", 1),
        ("filter=height > 9 AND planted >= DATE('2020-01-20')", 2),
        ("filter=S_WITHIN(place, BBOX(0, 0, 0.0051, 1))", 5),
        ("filter=T_AFTER(checked, TIMESTAMP('2026-01-20T00:00:00Z'))", 2),
        ("filter=A_CONTAINS(tags, ('tall')) AND felled = FALSE", 20),
    ],
)
def test_tables_are_filtered(client: TestClient, query: str, count: int) -> None:
    response = client.get(f"/collections/tree/items?{query}")
    assert response.status_code == 200, response.text
    assert response.json()["numberMatched"] == count


WORLD = "POLYGON((-180 -90,180 -90,180 90,-180 90,-180 -90))"


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("bbox=-180,-90,180,90", 20),
        ("bbox=170,-90,-170,90", 0),
        ("filter=S_INTERSECTS(place, BBOX(-180,-90,180,90))", 20),
        (f"filter=S_WITHIN(place, {WORLD})", 20),
        (f"filter=S_DISJOINT(place, {WORLD})", 0),
        ("filter=S_INTERSECTS(place, BBOX(170,-90,-170,90))", 0),
        ("filter=S_INTERSECTS(place, LINESTRING(0.005 -90, 0.005 90))", 1),
        ("filter=S_WITHIN(place, GEOMETRYCOLLECTION(POINT(5 90), BBOX_OF_FIVE))", 5),
    ],
)
def test_the_poles_are_no_limit(client: TestClient, query: str, count: int) -> None:
    """Tables whose reference system ends before the poles."""
    five = "POLYGON((0 -90, 0.0051 -90, 0.0051 90, 0 90, 0 -90))"
    response = client.get(f"/collections/tree/items?{query.replace('BBOX_OF_FIVE', five)}")
    assert response.status_code == 200, response.text
    assert response.json()["numberMatched"] == count


@pytest.mark.parametrize(
    ("name", "count"),
    [("tree", 20), ("tall_tree", 2), ("city.grids", 1), ("segment", 3), ("plain", 2)],
)
def test_every_page_of_every_table(client: TestClient, name: str, count: int) -> None:
    address: str | None = f"/collections/{name}/items?limit=2"
    found = []
    while address is not None:
        document = client.get(address).json()
        assert document["numberMatched"] == count
        found += document["features"]
        links = {each["rel"]: each["href"] for each in document["links"]}
        address = links.get("next")
    assert len({each["id"] for each in found}) == count
    for feature in found:
        assert client.get(f"/collections/{name}/items/{feature['id']}").status_code == 200
    assert client.get(f"/collections/{name}/items?f=html").status_code == 200
    assert client.get(f"/collections/{name}/schema").status_code == 200


@pytest.mark.parametrize("name", ["utm", "tree"])
@pytest.mark.parametrize(
    ("box", "of_utm", "of_trees"),
    [
        ("-180,-90,180,90", 3, 20),
        ("-180,-90,0.0051,90", 0, 5),
        ("116.5,-90,118.5,90", 2, 0),
        ("116.5,30.9,117.5,31.1", 1, 0),
        ("117.5,30.9,116.5,31.1", 2, 0),
        ("-100,40,-99,41", 0, 0),
        ("-100,88,-99,90", 0, 0),
    ],
)
def test_boxes_of_any_width_are_brought_to_any_system(
    client: TestClient, name: str, box: str, of_utm: int, of_trees: int
) -> None:
    found = client.get(f"/collections/{name}/items?bbox={box}")
    assert found.status_code == 200, found.text
    count = of_utm if name == "utm" else of_trees
    assert len(found.json()["features"]) == count
    mercator = "http://www.opengis.net/def/crs/EPSG/0/3857"
    world = f"-20037508,-20037508,20037508,20037508&bbox-crs={mercator}"
    whole = client.get(f"/collections/{name}/items?bbox={world}").json()["features"]
    assert len(whole) == (3 if name == "utm" else 20)


@pytest.mark.parametrize(
    ("condition", "count"),
    [
        ("S_INTERSECTS(place, BBOX(-180,-90,180,90))", 3),
        (f"S_WITHIN(place, {WORLD})", 3),
        (f"S_CONTAINS({WORLD}, place)", 3),
        (f"S_DISJOINT(place, {WORLD})", 0),
        (f"NOT S_INTERSECTS(place, {WORLD})", 0),
        ("S_INTERSECTS(place, BBOX(117.5,-90,180,90))", 2),
        ("S_INTERSECTS(place, BBOX(118.5,-90,117.5,90))", 2),
        (f"S_WITHIN(place, GEOMETRYCOLLECTION(POINT(5 90), {WORLD}))", 3),
        ("S_INTERSECTS(place, BBOX(117.5,30,118.5,32))", 1),
        ("S_INTERSECTS(place, BBOX(-100,40,-99,41))", 0),
        ("distance_m(place, LINESTRING(-60 -80, -60 80)) > 1e6", 3),
    ],
)
def test_filters_of_any_width_are_brought_to_any_system(
    client: TestClient, condition: str, count: int
) -> None:
    found = client.get("/collections/utm/items", params={"filter": condition})
    assert found.status_code == 200, found.text
    assert found.json()["numberMatched"] == count


def test_a_feature_out_of_reach_does_not_stop_the_list(client: TestClient) -> None:
    stray = client.get("/collections").json()["collections"][-1]
    assert stray["id"] == "stray"
    assert "extent" not in stray
    assert client.get("/collections/stray/tiles/WebMercatorQuad/tilejson.json").status_code == 200


def test_what_has_no_end_has_no_place(client: TestClient) -> None:
    def refuse(name: str) -> None:
        raise AssertionError(name)

    for address in ("items", "items/1", "items?f=json&limit=1", ""):
        response = client.get(f"/collections/endless/{address}".rstrip("/"))
        assert response.status_code == 200
        json.loads(response.content, parse_constant=refuse)
    features = client.get("/collections/endless/items").json()["features"]
    places = [each["geometry"] and each["geometry"]["coordinates"] for each in features]
    assert places == [None, None, [7.0, 50.0], None]
    file = client.get("/exports/endless.geojson")
    json.loads(file.content, parse_constant=refuse)


def test_a_table_without_a_geometry_has_features_without_a_place(client: TestClient) -> None:
    feature = client.get("/collections/plain/items/1").json()
    assert feature["geometry"] is None
    assert feature["properties"] == {"id": 1, "geometry": "square"}
    assert "extent" not in client.get("/collections/plain").json()
    assert set(client.get("/collections/plain/schema").json()["properties"]) == {"id", "geometry"}
    assert client.get("/collections/plain?f=html").status_code == 200
    assert client.get("/collections/plain/items?bbox=0,0,1,1").json()["features"] == []
    assert client.get("/collections/plain/items?geometry=square").json()["numberMatched"] == 1


def test_tables_are_only_read(client: TestClient) -> None:
    for method in ("POST", "PATCH"):
        assert client.request(method, "/collections/tree/items", json={}).status_code == 405
    for method in ("PUT", "PATCH", "DELETE"):
        assert client.request(method, "/collections/tree/items/1", json={}).status_code == 405


def test_the_document_describes_them(client: TestClient) -> None:
    document = client.get("/api").json()
    items = document["paths"]["/collections/tree/items"]
    assert set(items) == {"get"}
    names = {each.get("name") for each in items["get"]["parameters"]}
    assert {"species", "height", "planted"} <= names
    assert "secret" not in names


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("tree", "schema.table"),
        ("city.nothing", "not there"),
        ("city.keyless", "primary key"),
        ("city.keyless:nothing", "nothing"),
        ("city.tree:height", "identified"),
        ("city.round", "geography"),
        ("city.bent", "ST_CurveToLine"),
        ("city.loose", "SRID"),
        ("public.household", "Gridward's own"),
        ("public.coverage", "Gridward's own"),
        ("tile.cell", "Gridward's own"),
        ("job.export", "Gridward's own"),
    ],
)
def test_what_cannot_be_published_is_told_at_the_start(
    city: Settings, name: str, says: str
) -> None:
    with Database(city) as database, database.session() as session:
        with pytest.raises(InputError, match=says):
            reflect_tables(session, [name], taken=COLLECTIONS)
        with pytest.raises(InputError, match="twice"):
            reflect_tables(session, ["city.grids", "city.grids"], taken=COLLECTIONS)
