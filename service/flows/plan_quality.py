"""What the quality of a plan is judged by, and two plans side by side: reads, writes nothing."""

from __future__ import annotations

from collections.abc import Sequence
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
from service.flows.change import ChangeReport
from service.flows.differences import read_households
from service.flows.scope import find_areas

__all__ = ["PlanFrames", "changed_frames", "compared_frames", "plan_frames"]

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
        The plan to compare with; by default, of those put in force before this one was drawn up,
        the one that has most of its communities, and of several the last.

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
    codes = session.execute(_SQL["ruled"], {"plan_id": plan_id}).scalars().all()
    communities, barriers = _ground(session, codes)
    homes, tolerance = _homes(session, list(communities["code"]))
    earlier = None
    if before is not None:
        earlier = plans.plan_grids(session, plan_id=before)
        earlier = earlier[earlier["community_code"].isin(communities["code"])]
        if earlier.empty:
            raise InputError(f"plan {before} has no grid in the communities of plan {plan_id}")
        # households of communities that it does not have are none of its own
        own = sorted(set(earlier["community_code"]))
        earlier = _with_loads(earlier, *_homes(session, own))
    return PlanFrames(
        plan_id=plan_id,
        name=named,
        sizes=sizes,
        grids=_with_loads(plans.plan_grids(session, plan_id=plan_id), homes, tolerance),
        communities=communities,
        barriers=barriers,
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
    chosen = (grids[each][grids[each]["community_code"].isin(common)] for each in (before, after))
    return {
        **_two(session, sorted(common), *chosen),
        **sizes,
        "title": _title(before, after, names),
    }


def changed_frames(session: Session, report: ChangeReport) -> dict[str, Any]:
    """Arguments of :func:`geodata.draw.comparison_map` for a change, a preview as well.

    Raises
    ------
    InputError
        Nothing changes.
    """
    if report.difference is None or report.grids is None:
        raise InputError(f"nothing changes in the data set '{report.dataset}': there is no map")
    codes = list(report.difference.communities)
    (area,) = find_areas(session, communities=codes)
    sizes = {"target": area.target, "minimum": area.minimum, "maximum": area.maximum}
    return {**_two(session, codes, *report.grids), **sizes}


def _two(
    session: Session, codes: list[str], before: gpd.GeoDataFrame, after: gpd.GeoDataFrame
) -> dict[str, Any]:
    """Two sets of grids of some communities, with the loads of now and what is around them."""
    communities, barriers = _ground(session, codes)
    homes, tolerance = _homes(session, codes)
    return {
        "before": _with_loads(before, homes, tolerance),
        "after": _with_loads(after, homes, tolerance),
        "households": homes,
        "snap_tolerance_m": tolerance,
        "communities": communities,
        "barriers": barriers,
    }


def _ground(
    session: Session, codes: Sequence[str]
) -> tuple[gpd.GeoDataFrame, gpd.GeoDataFrame | None]:
    """Some communities, and the barriers in them, None where there are none."""
    values = {"codes": list(codes)}
    barriers = read_frame(session, _SQL["barriers"], values)
    communities = read_frame(session, _SQL["communities"], values)
    return communities, barriers if len(barriers) else None


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
