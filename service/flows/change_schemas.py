"""Changes of plans as they are ordered and told over HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from geodata.schema import FIT_TOLERANCE_M
from service.flows.plan_schemas import Descent, PlanDifference, Side
from service.web.parameters import Parameters

__all__ = [
    "FAULT_PLACES",
    "ChangeDocument",
    "ImportDocument",
    "ImportParameters",
    "MergeOrder",
    "RebalanceOrder",
    "SplitOrder",
]


class ImportParameters(Parameters):
    """How a drawing is read."""

    name: str | None = Field(
        None, min_length=1, max_length=200, description="Of the plan.", examples=["Spring"]
    )
    code_column: str | None = Field(
        None, description="Property that names the polygons.", examples=["code"]
    )
    community_column: str | None = Field(
        None,
        description="Property with the code of the community; by default it is found.",
        examples=["community_code"],
    )
    dataset: str | None = Field(
        None, description="Only communities of this data set.", examples=["Riverside"]
    )
    crs: str | None = Field(
        None,
        description="Of the drawing, if it is not EPSG:4326: gcj02, bd09 or EPSG:n.",
        examples=["EPSG:4490"],
    )
    repair: bool = Field(False, description="Repair what is invalid or overlaps, however much.")
    fit: float = Field(
        FIT_TOLERANCE_M,
        ge=0,
        lt=1000,
        description="Metres up to which gaps, overlaps and strays are closed; 0 leaves them.",
    )


class FitFigures(BaseModel):
    """What was moved to make the polygons fit."""

    tolerance_m: float
    polygons_moved: int
    moved_m_max: float = Field(description="The farthest that a border moved.")
    places: dict[str, int] = Field(description="Places by kind of fault that was closed.")
    area_m2: float


FAULT_PLACES: Final[dict[str, Any]] = {
    "type": "FeatureCollection",
    "features": [
        {
            "type": "Feature",
            "geometry": {
                "type": "Polygon",
                "coordinates": [[[119.3, 31.2], [119.301, 31.2], [119.301, 31.201], [119.3, 31.2]]],
            },
            "properties": {"kind": "gap", "codes": ["980101001001"], "area_m2": 5290.0},
        }
    ],
}


class ImportDocument(BaseModel):
    """What became of a drawing."""

    plan: int
    state: str
    polygons: int
    communities: int
    faults: dict[str, int] = Field(description="Those that are left, by kind.")
    repairs: dict[str, int]
    fit: FitFigures
    warnings: list[str] = Field(description="How the drawing was taken.")
    fault_places: dict[str, Any] = Field(
        description="A GeoJSON feature collection.", examples=[FAULT_PLACES]
    )
    moved_places: dict[str, Any] = Field(
        description="What was closed, as GeoJSON.", examples=[FAULT_PLACES]
    )


class Order(BaseModel):
    """What becomes of a change, and when."""

    model_config = ConfigDict(extra="forbid")

    keep: Literal["preview", "draft", "active"] = Field(
        "preview", description="Shown and forgotten, kept as a draft, or switched to."
    )
    on: date | None = Field(
        None, description="The day of the switch; today by default.", examples=[None]
    )

    @model_validator(mode="after")
    def _day_goes_with_a_switch(self) -> Order:
        if self.on is not None and self.keep != "active":
            raise ValueError("a day goes with keep = active")
        return self


Position = Annotated[list[float], Field(min_length=2, max_length=3)]


class Line(BaseModel):
    """A GeoJSON line, degrees east and north."""

    model_config = ConfigDict(extra="ignore")

    type: Literal["LineString"]
    coordinates: list[Position] = Field(
        min_length=2, max_length=10_000, examples=[[[119.301, 31.2], [119.301, 31.21]]]
    )


class SplitOrder(Order):
    """How a grid is split."""

    parts: int = Field(2, ge=2, le=100, description="Of about equal load.")
    along: Line | None = Field(
        None, description="In two along this line, which cuts it once.", examples=[None]
    )
    seed: int = Field(0, ge=0, lt=2**31)


class MergeOrder(Order):
    """Which grids are merged."""

    codes: list[str] = Field(
        min_length=2, max_length=100, examples=[["980101001001001", "980101001001002"]]
    )


class RebalanceOrder(Order):
    """Where grids are rebalanced."""

    dataset: str | None = None
    communities: list[str] | None = Field(None, min_length=1)
    seed: int = Field(0, ge=0, lt=2**31)


class ChangedSide(Side):
    """A grid after the change, with its team."""

    posts: dict[str, int] = Field(description="Posts that it then holds, by role.")


class KeptPlan(BaseModel):
    """The plan that a change is kept as."""

    id: int
    state: Literal["draft", "active"]
    effective_from: date | None = None


class ChangeDocument(PlanDifference):
    """What a change does in one data set; nothing where there is nothing to do."""

    dataset: str
    plan: KeptPlan | None = Field(description="Null for a preview.")
    changed: bool
    communities: int = 0
    grids_before: int = 0
    grids: int = 0
    households: int = 0
    out_of_range_before: float = 0
    out_of_range: float = 0
    households_moved: int = 0
    kinds: dict[str, int] = Field(default_factory=dict)
    lookup: list[Descent] = Field(default_factory=list)
    sides: Sequence[ChangedSide] = Field(default_factory=list)
    posts_required: dict[str, int] = Field(description="Posts that every grid needs, by role.")
    posts_ended: int = Field(description="Posts that end because the need is met.")
    steps: list[dict[str, Any]] = Field(
        description="What was done in each community, in words.",
        examples=[
            [{"community_code": "980101001001", "steps": "2 moved between 2", "redone": False}]
        ],
    )
    seconds: float
