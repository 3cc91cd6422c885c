"""A staffing -> one map: where posts are vacant, and the ways that people have to their posts.

The page stays small whatever the size of the staffing: beyond some thousands, vacancies are put
together by cells, the longest ways are drawn one by one and the others as bundles, and the
polygons of the grids give way to the divisions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from geodata.draw.encode import encode_points
from geodata.draw.page import CoverageMap
from geodata.draw.payload import coverage_payload
from geodata.errors import InputError
from geodata.schema import STORAGE_CRS

__all__ = ["StaffingMap", "staffing_map"]

#: What is drawn one by one: polygons, places with vacancies, ways, and bundles of further ways.
_MOST_GRIDS: Final = 4_000
_MOST_PLACES: Final = 4_000
_MOST_WAYS: Final = 2_000
_MOST_BUNDLES: Final = 1_000

#: Cells along the longer side in which things are put together, until they are few enough.
_CELLS: Final = (512, 256, 128, 64, 48, 32, 24, 16, 12, 8, 6, 4, 3, 2, 1)


class StaffingMap(CoverageMap):
    """Vacant posts and ways to posts, with the look and the means of a coverage map."""

    scripts: ClassVar[tuple[str, ...]] = (*CoverageMap.scripts, "staffing.js")
    starter: ClassVar[str] = "Gridward.staffingMap({name}, meta, payload);"


def staffing_map(
    grids: gpd.GeoDataFrame,
    members: gpd.GeoDataFrame,
    posts: pd.DataFrame,
    vacancies: pd.DataFrame,
    *,
    relief: pd.DataFrame | None = None,
    divisions: gpd.GeoDataFrame | None = None,
    barriers: gpd.GeoDataFrame | None = None,
    team: Mapping[str, int] | None = None,
    target: int = 400,
    minimum: int = 300,
    maximum: int = 500,
    title: str | None = None,
    tiles: str | None = None,
    attribution: str | None = None,
    assets: Path | str | None = None,
) -> StaffingMap:
    """Draw vacancies as marks and posts as lines from the member to the grid.

    Parameters
    ----------
    grids : GeoDataFrame
        grid_code, community_code, households, (Multi)Polygon geometry. Up to 4,000 are drawn;
        beyond that the divisions stand in for them.
    members : GeoDataFrame
        member_id, name, roles, Point geometry or None.
    posts, vacancies : DataFrame
        Those of :class:`geodata.staff.Staffing`.
    relief : DataFrame, optional
        That of :class:`geodata.staff.Shortages`: who would come if the distance did not matter.
    divisions : GeoDataFrame, optional
        code, name, (Multi)Polygon geometry: their boundaries are drawn.
    barriers, team, target, minimum, maximum, title, tiles, attribution, assets
        As for :func:`geodata.draw.coverage_map`.

    Returns
    -------
    StaffingMap
        A ``folium.Map`` whose HTML is self-contained, the same for the same input, and of a size
        that does not grow with the staffing beyond some thousand grids.

    Raises
    ------
    InputError
        A frame lacks a column, a code occurs twice, or a post names an unknown grid.
    UnavailableError
        The web assets are not installed.
    """
    few = len(grids) <= _MOST_GRIDS
    payload = coverage_payload(
        grids if few else grids.iloc[:0],
        communities=divisions,
        members=members if few else None,
        posts=posts if few else None,
        vacancies=vacancies if few else None,
        barriers=barriers,
        team=team,
    )
    roles = list(dict.fromkeys([*(team or ()), *sorted({*posts["role"], *vacancies["role"]})]))
    places = _Places(grids, members)
    payload["vacant"] = _vacant(vacancies, places, roles)
    payload["ways"], payload["bundles"] = _ways(posts, places, roles)
    if relief is not None:
        payload["relief"], _ = _ways(relief, places, roles, bundles=False)
    payload["bounds"] = places.bounds
    metres = pd.to_numeric(posts["distance_m"]).dropna()
    meta = {
        "title": title or "Staffing of service grids",
        "target": int(target),
        "minimum": int(minimum),
        "maximum": int(maximum),
        "roles": roles,
        "bounds": payload["bounds"],
        "posts": len(posts),
        "kilometres": round(float(metres.sum()) / 1000),
        "relieved": 0 if relief is None else len(relief),
        "totals": {
            "grids": len(grids),
            "households": int(grids["households"].sum()) if few else None,
            "vacancies": int(vacancies["missing"].sum()),
        },
    }
    return StaffingMap(payload, meta, assets=assets, tiles=tiles, attribution=attribution)


class _Places:
    """Where grids and members are, in whole millionths of a degree."""

    def __init__(self, grids: gpd.GeoDataFrame, members: gpd.GeoDataFrame) -> None:
        for frame, name, column in (
            (grids, "grids", "grid_code"),
            (members, "members", "member_id"),
        ):
            if column not in frame.columns:
                raise InputError(f"the {name} to draw have no such column", field=column)
        grids, members = (
            frame if frame.crs is None or frame.crs == STORAGE_CRS else frame.to_crs(STORAGE_CRS)
            for frame in (grids, members)
        )
        shapes = grids.geometry.to_numpy()
        centre = shapely.centroid(shapes)
        outside = ~shapely.intersects(shapes, centre)
        centre[outside] = shapely.point_on_surface(shapes[outside])
        self._grids = pd.Index(grids["grid_code"].astype(str))
        self._grid_xy = _millionths(centre)
        self._members = pd.Index(members["member_id"].astype(str))
        self._member_xy = _millionths(members.geometry.to_numpy())
        bounds = np.asarray(grids.total_bounds, dtype=np.float64)
        known = np.isfinite(bounds).all()
        self.bounds: list[float] = (
            bounds.round(6).tolist() if known else [-180.0, -85.0, 180.0, 85.0]
        )

    def of_grids(self, codes: pd.Series) -> NDArray[np.float64]:
        """Places of grids; an unknown one is an error."""
        at = self._grids.get_indexer(codes.astype(str))
        if (at < 0).any():
            raise InputError(f"there is no grid '{codes[at < 0].iloc[0]}'", field="grid_code")
        return self._grid_xy[at]

    def of_members(self, identifiers: pd.Series) -> NDArray[np.float64]:
        """Places of members; NaN for one that is unknown or nowhere."""
        at = self._members.get_indexer(identifiers.astype(str))
        found = np.full((len(at), 2), np.nan)
        found[at >= 0] = self._member_xy[at[at >= 0]]
        return found


def _millionths(points: Any) -> NDArray[np.float64]:
    """Whole millionths of a degree; NaN for what is missing or empty."""
    xy = np.full((len(points), 2), np.nan)
    there = ~(shapely.is_missing(points) | shapely.is_empty(points))
    xy[there] = np.rint(shapely.get_coordinates(points[there]) * 1e6)
    return xy


def _vacant(vacancies: pd.DataFrame, places: _Places, roles: Sequence[str]) -> dict[str, Any]:
    """Places with vacancies, and the missing posts of each by role; too many are put together."""
    rows = vacancies[vacancies["missing"] > 0]
    rows = rows.sort_values(["grid_code", "role"], kind="stable")
    xy = places.of_grids(rows["grid_code"])
    codes = rows["grid_code"].astype(str).to_numpy(dtype=object)
    cell, first = pd.factorize(codes)
    if len(first) > _MOST_PLACES:
        cell, first = _few_cells(xy, _MOST_PLACES), []
    count = int(cell.max()) + 1 if len(cell) else 0
    missing = rows["missing"].to_numpy(dtype=np.float64)
    weight = np.bincount(cell, missing, count)
    role = pd.Index(roles).get_indexer(rows["role"])
    sums = (
        pd.DataFrame({"at": cell, "role": role, "missing": missing.astype(np.int64)})
        .groupby(["at", "role"], sort=True)["missing"]
        .sum()
        .reset_index()
    )
    middle = [np.rint(np.bincount(cell, xy[:, axis] * missing, count) / weight) for axis in (0, 1)]
    return {
        **encode_points(middle[0] / 1e6, middle[1] / 1e6),
        "code": [str(code) for code in first],
        "grids": _grids_in(cell, codes, count),
        **{name: sums[name].tolist() for name in ("at", "role", "missing")},
    }


def _grids_in(cell: NDArray[np.int64], codes: NDArray[Any], count: int) -> list[int]:
    pairs = pd.DataFrame({"cell": cell, "code": codes}).drop_duplicates()
    return np.bincount(pairs["cell"], minlength=count).tolist()


def _ways(
    posts: pd.DataFrame, places: _Places, roles: Sequence[str], bundles: bool = True
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The longest ways from member to grid one by one, and the others in bundles."""
    start = places.of_members(posts["member_id"])
    end = places.of_grids(posts["grid_code"])
    known = ~np.isnan(start).any(axis=1)
    rows, start, end = posts[known], start[known], end[known]
    metres = pd.to_numeric(rows["distance_m"]).to_numpy(dtype=np.int64)
    names = [rows[name].astype(str).to_numpy(dtype=object) for name in ("member_id", "role")]
    codes = rows["grid_code"].astype(str).to_numpy(dtype=object)
    order = np.lexsort((names[1].astype("U"), names[0].astype("U"), codes.astype("U"), -metres))
    alone, rest = order[:_MOST_WAYS], order[_MOST_WAYS:]
    ways = {
        **_steps(start[alone], end[alone]),
        "member": names[0][alone].tolist(),
        "grid": codes[alone].tolist(),
        "role": pd.Index(roles).get_indexer(names[1][alone]).tolist(),
        "metres": metres[alone].tolist(),
    }
    if not bundles:
        return ways, {}
    return ways, _bundled(start[rest], end[rest])


