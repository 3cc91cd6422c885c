"""References seen before, in bounded memory.

Every reference is kept as 128 bits of hash and its row number: 20 bytes a row, 400 MB for 20
million. Two different references are taken for one with a probability of about 1e-24.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["DuplicateTracker"]

#: Keys of the two hashes, of any value but different: 16 characters.
_HASH_KEYS: Final = ("gridward-first-0", "gridward-second0")

#: Joining two runs takes memory for both and the result, so runs are not joined beyond this.
_LONGEST_RUN: Final = 4_000_000


@dataclass(frozen=True, slots=True)
class _Run:
    """References in the order of their first hash."""

    first: NDArray[np.uint64]
    second: NDArray[np.uint64]
    rows: NDArray[np.uint32]

    @classmethod
    def of(
        cls, first: NDArray[np.uint64], second: NDArray[np.uint64], rows: NDArray[np.uint32]
    ) -> _Run:
        order = np.argsort(first, kind="stable")
        return cls(first[order], second[order], rows[order])

    def __len__(self) -> int:
        return len(self.first)

    def where(self, mask: NDArray[np.bool_]) -> _Run:
        """The part of the run that a mask keeps."""
        return _Run(self.first[mask], self.second[mask], self.rows[mask])

    def look_up(self, batch: _Run, into: NDArray[np.int64]) -> None:
        """Write the rows of those references of ``batch`` that are in this run."""
        place = np.minimum(np.searchsorted(self.first, batch.first), len(self) - 1)
        same = (self.first[place] == batch.first) & (self.second[place] == batch.second)
        into[same] = self.rows[place[same]]


def _hashes(texts: NDArray[np.object_]) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    first, second = (
        pd.util.hash_array(texts, hash_key=key, categorize=False) for key in _HASH_KEYS
    )
    return first, second


class DuplicateTracker:
    """Finds references that repeat within a file, batch after batch; the first one wins."""

    def __init__(self) -> None:
        self._runs: list[_Run] = []

    def __len__(self) -> int:
        """References seen, each counted once."""
        return sum(len(run) for run in self._runs)

    def check(self, references: Any, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Note references and tell which were there before.

        Parameters
        ----------
        references : array_like of str, shape (n,)
            None is not allowed.
        rows : ndarray of int64, shape (n,)
            Their row numbers, rising from call to call.

        Returns
        -------
        ndarray of int64, shape (n,)
            The row that first had the reference; 0 where it is new.
        """
        texts = np.asarray(references, dtype=object)
        if not len(texts):
            return np.zeros(0, dtype=np.int64)
        # in the order of the first hash neighbours are looked up side by side, which is quick
        batch = _Run.of(*_hashes(texts), np.arange(len(texts), dtype=np.uint32))
        before = np.zeros(len(texts), dtype=np.int64)
        for run in self._runs:
            run.look_up(batch, into=before)
        fresh = batch.where(before == 0)
        starts = np.ones(len(fresh), dtype=bool)
        starts[1:] = (fresh.first[1:] != fresh.first[:-1]) | (fresh.second[1:] != fresh.second[:-1])
        leaders = np.maximum.accumulate(np.where(starts, np.arange(len(fresh)), 0))
        before_fresh = np.where(starts, 0, rows[fresh.rows[leaders]])
        found = np.zeros(len(texts), dtype=np.int64)
        found[batch.rows] = before
        found[fresh.rows] = before_fresh
        new = fresh.where(starts)
        self._add(_Run(new.first, new.second, rows[new.rows].astype(np.uint32)))
        return found

    def _add(self, run: _Run) -> None:
        """Keep few runs: neighbours of about the same length become one, up to a limit."""
        while self._runs and len(self._runs[-1]) <= min(2 * len(run), _LONGEST_RUN - len(run)):
            other = self._runs.pop()
            run = _Run.of(
                np.concatenate([other.first, run.first]),
                np.concatenate([other.second, run.second]),
                np.concatenate([other.rows, run.rows]),
            )
        if len(run):
            self._runs.append(run)
