"""Further tables as files: where they are, whatever their columns, no more than is published."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd
import pyarrow.parquet
import pyogrio
import pytest
import shapely
from fastapi.testclient import TestClient

from service.app import create_app
from service.catalogue.context import open_catalogue
from service.db.engine import Database
from service.exports import worker
from service.exports.form import FORMS
from service.settings import Settings

#: Points in Web Mercator, areas in UTM, lines of a view, shapes of every kind with heights and
#: measures, and columns that files have trouble with.
TABLES = """
CREATE SCHEMA city;
CREATE TABLE city.tree (
    id bigint PRIMARY KEY, species varchar(40), height numeric(5, 2), planted date,
    checked timestamptz, tags text[], felled boolean, secret jsonb, place geometry(Point, 3857)
);
INSERT INTO city.tree
SELECT number, CASE WHEN number = 1 THEN '=oak' ELSE 'oak' END, number / 2.0,
    DATE '2020-01-01' + number, TIMESTAMPTZ '2026-01-01 12:00Z', ARRAY['tall', 'old'], false,
    '{"secret": 1}', ST_Transform(ST_SetSRID(ST_MakePoint(number * 0.001, 0.005), 4326), 3857)
FROM generate_series(1, 20) AS number;
CREATE TABLE city.parcel (code text PRIMARY KEY, shape geometry(Polygon, 32631));
INSERT INTO city.parcel
SELECT 'P' || number, ST_Transform(
    ST_MakeEnvelope(2 + number * 0.01, 0.1, 2.01 + number * 0.01, 0.11, 4326), 32631
) FROM generate_series(0, 4) AS number;
CREATE TABLE city.road (id integer PRIMARY KEY, line geometry(LineString, 4490));
INSERT INTO city.road VALUES
    (1, ST_GeomFromText('LINESTRING(120.5 31.25, 120.6 31.35)', 4490)), (2, NULL);
CREATE TABLE city.plain (id integer PRIMARY KEY, name text);
INSERT INTO city.plain VALUES (1, 'one'), (2, NULL);
CREATE TABLE city.mixed (id integer PRIMARY KEY, shape geometry(GeometryZM, 4326));
INSERT INTO city.mixed VALUES
    (1, ST_GeomFromEWKT('SRID=4326;POINT(1 2 3 4)')),
    (2, ST_GeomFromEWKT('SRID=4326;POLYGON((0 0 5 9, 1 0 5 9, 1 1 5 9, 0 0 5 9))'));
CREATE TABLE city.peak (id integer PRIMARY KEY, height text, place geometry(PointZM, 3857));
INSERT INTO city.peak VALUES
    (1, 'high', ST_Transform(ST_GeomFromEWKT('SRID=4326;POINT(1 2 300 4)'), 3857));
CREATE TABLE city.grids (
    fid text, "Name" text, name text, lon integer, geometry text, "share %" float8, "a""b" text,
    day date, moment timestamp, PRIMARY KEY (name), place geometry(Point, 4326)
);
INSERT INTO city.grids VALUES
    ('f', 'N', 'n', 7, 'g', 'NaN', 'q', 'infinity', '-infinity',
        ST_SetSRID(ST_MakePoint(1, 2), 4326)),
    ('f', 'N', 'o', 8, 'h', 'Infinity', 'r', '0044-03-15 BC', '2026-01-01 12:00',
        ST_GeomFromText('POINT EMPTY', 4326));
