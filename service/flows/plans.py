"""Grid plans: save a draft, validate it, switch to it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
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
from service.flows.assign import assign
from service.flows.scope import Progress, silent

__all__ = [
    "Activation",
    "Saved",
    "Verdict",
    "activate",
    "faults",
    "grids_on",
    "last_grids",
    "list_plans",
    "plan_grids",
    "retire",
    "save",
    "show",
    "today",
    "used_codes",
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


@dataclass(frozen=True, slots=True)
class Activation:
    """A plan that was switched to.

    Attributes
    ----------
    plan : int
    state : str
    effective_from : str
        Its first day.
    never_began : list of int
        Plans that were to begin later in all of their communities that are left, and are retired.
    reassigned : int
        Household records whose place in the ledger changed.
    posts_ended : int
        Posts in grids that the plan ended.
    out_of_range : list of dict
        Grids whose load is out of range although no flag says so: grid_code, households now,
        households_drawn.
    """

    plan: int
    state: str
    effective_from: str
    never_began: list[int] = field(default_factory=list)
    reassigned: int = 0
    posts_ended: int = 0
    out_of_range: list[dict[str, Any]] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """The switch as JSON."""
        return asdict(self)


def save(
    session: Session,
    *,
    name: str,
    communities: Sequence[str],
    grids: gpd.GeoDataFrame,
    parameters: Mapping[str, Any],
    report: Mapping[str, Any],
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
        grid_code, community_code, households, flag, reason, geometry (EPSG:4326) and, where it is
        not the one that the grid had ("basic" for a new one), kind. The codes are those that
        :func:`geodata.change.keep_codes` gives; but a new grid whose very polygon an earlier draft
        holds takes the code it has there.
    parameters, report : mapping
        How the plan was made, and its figures; JSON values.
    """
    staged = gpd.GeoDataFrame(
        {
            "position": range(len(grids)),
            "grid_code": grids["grid_code"].to_numpy(),
            "community_code": grids["community_code"].to_numpy(),
            "households": grids["households"].to_numpy(),
            "kind": grids["kind"].to_numpy() if "kind" in grids else None,
            "flag": grids["flag"].to_numpy(),
            "reason": grids["reason"].to_numpy() if "reason" in grids else None,
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
    for step in ("adopt_drafts", "inherit_kinds", "add_grids", "add_versions"):
        session.execute(_SQL[step])
    session.execute(_SQL["hold_versions"], {"plan_id": plan_id})
    if len(grids) >= _MANY:
        session.execute(_SQL["analyze"])
    return Saved(plan_id, "draft", new=True)


def last_grids(session: Session, *, communities: Sequence[str]) -> gpd.GeoDataFrame:
    """The grids that communities have now or, where no plan rules any longer, had last."""
    return read_frame(session, _SQL["last_grids"], {"codes": list(communities)})


def used_codes(session: Session, *, communities: Sequence[str]) -> Sequence[str]:
    """Every code that a grid of some communities ever had."""
    return session.execute(_SQL["used_codes"], {"codes": list(communities)}).scalars().all()


def plan_grids(session: Session, *, plan_id: int, at: date | None = None) -> gpd.GeoDataFrame:
    """The grids of a plan: grid_code, community_code, kind, flag, reason, households, geometry.

    With a day, only those that were or will be in force on it.
    """
    return read_frame(session, _SQL["plan_grids"], {"plan_id": plan_id, "at": at})


def grids_on(session: Session, *, at: date, dataset: str | None = None) -> gpd.GeoDataFrame:
    """The grids in force on a day: grid_code, community_code, kind, ..., plan_id, dataset."""
    return read_frame(session, _SQL["grids_on"], {"at": at, "dataset": dataset})


def today(session: Session) -> date:
    """The day it is for the database."""
    day: date = session.execute(_SQL["today"]).scalar_one()
    return day


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
        The plan is retired, or has faults; the message counts them and names the largest.
    """
    plan = _find(session, plan_id)
    if plan.state == "retired":
        raise PlanError(f"plan {plan_id} is retired; draw up a new one")
    ground = session.execute(_SQL["ground"], {"plan_id": plan_id}).scalar_one()
    _refuse_faults(session, plan_id)
    if plan.state == "draft":
        session.execute(_SQL["set_validated"], {"plan_id": plan_id, "ground": ground})
    shown = show(session, plan_id=plan_id)
    return Verdict(plan_id, shown["state"], shown["communities"], shown["grids"])


def _refuse_faults(session: Session, plan_id: int, because: str = "") -> None:
    found = faults(session, plan_id=plan_id)
    if len(found):
        largest = found.loc[found["area_m2"].idxmax()]
        codes = ", ".join(str(code) for code in largest["codes"])
        many = "1 fault," if len(found) == 1 else f"{len(found):,} faults, the largest is"
        area = largest["area_m2"]
        size = f"{area:,.0f}" if area >= 10 else f"{area:.2g}"
        raise PlanError(
            f"{because}plan {plan_id} has {many} {largest['kind']} at {codes} ({size} m2); "
            f"'gridward check --plan {plan_id}' or GET /plans/{plan_id}/faults tells where"
        )


def activate(
    session: Session,
    *,
    plan_id: int,
    on: date | None = None,
    hand_over: Callable[[Session], None] | None = None,
    progress: Progress = silent,
) -> Activation:
    """Switch the communities of a validated plan to it from a day on.

    Plans that ruled them end on that day; one that no community follows any longer is retired.
    What may have changed since the plan was validated is looked at again. Where the plan begins
    today, posts in grids that it ends are ended and, if households have been assigned before, they
    are assigned again; for a day to come, both wait until then. ``hand_over`` is called before
    posts end: it may move them to other grids.

    Raises
    ------
    NotFound
        There is no such plan.
    PlanError
        The plan is not validated, the day is past, a grid of it has ended meanwhile, or a community
        has changed so that the plan has faults.
    """
    plan = _find(session, plan_id)
    if plan.state != "validated":
        advice = {
            "draft": f"run 'gridward plan validate {plan_id}' first",
            "active": "it is active already",
            "retired": "a retired plan does not come back; draw up a new one",
        }
        raise PlanError(f"plan {plan_id} is {plan.state}, not validated: {advice[plan.state]}")
    now = today(session)
    effective_from = on or now
    if effective_from < now:
        raise PlanError(
            f"plan {plan_id} cannot begin on {effective_from}: that day is past, and what held "
            "then must stay answerable"
        )
    values = {"plan_id": plan_id, "effective_from": effective_from}
    _look_again(session, plan.ground, values)
    grids = plan_grids(session, plan_id=plan_id)
    _share_vertices(session, grids)
    for step in ("close_superseded", "open_range", "mark_active"):
        session.execute(_SQL[step], values)
    retired = session.execute(_SQL["retire_superseded"], values)
    never_began = sorted(row.id for row in retired if row.waiting)
    if len(grids) >= _MANY:
        session.execute(_SQL["analyze"])
    if effective_from > now:
        return Activation(plan_id, "active", effective_from.isoformat(), never_began)
    if hand_over is not None:
        hand_over(session)
    return _take_effect(session, plan_id, effective_from, never_began, progress)


def _look_again(session: Session, ground: str | None, values: Mapping[str, Any]) -> None:
    """Refuse a plan whose communities changed to faults, or whose grids ended, since validation."""
    plan_id = values["plan_id"]
    if session.execute(_SQL["ground"], values).scalar_one() != ground:
        _refuse_faults(session, plan_id, "communities have changed since it was validated: ")
    ended = session.execute(_SQL["ended_codes"], values).scalars().all()
    if ended:
        raise PlanError(
            f"plan {plan_id} holds {len(ended)} grids that another plan has ended meanwhile, "
            f"{ended[0]} first, and a code never comes back: draw the plan up again"
        )


def _take_effect(
    session: Session, plan_id: int, begins: date, never_began: list[int], progress: Progress
) -> Activation:
    values = {"plan_id": plan_id}
    ended = session.execute(_SQL["end_posts"], values).rowcount  # type: ignore[attr-defined]
    assigned = session.execute(_SQL["assigned_datasets"], values).scalars().all()
    moved = sum(assign(session, dataset=dataset, progress=progress).changed for dataset in assigned)
    strays = session.execute(_SQL["out_of_range"], values) if assigned else ()
    return Activation(
        plan=plan_id,
        state="active",
        effective_from=begins.isoformat(),
        never_began=never_began,
        reassigned=moved,
        posts_ended=ended,
        out_of_range=[_json(row) for row in strays],
    )


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
    now = today(session)
    if on is not None and on < now:
        raise PlanError(
            f"plan {plan_id} cannot end on {on}: that day is past, and what held then must stay "
            "answerable"
        )
    values = {"plan_id": plan_id, "ends": on or now}
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
