"""Questions about places and their answers as they are told over HTTP."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from geodata.schema import ROLE_PATTERN
from service.divisions.schemas import DivisionStep
from service.web.days import Day
from service.web.limits import up_to
from service.web.parameters import Latitude, Longitude, Parameters

__all__ = [
    "BatchParameters",
    "CatchmentParameters",
    "CircleParameters",
    "Coverage",
    "CoverageParameters",
    "DivisionFigures",
    "GridFigures",
    "LimitParameters",
    "NearFacility",
    "NearMember",
    "NearParameters",
    "Within",
]


class BatchParameters(Parameters):
    """How to locate many points."""

    at: Day | None = Field(
        None, description="Day whose grids to take; today if absent.", examples=["2026-01-31"]
    )
    nearest: bool = Field(
        False, description="Whether to tell the nearest grid of points outside every grid."
    )


class NearParameters(Parameters):
    """A place, and what to look for."""

    lon: Longitude
    lat: Latitude
    of: Literal["members", "facilities"] = Field("members", description="What to look for.")
    role: Annotated[str, Field(pattern=ROLE_PATTERN)] | None = Field(
        None, description="Role in the team, of members.", examples=["police"]
    )
    kind: str | None = Field(
        None, max_length=200, description="Kind of facility.", examples=["clinic"]
    )
    limit: Annotated[
        int,
        Field(ge=1, le=100, description="How many to tell at most; more is taken as the most."),
        up_to(100),
    ] = 5


class LimitParameters(Parameters):
    """How much to list."""

    limit: Annotated[
        int,
        Field(
            ge=0,
            le=10_000,
            description=(
                "Rows of each kind to list, more is taken as the most; the counts are of all."
            ),
        ),
        up_to(10_000),
    ] = 100


class CircleParameters(LimitParameters):
    """A place and a distance."""

    lon: Longitude
    lat: Latitude
    radius_m: float = Field(
        gt=0, le=100_000, description="Metres on the spheroid.", examples=[500.0]
    )


class CoverageParameters(Parameters):
    """Which divisions to tell."""

    dataset: str | None = Field(
        None, max_length=200, description="Only divisions of this data set.", examples=["Riverside"]
    )


class CatchmentParameters(Parameters):
    """Whose catchment to tell."""

    facility: str = Field(
        min_length=1, max_length=200, description="Reference of the facility.", examples=["F-1"]
    )
    dataset: str | None = Field(
        None, max_length=200, description="Data set of the reference.", examples=["Riverside"]
    )
    max_distance_m: float | None = Field(
        None, gt=0, le=100_000, description="No further than this, in metres.", examples=[1000.0]
    )


class NearMember(BaseModel):
    """A member and how far away."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    member: str = Field(description="Reference of the member.")
    name: str | None
    roles: list[str]
    posts: int = Field(description="Posts held now.")
    max_posts: int
    lon: float
    lat: float
    distance_m: float = Field(description="Metres on the spheroid.")


class NearFacility(BaseModel):
    """A facility and how far away."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    facility: str = Field(description="Reference of the facility.")
    name: str | None
    kind: str | None
    lon: float
    lat: float
    distance_m: float = Field(description="Metres on the spheroid.")


class Counts(BaseModel):
    """How much of everything an area holds."""

    records: int = Field(description="Household records.")
    households: int = Field(description="Households that they stand for.")
    members: int
    facilities: int
    grids: int = Field(description="Grids in force that the area meets.")


class Returned(BaseModel):
    """How much of it is listed; there is more of what `counts` has more of."""

    records: int = Field(description="Household records.")
    members: int
    facilities: int


class HouseholdWithin(BaseModel):
    """A household in an area."""

    id: int
    reference: str
    address: str | None
    households: int
    grid_code: str | None
    lon: float
    lat: float


class MemberWithin(BaseModel):
    """A member in an area."""

    id: int
    reference: str
    name: str | None
    roles: list[str]
    lon: float
    lat: float


class FacilityWithin(BaseModel):
    """A facility in an area."""

    id: int
    reference: str
    name: str | None
    kind: str | None
    lon: float
    lat: float


class Within(BaseModel):
    """What lies within an area; a place on its boundary counts."""

    area_m2: float
    counts: Counts
    number_returned: Returned = Field(alias="numberReturned")
    households: list[HouseholdWithin]
    members: list[MemberWithin]
    facilities: list[FacilityWithin]


class DivisionFigures(BaseModel):
    """Figures of a division: all that lies below it."""

    model_config = ConfigDict(from_attributes=True)

    code: str
    name: str
    level: str
    parent: str | None
    dataset: str
    communities: int
    grids: int
    grids_out_of_range: int = Field(description="With fewer or more households than allowed.")
    records: int = Field(description="Household records assigned.")
    households: int = Field(description="Households assigned.")
    records_unserved: int = Field(description="Household records in it that no grid serves.")
    posts_required: int
    posts_filled: int
    vacancies: int
    href: str | None = Field(None, description="Where the divisions below are told.")


class GridFigures(BaseModel):
    """Figures of a grid in force."""

    model_config = ConfigDict(from_attributes=True)

    grid_code: str
    kind: str
    flag: str | None
    records: int
    households: int
    posts_required: int
    posts_filled: int
    vacancies: int


class Coverage(BaseModel):
    """One step of the way down: a division, and what lies directly below it."""

    division: DivisionFigures | None = Field(description="Null at the top.")
    path: list[DivisionStep] = Field(description="From the top down to the division.")
    divisions: list[DivisionFigures] = Field(description="Directly below, or the highest ones.")
    grids: list[GridFigures] = Field(description="Of a community, its grids.")


Feature = dict[str, Any]
