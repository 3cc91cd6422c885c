"""Grids in force: by code, by place, on a day."""

from __future__ import annotations

from datetime import date

from sqlalchemy import FromClause, func, select
from sqlalchemy.orm import Session

from service.db.rows import AnyRow
from service.db.spatial import distance_m, nearest, point
from service.divisions.models import Division
from service.errors import NotFound
from service.grids.models import CommunityPlan, Grid, GridVersion, PlanGrid
from service.grids.views import CURRENT_GRID

__all__ = ["find_covering", "find_nearest", "get_in_force", "in_force"]


def in_force(at: date | None = None) -> FromClause:
    """Rows of the grids in force on a day, or today, with the columns of ``current_grid``."""
    if at is None:
        return CURRENT_GRID
    return (
        select(
            Grid.id,
            Grid.code,
            Grid.community_code,
            GridVersion.kind,
            GridVersion.flag,
            Division.dataset_id,
            CommunityPlan.plan_id,
            GridVersion.geometry,
        )
        .join(PlanGrid, PlanGrid.grid_id == Grid.id)
        .join(
            GridVersion,
            (GridVersion.grid_id == PlanGrid.grid_id) & (GridVersion.version == PlanGrid.version),
        )
        .join(
            CommunityPlan,
            (CommunityPlan.plan_id == PlanGrid.plan_id)
            & (CommunityPlan.community_code == Grid.community_code),
        )
        .join(Division, Division.code == Grid.community_code)
        .where(CommunityPlan.active.bool_op("@>")(at))
        .subquery("grid_in_force")
    )


def get_in_force(session: Session, *, code: str) -> AnyRow:
    """The grid of that code, without its geometry.

    Raises
    ------
    NotFound
        There is none, or it is not in force today.
    """
    grids = CURRENT_GRID.c
    found = session.execute(
        select(grids.id, grids.code, grids.community_code, grids.dataset_id).where(
            grids.code == code
        )
    ).one_or_none()
    if found is not None:
        return found
    if session.scalar(select(Grid.id).where(Grid.code == code)) is not None:
        raise NotFound(f"The grid '{code}' is not in force: another plan holds its community.")
    raise NotFound(f"There is no grid '{code}'.")


def find_covering(
    session: Session, *, lon: float, lat: float, at: date | None = None
) -> AnyRow | None:
    """The grid that covers a point, on a boundary the one of the lowest code; None outside.

    Returns
    -------
    Row or None
        id, code, community_code, kind, flag, on_boundary, boundary_distance_m (metres).
    """
    grids, place = in_force(at), point(lon, lat)
    # GEOS's exact predicate, as in geodata.assign; ST_Covers of a point rounds on its own
    relation = func.ST_Relate(grids.c.geometry, place)
    touching = (
        select(grids, relation.label("relation"))
        .where(grids.c.geometry.bool_op("&&")(place))
        .subquery("touching")
    )
    found = touching.c
    boundary = func.ST_Boundary(found.geometry)
    return session.execute(
        select(
            found.id,
            found.code,
            found.community_code,
            found.kind,
            found.flag,
            (func.substr(found.relation, 4, 1) == "0").label("on_boundary"),
            distance_m(boundary, place).label("boundary_distance_m"),
        )
        .where(func.substr(found.relation, 7, 1) == "F")
        .order_by(found.code.collate("C"))
        .limit(1)
    ).one_or_none()


def find_nearest(
    session: Session, *, lon: float, lat: float, at: date | None = None
) -> AnyRow | None:
    """The nearest grid to a point: code, distance_m; None where there is no grid at all."""
    grids = in_force(at)
    chosen = nearest(select(grids.c.code), grids.c.geometry, point(lon, lat), limit=1)
    return session.execute(chosen.order_by(grids.c.code.collate("C"))).one_or_none()
