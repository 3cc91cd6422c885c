"""Households on their way from the database to their communities, in a file of no name.

They come in the order in which they are stored and go community by community. What lies between
would be the largest thing in memory; here it is in a temporary file, which the system removes with
the process, however that ends.
"""

from __future__ import annotations

import os
import tempfile
from types import TracebackType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from geodata.errors import UnavailableError

__all__ = ["Spool"]

_RECORD: Final = np.dtype([("x", "<f8"), ("y", "<f8"), ("households", "<i8")])


class Spool:
    """Households by community.

    Parameters
    ----------
    communities : int
        How many there are; they go by their position.
    """

    def __init__(self, communities: int) -> None:
        self.households = np.zeros(communities, dtype=np.int64)
        self._file = tempfile.TemporaryFile(prefix="gridward-")  # noqa: SIM115 - closed in __exit__
        self._end = 0
        #: Of each batch where in the file the records of each community begin, and the last end.
        self._begins: list[NDArray[np.int64]] = []

    def __enter__(self) -> Spool:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()

    def add(
        self, home: NDArray[np.int32], xy: NDArray[np.float64], households: NDArray[np.int64]
    ) -> None:
        """Append a batch: the community of each record (-1: none), its place and its weight.

        Raises
        ------
        UnavailableError
            The disk is full.
        """
        order = np.argsort(home, kind="stable")
        order = order[np.searchsorted(home[order], 0) :]
        records = np.empty(len(order), dtype=_RECORD)
        records["x"], records["y"] = xy[order].T + 0.0  # no -0.0, which sorts with 0.0
        records["households"] = households[order]
        bounds = np.searchsorted(home[order], np.arange(len(self.households) + 1))
        self._begins.append(self._end + bounds * _RECORD.itemsize)
        try:
            self._file.write(records.tobytes())
            self._file.flush()
        except OSError as fault:
            raise UnavailableError(
                f"no room for households in {tempfile.gettempdir()} ({fault.strerror}): "
                "set TMPDIR to a folder with more"
            ) from fault
        self._end += records.nbytes
        self.households += np.bincount(home[order], households[order], len(self.households)).astype(
            np.int64
        )

    def read(self, community: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """The households of a community: coordinates (n, 2) and weights, one row a place, sorted.

        The same households give the same arrays, in whatever order and batches they came.
        """
        descriptor = self._file.fileno()
        pieces = [
            os.pread(descriptor, int(begins[community + 1] - begins[community]), begins[community])
            for begins in self._begins
        ]
        records = np.frombuffer(b"".join(pieces), dtype=_RECORD)
        order = np.lexsort((records["y"], records["x"]))
        x, y, weight = (records[name][order] for name in ("x", "y", "households"))
        first = np.ones(len(x), dtype=bool)
        first[1:] = (x[1:] != x[:-1]) | (y[1:] != y[:-1])
        begin = np.flatnonzero(first)
        return (
            np.stack([x[begin], y[begin]], axis=1),
            np.add.reduceat(weight, begin) if len(begin) else np.empty(0, dtype=np.int64),
        )
