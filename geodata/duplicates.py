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
        first, second = (
            pd.util.hash_array(texts, hash_key=key, categorize=False) for key in _HASH_KEYS
        )
        before = np.zeros(len(texts), dtype=np.int64)
        for run in self._runs:
            place = np.minimum(np.searchsorted(run.first, first), len(run) - 1)
            same = (run.first[place] == first) & (run.second[place] == second)
            before[same] = run.rows[place[same]]
        fresh = np.flatnonzero(before == 0)
        order = fresh[np.argsort(first[fresh], kind="stable")]
        starts = np.ones(len(order), dtype=bool)
        starts[1:] = (first[order[1:]] != first[order[:-1]]) | (
            second[order[1:]] != second[order[:-1]]
        )
        leaders = order[np.maximum.accumulate(np.where(starts, np.arange(len(order)), 0))]
        before[order[~starts]] = rows[leaders[~starts]]
        new = order[starts]
        self._add(_Run(first[new], second[new], rows[new].astype(np.uint32)))
        return before

    def _add(self, run: _Run) -> None:
        """Keep few runs: two of about the same length become one."""
        while self._runs and len(self._runs[-1]) <= 2 * len(run):
            other = self._runs.pop()
            run = _Run.of(
                np.concatenate([other.first, run.first]),
                np.concatenate([other.second, run.second]),
                np.concatenate([other.rows, run.rows]),
            )
        if len(run):
            self._runs.append(run)
