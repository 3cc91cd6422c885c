"""The ledger brought up to date with what was placed: row by row, or replaced as a whole."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray
from psycopg import Copy
from sqlalchemy.orm import Session

from geodata.schema import METHODS
from service.db.arrays import Field, copying, encode
from service.db.statements import load_statements
from service.errors import Conflict

__all__ = ["EXCEPTION", "MANUAL", "Beside", "InPlace", "Ledger", "Placed"]

_SQL = load_statements("service.flows", "ledger.sql")
_ROWS = load_statements("service.flows", "assign.sql")

COVERS: Final = METHODS.index("covers")
MANUAL: Final = METHODS.index("manual")
EXCEPTION: Final = METHODS.index("exception")

_COLUMNS: Final = ("household_id", "grid_id", "method", "distance_m", "reason")
#: What a row that is covered since now needs; the rest are the defaults of the new ledger.
_PLAIN_COLUMNS: Final = ("household_id", "grid_id")

#: How long a new ledger waits for a moment without readers, and between two looks for one.
_PATIENCE_S: Final = 20.0
_PAUSE_S: Final = 0.4


@dataclass(frozen=True, slots=True)
class Placed:
    """Households with their places; every array has one value a household.

    Attributes
    ----------
    household : ndarray of int64
        Its id.
    weight : ndarray of int32
        The households that it stands for.
    grid : ndarray of int32
        Id of its grid; -1 for an exception.
    method : ndarray of int8
        Where the method is in ``METHODS``.
    distance_m : ndarray of float64
    at : ndarray of int64
        Since when, in microseconds since 2000.
    same : ndarray of bool
        The ledger says so already; never true of an exception, whose reason may be another.
    by_hand : ndarray of bool
        Placed by hand, and stays so as it is.
    reasons : sequence of str
        Why, for each exception in turn.
    """

    household: NDArray[np.int64]
    weight: NDArray[np.int32]
    grid: NDArray[np.int32]
    method: NDArray[np.int8]
    distance_m: NDArray[np.float64]
    at: NDArray[np.int64]
    same: NDArray[np.bool_]
    by_hand: NDArray[np.bool_]
    reasons: Sequence[str]

    def rows(self, chosen: NDArray[np.bool_], *, with_time: bool) -> Iterator[bytes]:
        """The chosen rows for a binary COPY of ``_COLUMNS``, and ``at`` if asked for."""
        for method, name in enumerate(METHODS):
            rows = np.flatnonzero(chosen & (self.method == method))
            if method == EXCEPTION:
                yield from self._exceptions(rows, with_time)
            elif len(rows):
                distance = self.distance_m[rows]
                fields: list[Field] = [
                    self.household[rows], self.grid[rows], name.encode(), distance, None
                ]  # fmt: skip
                yield encode(fields + ([self.at[rows]] if with_time else []), len(rows))

    def plain_rows(self, chosen: NDArray[np.bool_]) -> bytes:
        """The chosen rows for a binary COPY of ``_PLAIN_COLUMNS``."""
        return encode([self.household[chosen], self.grid[chosen]], int(chosen.sum()))

    def _exceptions(self, rows: NDArray[np.intp], with_time: bool) -> Iterator[bytes]:
        number = np.cumsum(self.method == EXCEPTION) - 1
        for k in rows:
            one = slice(k, k + 1)
            distance = None if np.isnan(self.distance_m[k]) else self.distance_m[one]
            reason = self.reasons[number[k]].encode()
            fields: list[Field] = [self.household[one], None, b"exception", distance, reason]
            yield encode(fields + ([self.at[one]] if with_time else []), 1)


class _Loads:
    """Records and households of each grid, added up page by page."""

    COLUMNS: Final = ("grid_id", "records", "households")

    def __init__(self) -> None:
        self._sums = np.zeros((2, 0), dtype=np.int64)

    def add(self, placed: Placed, chosen: NDArray[np.bool_]) -> None:
        grid = placed.grid[chosen]
        if not len(grid):
            return
        # neighbours have neighbouring numbers: few sums are touched, however many grids there are
        low, high = int(grid.min()), int(grid.max()) + 1
        if high > self._sums.shape[1]:
            missing = max(high, 2 * self._sums.shape[1]) - self._sums.shape[1]
            self._sums = np.pad(self._sums, ((0, 0), (0, missing)))
        self._sums[0, low:high] += np.bincount(grid - low)
        households = np.bincount(grid - low, placed.weight[chosen])
        self._sums[1, low:high] += households.astype(np.int64)

    def rows(self) -> bytes:
        """All that were added, for a binary COPY of ``COLUMNS``."""
        (grid,) = np.nonzero(self._sums[0])
        records, households = self._sums[:, grid]
        return encode([grid.astype(np.int32), records.astype(np.int32), households], len(grid))


class Ledger(Protocol):
    """Where placed households go."""

    def write(self, placed: Placed) -> None:
        """Take some households."""

    def finish(self) -> int:
        """Bring the ledger up to date; the number of rows that changed."""


class InPlace:
    """Writes what changed into the present ledger; its cost is that of the change."""

    def __init__(self, session: Session) -> None:
        self._session = session
        session.execute(_ROWS["drop_staged"])
        session.execute(_ROWS["stage"])

    def write(self, placed: Placed) -> None:
        """Set aside what may change."""
        changed = ~(placed.same | placed.by_hand)
        if changed.any():
            with copying(self._session, "staged_assignment", _COLUMNS) as copy:
                for rows in placed.rows(changed, with_time=False):
                    copy.write(rows)

    def finish(self) -> int:
        """Change and add rows; the database writes the history."""
        run = self._session.execute
        run(_ROWS["analyze_staged"])
        changed: Any = run(_ROWS["change"])
        added: Any = run(_ROWS["add"])
        return int(changed.rowcount + added.rowcount)


class Beside:
    """Fills a new ledger beside the present one and puts it in its place in an instant.

    It costs little more than moving the rows, however many change. The old one becomes history.

    Parameters
    ----------
    session : Session
    datasets : sequence of int
        The data sets that are placed anew; the rows of others are taken over.
    """

    def __init__(self, session: Session, datasets: Sequence[int]) -> None:
        self._session = session
        self._datasets = list(datasets)
        self._rows = self._same = 0
        self._loads = _Loads()
        session.execute(_SQL["drop_begun"])
        session.execute(_SQL["begin"])

    def write(self, placed: Placed) -> None:
        """Add rows to the new ledger."""
        chosen = ~placed.by_hand
        self._rows += int(chosen.sum())
        self._same += int(placed.same.sum())
        self._loads.add(placed, chosen & (placed.grid >= 0))
        # a column that is sent costs the server as much as all the rest of such a row
        plain = chosen & ~placed.same & (placed.method == COVERS)
        if plain.any():
            with self._adding(_PLAIN_COLUMNS) as copy:
                copy.write(placed.plain_rows(plain))
        others = chosen & ~plain
        if others.any():
            with self._adding((*_COLUMNS, "at")) as copy:
                for rows in placed.rows(others, with_time=True):
                    copy.write(rows)
        for table, some in (("unchanged", placed.same), ("kept", placed.by_hand)):
            if some.any():
                with copying(self._session, table, ("household_id",)) as copy:
                    copy.write(encode([placed.household[some]], int(some.sum())))

    def _adding(self, columns: Sequence[str]) -> AbstractContextManager[Copy]:
        return copying(self._session, "assignment_next", columns, freeze=True)

    def finish(self) -> int:
        """Index the new ledger, tie it to households and grids, and switch to it."""
        run = self._session.execute
        run(_SQL["keep_other_datasets"], {"dataset_ids": self._datasets})
        run(_SQL["analyze_kept"])
        run(_SQL["add_kept"])
        run(_SQL["index"])
        exceptions: Any = run(_SQL["keep_exceptions"])
        run(_SQL["analyze"])
        with copying(self._session, "placed_load", _Loads.COLUMNS) as copy:
            copy.write(self._loads.rows())
        if not self._switch():
            run(_SQL["change"])
            run(_SQL["add"])
            run(_SQL["drop"])
        return self._rows - self._same - int(exceptions.rowcount)

    def _switch(self) -> bool:
        """Put the new ledger in the place of the old; false if it never has it to itself."""
        try:
            with self._session.begin_nested():
                for step in ("reference", "count_loads", "drop_unchanged"):
                    self._session.execute(_SQL[step])
                self._hold_alone()
                self._session.execute(_SQL["replace"])
        except _NeverAlone:
            return False
        return True

    def _hold_alone(self) -> None:
        limit = time.monotonic() + _PATIENCE_S
        while True:
            try:
                with self._session.begin_nested():
                    self._session.execute(_SQL["try_to_hold"])
                return
            except Conflict:
                # somebody reads; whoever came after them waited a tenth of a second at most
                if time.monotonic() > limit:
                    raise _NeverAlone from None
            time.sleep(_PAUSE_S)


class _NeverAlone(Exception):
    """There was no moment without a reader."""
