"""Plans over HTTP: list, look into, check and switch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import APIRouter, Path, Query
from starlette.responses import Response, StreamingResponse

from service.flows.plan_schemas import (
    Activated,
    DayParameters,
    GridsParameters,
    NewDay,
    PlanDifference,
    PlanDocument,
    PlanState,
    Validated,
)
from service.web.late import late
from service.web.parameters import NO_PARAMETERS
from service.web.problems import describe
from service.web.session import DatabaseSession
from service.web.writers import WRITER

if TYPE_CHECKING:
    import geopandas as gpd

    from geodata.write import cells, geojson
    from service.flows import differences, plans, scope
else:
    cells = late("geodata.write.cells")
    geojson = late("geodata.write.geojson")
    differences = late("service.flows.differences")
    plans = late("service.flows.plans")
    scope = late("service.flows.scope")

__all__ = ["router"]

router = APIRouter(tags=["Plans"])

_GEOJSON: Final = "application/geo+json"
_SQUARE: Final = [[[119.3, 31.2], [119.31, 31.2], [119.31, 31.21], [119.3, 31.21], [119.3, 31.2]]]


def _features(**properties: Any) -> dict[int | str, dict[str, Any]]:
    """Describe a feature collection by the properties of one."""
    feature = {
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": _SQUARE},
        "properties": properties,
    }
    content = {
        "schema": {"$ref": "#/components/schemas/featureCollectionGeoJSON"},
        "example": {"type": "FeatureCollection", "features": [feature]},
    }
    return {200: {"description": "A GeoJSON feature collection", "content": {_GEOJSON: content}}}


_GRID: Final[dict[str, Any]] = {
    "grid_code": "980101001001001",
    "community_code": "980101001001",
    "kind": "basic",
    "flag": "oversize",
    "reason": "one tower",
    "households": 410,
}
_GRIDS: Final = _features(**_GRID)
_GRIDS_OF_A_DAY: Final = _features(**_GRID, plan_id=1, dataset="Riverside")
_FAULTS: Final = _features(kind="gap", codes=["980101001001"], area_m2=120.0)

PlanId = Annotated[int, Path(ge=1, lt=2**31, description="Number of the plan.", examples=[1])]
OtherPlanId = Annotated[
    int, Path(ge=1, lt=2**31, description="Number of the plan to compare.", examples=[2])
]
Day = Annotated[DayParameters, Query()]
GridsOfDay = Annotated[GridsParameters, Query()]


@router.get("/plans", summary="The plans")
def list_plans(day: Day, session: DatabaseSession) -> list[PlanDocument]:
    """List the plans, oldest first; with ``at``, those that rule on that day."""
    return [PlanDocument.model_validate(each) for each in plans.list_plans(session, at=day.at)]


@router.get(
    "/plans/{plan_id}",
    summary="A plan",
    dependencies=[NO_PARAMETERS],
    responses=describe(404),
)
def get_plan(plan_id: PlanId, session: DatabaseSession) -> PlanDocument:
    """Tell the state, the parameters and the figures of a plan."""
    return PlanDocument.model_validate(plans.show(session, plan_id=plan_id))


@router.get(
    "/plans/{plan_id}/grids",
    summary="The grids of a plan",
    response_class=Response,
    responses={**_GRIDS, **describe(404)},
)
def get_plan_grids(plan_id: PlanId, day: Day, session: DatabaseSession) -> Response:
    """Send the grids of a plan; with ``at``, those in force on that day."""
    plans.show(session, plan_id=plan_id)
    return _geojson(plans.plan_grids(session, plan_id=plan_id, at=day.at))


@router.get(
    "/grids",
    summary="The grids of a day",
    response_class=Response,
    responses={**_GRIDS_OF_A_DAY, **describe(400)},
)
def get_grids(day: GridsOfDay, session: DatabaseSession) -> Response:
    """Send the grids in force on a day, today by default, as they looked then."""
    scope.require_dataset(session, day.dataset)
    on = day.at or plans.today(session)
    return _geojson(plans.grids_on(session, at=on, dataset=day.dataset))


@router.get(
    "/plans/{plan_id}/faults",
    summary="The faults of a plan",
    dependencies=[NO_PARAMETERS],
    response_class=Response,
    responses={**_FAULTS, **describe(404)},
)
def get_plan_faults(plan_id: PlanId, session: DatabaseSession) -> Response:
    """Send what keeps a plan from tiling its communities, each fault at its place."""
    return _geojson(plans.faults(session, plan_id=plan_id))


@router.get(
    "/plans/{plan_id}/diff/{other_id}",
    summary="Two plans compared",
    dependencies=[NO_PARAMETERS],
    responses=describe(404),
)
def get_diff(plan_id: PlanId, other_id: OtherPlanId, session: DatabaseSession) -> PlanDifference:
    """Tell which grids of the other plan come from which of this one, and how loads change."""
    found = differences.diff(session, first=plan_id, second=other_id)
    return PlanDifference.model_validate(found.as_dict())


@router.post(
    "/plans/{plan_id}/validate",
    summary="Validate a draft",
    dependencies=[NO_PARAMETERS, WRITER],
    responses=describe(401, 403, 404, 409),
)
def validate_plan(plan_id: PlanId, session: DatabaseSession) -> Validated:
    """Check that a draft tiles its communities exactly, and mark it validated."""
    return Validated.model_validate(plans.validate(session, plan_id=plan_id).as_dict())


@router.post(
    "/plans/{plan_id}/activate",
    summary="Switch to a plan",
    dependencies=[NO_PARAMETERS, WRITER],
    responses=describe(401, 403, 404, 409),
)
def activate_plan(
    plan_id: PlanId, session: DatabaseSession, day: NewDay | None = None
) -> Activated:
    """Switch the communities of a validated plan to it, today or from the day given."""
    on = None if day is None else day.on
    return Activated.model_validate(plans.activate(session, plan_id=plan_id, on=on).as_dict())


@router.post(
    "/plans/{plan_id}/retire",
    summary="Retire a plan",
    dependencies=[NO_PARAMETERS, WRITER],
    responses=describe(401, 403, 404, 409),
)
def retire_plan(plan_id: PlanId, session: DatabaseSession, day: NewDay | None = None) -> PlanState:
    """Retire a plan that rules nothing any longer, or end it on the day given."""
    on = None if day is None else day.on
    return PlanState.model_validate(plans.retire(session, plan_id=plan_id, on=on))


def _geojson(frame: gpd.GeoDataFrame) -> Response:
    def chunks() -> Iterator[str]:
        yield '{"type": "FeatureCollection", "features": ['
        for number, feature in enumerate(geojson.features(cells.plain_columns(frame))):
            yield ("," if number else "") + "\n" + feature
        yield "\n]}\n"

    return StreamingResponse(chunks(), media_type=_GEOJSON)
