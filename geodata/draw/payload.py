"""Frames -> the columns that a coverage map carries.

Only the columns named here leave the frames: whatever else a household or a member has (a category,
a telephone number) cannot reach the page.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from shapely import GeometryType

from geodata.draw.encode import encode_lines, encode_points, encode_polygons
from geodata.errors import InputError
from geodata.inputs import (
    ANY,
    AREAS,
    POINTS,
    checked_frame,
    checked_table,
    counts,
    number,
    placed,
    texts,
)
from geodata.metric import MetricPlane
from geodata.schema import STORAGE_CRS

__all__ = ["coverage_payload"]

logger = logging.getLogger(__name__)

#: Backdrop lines are simplified until they have at most this many vertices (about 9 characters
#: each), so that the backdrop never outweighs the map.
_BACKDROP_VERTICES: Final = 80_000
_BACKDROP_TOLERANCES_M: Final = (1.5, 5.0, 15.0)


def coverage_payload(
    grids: gpd.GeoDataFrame,
    *,
    communities: gpd.GeoDataFrame | None = None,
    households: gpd.GeoDataFrame | None = None,
    members: gpd.GeoDataFrame | None = None,
    facilities: gpd.GeoDataFrame | None = None,
    posts: pd.DataFrame | None = None,
    vacancies: pd.DataFrame | None = None,
    team: Mapping[str, int] | None = None,
    barriers: gpd.GeoDataFrame | None = None,
    addresses: bool = True,
) -> dict[str, Any]:
    """Return all that the page draws, as columns; the order of the input rows does not matter.

    The frames are those of :func:`geodata.draw.coverage_map`. References between columns are
    positions (a post names the position of its grid and of its member).
    """
    grids = _prepared(grids, "grids", "grid_code", "community_code", "households", kinds=AREAS)
    grids = grids.assign(
        grid_code=texts(grids, "grid_code", "grids", unique=True),
        households=counts(grids, "households", "grids"),
    )
    grids = grids.sort_values("grid_code", kind="stable").reset_index(drop=True)
    payload: dict[str, Any] = {
        "grids": _grid_columns(grids, vacancies),
        "bounds": _bounds(grids, communities),
    }
    grid_at = {code: position for position, code in enumerate(grids["grid_code"])}
    if communities is not None:
        payload["communities"] = _community_columns(communities)
    if households is not None:
        payload["households"] = _household_columns(households, grids, addresses=addresses)
    member_at: dict[str, int] = {}
    if members is not None:
        members = _prepared(members, "members", "member_id", kinds=POINTS)
        members = members.assign(member_id=texts(members, "member_id", "members"))
        members = members.sort_values("member_id")
        member_at = {identifier: row for row, identifier in enumerate(members["member_id"])}
        payload["members"] = _member_columns(members)
    if facilities is not None:
        payload["facilities"] = _facility_columns(facilities)
    if barriers is not None:
        payload["backdrop"] = _backdrop(barriers)
    if posts is not None:
        payload["posts"] = _post_columns(posts, grid_at, member_at)
    if vacancies is not None:
        payload["vacancies"] = _vacancy_columns(vacancies, grid_at)
    if team is not None:
        if not isinstance(team, Mapping):
            raise InputError("the team must be a mapping of roles to posts", field="team")
        payload["team"] = {
            str(role): int(number(posts, f"team.{role}", whole=True))
            for role, posts in team.items()
        }
    return payload


def _prepared(
    frame: gpd.GeoDataFrame, name: str, *columns: str, kinds: frozenset[GeometryType]
) -> gpd.GeoDataFrame:
    """Return the frame in longitude and latitude, or say what is wrong with it."""
    return checked_frame(frame, name, *columns, kinds=kinds).to_crs(STORAGE_CRS)


def _texts(frame: pd.DataFrame, column: str) -> list[str]:
    """Return a column as text, empty where it is missing or not given."""
    if column not in frame.columns:
        return [""] * len(frame)
    given = frame[column]
    return [str(value) for value in given.astype(object).where(given.notna(), "")]


def _bounds(grids: gpd.GeoDataFrame, communities: gpd.GeoDataFrame | None) -> list[float]:
    frame = (
        grids
        if len(grids) or communities is None
        else _prepared(communities, "communities", kinds=AREAS)
    )
    bounds = np.asarray(frame.total_bounds, dtype=np.float64)
    return bounds.round(6).tolist() if np.isfinite(bounds).all() else [-180.0, -85.0, 180.0, 85.0]


def _grid_columns(grids: gpd.GeoDataFrame, vacancies: pd.DataFrame | None) -> dict[str, Any]:
    columns = {
        "code": _texts(grids, "grid_code"),
        "community": _texts(grids, "community_code"),
        "households": grids["households"].tolist(),
        "flag": _texts(grids, "flag"),
        "reason": _texts(grids, "reason"),
        "geometry": encode_polygons(grids.geometry),
    }
    if vacancies is not None:
        checked_table(vacancies, "vacancies", "grid_code", "missing")
        known = pd.Series(counts(vacancies, "missing", "vacancies"))
        missing = known.groupby(texts(vacancies, "grid_code", "vacancies")).sum()
        columns["missing"] = (
            missing.reindex(grids["grid_code"], fill_value=0).astype("int64").tolist()
        )
    return columns


def _community_columns(communities: gpd.GeoDataFrame) -> dict[str, Any]:
    frame = _prepared(communities, "communities", "code", kinds=AREAS)
    frame = frame.assign(code=texts(frame, "code", "communities"))
    frame = frame.sort_values("code", kind="stable")
    return {
        "code": _texts(frame, "code"),
        "name": _texts(frame, "name"),
        "geometry": encode_polygons(frame.geometry),
    }


def _household_columns(
    households: gpd.GeoDataFrame, grids: gpd.GeoDataFrame, *, addresses: bool
) -> dict[str, Any]:
    """Return one row a place; with ``addresses`` also one row for each address at it."""
    frame = _prepared(households, "households", kinds=POINTS)
    frame = frame[placed(frame.geometry.to_numpy())]
    rows = pd.DataFrame(
        {
            "x": np.rint(frame.geometry.x.to_numpy() * 1e6) / 1e6,
            "y": np.rint(frame.geometry.y.to_numpy() * 1e6) / 1e6,
            "address": _texts(frame, "address"),
            "households": counts(frame, "households", "households"),
        }
    )
    places = rows.groupby(["x", "y"], sort=True)["households"].sum().reset_index()
    columns: dict[str, Any] = encode_points(places["x"].to_numpy(), places["y"].to_numpy())
    columns["households"] = places["households"].tolist()
    columns["grid"] = _grid_of_places(places, grids)
    if addresses and any(rows["address"]):
        grouped = rows.groupby(["x", "y", "address"], sort=True)["households"].sum().reset_index()
        per_place = grouped.groupby(["x", "y"], sort=True).size()
        columns["addresses"] = per_place.tolist()
        columns["address"] = grouped["address"].tolist()
        columns["at_address"] = grouped["households"].tolist()
    return columns


def _grid_of_places(places: pd.DataFrame, grids: gpd.GeoDataFrame) -> list[int]:
    """Return the position of the grid that covers each place, the lowest of several, or -1."""
    points = shapely.points(places["x"].to_numpy(), places["y"].to_numpy())
    tree = shapely.STRtree(grids.geometry.to_numpy())
    place, grid = tree.query(points, predicate="covered_by")
    found = np.full(len(points), len(grids), dtype=np.int64)
    np.minimum.at(found, place, grid)
    found[found == len(grids)] = -1
    return found.tolist()


def _member_columns(members: gpd.GeoDataFrame) -> dict[str, Any]:
    at = np.flatnonzero(placed(members.geometry.to_numpy()))
    places = members.geometry.iloc[at]
    return {
        "id": _texts(members, "member_id"),
        "name": _texts(members, "name"),
        "roles": [_role_list(value) for value in members.get("roles", [""] * len(members))],
        "at": at.tolist(),
        **encode_points(places.x.to_numpy(), places.y.to_numpy()),
    }


def _role_list(value: Any) -> list[str]:
    if isinstance(value, str):
        return [role.strip() for role in value.split(";") if role.strip()]
    return [str(role) for role in value] if isinstance(value, list | tuple | np.ndarray) else []


def _facility_columns(facilities: gpd.GeoDataFrame) -> dict[str, Any]:
    frame = _prepared(facilities, "facilities", kinds=POINTS)
    frame = frame[placed(frame.geometry.to_numpy())]
    frame = frame.assign(_x=frame.geometry.x, _y=frame.geometry.y)
    order = [column for column in ("_x", "_y", "facility_id", "name") if column in frame.columns]
    frame = frame.sort_values(order, kind="stable")
    return {
        "name": _texts(frame, "name"),
        "kind": _texts(frame, "kind"),
        **encode_points(frame["_x"].to_numpy(), frame["_y"].to_numpy()),
    }


def _post_columns(
    posts: pd.DataFrame, grid_at: Mapping[str, int], member_at: Mapping[str, int]
) -> dict[str, Any]:
    """Return the posts; a member who is not among ``members`` goes by the identifier."""
    posts = checked_table(posts, "posts", "member_id", "grid_code", "role")
    posts = posts.assign(
        **{name: texts(posts, name, "posts") for name in ("member_id", "grid_code", "role")}
    )
    frame = posts[posts["grid_code"].isin(grid_at.keys())]
    frame = frame.sort_values(["grid_code", "role", "member_id"], kind="stable")
    distance = pd.to_numeric(
        frame.get("distance_m", pd.Series(np.nan, index=frame.index)), errors="coerce"
    )
    return {
        "grid": [grid_at[code] for code in frame["grid_code"]],
        "member": [member_at.get(who, str(who)) for who in frame["member_id"]],
        "role": _texts(frame, "role"),
        "distance": [None if pd.isna(metres) else round(metres) for metres in distance],
    }


def _vacancy_columns(vacancies: pd.DataFrame, grid_at: Mapping[str, int]) -> dict[str, Any]:
    vacancies = checked_table(vacancies, "vacancies", "grid_code", "role", "missing")
    vacancies = vacancies.assign(
        grid_code=texts(vacancies, "grid_code", "vacancies"),
        role=texts(vacancies, "role", "vacancies"),
        missing=counts(vacancies, "missing", "vacancies"),
    )
    frame = vacancies[(vacancies["missing"] > 0) & vacancies["grid_code"].isin(grid_at.keys())]
    frame = frame.sort_values(["grid_code", "role"], kind="stable")
    return {
        "grid": [grid_at[code] for code in frame["grid_code"]],
        "role": _texts(frame, "role"),
        "missing": frame["missing"].tolist(),
        "reason": _texts(frame, "reason"),
    }


def _backdrop(barriers: gpd.GeoDataFrame) -> list[dict[str, Any]]:
    """Return roads, rail and water by kind, simplified to what a picture needs."""
    frame = _prepared(barriers, "barriers", kinds=ANY)
    frame = frame[~(frame.geometry.is_empty | frame.geometry.isna())]
    if len(frame) == 0:
        return []
    plane = MetricPlane.of_frame(frame)
    shapes = frame.geometry.to_numpy()
    for tolerance in _BACKDROP_TOLERANCES_M:
        simple = shapely.simplify(shapes, tolerance / plane.metres_per_y)
        if shapely.get_num_coordinates(simple).sum() <= _BACKDROP_VERTICES:
            break
    else:
        logger.warning("the barriers are too many for a backdrop; the map is drawn without them")
        return []
    kinds = np.array(_texts(frame, "kind"))
    is_area = shapely.get_dimensions(simple) == 2
    layers = []
    for kind in sorted(set(kinds)):
        lines, areas = simple[(kinds == kind) & ~is_area], simple[(kinds == kind) & is_area]
        layers.append(
            {
                "kind": kind,
                "lines": sorted(encode_lines(lines)),
                "areas": sorted(encode_polygons(areas)),
            }
        )
    return layers
