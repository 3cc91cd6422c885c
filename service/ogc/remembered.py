"""What is costly to know and may be a minute old: extents, and the sizes of large collections."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final, Generic, TypeVar

__all__ = ["Remembered"]

_LIFETIME_S: Final = 60.0
_Value = TypeVar("_Value")


class Remembered(Generic[_Value]):
    """Values by name, kept for a minute; safe to use from several threads."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[float, _Value]] = {}
        self._lock = threading.Lock()

    def known(self, name: str) -> _Value | None:
        """The value of a name, if it is kept and no older than a minute."""
        with self._lock:
            kept = self._known.get(name)
        return kept[1] if kept is not None and time.monotonic() - kept[0] < _LIFETIME_S else None

    def get(self, name: str, find: Callable[[], _Value | None]) -> _Value | None:
        """The value of a name, found anew when it is older than a minute.

        None is never kept: a collection that was empty is asked again at once, since its first
        rows should show.
        """
        kept = self.known(name)
        if kept is not None:
            return kept
        now = time.monotonic()
        value = find()
        if value is not None:
            self.keep(name, value, now)
        return value

    def keep(self, name: str, value: _Value, since: float | None = None) -> None:
        """Keep a value that was found now, or at another moment of the monotonic clock."""
        with self._lock:
            self._known[name] = (time.monotonic() if since is None else since, value)
