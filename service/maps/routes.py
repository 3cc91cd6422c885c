"""The live map: one page, and the columns that it asks for as the reader moves."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import HTMLResponse, Response

from geodata.draw.encode import script_json
from service.maps import described, queries
from service.maps.page import SCRIPT, STYLE_SHEET, content_policy, map_page
from service.maps.view import View
from service.settings import Settings
from service.web.parameters import NO_PARAMETERS, reject_unknown
from service.web.problems import describe
from service.web.session import DatabaseSession

__all__ = ["router"]

router = APIRouter(prefix="/map", tags=["Map"], default_response_class=Response)

#: Names and addresses: for this reader alone, asked for anew each time.
_PRIVATE: Final = {"Cache-Control": "private, no-cache"}
_LONGEST_SEARCH: Final = 200


def _view(bbox: described.ViewBox, zoom: described.ViewZoom) -> View:
    return View.parse(bbox, zoom)


CurrentView = Annotated[View, Depends(_view)]


def _only(*known: str) -> Any:
    """A dependency that refuses any other query parameter, and one given twice."""

    def check(request: Request) -> None:
        reject_unknown(request.query_params, known)

    return Depends(check)


_VIEW: Final = _only("bbox", "zoom")


def _answer(content: Any) -> Response:
    return Response(script_json(content), media_type="application/json", headers=_PRIVATE)


@router.get(
    "",
    summary="The live map",
    dependencies=[_only("dataset")],
    responses=described.PAGE,
)
def get_map(
    request: Request,
    session: DatabaseSession,
    dataset: Annotated[
        int | None, Query(description="Number of the data set.", examples=[1])
    ] = None,
) -> Response:
    """Show the map of one data set, the latest by default."""
    settings: Settings = request.app.state.settings
    choices = queries.datasets(session)
    chosen = next((row for row in choices if dataset in (None, row.id)), None)
    overview = None if chosen is None else queries.overview(session, dataset_id=chosen.id)
    page = map_page(
        root=request.scope.get("root_path", ""),
        settings=settings,
        choices=choices,
        chosen=chosen,
        overview=overview,
    )
    headers = {**_PRIVATE, "Content-Security-Policy": content_policy(settings)}
    return HTMLResponse(page, headers=headers)


@router.get(
    "/live.js",
    summary="The script of the map",
    dependencies=[NO_PARAMETERS],
    responses=described.SCRIPT,
)
def get_script(request: Request, known: described.KnownVersion = None) -> Response:
    """Give the page its script."""
    return _static(request, SCRIPT.content, SCRIPT.etag, "text/javascript")


@router.get(
    "/live.css",
    summary="The style sheet of the map",
    dependencies=[NO_PARAMETERS],
    responses=described.STYLE,
)
def get_style(request: Request, known: described.KnownVersion = None) -> Response:
    """Give the page its style sheet."""
    return _static(request, STYLE_SHEET.content, STYLE_SHEET.etag, "text/css")


def _static(request: Request, content: bytes, etag: str, media_type: str) -> Response:
    headers = {"ETag": etag, "Cache-Control": "no-cache"}
    if request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=media_type, headers=headers)


@router.get(
    "/{dataset_id}/grids",
    summary="The grids of a view",
    dependencies=[_VIEW],
    responses=described.GRIDS,
)
def get_grids(
    session: DatabaseSession, dataset_id: described.DatasetNumber, view: CurrentView
) -> Response:
    """Give the grids of a view, or the divisions above them."""
    return _answer(queries.grids(session, dataset_id=dataset_id, view=view))


@router.get(
    "/{dataset_id}/grids/{code}",
    summary="A grid on the map",
    dependencies=[NO_PARAMETERS],
    responses={**described.GRID, **describe(404)},
)
def get_grid(
    session: DatabaseSession, dataset_id: described.DatasetNumber, code: described.GridCode
) -> Response:
    """Give one grid with its team and vacancies."""
    return _answer(queries.grid_details(session, dataset_id=dataset_id, code=code))


@router.get(
    "/{dataset_id}/households",
    summary="The households of a view",
    dependencies=[_VIEW],
    responses=described.HOUSEHOLDS,
)
def get_households(
    session: DatabaseSession, dataset_id: described.DatasetNumber, view: CurrentView
) -> Response:
    """Give the households of a view, together or place by place."""
    return _answer(queries.households(session, dataset_id=dataset_id, view=view))


@router.get(
    "/{dataset_id}/members",
    summary="The members of a view",
    dependencies=[_VIEW],
    responses=described.MEMBERS,
)
def get_members(
    session: DatabaseSession, dataset_id: described.DatasetNumber, view: CurrentView
) -> Response:
    """Give the members of a view."""
    return _answer(queries.members(session, dataset_id=dataset_id, view=view))


@router.get(
    "/{dataset_id}/facilities",
    summary="The facilities of a view",
    dependencies=[_VIEW],
    responses=described.FACILITIES,
)
def get_facilities(
    session: DatabaseSession, dataset_id: described.DatasetNumber, view: CurrentView
) -> Response:
    """Give the facilities of a view."""
    return _answer(queries.facilities(session, dataset_id=dataset_id, view=view))


@router.get(
    "/{dataset_id}/communities",
    summary="The communities of a view",
    dependencies=[_VIEW],
    responses=described.COMMUNITIES,
)
def get_communities(
    session: DatabaseSession, dataset_id: described.DatasetNumber, view: CurrentView
) -> Response:
    """Give the boundaries of the communities of a view."""
    return _answer(queries.communities(session, dataset_id=dataset_id, view=view))


@router.get(
    "/{dataset_id}/backdrop",
    summary="The backdrop of a view",
    dependencies=[_VIEW],
    responses=described.BACKDROP,
)
def get_backdrop(
    session: DatabaseSession, dataset_id: described.DatasetNumber, view: CurrentView
) -> Response:
    """Give roads, rail and water of a view."""
    return _answer(queries.backdrop(session, dataset_id=dataset_id, view=view))


@router.get(
    "/{dataset_id}/search",
    summary="Grids and addresses by their beginning",
    dependencies=[_only("q")],
    responses=described.FOUND,
)
def get_search(
    session: DatabaseSession,
    dataset_id: described.DatasetNumber,
    q: Annotated[
        str,
        Query(
            max_length=_LONGEST_SEARCH,
            description="How the code, community or address begins.",
            examples=["17 Long"],
        ),
    ] = "",
) -> Response:
    """Find grids and addresses."""
    return _answer(queries.search(session, dataset_id=dataset_id, text=q))
