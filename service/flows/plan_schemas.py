"""Plans as they are told over HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from service.web.days import Day
from service.web.parameters import Parameters

__all__ = [
    "Activated",
    "DayParameters",
    "Descent",
    "GridsParameters",
    "NewDay",
    "PlanDifference",
    "PlanDocument",
    "PlanState",
    "Side",
    "Validated",
]


class DayParameters(Parameters):
    """The day that is asked for."""

    at: Day | None = Field(
        None,
        description="Only what was or will be in force on this day.",
        examples=["2026-01-31"],
    )


class GridsParameters(Parameters):
    """Which grids are asked for."""

    at: Day | None = Field(None, description="The day; today by default.", examples=["2026-01-31"])
    dataset: str | None = Field(
        None, description="Only grids of this data set.", examples=["Riverside"]
    )


class NewDay(BaseModel):
    """The day on which a plan begins or ends."""

    model_config = ConfigDict(extra="forbid")

    on: date | None = Field(None, description="Today or later.", examples=["2026-01-31"])


class PlanDocument(BaseModel):
    """A plan of grids, with what it holds."""

    id: int
    name: str
    state: Literal["draft", "validated", "active", "retired"]
    effective_from: date | None = Field(description="First day; null for a plan that never ruled.")
    created_at: datetime
    communities: int = Field(description="With a day: those that it ruled then.")
    grids: int = Field(description="With a day: those in force then.")
    parameters: dict[str, Any] = Field(
        description="How the plan was made.",
        examples=[{"target": 400, "minimum": 300, "maximum": 500, "seed": 0}],
    )
    report: dict[str, Any] | None = Field(
        description="Its figures when it was made.", examples=[{"grids": 12, "households": 4810}]
    )


class Descent(BaseModel):
    """A grid of the one plan and a grid of the other that have land or households in common."""

    old_code: str | None
    new_code: str | None
    kind: Literal["U", "S", "M", "X"] = Field(description="Unchanged, split, merged, irregular.")
    households_moved: int = Field(description="Households whose code changes so.")


class Side(BaseModel):
    """A grid of the other plan that is not unchanged."""

    grid_code: str
    community_code: str
    households_before: float | None = Field(description="Null for a new code.")
    households: int
    deviation: float = Field(description="From the target, signed, as a share of it.")
    in_range: bool
    compactness_before: float | None
    compactness: float = Field(description="Polsby-Popper.")


class PlanDifference(BaseModel):
    """What changes from one plan to another in the communities that both hold."""

    communities: int
    grids_before: int
    grids: int
    households: int
    out_of_range_before: float = Field(description="Households beyond the range of their grids.")
    out_of_range: float
    households_moved: int
    kinds: dict[str, int] = Field(description="Rows of the look-up by kind.")
    lookup: list[Descent]
    sides: Sequence[Side]


class Validated(BaseModel):
    """A plan without a fault."""

    plan_id: int
    state: str
    communities: int
    grids: int


class StrayLoad(BaseModel):
    """A grid whose load is out of range although no flag says so."""

    grid_code: str
    households: int = Field(description="Assigned to it now.")
    households_drawn: int


class Activated(BaseModel):
    """A plan that was switched to."""

    plan: int
    state: str
    effective_from: date = Field(description="Its first day.")
    never_began: list[int] = Field(description="Plans for a later day that it retired.")
    reassigned: int = Field(description="Household records whose grid changed.")
    posts_ended: int = Field(description="Posts in grids that the plan ended.")
    out_of_range: list[StrayLoad] = Field(description="Grids out of range without a flag.")


class PlanState(BaseModel):
    """A plan after its state changed."""

    plan: int
    state: str
    ends: date | None = Field(None, description="The day from which it no longer rules.")
