"""References seen before, in memory that does not grow with them.

Every reference is kept as 128 bits of hash and its row number, 20 bytes: the last half million in
memory, those before them in a temporary file, in sorted runs of as many. Two different references
are taken for one with a probability of about 1e-24.

Nearly every reference is new, and a filter of a fixed size says so without a look into the file:
four bits out of half a billion, chosen by the hash, are set for each reference there (Bloom 1970).
After 20 million references one new one in 2,700 is looked up in vain, after 100 million one in 13.
"""

from __future__ import annotations

import os
import tempfile
import weakref
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from geodata.errors import UnavailableError

__all__ = ["DuplicateTracker"]

#: Keys of the two hashes, of any value but different: 16 characters.
_HASH_KEYS: Final = ("gridward-first-0", "gridward-second0")

#: References that are kept in memory; more go into the file.
_IN_MEMORY: Final = 500_000
#: References of a sorted run in the file that are read at once.
_BLOCK: Final = 512
#: Of so many references that may be in it, a run is read as a whole.
_MANY: Final = 2_000

#: Bits of the filter, as a power of two (64 MiB), and those that a reference sets.
_FILTER_BITS: Final = 29
_PROBES: Final = 4

_RECORD: Final = np.dtype([("first", "<u8"), ("second", "<u8"), ("row", "<u4")])


@dataclass(frozen=True, slots=True)
class _Run:
    """References in the order of their first hash; never empty where it is looked up in."""

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

    def where(self, mask: NDArray[np.bool_] | NDArray[np.intp]) -> _Run:
        """The part of the run that a mask keeps, or at rising places."""
        return _Run(self.first[mask], self.second[mask], self.rows[mask])

    def joined(self, other: _Run) -> _Run:
        """All references of both."""
        return _Run.of(
            np.concatenate([self.first, other.first]),
            np.concatenate([self.second, other.second]),
            np.concatenate([self.rows, other.rows]),
        )

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


class _Filter:
    """Tells of most references that they were never added; the others may have been."""

    def __init__(self) -> None:
        self._bytes = np.zeros(1 << (_FILTER_BITS - 3), dtype=np.uint8)

    def add(self, run: _Run) -> None:
        for place, bit in self._probes(run.first, run.second):
            np.bitwise_or.at(self._bytes, place, bit)

    def candidates(self, batch: _Run) -> NDArray[np.intp]:
        """Where in the batch the references are that may have been added."""
        some = np.arange(len(batch))
        for number in range(_PROBES):
            place, bit = self._probe(batch.first[some], batch.second[some], number)
            some = some[self._bytes[place] & bit > 0]
        return some

    def _probes(
        self, first: NDArray[np.uint64], second: NDArray[np.uint64]
    ) -> Iterator[tuple[NDArray[np.uint64], NDArray[np.uint8]]]:
        return (self._probe(first, second, number) for number in range(_PROBES))

    @staticmethod
    def _probe(
        first: NDArray[np.uint64], second: NDArray[np.uint64], number: int
    ) -> tuple[NDArray[np.uint64], NDArray[np.uint8]]:
        """The byte and the bit in it of one of the probes of each reference."""
        chosen = (first + np.uint64(number) * second) >> np.uint64(64 - _FILTER_BITS)
        bit = np.left_shift(1, chosen & np.uint64(7), dtype=np.uint8, casting="unsafe")
        return chosen >> np.uint64(3), bit


@dataclass(slots=True)
class _Stored:
    """A sorted run in the file: where it begins, and the first hash of each of its blocks."""

    begin: int
    length: int
    fences: NDArray[np.uint64]


@dataclass(slots=True, weakref_slot=True)
class _File:
    """Sorted runs in a temporary file, which the system removes with the process."""

    runs: list[_Stored] = field(default_factory=list)
    _filter: _Filter = field(default_factory=_Filter)
    _file: Any = None

    def append(self, run: _Run) -> None:
        """Write a run behind the others.

        Raises
        ------
        UnavailableError
            The disk is full.
        """
        records = np.empty(len(run), dtype=_RECORD)
        records["first"], records["second"], records["row"] = run.first, run.second, run.rows
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(prefix="gridward-", buffering=0)  # noqa: SIM115
                weakref.finalize(self, self._file.close)
            begin = self._file.seek(0, os.SEEK_END)
            left = memoryview(records.tobytes())
            while left:
                left = left[self._file.write(left) :]
        except OSError as fault:
            raise UnavailableError(
                f"no room for the references of a large file in {tempfile.gettempdir()} "
                f"({fault.strerror}): set TMPDIR to a folder with more"
            ) from fault
        self.runs.append(_Stored(begin, len(run), run.first[::_BLOCK].copy()))
        self._filter.add(run)

    def look_up(self, batch: _Run, into: NDArray[np.int64]) -> None:
        """Write the rows of those references of ``batch`` that are in one of the runs."""
        pending = self._filter.candidates(batch)
        for stored in self.runs:
            pending = pending[into[pending] == 0]
            if not len(pending):
                return
            if len(pending) > _MANY:
                found = np.zeros(len(pending), dtype=np.int64)
                self._read(stored, 0, stored.length).look_up(batch.where(pending), into=found)
                into[pending] = found
            else:
                self._look_up_each(stored, batch, pending, into)

    def _look_up_each(
        self, stored: _Stored, batch: _Run, pending: NDArray[np.intp], into: NDArray[np.int64]
    ) -> None:
        block = np.searchsorted(stored.fences, batch.first[pending], side="right") - 1
        pending, block = pending[block >= 0], block[block >= 0]
        for number in np.unique(block).tolist():
            some = pending[block == number]
            found = np.zeros(len(some), dtype=np.int64)
            begin = number * _BLOCK
            length = min(_BLOCK, stored.length - begin)
            self._read(stored, begin, length).look_up(batch.where(some), into=found)
            into[some] = found

    def _read(self, stored: _Stored, begin: int, length: int) -> _Run:
        size = _RECORD.itemsize
        data = os.pread(self._file.fileno(), length * size, stored.begin + begin * size)
        records = np.frombuffer(data, dtype=_RECORD)
        return _Run(*(np.ascontiguousarray(records[name]) for name in ("first", "second", "row")))


class DuplicateTracker:
    """Finds references that repeat within a file, batch after batch; the first one wins."""

    def __init__(self) -> None:
        self._runs: list[_Run] = []
        self._file: _File | None = None

    def __len__(self) -> int:
        """References seen, each counted once."""
        stored = 0 if self._file is None else sum(run.length for run in self._file.runs)
        return stored + sum(len(run) for run in self._runs)

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

        Raises
        ------
        UnavailableError
            There is no room for a temporary file.
        """
        texts = np.asarray(references, dtype=object)
        if not len(texts):
            return np.zeros(0, dtype=np.int64)
        # in the order of the first hash neighbours are looked up side by side, which is quick
        batch = _Run.of(*_hashes(texts), np.arange(len(texts), dtype=np.uint32))
        before = np.zeros(len(texts), dtype=np.int64)
        for run in self._runs:
            run.look_up(batch, into=before)
        if self._file is not None:
            self._file.look_up(batch, into=before)
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
        """Keep few runs: neighbours of about the same length become one; many go into the file."""
        in_all = len(run) + sum(map(len, self._runs))
        while self._runs and (len(self._runs[-1]) <= 2 * len(run) or in_all >= _IN_MEMORY):
            run = self._runs.pop().joined(run)
        if len(run):
            self._runs.append(run)
        if in_all >= _IN_MEMORY:
            self._file = self._file or _File()
            self._file.append(self._runs.pop())
