"""Where which role is short, of what, and who would come if the distance did not matter."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from geodata.staff.inputs import Request
from geodata.staff.parts import Found, solve_pieces
from geodata.staff.problem import Flags, Ints

__all__ = ["Shortages", "explain_shortages"]


@dataclass(frozen=True, slots=True)
class Shortages:
    """Roles that are short somewhere.

    Attributes
    ----------
    table : DataFrame
        One row a role and division with vacant posts: ``role``, ``division``, ``needed`` (posts),
        ``eligible`` (people with the role and a place whose nearest grid is in the division),
        ``in_reach`` (people with the role within the largest distance of one of its grids),
        ``filled`` (posts that can be filled; the staffing is an optimum), ``missing``, and
        ``relieved`` (posts of these that people farther away would fill).
    relief : DataFrame
        Who would fill them if nobody else moved and the distance did not matter: ``role``,
        ``division``, ``grid_code``, ``member_id``, ``distance_m``. Empty without a limit.
    """

    table: pd.DataFrame
    relief: pd.DataFrame


def explain_shortages(
    request: Request, found: Found, division: Ints, names: NDArray[Any]
) -> Shortages:
    """Explain the vacancies of a staffing by role and division.

    Parameters
    ----------
    request : Request
    found : Found
        Posts that were given in addition to the fixed ones.
    division : ndarray of int64, shape (g,)
        The division of each grid.
    names : ndarray of str
        What the divisions are called.
    """
    problem = request.problem
    missing = problem.demand.copy()
    np.subtract.at(missing, (found.role, found.grid), 1)
    short = np.stack([np.bincount(division, row, len(names)) for row in missing]).astype(np.int64)
    grids = np.bincount(division, minlength=len(names))
    relief = _relief(request, found, missing)
    relieved = np.zeros_like(short)
    np.add.at(relieved, (relief.role, division[relief.grid]), 1)
    role, where = np.nonzero(short)
    needed = request.team[role] * grids[where]
    eligible, in_reach = _people(request, division, short)
    table = pd.DataFrame(
        {
            "role": pd.Series(request.roles[role], dtype="str"),
            "division": pd.Series(names[where], dtype="str"),
            "needed": needed,
            "eligible": eligible[role, where],
            "in_reach": in_reach[role, where],
            "filled": needed - short[role, where],
            "missing": short[role, where],
            "relieved": relieved[role, where],
        }
    )
    order = np.lexsort((relief.member, relief.grid, relief.role))
    return Shortages(
        table,
        pd.DataFrame(
            {
                "role": pd.Series(request.roles[relief.role[order]], dtype="str"),
                "division": pd.Series(names[division[relief.grid[order]]], dtype="str"),
                "grid_code": pd.Series(request.grid_codes[relief.grid[order]], dtype="str"),
                "member_id": pd.Series(request.member_ids[relief.member[order]], dtype="str"),
                "distance_m": relief.distance[order],
            }
        ),
    )


def _relief(request: Request, found: Found, missing: Ints) -> Found:
    """Posts that would be filled on top without the limit, by those who have posts to spare."""
    problem = request.problem
    grids = len(request.grid_codes)
    if np.isinf(problem.max_distance) or not missing.any():
        none = np.empty(0, dtype=np.int64)
        return Found(none, none, none, none, 0)
    taken = np.bincount(found.member, minlength=len(problem.capacity))
    given = np.column_stack([found.member, found.role * grids + found.grid])
    rest = replace(
        problem,
        capacity=problem.capacity - taken,
        demand=missing,
        held=np.empty((0, 2), dtype=np.int64),
        barred=np.concatenate([problem.barred, given]),
        max_distance=np.inf,
    )
    everywhere = np.zeros(grids, dtype=np.int64), np.zeros(len(taken), dtype=np.int64)
    (relief,) = solve_pieces(rest, None, [everywhere])
    return relief


def _people(request: Request, division: Ints, short: Ints) -> tuple[Ints, Ints]:
    """People by role and division: those who live there, and those within the largest distance."""
    problem = request.problem
    at_home, in_reach = np.zeros_like(short), np.zeros_like(short)
    by_division = np.argsort(division, kind="stable")
    start = np.searchsorted(division[by_division], np.arange(short.shape[1] + 1))
    able: Flags = request.placed & (request.limit > 0)
    whole = cKDTree(problem.grid_xy)
    for role in np.flatnonzero(short.any(axis=1)):
        xy = problem.member_xy[able & problem.eligible[:, role]]
        if not len(xy):
            continue
        _, nearest = whole.query(xy, workers=-1)
        at_home[role] = np.bincount(division[nearest], minlength=short.shape[1])
        if np.isinf(problem.max_distance):
            in_reach[role] = len(xy)
            continue
        people = cKDTree(xy)
        for k in np.flatnonzero(short[role]):
            places = problem.grid_xy[by_division[start[k] : start[k + 1]]]
            centre = (places.min(axis=0) + places.max(axis=0)) / 2
            radius = float(np.hypot(*(places - centre).T).max()) + problem.max_distance
            near = people.query_ball_point(centre, radius + 1.0)
            away, _ = cKDTree(places).query(xy[near])
            in_reach[role, k] = int((away <= problem.max_distance).sum())
    return at_home, in_reach