def _steps(start: NDArray[np.float64], end: NDArray[np.float64]) -> dict[str, list[int]]:
    return {
        **encode_points(start[:, 0] / 1e6, start[:, 1] / 1e6),
        "dx": (end - start)[:, 0].astype(np.int64).tolist(),
        "dy": (end - start)[:, 1].astype(np.int64).tolist(),
    }


def _bundled(start: NDArray[np.float64], end: NDArray[np.float64]) -> dict[str, Any]:
    """Ways between the same two cells as one; those within a cell are only counted."""
    if not len(start):
        return {"x": [], "y": [], "dx": [], "dy": [], "posts": [], "within": 0}
    both = np.vstack([start, end])
    for cells in _CELLS:
        one, other = np.split(_cells(both, cells), 2)
        apart = one != other
        pair, _ = pd.factorize(one[apart] * np.int64(cells + 1) ** 2 + other[apart])
        if len(pair) == 0 or pair.max() < _MOST_BUNDLES:
            break
    posts = np.bincount(pair)
    middle = [
        np.column_stack([np.rint(np.bincount(pair, xy[apart][:, axis]) / posts) for axis in (0, 1)])
        for xy in (start, end)
    ]
    return {**_steps(*middle), "posts": posts.tolist(), "within": int((~apart).sum())}


def _few_cells(xy: NDArray[np.float64], most: int) -> NDArray[np.int64]:
    """A cell of each place, of at most so many in use."""
    for cells in _CELLS:
        cell, used = pd.factorize(_cells(xy, cells))
        if len(used) <= most:
            break
    return cell


def _cells(xy: NDArray[np.float64], cells: int) -> NDArray[np.int64]:
    """The number of the square that each place lies in, so many along the longer side."""
    low = xy.min(axis=0)
    size = max(float((xy.max(axis=0) - low).max()), 1.0) / cells
    column, row = ((xy - low) / size).astype(np.int64).T
    return column * (cells + 1) + row
