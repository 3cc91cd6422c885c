"""Communities, households and barriers out of PostGIS, a plan of grids back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from time import perf_counter
from typing import Any

import geopandas as gpd
import numpy as np
from sqlalchemy.orm import Session

from geodata.delineate.inputs import checked_limits
from geodata.quality import measure
from service.flows import plans
from service.flows.drawing import Search, draw
from service.flows.kept import forget
from service.flows.scope import Area, Progress, find_areas, silent

__all__ = ["DelineateReport", "delineate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DelineateReport:
    """Figures of the grids drawn; deviations are shares of the community's own mean load.

    ``flags`` counts grids by flag, ``plans`` names the plans by number and state.
    """

    grids: int
    deviation_mean: float | None
    deviation_p95: float | None
    deviation_max: float | None
    within_range: float | None
    noncontiguous: int
    gap_m2: float
    overlap_m2: float
    polsby_popper_median: float | None
    on_barriers: float | None
    flags: Mapping[str, int]
    communities: int
    plans: Sequence[Mapping[str, Any]]
    warnings: Sequence[str] = field(default=())
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON."""
        return asdict(self)


def delineate(
    session: Session,
    *,
    dataset: str | None = None,
    communities: Sequence[str] | None = None,
    target: int | None = None,
    minimum: int | None = None,
    maximum: int | None = None,
    seed: int = 0,
    activate: bool = True,
    workers: int | None = None,
    scheduler: str | None = None,
    progress: Progress = silent,
) -> DelineateReport:
    """Draw up a plan of grids a data set; validate it and switch to it.

    A plan that equals the active one is not saved again. A run that is killed loses some seconds
    of work: the next one with the same input and sizes takes over the communities that it drew.

    Parameters
    ----------
    session : Session
        Nothing is committed. What is drawn is kept in transactions of its own until the plan is
        saved.
    dataset : str, optional
        Only this data set.
    communities : sequence of str, optional
        Only these communities.
    target, minimum, maximum : int, optional
        Households a grid; what the data set says by default.
    seed : int
        Seed of the search.
    activate : bool
        False leaves a draft.
    workers : int, optional
        Processes; one a processor by default, for data that is worth it.
    scheduler : str, optional
        Address of a Dask scheduler, whose workers take the place of the processes.
    progress : callable, optional
        Called with the step, the communities done and their number.

    Raises
    ------
    InputError
        An unknown data set or community, or sizes that contradict each other.
    PlanError
        Nothing is loaded, or the plan has faults.
    UnavailableError
        The workers cannot be reached, or died again and again.
    """
    began = perf_counter()
    figures, saved, warnings = [], [], []
    areas = find_areas(session, dataset=dataset, communities=communities)
    for area in areas:
        limits = checked_limits(
            target or area.target, minimum or area.minimum, maximum or area.maximum
        )
        search = Search(limits=limits, seed=seed, workers=workers, scheduler=scheduler)
        outcome = _delineate_area(session, area, search, progress)
        if activate and outcome.saved.new:
            plans.validate(session, plan_id=outcome.saved.plan_id)
            plans.activate(session, plan_id=outcome.saved.plan_id, progress=progress)
        figures.append(outcome.figures)
        warnings += outcome.warnings
        saved.append(
            {
                "id": outcome.saved.plan_id,
                "dataset": area.dataset,
                "state": "active" if activate or not outcome.saved.new else "draft",
                "new": outcome.saved.new,
            }
        )
    return DelineateReport(
        **_together(figures),
        communities=sum(len(area.communities) for area in areas),
        plans=tuple(saved),
        warnings=tuple(warnings),
        seconds=round(perf_counter() - began, 3),
    )


@dataclass(frozen=True, slots=True)
class _Outcome:
    saved: plans.Saved
    figures: dict[str, Any]
    warnings: list[str]


def _delineate_area(session: Session, area: Area, search: Search, progress: Progress) -> _Outcome:
    communities, grids, on_barriers = draw(session, area, search, progress)
    sizes = {name: int(value) for name, value in asdict(search.limits).items()}
    figures = _figures(measure(grids, communities, **sizes)) | {"on_barriers": on_barriers}
    codes = communities["code"].tolist()
    saved = plans.save(
        session,
        name=area.dataset,
        communities=codes,
        grids=grids,
        parameters={**sizes, "seed": search.seed, "snap_tolerance_m": area.snap_tolerance_m},
        report=figures,
    )
    forget(session, communities=codes)
    return _Outcome(saved, figures, _warnings(grids))


def _figures(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "grids": int(row["grids"]),
        "deviation_mean": _figure(row["deviation_mean"]),
        "deviation_p95": _figure(row["deviation_p95"]),
        "deviation_max": _figure(row["deviation_max"]),
        "within_range": _figure(row["within_range"]),
        "noncontiguous": int(row["noncontiguous"]),
        "gap_m2": float(row["gap_m2"]),
        "overlap_m2": float(row["overlap_m2"]),
        "polsby_popper_median": _figure(row["polsby_popper_median"]),
        "on_barriers": _figure(row["on_barriers"]),
        "flags": {str(flag): int(count) for flag, count in row["flags"].items()},
    }


def _figure(value: Any) -> float | None:
    """A plain number; None where there is nothing to measure (JSON knows no NaN)."""
    return None if value is None or not np.isfinite(value) else float(value)


def _warnings(grids: gpd.GeoDataFrame) -> list[str]:
    """A sentence a flag; every grid carries its own reason."""
    flagged = grids[grids["flag"].notna()]
    told = []
    for flag, group in flagged.groupby("flag", sort=True):
        first = group.iloc[0]
        others = f", and {len(group) - 1:,} more" if len(group) > 1 else ""
        told.append(
            f"{flag}: community {first.community_code}, {first.households} households: "
            f"{first.reason}{others}"
        )
    return told


def _together(figures: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Figures of several data sets as one: sums; means by grids; of p95 and max the worst."""
    if len(figures) == 1:
        return dict(figures[0])

    def total(key: str) -> Any:
        return sum(each[key] for each in figures)

    def mean(key: str) -> float | None:
        known = [each for each in figures if each[key] is not None]
        grids = sum(each["grids"] for each in known)
        return sum(each[key] * each["grids"] for each in known) / grids if grids else None

    def worst(key: str) -> float | None:
        return max((each[key] for each in figures if each[key] is not None), default=None)

    flags: Counter[str] = Counter()
    for each in figures:
        flags.update(each["flags"])
    return {
        **{key: total(key) for key in ("grids", "noncontiguous", "gap_m2", "overlap_m2")},
        **{key: worst(key) for key in ("deviation_p95", "deviation_max")},
        **{
            key: mean(key)
            for key in ("deviation_mean", "within_range", "polsby_popper_median", "on_barriers")
        },
        "flags": dict(sorted(flags.items())),
    }
