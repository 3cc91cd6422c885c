"""Whole collections as files."""

from __future__ import annotations

import csv
import io
import json
import threading
import time
from pathlib import Path

import geopandas as gpd
import httpx
import pytest
import uvicorn
from fastapi.testclient import TestClient
from sqlalchemy import func, insert, literal, select, text

from service.app import create_app
from service.catalogue.published import COLLECTIONS
from service.db.engine import Database
from service.households.models import Household
from service.settings import Settings

FILES = ("gpkg", "parquet", "fgb")


@pytest.mark.parametrize("name", list(COLLECTIONS))
def test_geojson_has_the_features_of_the_items(reader: TestClient, name: str) -> None:
    items = reader.get(f"/collections/{name}/items?limit=1000").json()["features"]
    response = reader.get(f"/exports/{name}.geojson")
    assert response.headers["content-type"] == "application/geo+json"
    assert f'filename="{name}.geojson"' in response.headers["content-disposition"]
    assert response.json() == {"type": "FeatureCollection", "features": items}
    lines = reader.get(f"/exports/{name}.geojsonl").text.splitlines()
    assert [json.loads(line) for line in lines] == items


@pytest.mark.parametrize("name", list(COLLECTIONS))
def test_csv_has_the_rows_of_the_items(reader: TestClient, name: str) -> None:
    items = reader.get(f"/collections/{name}/items?limit=1000").json()["features"]
    response = reader.get(f"/exports/{name}.csv")
    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    assert response.content.startswith("\ufeff".encode())
    rows = list(csv.DictReader(io.StringIO(response.content.decode("utf-8-sig"))))
    assert len(rows) == len(items)
    for row, item in zip(rows, items, strict=True):
        for each in COLLECTIONS[name].properties:
            value = item["properties"][each.name]
            if each.type == "strings":
                assert row[each.name] == ";".join(value)
            elif value is None:
                assert row[each.name] == ""
            elif each.type == "string":
                assert row[each.name] == value
        if item["geometry"] is not None and item["geometry"]["type"] == "Point":
            place = [float(row["lon"]), float(row["lat"])]
            assert place == pytest.approx(item["geometry"]["coordinates"], abs=1e-7)


@pytest.mark.parametrize("suffix", FILES)
@pytest.mark.parametrize("name", ["grids", "households", "members", "vacancies"])
def test_files_hold_the_same(reader: TestClient, tmp_path: Path, name: str, suffix: str) -> None:
    items = reader.get(f"/collections/{name}/items?limit=1000").json()["features"]
    response = reader.get(f"/exports/{name}.{suffix}")
    assert response.status_code == 200
    assert "content-encoding" not in response.headers or suffix == "fgb"
    path = tmp_path / f"{name}.{suffix}"
    path.write_bytes(response.content)
    frame = gpd.read_parquet(path) if suffix == "parquet" else gpd.read_file(path)
    assert frame.crs.to_epsg() == 4326
    first = COLLECTIONS[name].properties[0].name
    assert sorted(frame[first]) == sorted(each["properties"][first] for each in items)
    assert len(frame) == len(items)


def test_shared_vertices_stay_shared(reader: TestClient) -> None:
    features = reader.get("/exports/grids.geojson").json()["features"]
    corners = [set(map(tuple, each["geometry"]["coordinates"][0])) for each in features]
    assert corners[0] & corners[1] == {(0.005, 0), (0.005, 0.01)}


def test_selection_applies(reader: TestClient) -> None:
    found = reader.get("/exports/households.geojson?grid_code=C1002").json()["features"]
    assert [each["properties"]["reference"] for each in found] == ["H03", "H04"]
    assert reader.get("/exports/households.geojson?bbox=5,5,6,6").json()["features"] == []
    assert reader.get("/exports/households.csv?bbox=5,5,6,6").text.count("\n") == 1


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("/exports/nothing.csv", 404),
        ("/exports/grids.shp", 404),
        ("/exports/grids", 404),
        ("/exports/grids.csv?limit=1", 400),
        ("/exports/grids.csv?bbox=1", 400),
        ("/exports/households.gpkg?households=x", 400),
    ],
)
def test_refusals_come_before_the_file(reader: TestClient, address: str, status: int) -> None:
    response = reader.get(address)
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"


def test_awkward_text_survives(town: Settings) -> None:
    awkward = 'back\\slash "quote", comma\nline\ttab \x7f 社区 \u2028'
    texts = {"A1": awkward, "A2": "=1+1", "A3": "-12.5", "A4": "\\N", "A5": "\\."}
    with Database(town) as database, database.session() as session:
        session.execute(
            insert(Household),
            [
                {
                    "dataset_id": 1,
                    "reference": reference,
                    "address": address,
                    "geometry": "SRID=4326;POINT(0.001 0.001)",
                }
                for reference, address in texts.items()
            ],
        )
    with TestClient(create_app(town)) as client:
        features = client.get("/exports/households.geojson").json()["features"]
        told = {each["properties"]["reference"]: each["properties"]["address"] for each in features}
        assert {reference: told[reference] for reference in texts} == texts
        text = client.get("/exports/households.csv").content.decode("utf-8-sig")
    rows = {row["reference"]: row for row in csv.DictReader(io.StringIO(text, newline=""))}
    assert {name: rows[name]["address"] for name in texts} == {**texts, "A2": "'=1+1"}


def add_many(town: Settings, many: int) -> None:
    with Database(town) as database, database.session() as session:
        number = func.generate_series(1, many).column_valued("number")
        columns = ["dataset_id", "reference", "address", "geometry"]
        rows = select(
            literal(1),
            func.concat("N", number),
            func.repeat("Long Street ", 3),
            func.ST_SetSRID(func.ST_MakePoint(0.001, 0.001), 4326),
        )
        session.execute(Household.__table__.insert().from_select(columns, rows))


def test_large_exports_are_whole(town: Settings) -> None:
    many = 30_000
    add_many(town, many)
    with TestClient(create_app(town)) as client:
        features = client.get("/exports/households.geojson").json()["features"]
        assert len(features) == many + 11
        assert len({each["id"] for each in features}) == many + 11
        assert client.get("/exports/households.geojsonl").text.count("\n") == many + 11


def test_clients_that_go_away_leave_nothing_behind(town: Settings) -> None:
    add_many(town, 60_000)
    config = uvicorn.Config(create_app(town), host="127.0.0.1", port=0, log_level="warning")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        deadline = time.monotonic() + 60
        while not server.started:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        port = server.servers[0].sockets[0].getsockname()[1]
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:
            for suffix in ("geojson", "geojsonl", "csv") * 7:  # more than the pool has connections
                with client.stream("GET", f"/exports/households.{suffix}") as response:
                    next(response.iter_raw())
            assert client.get("/health").status_code == 200
            busy = text(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
                "AND state = 'active' AND query LIKE 'COPY%'"
            )
            with Database(town) as database, database.engine.connect() as connection:
                while connection.scalar(busy):
                    assert time.monotonic() < deadline, "a COPY goes on without its client"
                    time.sleep(0.1)
                    connection.rollback()
    finally:
        server.should_exit = True
        thread.join(timeout=30)
    assert not thread.is_alive()
