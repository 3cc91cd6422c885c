"""A town on both sides of the antimeridian."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from psycopg.types.range import Range
from sqlalchemy import URL
from sqlalchemy.orm import Session

from service.app import create_app
from service.db.engine import Database
from service.divisions.models import Dataset, Division
from service.grids.models import CommunityPlan, Grid, GridPlan, GridVersion, PlanGrid
from service.households.models import Assignment, Household
from service.places.models import Facility
from service.settings import Settings

EAST = "((179.99 0,180 0,180 0.01,179.99 0.01,179.99 0))"
WEST = "((-180 0,-179.99 0,-179.99 0.01,-180 0.01,-180 0))"


def _point(x: float, y: float) -> str:
    return f"SRID=4326;POINT({x} {y})"


def _add_strait(session: Session) -> None:
    session.add(Dataset(id=1, name="Strait", target=10, minimum=1, maximum=20))
    session.flush()
    whole = f"SRID=4326;MULTIPOLYGON({EAST},{WEST})"
    session.add(Division(code="A", dataset_id=1, name="Strait", level="community", geometry=whole))
    session.add(GridPlan(name="first"))
    session.flush()
    for number, ring in enumerate((EAST, WEST), start=1):
        grid = Grid(code=f"A00{number}", community_code="A", number=number)
        session.add(grid)
        session.flush()
        shape = f"SRID=4326;POLYGON{ring}"
        session.add(GridVersion(grid_id=grid.id, version=1, geometry=shape))
        session.flush()
        session.add(PlanGrid(plan_id=1, grid_id=grid.id, version=1))
    session.flush()
    start = date.today() - timedelta(days=10)
    session.add(CommunityPlan(plan_id=1, community_code="A", active=Range(start, None)))
    plan = session.get_one(GridPlan, 1)
    session.flush()
    plan.state = "validated"
    session.flush()
    plan.state, plan.effective_from = "active", start
    session.flush()


def _add_places(session: Session) -> None:
    for number in range(20):
        x = 179.9905 + number / 1000
        x = x - 360 if x > 180 else x
        session.add(Household(dataset_id=1, reference=f"H{number:02}", geometry=_point(x, 0.005)))
        session.flush()
        session.add(
            Assignment(
                household_id=number + 1, grid_id=1 if x > 0 else 2, method="covers", distance_m=0.0
            )
        )
    for reference, kind, x, y in (
        ("K1", "clinic", 179.996, 0.005),
        ("K2", "clinic", -179.998, 0.005),
        ("S1", "school", -179.9999, 0.005),
        ("P1", "pole", 10.0, 90.0),
        ("P2", "pole", -170.0, 89.9999),
    ):
        session.add(Facility(dataset_id=1, reference=reference, kind=kind, geometry=_point(x, y)))
    session.flush()


@pytest.fixture(scope="module")
def strait(
    cluster: Any, database_template: URL, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TestClient]:
    """A client of a service over a community that the antimeridian cuts; do not write with it."""
    url = cluster.create(database_template.database)
    settings = Settings(database_url=url, home=tmp_path_factory.mktemp("home"))
    with Database(settings) as database, database.session() as session:
        _add_strait(session)
        _add_places(session)
    with TestClient(create_app(settings), base_url="http://127.0.0.1:8000") as client:
        yield client
    cluster.drop(url)
