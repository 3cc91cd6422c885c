"""Many communities: tasks out, to an executor or in turn, and one plan back."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from itertools import islice
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from geodata.delineate.community import Solved, solve
from geodata.delineate.faces import as_lines
from geodata.delineate.stitch import stitch
from geodata.delineate.task import Limits, Task
from geodata.errors import InputError
from geodata.metric import MetricPlane

__all__ = [
    "Plan",
    "barrier_lines",
    "checked_communities",
    "checked_limits",
    "delineate",
    "household_points",
]

#: Communities an executor is handed at once; enough to keep its workers busy, few enough that
#: the tasks of a province never stand in memory together.
_IN_FLIGHT = 64

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
    points, load = household_points(households, places.crs)
    home, xy = _homes(places, points, snap_tolerance_m)
    lines, price = barrier_lines(barriers, places.crs)

    tasks = _tasks(places, xy, load, home, lines, price, limits, seed)
    solved: list[Solved] = []
    for result in _run(tasks, executor):
        solved.append(result)
        if progress is not None:
            progress(len(solved), len(places))
    return _assemble(places, households.index, home, solved)


def checked_limits(target: float, minimum: float, maximum: float) -> Limits:
    """Limits that do not contradict each other; an InputError otherwise."""
    values = (minimum, target, maximum)
    if not all(math.isfinite(v) for v in values) or not 0 < minimum <= target <= maximum:
        raise InputError(
            f"a grid needs 0 < minimum <= target <= maximum households, not minimum {minimum}, "
            f"target {target}, maximum {maximum}"
        )
    return Limits(float(target), float(minimum), float(maximum))


def checked_communities(communities: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Code and valid polygon of each community, by code; an InputError where there is none."""
    if "code" not in communities:
        raise InputError("communities need a column 'code'")
    codes = communities["code"].astype("str")
    if codes.duplicated().any():
        raise InputError(f"community code '{codes[codes.duplicated()].iloc[0]}' stands twice")
    shapes = shapely.force_2d(communities.geometry.to_numpy())
    invalid = ~shapely.is_valid(shapes)
    shapes[invalid] = [_polygonal(shapely.make_valid(shape)) for shape in shapes[invalid]]
    single = shapely.get_num_geometries(shapes) == 1
    shapes[single] = shapely.get_geometry(shapes[single], 0)
    kinds = shapely.get_type_id(shapes)
    bad = ~np.isin(kinds, (3, 6)) | shapely.is_empty(shapes)
    if bad.any():
        raise InputError(f"community '{codes[bad].iloc[0]}' is no polygon and cannot be divided")
    places = gpd.GeoDataFrame(
        {"code": codes.to_numpy()}, geometry=shapes, crs=communities.crs or "EPSG:4326"
    )
    return places.sort_values("code", ignore_index=True)


def _polygonal(shape: Any) -> Any:
    parts = shapely.get_parts(shape)
    return shapely.union_all(parts[shapely.get_dimensions(parts) == 2])


