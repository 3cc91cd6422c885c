"""What is said of a file that is read batch after batch: each thing once, with its whole number."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Notice", "Notices", "counted"]


def counted(number: int, noun: str) -> str:
    """``1 row``, ``1,234 rows``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


@dataclass(frozen=True, slots=True)
class Notice:
    """A warning that counts rows of a batch, and adds up over the batches of a file.

    Attributes
    ----------
    file : str
        Name of the file.
    count : int
    noun : str
        What is counted, in the singular.
    what : str
        What is said of it.
    row : int or None
        The first row of which it holds.
    advice : str
        Comes after the row.
    """

    file: str
    count: int
    noun: str
    what: str
    row: int | None = None
    advice: str = ""

    def __str__(self) -> str:
        """The sentence."""
        place = "" if self.row is None else f" (row {self.row} first)"
        return f"{self.file}: {counted(self.count, self.noun)} {self.what}{place}{self.advice}"


class Notices:
    """Notices and plain sentences in the order in which they first came."""

    def __init__(self) -> None:
        self._found: dict[object, Notice | str] = {}

    def add(self, notices: Iterable[Notice | str]) -> None:
        """Take in what is said of the next batch."""
        for notice in notices:
            if isinstance(notice, str):
                self._found.setdefault(notice, notice)
                continue
            key = (notice.file, notice.noun, notice.what)
            before = self._found.get(key)
            if isinstance(before, Notice):
                notice = dataclasses.replace(before, count=before.count + notice.count)
            self._found[key] = notice

    def sentences(self) -> list[str]:
        """Each as a sentence."""
        return [str(notice) for notice in self._found.values()]
