"""Grids in force and members out of PostGIS; posts, vacancies and their reasons back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from time import perf_counter
from typing import Any

import geopandas as gpd
import pandas as pd
import shapely
from sqlalchemy.orm import Session

from geodata.errors import PlanError
from geodata.staff import Staffing
from geodata.staff import staff as find_posts
from service.db.frames import copy_frame, read_frame, read_table
from service.db.statements import load_statements
from service.flows.scope import Area, Progress, find_areas, silent

__all__ = ["StaffReport", "staff"]

_SQL = load_statements("service.flows", "staff.sql")

#: Marks the stand-in of a fixed post among the members; no reference holds this character.
_STAND_IN = "\x1f"


@dataclass(frozen=True, slots=True, kw_only=True)
class StaffReport:
    """Posts held now, what is vacant by role, and the distances of the posts that were sought.

    ``fixed`` posts were kept as they were; ``opened`` and ``closed`` count what changed. Equal
    ``total_distance_m`` and ``lower_bound_m`` say that no better staffing exists.
    """

    posts: int
    vacancies: Mapping[str, int]
    required: Mapping[str, int]
    fixed: int
    opened: int
    closed: int
    total_distance_m: int
    lower_bound_m: int
    warnings: Sequence[str] = field(default=())
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON."""
        return asdict(self)


def staff(
    session: Session,
    *,
    dataset: str | None = None,
    communities: Sequence[str] | None = None,
    max_distance_m: float | None = None,
    progress: Progress = silent,
) -> StaffReport:
    """Give every grid in force its team, each data set by its own members and requirement.

    Fixed posts stay. Only what changes is written, and why a post is vacant.

    Parameters
    ----------
    session : Session
        Nothing is committed.
    dataset : str, optional
        Only this data set.
    communities : sequence of str, optional
        Only the grids of these communities; posts elsewhere stay and count for their holders.
    max_distance_m : float, optional
        Nobody is posted farther away.
    progress : callable, optional
        Called with the step, the data sets done and their number.

    Raises
    ------
    InputError
        An unknown data set or community.
    PlanError
        Nothing is loaded, or no plan is active.
    """
    began = perf_counter()
    areas = find_areas(session, dataset=dataset, communities=communities)
    parts = []
    for done, area in enumerate(areas):
        progress("staff", done, len(areas))
        parts.append(_staff_area(session, area, max_distance_m))
    progress("staff", len(areas), len(areas))
    vacancies: Counter[str] = Counter()
    required: Counter[str] = Counter()
    for part in parts:
        vacancies.update(part.vacancies)
        required.update(part.required)
    return StaffReport(
        posts=sum(part.posts for part in parts),
        vacancies=dict(vacancies),
        required=dict(required),
        fixed=sum(part.fixed for part in parts),
        opened=sum(part.opened for part in parts),
        closed=sum(part.closed for part in parts),
        total_distance_m=sum(part.total_distance_m for part in parts),
        lower_bound_m=sum(part.lower_bound_m for part in parts),
        warnings=tuple(warning for part in parts for warning in part.warnings),
        seconds=round(perf_counter() - began, 3),
    )


def _staff_area(session: Session, area: Area, max_distance_m: float | None) -> StaffReport:
    values = {"dataset_id": area.dataset_id, "codes": list(area.communities)}
    grids = read_frame(session, _SQL["grids"], values)
    if grids.empty:
        raise PlanError(
            f"no plan of the data set '{area.dataset}' is active: run 'gridward delineate' first"
        )
    members = read_frame(session, _SQL["members"], values)
    team = {row.role: row.posts for row in session.execute(_SQL["requirement"], values)}
    posts = read_table(session, _SQL["current_posts"], values)
    held = posts[posts["inside"] & posts["fixed"]].reset_index(drop=True)
    elsewhere = Counter(posts.loc[~posts["inside"], "member_id"])
    found = _sought(grids, members, team, held, elsewhere, max_distance_m)
    return _apply(session, values, grids, team, held, found)