def household_points(
    households: gpd.GeoDataFrame, crs: Any
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Points in ``crs`` and the number of households at each."""
    if households.crs is not None and households.crs != crs:
        households = households.to_crs(crs)
    points = shapely.force_2d(households.geometry.to_numpy())
    if "households" not in households:
        return points, np.ones(len(points), dtype=np.int64)
    load = pd.to_numeric(households["households"], errors="coerce").to_numpy(dtype=float)
    if not (np.isfinite(load).all() and (load >= 0).all() and (load == np.floor(load)).all()):
        raise InputError("column 'households' must hold whole numbers, 0 or more")
    return points, load.astype(np.int64)


def _homes(
    places: gpd.GeoDataFrame, points: NDArray[Any], snap_tolerance_m: float
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The community of each household (-1: none) and where it counts: (n, 2) coordinates."""
    usable = ~(shapely.is_missing(points) | shapely.is_empty(points))
    xy = np.full((len(points), 2), np.nan)
    xy[usable] = shapely.get_coordinates(points[usable])
    home = np.full(len(points), len(places), dtype=np.int64)
    shapes = places.geometry.to_numpy()
    tree = shapely.STRtree(shapes)
    point, place = tree.query(points, predicate="intersects")
    np.minimum.at(home, point, place)
    outside = np.flatnonzero(usable & (home == len(places)))
    home[home == len(places)] = -1
    if len(outside) and snap_tolerance_m > 0:
        plane = MetricPlane.of_frame(places)
        metric = plane.to_metres(shapes)
        reach = shapely.STRtree(metric)
        moved = plane.to_metres(points[outside])
        found, nearest = reach.query_nearest(moved, max_distance=snap_tolerance_m)
        first = np.unique(found, return_index=True)[1]
        found, nearest = found[first], nearest[first]
        edge = shapely.shortest_line(metric[nearest], moved[found])
        home[outside[found]] = nearest
        landing = shapely.get_coordinates(edge).reshape(-1, 2, 2)[:, 0]
        xy[outside[found]] = plane.inverse(landing)
    return home, xy


def barrier_lines(
    barriers: gpd.GeoDataFrame | None, crs: Any
) -> tuple[NDArray[Any] | None, NDArray[np.float64]]:
    """Barriers as lines in canonical order, each with its price; duplicates once."""
    if barriers is None or len(barriers) == 0:
        return None, np.empty(0)
    if barriers.crs is not None and barriers.crs != crs:
        barriers = barriers.to_crs(crs)
    weight = (
        pd.to_numeric(barriers["weight"], errors="coerce").fillna(1.0).to_numpy(dtype=float)
        if "weight" in barriers
        else np.ones(len(barriers))
    )
    if (weight <= 0).any():
        raise InputError("column 'weight' of the barriers must be above 0")
    usable = ~(barriers.geometry.isna() | barriers.geometry.is_empty).to_numpy()
    shapes, weight = barriers.geometry.to_numpy()[usable], weight[usable]
    flat, owner = as_lines(shapes)
    price = 1.0 / weight[owner]
    wkb = shapely.to_wkb(shapely.normalize(flat))
    order = np.lexsort((price, wkb))
    first = np.ones(len(order), dtype=bool)
    first[1:] = wkb[order][1:] != wkb[order][:-1]
    chosen = order[first]
    return (flat[chosen], price[chosen]) if len(chosen) else (None, np.empty(0))


def _tasks(
    places: gpd.GeoDataFrame,
    xy: NDArray[np.float64],
    load: NDArray[np.int64],
    home: NDArray[np.int64],
    lines: NDArray[Any] | None,
    price: NDArray[np.float64],
    limits: Limits,
    seed: int,
) -> Iterator[Task]:
    order, starts = _by_community(home, len(places))
    tree = shapely.STRtree(lines) if lines is not None else None
    for i, (code, shape) in enumerate(zip(places["code"], places.geometry, strict=True)):
        rows = order[starts[i] : starts[i + 1]]
        near = np.sort(tree.query(shape, predicate="intersects")) if tree is not None else None
        yield Task(
            code=code,
            area=shape,
            plane=MetricPlane.of_bounds(shape.bounds, places.crs),
            xy=xy[rows],
            load=load[rows],
            barriers=lines[near] if lines is not None else None,
            price=price[near] if lines is not None else None,
            limits=limits,
            seed=seed,
        )


def _by_community(
    home: NDArray[np.int64], count: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Households ordered by community, and where each community's begin: (count + 1,)."""
    order = np.argsort(home, kind="stable")
    return order, np.searchsorted(home[order], np.arange(count + 1))


def _run(tasks: Iterable[Task], executor: Executor | None) -> Iterator[Solved]:
    if executor is None:
        yield from map(solve, tasks)
        return
    tasks = iter(tasks)
    waiting = [executor.submit(solve, task) for task in islice(tasks, _IN_FLIGHT)]
    while waiting:
        yield waiting.pop(0).result()
        waiting += [executor.submit(solve, task) for task in islice(tasks, 1)]


def _assemble(
    places: gpd.GeoDataFrame,
    index: pd.Index,
    home: NDArray[np.int64],
    solved: list[Solved],
) -> Plan:
    if not solved:
        raise InputError("there is no community to divide")
    plane = MetricPlane.of_frame(places)
    shapes = stitch(
        places.geometry.to_numpy(), [result.grids for result in solved], plane.metres_per_y
    )
    codes = [
        np.array([f"{result.code}{n:03d}" for n in range(1, len(result.grids) + 1)], dtype=object)
        for result in solved
    ]
    membership = np.full(len(home), None, dtype=object)
    order, starts = _by_community(home, len(places))
    for i, result in enumerate(solved):
        membership[order[starts[i] : starts[i + 1]]] = codes[i][result.owner]
    counts = [len(result.grids) for result in solved]
    grids = gpd.GeoDataFrame(
        {
            "grid_code": np.concatenate(codes),
            "community_code": np.repeat(places["code"].to_numpy(), counts),
            "households": np.concatenate([result.households for result in solved]),
            "parts": np.concatenate([result.parts for result in solved]).astype("int32"),
            "flag": _texts([result.flag for result in solved]),
            "reason": _texts([result.reason for result in solved]),
        },
        geometry=np.concatenate(shapes),
        crs=places.crs,
    )
    return Plan(
        grids=grids,
        membership=pd.Series(membership, index=index, name="grid_code", dtype=object),
        report=pd.DataFrame([_report(result) for result in solved]),
    )


def _texts(values: list[NDArray[Any]]) -> pd.Series:
    """Texts of which most are missing; the missing ones stay None."""
    return pd.Series(np.concatenate(values), dtype=object)


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
