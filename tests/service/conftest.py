"""A small town in a database of its own, and the service on top of it.

The town is two communities side by side on the equator, with two grids and one grid::

    0.000      0.005      0.010                 0.020   degrees east
      +----------+----------+---------------------+ 0.010 degrees north
      |  C1001   |  C1002   |        C2001        |
      +----------+----------+---------------------+ 0

Households H00 to H10 stand in a row at 0.004 degrees north, H10 some 22 m east of every grid.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import URL
from sqlalchemy.dialects.postgresql import Range
from sqlalchemy.orm import Session

from service import cli
from service.app import create_app
from service.db.engine import Database
from service.divisions.models import Dataset, Division
from service.grids.models import CommunityPlan, Grid, GridPlan, GridVersion, PlanGrid
from service.households.models import Assignment, Household
from service.imports.models import ImportBatch  # noqa: F401  # households refer to it
from service.places.models import Facility
from service.settings import Settings
from service.teams.models import Member, Post, TeamRequirement, VacancyReason

BASE_URL = "http://127.0.0.1:8000"
#: Text that would become script if it were pasted into a page.
SCRIPT = "<script>alert(1)</script>"


def _box(west: float, south: float, east: float, north: float) -> str:
    return f"{west} {south},{east} {south},{east} {north},{west} {north},{west} {south}"


def _point(x: float, y: float) -> str:
    return f"SRID=4326;POINT({x} {y})"


def _add_divisions_and_grids(session: Session) -> None:
    session.add(Dataset(id=1, name="Town", target=2, minimum=1, maximum=4))
    session.flush()
    boxes = {
        "S1": (0, 0, 0.02, 0.01),
        "C1": (0, 0, 0.01, 0.01),
        "C2": (0.01, 0, 0.02, 0.01),
    }
    for code, name, level, parent in (
        ("S1", "Street", "street", None),
        ("C1", f"Community {SCRIPT}", "community", "S1"),
        ("C2", "社区二", "community", "S1"),
    ):
        geometry = f"SRID=4326;MULTIPOLYGON((({_box(*boxes[code])})))"
        session.add(
            Division(
                code=code,
                dataset_id=1,
                name=name,
                level=level,
                parent=parent,
                parent_rank=None if parent is None else 4,
                geometry=geometry,
            )
        )
        session.flush()
    session.add(GridPlan(name="first"))
    session.flush()
    for code, community, west, east in (
        ("C1001", "C1", 0, 0.005),
        ("C1002", "C1", 0.005, 0.01),
        ("C2001", "C2", 0.01, 0.02),
    ):
        polygon = f"SRID=4326;POLYGON(({_box(west, 0, east, 0.01)}))"
        grid = Grid(code=code, community_code=community, number=int(code[-3:]))
        session.add(grid)
        session.flush()
        session.add(GridVersion(grid_id=grid.id, version=1, geometry=polygon))
        session.flush()
        session.add(PlanGrid(plan_id=1, grid_id=grid.id, version=1))
    session.flush()
    _activate(session, plan_id=1, communities=("C1", "C2"))


def _activate(session: Session, *, plan_id: int, communities: tuple[str, ...]) -> None:
    start = date.today() - timedelta(days=10)
    plan = session.get_one(GridPlan, plan_id)
    for community in communities:
        session.add(
            CommunityPlan(plan_id=plan_id, community_code=community, active=Range(start, None))
        )
    session.flush()
    plan.state = "validated"
    session.flush()
    plan.state, plan.effective_from = "active", start
    session.flush()


def _add_people(session: Session) -> None:
    for number in range(11):
        x = 0.0003 + 0.00199 * number
        session.add(
            Household(
                dataset_id=1,
                reference=f"H{number:02}",
                address=f"{number} Long Street, {SCRIPT}",
                geometry=_point(x, 0.004),
            )
        )
        session.flush()
        grid = None if x > 0.02 else 1 if x < 0.005 else 2 if x < 0.01 else 3
        session.add(
            Assignment(
                household_id=number + 1,
                grid_id=grid,
                method="exception" if grid is None else "covers",
                distance_m=None if grid is None else 0.0,
                reason="outside every grid" if grid is None else None,
            )
        )
    session.add_all(
        [
            Member(
                dataset_id=1,
                reference="M1",
                name=f"Ann {SCRIPT}",
                roles=["police", "leader"],
                geometry=_point(0.004, 0.004),
            ),
            Member(
                dataset_id=1,
                reference="M2",
                name="博",
                roles=["police"],
                geometry=_point(0.012, 0.004),
            ),
            Member(dataset_id=1, reference="M3", name=None, roles=["doctor"]),
            TeamRequirement(dataset_id=1, role="leader", posts=1),
            TeamRequirement(dataset_id=1, role="police", posts=1),
            VacancyReason(grid_id=2, role="leader", reason="no leader is near"),
            Facility(
                dataset_id=1,
                reference="F1",
                name="Centre",
                kind="service_centre",
                geometry=_point(0.004, 0.006),
            ),
        ]
    )
    session.flush()
    session.add(Post(member_id=1, grid_id=1, role="police"))


def add_town(session: Session) -> None:
    """Fill an empty database with the town."""
    _add_divisions_and_grids(session)
    _add_people(session)


@contextmanager
def _town(cluster: Any, template: URL, home: Path) -> Iterator[Settings]:
    url = cluster.create(template.database)
    settings = Settings(database_url=url, home=home)
    try:
        with Database(settings) as database, database.session() as session:
            add_town(session)
        yield settings
    finally:
        cluster.drop(url)


@pytest.fixture(scope="module")
def shared_town(
    cluster: Any, database_template: URL, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Settings]:
    """Settings that name the town, for tests of one module that only read."""
    with _town(cluster, database_template, tmp_path_factory.mktemp("home")) as settings:
        yield settings


@pytest.fixture(scope="module")
def reader(shared_town: Settings) -> Iterator[TestClient]:
    """A client of the service over the shared town; do not write with it."""
    with TestClient(create_app(shared_town), base_url=BASE_URL) as client:
        yield client


@pytest.fixture
def town(cluster: Any, database_template: URL, tmp_path: Path) -> Iterator[Settings]:
    """Settings that name a town of the test's own."""
    with _town(cluster, database_template, tmp_path / "home") as settings:
        yield settings


