"""Rows of a query as COPY sends them, and as Arrow batches: for what is only passed on."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import closing
from typing import Any, Final

import psycopg
import pyarrow as pa
from psycopg import sql
from sqlalchemy import Executable
from sqlalchemy.orm import Session

from service.db import csv_columns as kinds
from service.db.copying import copy_out
from service.db.failures import translating

__all__ = ["Query", "driver_connection", "pieces", "prepared", "read_batches"]

_ROWS_AT_ONCE: Final = 100_000


def read_batches(
    session: Session,
    statement: Executable,
    parameters: Mapping[str, Any] | None = None,
    *,
    geometry: str = "geometry",
    rows: int = _ROWS_AT_ONCE,
) -> tuple[pa.Schema, Generator[pa.RecordBatch, None, None]]:
    """Read the rows of a query as Arrow batches, for writers: no geometry is parsed on the way.

    Parameters
    ----------
    session, statement, parameters
        As for :func:`read_frame`; no column is an array.
    geometry : str
        The geometry column, WKB as ``ST_AsBinary`` gives it; it stays so.
    rows : int
        Rows in a batch, at most.

    Returns
    -------
    schema, batches
        The batches, none for no rows, are read while they are taken. Close them if some may be
        left: the connection is busy until then.
    """
    query = Query(session, statement, parameters)

    def batches() -> Generator[pa.RecordBatch, None, None]:
        with closing(pieces(query, geometry, rows)) as found:
            for piece in found:
                table = kinds.parse_csv(b"".join(piece), query.columns, geometry, threads=False)
                yield kinds.to_batch(table, query.columns, geometry)

    return kinds.batch_schema(query.columns, geometry), batches()


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

    def copy_binary(self) -> sql.Composed:
        """The COPY of its rows in the binary format."""
        return sql.SQL("COPY ({}) TO STDOUT (FORMAT binary)").format(self._text)
