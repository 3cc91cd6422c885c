"""GDAL reads the API over a real connection, as QGIS and GeoPandas do through it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import geopandas as gpd
import httpx
import pyogrio
import pytest

from service.settings import Settings

needs_driver = pytest.mark.skipif(
    "OAPIF" not in pyogrio.list_drivers(), reason="this GDAL has no OGC API - Features driver"
)


@pytest.fixture(scope="module")
def address(shared_town: Settings) -> Iterator[str]:
    """The service in a process of its own: GDAL keeps this one busy while it waits."""
    assert shared_town.database_url is not None
    url = shared_town.database_url.render_as_string(hide_password=False)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        command = [sys.executable, "-m", "uvicorn", "--factory", "service.app:create_app"]
        server = subprocess.Popen(
            [*command, "--fd", str(listener.fileno()), "--log-level", "warning"],
            env={**os.environ, "GRIDWARD_DATABASE_URL": url},
            pass_fds=[listener.fileno()],
        )
        try:
            # the listener is open already: the request waits until the service has started
            httpx.get(f"http://127.0.0.1:{port}/health", timeout=60).raise_for_status()
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(timeout=30)


@needs_driver
def test_gdal_lists_every_collection(address: str) -> None:
    layers = {name for name, _ in pyogrio.list_layers(f"OAPIF:{address}/")}
    assert layers >= {"divisions", "grids", "households", "members", "vacancies", "coverage"}


@needs_driver
@pytest.mark.parametrize("page_size", ["1", "4", "1000"])
def test_gdal_reads_every_page(address: str, page_size: str) -> None:
    frame = pyogrio.read_dataframe(f"OAPIF:{address}/", layer="households", PAGE_SIZE=page_size)
    assert sorted(frame["reference"]) == [f"H{number:02}" for number in range(11)]
    assert frame.crs.to_epsg() == 4326


@needs_driver
def test_gdal_filters(address: str) -> None:
    source = f"OAPIF:{address}/"
    by_property = gpd.read_file(source, layer="households", where="grid_code = 'C1002'")
    assert sorted(by_property["reference"]) == ["H03", "H04"]
    by_box = gpd.read_file(source, layer="households", bbox=(0, 0, 0.005, 0.01))
    assert sorted(by_box["reference"]) == ["H00", "H01", "H02"]


def test_geopandas_reads_the_items_as_they_are(address: str) -> None:
    frame = gpd.read_file(f"{address}/collections/grids/items")
    assert list(frame["grid_code"]) == ["C1001", "C1002", "C2001"]
    assert frame.geometry.iloc[0].bounds == (0, 0, 0.005, 0.01)


def test_geopandas_reads_an_export(address: str) -> None:
    frame = gpd.read_file(f"{address}/exports/coverage.fgb")
    assert sorted(frame["households"]) == [2, 3, 5]
