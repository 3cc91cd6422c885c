"""The database session of a request."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy.orm import Session

from service.db.engine import Database

__all__ = ["DatabaseSession", "open_session"]


def open_session(request: Request) -> Iterator[Session]:
    """Give a route its session; the one commit of the request comes after the route returns."""
    database: Database = request.app.state.database
    with database.session() as session:
        yield session


#: A route that names a parameter of this type gets a session. The commit comes before the answer
#: is sent ("function" scope), so that no one is told of a change that is then refused.
DatabaseSession = Annotated[Session, Depends(open_session, scope="function")]
