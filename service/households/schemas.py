"""Households' places as they are told over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from service.web.parameters import Parameters

__all__ = ["AssignmentState", "HouseholdParameters", "NewAssignment", "PastAssignment"]


class HouseholdParameters(Parameters):
    """How to read the household in the path."""

    by: Literal["reference", "id"] | None = Field(
        None, description="What the path gives; without it, a reference goes before an id."
    )
    dataset: str | None = Field(
        None, description="Data set of the reference.", examples=["Riverside"]
    )


class NewAssignment(BaseModel):
    """Where a household shall go."""

    model_config = ConfigDict(extra="forbid")

    grid_code: str | None = Field(
        description="A grid in force, or null: back to the grid that covers the household."
    )
    force: bool = Field(False, description="Also into a grid of another community.")
    reason: str | None = Field(None, max_length=500, description="Why, for the ledger.")


class PastAssignment(BaseModel):
    """Where a household was."""

    model_config = ConfigDict(from_attributes=True)

    grid_code: str | None
    method: str
    distance_m: float | None
    reason: str | None
    valid_from: datetime
    valid_to: datetime


class AssignmentState(BaseModel):
    """Where a household is now, and where it was."""

    model_config = ConfigDict(from_attributes=True)

    household_id: int
    household: str = Field(description="Reference of the household.")
    dataset: str
    grid_code: str | None
    method: str | None = Field(description="Null while it was never assigned.")
    distance_m: float | None = Field(description="Metres to the grid.")
    reason: str | None
    at: datetime | None
    history: list[PastAssignment] = Field(description="The latest first.")
