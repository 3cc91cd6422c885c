"""HEAD wherever GET is answered, parameters given twice, and ranges of files."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.testclient import TestClient
from starlette.background import BackgroundTask

from service.app import create_app
from service.exports import routes
from service.settings import Settings
from service.web.downloads import File
from service.web.methods import HeadAsGet

PLACE = "lon=0.001&lat=0.001"


@pytest.mark.parametrize(
    "address",
    [
        "/",
        "/docs",
        "/health",
        "/map",
        "/map/live.js",
        "/plans",
        "/plans/1/grids",
        "/grids",
        "/grids/C1001",
        f"/locate?{PLACE}",
        f"/nearest?{PLACE}",
        "/coverage/C1",
        "/jobs",
        "/tileMatrixSets",
        "/collections/grids/items",
        "/collections/grids/items/C1001",
        "/collections/grids/tiles/WebMercatorQuad/0/0/0",
        "/exports/grids.geojson",
        "/exports/grids.csv.gz",
        "/static/gridward.css",
        "/grids/nowhere",
        "/nearest?lon=no",
    ],
)
@pytest.mark.parametrize("packing", ["gzip", "identity"])
def test_head_answers_as_get_without_the_body(
    reader: TestClient, address: str, packing: str
) -> None:
    whole = reader.get(address, headers={"Accept-Encoding": packing})
    head = reader.head(address, headers={"Accept-Encoding": packing})
    assert head.status_code == whole.status_code
    assert head.content == b""
    for name in ("content-type", "etag", "content-disposition", "content-crs", "cache-control"):
        assert head.headers.get(name) == whole.headers.get(name)
    # how long a file gets is known when it is written; the way in packs otherwise than the others
    if packing == "identity" and not address.startswith("/exports"):
        assert head.headers.get("content-length") == whole.headers.get("content-length")


def test_head_of_an_export_writes_none(reader: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def written(*_: Any, **__: Any) -> None:
        raise AssertionError("the file was written")

    monkeypatch.setattr(routes.files, "write_file", written)
    monkeypatch.setattr(routes, "open_stream", written)
    for ending in ("gpkg", "geojson"):
        assert reader.head(f"/exports/grids.{ending}").status_code == 200
        assert reader.head(f"/exports/grids.{ending}?nothing=1").status_code == 400


def test_head_over_a_real_server(shared_town: Settings) -> None:
    """A server counts the bytes of the body that it expects."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(
            uvicorn.Config(create_app(shared_town), log_level="error", lifespan="on")
        )
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            base = f"http://127.0.0.1:{listener.getsockname()[1]}"
            with httpx.Client(base_url=base, timeout=30) as client:
                for address in ("/health", "/grids/C1001", "/exports/grids.gpkg", "/docs"):
                    head = client.head(address)
                    assert (head.status_code, head.content) == (200, b""), address
                    # the connection is still good for more
                    assert client.get("/health").status_code == 200
        finally:
            server.should_exit = True
            thread.join(timeout=30)


def test_the_log_tells_head_and_its_route(
    reader: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    reader.head("/grids/C1001")
    (line,) = [each.getMessage() for each in caplog.records if each.name == "gridward.access"]
    assert line.startswith("HEAD /grids/{code} 200")


def test_head_where_there_is_no_get(reader: TestClient) -> None:
    refused = reader.head("/plans/1/validate")
    assert refused.status_code == 405
    assert refused.headers["allow"] == "POST"


def test_what_get_takes_head_takes(reader: TestClient) -> None:
    assert reader.put("/nearest").headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize(
    "address",
    [
        f"/nearest?{PLACE}&limit=1&limit=2",
        f"/locate?{PLACE}&lon=0.001",
        f"/within?{PLACE}&radius_m=1&radius_m=1",
        "/plans?at=2026-01-31&at=2026-01-31",
        "/grids?dataset=Town&dataset=Town",
        "/households/H01/assignment?by=id&by=reference",
        "/shortages?role=police&role=leader",
        "/collections/grids/items?limit=1&limit=1",
        "/exports/grids.csv?bbox=0,0,1,1&bbox=0,0,1,1",
        "/map/1/search?q=a&q=b",
    ],
)
def test_a_parameter_given_twice_is_refused(reader: TestClient, address: str) -> None:
    answer = reader.get(address)
    assert answer.status_code == 400
    assert "more than once" in answer.json()["detail"]
    assert answer.json()["parameter"] in address


CONTENT = b"0123456789"


@pytest.fixture
def removed() -> list[str]:
    """What the background tasks of the files noted."""
    return []


@pytest.fixture
def files(tmp_path: Path, removed: list[str]) -> Iterator[TestClient]:
    """A client of an application that sends one file."""
    path = tmp_path / "file.bin"
    path.write_bytes(CONTENT)
    app = FastAPI()
    app.add_middleware(HeadAsGet)

    @app.get("/file")
    def send() -> File:
        return File(path, background=BackgroundTask(removed.append, "file"))

    with TestClient(app) as client:
        yield client


@pytest.mark.parametrize(
    ("asked", "status", "content"),
    [
        ("bytes=2-4", 206, b"234"),
        ("bytes=-3", 206, b"789"),
        ("lines=1-2", 200, CONTENT),
        ("bytes=5-2", 200, CONTENT),
        ("nonsense", 200, CONTENT),
    ],
)
def test_ranges(
    files: TestClient, removed: list[str], asked: str, status: int, content: bytes
) -> None:
    answer = files.get("/file", headers={"Range": asked})
    assert (answer.status_code, answer.content) == (status, content)
    assert removed == ["file"]


def test_a_range_beyond_the_file_is_a_problem(files: TestClient, removed: list[str]) -> None:
    answer = files.get("/file", headers={"Range": "bytes=10-12"})
    assert answer.status_code == 416
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["content-range"] == "bytes */10"
    assert answer.json()["status"] == 416
    assert removed == ["file"]


def test_head_of_a_file(files: TestClient) -> None:
    answer = files.head("/file")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == "10"
