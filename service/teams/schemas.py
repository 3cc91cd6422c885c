"""Teams, posts and places as they are told over HTTP."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from geodata.schema import ROLE_PATTERN
from service.divisions.schemas import DivisionStep
from service.web.days import Day
from service.web.limits import up_to
from service.web.parameters import Latitude, Longitude, Parameters

__all__ = [
    "GridTeam",
    "HeldPost",
    "LocateParameters",
    "LocatedGrid",
    "Location",
    "NearestGrid",
    "NewPost",
    "Relief",
    "ReliefParameters",
    "Shortage",
    "ShortageParameters",
    "VacantPost",
]

Role = Annotated[str, Field(pattern=ROLE_PATTERN, description="Role in the team.")]
Limit = Annotated[
    int,
    Field(ge=1, le=10_000, description="Rows to tell at most; more is taken as the most."),
    up_to(10_000),
]


class LocateParameters(Parameters):
    """A place, and the day that is asked about."""

    lon: Longitude
    lat: Latitude
    at: Day | None = Field(
        None,
        description="Day whose grids and teams to tell; today if absent.",
        examples=["2026-01-31"],
    )


class HeldPost(BaseModel):
    """A post and who holds it."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    member: str = Field(description="Reference of the member.")
    name: str | None
    role: str
    valid_from: datetime
    fixed: bool = Field(description="Kept by the next staffing as it is.")


class VacantPost(BaseModel):
    """Posts of one role that nobody holds."""

    model_config = ConfigDict(from_attributes=True)

    role: str
    required: int
    filled: int
    missing: int
    reason: str | None


class LocatedGrid(BaseModel):
    """The grid that serves a place."""

    model_config = ConfigDict(from_attributes=True)

    code: str
    community_code: str
    kind: str
    flag: str | None
    on_boundary: bool = Field(description="The place lies on the boundary of the grid.")
    boundary_distance_m: float = Field(description="Metres to the boundary of the grid.")


class NearestGrid(BaseModel):
    """The grid nearest to a place outside every grid."""

    model_config = ConfigDict(from_attributes=True)

    code: str
    distance_m: float


class Location(BaseModel):
    """Where a place belongs; outside every grid, ``grid`` is null and ``nearest`` is told."""

    lon: float
    lat: float
    at: date | None
    grid: LocatedGrid | None
    nearest: NearestGrid | None = Field(examples=[None])
    divisions: list[DivisionStep] = Field(description="From the top down to the community.")
    team: dict[str, list[HeldPost]] = Field(description="Posts by role.")


class GridTeam(BaseModel):
    """A grid in force with its load, its team and what the team lacks."""

    model_config = ConfigDict(from_attributes=True)

    code: str
    community_code: str
    kind: str
    flag: str | None
    records: int = Field(description="Household records assigned.")
    households: int = Field(description="Households assigned: the load.")
    target: int
    minimum: int
    maximum: int
    posts_required: int
    posts_filled: int
    divisions: list[DivisionStep] = Field(description="From the top down to the community.")
    team: dict[str, list[HeldPost]] = Field(description="Posts by role.")
    vacancies: list[VacantPost]


class NewPost(BaseModel):
    """Whom to post in which role."""

    model_config = ConfigDict(extra="forbid")

    member: str = Field(min_length=1, description="Reference of the member.")
    role: Role
    fixed: bool = Field(True, description="Kept by the next staffing as it is.")


class ShortageParameters(Parameters):
    """Which shortages to tell."""

    dataset: str | None = Field(None, description="Name of the data set.", examples=["Riverside"])
    role: Role | None = Field(None, description="Role in the team.", examples=["police"])
    division: str | None = Field(
        None, description="Code of the division.", examples=["980101001001"]
    )
    limit: Limit = 1000


class Shortage(BaseModel):
    """A role that is short in a division, as the last explained staffing found it."""

    model_config = ConfigDict(from_attributes=True)

    dataset: str
    role: str
    division: str = Field(description="Code of the division.")
    name: str = Field(description="Name of the division.")
    level: str
    needed: int = Field(description="Posts that its grids need.")
    eligible: int = Field(description="People with the role who live nearest to its grids.")
    in_reach: int = Field(description="People with the role near enough to one of its grids.")
    filled: int = Field(description="Posts that can be filled.")
    missing: int
    relieved: int = Field(description="Missing posts that people farther away would fill.")
    at: datetime


class ReliefParameters(Parameters):
    """Whose help to tell."""

    role: Role | None = Field(None, description="Role in the team.", examples=["police"])
    grid: str | None = Field(None, description="Code of the grid.", examples=["980101001001001"])
    limit: Limit = 100


class Relief(BaseModel):
    """Who would take a vacant post if it were not too far away."""

    model_config = ConfigDict(from_attributes=True)

    role: str
    grid: str = Field(description="Code of the grid.")
    member: str = Field(description="Reference of the member.")
    name: str | None
    distance_m: int = Field(description="Whole metres to the grid.")
