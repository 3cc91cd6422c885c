"""Grids x members -> posts and vacancies."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from geodata.staff.explain import vacancy_reasons
from geodata.staff.flow import solve
from geodata.staff.problem import StaffingProblem, role_groups, state_problem

__all__ = ["Staffing", "staff"]


@dataclass(frozen=True, slots=True)
class Staffing:
    """Posts and vacancies of all grids.

    Attributes
    ----------
    posts : DataFrame
        ``member_id``, ``grid_code``, ``role``, ``distance_m`` (whole metres), ``second`` (True
        for every post of a member but the nearest); ordered by grid, role, member.
    vacancies : DataFrame
        ``grid_code``, ``role``, ``missing`` (posts), ``reason``.
    total_distance_m, lower_bound_m : int
        The total distance, and what no staffing that fills as many posts can go below. Equal:
        the staffing is a certified optimum.
    unplaced : tuple of str
        Members without a place, who hold no post.
    warnings : tuple of str
        What the reader should know: members without a place, roles that no team needs.
    """

    posts: pd.DataFrame
    vacancies: pd.DataFrame
    total_distance_m: int
    lower_bound_m: int
    unplaced: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def staff(
    grids: gpd.GeoDataFrame,
    members: gpd.GeoDataFrame,
    team: Mapping[str, int],
    *,
    max_posts: int = 2,
    max_distance_m: float | None = None,
    executor: Executor | None = None,
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
        Groups of roles that have no member in common are problems of their own, and are solved
        through it side by side. The result is the same as without.

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
        The flow is too large for the solver.
    """
    problem, unplaced, warnings = state_problem(grids, members, team, max_posts, max_distance_m)
    groups = role_groups(problem.eligible)
    parts = [problem.part(roles) for roles in groups]
    stated = [part for part, _ in parts]
    if executor is not None and len(stated) > 1:
        solutions = list(executor.map(solve, stated))
    else:
        solutions = [solve(part) for part in stated]

    member = _joined([who[s.member] for (_, who), s in zip(parts, solutions, strict=True)])
    role = _joined([roles[s.role] for roles, s in zip(groups, solutions, strict=True)])
    grid = _joined([s.grid for s in solutions])
    distance = _joined([s.distance for s in solutions])
    return Staffing(
        _posts(problem, member, role, grid, distance),
        _vacancies(problem, member, role, grid),
        int(distance.sum()),
        sum(solution.lower_bound for solution in solutions),
        unplaced,
        warnings,
    )


def _joined(arrays: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    return np.concatenate([np.empty(0, dtype=np.int64), *arrays])


def _posts(
    problem: StaffingProblem,
    member: NDArray[np.int64],
    role: NDArray[np.int64],
    grid: NDArray[np.int64],
    distance: NDArray[np.int64],
) -> pd.DataFrame:
    """Posts ordered by grid, role and member; all but the nearest of a member are second posts."""
    nearest_first = np.lexsort((role, grid, distance, member))
    ranked = member[nearest_first]
    second = np.zeros(len(member), dtype=bool)
    second[nearest_first[1:]] = ranked[1:] == ranked[:-1]
    order = np.lexsort((member, role, grid))
    return pd.DataFrame(
        {
            "member_id": pd.Series(problem.member_ids[member[order]], dtype="str"),
            "grid_code": pd.Series(problem.grid_codes[grid[order]], dtype="str"),
            "role": pd.Series(problem.roles[role[order]], dtype="str"),
            "distance_m": distance[order],
            "second": second[order],
        }
    )


def _vacancies(
    problem: StaffingProblem,
    member: NDArray[np.int64],
    role: NDArray[np.int64],
    grid: NDArray[np.int64],
) -> pd.DataFrame:
    filled = np.zeros((len(problem.grid_codes), len(problem.roles)), dtype=np.int64)
    np.add.at(filled, (grid, role), 1)
    missing = problem.demand[None, :] - filled
    at_grid, at_role = np.nonzero(missing)
    reasons = vacancy_reasons(problem, at_grid, at_role, member, role)
    return pd.DataFrame(
        {
            "grid_code": pd.Series(problem.grid_codes[at_grid], dtype="str"),
            "role": pd.Series(problem.roles[at_role], dtype="str"),
            "missing": missing[at_grid, at_role],
            "reason": pd.Series(reasons, dtype="str"),
        }
    )
