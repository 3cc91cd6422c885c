"""Grid plans: save a draft, validate it, switch to it."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, Final

import geopandas as gpd
import shapely
from sqlalchemy import Row
from sqlalchemy.orm import Session

from geodata.coverage import check
from geodata.coverage.overlaps import joined
from geodata.errors import PlanError
from service.db.frames import copy_frame, read_frame
from service.db.statements import load_statements
from service.errors import NotFound

__all__ = [
    "Saved",
    "Verdict",
    "activate",
    "faults",
    "grids_on",
    "list_plans",
    "plan_grids",
    "retire",
    "save",
    "show",
    "validate",
]

_SQL = load_statements("service.flows", "plans.sql")

#: Grids of a plan from which on the database's statistics of all grids are made anew.
_MANY: Final = 1_000


@dataclass(frozen=True, slots=True)
class Saved:
    """A plan after saving; ``new`` is False where the active plan already says the same."""

    plan_id: int
    state: str
    new: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """What validation looked at; it raises where it finds a fault."""

    plan_id: int
    state: str
    communities: int
    grids: int

    def as_dict(self) -> dict[str, Any]:
        """The verdict as JSON."""
        return asdict(self)


def save(
    session: Session,
    *,
    name: str,
    communities: Sequence[str],
    grids: gpd.GeoDataFrame,
    parameters: Mapping[str, Any],
    report: Mapping[str, Any],
    renewed: Collection[int] = (),
) -> Saved:
    """Save grids as a draft plan, unless the active plan of these communities is the same.

    Parameters
    ----------
    session : Session
    name : str
        Name of the plan.
    communities : sequence of str
        Codes of the communities that the plan rules.
    grids : GeoDataFrame
        community_code, households, flag, reason, geometry (EPSG:4326) and, if it is not "basic",
        kind. A polygon that a grid of the community already has keeps that grid and its code; every
        other takes, in the order of the rows, the next number that the community never used.
    parameters, report : mapping
        How the plan was made, and its figures; JSON values.
    renewed : collection of int
        Positions of rows that are new grids although their polygon is not: its kind is another.
    """
    staged = gpd.GeoDataFrame(
        {
            "position": range(len(grids)),
            "community_code": grids["community_code"].to_numpy(),
            "households": grids["households"].to_numpy(),
            "kind": grids["kind"].fillna("basic").to_numpy() if "kind" in grids else "basic",
            "flag": grids["flag"].to_numpy(),
            "reason": grids["reason"].to_numpy() if "reason" in grids else None,
            "renewed": [position in renewed for position in range(len(grids))],
        },
        geometry=grids.geometry.to_numpy(),
        crs=grids.crs,
    )
    session.execute(_SQL["drop_staged"])
    session.execute(_SQL["stage_grids"])
    copy_frame(session, staged, "staged_grid")
    session.execute(_SQL["analyze_staged"])
    codes = list(communities)
    standing = session.execute(_SQL["same_as_active"], {"communities": codes}).scalar()
    if standing is not None:
        return Saved(standing, "active", new=False)
    values = {"name": name, "parameters": json.dumps(parameters), "report": json.dumps(report)}
    plan_id = session.execute(_SQL["add_plan"], values).scalar_one()
    session.execute(_SQL["add_communities"], {"plan_id": plan_id, "communities": codes})
    session.execute(_SQL["keep_unchanged"], {"plan_id": plan_id})
    session.execute(_SQL["add_changed"], {"plan_id": plan_id})
    return Saved(plan_id, "draft", new=True)


def plan_grids(session: Session, *, plan_id: int, at: date | None = None) -> gpd.GeoDataFrame:
    """The grids of a plan: grid_code, community_code, kind, flag, reason, households, geometry.

    With a day, only those that were or will be in force on it.
    """
    return read_frame(session, _SQL["plan_grids"], {"plan_id": plan_id, "at": at})


def grids_on(session: Session, *, at: date, dataset: str | None = None) -> gpd.GeoDataFrame:
    """The grids in force on a day: grid_code, community_code, kind, ..., plan_id, dataset."""
    return read_frame(session, _SQL["grids_on"], {"at": at, "dataset": dataset})


def faults(session: Session, *, plan_id: int) -> gpd.GeoDataFrame:
    """What keeps a plan from tiling its communities: kind, codes, area_m2, geometry.

    Raises
    ------
    NotFound
        There is no such plan.
    """
    show(session, plan_id=plan_id)
    communities = read_frame(session, _SQL["plan_communities"], {"plan_id": plan_id})
    return check(plan_grids(session, plan_id=plan_id), communities)


def validate(session: Session, *, plan_id: int) -> Verdict:
    """Check that the grids of a draft tile each community exactly, and mark it validated.

    Raises
    ------
    NotFound
        There is no such plan.
    PlanError
        The plan is retired, or has faults; the message counts them and names the first.
    """
    plan = _find(session, plan_id)
    if plan.state == "retired":
        raise PlanError(f"plan {plan_id} is retired; draw up a new one")
    found = faults(session, plan_id=plan_id)
    if len(found):
        first = found.iloc[0]
        codes = ", ".join(str(code) for code in first["codes"])
        raise PlanError(
            f"plan {plan_id} has {len(found)} faults, the first is {first['kind']} at {codes} "
            f"({first['area_m2']:.3g} m2); 'gridward check --plan {plan_id}' lists them"
        )
    if plan.state == "draft":
        session.execute(_SQL["set_state"], {"plan_id": plan_id, "state": "validated"})
    shown = show(session, plan_id=plan_id)
    return Verdict(plan_id, shown["state"], shown["communities"], shown["grids"])


def activate(session: Session, *, plan_id: int, on: date | None = None) -> dict[str, Any]:
    """Switch the communities of a validated plan to it from a day on.

    Plans that ruled them end on that day; one that no community follows any longer is retired.

    Raises
    ------
    NotFound
        There is no such plan.
    PlanError
        The plan is not validated, or the day is past.
    """
    plan = _find(session, plan_id)
    if plan.state != "validated":
        advice = {
            "draft": f"run 'gridward plan validate {plan_id}' first",
            "active": "it is active already",
            "retired": "a retired plan does not come back; draw up a new one",
        }
        raise PlanError(f"plan {plan_id} is {plan.state}, not validated: {advice[plan.state]}")
    today = session.execute(_SQL["today"]).scalar_one()
    effective_from = on or today
    if effective_from < today:
        raise PlanError(
            f"plan {plan_id} cannot begin on {effective_from}: that day is past, and what held "
            "then must stay answerable"
        )
    grids = plan_grids(session, plan_id=plan_id)
    _share_vertices(session, grids)
    values = {"plan_id": plan_id, "effective_from": effective_from}
    for step in ("close_superseded", "open_range", "mark_active", "retire_superseded"):
        session.execute(_SQL[step], values)
    if len(grids) >= _MANY:
        session.execute(_SQL["analyze"])
    return {"plan": plan_id, "state": "active", "effective_from": effective_from.isoformat()}


def _share_vertices(session: Session, grids: gpd.GeoDataFrame) -> None:
    """Give the communities of a plan the vertices at which its grid borders end.

    Their area stays the same, but without those vertices an edge of a community and the grid edges
    along it part by centimetres as soon as both are projected.
    """
    codes, unions = [], []
    for code, group in grids.groupby("community_code"):
        union = joined(group.geometry.to_numpy())
        if shapely.is_valid(union):
            codes.append(code)
            unions.append(shapely.multipolygons(shapely.get_parts(union)))
    outlines = gpd.GeoDataFrame({"code": codes}, geometry=unions, crs=grids.crs)
    session.execute(_SQL["drop_outlines"])
    session.execute(_SQL["stage_outlines"])
    copy_frame(session, outlines, "staged_outline")
    session.execute(_SQL["save_outlines"])


def retire(session: Session, *, plan_id: int, on: date | None = None) -> dict[str, Any]:
    """Retire an active plan: it ends where it still rules, and its past stays answerable.

    Without a day, only a plan that rules nothing any longer, today or later. With one, the plan
    ends on that day, and its communities have no grids from then on until another plan rules them.

    Raises
    ------
    NotFound
        There is no such plan.
    PlanError
        The plan is not active, the day is past, or it still rules and no day is given.
    """
    plan = _find(session, plan_id)
    if plan.state != "active":
        advice = (
            "it is retired already"
            if plan.state == "retired"
            else "it rules nothing yet, and needs no retiring"
        )
        raise PlanError(f"plan {plan_id} is {plan.state}, not active: {advice}")
    today = session.execute(_SQL["today"]).scalar_one()
    if on is not None and on < today:
        raise PlanError(
            f"plan {plan_id} cannot end on {on}: that day is past, and what held then must stay "
            "answerable"
        )
    values = {"plan_id": plan_id, "ends": on or today}
    ruled = session.execute(_SQL["still_ruled"], values).scalars().all()
    if ruled and on is None:
        raise PlanError(
            f"plan {plan_id} still rules {len(ruled)} communities, {ruled[0]} first: activate "
            "another plan for them, or give the day on which this one ends (--on)"
        )
    session.execute(_SQL["close_own"], values)
    session.execute(_SQL["set_state"], {"plan_id": plan_id, "state": "retired"})
    return {"plan": plan_id, "state": "retired", "ends": on.isoformat() if on else None}


def list_plans(session: Session, *, at: date | None = None) -> list[dict[str, Any]]:
    """Every plan, or those that ruled on a day: oldest first, with state and size.

    ``communities`` and ``grids`` count what the plan holds, with a day what it ruled on it.
    """
    return [_json(row) for row in session.execute(_SQL["list_plans"], {"plan_id": None, "at": at})]


def show(session: Session, *, plan_id: int) -> dict[str, Any]:
    """One plan with its parameters and figures.

    Raises
    ------
    NotFound
        There is no such plan.
    """
    plan = session.execute(_SQL["list_plans"], {"plan_id": plan_id, "at": None}).one_or_none()
    return _json(_known(plan, plan_id))


def _find(session: Session, plan_id: int) -> Row[Any]:
    # the lock makes two who validate or activate the same plan take turns
    return _known(session.execute(_SQL["find_plan"], {"plan_id": plan_id}).one_or_none(), plan_id)


def _known(plan: Row[Any] | None, plan_id: int) -> Row[Any]:
    if plan is None:
        raise NotFound(f"there is no plan {plan_id}; 'gridward plan list' shows those there are")
    return plan


def _json(row: Row[Any]) -> dict[str, Any]:
    return {
        key: value.isoformat() if isinstance(value, date) else value
        for key, value in row._mapping.items()
    }
