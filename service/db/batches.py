"""Rows of a query as COPY sends them."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import closing
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import Executable
from sqlalchemy.orm import Session

from service.db import csv_columns as kinds
from service.db.copying import copy_out
from service.db.failures import translating

__all__ = ["Query", "driver_connection", "pieces", "prepared"]


def pieces(
    query: Query, geometry: str | None, rows: int | None
) -> Generator[list[memoryview], None, None]:
    """The rows as COPY sends them, at most so many at once; none for no rows."""
    waiting: list[memoryview] = []
    with translating(), closing(query.rows(query.copy_csv(geometry))) as stream:
        for came in stream:
            waiting += came
            while rows is not None and len(waiting) >= rows:
                yield waiting[:rows]
                waiting = waiting[rows:]
    if waiting:
        yield waiting


def driver_connection(session: Session) -> psycopg.Connection[Any]:
    """The driver's own connection, in the session's transaction."""
    connection: Any = session.connection().connection.driver_connection
    return connection


def prepared(
    session: Session, statement: Executable, parameters: Mapping[str, Any] | None
) -> tuple[psycopg.Connection[Any], sql.SQL, dict[str, Any]]:
    """The driver's connection, and a statement with its values as the driver wants them."""
    session.flush()
    compiled = statement.params(**(parameters or {})).compile(  # type: ignore[attr-defined]
        dialect=session.get_bind().dialect, compile_kwargs={"render_postcompile": True}
    )
    return driver_connection(session), sql.SQL(str(compiled)), compiled.params


class Query:
    """A statement ready for COPY: its text, its values and the types of its columns."""

    def __init__(
        self, session: Session, statement: Executable, parameters: Mapping[str, Any] | None
    ) -> None:
        self._connection, self._text, self.parameters = prepared(session, statement, parameters)
        described = sql.SQL("SELECT * FROM ({}) AS q LIMIT 0").format(self._text)
        with translating(), psycopg.ClientCursor(self._connection) as cursor:
            cursor.execute(described, self.parameters)
            self.columns = kinds.describe(cursor)

    def cursor(self) -> psycopg.Cursor[Any]:
        """A cursor to copy with."""
        return self._connection.cursor()

    def rows(self, copy: sql.Composed) -> Generator[list[memoryview], None, None]:
        """The rows of a COPY, as many at a time as have come."""
        return copy_out(self._connection, copy, self.parameters)

    def copy_csv(self, geometry: str | None) -> sql.Composed:
        """The COPY of its rows as CSV."""
        chosen = sql.SQL(", ").join(kinds.csv_expression(each, geometry) for each in self.columns)
        return sql.SQL(
            "COPY (SELECT {} FROM ({}) AS q) TO STDOUT (FORMAT csv, ENCODING 'UTF8')"
        ).format(chosen, self._text)

    def written_out(self, chosen: sql.Composable) -> str:
        """The SELECT of these columns of ``q``, its values in their places: for another driver."""
        inner = psycopg.ClientCursor(self._connection).mogrify(self._text, self.parameters)
        outer = sql.SQL("SELECT {} FROM ({}) AS q").format(chosen, sql.SQL(inner))
        return outer.as_string(self._connection)

    def copy_binary(self) -> sql.Composed:
        """The COPY of its rows in the binary format."""
        return sql.SQL("COPY ({}) TO STDOUT (FORMAT binary)").format(self._text)
