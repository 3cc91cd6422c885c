"""How a command comes to the database: opened, used and closed again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from service.db.engine import Database

__all__ = ["open_database", "open_session"]


def open_database() -> Database:
    """The database that the settings name, for a ``with`` statement."""
    from service.db.engine import Database
    from service.settings import Settings

    return Database(Settings())


@contextmanager
def open_session() -> Iterator[Session]:
    """One session on it; committed at the end, rolled back on any exception."""
    with open_database() as database, database.session() as session:
        yield session
