"""GDAL, its programs, QGIS, OWSLib and GeoPandas read the API over a real connection."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import geopandas as gpd
import httpx
import pyogrio
import pytest
from owslib.ogcapi.features import Features

from service.settings import Settings

needs_driver = pytest.mark.skipif(
    "OAPIF" not in pyogrio.list_drivers(), reason="this GDAL has no OGC API - Features driver"
)


@contextmanager
def served(url: str, **settings: str) -> Iterator[str]:
    """The service in a process of its own: GDAL keeps this one busy while it waits."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        command = [sys.executable, "-m", "uvicorn", "--factory", "service.app:create_app"]
        server = subprocess.Popen(
            [*command, "--fd", str(listener.fileno()), "--log-level", "warning"],
            env={**os.environ, "GRIDWARD_DATABASE_URL": url, **settings},
            pass_fds=[listener.fileno()],
        )
        try:
            # the listener is open already: the request waits until the service has started
            httpx.get(f"http://127.0.0.1:{port}/health", timeout=60).raise_for_status()
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(timeout=30)


@pytest.fixture(scope="module")
def address(shared_town: Settings) -> Iterator[str]:
    """The service over the town that only reads."""
    assert shared_town.database_url is not None
    with served(shared_town.database_url.render_as_string(hide_password=False)) as own:
        yield own


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


# the programs of GDAL


def has_oapif() -> bool:
    if not shutil.which("ogrinfo"):
        return False
    formats = subprocess.run(["ogrinfo", "--formats"], capture_output=True, text=True, check=False)
    return "OAPIF" in formats.stdout


needs_programs = pytest.mark.skipif(not has_oapif(), reason="no ogrinfo with OAPIF is installed")


@needs_programs
def test_ogrinfo_tells_what_there_is(address: str) -> None:
    command = ["ogrinfo", "-so", f"OAPIF:{address}/", "households"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "Feature Count: 11" in told
    assert "Extent: (0.000300, 0.004000) - (0.020200, 0.004000)" in told
    for line in ("reference: String", "households: Integer", "grid_code: String"):
        assert line in told


@needs_programs
@pytest.mark.parametrize(
    ("where", "count"),
    [
        ("grid_code = 'C1002'", 2),
        ("reference IN ('H01', 'H02')", 2),
        ("households >= 1 AND reference < 'H03'", 3),
        ("address LIKE '5 Long%'", 1),
    ],
)
def test_ogrinfo_filters(address: str, where: str, count: int) -> None:
    command = ["ogrinfo", "-so", "-where", where, f"OAPIF:{address}/", "households"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert f"Feature Count: {count}" in told


@needs_programs
def test_ogr2ogr_takes_all_of_it(address: str, tmp_path: Path) -> None:
    target = tmp_path / "town.gpkg"
    command = ["ogr2ogr", "-f", "GPKG", target, f"OAPIF:{address}/", "-oo", "PAGE_SIZE=2"]
    subprocess.run([*command, "households", "grids"], check=True, capture_output=True)
    households = gpd.read_file(target, layer="households")
    assert sorted(households["reference"]) == [f"H{number:02}" for number in range(11)]
    grids = gpd.read_file(target, layer="grids")
    assert grids.geometry.union_all().bounds == (0, 0, 0.02, 0.01)


# OWSLib


def test_owslib_reads_the_documents(address: str) -> None:
    service = Features(f"{address}/")
    assert {"grids", "households"} <= set(service.feature_collections())
    assert any(each.endswith("/conf/core") for each in service.conformance()["conformsTo"])
    assert service.api()["openapi"].startswith("3.0")
    assert "reference" in service.collection_queryables("households")["properties"]


def test_owslib_pages_by_offset(address: str) -> None:
    service = Features(f"{address}/")
    found = [
        feature["properties"]["reference"]
        for offset in range(0, 12, 4)
        for feature in service.collection_items("households", limit=4, offset=offset)["features"]
    ]
    assert found == [f"H{number:02}" for number in range(11)]


def test_owslib_filters(address: str) -> None:
    service = Features(f"{address}/")
    by_text = service.collection_items("households", filter="grid_code = 'C1002'")
    assert [each["properties"]["reference"] for each in by_text["features"]] == ["H03", "H04"]
    by_box = service.collection_items("households", bbox=[0, 0, 0.005, 0.01])
    assert by_box["numberMatched"] == 3
    assert service.collection_item("grids", "C1001")["id"] == "C1001"


# QGIS

QGIS_PYTHON = "/usr/bin/python3"
QGIS_SCRIPT = """
import json, sys
from qgis.core import QgsApplication, QgsFeatureRequest, QgsRectangle, QgsVectorLayer
application = QgsApplication([], False)
application.initQgis()
told = {}
uri = f"url='{sys.argv[1]}/' typename='%s' pageSize='4' srsname='OGC:CRS84'"
layer = QgsVectorLayer(uri % "households", "households", "OAPIF")
told["valid"] = layer.isValid()
told["references"] = sorted(feature["reference"] for feature in layer.getFeatures())
box = QgsFeatureRequest().setFilterRect(QgsRectangle(0, 0, 0.005, 0.01))
told["in_box"] = sorted(feature["reference"] for feature in layer.getFeatures(box))
wanted = QgsFeatureRequest().setFilterExpression("grid_code = 'C1002'")
told["filtered"] = sorted(feature["reference"] for feature in layer.getFeatures(wanted))
grids = QgsVectorLayer(uri % "grids", "grids", "OAPIF")
told["area"] = sum(feature.geometry().area() for feature in grids.getFeatures())
editable = bool(grids.dataProvider().capabilities() & grids.dataProvider().ChangeAttributeValues)
told["editable"] = editable
if editable:
    grids.startEditing()
    feature = next(grids.getFeatures("grid_code = 'C2001'"))
    grids.changeAttributeValue(feature.id(), grids.fields().indexOf("kind"), "dedicated")
    told["saved"] = grids.commitChanges()
    told["errors"] = grids.commitErrors()
print(json.dumps(told))
"""


def has_qgis() -> bool:
    if not Path(QGIS_PYTHON).exists():
        return False
    command = [QGIS_PYTHON, "-c", "import qgis.core"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not has_qgis(), reason="QGIS (python3-qgis) is not installed")
def test_qgis_loads_filters_and_writes(town: Settings, tmp_path: Path) -> None:
    """QGIS writes features from 3.28 on; an older one only reads."""
    assert town.database_url is not None
    url = town.database_url.render_as_string(hide_password=False)
    with served(url, GRIDWARD_REQUIRE_IF_MATCH="false") as own:
        clean = {name: value for name, value in os.environ.items() if "PYTHON" not in name}
        settings = {"QT_QPA_PLATFORM": "offscreen", "HOME": str(tmp_path)}
        done = subprocess.run(
            [QGIS_PYTHON, "-c", QGIS_SCRIPT, own],
            env=clean | settings,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.stdout.strip(), done.stderr[-800:]
        told = json.loads(done.stdout.strip().splitlines()[-1])
        assert told["valid"]
        assert told["references"] == [f"H{number:02}" for number in range(11)]
        assert told["in_box"] == ["H00", "H01", "H02"]
        assert told["filtered"] == ["H03", "H04"]
        assert told["area"] == pytest.approx(0.0002)
        if told["editable"]:
            assert told["saved"], told["errors"]
            grids = httpx.get(f"{own}/collections/grids/items?kind=dedicated").json()["features"]
            assert len(grids) == 1
