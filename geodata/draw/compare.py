"""Two plans -> one map: before, after, the grids that change and the households that move."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from geodata.assign import assign
from geodata.draw.encode import encode_points
from geodata.draw.page import ComparisonMap
from geodata.draw.payload import coverage_payload
from geodata.inputs import AREAS, POINTS, checked_frame, counts, limits, placed, texts
from geodata.schema import STORAGE_CRS

__all__ = ["comparison_map"]


def comparison_map(
    before: gpd.GeoDataFrame,
    after: gpd.GeoDataFrame,
    households: gpd.GeoDataFrame | None = None,
    *,
    communities: gpd.GeoDataFrame | None = None,
    barriers: gpd.GeoDataFrame | None = None,
    target: float = 400,
    minimum: float = 300,
    maximum: float = 500,
    snap_tolerance_m: float = 50,
    title: str | None = None,
    tiles: str | None = None,
    attribution: str | None = None,
    assets: Path | str | None = None,
) -> ComparisonMap:
    """Draw two plans as a choice on one map, in the look of :func:`geodata.draw.coverage_map`.

    A household moves when its grid has another code. Only the households that move are put into
    the page, as places without their addresses.

    Parameters
    ----------
    before, after : GeoDataFrame
        grid_code, community_code, households, flag, (Multi)Polygon geometry.
    households : GeoDataFrame, optional
        households (1 where the column is missing), Point geometry.
    communities, barriers, target, minimum, maximum, title, tiles, attribution, assets
        As for :func:`geodata.draw.coverage_map`.
    snap_tolerance_m : float
        A household this near outside every grid belongs to the nearest one.

    Returns
    -------
    ComparisonMap
        A ``folium.Map`` whose HTML is self-contained and the same for the same input.

    Raises
    ------
    InputError
        A frame lacks a column, or a grid code occurs twice.
    UnavailableError
        The web assets are not installed.
    """
    old, new = _side(before), _side(after)
    payload = coverage_payload(new, communities=communities, barriers=barriers)
    payload["after"] = payload.pop("grids")
    payload["before"] = coverage_payload(old)["grids"]
    payload["before"]["changed"] = _unlike(old, new)
    payload["after"]["changed"] = _unlike(new, old)
    moved = _moved(old, new, households, snap_tolerance_m) if households is not None else None
    if moved is not None:
        payload["moved"] = moved
    target, minimum, maximum = limits(target, minimum, maximum)
    meta = {
        "title": title or "Two plans compared",
        "target": int(target),
        "minimum": int(minimum),
        "maximum": int(maximum),
        "moving": sum(moved["households"]) if moved is not None else 0,
        "bounds": payload["bounds"],
    }
    return ComparisonMap(payload, meta, assets=assets, tiles=tiles, attribution=attribution)


def _side(grids: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Grids in longitude and latitude, in the order in which the page has them."""
    grids = checked_frame(grids, "grids", "grid_code", kinds=AREAS).to_crs(STORAGE_CRS)
    grids = grids.assign(grid_code=texts(grids, "grid_code", "grids", unique=True))
    return grids.sort_values("grid_code", kind="stable").reset_index(drop=True)


def _unlike(grids: gpd.GeoDataFrame, others: gpd.GeoDataFrame) -> list[int]:
    """1 for each grid whose polygon none of the others has, else 0."""
    own, known = (
        shapely.to_wkb(shapely.normalize(frame.geometry.to_numpy())) for frame in (grids, others)
    )
    same = set(known.tolist())
    return [int(shape not in same) for shape in own.tolist()]


def _moved(
    before: gpd.GeoDataFrame,
    after: gpd.GeoDataFrame,
    households: gpd.GeoDataFrame,
    snap_tolerance_m: float,
) -> dict[str, Any]:
    """Places whose households move: x, y, households, positions of the grids (-1 for none)."""
    homes = checked_frame(households, "households", kinds=POINTS).to_crs(STORAGE_CRS)
    homes = homes[placed(homes.geometry.to_numpy())].reset_index(drop=True)
    old, new = (
        assign(grids, homes, snap_tolerance_m)["grid_code"].to_numpy(dtype=object)
        for grids in (before, after)
    )
    rows = pd.DataFrame(
        {
            "x": np.rint(homes.geometry.x.to_numpy() * 1e6) / 1e6,
            "y": np.rint(homes.geometry.y.to_numpy() * 1e6) / 1e6,
            "before": _positions(before, old),
            "after": _positions(after, new),
            "households": counts(homes, "households", "households"),
        }
    )
    places = rows[np.array([then != now for then, now in zip(old, new, strict=True)], dtype=bool)]
    places = places.groupby(["x", "y", "before", "after"], sort=True)["households"].sum()
    places = places.reset_index()
    return {
        **encode_points(places["x"].to_numpy(), places["y"].to_numpy()),
        **{
            name: places[name].astype("int64").tolist()
            for name in ("households", "before", "after")
        },
    }


def _positions(grids: gpd.GeoDataFrame, codes: Any) -> list[int]:
    position = {code: row for row, code in enumerate(grids["grid_code"])}
    return [-1 if pd.isna(code) else position[code] for code in codes]
