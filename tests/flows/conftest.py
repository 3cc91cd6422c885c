"""A data set of thirty communities, and what its grids are when nothing disturbs the work."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from sqlalchemy import text
from sqlalchemy.orm import Session

import geodata as gd
from geodata.delineate import work
from service.db.engine import Database
from service.flows.load import load_dataset

COLUMNS, ROWS = 6, 5
SIZES = {"target": 30, "minimum": 22, "maximum": 38}


def write_lattice(folder: Path, seed: int = 5) -> Path:
    """Thirty square communities with streets and 150 households each, some of them just outside."""
    rng = np.random.default_rng(seed)
    side = 0.004
    squares = [
        shapely.box(x * side, 50 + y * side, (x + 1) * side, 50 + (y + 1) * side)
        for y in range(ROWS)
        for x in range(COLUMNS)
    ]
    codes = [f"1{number:02d}" for number in range(len(squares))]
    folder.mkdir(parents=True)
    gpd.GeoDataFrame({"code": codes, "name": codes}, geometry=squares, crs="EPSG:4326").to_file(
        folder / "communities.geojson"
    )
    homes = rng.random((75 * len(squares), 2)) * [COLUMNS * side + 0.0004, ROWS * side + 0.0002]
    places = np.repeat(homes + np.array([-0.0002, 49.9999]), 2, axis=0)
    rng.shuffle(places)
    pd.DataFrame(
        {
            "id": [f"H{number}" for number in range(len(places))],
            "lon": places[:, 0],
            "lat": places[:, 1],
            "households": rng.integers(1, 3, len(places)),
        }
    ).to_csv(folder / "households.csv", index=False)
    across = [
        shapely.LineString([(-0.01, 50 + k * 0.0007), (0.05, 50 + k * 0.0007 + 1e-5)])
        for k in range(30)
    ]
    along = [shapely.LineString([(k * 0.0011, 49.99), (k * 0.0011, 50.05)]) for k in range(22)]
    gpd.GeoDataFrame({"kind": ["road"] * 52}, geometry=across + along, crs="EPSG:4326").to_file(
        folder / "roads.geojson"
    )
    manifest = folder / "dataset.toml"
    manifest.write_text(
        f"""
[dataset]
name = "Lattice"
crs = "EPSG:4326"

[[divisions]]
level = "community"
file = "communities.geojson"
code = "code"
name = "name"

[households]
file = "households.csv"
id = "id"
lon = "lon"
lat = "lat"
households = "households"

[[barriers]]
file = "roads.geojson"
kind = "kind"

[grid]
target = {SIZES["target"]}
minimum = {SIZES["minimum"]}
maximum = {SIZES["maximum"]}
""",
        "utf-8",
    )
    return manifest


@pytest.fixture
def lattice_manifest(tmp_path: Path) -> Path:
    """The dataset.toml of the lattice."""
    return write_lattice(tmp_path / "lattice")


@pytest.fixture
def lattice(
    database: Database, lattice_manifest: Path, monkeypatch: pytest.MonkeyPatch
) -> Database:
    """A database that holds the lattice; every community is a batch of its own."""
    monkeypatch.setattr(work, "_BATCH_GRIDS", 1)
    load_dataset(database.session, lattice_manifest)
    return database


Place = tuple[str, int, str | None, bytes]


def current_grids(session: Session) -> list[Place]:
    """Code, households, flag and every bit of the geometry of the grids in force."""
    found = session.execute(
        text(
            "SELECT code, households_drawn, flag, ST_AsBinary(geometry) "
            "FROM current_grid ORDER BY code"
        )
    )
    return [(row[0], row[1], row[2], bytes(row[3])) for row in found]


@pytest.fixture(scope="session")
def lattice_grids(tmp_path_factory: pytest.TempPathFactory) -> list[Place]:
    """The grids of the lattice, drawn in memory and in one process."""
    frames = gd.read_frames(gd.read_manifest(write_lattice(tmp_path_factory.mktemp("l") / "town")))
    plan = gd.delineate(frames.communities, frames.households, frames.barriers, **SIZES)
    return [
        (row.grid_code, row.households, row.flag, shapely.to_wkb(row.geometry))
        for row in plan.grids.itertuples()
    ]


@pytest.fixture
def assert_undisturbed(lattice_grids: list[Place]) -> Callable[[Session], None]:
    """Asserts that the grids in force are those of the lattice, bit for bit."""

    def check(session: Session) -> None:
        assert current_grids(session) == lattice_grids

    return check


@pytest.fixture
def when() -> Callable[..., Callable[[str, int, int | None], None]]:
    """Makes a progress callback that acts once, when so many communities are done."""
    return acting_once


def acting_once(done: int, act: Callable[[], None]) -> Callable[[str, int, int | None], None]:
    """Progress that acts once, when so many communities are done."""
    acted = []

    def progress(step: str, count: int, total: int | None = None) -> None:
        if count >= done and step.startswith("delineate") and not acted:
            acted.append(count)
            act()

    return progress


# -- a Dask scheduler and workers ----------------------------------------------------------------


@contextmanager
def _process(*command: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process for the time of a ``with`` statement."""
    with log.open("wb") as out:
        started = subprocess.Popen([sys.executable, "-m", *command], stdout=out, stderr=out)
    try:
        yield started
    finally:
        started.kill()
        started.wait()


class DaskCluster:
    """A scheduler and its workers."""

    def __init__(
        self,
        address: str,
        scheduler: subprocess.Popen[bytes],
        workers: list[subprocess.Popen[bytes]],
    ) -> None:
        self.address, self.scheduler, self.workers = address, scheduler, workers


@contextmanager
def start_dask(folder: Path, count: int) -> Iterator[DaskCluster]:
    file = folder / "scheduler.json"
    with ExitStack() as stack:
        scheduler = stack.enter_context(
            _process(
                "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0",
                "--no-dashboard", "--scheduler-file", str(file), log=folder / "scheduler.log",
            )
        )  # fmt: skip
        address = _address(file)
        started = [
            stack.enter_context(
                _process(
                    "distributed.cli.dask_worker", address, "--host", "127.0.0.1",
                    "--nthreads", "1", "--no-nanny", "--no-dashboard",
                    "--local-directory", str(folder), log=folder / f"worker{number}.log",
                )
            )
            for number in range(count)
        ]  # fmt: skip
        _await_workers(address, count)
        yield DaskCluster(address, scheduler, started)


def _address(file: Path) -> str:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            return str(json.loads(file.read_text())["address"])
        except (OSError, ValueError):
            time.sleep(0.1)
    raise AssertionError("the scheduler did not start")


def _await_workers(address: str, count: int) -> None:
    from distributed import Client

    with Client(address, set_as_default=False) as client:
        if count:
            client.wait_for_workers(count, timeout=60)


@pytest.fixture
def dask_cluster() -> Callable[..., AbstractContextManager[DaskCluster]]:
    """Starts a scheduler and so many workers on loopback, for the time of a ``with`` statement."""
    pytest.importorskip(
        "distributed", reason="Dask is not installed: pip install 'gridward[scale]'"
    )
    return start_dask
