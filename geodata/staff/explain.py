"""Why a post is vacant, in words."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from geodata.staff.problem import StaffingProblem

__all__ = ["vacancy_reasons"]


def vacancy_reasons(
    problem: StaffingProblem,
    grid: NDArray[np.int64],
    role: NDArray[np.int64],
    post_member: NDArray[np.int64],
    post_role: NDArray[np.int64],
) -> list[str]:
    """Explain the vacancy of each (grid, role).

    Parameters
    ----------
    problem : StaffingProblem
    grid, role : ndarray of int64, shape (vacancies,)
    post_member, post_role : ndarray of int64, shape (posts,)
        The posts that are filled.
    """
    reasons = [""] * len(grid)
    for r in np.unique(role):
        general = _shortage(problem, int(r), post_member, post_role)
        at = np.flatnonzero(role == r)
        reach = _within_reach(problem, int(r), grid[at])
        for k, near in zip(at, reach, strict=True):
            if near is None:
                reasons[k] = general
            elif near == 0:
                reasons[k] = (
                    f"{general}; none of them is within {problem.max_distance:g} m of this grid"
                )
            else:
                reasons[k] = (
                    f"{general}; the {near} within {problem.max_distance:g} m of this grid "
                    "hold other posts"
                )
    return reasons


def _shortage(
    problem: StaffingProblem,
    role: int,
    post_member: NDArray[np.int64],
    post_role: NDArray[np.int64],
) -> str:
    """Say how many posts of a role there are and who could hold them."""
    grids = len(problem.grid_codes)
    posts = int(problem.demand[role]) * grids
    eligible = problem.eligible[:, role]
    people = int(eligible.sum())
    text = f"{problem.roles[role]}: {_count(posts, 'post')}, "
    if not people:
        return text + "no eligible member"
    can_hold = int(np.minimum(problem.capacity[eligible], grids).sum())
    text += f"{_count(people, 'eligible member')} can hold {can_hold}"
    elsewhere = int((eligible[post_member] & (post_role != role)).sum())
    if elsewhere:
        text += f", of which {elsewhere} are in other roles"
    return text


def _within_reach(problem: StaffingProblem, role: int, grid: NDArray[np.int64]) -> list[int | None]:
    """Count eligible members within the largest distance of each grid; None without a limit."""
    who = problem.eligible[:, role]
    if np.isinf(problem.max_distance) or not who.any():
        return [None] * len(grid)
    near = cKDTree(problem.member_xy[who]).query_ball_point(
        problem.grid_xy[grid], problem.max_distance, return_length=True
    )
    return [int(count) for count in near]


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
