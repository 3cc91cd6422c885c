"""Households and grids out of PostGIS; the difference to the ledger back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, Final

import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from geodata.assign import assign as place
from geodata.errors import PlanError
from service.db.frames import copy_frame, read_frame
from service.db.statements import load_statements
from service.flows.scope import Area, Progress, find_areas, silent

__all__ = ["AssignReport", "assign"]

_SQL = load_statements("service.flows", "assign.sql")

#: method in the ledger -> key of the report
_KEYS: Final = {
    "covers": "covers",
    "boundary": "boundary",
    "snapped": "snapped",
    "manual": "manual",
    "exception": "exceptions",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignReport:
    """Households and records by method, and how many records changed their place.

    The households of all methods and the exceptions add up to all households looked at.
    """

    households: Mapping[str, int]
    records: Mapping[str, int]
    changed: int
    warnings: Sequence[str] = field(default=())
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON: the households by method, then the rest."""
        return {
            **self.households,
            "records": dict(self.records),
            "changed": self.changed,
            "seconds": self.seconds,
        }


def assign(
    session: Session,
    *,
    dataset: str | None = None,
    communities: Sequence[str] | None = None,
    snap_tolerance_m: float | None = None,
    progress: Progress = silent,
) -> AssignReport:
    """Put every household into one grid of its data set, or among the exceptions with the reason.

    A choice made by hand stays while its grid is in force. Only rows whose place changes are
    written.

    Parameters
    ----------
    session : Session
        Nothing is committed.
    dataset : str, optional
        Only this data set.
    communities : sequence of str, optional
        Only households in, near or assigned to these communities.
    snap_tolerance_m : float, optional
        Metres within which a household outside every grid joins the nearest; what the data set
        says by default.
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
    households = dict.fromkeys(_KEYS.values(), 0)
    records = dict.fromkeys(_KEYS.values(), 0)
    changed = 0
    areas = find_areas(session, dataset=dataset, communities=communities)
    for done, area in enumerate(areas):
        progress("assign", done, len(areas))
        placed, written = _assign_area(session, area, snap_tolerance_m)
        changed += written
        for method, group in placed.groupby("method"):
            households[_KEYS[str(method)]] += int(group["households"].sum())
            records[_KEYS[str(method)]] += len(group)
    progress("assign", len(areas), len(areas))
    return AssignReport(
        households=households,
        records=records,
        changed=changed,
        seconds=round(perf_counter() - began, 3),
    )


def _assign_area(
    session: Session, area: Area, snap_tolerance_m: float | None
) -> tuple[pd.DataFrame, int]:
    """Place the households of one data set; method and weight of each, and the rows written."""
    tolerance = area.snap_tolerance_m if snap_tolerance_m is None else snap_tolerance_m
    values = {
        "dataset_id": area.dataset_id,
        "codes": list(area.communities),
        "margin_m": tolerance,
    }
    grids = read_frame(session, _SQL["grids"], values)
    if grids.empty:
        raise PlanError(
            f"no plan of the data set '{area.dataset}' is active: run 'gridward delineate' first"
        )
    ledger = read_frame(session, _SQL["households" if area.whole else "households_near"], values)
    wanted = _wanted(grids, ledger, tolerance)
    fresh = ~ledger["known"].to_numpy(dtype=bool)
    moved = ~fresh & _differs(ledger, wanted)
    _write(session, wanted[fresh], wanted[moved])
    counted = pd.DataFrame({"method": wanted["method"], "households": ledger["households"]})
    return counted, int(fresh.sum() + moved.sum())


def _wanted(grids: gpd.GeoDataFrame, ledger: gpd.GeoDataFrame, tolerance: float) -> pd.DataFrame:
    """The place of every household: household_id, grid_id, method, distance_m, reason."""
    found = place(grids, ledger[["geometry"]], tolerance)
    ids = pd.Series(grids["id"].to_numpy(), index=grids["grid_code"].to_numpy(dtype=object))
    wanted = pd.DataFrame(
        {
            "household_id": ledger["id"],
            "grid_id": found["grid_code"].map(ids).astype("Int64"),
            "method": found["method"].astype(object),
            "distance_m": found["distance_m"],
            "reason": found["reason"].astype(object),
        }
    )
    by_hand = (ledger["method"] == "manual") & ledger["grid_id"].isin(ids)
    for column in ("grid_id", "method", "distance_m", "reason"):
        wanted.loc[by_hand, column] = ledger.loc[by_hand, column]
    return wanted


def _differs(ledger: pd.DataFrame, wanted: pd.DataFrame) -> NDArray[np.bool_]:
    """Rows whose grid, method or reason is another; the reason names the distance."""
    grid = ledger["grid_id"].fillna(-1).to_numpy() != wanted["grid_id"].fillna(-1).to_numpy()
    method = ledger["method"].to_numpy(dtype=object) != wanted["method"].to_numpy(dtype=object)
    before, after = ledger["reason"].fillna(""), wanted["reason"].fillna("")
    reason = before.to_numpy(dtype=object) != after.to_numpy(dtype=object)
    return np.asarray(grid | method | reason, dtype=bool)


def _write(session: Session, fresh: pd.DataFrame, moved: pd.DataFrame) -> None:
    if len(fresh):
        copy_frame(session, fresh, "assignment")
    if len(moved):
        session.execute(_SQL["drop_staged"])
        session.execute(_SQL["stage"])
        copy_frame(session, moved, "staged_assignment")
        session.execute(_SQL["analyze_staged"])
        session.execute(_SQL["change"])
