"""Grids in force out of PostGIS; rebalanced, split or merged ones back as the next plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from time import perf_counter
from typing import Any, Literal

import geopandas as gpd
import shapely
from sqlalchemy.orm import Session

from geodata import change as remedies
from geodata.change.posts import hand_over
from geodata.errors import InputError, PlanError
from service.db.frames import read_frame
from service.db.statements import load_statements
from service.errors import NotFound
from service.flows import plans
from service.flows.differences import (
    Difference,
    area_values,
    compare_in,
    read_households,
    records,
)
from service.flows.scope import Area, Progress, find_areas, silent

__all__ = ["ChangeReport", "Keep", "merge", "rebalance", "split"]

_SQL = load_statements("service.flows", "change.sql")

#: What becomes of the new grids: shown and forgotten, kept as a draft, or switched to.
Keep = Literal["preview", "draft", "active"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeReport:
    """What a change did, or would do, in one data set.

    ``difference`` is None where there was nothing to do. ``posts`` gives, by grid after the change
    and role, the posts that it holds then (see :func:`geodata.change.posts.hand_over`);
    ``posts_ended`` those that end because its need is met. ``plan`` is None for a preview.
    ``grids`` are those of the communities that change, before and after.
    """

    dataset: str
    difference: Difference | None
    steps: Sequence[dict[str, Any]]
    posts: dict[str, dict[str, int]]
    posts_ended: int
    posts_required: dict[str, int]
    plan: dict[str, Any] | None
    grids: tuple[gpd.GeoDataFrame, gpd.GeoDataFrame] | None
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON."""
        told: dict[str, Any] = {"dataset": self.dataset, "plan": self.plan}
        told["changed"] = self.difference is not None
        if self.difference is not None:
            told |= self.difference.as_dict()
            for side in told["sides"]:
                side["posts"] = self.posts.get(side["grid_code"], {})
        return {
            **told,
            "posts_required": self.posts_required,
            "posts_ended": self.posts_ended,
            "steps": list(self.steps),
            "seconds": self.seconds,
        }


