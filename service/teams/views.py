"""The views of what the grids in force today have and lack."""

from __future__ import annotations

from typing import Final

from geoalchemy2 import Geometry
from sqlalchemy import Integer, TableClause, Text, column, table

from service.db.base import SRID

__all__ = ["COVERAGE", "VACANCY"]

VACANCY: Final[TableClause] = table(
    "vacancy",
    column("grid_id", Integer),
    column("grid_code", Text),
    column("role", Text),
    column("required", Integer),
    column("filled", Integer),
    column("missing", Integer),
    column("reason", Text),
)

COVERAGE: Final[TableClause] = table(
    "coverage",
    column("grid_id", Integer),
    column("grid_code", Text),
    column("community_code", Text),
    column("community_name", Text),
    column("dataset_id", Integer),
    column("plan_id", Integer),
    column("kind", Text),
    column("flag", Text),
    column("reason", Text),
    column("records", Integer),
    column("households", Integer),
    column("target", Integer),
    column("minimum", Integer),
    column("maximum", Integer),
    column("posts_required", Integer),
    column("posts_filled", Integer),
    column("vacancies", Integer),
    column("geometry", Geometry("GEOMETRY", srid=SRID)),
)
