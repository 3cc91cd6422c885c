"""Grids in force and members out of PostGIS; posts, vacancies and their reasons back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, field
from time import perf_counter
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from geodata.errors import InputError, PlanError
from geodata.staff import Staffing
from geodata.staff import staff as find_posts
from service.db.frames import copy_frame, read_arrays, read_frame
from service.db.statements import load_statements
from service.flows.scope import Area, Progress, find_areas, silent

__all__ = ["StaffReport", "staff"]

_SQL = load_statements("service.flows", "staff.sql")

#: Posts that change at once from which the database's statistics of them are made anew.
_MANY = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class StaffReport:
    """Posts held now, what is vacant by role, and the distances of these posts.

    ``fixed`` posts were kept as they were; ``opened`` and ``closed`` count what changed, ``moved``
    the closed ones that could have stayed. Equal ``total_distance_m`` and ``lower_bound_m`` say
    that no better staffing exists. ``loss_posts`` and ``loss_m`` say what it cost to staff part by
    part. ``shortages`` and ``relief`` are the rows of :class:`geodata.staff.Shortages`.
    """

    posts: int
    vacancies: Mapping[str, int]
    required: Mapping[str, int]
    fixed: int
    opened: int
    closed: int
    moved: int
    total_distance_m: int
    lower_bound_m: int
    loss_posts: int | None = None
    loss_m: int | None = None
    shortages: Sequence[Mapping[str, Any]] | None = None
    relief: Sequence[Mapping[str, Any]] | None = None
    warnings: Sequence[str] = field(default=())
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON; what was not asked for is left out."""
        asked = {"loss_posts", "loss_m", "shortages", "relief"}
        return {
            name: value
            for name, value in asdict(self).items()
            if name not in asked or value is not None
        }


@dataclass(frozen=True, slots=True)
class _Wishes:
    max_distance_m: float | None
    stability_m: float
    by: str | None
    explain: str | None
    executor: Executor | None


@dataclass(frozen=True, slots=True)
class _Standing:
    """What there is before the staffing: current posts as arrays, and the role of each number.

    ``inside``: in a grid that is staffed in this run; ``stale``: in one no longer in force.
    """

    posts: dict[str, NDArray[Any]]
    roles: NDArray[Any]


