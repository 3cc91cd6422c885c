"""The view of the grids in force today."""

from __future__ import annotations

from typing import Final

from geoalchemy2 import Geometry
from sqlalchemy import Integer, TableClause, Text, column, table

from service.db.base import SRID

__all__ = ["CURRENT_GRID"]

CURRENT_GRID: Final[TableClause] = table(
    "current_grid",
    column("id", Integer),
    column("code", Text),
    column("community_code", Text),
    column("kind", Text),
    column("flag", Text),
    column("reason", Text),
    column("dataset_id", Integer),
    column("plan_id", Integer),
    column("geometry", Geometry("GEOMETRY", srid=SRID)),
    column("version", Integer),
    column("households_drawn", Integer),
    column("community_name", Text),
    column("outline", Text),
    column("named", Text),
    column("described", Text),
)
