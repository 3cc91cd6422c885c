"""The staffing problem as arrays: who may hold which post, and where everyone is."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from geodata.errors import InputError
from geodata.inputs import AREAS, POINTS, checked_frame, number
from geodata.inputs import placed as has_place
from geodata.metric import MetricPlane

__all__ = ["StaffingProblem", "role_groups", "state_problem"]


@dataclass(frozen=True, slots=True)
class StaffingProblem:
    """Members, grids and roles in canonical order (by id, by code, as in the team).

    Attributes
    ----------
    member_ids, grid_codes, roles : ndarray of str
        Lengths m, g, r. Only members with a place, a role of the team and a free post.
    member_xy, grid_xy : ndarray of float64, shape (m, 2), (g, 2)
        Metres.
    capacity : ndarray of int64, shape (m,)
        Posts a member may hold.
    demand : ndarray of int64, shape (r,)
        Posts of a role in every grid.
    eligible : ndarray of bool, shape (m, r)
    max_distance : float
        Metres; infinite when there is no limit.
    """

    member_ids: NDArray[Any]
    grid_codes: NDArray[Any]
    roles: NDArray[Any]
    member_xy: NDArray[np.float64]
    grid_xy: NDArray[np.float64]
    capacity: NDArray[np.int64]
    demand: NDArray[np.int64]
    eligible: NDArray[np.bool_]
    max_distance: float

    def part(self, roles: NDArray[np.int64]) -> tuple[StaffingProblem, NDArray[np.int64]]:
        """The problem of some roles alone, and the positions of its members in the whole."""
        members = np.flatnonzero(self.eligible[:, roles].any(axis=1))
        return StaffingProblem(
            self.member_ids[members],
            self.grid_codes,
            self.roles[roles],
            self.member_xy[members],
            self.grid_xy,
            self.capacity[members],
            self.demand[roles],
            self.eligible[np.ix_(members, roles)],
            self.max_distance,
        ), members


def role_groups(eligible: NDArray[np.bool_]) -> list[NDArray[np.int64]]:
    """Split the roles into groups that share no member: each group is a problem of its own."""
    count = eligible.shape[1]
    group = np.arange(count)
    for row in np.unique(eligible, axis=0):
        together = group[np.flatnonzero(row)]
        if len(together):
            group[np.isin(group, together)] = together.min()
    return [np.flatnonzero(group == k) for k in np.unique(group)]


def state_problem(
    grids: gpd.GeoDataFrame,
    members: gpd.GeoDataFrame,
    team: Mapping[str, int],
    max_posts: int,
    max_distance_m: float | None,
) -> tuple[StaffingProblem, tuple[str, ...], tuple[str, ...]]:
    """Check the input and put it into arrays.

    Returns
    -------
    problem : StaffingProblem
    unplaced : tuple of str
        Ids of members without a place, in order.
    warnings : tuple of str
    """
    max_posts = int(number(max_posts, "max_posts", least=1, whole=True))
    if max_distance_m is not None:
        number(max_distance_m, "max_distance_m", unit=" m")
    grids = checked_frame(grids, "grids", "grid_code", kinds=AREAS)
    members = checked_frame(members, "members", "member_id", "roles", kinds=POINTS)
    roles, demand = _team(team)
    codes = _unique_text(grids, "grid_code", "grid code")
    ids = _unique_text(members, "member_id", "member id")
    if grids.crs is not None and members.crs is not None and grids.crs != members.crs:
        members = members.to_crs(grids.crs)
    held = [_roles(value, row) for row, value in enumerate(_column(members, "roles"), start=1)]
    capacity = _capacity(members, max_posts)
    points = _member_points(members)
    placed = has_place(points)

    position = {role: k for k, role in enumerate(roles)}
    eligible = np.zeros((len(ids), len(roles)), dtype=bool)
    for row, names in enumerate(held):
        eligible[row, [position[name] for name in names if name in position]] = True

    plane = MetricPlane.of_frame(grids if len(grids) else members)
    grid_order = np.argsort(codes, kind="stable")
    member_order = np.argsort(ids, kind="stable")
    of_use = member_order[(placed & (capacity > 0) & eligible.any(axis=1))[member_order]]
    problem = StaffingProblem(
        ids[of_use],
        codes[grid_order],
        np.array(roles, dtype=object),
        plane.forward(shapely.get_coordinates(points[of_use])),
        _grid_points(grids, plane)[grid_order],
        capacity[of_use],
        demand,
        eligible[of_use],
        np.inf if max_distance_m is None else float(max_distance_m),
    )
    unplaced = tuple(ids[k] for k in member_order if not placed[k])
    return problem, unplaced, _warnings(held, unplaced, roles)


def _team(team: Mapping[str, int]) -> tuple[list[str], NDArray[np.int64]]:
    """Roles with at least one post, in the order of the team."""
    if not isinstance(team, Mapping):
        raise InputError("the team must be a mapping, such as {'police': 1}", field="team")
    if not team:
        raise InputError("the team names no role: give at least one, such as police = 1")
    for role, posts in team.items():
        if not isinstance(role, str) or not role.strip():
            raise InputError(f"{role!r} is not the name of a role", field="team")
        whole = isinstance(posts, int | np.integer) and not isinstance(posts, bool)
        if not whole or not 0 <= posts < 2**31:
            raise InputError(
                f"must be a whole number of posts, 0 or more, not {posts!r}", field=f"team.{role}"
            )
    wanted = {role: int(posts) for role, posts in team.items() if posts > 0}
    return list(wanted), np.array(list(wanted.values()), dtype=np.int64)


def _column(frame: pd.DataFrame, name: str) -> pd.Series:
    if name not in frame.columns:
        raise InputError(f"there is no column '{name}'", field=name)
    return frame[name]


def _unique_text(frame: pd.DataFrame, name: str, what: str) -> NDArray[Any]:
    """A column as text, without gaps or repetitions."""
    values = _column(frame, name).astype(object).to_numpy()
    missing = np.flatnonzero(pd.isna(values))
    if len(missing):
        raise InputError(f"the {what} is missing", row=int(missing[0]) + 1, field=name)
    text = np.array([str(value) for value in values], dtype=object)
    twice = np.flatnonzero(pd.Series(text, dtype=object).duplicated())
    if len(twice):
        raise InputError(
            f"{what} '{text[twice[0]]}' occurs more than once", row=int(twice[0]) + 1, field=name
        )
    return text


def _roles(value: Any, row: int) -> list[str]:
    """Roles of a member from a list or from text with ';' between them."""
    if isinstance(value, str):
        names = value.split(";")
    elif isinstance(value, list | tuple | set | frozenset | np.ndarray):
        names = list(value)
    elif value is None or pd.isna(value):
        return []
    else:
        raise InputError(
            f"must be a list of roles or text with ';' between them, not {value!r}",
            row=row,
            field="roles",
        )
    return sorted({str(name).strip() for name in names} - {""})


def _capacity(members: gpd.GeoDataFrame, max_posts: int) -> NDArray[np.int64]:
    """Posts each member may hold: the general limit or the member's own, whichever is less."""
    if "max_posts" not in members.columns:
        return np.full(len(members), max_posts, dtype=np.int64)
    own = pd.to_numeric(members["max_posts"], errors="coerce").to_numpy(dtype=np.float64)
    given = members["max_posts"].notna().to_numpy()
    with np.errstate(invalid="ignore"):
        wrong = np.flatnonzero(given & ~((own >= 0) & (own == np.floor(own))))
    if len(wrong):
        raise InputError(
            f"must be a whole number, 0 or more, not {members['max_posts'].iloc[wrong[0]]!r}",
            row=int(wrong[0]) + 1,
            field="max_posts",
        )
    return np.minimum(np.where(given, own, max_posts), max_posts).astype(np.int64)


