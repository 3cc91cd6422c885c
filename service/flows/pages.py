"""Households and grids out of PostGIS page by page, and the households of a page placed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Any, Final

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from geodata.assign import Found, Placer
from geodata.schema import METHODS, STORAGE_CRS
from service.db.arrays import read_arrays_of
from service.db.statements import load_statements
from service.flows.ledger import EXCEPTION, MANUAL, Placed

__all__ = ["Grids", "Page", "read_grids", "read_pages", "reader_beside", "settle"]

_SQL = load_statements("service.flows", "assign.sql")

#: Households that are read, placed and written together.
_PAGE_ROWS: Final = 100_000
#: Grids that are read together.
_PAGE_GRIDS: Final = 100_000
#: A point in well-known binary.
_POINT: Final = np.dtype([("order", "u1"), ("kind", "<u4"), ("x", "<f8"), ("y", "<f8")])


@dataclass(frozen=True, slots=True)
class Grids:
    """Grids ready to place households, and the id of each."""

    placer: Placer
    ids: NDArray[np.int32]


def read_grids(session: Session, block: str, tolerance_m: float) -> Grids:
    """Read the grids of a block of ``assign.sql``."""
    pages = list(_grid_pages(session, block, tolerance_m))
    codes = [code for _, some, _ in pages for code in some]
    polygons = [polygon for _, _, some in pages for polygon in some]
    grids = gpd.GeoDataFrame({"grid_code": codes}, geometry=polygons, crs=STORAGE_CRS)
    ids = np.concatenate([np.empty(0, np.int32), *(some for some, _, _ in pages)])
    return Grids(Placer(grids, tolerance_m), ids.astype(np.int32))


def _grid_pages(
    session: Session, block: str, margin_m: float
) -> Iterator[tuple[NDArray[np.int32], list[str], Any]]:
    values = {"margin_m": margin_m, "after": -1, "rows": _PAGE_GRIDS}
    while True:
        page = read_arrays_of(session, _SQL[block], values)
        ids, code_sizes, codes, polygon_sizes, polygons = page
        if not len(ids):
            return
        values["after"] = int(ids[-1])
        texts = [each.decode() for each in _cut(codes, code_sizes)]
        yield ids, texts, shapely.from_wkb(_cut(polygons, polygon_sizes))


def _cut(packed: NDArray[np.uint8], sizes: NDArray[np.int32]) -> list[bytes]:
    """Pieces of these sizes that lie end to end."""
    whole = packed.tobytes()
    ends = np.cumsum(sizes, dtype=np.int64).tolist()
    return [whole[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]


@dataclass(frozen=True, slots=True)
class Page:
    """Households, and the ledger of those that it knows, in the order of their ids."""

    household: NDArray[np.int64]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    weight: NDArray[np.int32]
    known: NDArray[np.int64]
    grid: NDArray[np.int32]
    method: NDArray[np.int16]
    at: NDArray[np.int64]

    @classmethod
    def joined(cls, pages: Sequence[Page]) -> Page:
        """Pages that follow one another as one."""
        return cls(
            *(np.concatenate([getattr(page, each.name) for page in pages]) for each in fields(cls))
        )


def read_pages(session: Session, dataset_id: int, block: str, standing: str) -> Iterator[Page]:
    """Read households by the blocks of ``assign.sql`` for them and for their ledger."""
    after = -1
    while True:
        values = {"dataset_id": dataset_id, "after": after, "rows": _PAGE_ROWS}
        household, weight, packed = read_arrays_of(session, _SQL[block], values)
        if not len(household):
            return
        points = packed.view(_POINT)
        x, y = points["x"].copy(), points["y"].copy()
        after = int(household[-1])
        bounds = {"first": int(household[0]), "last": after, "methods": list(METHODS)}
        known, grid, method, at = read_arrays_of(session, _SQL[standing], bounds)
        yield Page(household, x, y, weight, known, grid, method, at)


def settle(page: Page, grids: Grids, now: int, found: Found | None = None) -> Placed:
    """Place the households of a page, if they are not placed yet, and compare with the ledger."""
    placer, ids = grids.placer, grids.ids
    position, method, distance = found or placer.place(page.x, page.y)
    grid = np.where(position >= 0, ids[position] if len(ids) else -1, -1).astype(np.int32)
    # the row of the ledger of each household, if it has one
    row = np.minimum(np.searchsorted(page.known, page.household), max(len(page.known) - 1, 0))
    known = np.zeros(len(grid), dtype=bool)
    before_grid, before_method, at = np.full((3, len(grid)), -1, dtype=np.int64)
    at[:] = now
    if len(page.known):
        known = page.known[row] == page.household
        before_grid[known] = page.grid[row[known]]
        before_method[known] = page.method[row[known]]
    by_hand = (before_method == MANUAL) & np.isin(before_grid, ids)
    method[by_hand] = MANUAL
    same = known & ~by_hand & (method != EXCEPTION)
    same &= (before_grid == grid) & (before_method == method)
    at[same] = page.at[row[same]] if len(page.known) else now
    reasons = [placer.reason(float(far)) for far in distance[method == EXCEPTION]]
    return Placed(page.household, page.weight, grid, method, distance, at, same, by_hand, reasons)


@contextmanager
def reader_beside(session: Session, written: bool) -> Iterator[Session]:
    """A session that reads while the given one writes; itself, where it has written before.

    Nobody else writes what is read until the given session ends (see ``hold``), so both see the
    same; but for what the given one has not committed, which no other can see.
    """
    bind = session.get_bind()
    if written or not isinstance(bind, Engine):
        yield session
        return
    with Session(bind) as other:
        yield other
