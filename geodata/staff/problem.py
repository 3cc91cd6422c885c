"""The staffing problem as numbers: who may hold which post, and where everyone is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components

__all__ = ["StaffingProblem", "role_groups"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class StaffingProblem:
    """Members, grids and roles in canonical order (by id, by code, as in the team).

    A slot is a role of a grid: ``slot = role * grids + grid``.

    Attributes
    ----------
    member_xy, grid_xy : ndarray of float64, shape (m, 2), (g, 2)
        Metres.
    capacity : ndarray of int64, shape (m,)
        Posts a member may take.
    demand : ndarray of int64, shape (r, g)
        Posts to be filled.
    eligible : ndarray of bool, shape (m, r)
    held : ndarray of int64, shape (h, 2)
        Posts held so far that may stay, each once: member, slot.
    barred : ndarray of int64, shape (b, 2)
        Posts that are not to be given, because the member has them for good: member, slot.
    max_distance : float
        Metres; infinite when there is no limit.
    stability : int
        Metres that the total distance has to fall for each post that changes hands.
    """

    member_xy: Floats
    grid_xy: Floats
    capacity: Ints
    demand: Ints
    eligible: Flags
    held: Ints
    barred: Ints
    max_distance: float = np.inf
    stability: int = 0

    def with_held(self, chosen: Flags) -> StaffingProblem:
        """The problem in which only some of the posts held may stay."""
        return replace(self, held=self.held[chosen])

    def part(self, roles: Ints) -> tuple[StaffingProblem, Ints]:
        """The problem of some roles alone.

        Parameters
        ----------
        roles : ndarray of int64
            Positions, ascending.

        Returns
        -------
        problem : StaffingProblem
        members : ndarray of int64
            Positions of its members in the whole: those who are eligible and have a post to take.
        """
        chosen = self.eligible[:, roles].any(axis=1) & (self.capacity > 0)
        who = np.flatnonzero(chosen)
        grids = len(self.grid_xy)
        new_member = np.cumsum(chosen) - 1
        new_role = np.full(len(self.demand), -1, dtype=np.int64)
        new_role[roles] = np.arange(len(roles))

        def pairs(old: Ints) -> Ints:
            role, grid = np.divmod(old[:, 1], max(grids, 1))
            inside = (new_role[role] >= 0) & chosen[old[:, 0]]
            slot = new_role[role[inside]] * grids + grid[inside]
            return np.column_stack([new_member[old[inside, 0]], slot])

        return StaffingProblem(
            self.member_xy[who],
            self.grid_xy,
            self.capacity[who],
            self.demand[roles],
            self.eligible[np.ix_(who, roles)],
            pairs(self.held),
            pairs(self.barred),
            self.max_distance,
            self.stability,
        ), who

    def split(
        self, grid_part: Ints, member_part: Ints
    ) -> Iterator[tuple[StaffingProblem, Ints, Ints]]:
        """The problems of the parts that grids and members fall into, from the first on.

        Parameters
        ----------
        grid_part, member_part : ndarray of int64, shape (g,), (m,)
            The part of each, from 0 on.

        Yields
        ------
        problem, grids, members
            A problem without the posts across parts, and positions in the whole.
        """
        parts = int(max(grid_part.max(initial=-1), member_part.max(initial=-1))) + 1
        grids, grid_start, grid_rank = _grouped(grid_part, parts)
        members, member_start, member_rank = _grouped(member_part, parts)

        def pairs(old: Ints) -> list[Ints]:
            role, grid = np.divmod(old[:, 1], max(len(grid_part), 1))
            part = grid_part[grid]
            inside = part == member_part[old[:, 0]]
            part, role, grid, member = part[inside], role[inside], grid[inside], old[inside, 0]
            slot = role * np.diff(grid_start)[part] + grid_rank[grid]
            order, start, _ = _grouped(part, parts)
            new = np.column_stack([member_rank[member], slot])[order]
            return [new[start[k] : start[k + 1]] for k in range(parts)]

        held, barred = pairs(self.held), pairs(self.barred)
        for k in range(parts):
            g = grids[grid_start[k] : grid_start[k + 1]]
            m = members[member_start[k] : member_start[k + 1]]
            yield (
                replace(
                    self,
                    member_xy=self.member_xy[m],
                    grid_xy=self.grid_xy[g],
                    capacity=self.capacity[m],
                    demand=self.demand[:, g],
                    eligible=self.eligible[m],
                    held=held[k],
                    barred=barred[k],
                ),
                g,
                m,
            )


def _grouped(part: Ints, parts: int) -> tuple[Ints, Ints, Ints]:
    """Positions part by part, where each part begins, and the rank of each position in its part."""
    order = np.argsort(part, kind="stable")
    start = np.searchsorted(part[order], np.arange(parts + 1))
    rank = np.empty(len(part), dtype=np.int64)
    rank[order] = np.arange(len(part)) - start[part[order]]
    return order, start, rank


def role_groups(eligible: Flags) -> list[Ints]:
    """Split the roles into groups that share no member: each group is a problem of its own."""
    together = eligible.astype(np.float32)
    _, group = connected_components(together.T @ together > 0, directed=False)
    return [np.flatnonzero(group == k) for k in np.unique(group)]
