"""Households of one grid to its neighbour, and a region drawn anew."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from geodata.change.atoms import GIVER, Wish, choices
from geodata.change.board import Board
from geodata.change.borders import Outline, finishes, redraw, united
from geodata.change.naming import handed_on
from geodata.delineate.community import solve
from geodata.delineate.energy import Weights
from geodata.delineate.graph import totals
from geodata.delineate.task import Limits, Task, merge_items, metric_area
from geodata.delineate.tiling import Tiling, item_face, tile

__all__ = ["cost", "divide", "follow", "transfer", "unite"]

#: Loads of atoms in relation to the target, and their area in relation to the giver's; finer than
#: for a whole community, because little is to be moved.
_COARSE, _FINE, _AREA = 0.06, 0.01, 0.15
#: Choices of atoms that are drawn, the best first.
_DRAWN = 5
#: Borders that are straightened gain or lose a few households: a little more is asked for as well.
_MARGINS = (0.0, 0.02)
#: What moving a target's worth of households costs beside a grid that is one rounder.
_MOVING = 15.0
#: What the square of a relative deviation costs in a region drawn anew.
_UNEVEN = 50.0
_NO_LINES = np.empty(0, dtype=object)


def transfer(board: Board, giver: str, taker: str, amount: float, ceiling: float) -> Board | None:
    """The board after a grid gave households to its neighbour.

    Parameters
    ----------
    board : Board
    giver, taker : str
        Codes of two grids with a common border.
    amount, ceiling : float
        Households to move, at the least and at the most.

    Returns
    -------
    Board or None
        None where no border moves so many and leaves both grids in one piece.
    """
    if not 0 < amount <= ceiling:
        return None
    own, others = board.split_by([giver, taker])
    outline = Outline.around(own, others, board.site.plane)
    grids = board.site.plane.to_metres(
        np.array([board.polygon(giver), board.polygon(taker)], dtype=object)
    )
    tiling, weights = _atoms(board, [giver, taker], outline, grids)
    graph = tiling.fine.graph
    inside = shapely.get_coordinates(shapely.point_on_surface(tiling.pieces))
    owner = np.empty(len(graph.load), dtype=np.int64)
    owner[tiling.fine.atom] = item_face(grids, inside)
    parts = sum(len(shapely.get_parts(grid)) for grid in grids)
    target = board.site.limits.target
    found = []
    for margin in _MARGINS:
        wish = Wish(min(amount + margin * target, ceiling), ceiling, target)
        for label in choices(graph, owner, wish, weights)[:_DRAWN]:
            pieces = label[tiling.fine.atom]
            found += [
                after
                for after in _drawn(board, outline, [giver, taker], tiling.pieces, pieces, parts)
                if amount <= board.load(giver) - after.load(giver) <= ceiling
            ]
    return min(found, key=lambda after: cost(board, after), default=None)


def cost(before: Board, after: Board) -> float:
    """What a change costs, in compactness and in households moved."""
    moved = after.moved_since(before) / before.site.limits.target
    return after.raggedness - before.raggedness + _MOVING * moved


def _atoms(
    board: Board, codes: list[str], outline: Outline, grids: NDArray[Any]
) -> tuple[Tiling, Weights]:
    """Some grids cut into atoms, none of which lies in two of them."""
    site = board.site
    rows = board.members(codes)
    lines, price = _barriers_near(board, outline.frame)
    weights = Weights(cut_cost=1.0) if site.barriers is None else Weights()
    tiling = tile(
        metric_area(outline.frame, site.plane),
        merge_items(site.metres[rows], site.load[rows]),
        site.plane.to_metres(lines) if lines is not None else _NO_LINES,
        price if price is not None else np.empty(0),
        coarse=_COARSE * site.limits.target,
        fine=_FINE * site.limits.target,
        area_cap=_AREA * float(shapely.area(grids[GIVER])),
        cut_cost=weights.cut_cost,
        within=grids,
    )
    return tiling, weights


def _barriers_near(
    board: Board, area: Any
) -> tuple[NDArray[Any] | None, NDArray[np.float64] | None]:
    site = board.site
    if site.barriers is None or site.price is None:
        return None, None
    shapely.prepare(area)
    near = np.flatnonzero(shapely.intersects(area, site.barriers))
    return site.barriers[near], site.price[near]


def _drawn(
    board: Board,
    outline: Outline,
    codes: list[str],
    pieces: NDArray[Any],
    label: NDArray[np.int64],
    parts: int,
) -> Iterator[Board]:
    """Boards in which the grids ``codes`` give way to the labelled pieces.

    Only such as tile exactly and consist of no more than so many ``parts``.
    """
    for finish in finishes(board.site.barriers is not None):
        metric = redraw(outline, pieces, label, finish)
        if metric is None:
            continue
        shapes = np.array([outline.back(shape, board.site.plane) for shape in metric])
        if _tile(shapes, outline.frame) and len(shapely.get_parts(shapes)) <= parts:
            names = _names(board, codes, shapes)
            yield board.with_grids(codes, dict(zip(names, shapes, strict=True)))


def _tile(shapes: NDArray[Any], area: Any) -> bool:
    """Whether polygons tile an area exactly but for the rounding of vertices."""
    surplus = abs(float(shapely.area(shapes).sum()) - area.area)
    return bool(
        shapely.is_valid(shapes).all()
        and shapely.coverage_is_valid(shapes)
        and surplus <= 1e-9 * area.area
    )


def unite(board: Board, codes: list[str]) -> Board:
    """The board with some grids put together; the heaviest keeps its code."""
    keeper = min(codes, key=lambda code: (-board.load(code), code))
    return board.with_grids(codes, {keeper: united(board.split_by(codes)[0])})


def divide(board: Board, codes: list[str], limits: Limits) -> Board | None:
    """The board with a region drawn anew; new grids keep the codes that most households know.

    Parameters
    ----------
    board : Board
    codes : list of str
        The grids of the region.
    limits : Limits
        Of the new grids.

    Returns
    -------
    Board or None
        None where the region cannot be divided, or not be drawn.
    """
    site = board.site
    own, others = board.split_by(codes)
    outline = Outline.around(own, others, site.plane)
    rows = board.members(codes)
    lines, price = _barriers_near(board, outline.frame)
    solved = solve(
        Task(
            code=site.code, area=outline.frame, plane=site.plane, xy=site.xy[rows],
            load=site.load[rows], barriers=lines, price=price, limits=limits, seed=site.seed,
        )
    )  # fmt: skip
    if len(solved.grids) < 2:
        return None
    pieces = site.plane.to_metres(solved.grids)
    label = np.arange(len(pieces))
    share = board.site.load[rows].sum() / len(pieces)

    def rank(after: Board) -> tuple[float, float]:
        loads = np.array([after.load(code) for code in after.codes if code not in untouched])
        uneven = ((loads - share) ** 2).sum() / max(share, 1.0) ** 2
        return after.violation, after.raggedness + _UNEVEN * float(uneven)

    untouched = set(board.codes) - set(codes)
    drawn = _drawn(board, outline, codes, pieces, label, int(solved.parts.sum()))
    return min(drawn, key=rank, default=None)


def follow(board: Board, code: str, line: Any) -> Board | None:
    """The board with a grid divided along a line, in the units of the frame.

    None where the line does not divide it into two.
    """
    site = board.site
    own, others = board.split_by([code])
    outline = Outline.around(own, others, site.plane)
    rows = board.members([code])
    tiling = tile(
        metric_area(outline.frame, site.plane), merge_items(site.metres[rows], site.load[rows]),
        np.array([site.plane.to_metres(line)], dtype=object), np.ones(1),
        coarse=np.inf, fine=np.inf, area_cap=np.inf, cut_cost=1.0,
    )  # fmt: skip
    if len(tiling.pieces) != 2:
        return None
    # the line is the planner's: it is not straightened
    exact = replace(board, site=replace(site, barriers=_NO_LINES, price=np.empty(0)))
    drawn = next(_drawn(exact, outline, [code], tiling.pieces, np.arange(2), 2), None)
    return None if drawn is None else replace(drawn, site=site)


def _names(board: Board, codes: list[str], shapes: NDArray[Any]) -> list[str]:
    """A code for each new grid: that of the old one which shares most with it, or a fresh one.

    Land decides where households do not: a grid without them keeps its code too.
    """
    site, rows = board.site, board.members(codes)
    owner = item_face(site.plane.to_metres(shapes), site.metres[rows])
    known = sorted(codes)
    place = np.searchsorted([board.position(code) for code in known], board.owner[rows])
    cell = owner * len(known) + place
    common = totals(cell, site.load[rows], len(shapes) * len(known))
    common = common.reshape(len(shapes), len(known))
    old = np.array([board.polygon(code) for code in known], dtype=object)
    i, j = shapely.STRtree(old).query(shapes, predicate="intersects")
    land = shapely.area(shapely.intersection(shapes[i], old[j]))
    np.add.at(common, (i, j), 0.5 * land / shapely.area(shapes).sum())
    names = [None if at < 0 else known[at] for at in handed_on(common).tolist()]
    fresh = iter(board.fresh_codes(len(shapes)))
    return [name or next(fresh) for name in names]
