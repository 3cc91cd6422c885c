"""The place of one household: read it, set it by hand, give it back to the rule."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Path, Query

from service.db.rows import AnyRow
from service.households import queries
from service.households.schemas import (
    AssignmentState,
    HouseholdParameters,
    NewAssignment,
    PastAssignment,
)
from service.web.late import late
from service.web.problems import describe
from service.web.session import DatabaseSession
from service.web.writers import WRITER

if TYPE_CHECKING:
    from service.households import placing
else:
    placing = late("service.households.placing")

__all__ = ["router"]

router = APIRouter(tags=["Households"])

# a reference may hold slashes
_PATH = "/households/{household:path}/assignment"
Which = Annotated[HouseholdParameters, Query()]
Named = Annotated[
    str,
    Path(description="Reference or number of the household.", examples=["980101001001-00001"]),
]


@router.get(_PATH, summary="Where a household belongs", responses=describe(404, 409))
def get_assignment(household: Named, which: Which, session: DatabaseSession) -> AssignmentState:
    """Tell the grid of a household now and before; the path names a reference or an id."""
    found = queries.find_household(session, given=household, by=which.by, dataset=which.dataset)
    return _state(session, found)


@router.put(
    _PATH, summary="Move a household", dependencies=[WRITER], responses=describe(401, 403, 404, 409)
)
def put_assignment(
    household: Named, which: Which, wanted: NewAssignment, session: DatabaseSession
) -> AssignmentState:
    """Put a household into a grid by hand, or with ``"grid_code": null`` back to the rule."""
    found = queries.find_household(session, given=household, by=which.by, dataset=which.dataset)
    if wanted.grid_code is None:
        placing.assign_automatically(session, household=found)
    else:
        queries.assign_manually(
            session,
            household=found,
            grid_code=wanted.grid_code,
            force=wanted.force,
            reason=wanted.reason,
        )
    return _state(session, found)


def _state(session: DatabaseSession, household: AnyRow) -> AssignmentState:
    current = queries.get_assignment(session, household_id=household.id)
    history = queries.list_history(session, household_id=household.id)
    return AssignmentState(
        household_id=household.id,
        household=household.reference,
        dataset=household.dataset,
        grid_code=None if current is None else current.grid_code,
        method=None if current is None else current.method,
        distance_m=None if current is None else current.distance_m,
        reason=None if current is None else current.reason,
        at=None if current is None else current.at,
        history=[PastAssignment.model_validate(each) for each in history],
    )
