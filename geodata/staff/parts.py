"""A staffing problem in pieces: roles that share no member, and parts of the land.

The first split is exact. The second forbids posts across the border of two parts, which may cost
posts and metres; the loss says how many.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from geodata.calls import work_off
from geodata.staff.flow import Solution, solve
from geodata.staff.problem import Ints, StaffingProblem, role_groups

__all__ = ["Found", "member_parts", "solve_pieces"]


@dataclass(frozen=True, slots=True)
class Found:
    """Posts of a whole problem.

    Attributes
    ----------
    member, role, grid, distance : ndarray of int64, shape (posts,)
    lower_bound : int
        Metres.
    """

    member: Ints
    role: Ints
    grid: Ints
    distance: Ints
    lower_bound: int


@dataclass(frozen=True, slots=True)
class _Piece:
    problem: StaffingProblem
    roles: Ints
    grids: Ints
    members: Ints


def solve_pieces(
    problem: StaffingProblem,
    executor: Executor | None,
    parts: list[tuple[Ints, Ints]],
) -> list[Found]:
    """Solve a problem, each time split into other parts.

    Parameters
    ----------
    problem : StaffingProblem
    executor : concurrent.futures.Executor, optional
        Through which the pieces are solved side by side; by default a thread a processor.
    parts : list of (ndarray, ndarray)
        For each answer wanted, the part of every grid and of every member, as for
        :meth:`StaffingProblem.split`.
    """
    groups = role_groups(problem.eligible[problem.capacity > 0])

    def pieces() -> Iterator[tuple[int, _Piece]]:
        for answer, (grid_part, member_part) in enumerate(parts):
            for part, grids, members in problem.split(grid_part, member_part):
                for roles in groups:
                    piece, who = part.part(roles)
                    if len(grids) and len(who):
                        yield answer, _Piece(piece, roles, grids, members[who])

    # the largest first: it would be the last to end
    every = sorted(pieces(), key=lambda entry: -len(entry[1].members))
    found: list[list[tuple[_Piece, Solution]]] = [[] for _ in parts]
    with ExitStack() as stack:
        if executor is None:
            executor = stack.enter_context(ThreadPoolExecutor(os.cpu_count()))
        calls = ((place, piece.problem) for place, (_, piece) in enumerate(every))
        solved = dict(work_off(calls, solve, executor, package="geodata"))
    for place, (answer, piece) in enumerate(every):
        found[answer].append((piece, solved[place]))
    return [_together(each) for each in found]


def _together(found: list[tuple[_Piece, Solution]]) -> Found:
    def joined(arrays: list[Ints]) -> Ints:
        return np.concatenate([np.empty(0, dtype=np.int64), *arrays])

    return Found(
        joined([piece.members[solution.member] for piece, solution in found]),
        joined([piece.roles[solution.role] for piece, solution in found]),
        joined([piece.grids[solution.grid] for piece, solution in found]),
        joined([solution.distance for _, solution in found]),
        sum(solution.lower_bound for _, solution in found),
    )


def member_parts(problem: StaffingProblem, grid_part: Ints) -> Ints:
    """The part of each member: where most of their posts are, else that of the nearest grid."""
    part = np.zeros(len(problem.capacity), dtype=np.int64)
    able = np.flatnonzero(problem.capacity > 0)
    if not len(grid_part):
        return part
    _, nearest = cKDTree(problem.grid_xy).query(problem.member_xy[able], workers=-1)
    part[able] = grid_part[nearest]
    parts = int(grid_part.max()) + 1
    where = grid_part[problem.held[:, 1] % len(grid_part)]
    key, posts = np.unique(problem.held[:, 0] * parts + where, return_counts=True)
    # ascending in posts, so that the most stands last; of equals the lowest part
    order = np.lexsort((-key, posts))
    part[key[order] // parts] = key[order] % parts
    return part
