"""The ledger written by hand: a household put into a grid, or given back to the rule."""

from __future__ import annotations

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from service.catalogue.editing import Draft
from service.errors import Conflict, InvalidParameter, NotFound
from service.households.models import Assignment, Household
from service.households.placing import assign_automatically
from service.households.queries import assign_manually, find_household, get_assignment

__all__ = ["AssignmentEditor"]


class AssignmentEditor:
    """Writes assignments."""

    def lock(self, session: Session, identifier: str) -> None:
        """Hold a household's place."""
        _hold(session, int(identifier))

    def create(self, session: Session, draft: Draft) -> str:
        """Give a place to a household that has none yet.

        Raises
        ------
        Conflict
            It has one: replace that.
        """
        household_id: int = draft.properties["household_id"]
        _hold(session, household_id)
        if get_assignment(session, household_id=household_id) is not None:
            raise Conflict(f"The household {household_id} has its place: replace that one.")
        self._save(session, household_id, draft)
        return str(household_id)

    def replace(self, session: Session, identifier: str, draft: Draft) -> str:
        """Put a household into a grid by hand, or back to the rule where ``grid_code`` is null.

        What is written as it was stays as it was, method included.

        Raises
        ------
        Conflict
            The draft is of another household.
        """
        household_id = int(identifier)
        if draft.properties["household_id"] != household_id:
            raise Conflict("An assignment stays that of its household.")
        current = get_assignment(session, household_id=household_id)
        wanted = (draft.properties["grid_code"], draft.properties["reason"])
        if current is None or (current.grid_code, current.reason) != wanted:
            self._save(session, household_id, draft)
        return identifier

    def delete(self, session: Session, identifier: str) -> None:
        """Take a household out of its grid, until it is assigned again."""
        session.execute(delete(Assignment).where(Assignment.household_id == int(identifier)))

    def _save(self, session: Session, household_id: int, draft: Draft) -> None:
        household = find_household(session, given=str(household_id), by="id")
        code, reason = draft.properties["grid_code"], draft.properties["reason"]
        if code is None:
            assign_automatically(session, household=household)
            return
        try:
            assign_manually(
                session, household=household, grid_code=code, force=False, reason=reason
            )
        except NotFound as error:
            raise InvalidParameter("grid_code", f"names '{code}': {error}") from error


def _hold(session: Session, household_id: int) -> None:
    held = select(Household.id).where(Household.id == household_id).with_for_update()
    if session.scalar(held) is None:
        raise InvalidParameter("household_id", f"names {household_id}, which is not there")
