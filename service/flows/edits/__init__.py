"""Who writes the features of each collection; imported when something is first written."""

from __future__ import annotations

from typing import Final

from service.catalogue.editing import Editor
from service.flows.edits.assignments import AssignmentEditor
from service.flows.edits.divisions import DivisionEditor
from service.flows.edits.grids import GridEditor
from service.flows.edits.households import HouseholdEditor
from service.flows.edits.members import MemberEditor
from service.flows.edits.places import FacilityEditor
from service.flows.edits.posts import PostEditor

__all__ = ["EDITORS"]

#: The editors by the name of their collection.
EDITORS: Final[dict[str, Editor]] = {
    "divisions": DivisionEditor(),
    "grids": GridEditor(),
    "households": HouseholdEditor(),
    "members": MemberEditor(),
    "facilities": FacilityEditor(),
    "posts": PostEditor(),
    "assignments": AssignmentEditor(),
}
