"""Numbers between PostGIS and numpy by the million: whole columns at once, both ways.

COPY hands rows out one message each, and each costs the reader more than the numbers in it. Here a
page of rows comes as one row of arrays; on the way in, numpy lays COPY's binary format out.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, TypeAlias

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import sql
from sqlalchemy import Executable
from sqlalchemy.orm import Session

from service.db.batches import prepared
from service.db.failures import translating

__all__ = ["Field", "copying", "encode", "read_arrays_of"]

#: A column of a binary COPY: an array, the same bytes in every row, or null in every row.
Field: TypeAlias = NDArray[Any] | bytes | None

_SIGNATURE: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_END: Final = b"\xff\xff"
_NULL: Final = -1

#: Type of the elements of an array (its OID) -> their bytes.
_ELEMENTS: Final = {20: ">i8", 21: ">i2", 23: ">i4", 701: ">f8", 1184: ">i8"}
_BYTEA: Final = 17
_ARRAY_HEADER_BYTES: Final = 20


def read_arrays_of(
    session: Session, statement: Executable, parameters: Mapping[str, Any]
) -> tuple[NDArray[Any], ...]:
    """Read the one row of a query whose columns are arrays of numbers (``array_agg``) or bytes.

    Parameters
    ----------
    session, statement, parameters
        As for :func:`service.db.frames.read_frame`; no element is null.

    Returns
    -------
    tuple of ndarray
        One of shape (n,) a column; of shape (0,) for null. Times are microseconds since 2000;
        ``bytea`` is an array of uint8.
    """
    connection, query, values = prepared(session, statement, parameters)
    with translating(), connection.cursor(binary=True) as cursor:
        cursor.execute(query, values)
        result = cursor.pgresult
        if result is None or result.ntuples != 1:
            raise ValueError("the query has not exactly one row")
        return tuple(
            np.frombuffer(result.get_value(0, k) or b"", dtype=np.uint8)
            if result.ftype(k) == _BYTEA
            else _elements(result.get_value(0, k))
            for k in range(result.nfields)
        )


def _elements(value: bytes | None) -> NDArray[Any]:
    """The elements of an array in PostgreSQL's binary format."""
    if value is None:
        return np.empty(0, dtype=np.int64)
    dimensions, nulls, kind = struct.unpack_from(">iii", value)
    if dimensions == 0:
        return np.empty(0, dtype=np.int64)
    if dimensions != 1 or nulls:
        raise ValueError("an array with nulls or several dimensions")
    code = np.dtype(_ELEMENTS[kind])
    items = np.frombuffer(
        value, dtype=[("bytes", ">i4"), ("value", code)], offset=_ARRAY_HEADER_BYTES
    )
    return items["value"].astype(code.newbyteorder("="))


@contextmanager
def copying(
    session: Session, table: str, columns: Sequence[str], *, freeze: bool = False
) -> Iterator[psycopg.Copy]:
    """A binary COPY into a table, in the session's transaction; write what :func:`encode` gives.

    With ``freeze``, the rows are visible to everyone once the transaction is; the table must have
    been made or emptied in it.
    """
    session.flush()
    connection: Any = session.connection().connection.driver_connection
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary{})").format(
        sql.Identifier(table),
        sql.SQL(", ").join(map(sql.Identifier, columns)),
        sql.SQL(", FREEZE") if freeze else sql.SQL(""),
    )
    with translating(), connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(_SIGNATURE)
        yield copy
        copy.write(_END)


def encode(fields: Iterable[Field], rows: int) -> bytes:
    """Rows in COPY's binary format.

    Parameters
    ----------
    fields : iterable of array of int, float or bytes, shape (rows,), or bytes, or None
        The columns in their order. An array of bytes must hold texts of one length.
    rows : int
        Their number.
    """
    given = list(fields)
    layout: list[tuple[str, str]] = [("fields", ">i2")]
    for k, field in enumerate(given):
        layout.append((f"bytes_{k}", ">i4"))
        if isinstance(field, bytes):
            layout.append((f"value_{k}", f"S{len(field)}"))
        elif field is not None:
            layout.append((f"value_{k}", field.dtype.newbyteorder(">").str))
    table = np.empty(rows, dtype=layout)
    table["fields"] = len(given)
    for k, field in enumerate(given):
        if field is None:
            table[f"bytes_{k}"] = _NULL
        else:
            table[f"bytes_{k}"] = table.dtype[f"value_{k}"].itemsize
            table[f"value_{k}"] = field
    return table.tobytes()
