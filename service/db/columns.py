"""What a PostgreSQL type is on the way: in COPY's CSV, in Arrow, in pandas, in COPY's binary."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
import psycopg
import pyarrow as pa
import pyarrow.csv
import shapely
from pgpq import ArrowToPostgresBinaryEncoder, encoders
from pgpq import schema as pgpq_schema
from psycopg import sql
from psycopg.postgres import types as known_types

from service.db.base import SRID

__all__ = [
    "Column",
    "batch_schema",
    "binary_code",
    "csv_expression",
    "describe",
    "encoder_of",
    "parse_csv",
    "to_arrow",
    "to_batch",
    "to_pandas",
]

_ARROW: Final = {
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
    **{name: _ARROW[name] for name in ("bool", "int2", "int4", "int8", "float4", "float8")},
    "numeric": pa.float64(),
    "date": pa.timestamp("s"),
    "timestamp": pa.int64(),
    "timestamptz": pa.int64(),
}
_BINARY_CODES: Final = {
    "bool": "?",
    "int2": ">i2",
    "int4": ">i4",
    "int8": ">i8",
    "float4": ">f4",
    "float8": ">f8",
}
_IS_JSON: Final = frozenset({"json", "jsonb"})
_IS_TIME: Final = frozenset({"timestamp", "timestamptz"})

#: The flag in the type number of extended WKB that says that an SRID follows.
_HAS_SRID: Final = 0x20000000
_POINT_RECORD: Final = np.dtype(
    [("order", "u1"), ("type", "<u4"), ("srid", "<u4"), ("x", "<f8"), ("y", "<f8")]
)


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
    name = sql.Identifier("q", column.name)
    if column.is_array:
        return sql.SQL("to_json({})").format(name)
    if column.name == geometry:
        # SQLAlchemy selects a geometry as extended WKB already
        form = "encode({}, 'hex')" if column.type == "bytea" else "encode(ST_AsEWKB({}), 'hex')"
        return sql.SQL(form).format(name)
    if column.type in _IS_TIME:
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


def to_batch(table: pa.Table, columns: Sequence[Column], geometry: str) -> pa.RecordBatch:
    """A parsed table as one batch with the types and names of the query, its geometry as bytes."""
    arrays = []
    for position, column in enumerate(columns):
        values = table.column(position).combine_chunks()
        if isinstance(values, pa.ChunkedArray):
            values = pa.concat_arrays(values.chunks) if values.num_chunks else values.chunk(0)
        if column.name == geometry:
            values = _bytes_from_hex(values)
        elif column.type in _IS_TIME:
            values = values.cast(_ARROW[column.type])
        arrays.append(values)
    return pa.RecordBatch.from_arrays(arrays, names=[column.name for column in columns])


def batch_schema(columns: Sequence[Column], geometry: str) -> pa.Schema:
    """The schema of :func:`to_batch`."""
    return to_batch(parse_csv(b"", columns, geometry), columns, geometry).schema


def _bytes_from_hex(values: pa.StringArray) -> pa.BinaryArray:
    """Bytes from hexadecimal text, all of Arrow's buffer in one step."""
    if not len(values):
        return pa.array([], type=pa.binary())
    offsets = np.frombuffer(values.buffers()[1], dtype="<i4")
    offsets = offsets[values.offset : values.offset + len(values) + 1]
    digits = values.buffers()[2][int(offsets[0]) : int(offsets[-1])]
    halved = ((offsets - offsets[0]) // 2).astype("<i4")
    found = [None, pa.py_buffer(halved), pa.py_buffer(bytes.fromhex(str(digits, "ascii")))]
    if values.null_count:
        present = np.packbits(values.is_valid().to_numpy(zero_copy_only=False), bitorder="little")
        found[0] = pa.py_buffer(present)
    return pa.BinaryArray.from_buffers(pa.binary(), len(values), found)


def to_pandas(values: pa.ChunkedArray, column: Column, geometry: str | None) -> Any:
    """A parsed column as a pandas one; the geometry as an array of shapely geometries."""
    if column.name == geometry:
        return _from_hex(values)
    if column.is_array or column.type in _IS_JSON:
        decoded = [None if text is None else json.loads(text) for text in values.to_pylist()]
        return pd.Series(decoded, dtype=object)
    if column.type in _IS_TIME:
        return values.cast(_ARROW[column.type]).to_pandas()
    return values.to_pandas()


def _from_hex(values: pa.ChunkedArray) -> Any:
    """Geometries from hexadecimal extended WKB; points without a detour through objects."""
    pieces = [_points_from_hex(piece) for piece in values.chunks if len(piece)]
    if pieces and all(piece is not None for piece in pieces):
        return np.concatenate(pieces)
    return shapely.from_wkb(np.array(values.to_pylist(), dtype=object))


def _points_from_hex(values: pa.StringArray) -> Any:
    """Points read straight from Arrow's buffer; None where something else is among them."""
    size = 2 * _POINT_RECORD.itemsize
    offsets = np.frombuffer(values.buffers()[1], dtype="<i4")
    offsets = offsets[values.offset : values.offset + len(values) + 1]
    if values.null_count or (np.diff(offsets) != size).any():
        return None
    digits = values.buffers()[2][int(offsets[0]) : int(offsets[-1])]
    records = np.frombuffer(bytes.fromhex(str(digits, "ascii")), dtype=_POINT_RECORD)
    if (records["order"] != 1).any() or (records["type"] != _HAS_SRID + 1).any():
        return None
    return shapely.points(records["x"], records["y"])


def to_arrow(values: Any, target: Column) -> pa.Array:
    """A column of a frame as Arrow has it for the type of its target.

    Raises
    ------
    ValueError
        A value does not fit the type, or the type is not supported.
    """
    if target.type == "geometry" and not target.is_array:
        return _to_ewkb(np.asarray(values, dtype=object))
    kind = _ARROW.get(target.type)
    if kind is None:
        raise ValueError(f"column {target.name}: the type {target.type} cannot be copied")
    if target.is_array:
        kind = pa.list_(kind)
    elif target.type in _IS_JSON:
        values = [_to_json(value) for value in values]
    try:
        array = _typed(values, kind)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise ValueError(f"column {target.name}: {error}") from error
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def _typed(values: Any, kind: pa.DataType) -> pa.Array:
    """An Arrow array of a type, where nothing is cut off to make it fit."""
    array = pa.array(values, from_pandas=True)
    if pa.types.is_floating(array.type) and pa.types.is_integer(kind):
        return array.cast(kind)  # refuses fractions, which Arrow drops from Python's floats
    return pa.array(values, type=kind, from_pandas=True)


def _to_json(value: Any) -> str | None:
    if value is None or value is pd.NA or (isinstance(value, float) and np.isnan(value)):
        return None
    return json.dumps(value, ensure_ascii=False)


def _to_ewkb(geometries: Any) -> pa.Array:
    """Extended WKB with the SRID, in two dimensions; points are laid out in one step."""
    if len(geometries) and (shapely.get_type_id(geometries) == shapely.GeometryType.POINT).all():
        records = np.empty(len(geometries), dtype=_POINT_RECORD)
        records["order"], records["type"], records["srid"] = 1, _HAS_SRID + 1, SRID
        records["x"], records["y"] = shapely.get_x(geometries), shapely.get_y(geometries)
        return pa.FixedSizeBinaryArray.from_buffers(
            pa.binary(_POINT_RECORD.itemsize), len(records), [None, pa.py_buffer(records)]
        ).cast(pa.binary())
    flat = shapely.set_srid(shapely.force_2d(geometries), SRID)
    return pa.array(shapely.to_wkb(flat, include_srid=True, byte_order=1), type=pa.binary())


def encoder_of(field: pa.Field, target: Column) -> Any:
    """The encoder of an Arrow column for its target in COPY's binary format."""
    if target.type == "jsonb" and not target.is_array:
        return encoders.StringEncoderBuilder.new_with_output(field, pgpq_schema.Jsonb())
    return ArrowToPostgresBinaryEncoder.infer_encoder(field)


def binary_code(column: Column) -> str:
    """NumPy's code for a number in COPY's binary format.

    Raises
    ------
    ValueError
        The column is not a number.
    """
    code = None if column.is_array else _BINARY_CODES.get(column.type)
    if code is None:
        raise ValueError(f"{column.name} is not a number")
    return code
