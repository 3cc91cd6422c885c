"""Rows of a query as Arrow batches, for what is only passed on.

ADBC's driver takes COPY's binary format and makes the batches itself: no row passes through Python,
which would take longer than all the rest. It has a connection of its own, and so reads what has
been committed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import psycopg
import pyarrow as pa
from adbc_driver_manager import AdbcConnection, AdbcStatement, Error
from adbc_driver_manager._reader import AdbcRecordBatchReader
from adbc_driver_postgresql import StatementOptions, connect
from psycopg import sql
from sqlalchemy import Executable
from sqlalchemy.orm import Session

from service.db.batches import Query
from service.db.csv_columns import ARROW, Column
from service.db.failures import translating

__all__ = ["reading_batches"]

#: Bytes of a batch, about.
_BATCH_BYTES: Final = 512 * 1024
_SIZED: Final = {StatementOptions.BATCH_SIZE_HINT_BYTES.value: str(_BATCH_BYTES)}
#: What the server said, after how grave it is and before the statement.
_SAID: Final = re.compile(r"\w+:  (.+)")
_CONNECT_LIMIT_S: Final = "10"


@contextmanager
def reading_batches(
    session: Session, statement: Executable
) -> Iterator[tuple[pa.Schema, Iterator[pa.RecordBatch]]]:
    """Read the rows of a query while they are taken.

    Parameters
    ----------
    session : Session
        Says where the database is; what it has not committed is not seen.
    statement : Executable
        A SELECT; a geometry in it is WKB, as ``ST_AsBinary`` gives it.

    Yields
    ------
    schema, batches
        The batches, none for no rows. Times are UTC, numerics are ``float64``, arrays and jsonb
        are text. What is left when the context ends is called off.

    Raises
    ------
    GridwardError
        As the database says.
    """
    query = Query(session, statement, None)
    schema = pa.schema([(each.name, _type_of(each)) for each in query.columns])
    place = session.get_bind().engine.url
    # what the address itself says goes before
    told = {"application_name": "gridward", "connect_timeout": _CONNECT_LIMIT_S, **place.query}
    url = place.set(drivername="postgresql", query=told)
    # the driver's lower floor: its DB-API loads pandas, fifty megabytes
    with (
        _plain_errors(),
        connect(url.render_as_string(hide_password=False)) as database,
        AdbcConnection(database) as connection,
        AdbcStatement(connection) as asked,
    ):
        asked.set_options(**_SIZED)
        asked.set_sql_query(query.written_out(_chosen(query.columns)))
        stream, _ = asked.execute_query()
        # this reader keeps the SQLSTATE of an error, as Arrow's own does not
        with AdbcRecordBatchReader._import_from_c(stream.address) as reader:
            # the driver's own schema names PostgreSQL's types, which no file shall tell
            yield schema, (batch.cast(schema) for batch in reader)


def _type_of(column: Column) -> pa.DataType:
    if column.is_array:
        return pa.string()
    return pa.float64() if column.type == "numeric" else ARROW.get(column.type, pa.string())


def _chosen(columns: Sequence[Column]) -> sql.Composed:
    """The columns of ``q`` in the types that the driver and :func:`_type_of` agree on."""
    return sql.SQL(", ").join(_expression(each) for each in columns)


def _expression(column: Column) -> sql.Composable:
    name = sql.Identifier("q", column.name)
    if column.is_array:
        form = "CAST(to_json({}) AS text) AS {}"
    elif column.type == "numeric":
        form = "CAST({} AS double precision) AS {}"
    elif column.type in ("jsonb", "varchar") or column.type not in ARROW:
        form = "CAST({} AS text) AS {}"
    else:
        return name
    return sql.SQL(form).format(name, sql.Identifier(column.name))


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Raise what an error of psycopg with the same SQLSTATE would be."""
    with translating():
        try:
            yield
        except Error as error:
            said = _SAID.search(str(error))
            message = said[1] if said else str(error).splitlines()[0]
            raise _kind(error)(message) from error


def _kind(error: Error) -> type[Any]:
    try:
        return psycopg.errors.lookup(error.sqlstate or "")
    except KeyError:
        return psycopg.OperationalError
