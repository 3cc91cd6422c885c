"""Frames -> the staffing problem: every fault is named by row and field."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import shapely
from numpy.typing import NDArray

from geodata.errors import InputError
from geodata.inputs import ANY, POINTS, checked_frame, number
from geodata.metric import MetricPlane
from geodata.staff.problem import Flags, Floats, Ints, StaffingProblem

__all__ = ["Request", "read_request"]


@dataclass(frozen=True, slots=True)
class Request:
    """A staffing problem with the names of its parts.

    Attributes
    ----------
    problem : StaffingProblem
        Of all members; who has no place has no capacity.
    member_ids, grid_codes, roles : ndarray of str
        In the order of the problem.
    limit : ndarray of int64, shape (m,)
        Posts that each member may hold, fixed ones included.
    placed : ndarray of bool, shape (m,)
    team : ndarray of int64, shape (r,)
        Posts of each role in every grid.
    fixed : DataFrame
        Posts that stay: ``member``, ``grid`` (positions), ``role``.
    unplaced, warnings : tuple of str
    """

    problem: StaffingProblem
    member_ids: NDArray[Any]
    grid_codes: NDArray[Any]
    roles: NDArray[Any]
    limit: Ints
    placed: Flags
    team: Ints
    fixed: pd.DataFrame
    unplaced: tuple[str, ...]
    warnings: tuple[str, ...]


def read_request(
    grids: gpd.GeoDataFrame,
    members: gpd.GeoDataFrame,
    team: Mapping[str, int],
    *,
    max_posts: int = 2,
    max_distance_m: float | None = None,
    current: pd.DataFrame | None = None,
    stability_m: float = 0.0,
) -> Request:
    """Check the input and put it into arrays; see :func:`geodata.staff.staff`.

    Raises
    ------
    InputError
        Whatever cannot be used, by row and field.
    """
    max_posts = int(number(max_posts, "max_posts", least=1, whole=True))
    stability_m = number(stability_m, "stability_m", unit=" m")
    if max_distance_m is not None:
        number(max_distance_m, "max_distance_m", unit=" m")
    grids = checked_frame(grids, "grids", "grid_code", kinds=ANY)
    members = checked_frame(members, "members", "member_id", "roles", kinds=POINTS)
    roles, demand = _team(team)
    codes = _unique_text(grids, "grid_code", "grid code")
    ids = _unique_text(members, "member_id", "member id")
    if grids.crs != members.crs:
        members = members.to_crs(grids.crs)
    eligible, unknown = _eligible(_column(members, "roles"), roles)
    limit = _limit(members, max_posts)
    points = members.geometry.to_numpy()
    xy = shapely.get_coordinates(points)  # a point that is missing or empty has none
    placed = ~(shapely.is_missing(points) | shapely.is_empty(points))
    place = np.full((len(points), 2), np.nan)
    place[placed] = xy
    placed &= np.isfinite(place).all(axis=1)

    plane = MetricPlane.of_frame(grids if len(grids) else members)
    grid_order, member_order = _sorted(codes), _sorted(ids)
    ids, codes, placed = ids[member_order], codes[grid_order], placed[member_order]
    unplaced = tuple(ids[~placed])
    whole = StaffingProblem(
        plane.forward(place[member_order]),
        _grid_points(grids, plane)[grid_order],
        np.where(placed, limit[member_order], 0),
        np.repeat(demand[:, None], len(codes), axis=1),
        eligible[member_order],
        np.empty((0, 2), dtype=np.int64),
        np.empty((0, 2), dtype=np.int64),
        np.inf if max_distance_m is None else float(max_distance_m),
        round(min(stability_m, 1e9)),
    )
    problem, fixed = whole, pd.DataFrame({"member": [], "grid": [], "role": []}, dtype=object)
    if current is not None:
        problem, fixed = _with_current(whole, current, ids, codes, roles)
    return Request(
        problem, ids, codes, np.array(roles, dtype=object), limit[member_order], placed, demand,
        fixed, unplaced, _warnings(unknown, unplaced, roles),
    )  # fmt: skip


def _with_current(
    problem: StaffingProblem,
    current: pd.DataFrame,
    ids: NDArray[Any],
    codes: NDArray[Any],
    roles: list[str],
) -> tuple[StaffingProblem, pd.DataFrame]:
    """The problem around the posts held now; those that are fixed are taken out of it."""
    member = pd.Index(ids).get_indexer(_column(current, "member_id").astype(str))
    grid = pd.Index(codes).get_indexer(_column(current, "grid_code").astype(str))
    role = _column(current, "role").astype(str).to_numpy(dtype=object)
    known = (member >= 0) & (grid >= 0)
    is_fixed = np.zeros(len(current), dtype=bool)
    if "fixed" in current.columns:
        is_fixed = current["fixed"].fillna(False).to_numpy(dtype=bool)
    lost = np.flatnonzero(is_fixed & ~known)
    if len(lost):
        field = "member_id" if member[lost[0]] < 0 else "grid_code"
        raise InputError(
            f"'{current[field].iloc[lost[0]]}' holds a fixed post but is not among the "
            f"{'members' if field == 'member_id' else 'grids'}: end the post or leave it out",
            row=int(lost[0]) + 1,
            field=field,
        )
    posts = pd.DataFrame({"member": member, "grid": grid, "role": role})
    fixed = posts[is_fixed].drop_duplicates().reset_index(drop=True)
    barred = _pairs(fixed, roles, len(codes))
    demand = problem.demand.copy()
    np.subtract.at(demand.ravel(), barred[:, 1], 1)
    taken = np.bincount(fixed["member"].to_numpy(dtype=np.int64), minlength=len(ids))
    held = _pairs(posts[known & ~is_fixed].drop_duplicates(), roles, len(codes))
    whole = StaffingProblem(
        problem.member_xy, problem.grid_xy, np.maximum(problem.capacity - taken, 0),
        np.maximum(demand, 0), problem.eligible, held, barred,
        problem.max_distance, problem.stability,
    )  # fmt: skip
    return whole.with_held(_may_stay(whole)), fixed


def _pairs(posts: pd.DataFrame, roles: list[str], grids: int) -> Ints:
    """Member and slot of posts in roles of the team."""
    role = pd.Index(roles).get_indexer(posts["role"])
    wanted = role >= 0
    member = posts["member"].to_numpy(dtype=np.int64)[wanted]
    slot = role[wanted] * grids + posts["grid"].to_numpy(dtype=np.int64)[wanted]
    return np.column_stack([member, slot]).astype(np.int64)


def _may_stay(problem: StaffingProblem) -> Flags:
    """Which of the posts held are still allowed: in the role, within the distance, not fixed."""
    member, slot = problem.held.T
    role, grid = np.divmod(slot, max(len(problem.grid_xy), 1))
    step = problem.member_xy[member] - problem.grid_xy[grid]
    near = np.sqrt(step[:, 0] * step[:, 0] + step[:, 1] * step[:, 1]) <= problem.max_distance
    slots = problem.demand.size
    barred = np.isin(member * slots + slot, problem.barred[:, 0] * slots + problem.barred[:, 1])
    allowed = near & problem.eligible[member, role] & ~barred
    return allowed & (problem.capacity[member] > 0) & (problem.demand[role, grid] > 0)


def _team(team: Mapping[str, int]) -> tuple[list[str], Ints]:
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
    text = np.empty(len(values), dtype=object)
    text[:] = [value if type(value) is str else str(value) for value in values]
    if not pd.Index(text).is_unique:
        twice = np.flatnonzero(pd.Series(text, dtype=object).duplicated())
        raise InputError(
            f"{what} '{text[twice[0]]}' occurs more than once", row=int(twice[0]) + 1, field=name
        )
    return text


def _sorted(text: NDArray[Any]) -> Ints:
    """The order of texts by code point."""
    if pd.Index(text).is_monotonic_increasing:
        return np.arange(len(text))
    return pc.sort_indices(pa.array(text, pa.string())).to_numpy().astype(np.int64)


def _eligible(column: pd.Series, roles: list[str]) -> tuple[Flags, dict[str, int]]:
    """Who may hold which role, and how many members have each role that is not in the team.

    There are few different sets of roles, so each is looked at once.
    """
    if isinstance(column.dtype, pd.StringDtype):
        code, found = pd.factorize(column)
        sets = [_roles(value) for value in found]
    else:
        known: dict[Any, int] = {}
        sets = []
        code = np.full(len(column), -1, dtype=np.int64)
        for row, value in enumerate(column):
            key = value if isinstance(value, str) else _as_tuple(value, row + 1)
            if key is None:
                continue
            if key not in known:
                known[key] = len(sets)
                sets.append(_roles(key))
            code[row] = known[key]
    position = {role: k for k, role in enumerate(roles)}
    # the last row is for those without any role
    table = np.zeros((len(sets) + 1, len(roles)), dtype=bool)
    unknown: dict[str, int] = {}
    for k, (names, people) in enumerate(
        zip(sets, np.bincount(code[code >= 0], minlength=len(sets)), strict=True)
    ):
        table[k, [position[name] for name in names if name in position]] = True
        for name in names:
            if name not in position:
                unknown[name] = unknown.get(name, 0) + int(people)
    return table[code], unknown


def _as_tuple(value: Any, row: int) -> tuple[str, ...] | None:
    if isinstance(value, list | tuple | set | frozenset | np.ndarray):
        return tuple(str(name) for name in value)
    if value is None or pd.isna(value):
        return None
    raise InputError(
        f"must be a list of roles or text with ';' between them, not {value!r}",
        row=row,
        field="roles",
    )


def _roles(value: str | tuple[str, ...]) -> list[str]:
    """Roles of a member from a list or from text with ';' between them."""
    names = value.split(";") if isinstance(value, str) else value
    return sorted({name.strip() for name in names} - {""})


def _limit(members: gpd.GeoDataFrame, max_posts: int) -> Ints:
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


def _grid_points(grids: gpd.GeoDataFrame, plane: MetricPlane) -> Floats:
    """Centroid of each grid, or a point on its surface where the centroid is outside; metres."""
    shapes = grids.geometry.to_numpy()
    missing = np.flatnonzero(shapely.is_missing(shapes) | shapely.is_empty(shapes))
    if len(missing):
        raise InputError("a grid has no geometry", row=int(missing[0]) + 1, field="geometry")
    centre = shapely.centroid(shapes)
    outside = ~shapely.intersects(shapes, centre)
    centre[outside] = shapely.point_on_surface(shapes[outside])
    return plane.forward(shapely.get_coordinates(centre).reshape(-1, 2))


def _warnings(
    unknown: Mapping[str, int], unplaced: tuple[str, ...], roles: list[str]
) -> tuple[str, ...]:
    found = []
    if unplaced:
        shown = ", ".join(unplaced[:3]) + (", ..." if len(unplaced) > 3 else "")
        found.append(f"{len(unplaced)} without a place cannot hold a post: {shown}")
    for name in sorted(unknown):
        close = difflib.get_close_matches(name, roles, n=1)
        hint = f"; is '{close[0]}' meant?" if close else ""
        found.append(f"role '{name}' of {unknown[name]} members is not in the team{hint}")
    return tuple(found)
