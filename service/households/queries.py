"""One household in the ledger: find it, read its places, move it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from sqlalchemy import func, select, true
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from service.db.rows import AnyRow
from service.db.spatial import distance_m
from service.divisions.models import Dataset, Division
from service.errors import Conflict, NotFound
from service.grids.models import Grid
from service.grids.queries import get_in_force
from service.grids.views import CURRENT_GRID
from service.households.models import Assignment, AssignmentHistory, Household

__all__ = [
    "assign_manually",
    "find_household",
    "get_assignment",
    "list_history",
    "save_assignment",
]


def find_household(
    session: Session,
    *,
    given: str,
    by: Literal["reference", "id"] | None = None,
    dataset: str | None = None,
) -> AnyRow:
    """The household of a reference or an id, without geometry: id, reference, dataset_id, dataset.

    Raises
    ------
    NotFound
        There is none.
    Conflict
        Several have this reference, in several data sets, or one has it as reference and another
        as id.
    """
    statement = select(
        Household.id, Household.reference, Household.dataset_id, Dataset.name.label("dataset")
    ).join(Dataset, Dataset.id == Household.dataset_id)
    if dataset is not None:
        statement = statement.where(Dataset.name == dataset)
    found: dict[int, AnyRow] = {}
    if by != "id" and "\x00" not in given:
        rows = session.execute(statement.where(Household.reference == given).limit(2)).all()
        found.update((row.id, row) for row in rows)
    if by != "reference" and given.isascii() and given.isdigit() and len(given) < 19:
        rows = session.execute(statement.where(Household.id == int(given))).all()
        found.update((row.id, row) for row in rows)
    if not found:
        raise NotFound(f"There is no household '{given}'.")
    if len(found) > 1:
        raise Conflict(
            f"More than one household is called '{given}': say which with "
            "by=reference or by=id, and with dataset=NAME."
        )
    return next(iter(found.values()))


def get_assignment(session: Session, *, household_id: int) -> AnyRow | None:
    """The current place of a household: grid_code, method, distance_m, reason, at."""
    return session.execute(
        select(
            Grid.code.label("grid_code"),
            Assignment.method,
            Assignment.distance_m,
            Assignment.reason,
            Assignment.at,
        )
        .outerjoin(Grid, Grid.id == Assignment.grid_id)
        .where(Assignment.household_id == household_id)
    ).one_or_none()


def list_history(session: Session, *, household_id: int) -> Sequence[AnyRow]:
    """The earlier places of a household, the latest first."""
    past = AssignmentHistory
    return session.execute(
        select(
            Grid.code.label("grid_code"),
            past.method,
            past.distance_m,
            past.reason,
            past.valid_from,
            past.valid_to,
        )
        .outerjoin(Grid, Grid.id == past.grid_id)
        .where(past.household_id == household_id)
        .order_by(past.valid_to.desc(), past.id.desc())
    ).all()


def assign_manually(
    session: Session, *, household: AnyRow, grid_code: str, force: bool, reason: str | None
) -> None:
    """Put a household into a grid in force, whatever covers it.

    Raises
    ------
    NotFound
        There is no such grid in force.
    Conflict
        The grid is of another data set, or of another community and ``force`` is not set.
    """
    grid = get_in_force(session, code=grid_code)
    if grid.dataset_id != household.dataset_id:
        raise Conflict(f"The grid '{grid_code}' belongs to another data set than the household.")
    own = _communities(session, household)
    if own and grid.community_code not in own and not force:
        raise Conflict(
            f"The household lies in community '{own[0]}', the grid '{grid_code}' in "
            f"'{grid.community_code}'. Set \"force\": true if that is meant."
        )
    distance = session.scalar(
        select(distance_m(CURRENT_GRID.c.geometry, Household.geometry))
        .join_from(Household, CURRENT_GRID, true())
        .where(CURRENT_GRID.c.id == grid.id, Household.id == household.id)
    )
    save_assignment(
        session,
        household_id=household.id,
        grid_id=grid.id,
        method="manual",
        distance_m=distance,
        reason=reason,
    )


def _communities(session: Session, household: AnyRow) -> Sequence[str]:
    return session.scalars(
        select(Division.code)
        .join(Household, func.ST_Covers(Division.geometry, Household.geometry))
        .where(
            Household.id == household.id,
            Division.level == "community",
            Division.dataset_id == household.dataset_id,
        )
        .order_by(Division.code.collate("C"))
    ).all()


def save_assignment(session: Session, **values: Any) -> None:
    """Write the current place; the database keeps the former one in the history."""
    statement = insert(Assignment).values(at=func.now(), **values)
    changed = {
        name: statement.excluded[name]
        for name in ("grid_id", "method", "distance_m", "reason", "at")
    }
    session.execute(
        statement.on_conflict_do_update(index_elements=[Assignment.household_id], set_=changed)
    )
