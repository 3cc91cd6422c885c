"""What the quality of a plan is judged by, and two plans side by side: reads, writes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import geopandas as gpd
import pandas as pd
from sqlalchemy.orm import Session

from geodata.assign import assign
from geodata.errors import InputError
from service.db.frames import read_frame
from service.db.statements import load_statements
from service.errors import NotFound
from service.flows import plans
from service.flows.differences import read_households
from service.flows.scope import find_areas

__all__ = ["PlanFrames", "compared_frames", "plan_frames"]

_SQL = load_statements("service.flows", "plan_quality.sql")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanFrames:
    """A plan with what it is measured against, all in EPSG:4326.

    ``before`` holds the grids that an earlier plan, ``before_id``, has in the same communities.
    Loads are those of the ``households`` that there are now, not of the day when a plan was drawn.
    """

    plan_id: int
    name: str
    sizes: dict[str, int]
    grids: gpd.GeoDataFrame
    communities: gpd.GeoDataFrame
    barriers: gpd.GeoDataFrame | None
    households: gpd.GeoDataFrame
    before_id: int | None
    before: gpd.GeoDataFrame | None


def plan_frames(
    session: Session,
    *,
    plan_id: int,
    before: int | None = None,
) -> PlanFrames:
    """The frames of a plan and of the one before.

    Parameters
    ----------
    session : Session
    plan_id : int
    before : int, optional
        The plan to compare with; by default the last one that was put in force for any of the
        communities before this one was drawn up, if there is one.

    Raises
    ------
    NotFound
        There is no such plan.
    InputError
        ``before`` rules none of the communities.
    """
    named, sizes = _sizes(session, plan_id)
    if before is None:
        before = session.execute(_SQL["before"], {"plan_id": plan_id}).scalar()
    else:
        _sizes(session, before)
    values = {"plans": [plan_id]}
    communities = read_frame(session, _SQL["communities"], values)
    homes, tolerance = _homes(session, list(communities["code"]))
    earlier = None
    if before is not None:
        earlier = plans.plan_grids(session, plan_id=before)
        earlier = earlier[earlier["community_code"].isin(communities["code"])]
        earlier = _with_loads(earlier, homes, tolerance)
        if earlier.empty:
            raise InputError(f"plan {before} has no grid in the communities of plan {plan_id}")
    barriers = read_frame(session, _SQL["barriers"], values)
    return PlanFrames(
        plan_id=plan_id,
        name=named,
        sizes=sizes,
        grids=_with_loads(plans.plan_grids(session, plan_id=plan_id), homes, tolerance),
        communities=communities,
        barriers=barriers if len(barriers) else None,
        households=homes,
        before_id=before,
        before=earlier,
    )


def compared_frames(session: Session, *, before: int, after: int) -> dict[str, Any]:
    """Arguments of :func:`geodata.draw.comparison_map` for two plans.

    Only the communities that both of them rule are drawn.

    Raises
    ------
    NotFound
        There is no such plan.
    InputError
        The plans have no community in common.
    """
    names = {plan_id: _sizes(session, plan_id)[0] for plan_id in (before, after)}
    sizes = _sizes(session, after)[1]
    grids = {plan_id: plans.plan_grids(session, plan_id=plan_id) for plan_id in (before, after)}
    common = set(grids[before]["community_code"]) & set(grids[after]["community_code"])
    if not common:
        raise InputError(f"plans {before} and {after} have no community in common")
    values = {"plans": [after]}
    communities = read_frame(session, _SQL["communities"], values)
    barriers = read_frame(session, _SQL["barriers"], values)
    homes, tolerance = _homes(session, sorted(common))
    drawn = {
        name: _with_loads(
            grids[plan_id][grids[plan_id]["community_code"].isin(common)], homes, tolerance
        )
        for name, plan_id in (("before", before), ("after", after))
    }
    return {
        **drawn,
        "households": homes,
        "snap_tolerance_m": tolerance,
        "communities": communities[communities["code"].isin(common)],
        "barriers": barriers if len(barriers) else None,
        **sizes,
        "title": _title(before, after, names),
    }


def _title(before: int, after: int, names: dict[int, str]) -> str:
    if names[before] == names[after]:
        return f"{names[after]}: plans {before} and {after}"
    return f"Plan {before} ({names[before]}) and plan {after} ({names[after]})"


def _homes(session: Session, communities: list[str]) -> tuple[gpd.GeoDataFrame, float]:
    """The households of some communities, and how far from a grid one still belongs to it."""
    areas = find_areas(session, communities=communities)
    parts = [read_households(session, area) for area in areas]
    homes = gpd.GeoDataFrame(pd.concat(parts, ignore_index=True), crs=parts[0].crs)
    return homes, max(area.snap_tolerance_m for area in areas)


def _with_loads(
    grids: gpd.GeoDataFrame, homes: gpd.GeoDataFrame, tolerance: float
) -> gpd.GeoDataFrame:
    member = assign(grids, homes, tolerance)["grid_code"].to_numpy(dtype=object)
    load = homes["households"].groupby(member).sum()
    now = load.reindex(grids["grid_code"], fill_value=0).to_numpy(dtype="int64")
    return grids.assign(households=now)


def _sizes(session: Session, plan_id: int) -> tuple[str, dict[str, int]]:
    row = session.execute(_SQL["sizes"], {"plan_id": plan_id}).one_or_none()
    if row is None:
        raise NotFound(f"there is no plan {plan_id}; 'gridward plan list' shows those there are")
    return row.name, {"target": row.target, "minimum": row.minimum, "maximum": row.maximum}
