"""Plans that change over HTTP: a drawing taken in, grids rebalanced, split and merged."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any, Final

import shapely
from fastapi import APIRouter, Body, Query, Request, Response

from geodata.errors import InputError
from service.flows import change_described as described
from service.flows.change_schemas import (
    ChangeDocument,
    ImportDocument,
    ImportParameters,
    MergeOrder,
    RebalanceOrder,
    SplitOrder,
)
from service.web.late import late
from service.web.parameters import NO_PARAMETERS
from service.web.problems import describe, problem
from service.web.session import DatabaseSession
from service.web.writers import WRITER

if TYPE_CHECKING:
    import geopandas as gpd

    from geodata.write import cells, geojson
    from service.flows import change, import_plan
else:
    cells = late("geodata.write.cells")
    geojson = late("geodata.write.geojson")
    change = late("service.flows.change")
    import_plan = late("service.flows.import_plan")

__all__ = ["router"]

router = APIRouter(tags=["Plans"])

_GEOJSON: Final = "application/geo+json"


@router.post(
    "/plans",
    summary="Take in a plan drawn by hand",
    status_code=201,
    response_model=ImportDocument,
    dependencies=[WRITER],
    responses={
        201: {"description": "The draft, and what is left to mend", "headers": described.PLACE},
        422: described.NO_DRAFT,
        **describe(400, 401, 403),
    },
)
def add_plan(
    drawing: Annotated[dict[str, Any], Body(media_type=_GEOJSON, examples=[described.DRAWING])],
    how: Annotated[ImportParameters, Query()],
    request: Request,
    response: Response,
    session: DatabaseSession,
) -> ImportDocument | Response:
    """Save the polygons of a GeoJSON document as a draft, fitted; tell the faults that are left."""
    with _as_file(drawing) as file:
        imported = import_plan.import_plan(
            session,
            file=file,
            name=how.name or "Drawn by hand",
            code_column=how.code_column,
            community_column=how.community_column,
            dataset=how.dataset,
            crs=how.crs,
            repaired=how.repair,
            tolerance_m=how.fit,
        )
    told = imported.as_dict()
    told["fault_places"] = _collection(imported.faults)
    if imported.plan_id is None:
        return problem(422, described.REFUSED, **told)
    response.headers["Location"] = f"{request.base_url}plans/{imported.plan_id}"
    told["moved_places"] = _collection(imported.fitted.adjustments)
    return ImportDocument.model_validate(told)


@router.post(
    "/grids/{code}/split",
    summary="Split a grid",
    dependencies=[NO_PARAMETERS, WRITER],
    responses=describe(400, 401, 403, 404, 409),
)
def split_grid(
    code: described.GridCode, session: DatabaseSession, order: SplitOrder | None = None
) -> ChangeDocument:
    """Preview a split, keep it as a draft or switch to it, today or on a day to come."""
    order = order or SplitOrder.model_validate({})
    line = order.along and shapely.LineString([each[:2] for each in order.along.coordinates])
    report = change.split(
        session,
        code=code,
        parts=order.parts,
        along=line,
        keep=order.keep,
        on=order.on,
        seed=order.seed,
    )
    return ChangeDocument.model_validate(report.as_dict())


@router.post(
    "/grids/merge",
    summary="Merge grids",
    dependencies=[NO_PARAMETERS, WRITER],
    responses=describe(400, 401, 403, 404, 409),
)
def merge_grids(order: MergeOrder, session: DatabaseSession) -> ChangeDocument:
    """Preview a merger, keep it as a draft or switch to it, today or on a day to come."""
    report = change.merge(session, codes=order.codes, keep=order.keep, on=order.on)
    return ChangeDocument.model_validate(report.as_dict())


@router.post(
    "/rebalance",
    summary="Bring grids back into range",
    dependencies=[NO_PARAMETERS, WRITER],
    responses=describe(400, 401, 403, 409),
)
def rebalance_grids(
    session: DatabaseSession, order: RebalanceOrder | None = None
) -> list[ChangeDocument]:
    """Bring grids that households overloaded or left back into range, moving few."""
    order = order or RebalanceOrder.model_validate({})
    reports = change.rebalance(
        session,
        dataset=order.dataset,
        communities=order.communities,
        keep=order.keep,
        on=order.on,
        seed=order.seed,
    )
    return [ChangeDocument.model_validate(report.as_dict()) for report in reports]


@contextmanager
def _as_file(drawing: dict[str, Any]) -> Iterator[Path]:
    """A GeoJSON document as a file; what is wrong with the file is wrong with the document."""
    with TemporaryDirectory(prefix="gridward-") as folder:
        file = Path(folder) / "drawing.geojson"
        file.write_text(json.dumps(drawing), encoding="utf-8")
        try:
            yield file
        except InputError as error:
            raise InputError(
                error.detail.replace(str(file), "the drawing"), row=error.row, field=error.field
            ) from error


def _collection(frame: gpd.GeoDataFrame) -> dict[str, Any]:
    listed = [json.loads(feature) for feature in geojson.features(cells.plain_columns(frame))]
    return {"type": "FeatureCollection", "features": listed}
