"""Single statements that only read: no transaction around them, no object a row.

A page of features is one statement and one row that PostgreSQL has written out. Beside that, taking
a session, beginning and committing would take as long again.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import psycopg
from psycopg import sql
from sqlalchemy import ClauseElement, Dialect, Engine
from sqlalchemy.dialects.postgresql.psycopg import dialect as psycopg_dialect
from sqlalchemy.orm import Session

from service.db.failures import translating

__all__ = [
    "AsyncReader",
    "AsyncRun",
    "Reader",
    "Run",
    "Statement",
    "compiled",
    "running_in",
    "template",
]

_MOST_CONNECTIONS: Final = 10
_PLACE: Final = re.compile(r"\$(\w+)\$")
_DIALECT: Final[Dialect] = psycopg_dialect(paramstyle="pyformat")


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement as the driver takes it.

    Attributes
    ----------
    text : psycopg.sql.SQL or Composed
    values : mapping
        What is bound, by the names in the text.
    """

    text: sql.SQL | sql.Composed
    values: Mapping[str, Any]


#: Runs a statement and gives its rows.
Run = Callable[[Statement], list[tuple[Any, ...]]]
AsyncRun = Callable[[Statement], Awaitable[list[tuple[Any, ...]]]]


class Reader:
    """Runs statements that read, each for itself, on connections of its own.

    Parameters
    ----------
    engine : Engine
        Its connections commit by themselves.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __call__(self, statement: Statement) -> list[tuple[Any, ...]]:
        """Run a statement; the rows.

        Raises
        ------
        GridwardError
            As the database says.
        """
        with translating():
            try:
                return self._run(statement)
            except psycopg.OperationalError as error:
                if not _is_gone(error):
                    raise
                self._engine.dispose()
                return self._run(statement)

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    def _run(self, statement: Statement) -> list[tuple[Any, ...]]:
        pooled = self._engine.raw_connection()
        try:
            return _fetch(pooled.driver_connection, statement)
        except psycopg.OperationalError as error:
            pooled.invalidate(error)
            raise
        finally:
            pooled.close()


class AsyncReader:
    """The same from an event loop, without a thread in between, which costs more than a look-up.

    Parameters
    ----------
    connect : callable
        Opens a connection that commits by itself.
    """

    def __init__(self, connect: Callable[[], Awaitable[psycopg.AsyncConnection[Any]]]) -> None:
        self._connect = connect
        self._idle: list[psycopg.AsyncConnection[Any]] = []
        self._room = asyncio.Semaphore(_MOST_CONNECTIONS)

    async def __call__(self, statement: Statement) -> list[tuple[Any, ...]]:
        """Run a statement; the rows.

        Raises
        ------
        GridwardError
            As the database says.
        """
        with translating():
            try:
                return await self._run(statement)
            except psycopg.OperationalError as error:
                if not _is_gone(error):
                    raise
                await self.close()
                return await self._run(statement)

    async def close(self) -> None:
        """Close the connections that are not in use."""
        idle, self._idle = self._idle, []
        for connection in idle:
            await connection.close()

    async def _run(self, statement: Statement) -> list[tuple[Any, ...]]:
        async with self._room:
            connection = self._idle.pop() if self._idle else await self._connect()
            whole = False
            try:
                async with connection.cursor() as cursor:
                    await cursor.execute(statement.text, statement.values)
                    rows: list[tuple[Any, ...]] = await cursor.fetchall()
                whole = True
            except psycopg.Error:
                whole = not connection.closed
                raise
            finally:
                if whole:
                    self._idle.append(connection)
                else:  # broken, or left in the middle
                    await connection.close()
            return rows


def _is_gone(error: psycopg.OperationalError) -> bool:
    """Whether the server was stopped or started anew, so that none of the connections holds."""
    return error.sqlstate is None or error.sqlstate.startswith(("57P", "08"))


def running_in(session: Session) -> Run:
    """Run statements in the transaction of a session, to see what it has written."""

    def run(statement: Statement) -> list[tuple[Any, ...]]:
        session.flush()
        connection = session.connection().connection.driver_connection
        with translating():
            return _fetch(connection, statement)

    return run


def _fetch(connection: Any, statement: Statement) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement.text, statement.values)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


def compiled(expression: ClauseElement) -> Statement:
    """A statement, or a part of one, with its values bound."""
    found = expression.compile(dialect=_DIALECT, compile_kwargs={"render_postcompile": True})
    return Statement(sql.SQL(str(found)), found.params)


def template(expression: ClauseElement) -> sql.SQL:
    """A statement to which parts are added: written once, and kept.

    Its own values are written into it, so they have to be declarations, never of a request. What
    is added has its place by name, as ``literal_column("$name$")``; :func:`psycopg.sql.SQL.format`
    puts it in.
    """
    text = str(expression.compile(dialect=_DIALECT, compile_kwargs={"literal_binds": True}))
    escaped = text.replace("{", "{{").replace("}", "}}")
    return sql.SQL(_PLACE.sub(r"{\1}", escaped))
