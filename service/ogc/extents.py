"""Extents of the collections, remembered for a minute: a client's start asks for all of them."""

from __future__ import annotations

import threading
import time
from typing import Final

from sqlalchemy.orm import Session

from service.catalogue.collection import Collection
from service.catalogue.selection import Box
from service.ogc.queries import extent

__all__ = ["Extents"]

_LIFETIME_S: Final = 60.0


class Extents:
    """Remembered extents, safe to use from several threads.

    An empty collection is asked again at once: its first rows should show.
    """

    def __init__(self) -> None:
        self._known: dict[str, tuple[float, Box]] = {}
        self._lock = threading.Lock()

    def of(self, session: Session, collection: Collection) -> Box | None:
        """Return the extent in degrees, or None for an empty collection."""
        now = time.monotonic()
        with self._lock:
            asked, box = self._known.get(collection.name, (-_LIFETIME_S, None))
        if box is not None and now - asked < _LIFETIME_S:
            return box
        box = extent(session, collection=collection)
        if box is not None:
            with self._lock:
                self._known[collection.name] = (now, box)
        return box
