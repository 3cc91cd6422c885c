"""The rows of grids and households with what has to be looked up for them."""

from __future__ import annotations

from sqlalchemy import (
    ColumnElement,
    Float,
    FromClause,
    Integer,
    SQLColumnExpression,
    Text,
    case,
    cast,
    func,
    select,
)

from service.divisions.models import Dataset
from service.grids.models import GridLoad
from service.grids.views import CURRENT_GRID
from service.households.models import Assignment, Household
from service.teams.models import GridTeam, TeamRequirement

__all__ = ["grids", "households", "households_of_a_page"]


def households(rows: FromClause) -> FromClause:
    """Households with the grid in force that serves them, and their data set."""
    return (
        select(
            *rows.c,
            CURRENT_GRID.c.code.label("grid_code"),
            Assignment.method,
            Dataset.name.label("dataset"),
        )
        .outerjoin_from(rows, Assignment, Assignment.household_id == rows.c.id)
        .outerjoin(CURRENT_GRID, CURRENT_GRID.c.id == Assignment.grid_id)
        .join(Dataset, Dataset.id == rows.c.dataset_id)
        .subquery("households_in_grids")
    )


def households_of_a_page(chosen: FromClause) -> FromClause:
    """The same for the rows of a page; the grids, which are fewer, are looked up once each.

    What a row says of its grid and of its data set is written once for all of them.
    """
    placed = (
        select(*chosen.c, Assignment.grid_id, Assignment.method)
        .outerjoin_from(chosen, Assignment, Assignment.household_id == chosen.c.id)
        .cte("placed")
    )
    theirs = (
        select(
            CURRENT_GRID.c.id,
            CURRENT_GRID.c.code,
            _member("grid_code", CURRENT_GRID.c.code).label("served_by"),
        )
        .where(CURRENT_GRID.c.id.in_(select(placed.c.grid_id).distinct()))
        .cte("theirs")
        .prefix_with("MATERIALIZED")
    )
    known = (
        select(Dataset.id, Dataset.name, _member("dataset", Dataset.name).label("belongs_to"))
        .cte("known")
        .prefix_with("MATERIALIZED")
    )
    return (
        select(
            *placed.c,
            theirs.c.code.label("grid_code"),
            func.coalesce(theirs.c.served_by, '"grid_code":null').label("served_by"),
            known.c.name.label("dataset"),
            known.c.belongs_to,
        )
        .outerjoin_from(placed, theirs, theirs.c.id == placed.c.grid_id)
        .join(known, known.c.id == placed.c.dataset_id)
        .subquery("households_in_grids")
    )


def _member(name: str, value: SQLColumnExpression[str]) -> ColumnElement[str]:
    """A member of the properties of a feature, as it is written."""
    return func.concat(f'"{name}":', cast(func.to_json(value), Text), type_=Text)


def grids(rows: FromClause) -> FromClause:
    """Grids with their figures, as the view of the coverage has them.

    What is kept of a grid is joined to it, for one as for many; a load that is not known is
    counted.
    """
    required = (
        select(TeamRequirement.dataset_id, func.sum(TeamRequirement.posts).label("posts"))
        .group_by(TeamRequirement.dataset_id)
        .subquery("required")
    )
    load = _load(GridLoad.households, func.coalesce(func.sum(Household.households), 0), rows)
    needed = cast(func.coalesce(required.c.posts, 0), Integer)
    filled = func.coalesce(GridTeam.filled, 0, type_=Integer)
    ledger = select(func.present_ledger()).scalar_subquery()
    return (
        select(
            *rows.c,
            _load(GridLoad.records, func.count(), rows).label("records"),
            load.label("households"),
            needed.label("posts_required"),
            filled.label("posts_filled"),
            (needed - filled).label("vacancies"),
            (cast(load, Float) / Dataset.target).label("load_share"),
            func.ST_NumGeometries(rows.c.geometry, type_=Integer).label("parts"),
            Dataset.target,
            Dataset.minimum,
            Dataset.maximum,
            Dataset.name.label("dataset"),
        )
        .join_from(rows, Dataset, Dataset.id == rows.c.dataset_id)
        .outerjoin(GridLoad, (GridLoad.grid_id == rows.c.id) & (GridLoad.ledger == ledger))
        .outerjoin(GridTeam, GridTeam.grid_id == rows.c.id)
        .outerjoin(required, required.c.dataset_id == rows.c.dataset_id)
        .subquery("grids")
    )


def _load(
    known: SQLColumnExpression[int], counted: ColumnElement[int], rows: FromClause
) -> ColumnElement[int]:
    """What is known of the present ledger, or counted."""
    anew = (
        select(cast(counted, Integer))
        .join_from(Assignment, Household, Household.id == Assignment.household_id)
        .where(Assignment.grid_id == rows.c.id)
        .correlate(rows)
        .scalar_subquery()
    )
    return case((GridLoad.grid_id.is_not(None), known), else_=anew)
