"""Why a post is vacant, in words."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from geodata.staff.inputs import Request
from geodata.staff.problem import Flags, Ints

__all__ = ["vacancy_reasons"]


def vacancy_reasons(
    request: Request,
    grid: Ints,
    role: Ints,
    post_member: Ints,
    post_role: Ints,
    grid_part: Ints,
    member_part: Ints,
) -> list[str]:
    """Explain the vacancy of each (grid, role).

    Parameters
    ----------
    request : Request
    grid, role : ndarray of int64, shape (vacancies,)
    post_member, post_role : ndarray of int64, shape (posts,)
        The posts that are filled; role -1 for one outside the team.
    grid_part, member_part : ndarray of int64
        The parts that are staffed by themselves.
    """
    reasons = [""] * len(grid)
    limit = request.problem.max_distance
    for r in np.unique(role):
        at = np.flatnonzero(role == r)
        parts = grid_part[grid[at]]
        general = {
            int(part): _shortage(
                request, int(r), post_member, post_role,
                int((grid_part == part).sum()), member_part == part,
            )
            for part in np.unique(parts)
        }  # fmt: skip
        reach = _within_reach(request, int(r), grid[at])
        for k, part, near in zip(at, parts, reach, strict=True):
            text = general[int(part)]
            if near == 0:
                text += f"; none of them is within {limit:g} m of this grid"
            elif near is not None:
                text += f"; the {near} within {limit:g} m of this grid hold other posts"
            reasons[k] = text
    return reasons


def _shortage(
    request: Request,
    role: int,
    post_member: Ints,
    post_role: Ints,
    grids: int,
    inside: Flags,
) -> str:
    """Say how many posts of a role there are in a part, and who could hold them."""
    posts = int(request.team[role]) * grids
    eligible = request.problem.eligible[:, role] & request.placed & (request.limit > 0) & inside
    people = int(eligible.sum())
    text = f"{request.roles[role]}: {_count(posts, 'post')}, "
    if not people:
        return text + "no eligible member"
    can_hold = int(np.minimum(request.limit[eligible], grids).sum())
    text += f"{_count(people, 'eligible member')} can hold {can_hold}"
    elsewhere = int((eligible[post_member] & (post_role != role)).sum())
    if elsewhere:
        text += f", of which {elsewhere} are in other roles"
    return text


def _within_reach(request: Request, role: int, grid: Ints) -> list[int | None]:
    """Count eligible members within the largest distance of each grid; None without a limit."""
    problem = request.problem
    who = problem.eligible[:, role] & request.placed & (request.limit > 0)
    if np.isinf(problem.max_distance) or not who.any():
        return [None] * len(grid)
    near = cKDTree(problem.member_xy[who]).query_ball_point(
        problem.grid_xy[grid], problem.max_distance, return_length=True, workers=-1
    )
    return [int(count) for count in near]


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
