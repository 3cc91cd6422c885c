"""The only bridge between PostGIS and frames: rows travel by COPY, never one by one.

Reading takes COPY's CSV, which Arrow parses with the types that PostgreSQL names; writing takes
COPY's binary format, encoded from Arrow. Both keep every bit of a coordinate.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from pgpq import ArrowToPostgresBinaryEncoder
from psycopg import sql
from sqlalchemy import Executable
from sqlalchemy.orm import Session

from geodata.schema import STORAGE_CRS
from service.db import columns as kinds
from service.db.batches import Query, driver_connection, pieces
from service.db.csv_columns import Column, describe, parse_csv
from service.db.failures import translating

__all__ = [
    "copy_frame",
    "read_arrays",
    "read_frame",
    "read_frames",
    "read_packed",
    "read_table",
]

_ROWS_AT_ONCE: Final = 100_000
_BINARY_HEADER_BYTES: Final = 19
_BINARY_TRAILER_BYTES: Final = 2


def read_frame(
    session: Session,
    statement: Executable,
    parameters: Mapping[str, Any] | None = None,
    *,
    geometry: str = "geometry",
) -> gpd.GeoDataFrame:
    """Read the rows of a query as a frame.

    Parameters
    ----------
    session : Session
        Its transaction is used; what it has pending is written first.
    statement : Executable
        A SELECT, with its columns in the order of the frame.
    parameters : mapping, optional
        Values for the statement's names.
    geometry : str
        The geometry column.

    Returns
    -------
    geopandas.GeoDataFrame
        In EPSG:4326. Text is ``str`` (missing where null), integers with nulls are ``float64``,
        arrays are lists, jsonb is what ``json`` makes of it, times are UTC.
    """
    (frame,) = _read(session, statement, parameters, geometry=geometry, rows=None)
    return frame


def read_frames(
    session: Session,
    statement: Executable,
    parameters: Mapping[str, Any] | None = None,
    *,
    geometry: str = "geometry",
    rows: int = _ROWS_AT_ONCE,
) -> Iterator[gpd.GeoDataFrame]:
    """Read the rows of a query as frames of at most ``rows`` rows, in constant memory.

    There is at least one frame, which may be empty. The session's connection is busy until the
    last one was taken.
    """
    yield from _read(session, statement, parameters, geometry=geometry, rows=rows)


def read_table(
    session: Session, statement: Executable, parameters: Mapping[str, Any] | None = None
) -> pd.DataFrame:
    """Read the rows of a query without geometry, with the types of :func:`read_frame`."""
    (frame,) = _read(session, statement, parameters, geometry=None, rows=None)
    return frame


def read_arrays(
    session: Session, statement: Executable, parameters: Mapping[str, Any] | None = None
) -> dict[str, NDArray[Any]]:
    """Read numbers as arrays, the fastest way out of the database.

    Parameters
    ----------
    session, statement, parameters
        As for :func:`read_frame`; every column is an integer, a float or a boolean, none null.

    Returns
    -------
    dict
        Column -> array of shape (n,), in the order of the columns.

    Raises
    ------
    ValueError
        A column is of another type, or holds a null.
    """
    query = Query(session, statement, parameters)
    names = [column.name for column in query.columns]
    fields: list[tuple[str, str] | tuple[str, str, int]] = [("fields", ">i2")]
    for position, column in enumerate(query.columns):
        code = kinds.binary_code(column)
        fields += [(f"bytes_{position}", ">i4"), (f"value_{position}", code)]
    layout = np.dtype(fields)
    with (
        translating(),
        query.cursor() as cursor,
        cursor.copy(query.copy_binary(), query.parameters) as stream,
    ):
        received = b"".join(stream)
    body = len(received) - _BINARY_HEADER_BYTES - _BINARY_TRAILER_BYTES
    if body % layout.itemsize:
        raise ValueError(f"a null among {', '.join(names)}")
    rows = np.frombuffer(
        received, dtype=layout, count=body // layout.itemsize, offset=_BINARY_HEADER_BYTES
    )
    for position in range(len(names)):
        sizes = rows[f"bytes_{position}"]
        if len(sizes) and (sizes != layout[f"value_{position}"].itemsize).any():
            raise ValueError(f"a null in {names[position]}")
    return {
        name: rows[f"value_{position}"].astype(layout[f"value_{position}"].newbyteorder("="))
        for position, name in enumerate(names)
    }


def read_packed(
    session: Session,
    statement: Executable,
    parameters: Mapping[str, Any] | None,
    layout: np.dtype[Any],
) -> NDArray[Any]:
    """Read numbers that a query has packed into one value.

    The driver spends microseconds on each row it is sent, whatever is in it. A query that packs
    its rows itself (``string_agg(float8send(x) || int8send(n), '')``) sends one.

    Parameters
    ----------
    session, statement, parameters
        As for :func:`read_frame`; the one value is a bytea, null for no row.
    layout : numpy.dtype
        The fields of a row, in network byte order.

    Returns
    -------
    structured ndarray, shape (n,)
        Read-only, in network byte order.
    """
    packed: bytes | None = session.execute(statement, parameters or {}).scalar_one()
    return np.frombuffer(packed or b"", dtype=layout)


def copy_frame(
    session: Session,
    frame: pd.DataFrame,
    table: str,
    *,
    columns: Sequence[str] | None = None,
    freeze: bool = False,
) -> int:
    """Append a frame to a table by binary COPY, in the session's transaction.

    Parameters
    ----------
    session : Session
        Its transaction is used; what it has pending is written first.
    frame : DataFrame or GeoDataFrame
        Geometry in EPSG:4326; missing values become null, lists become arrays, and any value of a
        jsonb column becomes its JSON.
    table : str
        The table, as ``name`` or ``schema.name``; a temporary one will do.
    columns : sequence of str, optional
        The columns to write, by their name in both; all of the frame's unless given.
    freeze : bool
        The table was made or emptied in this transaction: mark the rows as settled at once,
        which saves the first readers the work.

    Returns
    -------
    int
        Rows written.

    Raises
    ------
    ValueError
        The frame is in another CRS, or a value does not fit the type of its column.
    service.errors.Refused, service.errors.Conflict
        A constraint of the table refuses a row.
    """
    names = list(frame.columns if columns is None else columns)
    crs = getattr(frame, "crs", None)
    if crs is not None and crs != STORAGE_CRS:
        raise ValueError(f"the frame is in {crs.to_string()}, the table in {STORAGE_CRS}")
    session.flush()
    place = sql.Identifier(*table.split("."))
    listed = sql.SQL(", ").join(map(sql.Identifier, names))
    with translating(), driver_connection(session).cursor() as cursor:
        cursor.execute(sql.SQL("SELECT {} FROM {} LIMIT 0").format(listed, place))
        targets = describe(cursor)
        settled = sql.SQL(", FREEZE") if freeze else sql.SQL("")
        copying = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary{})").format(
            place, listed, settled
        )
        with cursor.copy(copying) as stream:
            for chunk in _encoded(frame, targets):
                stream.write(chunk)
    return len(frame)


def _encoded(frame: pd.DataFrame, targets: Sequence[Column]) -> Iterator[bytes]:
    """The bytes of a binary COPY, in pieces."""
    encoder: Any = None
    for begin in range(0, max(len(frame), 1), _ROWS_AT_ONCE):
        piece = frame.iloc[begin : begin + _ROWS_AT_ONCE]
        arrays = [kinds.to_arrow(piece[target.name], target) for target in targets]
        batch = pa.RecordBatch.from_arrays(arrays, names=[target.name for target in targets])
        if encoder is None:
            encoder = ArrowToPostgresBinaryEncoder.new_with_encoders(
                batch.schema,
                {
                    field.name: kinds.encoder_of(field, target)
                    for field, target in zip(batch.schema, targets, strict=True)
                },
            )
            yield encoder.write_header()
        yield encoder.write_batch(batch)
    yield encoder.finish()


def _read(
    session: Session,
    statement: Executable,
    parameters: Mapping[str, Any] | None,
    *,
    geometry: str | None,
    rows: int | None,
) -> Iterator[Any]:
    """Frames of at most ``rows`` rows, at least one; COPY sends one row a message."""
    query = Query(session, statement, parameters)
    if geometry is not None and geometry not in {column.name for column in query.columns}:
        raise ValueError(f"the query has no column {geometry}")
    given = False
    for piece in pieces(query, geometry, rows):
        yield _frame(piece, query.columns, geometry)
        given = True
    if not given:
        yield _frame([], query.columns, geometry)


def _frame(
    rows: Sequence[bytes | bytearray | memoryview],
    columns: Sequence[Column],
    geometry: str | None,
) -> Any:
    table = parse_csv(b"".join(rows), columns, geometry)
    values = {
        column.name: kinds.to_pandas(table.column(position), column, geometry)
        for position, column in enumerate(columns)
    }
    if geometry is None:
        return pd.DataFrame(values)
    return gpd.GeoDataFrame(values, geometry=geometry, crs=STORAGE_CRS)