def staff(
    session: Session,
    *,
    dataset: str | None = None,
    communities: Sequence[str] | None = None,
    max_distance_m: float | None = None,
    stability_m: float = 0.0,
    by: str | None = None,
    explain: str | None = None,
    executor: Executor | None = None,
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
    stability_m : float
        A post changes hands only if the total distance falls by more than this for each one.
    by : str, optional
        A level of divisions, such as ``county``: each is staffed by itself.
    explain : str, optional
        A level of divisions: where which role is short is told by it, and kept for the API.
    executor : concurrent.futures.Executor, optional
        Solves the parts side by side.
    progress : callable, optional
        Called with the step, what is done and all there is: a data set is read, staffed, written.

    Raises
    ------
    InputError
        An unknown data set or community, or a community without a division of a level.
    PlanError
        Nothing is loaded, or no plan is active.
    """
    began = perf_counter()
    wishes = _Wishes(max_distance_m, stability_m, by, explain, executor)
    areas = find_areas(session, dataset=dataset, communities=communities)
    parts = []
    for number, area in enumerate(areas):

        def step(done: int, number: int = number) -> None:
            progress("staff", 3 * number + done, 3 * len(areas))

        parts.append(_staff_area(session, area, wishes, step))
    return _together(parts, round(perf_counter() - began, 3))


def _together(parts: Sequence[StaffReport], seconds: float) -> StaffReport:
    """One report of all data sets."""
    vacancies: Counter[str] = Counter()
    required: Counter[str] = Counter()
    for part in parts:
        vacancies.update(part.vacancies)
        required.update(part.required)
    # asked for in all of them, or in none
    losses = [
        (part.loss_posts, part.loss_m)
        for part in parts
        if part.loss_posts is not None and part.loss_m is not None
    ]
    shortages = [part.shortages for part in parts if part.shortages is not None]
    relief = [part.relief for part in parts if part.relief is not None]
    return StaffReport(
        posts=sum(part.posts for part in parts),
        vacancies=dict(vacancies),
        required=dict(required),
        fixed=sum(part.fixed for part in parts),
        opened=sum(part.opened for part in parts),
        closed=sum(part.closed for part in parts),
        moved=sum(part.moved for part in parts),
        total_distance_m=sum(part.total_distance_m for part in parts),
        lower_bound_m=sum(part.lower_bound_m for part in parts),
        loss_posts=sum(posts for posts, _ in losses) if losses else None,
        loss_m=sum(metres for _, metres in losses) if losses else None,
        shortages=[row for rows in shortages for row in rows] if shortages else None,
        relief=[row for rows in relief for row in rows] if relief else None,
        warnings=tuple(warning for part in parts for warning in part.warnings),
        seconds=seconds,
    )


def _staff_area(
    session: Session, area: Area, wishes: _Wishes, step: Callable[[int], None]
) -> StaffReport:
    step(0)
    values = {
        "dataset_id": area.dataset_id,
        "codes": list(area.communities),
        "by": wishes.by,
        "explain": wishes.explain,
    }
    grids = read_frame(session, _SQL["grids"], values)
    if grids.empty:
        raise PlanError(
            f"no plan of the data set '{area.dataset}' is active: run 'gridward delineate' first"
        )
    for level, column in ((wishes.by, "part"), (wishes.explain, "division")):
        _require_level(grids, level, column)
    members = read_frame(session, _SQL["members"], values)
    team = {row.role: row.posts for row in session.execute(_SQL["requirement"], values)}
    standing = _read_standing(session, values, grids["id"])
    step(1)
    found = _sought(grids, members, team, standing, wishes)
    step(2)
    report = _apply(session, area, values, (grids, members, team), standing, found)
    step(3)
    return report


def _require_level(grids: gpd.GeoDataFrame, level: str | None, column: str) -> None:
    if level is not None and (lacking := grids["community"][grids[column].isna()]).size:
        raise InputError(
            f"the community '{lacking.iloc[0]}' lies in no {level}: load divisions of that level, "
            "or choose another one"
        )


def _read_standing(session: Session, values: Mapping[str, Any], grids: pd.Series) -> _Standing:
    roles = [row.role for row in session.execute(_SQL["roles_held"], values)]
    posts = read_arrays(session, _SQL["current_posts"], {**values, "roles": roles})
    in_force = read_arrays(session, _SQL["in_force"], values)["id"]
    posts["inside"] = np.isin(posts["grid_id"], grids)
    posts["stale"] = ~np.isin(posts["grid_id"], in_force)
    return _Standing(posts, np.array(["", *roles], dtype=object))


def _sought(
    grids: gpd.GeoDataFrame,
    members: gpd.GeoDataFrame,
    team: Mapping[str, int],
    standing: _Standing,
    wishes: _Wishes,
) -> Staffing:
    """The staffing around the posts held now; those elsewhere count for their holders."""
    posts = standing.posts
    member = _places(members["id"], posts["member_id"])
    grid = _places(grids["id"], posts["grid_id"])
    inside = posts["inside"]
    current = pd.DataFrame(
        {
            "member_id": members["member_id"].to_numpy()[member[inside]],
            "grid_code": grids["grid_code"].to_numpy()[grid[inside]],
            "role": standing.roles[posts["role"][inside]],
            "fixed": posts["fixed"][inside],
        }
    )
    if not team:
        return _untouched(current)
    elsewhere = np.bincount(member[~inside & ~posts["stale"]], minlength=len(members))
    free = members.assign(max_posts=(members["max_posts"] - elsewhere).clip(lower=0))
    return find_posts(
        grids,
        free,
        team,
        max_posts=max(int(free["max_posts"].max()) if len(free) else 1, 1),
        max_distance_m=wishes.max_distance_m,
        executor=wishes.executor,
        current=current,
        stability_m=wishes.stability_m,
        by=None if wishes.by is None else "part",
        explain=None if wishes.explain is None else "division",
    )


def _untouched(current: pd.DataFrame) -> Staffing:
    """Where no team is wanted only the fixed posts stay."""
    posts = current[current["fixed"]].drop(columns="fixed").reset_index(drop=True)
    nothing = pd.DataFrame(columns=["grid_code", "role", "missing", "reason"])
    return Staffing(posts.assign(distance_m=0, second=False, kept=True), nothing, 0, 0)


def _places(identifiers: pd.Series, wanted: NDArray[Any]) -> NDArray[np.int64]:
    """Where each identifier is in a column; 0 for one that is not there."""
    return np.maximum(pd.Index(identifiers).get_indexer(wanted), 0)


def _apply(
    session: Session,
    area: Area,
    values: Mapping[str, Any],
    sources: tuple[gpd.GeoDataFrame, gpd.GeoDataFrame, Mapping[str, int]],
    standing: _Standing,
    found: Staffing,
) -> StaffReport:
    """Write the difference between the current posts and those found."""
    grids, members, team = sources
    wanted = _with_numbers(found.posts, grids, members)
    now = pd.DataFrame(standing.posts)
    now["role"] = standing.roles[now["role"]]
    now = now[now["inside"] | now["stale"]]
    stays, known = _in_both(now, wanted)
    ends, opens = now.loc[~stays, ["id"]], wanted.loc[~known, ["member_id", "grid_id", "role"]]
    if len(ends):
        session.execute(_SQL["drop_staged_ends"])
        session.execute(_SQL["stage_ends"])
        copy_frame(session, ends.rename(columns={"id": "post_id"}), "staged_end")
        session.execute(_SQL["end_posts"])
    if len(opens):
        copy_frame(session, opens, "post")
    if len(ends) + len(opens) > _MANY:
        session.execute(_SQL["analyze"])
    _save_reasons(session, values, _with_numbers(found.vacancies, grids))
    shortages, relief = _save_shortages(session, area, values, grids, members, found)
    vacant = found.vacancies.groupby("role")["missing"].sum()
    return StaffReport(
        posts=len(wanted),
        vacancies={role: int(vacant[role]) for role in sorted(vacant.index)},
        required={role: posts * len(grids) for role, posts in team.items()},
        fixed=int((now["fixed"] & now["inside"]).sum()),
        opened=len(opens),
        closed=len(ends),
        moved=found.moved,
        total_distance_m=found.total_distance_m,
        lower_bound_m=found.lower_bound_m,
        loss_posts=None if found.loss is None else found.loss.posts,
        loss_m=None if found.loss is None else found.loss.distance_m,
        shortages=shortages,
        relief=relief,
        warnings=found.warnings,
        seconds=0.0,
    )


def _in_both(one: pd.DataFrame, other: pd.DataFrame) -> tuple[NDArray[Any], NDArray[Any]]:
    """Which posts of each of two frames the other one has too."""
    both = pd.concat([one, other], ignore_index=True)
    key = np.zeros(len(both), dtype=np.int64)
    for name in ("member_id", "grid_id", "role"):
        number, values = pd.factorize(both[name])
        key = key * len(values) + number
    left, right = key[: len(one)], key[len(one) :]
    return np.isin(left, right), np.isin(right, left)


def _with_numbers(
    rows: pd.DataFrame, grids: gpd.GeoDataFrame, members: gpd.GeoDataFrame | None = None
) -> pd.DataFrame:
    """Rows with the database's numbers in place of codes and references."""
    grid = pd.Index(grids["grid_code"]).get_indexer(rows["grid_code"])
    numbered = rows.assign(grid_id=grids["id"].to_numpy()[grid])
    if members is not None:
        member = pd.Index(members["member_id"]).get_indexer(rows["member_id"])
        numbered["member_id"] = members["id"].to_numpy()[member]
    return numbered


def _save_reasons(session: Session, values: Mapping[str, Any], vacancies: pd.DataFrame) -> None:
    session.execute(_SQL["drop_staged_vacancies"])
    session.execute(_SQL["stage_vacancies"])
    copy_frame(session, vacancies[["grid_id", "role", "reason"]], "staged_vacancy")
    session.execute(_SQL["forget_reasons"], values)
    session.execute(_SQL["save_reasons"])


def _save_shortages(
    session: Session,
    area: Area,
    values: Mapping[str, Any],
    grids: gpd.GeoDataFrame,
    members: gpd.GeoDataFrame,
    found: Staffing,
) -> tuple[list[dict[str, Any]] | None, list[dict[str, Any]] | None]:
    """Keep the explanation, or forget the one of an earlier staffing; its rows as JSON."""
    session.execute(_SQL["forget_shortages"], values)
    session.execute(_SQL["forget_relief"], values)
    if found.shortages is None:
        return None, None
    table, relief = found.shortages.table, found.shortages.relief
    kept = table.rename(columns={"division": "division_code"})
    copy_frame(session, kept.assign(dataset_id=area.dataset_id), "shortage")
    numbered = _with_numbers(relief, grids, members)
    copy_frame(session, numbered[["grid_id", "role", "member_id", "distance_m"]], "relief")
    return (
        table.assign(dataset=area.dataset).to_dict("records"),
        relief.assign(dataset=area.dataset).to_dict("records"),
    )