CREATE TABLE city."城市 树" (id integer PRIMARY KEY, place geometry(Point, 4326));
INSERT INTO city."城市 树" VALUES (1, ST_SetSRID(ST_MakePoint(1, 2), 4326));
"""
NAMES = ("tree", "parcel", "road", "plain", "mixed", "peak", "grids", "城市 树")
FILES = ("gpkg", "parquet", "fgb")


@pytest.fixture(scope="module")
def city(publishing: Callable[..., Settings]) -> Settings:
    return publishing(TABLES, *(f"city.{name}" for name in NAMES))


@pytest.fixture(scope="module")
def client(city: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(city), base_url="http://127.0.0.1:8000") as opened:
        yield opened


LABELS = ("tree", "parcel", "road", "plain", "mixed", "peak", "city.grids", "城市 树")


def read(client: TestClient, tmp_path: Path, name: str, suffix: str, query: str = "") -> Any:
    response = client.get(f"/exports/{name}.{suffix}{query}")
    assert response.status_code == 200, response.text
    path = tmp_path / f"file.{suffix}"
    path.write_bytes(response.content)
    return gpd.read_parquet(path) if suffix == "parquet" else gpd.read_file(path)


def rows_of(response: Any) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(response.content.decode("utf-8-sig"))))


@pytest.mark.parametrize("name", LABELS)
def test_geojson_has_the_features_of_the_items(client: TestClient, name: str) -> None:
    items = client.get(f"/collections/{name}/items?limit=1000").json()["features"]
    assert items
    found = client.get(f"/exports/{name}.geojson")
    assert found.json() == {"type": "FeatureCollection", "features": items}
    lines = client.get(f"/exports/{name}.geojsonl").text.splitlines()
    assert [json.loads(line) for line in lines] == items
    packed = client.get(f"/exports/{name}.geojsonl.gz")
    assert gzip.decompress(packed.content).decode().splitlines() == lines


@pytest.mark.parametrize("suffix", FILES)
@pytest.mark.parametrize("name", ["tree", "parcel", "road", "mixed", "peak"])
def test_files_are_in_degrees_and_in_the_right_place(
    client: TestClient, tmp_path: Path, name: str, suffix: str
) -> None:
    items = client.get(f"/collections/{name}/items?limit=1000").json()["features"]
    wanted = gpd.GeoDataFrame.from_features(items, crs=4326)
    found = read(client, tmp_path, name, suffix)
    assert found.crs.to_epsg() == 4326
    key = "code" if name == "parcel" else "id"
    found = found.sort_values(key)
    assert list(found[key]) == sorted(wanted[key])
    assert list(found.geometry.isna()) == list(wanted.geometry.isna())
    for one, other in zip(found.geometry.dropna(), wanted.geometry.dropna(), strict=True):
        assert one.distance(other) < 1e-9
        assert shapely.hausdorff_distance(one, other) < 1e-9
    assert "secret" not in found.columns


@pytest.mark.parametrize("suffix", FILES)
def test_columns_keep_their_types(client: TestClient, tmp_path: Path, suffix: str) -> None:
    tree = read(client, tmp_path, "tree", suffix).sort_values("id").iloc[2]
    assert (tree["species"], tree["height"], tree["tags"]) == ("oak", 1.5, "tall;old")
    assert not tree["felled"]
    assert str(tree["planted"])[:10] == "2020-01-04"
    assert pd.Timestamp(tree["checked"]) == pd.Timestamp("2026-01-01T12:00Z")
    if suffix == "gpkg":
        kinds = pyogrio.read_info(tmp_path / "file.gpkg")
        types = dict(zip(kinds["fields"], kinds["ogr_types"], strict=True))
        assert types["planted"] == "OFTDate"


def test_text_says_where_points_and_other_shapes_are(client: TestClient) -> None:
    first, *_ = rows_of(client.get("/exports/tree.csv"))
    assert (first["species"], first["tags"]) == ("'=oak", "tall;old")
    assert [float(first["lon"]), float(first["lat"])] == pytest.approx([0.001, 0.005])
    road, nowhere = rows_of(client.get("/exports/road.csv"))
    assert road["geometry"].startswith("LINESTRING(120.")
    assert nowhere["geometry"] == ""
    assert rows_of(client.get("/exports/plain.csv")) == [
        {"id": "1", "name": "one"},
        {"id": "2", "name": ""},
    ]
    parcel = rows_of(client.get("/exports/parcel.csv"))[0]["geometry"]
    assert parcel.startswith(("POLYGON((2 0.1", "POLYGON((1.99999", "POLYGON((2.00000"))


@pytest.mark.parametrize("suffix", FILES)
def test_a_table_without_a_geometry_is_written(
    client: TestClient, tmp_path: Path, suffix: str
) -> None:
    plain = read(client, tmp_path, "plain", suffix)
    assert sorted(plain["id"]) == [1, 2]
    assert set(plain["name"].dropna()) == {"one"}


def declared(path: Path) -> Any:
    geo = json.loads(pyarrow.parquet.read_metadata(path).metadata[b"geo"])
    return geo["columns"]["geometry"]["geometry_types"]


@pytest.mark.parametrize("suffix", FILES)
def test_heights_stay_and_measures_go(client: TestClient, tmp_path: Path, suffix: str) -> None:
    (peak,) = read(client, tmp_path, "peak", suffix).geometry
    assert shapely.get_coordinates(peak, include_z=True)[0] == pytest.approx([1, 2, 300])
    if suffix == "parquet":
        assert declared(tmp_path / "file.parquet") == ["Point Z"]
    point, area = read(client, tmp_path, "mixed", suffix).sort_values("id").geometry
    if suffix == "parquet":
        assert declared(tmp_path / "file.parquet") == []
    if suffix != "fgb":  # it has no heights of mixed kinds
        assert (point.z, shapely.get_coordinates(area, include_z=True)[0][2]) == (3, 5)
    (row,) = rows_of(client.get("/exports/peak.csv"))
    assert (row["height_"], float(row["height"])) == ("high", 300)


@pytest.mark.parametrize("suffix", FILES)
def test_awkward_columns_are_written(client: TestClient, tmp_path: Path, suffix: str) -> None:
    found = read(client, tmp_path, "city.grids", suffix).sort_values("name_").reset_index()
    assert list(found["fid"]) == ["f", "f"]
    assert (list(found["Name"]), list(found["name_"])) == (["N", "N"], ["n", "o"])
    assert list(found["geometry_"]) == ["g", "h"], "the place is called so"
    assert list(found['a"b']) == ["q", "r"]
    assert found["share %"].isna()[0]
    assert found["share %"][1] == float("inf")
    assert list(found["day"].isna()) == [True, True], "no year that these files can hold"
    assert list(found["moment"].isna()) == [True, False]
    assert found.geometry[0].equals(gpd.points_from_xy([1], [2])[0])


def test_awkward_columns_are_written_as_text(client: TestClient) -> None:
    first, second = rows_of(client.get("/exports/city.grids.csv"))
    assert (first["Name"], first["name_"], first["lon_"], first["lon"]) == ("N", "n", "7", "1")
    assert (first["share %"], second["share %"]) == ("NaN", "Infinity")
    assert (first["day"], second["moment"]) == ("infinity", "2026-01-01T12:00:00+00:00")
    assert second["lat"] == ""


def test_selections_apply(client: TestClient, tmp_path: Path) -> None:
    mercator = "http://www.opengis.net/def/crs/EPSG/0/3857"
    for query, count in (
        ("?bbox=0,0,0.0051,1", 5),
        (f"?bbox=0,0,600,600&bbox-crs={mercator}", 5),
        ("?height=1.5", 1),
        ("?tags=old&filter=height > 9", 2),
        ("?filter=S_WITHIN(place, BBOX(0, 0, 0.0051, 1))", 5),
    ):
        assert len(client.get(f"/exports/tree.geojson{query}").json()["features"]) == count
        assert len(read(client, tmp_path, "tree", "gpkg", query)) == count
    assert len(client.get("/exports/parcel.geojson?bbox=2,0,2.015,1").json()["features"]) == 2
    assert client.get("/exports/tree.csv?secret=1").status_code == 400
    assert client.get("/exports/tree.csv?filter=secret IS NULL").status_code == 400


def test_names_are_told_whatever_they_are(client: TestClient) -> None:
    told = client.get("/exports/城市 树.csv").headers["content-disposition"]
    assert told == "attachment; filename*=utf-8''%E5%9F%8E%E5%B8%82%20%E6%A0%91.csv"
    told = client.get("/exports/city.grids.geojson.gz").headers["content-disposition"]
    assert told == 'attachment; filename="city.grids.geojson.gz"'
    for address in ("/exports/city.tree.csv", "/exports/city.grids.shp", "/exports/secret.csv"):
        assert client.get(address).status_code == 404


@pytest.mark.parametrize("ending", list(FORMS))
def test_jobs_write_them(client: TestClient, city: Settings, ending: str) -> None:
    asked = client.post(f"/exports/parcel.{ending}?bbox=2,0,2.015,1")
    assert asked.status_code == 202, asked.text
    with Database(city) as database:
        with database.session() as session:
            catalogue = open_catalogue(session, city.publish)
        worker.work(database, city.exports_folder, keep_days=7, wait=False, catalogue=catalogue)
    told = client.get(asked.headers["location"]).json()
    assert (told["status"], told["rows"]) == ("successful", 2), told
    file = client.get(f"{asked.headers['location']}/file")
    if FORMS[ending].streams:
        same = client.get(
            f"/exports/parcel.{ending}?bbox=2,0,2.015,1", headers={"Accept-Encoding": "identity"}
        )
        assert file.content == same.content


def test_a_worker_that_does_not_publish_it_says_so(client: TestClient, city: Settings) -> None:
    asked = client.post("/exports/parcel.csv")
    with Database(city) as database:
        worker.work(database, city.exports_folder, keep_days=7, wait=False)
    told = client.get(asked.headers["location"]).json()
    assert told["status"] == "failed"
    assert "no collection 'parcel'" in told["message"]


def test_the_command_writes_them(
    city: Settings,
    settings: Settings,
    gridward: Callable[..., tuple[int, str, str]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    assert city.database_url is not None
    url = city.database_url.render_as_string(hide_password=False)
    monkeypatch.setenv("GRIDWARD_DATABASE_URL", url)
    path = tmp_path / "parcel.gpkg"
    status, _, said = gridward("export", "parcel", "-o", path)
    assert status == 1
    assert "no collection" in said
    monkeypatch.setenv("GRIDWARD_PUBLISH", "city.parcel")
    status, _, said = gridward("export", "parcel", "-o", path)
    assert status == 0, said
    assert len(gpd.read_file(path)) == 5