def _sought(
    grids: gpd.GeoDataFrame,
    members: gpd.GeoDataFrame,
    team: Mapping[str, int],
    held: pd.DataFrame,
    elsewhere: Mapping[str, int],
    max_distance_m: float | None,
) -> Staffing:
    """The staffing around the fixed posts.

    A fixed post takes part as a stand-in at the very place of its grid, with that role alone, and
    its holder has one post less to give. By the triangle inequality some optimum leaves every
    stand-in where it is, so the rest is the optimum given the fixed posts.
    """
    if not team:
        nothing = pd.DataFrame(columns=["member_id", "grid_code", "role", "missing", "reason"])
        return Staffing(nothing, nothing, 0, 0)
    used = Counter(held["member_id"])
    free = members.copy()
    taken = free["member_id"].map(lambda member: used[member] + elsewhere[member])
    free["max_posts"] = (free["max_posts"] - taken).clip(lower=0)
    if held.empty:
        return find_posts(grids, free, team, max_posts=_most(free), max_distance_m=max_distance_m)
    needed = held[held.groupby(["grid_code", "role"]).cumcount() < held["role"].map(team).fillna(0)]
    places = grids.set_index("grid_code").geometry.reindex(needed["grid_code"]).to_numpy()
    stand_ins = gpd.GeoDataFrame(
        {
            "member_id": [f"{_STAND_IN}{number}" for number in range(len(needed))],
            "roles": [[role] for role in needed["role"]],
            "max_posts": 1,
        },
        geometry=_places(places),
        crs=grids.crs,
    )
    everyone = pd.concat([free, stand_ins], ignore_index=True)
    found = find_posts(
        grids, everyone, team, max_posts=_most(everyone), max_distance_m=max_distance_m
    )
    own = dict(zip(stand_ins["member_id"], needed["grid_code"], strict=True))
    return _without_stand_ins(found, own, held)


def _most(members: pd.DataFrame) -> int:
    """Posts that one member may hold at most: each row has its own limit."""
    return max(int(members["max_posts"].max()) if len(members) else 1, 1)


def _places(polygons: Any) -> Any:
    """Where :func:`geodata.staff.staff` measures from: the centroid, or a point on the surface."""
    places = shapely.centroid(polygons)
    outside = ~shapely.intersects(polygons, places)
    places[outside] = shapely.point_on_surface(polygons[outside])
    return places


def _without_stand_ins(found: Staffing, own: Mapping[str, str], held: pd.DataFrame) -> Staffing:
    """The posts of real members; where a tie moved a stand-in away, the two holders swap."""
    posts = found.posts.copy()
    for number in posts.index[posts["member_id"].isin(list(own))]:
        home = own[posts.at[number, "member_id"]]
        if posts.at[number, "grid_code"] == home:
            continue
        in_its_place = posts.index[
            (posts["grid_code"] == home)
            & (posts["role"] == posts.at[number, "role"])
            & ~posts["member_id"].isin([name for name, grid in own.items() if grid == home])
        ]
        if len(in_its_place):
            posts.at[in_its_place[0], "grid_code"] = posts.at[number, "grid_code"]
    posts = posts[~posts["member_id"].isin(list(own))]
    fixed = pd.MultiIndex.from_frame(held[["member_id", "grid_code", "role"]])
    again = pd.MultiIndex.from_frame(posts[["member_id", "grid_code", "role"]]).isin(fixed)
    return Staffing(
        posts[~again].reset_index(drop=True),
        found.vacancies,
        found.total_distance_m,
        found.lower_bound_m,
        found.unplaced,
        found.warnings,
    )


def _apply(
    session: Session,
    values: Mapping[str, Any],
    grids: gpd.GeoDataFrame,
    team: Mapping[str, int],
    held: pd.DataFrame,
    found: Staffing,
) -> StaffReport:
    """Write the difference between the current posts and those found."""
    columns = ["member_id", "grid_code", "role"]
    wanted = pd.concat([found.posts[columns], held[columns]], ignore_index=True)
    for block in ("drop_staged_posts", "stage_posts", "drop_staged_vacancies", "stage_vacancies"):
        session.execute(_SQL[block])
    copy_frame(session, wanted, "staged_post")
    copy_frame(session, found.vacancies[["grid_code", "role", "reason"]], "staged_vacancy")
    closed = session.execute(_SQL["close_posts"], values).rowcount  # type: ignore[attr-defined]
    opened = session.execute(_SQL["open_posts"], values).rowcount  # type: ignore[attr-defined]
    session.execute(_SQL["forget_reasons"], values)
    session.execute(_SQL["save_reasons"], values)
    vacant = {row.role: row.missing for row in session.execute(_SQL["vacancies"], values)}
    return StaffReport(
        posts=len(wanted),
        vacancies=vacant,
        required={role: posts * len(grids) for role, posts in team.items()},
        fixed=len(held),
        opened=opened,
        closed=closed,
        total_distance_m=found.total_distance_m,
        lower_bound_m=found.lower_bound_m,
        warnings=found.warnings,
        seconds=0.0,
    )
