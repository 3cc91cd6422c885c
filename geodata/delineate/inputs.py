"""What the caller gave: checked, in canonical order, cut into one task a community."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from geodata.delineate.faces import as_lines
from geodata.delineate.task import Limits, Task
from geodata.errors import InputError
from geodata.metric import MetricPlane

__all__ = [
    "barrier_lines",
    "checked_communities",
    "checked_limits",
    "community_tasks",
    "household_points",
]

#: Coordinates (n, 2) in the units of the frame, and the households at each (n,).
Households = tuple[NDArray[np.float64], NDArray[np.int64]]


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


def community_tasks(
    places: gpd.GeoDataFrame,
    households_of: Callable[[int], Households],
    barriers: tuple[NDArray[Any] | None, NDArray[np.float64]],
    limits: Limits,
    seed: int,
) -> Iterator[Task]:
    """One task a community, made when it is asked for.

    Parameters
    ----------
    places : GeoDataFrame
        Checked communities.
    households_of : callable
        The households of a community, by its label in the index of ``places``.
    barriers : tuple
        Lines and prices as :func:`barrier_lines` gives them. A community that none of them meets
        is cut without barriers, whatever its neighbours have.
    limits : Limits
    seed : int
    """
    lines, price = barriers
    tree = shapely.STRtree(lines) if lines is not None else None
    for label, code, shape in zip(places.index, places["code"], places.geometry, strict=True):
        xy, load = households_of(label)
        near = np.empty(0, dtype=np.int64)
        if tree is not None:
            near = np.sort(tree.query(shape, predicate="intersects"))
        yield Task(
            code=code,
            area=shape,
            plane=MetricPlane.of_bounds(shape.bounds, places.crs),
            xy=xy,
            load=load,
            barriers=lines[near] if lines is not None and len(near) else None,
            price=price[near] if len(near) else None,
            limits=limits,
            seed=seed,
        )