@pytest.fixture
def writer(town: Settings) -> Iterator[TestClient]:
    """A client that may write, over a town of the test's own."""
    with TestClient(create_app(town), base_url=BASE_URL) as client:
        yield client


@pytest.fixture(scope="module")
def publishing(
    cluster: Any, database_template: URL, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Settings]]:
    """Make further tables, in a database of the module's own, and settings that publish them."""
    url = cluster.create(database_template.database)

    def make(statements: str, *names: str) -> Settings:
        home = tmp_path_factory.mktemp("home")
        settings = Settings(database_url=url, home=home, publish=names)
        with Database(settings) as database, database.session() as session:
            connection: Any = session.connection().connection.driver_connection
            connection.execute(statements)
        return settings

    yield make
    cluster.drop(url)


@pytest.fixture
def gridward(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Run ``gridward`` on the database of the test: status, stdout, stderr or the one line."""
    assert settings.database_url is not None
    url = settings.database_url.render_as_string(hide_password=False)
    monkeypatch.setenv("GRIDWARD_DATABASE_URL", url)
    monkeypatch.setenv("GRIDWARD_HOME", str(settings.home))
    monkeypatch.delenv("GRIDWARD_DEBUG", raising=False)

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["gridward", *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        code, printed = ended.value.code, capfd.readouterr()
        if isinstance(code, str):
            return 1, printed.out, code
        return int(code or 0), printed.out, printed.err

    return run
