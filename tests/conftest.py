"""Fixtures that every test may use.

The tests of the service run on the server that ``GRIDWARD_DATABASE_URL`` names, or else on an
embedded cluster of their own. A migrated template database is made once (once a worker, under
pytest-xdist) and cloned for every test that asks for one.
"""

from __future__ import annotations

import csv
import itertools
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import DDL, URL, NullPool, create_engine
from sqlalchemy.orm import Session

from service.db.embedded import EmbeddedCluster
from service.db.engine import Database
from service.settings import Settings


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data beside the project; tests that need it are skipped without it."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the real data (shared/data beside the project) is not here")
    return folder


class Cluster:
    """A server on which tests make and drop databases."""

    def __init__(self, maintenance: URL) -> None:
        self._maintenance = maintenance
        self._engine = create_engine(maintenance, isolation_level="AUTOCOMMIT", poolclass=NullPool)
        self._numbers = itertools.count(1)

    def create(self, template: str | None = None) -> URL:
        """Make a database, empty or a copy of ``template``; its address."""
        name = f"gridward_test_{os.getpid()}_{next(self._numbers)}"
        copy = f" TEMPLATE {template}" if template else ""
        self._execute(f"CREATE DATABASE {name}{copy}")
        return self._maintenance.set(database=name)

    def drop(self, url: URL) -> None:
        """Drop a database made here, whoever is still connected."""
        self._execute(f"DROP DATABASE IF EXISTS {url.database} WITH (FORCE)")

    def _execute(self, statement: str) -> None:
        with self._engine.connect() as connection:
            connection.execute(DDL(statement))


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The server of the tests; an embedded one is stopped at the end."""
    external = Settings().database_url
    if external is not None:
        yield Cluster(external)
        return
    embedded = EmbeddedCluster(tmp_path_factory.mktemp("cluster"))
    embedded.ensure_running()
    try:
        yield Cluster(embedded.url("postgres"))
    finally:
        embedded.release()


@pytest.fixture(scope="session")
def database_template(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[URL]:
    """A migrated database without rows; no one may be connected to it while it is cloned."""
    url = cluster.create()
    with Database(Settings(database_url=url, home=tmp_path_factory.mktemp("home"))):
        pass  # opening it migrates it
    yield url
    cluster.drop(url)


@pytest.fixture
def empty_database_url(cluster: Cluster) -> Iterator[URL]:
    """The address of a database without tables or extensions."""
    url = cluster.create()
    yield url
    cluster.drop(url)


@pytest.fixture
def settings(cluster: Cluster, database_template: URL, tmp_path: Path) -> Iterator[Settings]:
    """Settings that name a migrated database of the test's own."""
    url = cluster.create(database_template.database)
    yield Settings(database_url=url, home=tmp_path / "home")
    cluster.drop(url)


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    """An open, migrated, empty database."""
    with Database(settings) as opened:
        yield opened


@pytest.fixture
def session(database: Database) -> Iterator[Session]:
    """A session on ``database``; what the test does not commit is rolled back."""
    with Session(database.engine, expire_on_commit=False) as opened:
        yield opened
        opened.rollback()


class Town:
    """A small data set on disk: two square communities, 800 households, 16 members.

    Change the rows and call :meth:`write` again; ``manifest`` is its dataset.toml.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manifest = folder / "dataset.toml"
        self.name = "Smallton"
        self.prefix = ""
        self.extra = ""
        self.west, self.south = 0.0, 50.0
        self.communities = {
            "101": "East & <b>West</b>",
            "102": "河东社区",
        }
        self.households = [
            {
                "id": f"H{number:04d}",
                "address": f"{number % 40 + 1} Elm Street",
                "count": "1",
                "community": f"10{1 + number // 400}",
                "lon": f"{0.0203 * (number // 400) + 0.00025 + 0.0010 * (number % 20):.6f}",
                "lat": f"{50.0002 + 0.0005 * (number // 20 % 20):.6f}",
            }
            for number in range(800)
        ]
        self.members = [
            {
                "id": f"M{number:02d}",
                "name": f"Member {number}",
                "roles": "leader" if number % 4 else "leader;police",
                "lon": f"{0.0025 * number + 0.001:.6f}",
                "lat": "50.005",
            }
            for number in range(16)
        ]

    def write(self) -> Path:
        """Write every file; the manifest's path."""
        self.folder.mkdir(parents=True, exist_ok=True)
        features = [
            {
                "type": "Feature",
                "properties": {"code": code, "name": name},
                "geometry": {
                    "type": "Polygon",
                    "coordinates": [_square(self.west + 0.0203 * number, self.south)],
                },
            }
            for number, (code, name) in enumerate(self.communities.items())
        ]
        collection = {"type": "FeatureCollection", "features": features}
        (self.folder / "communities.geojson").write_text(json.dumps(collection), "utf-8")
        self._table("households.csv", self.households)
        self._table("members.csv", self.members)
        self.manifest.write_text(self._manifest(), "utf-8")
        return self.manifest

    def _table(self, name: str, rows: list[dict[str, str]]) -> None:
        with (self.folder / name).open("w", encoding="utf-8", newline="") as file:
            table = csv.DictWriter(file, list(rows[0]))
            table.writeheader()
            table.writerows(rows)

    def _manifest(self) -> str:
        return f"""
[dataset]
name = "{self.name}"
crs = "EPSG:4326"
prefix = "{self.prefix}"

[[divisions]]
level = "community"
file = "communities.geojson"
code = "code"
name = "name"

[households]
file = "households.csv"
id = "id"
address = "address"
households = "count"
community = "community"
lon = "lon"
lat = "lat"

[members]
file = "members.csv"
id = "id"
name = "name"
roles = "roles"
lon = "lon"
lat = "lat"

[grid]
target = 100
minimum = 75
maximum = 125

[team]
leader = 1
police = 1
{self.extra}
"""


def _square(west: float, south: float) -> list[list[float]]:
    east, north = west + 0.0203, south + 0.01
    return [[west, south], [east, south], [east, north], [west, north], [west, south]]


@pytest.fixture
def smallton(tmp_path: Path) -> Town:
    """A small data set, written to a folder of the test's own."""
    made = Town(tmp_path / "town")
    made.write()
    return made
