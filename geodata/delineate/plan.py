"""Many communities in memory: tasks out, to an executor or in turn, and one plan back."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from geodata.delineate.community import Solved
from geodata.delineate.drawn import Drawn, grid_codes, grid_frame
from geodata.delineate.homes import Homes
from geodata.delineate.inputs import (
    barrier_lines,
    checked_communities,
    checked_limits,
    community_tasks,
    household_points,
)
from geodata.delineate.work import work_off
from geodata.errors import InputError

__all__ = ["Plan", "delineate"]

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """A grid plan.

    Attributes
    ----------
    grids : GeoDataFrame
        grid_code, community_code, households, parts, flag, reason, geometry, in the CRS of the
        communities, sorted by code. ``flag`` is None for an ordinary grid.
    membership : Series
        The index of the households -> grid_code; None for a household in no community.
    report : DataFrame
        One row a community: grids, households, deviations, compactness, flags, seconds.
    """

    grids: gpd.GeoDataFrame
    membership: pd.Series
    report: pd.DataFrame


def delineate(
    communities: gpd.GeoDataFrame,
    households: gpd.GeoDataFrame,
    barriers: gpd.GeoDataFrame | None = None,
    *,
    target: float = 400,
    minimum: float = 300,
    maximum: float = 500,
    seed: int = 0,
    snap_tolerance_m: float = 50,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> Plan:
    """Divide communities into balanced, contiguous, compact grids that tile them exactly.

    Parameters
    ----------
    communities : GeoDataFrame
        code, geometry (Polygon or MultiPolygon); any CRS, none counts as EPSG:4326.
    households : GeoDataFrame
        geometry (Point) and, optionally, households (int, default 1) at each.
    barriers : GeoDataFrame, optional
        Lines, or polygons whose edges are good cuts; an optional column ``weight`` says how good
        (2 is twice as good as 1). Without barriers the cuts are straight.
    target, minimum, maximum : float
        Households a grid should hold, and the range it must keep.
    seed : int
        Another seed, another search; the same seed gives the same bytes, whatever the order of
        the input and the number of workers.
    snap_tolerance_m : float
        A household this near outside every community counts for the nearest one.
    executor : concurrent.futures.Executor, optional
        Where the communities are worked on; in turn in this process without it.
    progress : callable(done, total), optional
        Told after each community.

    Returns
    -------
    Plan

    Raises
    ------
    InputError
        Columns missing, codes twice, limits that contradict each other, other CRS than can be
        converted.
    """
    limits = checked_limits(target, minimum, maximum)
    places = checked_communities(communities)
    if places.empty:
        raise InputError("there is no community to divide")
    points, load = household_points(households, places.crs)
    home, xy = Homes(places, snap_tolerance_m).find(_coordinates(points))
    order, starts = _by_community(home, len(places))

    def households_of(place: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        rows = order[starts[place] : starts[place + 1]]
        return xy[rows], load[rows]

    lines = barrier_lines(barriers, places.crs)
    tasks = community_tasks(places, households_of, lines, limits, seed)
    solved: dict[str, Solved] = {}
    for result in work_off(tasks, executor):
        solved[result.code] = result
        if progress is not None:
            progress(len(solved), len(places))
    in_order = [solved[code] for code in places["code"]]
    membership = np.full(len(home), None, dtype=object)
    for result, begin, end in zip(in_order, starts[:-1], starts[1:], strict=True):
        membership[order[begin:end]] = grid_codes(result.code, len(result.grids))[result.owner]
    return Plan(
        grids=grid_frame(places, [Drawn.of(result) for result in in_order]),
        membership=pd.Series(membership, index=households.index, name="grid_code", dtype=object),
        report=pd.DataFrame([_report(result) for result in in_order]),
    )


def _coordinates(points: NDArray[Any]) -> NDArray[np.float64]:
    """Coordinates (n, 2) of points; NaN for one that is missing or empty."""
    usable = ~(shapely.is_missing(points) | shapely.is_empty(points))
    xy = np.full((len(points), 2), np.nan)
    xy[usable] = shapely.get_coordinates(points[usable])
    return xy


def _by_community(
    home: NDArray[np.int32], count: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Households ordered by community, and where each community's begin: (count + 1,)."""
    order = np.argsort(home, kind="stable")
    return order, np.searchsorted(home[order], np.arange(count + 1))


def _report(result: Solved) -> dict[str, Any]:
    ordinary = np.array([flag is None for flag in result.flag])
    loads = result.households[ordinary].astype(float)
    # a tower that is a grid of its own does not raise the share of the others
    deviation = np.abs(loads / loads.mean() - 1.0) if ordinary.any() else np.array([np.nan])
    flags = [flag for flag in result.flag if flag is not None]
    return {
        "community_code": result.code,
        "grids": len(result.grids),
        "households": int(result.households.sum()),
        "deviation_mean": float(deviation.mean()),
        "deviation_p95": float(np.quantile(deviation, 0.95)),
        "deviation_max": float(deviation.max()),
        "compactness": float(np.median(result.compactness)),
        "on_barriers": result.on_barriers,
        "flags": {flag: flags.count(flag) for flag in sorted(set(flags))},
        "seconds": result.seconds,
    }
