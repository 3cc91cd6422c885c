"""Grids x members -> posts and vacancies."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from geodata.errors import InputError
from geodata.staff.explain import vacancy_reasons
from geodata.staff.inputs import Request, read_request
from geodata.staff.parts import Found, member_parts, solve_pieces
from geodata.staff.problem import Flags, Floats, Ints
from geodata.staff.shortage import Shortages, explain_shortages

__all__ = ["Loss", "Staffing", "staff"]


@dataclass(frozen=True, slots=True)
class Loss:
    """What it costs to staff part by part instead of all at once.

    Attributes
    ----------
    posts : int
        Posts that are vacant but would be filled from another part.
    distance_m : int
        Metres that all at once would save; negative where it fills more posts.
    """

    posts: int
    distance_m: int


@dataclass(frozen=True, slots=True)
class Staffing:
    """Posts and vacancies of all grids.

    Attributes
    ----------
    posts : DataFrame
        ``member_id``, ``grid_code``, ``role``, ``distance_m`` (whole metres; missing for a fixed
        post whose holder has no place), ``second`` (True for every post of a member but the
        nearest), ``kept`` (True where the same member held it before); ordered by grid, role,
        member.
    vacancies : DataFrame
        ``grid_code``, ``role``, ``missing`` (posts), ``reason``.
    total_distance_m, lower_bound_m : int
        The total distance, and what no staffing that fills as many posts and moves as few
        members can go below (within its part, if it was done part by part). Equal: the staffing
        is a certified optimum.
    unplaced : tuple of str
        Members without a place, who hold no post but a fixed one.
    warnings : tuple of str
        What the reader should know: members without a place, roles that no team needs.
    moved : int
        Posts held before that could have stayed and did not.
    loss : Loss, optional
        Of a staffing part by part, against all at once.
    shortages : Shortages, optional
        Where which role is short, if that was asked for.
    """

    posts: pd.DataFrame
    vacancies: pd.DataFrame
    total_distance_m: int
    lower_bound_m: int
    unplaced: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    moved: int = 0
    loss: Loss | None = None
    shortages: Shortages | None = None


def staff(
    grids: gpd.GeoDataFrame,
    members: gpd.GeoDataFrame,
    team: Mapping[str, int],
    *,
    max_posts: int = 2,
    max_distance_m: float | None = None,
    executor: Executor | None = None,
    current: pd.DataFrame | None = None,
    stability_m: float = 0.0,
    by: str | None = None,
    measure_loss: bool = True,
    explain: str | None = None,
) -> Staffing:
    """Staff every grid: most posts filled first, then the least total distance.

    Parameters
    ----------
    grids : GeoDataFrame
        ``grid_code`` (unique) and polygons. The place of a grid is its centroid, or a point on
        its surface where the centroid lies outside.
    members : GeoDataFrame of Point
        ``member_id`` (unique), ``roles`` (a list, or text with ``;`` between), optional
        ``max_posts``. A member without a geometry is left out and reported.
    team : mapping of str to int
        Posts of each role that every grid needs.
    max_posts : int
        Posts that one member may hold, at most; the member's own ``max_posts`` may be lower.
        Nobody holds the same role twice in one grid.
    max_distance_m : float, optional
        Nobody holds a post farther away than this.
    executor : concurrent.futures.Executor, optional
        Groups of roles that have no member in common, and parts (``by``), are problems of their
        own, and are solved through it side by side. The result is the same as without.
    current : DataFrame, optional
        Posts held so far: ``member_id``, ``grid_code``, ``role``, optional ``fixed``. A fixed
        post stays, whatever it costs. Of staffings with equal posts and distance, one that keeps
        most of the others is taken. Posts of unknown grids or members are passed over unless
        they are fixed.
    stability_m : float
        A post changes hands only if the total distance falls by more than this for each one that
        does, or if more posts are filled by it; whole metres.
    by : str, optional
        A column of the grids, such as the county: each part is staffed by itself. A member
        belongs to the part where most of the posts held so far are, or else to that of the
        nearest grid.
    measure_loss : bool
        With ``by``: whether all is staffed at once as well, to state the loss.
    explain : str, optional
        A column of the grids, such as the community: shortages are explained by it.

    Returns
    -------
    Staffing
        The same for any order of the input; distances are straight, in whole metres of the
        metric plane of the grids. A second post costs nothing beyond its distance.

    Raises
    ------
    InputError
        A missing column, a code or id twice, a team or limit that makes no sense.
    PlanError
        The problem is too large: some 10^12 posts times metres.
    """
    request = read_request(
        grids,
        members,
        team,
        max_posts=max_posts,
        max_distance_m=max_distance_m,
        current=current,
        stability_m=stability_m,
    )
    problem = request.problem
    one_part = (
        np.zeros(len(request.grid_codes), dtype=np.int64),
        np.zeros(len(request.member_ids), dtype=np.int64),
    )
    parts = [one_part]
    if by is not None:
        grid_part, _ = _labels(grids, by, request)
        parts = [(grid_part, member_parts(problem, grid_part))]
        parts += [one_part] if measure_loss else []
    found, *whole = solve_pieces(problem, executor, parts)
    posts = _posts(request, found)
    fixed_m = int(posts.distance[posts.fixed & ~np.isnan(posts.distance)].sum())
    shortages = None
    if explain is not None:
        shortages = explain_shortages(request, found, *_labels(grids, explain, request))
    return Staffing(
        posts.frame(request),
        _vacancies(request, found, posts, *parts[0]),
        int(found.distance.sum()) + fixed_m,
        found.lower_bound + fixed_m,
        request.unplaced,
        request.warnings,
        len(problem.held) - int((posts.kept & ~posts.fixed).sum()),
        _loss(found, whole[0]) if whole else None,
        shortages,
    )


def _labels(grids: gpd.GeoDataFrame, column: str, request: Request) -> tuple[Ints, NDArray[Any]]:
    """The part of each grid that a column names, and the names, in order."""
    if column not in grids.columns:
        raise InputError(f"the grids have no column '{column}'", field=column)
    values = grids[column]
    missing = np.flatnonzero(values.isna())
    if len(missing):
        raise InputError("a grid belongs nowhere", row=int(missing[0]) + 1, field=column)
    part, names = pd.factorize(values.astype(str), sort=True)
    order = pd.Index(grids["grid_code"].astype(str)).get_indexer(request.grid_codes)
    return part[order].astype(np.int64), np.array(names, dtype=object)


def _loss(found: Found, whole: Found) -> Loss:
    return Loss(
        len(whole.member) - len(found.member),
        int(found.distance.sum()) - int(whole.distance.sum()),
    )


@dataclass(frozen=True, slots=True)
class _Posts:
    """All posts as positions; ``role`` may be one that the team does not need."""

    member: Ints
    grid: Ints
    role: Ints
    names: NDArray[Any]
    distance: Floats
    fixed: Flags
    kept: Flags

    def frame(self, request: Request) -> pd.DataFrame:
        """Posts ordered by grid, role and member."""
        nearest_first = np.lexsort((self.role, self.grid, self.distance, self.member))
        ranked = self.member[nearest_first]
        second = np.zeros(len(ranked), dtype=bool)
        second[nearest_first[1:]] = ranked[1:] == ranked[:-1]
        order = np.lexsort((self.member, self.role, self.grid))
        distance = pd.Series(self.distance[order])
        return pd.DataFrame(
            {
                "member_id": pd.Series(request.member_ids[self.member[order]], dtype="str"),
                "grid_code": pd.Series(request.grid_codes[self.grid[order]], dtype="str"),
                "role": pd.Series(self.names[self.role[order]], dtype="str"),
                "distance_m": distance.astype("Int64" if distance.hasnans else "int64"),
                "second": second[order],
                "kept": self.kept[order],
            }
        )


def _posts(request: Request, found: Found) -> _Posts:
    """The posts found and those that are fixed."""
    problem, fixed = request.problem, request.fixed
    names = pd.Index(request.roles).append(pd.Index(fixed["role"])).unique()
    member = fixed["member"].to_numpy(dtype=np.int64)
    grid = fixed["grid"].to_numpy(dtype=np.int64)
    step = problem.member_xy[member] - problem.grid_xy[grid]
    slots = max(problem.demand.size, 1)
    slot = found.role * len(request.grid_codes) + found.grid
    kept = np.isin(found.member * slots + slot, problem.held[:, 0] * slots + problem.held[:, 1])
    return _Posts(
        np.concatenate([found.member, member]),
        np.concatenate([found.grid, grid]),
        np.concatenate([found.role, names.get_indexer(fixed["role"])]),
        names.to_numpy(dtype=object),
        np.concatenate([found.distance, np.rint(np.hypot(step[:, 0], step[:, 1]))]),
        np.arange(len(found.member) + len(fixed)) >= len(found.member),
        np.concatenate([kept, np.ones(len(fixed), dtype=bool)]),
    )


def _vacancies(
    request: Request, found: Found, posts: _Posts, grid_part: Ints, member_part: Ints
) -> pd.DataFrame:
    """What the grids lack, with the reason."""
    missing = request.problem.demand.copy()
    np.subtract.at(missing, (found.role, found.grid), 1)
    at_grid, at_role = np.nonzero(missing.T)
    reasons = vacancy_reasons(
        request, at_grid, at_role, posts.member, posts.role, grid_part, member_part
    )
    return pd.DataFrame(
        {
            "grid_code": pd.Series(request.grid_codes[at_grid], dtype="str"),
            "role": pd.Series(request.roles[at_role], dtype="str"),
            "missing": missing[at_role, at_grid],
            "reason": pd.Series(reasons, dtype="str"),
        }
    )
