"""Fixtures that every test may use.

The tests of the service run on the server that ``GRIDWARD_DATABASE_URL`` names, or else on an
embedded cluster of their own. A migrated template database is made once (once a worker, under
pytest-xdist) and cloned for every test that asks for one.
"""

from __future__ import annotations

import itertools
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
