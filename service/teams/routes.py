"""Where a place belongs, a grid with its team, and posting."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Request, Response

from service.db.rows import AnyRow
from service.divisions import queries as divisions
from service.divisions.schemas import DivisionStep
from service.grids import queries as grids
from service.teams import queries
from service.teams.schemas import (
    GridTeam,
    HeldPost,
    LocatedGrid,
    LocateParameters,
    Location,
    NearestGrid,
    NewPost,
    Relief,
    ReliefParameters,
    Shortage,
    ShortageParameters,
    VacantPost,
)
from service.web.limits import COUNTED, tell_numbers
from service.web.parameters import NO_PARAMETERS
from service.web.problems import describe
from service.web.session import DatabaseSession
from service.web.writers import WRITER

__all__ = ["router"]

router = APIRouter(tags=["Grids and teams"])

GridCode = Annotated[str, Path(description="Code of the grid.", examples=["980101001001001"])]
PostId = Annotated[int, Path(ge=1, lt=2**63, description="Number of the post.", examples=[17])]
_PLACE: Final[dict[str, Any]] = {
    "Location": {
        "description": "Where the post is told",
        "schema": {"type": "string", "format": "uri"},
        "example": "http://127.0.0.1:8000/collections/posts/items/17",
    }
}


@router.get("/locate", summary="Where a place belongs")
def locate(where: Annotated[LocateParameters, Query()], session: DatabaseSession) -> Location:
    """Tell the grid, the divisions and the team that a place belongs to."""
    found = grids.find_covering(session, lon=where.lon, lat=where.lat, at=where.at)
    next_grid = None
    if found is None:
        next_grid = grids.find_nearest(session, lon=where.lon, lat=where.lat, at=where.at)
        division = divisions.find_deepest(session, lon=where.lon, lat=where.lat)
    else:
        division = found.community_code
    posts = [] if found is None else queries.list_posts(session, grid_id=found.id, at=where.at)
    return Location(
        lon=where.lon,
        lat=where.lat,
        at=where.at,
        grid=None if found is None else LocatedGrid.model_validate(found),
        nearest=None if next_grid is None else NearestGrid.model_validate(next_grid),
        divisions=[] if division is None else _path(session, division),
        team=_by_role(posts),
    )


@router.get(
    "/grids/{code}",
    summary="A grid with its team",
    dependencies=[NO_PARAMETERS],
    responses=describe(404),
)
def get_grid(code: GridCode, session: DatabaseSession) -> GridTeam:
    """Tell the load, the team and the vacancies of a grid in force."""
    grid = grids.get_in_force(session, code=code)
    figures = queries.get_coverage(session, grid_id=grid.id)
    return GridTeam(
        code=figures.grid_code,
        community_code=figures.community_code,
        kind=figures.kind,
        flag=figures.flag,
        records=figures.records,
        households=figures.households,
        target=figures.target,
        minimum=figures.minimum,
        maximum=figures.maximum,
        posts_required=figures.posts_required,
        posts_filled=figures.posts_filled,
        divisions=_path(session, figures.community_code),
        team=_by_role(queries.list_posts(session, grid_id=grid.id)),
        vacancies=[
            VacantPost.model_validate(each)
            for each in queries.list_vacancies(session, grid_id=grid.id)
        ],
    )


@router.get("/shortages", summary="Roles that are short, by division", responses={200: COUNTED})
def list_shortages(
    wanted: Annotated[ShortageParameters, Query()], response: Response, session: DatabaseSession
) -> list[Shortage]:
    """Tell what the last `gridward staff --explain` found: posts, people, and what would help."""
    found = queries.list_shortages(
        session,
        dataset=wanted.dataset,
        role=wanted.role,
        division=wanted.division,
        limit=wanted.limit,
    )
    tell_numbers(response, found)
    return [Shortage.model_validate(each) for each in found.rows]


@router.get("/relief", summary="Who would come from farther away", responses={200: COUNTED})
def list_relief(
    wanted: Annotated[ReliefParameters, Query()], response: Response, session: DatabaseSession
) -> list[Relief]:
    """Tell who would take vacant posts if the largest distance were relaxed, nearest first."""
    found = queries.list_relief(session, role=wanted.role, grid=wanted.grid, limit=wanted.limit)
    tell_numbers(response, found)
    return [Relief.model_validate(each) for each in found.rows]


@router.post(
    "/grids/{code}/posts",
    summary="Post a member",
    status_code=201,
    dependencies=[NO_PARAMETERS, WRITER],
    responses={
        201: {"description": "The post as it is held", "headers": _PLACE},
        **describe(401, 403, 404, 409),
    },
)
def add_post(
    code: GridCode, wanted: NewPost, request: Request, response: Response, session: DatabaseSession
) -> HeldPost:
    """Post a member in a grid. A role that is not theirs, or a post too many, is refused."""
    grid = grids.get_in_force(session, code=code)
    post = queries.add_post(
        session, grid=grid, member=wanted.member, role=wanted.role, fixed=wanted.fixed
    )
    response.headers["Location"] = f"{request.base_url}collections/posts/items/{post.id}"
    return HeldPost.model_validate(post)


@router.delete(
    "/posts/{post_id}",
    summary="End a post",
    status_code=204,
    dependencies=[NO_PARAMETERS, WRITER],
    responses=describe(401, 403, 404),
)
def end_post(post_id: PostId, session: DatabaseSession) -> None:
    """End a post; it stays in the history."""
    queries.end_post(session, post_id=post_id)


def _path(session: DatabaseSession, code: str) -> list[DivisionStep]:
    return [DivisionStep.model_validate(each) for each in divisions.list_path(session, code=code)]


def _by_role(posts: Iterable[AnyRow]) -> dict[str, list[HeldPost]]:
    team: defaultdict[str, list[HeldPost]] = defaultdict(list)
    for each in posts:
        team[each.role].append(HeldPost.model_validate(each))
    return dict(team)