def _member_points(members: gpd.GeoDataFrame) -> NDArray[Any]:
    points = np.array(members.geometry, dtype=object)
    wrong = np.flatnonzero((shapely.get_type_id(points) > 0) & ~shapely.is_empty(points))
    if len(wrong):
        raise InputError(
            f"the place of a member must be a point, not a {points[wrong[0]].geom_type}",
            row=int(wrong[0]) + 1,
            field="geometry",
        )
    return points


def _grid_points(grids: gpd.GeoDataFrame, plane: MetricPlane) -> NDArray[np.float64]:
    """Centroid of each grid, or a point on its surface where the centroid is outside; metres."""
    shapes = np.array(grids.geometry, dtype=object)
    missing = np.flatnonzero(shapely.is_missing(shapes) | shapely.is_empty(shapes))
    if len(missing):
        raise InputError("a grid has no geometry", row=int(missing[0]) + 1, field="geometry")
    centre = shapely.centroid(shapes)
    outside = ~shapely.intersects(shapes, centre)
    centre[outside] = shapely.point_on_surface(shapes[outside])
    return plane.forward(shapely.get_coordinates(centre).reshape(-1, 2))


def _warnings(
    held: list[list[str]], unplaced: tuple[str, ...], roles: list[str]
) -> tuple[str, ...]:
    found = []
    if unplaced:
        shown = ", ".join(unplaced[:3]) + (", ..." if len(unplaced) > 3 else "")
        found.append(f"{len(unplaced)} without a place cannot hold a post: {shown}")
    counts = pd.Series([name for names in held for name in names], dtype=object).value_counts()
    for name in sorted(set(counts.index) - set(roles)):
        close = difflib.get_close_matches(name, roles, n=1)
        hint = f"; is '{close[0]}' meant?" if close else ""
        found.append(f"role '{name}' of {counts[name]} members is not in the team{hint}")
    return tuple(found)
