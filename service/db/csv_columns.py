"""What a PostgreSQL type is on the way from COPY's CSV to Arrow."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import psycopg
import pyarrow as pa
import pyarrow.csv
from psycopg import sql
from psycopg.postgres import types as known_types

__all__ = [
    "ARROW",
    "IS_TIME",
    "Column",
    "csv_expression",
    "describe",
    "parse_csv",
]

ARROW: Final = {
    "bool": pa.bool_(),
    "int2": pa.int16(),
    "int4": pa.int32(),
    "int8": pa.int64(),
    "float4": pa.float32(),
    "float8": pa.float64(),
    "text": pa.string(),
    "varchar": pa.string(),
    "bytea": pa.binary(),
    "jsonb": pa.string(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us"),
    "timestamptz": pa.timestamp("us", "UTC"),
}
_ARROW_IN_CSV: Final = {
    **{name: ARROW[name] for name in ("bool", "int2", "int4", "int8", "float4", "float8")},
    "numeric": pa.float64(),
    "date": pa.timestamp("s"),
    "timestamp": pa.int64(),
    "timestamptz": pa.int64(),
}
IS_TIME: Final = frozenset({"timestamp", "timestamptz"})


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a query or a table.

    Attributes
    ----------
    name : str
        Its name.
    type : str
        The type's name in ``pg_type``; of the elements, for an array.
    is_array : bool
        Whether it is an array of that type.
    """

    name: str
    type: str
    is_array: bool


def describe(cursor: psycopg.Cursor[Any]) -> list[Column]:
    """The columns of what a cursor has just executed."""
    found = []
    for column in cursor.description or ():
        info = known_types.get(column.type_code)
        if info is None:  # a type of an extension; the only ones here are PostGIS's
            found.append(Column(column.name, "geometry", is_array=False))
        else:
            is_array = info.array_oid == column.type_code
            found.append(Column(column.name, info.name, is_array=is_array))
    return found


def csv_expression(column: Column, geometry: str | None) -> sql.Composable:
    """A column ``q.name`` in a form that loses nothing in CSV and is quick to parse."""
    name = sql.Identifier("q", column.name.replace("%", "%%"))  # what is bound begins with one
    if column.is_array:
        return sql.SQL("to_json({})").format(name)
    if column.name == geometry:
        # SQLAlchemy selects a geometry as extended WKB already
        form = "encode({}, 'hex')" if column.type == "bytea" else "encode(ST_AsEWKB({}), 'hex')"
        return sql.SQL(form).format(name)
    if column.type in IS_TIME:
        return sql.SQL("CAST(extract(epoch FROM {}) * 1000000 AS bigint)").format(name)
    return name


def parse_csv(
    rows: bytes, columns: Sequence[Column], geometry: str | None, *, threads: bool = True
) -> pa.Table:
    """COPY's CSV as an Arrow table; columns are numbered, since a query may repeat a name.

    Without threads it takes less memory, and no longer for a few megabytes.
    """
    types = {
        str(position): (
            pa.string()
            if column.is_array or column.name == geometry
            else _ARROW_IN_CSV.get(column.type, pa.string())
        )
        for position, column in enumerate(columns)
    }
    if not rows:
        return pa.schema(types.items()).empty_table()
    return pyarrow.csv.read_csv(
        io.BytesIO(rows),
        read_options=pyarrow.csv.ReadOptions(column_names=list(types), use_threads=threads),
        parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=types,
            null_values=[""],
            true_values=["t"],
            false_values=["f"],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
