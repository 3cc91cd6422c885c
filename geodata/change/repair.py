"""Households that came or went: the fewest moves that bring the grids back into range.

A grid in range stays as it is. One that is not is mended by whichever of these leaves the fewest
households out of range and moves the fewest: an overload is shed along the shortest path of
neighbouring grids to where there is room, or the grid is split; an underload is pulled along the
shortest path from where there is a surplus, or the grid is merged with a neighbour. Where none of
these helps, a large building is exchanged for several small ones. Where that does not help either,
the grid and those around it are drawn anew, and at last the whole community.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from geodata.change.board import Board
from geodata.change.transfer import cost, divide, transfer, unite

__all__ = ["Repaired", "Step", "in_trouble", "repair"]

#: Borders that may turn out immovable before shedding or pulling is given up.
_FAILURES = 12
#: Room or surplus below this share of the target is not worth moving a border for.
_WORTHWHILE = 0.05
#: Paths of one length that are tried side by side.
_WIDTH = 4


@dataclass(frozen=True, slots=True)
class Step:
    """One remedy.

    Attributes
    ----------
    act : str
        ``shed``, ``split``, ``pull``, ``merge``, ``exchange``, ``neighbours`` (drawn anew) or
        ``community``.
    code : str
        The grid that was out of range.
    moved : int
        Households that changed their grid by it.
    """

    act: str
    code: str
    moved: int


@dataclass(frozen=True, slots=True)
class Repaired:
    """A community after its repair."""

    board: Board
    steps: tuple[Step, ...]


def in_trouble(board: Board) -> bool:
    """Whether a community has grids out of range that may be helped."""
    return bool(_troubled(board))


def repair(board: Board) -> Repaired:
    """Bring the grids of a community into range, moving few households."""
    steps: list[Step] = []
    hopeless: set[str] = set()
    while True:
        troubled = [code for code in _troubled(board) if code not in hopeless]
        if not troubled:
            return Repaired(board, tuple(steps))
        code = troubled[0]
        remedy = _gentlest(board, code)
        if remedy is None:
            hopeless.add(code)
            continue
        act, after = remedy
        steps.append(Step(act, code, after.moved_since(board)))
        board = after


def _troubled(board: Board) -> list[str]:
    """Grids out of range, the largest overload first; not those settled or past all help."""
    settled = board.site.settled
    beyond = dict(zip(board.codes, board.beyond.tolist(), strict=True))
    return [
        code
        for code in sorted(board.codes, key=lambda c: (-beyond[c], c))
        if abs(beyond[code]) > settled.get(code, 0.0) and not _forced(board, code)
    ]


def _forced(board: Board, code: str) -> bool:
    """Whether a grid is a single building above the maximum, or all of a small community."""
    if board.load(code) > board.site.limits.maximum:
        return len(board.places(code)) == 1
    return len(board.codes) == 1


def _gentlest(board: Board, code: str) -> tuple[str, Board] | None:
    """The remedy of a grid that moves the fewest households: its name, and the board after it.

    Of those that leave the fewest households out of range; the more drastic kinds are only looked
    at when the gentler ones do not help.
    """
    overload = bool(board.beyond[board.position(code)] > 0)
    local = _against_overload if overload else _against_underload
    for remedies in (local, _exchanged, _redrawn):
        helpful = [
            (act, after)
            for act, after in remedies(board, code)
            if after.violation < board.violation
        ]
        if helpful:
            return min(helpful, key=lambda r: (r[1].violation, r[1].moved_since(board)))
    return None


def _against_overload(board: Board, code: str) -> Iterator[tuple[str, Board]]:
    shed = _shifted(board, code, away=True)
    if shed is not None:
        yield "shed", shed
    if board.load(code) >= 2 * board.site.limits.minimum:
        split = divide(board, [code], board.site.limits)
        if split is not None:
            yield "split", split


def _against_underload(board: Board, code: str) -> Iterator[tuple[str, Board]]:
    pulled = _shifted(board, code, away=False)
    if pulled is not None:
        yield "pull", pulled
    for other in sorted(board.neighbours[code]):
        if board.load(code) + board.load(other) <= board.site.limits.maximum:
            yield "merge", unite(board, [code, other])


def _exchanged(board: Board, code: str) -> Iterator[tuple[str, Board]]:
    """A building that is too large for the room of a neighbour, which hands others on in turn."""
    beyond = float(board.beyond[board.position(code)])
    border = board.neighbours[code]
    for other in sorted(border, key=lambda n: (-border[n], n))[:_WIDTH]:
        giver, taker = (code, other) if beyond > 0 else (other, code)
        # either grid may leave the range: the second step brings it back, or the whole is refused
        given = transfer(board, giver, taker, abs(beyond), float(board.load(giver)))
        after = None if given is None else _shifted(given, other, away=beyond > 0)
        if after is not None:
            yield "exchange", after


def _redrawn(board: Board, code: str) -> Iterator[tuple[str, Board]]:
    """The grid and those around it drawn anew, in rings that grow until all are in range."""
    around = {code}
    while len(around) < len(board.codes):
        ring = around.union(*(board.neighbours[each] for each in around))
        if ring == around:
            break
        around = ring
        if len(around) == len(board.codes):
            break
        after = divide(board, sorted(around), board.site.limits)
        if after is not None:
            yield "neighbours", after
            wrong = sum(abs(board.beyond[board.position(each)]) for each in around)
            if after.violation <= board.violation - wrong:
                return
    after = divide(board, list(board.codes), board.site.limits)
    if after is not None:
        yield "community", after


def _shifted(board: Board, code: str, *, away: bool) -> Board | None:
    """The board after a grid gave its overload away or pulled what it lacks; None if it cannot."""
    immovable: set[tuple[str, str]] = set()
    while (need := abs(float(board.beyond[board.position(code)]))) > 0:
        best: Board | None = None
        for path, amount in _paths(board, code, need, immovable, away=away)[:_WIDTH]:
            after, failed = _relayed(board, path if away else path[::-1], amount)
            if failed is not None:
                immovable.add(failed if away else failed[::-1])
            elif best is None or cost(board, after) < cost(board, best):
                best = after
        if best is not None:
            board = best
        elif (
            not immovable
            or len(immovable) > _FAILURES
            or not _paths(board, code, need, immovable, away=away)
        ):
            return None
    return board


def _paths(
    board: Board, code: str, need: float, immovable: set[tuple[str, str]], *, away: bool
) -> list[tuple[list[str], float]]:
    """The shortest paths to grids with room (or surplus), and how much each can take (or give).

    Those that meet all of the need come first, then those with the longest first border.
    """
    limits = board.site.limits
    least = min(need, _WORTHWHILE * limits.target)
    level, seen = [[code]], {code}
    while level:
        found, following = [], []
        for path in level:
            for other in sorted(board.neighbours[path[-1]]):
                if other in seen or (path[-1], other) in immovable:
                    continue
                following.append([*path, other])
                load = board.load(other)
                room = limits.maximum - load if away else load - limits.minimum
                if room >= least:
                    found.append(([*path, other], min(need, room)))
        if found:
            border = board.neighbours[code]
            return sorted(found, key=lambda f: (-f[1], -border[f[0][1]], f[0]))
        # nothing passes through a grid that is out of range itself
        level = [path for path in following if board.beyond[board.position(path[-1])] == 0]
        seen |= {path[-1] for path in following}
    return []


def _relayed(board: Board, path: list[str], amount: float) -> tuple[Board, tuple[str, str] | None]:
    """Households handed on along a path, its far end first; and the border that did not move."""
    limits = board.site.limits
    for i in reversed(range(len(path) - 1)):
        giver, taker = path[i], path[i + 1]
        floor = limits.minimum if i == 0 else limits.minimum - amount
        ceiling = min(limits.maximum - board.load(taker), board.load(giver) - floor)
        after = transfer(board, giver, taker, amount, ceiling)
        if after is None:
            return board, (giver, taker)
        board = after
    return board, None
