"""COPY out of PostgreSQL, as many rows at a time as have come.

The driver waits for each row by itself, which takes longer than the database needs for it.
"""

from __future__ import annotations

import select
from collections.abc import Generator, Mapping
from typing import Any, Final

import psycopg
from psycopg import sql
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGconn, PGresult

__all__ = ["copy_out"]

_MOST_AT_ONCE: Final = 1_000


def copy_out(
    connection: psycopg.Connection[Any], copy: sql.Composed, values: Mapping[str, Any]
) -> Generator[list[memoryview], None, None]:
    """Yield the rows of a COPY ... TO STDOUT, none of the lists empty.

    Closed before its end, it calls the statement off: the connection is free again.

    Parameters
    ----------
    connection : psycopg.Connection
        In a transaction; it is busy until the end.
    copy : psycopg.sql.Composed
    values : mapping
        What is bound, by name.
    """
    libpq = connection.pgconn
    text = psycopg.ClientCursor(connection).mogrify(copy, values)
    libpq.send_query(text.encode(connection.info.encoding))
    started = _result(libpq)
    if started is None or started.status != ExecStatus.COPY_OUT:
        _finish(libpq, started)
        return
    rows: list[memoryview] = []
    size = 0
    try:
        while size >= 0:
            size, row = libpq.get_copy_data(1)
            if size > 0:
                rows.append(row)
            if rows and (size <= 0 or len(rows) == _MOST_AT_ONCE):
                yield rows
                rows = []
            if size == 0:
                _wait(libpq)
        _finish(libpq, _result(libpq))
    finally:
        if size >= 0:
            libpq.get_cancel().cancel()
            while _more(libpq):
                pass
        while _result(libpq) is not None:
            pass


def _more(libpq: PGconn) -> bool:
    """Pass a row over; whether others may follow."""
    size, _ = libpq.get_copy_data(1)
    if size == 0:
        _wait(libpq)
    return size >= 0


def _finish(libpq: PGconn, result: PGresult | None) -> None:
    """Take the results to their end; the first error is raised."""
    failed = None
    while result is not None:
        if result.status == ExecStatus.FATAL_ERROR and failed is None:
            failed = error_from_result(result)
        result = _result(libpq)
    if failed is not None:
        raise failed


def _result(libpq: PGconn) -> PGresult | None:
    while libpq.flush() or libpq.is_busy():
        _wait(libpq)
    return libpq.get_result()


def _wait(libpq: PGconn) -> None:
    """Wait until something has come, or until what is left can be sent."""
    waiting = select.poll()
    waiting.register(libpq.socket, select.POLLIN | (select.POLLOUT if libpq.flush() else 0))
    waiting.poll()
    libpq.consume_input()
