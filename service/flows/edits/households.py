"""Households written one by one; a new or moved one is assigned in the same transaction."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.catalogue.editing import Draft
from service.flows.edits.rows import dataset_of, hold, keep_dataset, require_geometry
from service.grids.views import CURRENT_GRID
from service.households.models import Assignment, Household
from service.households.placing import assign_automatically
from service.households.queries import find_household
from service.imports.models import ImportBatch  # noqa: F401 - households refer to it

__all__ = ["HouseholdEditor"]

_COLUMNS = ("reference", "address", "building", "unit", "community")


class HouseholdEditor:
    """Writes households."""

    def lock(self, session: Session, identifier: str) -> None:
        """Hold a household."""
        hold(session, Household, identifier)

    def create(self, session: Session, draft: Draft) -> str:
        """Add a household and put it where the rule says."""
        require_geometry(draft)
        household = Household(dataset_id=dataset_of(session, draft), **_columns(draft))
        _place(household, draft)
        session.add(household)
        session.flush()
        _assign(session, household)
        return str(household.id)

    def replace(self, session: Session, identifier: str, draft: Draft) -> str:
        """Put a household in the place of another; one that moves is assigned again.

        A choice by hand stays while its grid is in force, as it does everywhere.
        """
        require_geometry(draft)
        household = session.get_one(Household, int(identifier))
        keep_dataset(session, draft, household.dataset_id)
        for name, value in _columns(draft).items():
            setattr(household, name, value)
        if draft.moved:
            _place(household, draft)
        session.flush()
        if draft.moved and not _stays(session, household):
            _assign(session, household)
        return identifier

    def delete(self, session: Session, identifier: str) -> None:
        """Take a household away, and its place and history with it."""
        session.delete(session.get_one(Household, int(identifier)))
        session.flush()


def _columns(draft: Draft) -> dict[str, Any]:
    given = draft.properties
    count = given["households"]
    return {
        **{name: given[name] for name in _COLUMNS},
        "households": 1 if count is None else count,
    }


def _place(household: Household, draft: Draft) -> None:
    """The place, which is also what was given."""
    household.geometry = draft.shape()
    household.source_x, household.source_y = (draft.geometry or {})["coordinates"]
    household.datum = "EPSG:4326"


def _stays(session: Session, household: Household) -> bool:
    by_hand = (
        select(Assignment.household_id)
        .join(CURRENT_GRID, CURRENT_GRID.c.id == Assignment.grid_id)
        .where(Assignment.household_id == household.id, Assignment.method == "manual")
    )
    return session.scalar(by_hand) is not None


def _assign(session: Session, household: Household) -> None:
    found = find_household(session, given=str(household.id), by="id")
    assign_automatically(session, household=found)
