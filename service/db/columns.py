"""What a PostgreSQL type is on the way between Arrow, pandas and COPY's binary format."""

from __future__ import annotations

import json
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import shapely
from pgpq import ArrowToPostgresBinaryEncoder, encoders
from pgpq import schema as pgpq_schema

from service.db.base import SRID
from service.db.csv_columns import ARROW, IS_TIME, Column

__all__ = [
    "binary_code",
    "encoder_of",
    "to_arrow",
    "to_pandas",
]

_BINARY_CODES: Final = {
    "bool": "?",
    "int2": ">i2",
    "int4": ">i4",
    "int8": ">i8",
    "float4": ">f4",
    "float8": ">f8",
}
_IS_JSON: Final = frozenset({"json", "jsonb"})

#: The flag in the type number of extended WKB that says that an SRID follows.
_HAS_SRID: Final = 0x20000000
_POINT_RECORD: Final = np.dtype(
    [("order", "u1"), ("type", "<u4"), ("srid", "<u4"), ("x", "<f8"), ("y", "<f8")]
)


def to_pandas(values: pa.ChunkedArray, column: Column, geometry: str | None) -> Any:
    """A parsed column as a pandas one; the geometry as an array of shapely geometries."""
    if column.name == geometry:
        return _from_hex(values)
    if column.is_array or column.type in _IS_JSON:
        decoded = [None if text is None else json.loads(text) for text in values.to_pylist()]
        return pd.Series(decoded, dtype=object)
    if column.type in IS_TIME:
        return values.cast(ARROW[column.type]).to_pandas()
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
    kind = ARROW.get(target.type)
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
