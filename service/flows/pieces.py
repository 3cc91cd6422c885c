"""Households placed by workers: in pieces that lie together, each with the grids about it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import replace
from itertools import islice
from math import ceil, sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray

from geodata.assign import Found, Piece, place_piece
from geodata.calls import work_off
from service.flows.ledger import EXCEPTION, Placed
from service.flows.pages import Grids, Page, settle

__all__ = ["settle_by_workers"]

#: Pages that are cut into pieces together: the more, the fewer grids go out more than once where
#: the households are in no order.
_PAGES_TOGETHER: Final = 40
#: Households of a piece.
_PIECE_ROWS: Final = 25_000


def settle_by_workers(
    executor: Executor, pages: Iterable[Page], grids: Grids, now: int
) -> Iterator[Placed]:
    """Place the households of pages as :func:`service.flows.pages.settle` does, on workers.

    They come in another order. Each worker gets the places and the grids within reach of them; how
    far an exception is from the nearest grid is measured here.
    """
    sent = (_sent(piece, grids) for piece in _pieces(pages))
    for (piece, rows), found in work_off(sent, place_piece, executor, package="geodata"):
        yield settle(piece, grids, now, _of_all(piece, grids, rows, found))


def _sent(piece: Page, grids: Grids) -> tuple[tuple[Page, NDArray[np.int32]], Piece]:
    near, rows = grids.placer.about(piece.x, piece.y)
    return (piece, rows), Piece(near, piece.x, piece.y)


def _of_all(piece: Page, grids: Grids, rows: NDArray[np.int32], found: Found) -> Found:
    """Rows of the grids about the piece as rows of all grids."""
    position, method, distance = found
    inside = position >= 0
    position[inside] = rows[position[inside]]
    outside = np.flatnonzero(method == EXCEPTION)
    if len(outside):
        places = piece.x[outside], piece.y[outside]
        position[outside], method[outside], distance[outside] = grids.placer.place(*places)
    return position, method, distance


def _pieces(pages: Iterable[Page]) -> Iterator[Page]:
    """The households of pages, cut into strips from west to east and those from south to north."""
    source = iter(pages)
    while some := list(islice(source, _PAGES_TOGETHER)):
        whole = Page.joined(some)
        west_to_east = np.argsort(whole.x, kind="stable")
        pieces = ceil(len(west_to_east) / _PIECE_ROWS)
        strips = ceil(sqrt(pieces))
        for strip in np.array_split(west_to_east, strips):
            upwards = strip[np.argsort(whole.y[strip], kind="stable")]
            for rows in np.array_split(upwards, ceil(pieces / strips)):
                if len(rows):
                    yield replace(
                        whole,
                        household=whole.household[rows], weight=whole.weight[rows],
                        x=whole.x[rows], y=whole.y[rows],
                    )  # fmt: skip
