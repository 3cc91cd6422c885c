"""The next piece of work is made ready while the present one is written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

__all__ = ["ahead"]

T = TypeVar("T")

_END = object()


@contextmanager
def ahead(items: Iterable[T]) -> Iterator[Iterator[T]]:
    """The same items in their order; a thread takes the next while the caller has the last.

    Two stand in memory at a time. An error of the source is raised where its item would have
    come. At the end of the ``with`` statement the thread has ended, whatever it was at.
    """
    with ThreadPoolExecutor(1) as thread:
        yield _each(iter(items), thread)


def _each(source: Iterator[T], thread: ThreadPoolExecutor) -> Iterator[T]:
    coming = thread.submit(next, source, _END)
    while (item := coming.result()) is not _END:
        coming = thread.submit(next, source, _END)
        yield item  # type: ignore[misc]
