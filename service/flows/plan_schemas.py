"""Plans as they are told over HTTP."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from service.web.parameters import Parameters

__all__ = ["DayParameters", "NewDay", "PlanDocument", "PlanState", "Validated"]


class DayParameters(Parameters):
    """The day that is asked for."""

    at: date | None = Field(None, description="Only what was or will be in force on this day.")


class NewDay(BaseModel):
    """The day on which a plan begins or ends."""

    model_config = ConfigDict(extra="forbid")

    on: date | None = Field(None, description="Today or later.")


class PlanDocument(BaseModel):
    """A plan of grids, with what it holds."""

    id: int
    name: str
    state: Literal["draft", "validated", "active", "retired"]
    effective_from: date | None = Field(description="First day; null for a plan that never ruled.")
    created_at: datetime
    communities: int = Field(description="With a day: those that it ruled then.")
    grids: int = Field(description="With a day: those in force then.")
    parameters: dict[str, Any] = Field(description="How the plan was made.")
    report: dict[str, Any] | None = Field(description="Its figures when it was made.")


class Validated(BaseModel):
    """A plan without a fault."""

    plan_id: int
    state: str
    communities: int
    grids: int


class PlanState(BaseModel):
    """A plan after its state changed."""

    plan: int
    state: str
    effective_from: date | None = Field(None, description="First day, once it is active.")
    ends: date | None = Field(None, description="The day from which it no longer rules.")