def rebalance(
    session: Session,
    *,
    dataset: str | None = None,
    communities: Sequence[str] | None = None,
    keep: Keep = "active",
    on: date | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> list[ChangeReport]:
    """Bring grids that households overloaded or left back into range, moving few.

    Parameters
    ----------
    session : Session
        Nothing is committed.
    dataset, communities : optional
        Only this data set, only these communities.
    keep : Keep
        ``active`` validates the new plan and switches to it; if that is today, the households are
        assigned again and the posts handed over.
    on : date, optional
        The day of the switch; today by default.
    seed : int
        Seed of the search where a grid is drawn anew.
    progress : callable, optional
        Called with the step, the communities done and their number.

    Returns
    -------
    list of ChangeReport
        One a data set that has grids.

    Raises
    ------
    InputError
        An unknown data set or community.
    PlanError
        Nothing is loaded, or no plan is active.
    """
    reports = []
    for area in find_areas(session, dataset=dataset, communities=communities):
        began = perf_counter()
        step, values = f"rebalance {area.dataset}", area_values(area)
        before = read_frame(session, _SQL["grids_in_force"], values)
        if before.empty:
            continue
        change = remedies.rebalance(
            before,
            read_frame(session, _SQL["communities"], values),
            read_households(session, area),
            _barriers(session, area),
            **_sizes(area),
            seed=seed,
            used_codes=plans.used_codes(session, communities=area.communities),
            progress=lambda done, total, step=step: progress(step, done, total),  # type: ignore[misc]
        )
        named = ("rebalanced", {"seed": seed})
        reports.append(_carry_out(session, area, change, named, (keep, on), began))
    if not reports:
        raise PlanError("no plan is active there: run 'gridward delineate' first")
    return reports


def split(
    session: Session,
    *,
    code: str,
    parts: int = 2,
    along: shapely.LineString | None = None,
    keep: Keep = "preview",
    on: date | None = None,
    seed: int = 0,
) -> ChangeReport:
    """Split a grid in force into parts of about equal load, or in two along a line (EPSG:4326).

    ``keep`` and ``on`` are as above.

    Raises
    ------
    NotFound
        There is no such grid in force.
    InputError, PlanError
        It cannot be split so.
    """
    began = perf_counter()
    area = _area_of(session, [code])
    before = read_frame(session, _SQL["grids_in_force"], area_values(area))
    change = remedies.split(
        before,
        code,
        read_households(session, area),
        _barriers(session, area),
        parts=parts,
        along=along,
        **_sizes(area),
        seed=seed,
        used_codes=plans.used_codes(session, communities=area.communities),
    )
    how = {"parts": parts, "seed": seed} if along is None else {"along": along.wkt}
    named = ("split", {"grid": code, **how})
    return _carry_out(session, area, change, named, (keep, on), began)


def merge(
    session: Session, *, codes: Sequence[str], keep: Keep = "preview", on: date | None = None
) -> ChangeReport:
    """Merge grids in force of one community that hang together; ``keep`` and ``on`` as above.

    Raises
    ------
    NotFound
        One of them is not a grid in force.
    InputError
        They are of several communities, or do not hang together.
    """
    began = perf_counter()
    area = _area_of(session, codes)
    before = read_frame(session, _SQL["grids_in_force"], area_values(area))
    change = remedies.merge(before, codes, read_households(session, area), **_sizes(area))
    named = ("merged", {"grids": sorted(codes)})
    return _carry_out(session, area, change, named, (keep, on), began)


def _carry_out(
    session: Session,
    area: Area,
    change: remedies.Change,
    named: tuple[str, dict[str, Any]],
    then: tuple[Keep, date | None],
    began: float,
) -> ChangeReport:
    """Save the new grids as a plan, tell what changes, and forget, keep or switch to it.

    A preview goes the same way and is then undone, so the codes that it shows are those that the
    grids would get.
    """
    keep, on = then
    difference, posts, grids = None, None, None
    plan: dict[str, Any] | None = None
    required = session.execute(_SQL["required"], area_values(area))
    needs = {row.role: row.posts for row in required}
    touched = sorted(set(change.sides["community_code"]))
    if touched:
        (part,) = find_areas(session, dataset=area.dataset, communities=touched)
        with session.begin_nested() as savepoint:
            saved = _save(session, part, change, named)
            if keep != "draft":
                plans.validate(session, plan_id=saved.plan_id)
            before = read_frame(session, _SQL["grids_in_force"], area_values(part))
            after = plans.plan_grids(session, plan_id=saved.plan_id)
            grids = (before, after)
            difference = compare_in(part, before, after, read_households(session, part))
            posts = _posts_of(session, part, difference, after, needs)
            if keep == "preview":
                savepoint.rollback()
            elif keep == "draft":
                plan = {"id": saved.plan_id, "state": keep}
            else:
                done = plans.activate(
                    session, plan_id=saved.plan_id, on=on, hand_over=posts.hand_over
                )
                begins = done.effective_from
                plan = {"id": saved.plan_id, "state": keep, "effective_from": begins}
    steps = change.report[change.report["steps"] != ""][["community_code", "steps", "redone"]]
    return ChangeReport(
        dataset=area.dataset,
        difference=difference,
        steps=records(steps),
        posts=posts.by_grid() if posts else {},
        posts_ended=posts.ended if posts else 0,
        posts_required=needs,
        plan=plan,
        grids=grids,
        seconds=round(perf_counter() - began, 3),
    )


def _save(
    session: Session, area: Area, change: remedies.Change, named: tuple[str, dict[str, Any]]
) -> plans.Saved:
    act, parameters = named
    grids, report = (
        frame[frame["community_code"].isin(area.communities)]
        for frame in (change.grids, change.report)
    )
    figures = ("grids_before", "grids", "out_of_range_before", "out_of_range", "households_moved")
    return plans.save(
        session,
        name=f"{area.dataset}, {act}",
        communities=area.communities,
        grids=grids,
        parameters={**_sizes(area), act: parameters},
        report={name: int(report[name].sum()) for name in figures},
    )


@dataclass(frozen=True, slots=True)
class _Posts:
    """The posts of the grids that change: their ids, the grid of each before and after."""

    ids: list[int]
    before: list[str]
    after: list[str | None]
    roles: list[str]

    def by_grid(self) -> dict[str, dict[str, int]]:
        """How many of each role every grid holds after the change."""
        counted: dict[str, dict[str, int]] = {}
        for code, role in zip(self.after, self.roles, strict=True):
            if code is not None:
                held = counted.setdefault(code, {})
                held[role] = held.get(role, 0) + 1
        return counted

    @property
    def ended(self) -> int:
        """How many end."""
        return self.after.count(None)

    def hand_over(self, session: Session) -> None:
        """End the posts that leave their grid, and let those that move begin in the other."""
        moved = [
            (post, new)
            for post, old, new in zip(self.ids, self.before, self.after, strict=True)
            if new != old
        ]
        there = [(post, code) for post, code in moved if code is not None]
        session.execute(_SQL["end_posts"], {"ids": [post for post, _ in moved]})
        values = {"ids": [post for post, _ in there], "codes": [code for _, code in there]}
        session.execute(_SQL["move_posts"], values)


def _posts_of(
    session: Session,
    area: Area,
    difference: Difference,
    after: gpd.GeoDataFrame,
    needs: dict[str, int],
) -> _Posts:
    posts = read_frame(session, _SQL["posts"], area_values(area))
    given = hand_over(posts, difference.lookup, after, needs or None)
    return _Posts(
        posts["id"].tolist(), posts["grid_code"].tolist(), given.tolist(), posts["role"].tolist()
    )


def _area_of(session: Session, codes: Sequence[str]) -> Area:
    """The area of the communities that some grids in force are of."""
    homes = []
    for code in codes:
        home = session.execute(_SQL["community_of"], {"code": code}).scalar_one_or_none()
        if home is None:
            raise NotFound(f"there is no grid '{code}' in force")
        homes.append(home)
    areas = find_areas(session, communities=sorted(set(homes)))
    if len(areas) > 1:
        names = ", ".join(f"'{area.dataset}'" for area in areas)
        raise InputError(f"the grids are of several data sets: {names}")
    return areas[0]


def _barriers(session: Session, area: Area) -> gpd.GeoDataFrame | None:
    found = read_frame(session, _SQL["barriers"], area_values(area))
    return found if len(found) else None


def _sizes(area: Area) -> dict[str, Any]:
    return {
        "target": area.target,
        "minimum": area.minimum,
        "maximum": area.maximum,
        "snap_tolerance_m": area.snap_tolerance_m,
    }
