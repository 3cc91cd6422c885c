"""Files -> raw batches: every GDAL vector format, CSV and (Geo)Parquet, in flat memory.

Nothing is judged here beyond what a file must be to be read at all; ``geodata.validate`` sorts the
rows. Codes and references stay text: no reader may turn them into numbers.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import shapely
from numpy.typing import NDArray

from geodata._csv import CsvReader, is_csv
from geodata._vector import ParquetReader, VectorReader, is_parquet
from geodata.datum import BD09, GCJ02, datum_name, same_crs
from geodata.errors import InputError
from geodata.manifest import (
    BarrierSource,
    DivisionSource,
    GivenSource,
    MemberSource,
    Source,
    nearest,
)
from geodata.schema import STORAGE_CRS

__all__ = ["RawBatch", "SourceInfo", "as_text", "batches", "inspect", "whole"]

REJECT_COLUMNS: Final = ["row", "field", "reason", "raw"]


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """What is known of a source before its rows are read.

    Attributes
    ----------
    source : Source
    columns : tuple of str
        Attribute columns of the file.
    crs : str
        The CRS in force: that of the manifest for this file, else the file's own, else the data
        set's, else EPSG:4326.
    encoding : str
        How the text is decoded.
    has_geometry : bool
        The file carries geometry of its own (no CSV does).
    rows : int or None
        Number of rows, where the file knows it.
    warnings : list of str
    """

    source: Source
    columns: tuple[str, ...]
    crs: str
    encoding: str
    has_geometry: bool
    rows: int | None
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class RawBatch:
    """Some rows of a file, as they are.

    Attributes
    ----------
    info : SourceInfo
    rows : ndarray of int64
        Row numbers in the file; the first row of data is 1.
    table : pyarrow.Table
        The attribute columns, all of them, under their names in the file.
    geometry : ndarray of shapely geometry, or None
        The file's own geometry in ``info.crs``, without Z; None where a row has none.
    malformed : DataFrame
        ``row, field, reason, raw`` of rows that could not be taken apart; they are not in
        ``table``.
    warnings : list of str
        Said once, in the first batch of a file.
    done : float or None
        How much of the file is read by now, 0 to 1.
    """

    info: SourceInfo
    rows: NDArray[np.int64]
    table: pa.Table
    geometry: NDArray[np.object_] | None
    malformed: pd.DataFrame
    warnings: list[str]
    done: float | None

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def source(self) -> Source:
        """Where the rows come from."""
        return self.info.source

    @property
    def crs(self) -> str:
        """The CRS of the coordinates."""
        return self.info.crs

    def text(self, name: str) -> Any:
        """Trimmed text of one of our fields as a pyarrow array, null where blank or not mapped."""
        column = self.source.columns.get(name)
        if column is None or column not in self.table.column_names:
            return pa.nulls(len(self), pa.string())
        return as_text(self.table.column(column))

    def raw(self, positions: NDArray[np.int64]) -> list[dict[str, Any]]:
        """Rows as a whole, by their positions in the batch, in types that JSON knows."""
        taken = self.table.take(pa.array(positions)).to_pylist()
        rows = [{name: _jsonable(value) for name, value in row.items()} for row in taken]
        if self.geometry is not None:
            for row, position in zip(rows, positions, strict=True):
                shape = self.geometry[position]
                row["geometry"] = None if shape is None else shapely.to_wkt(shape)
        return rows


def inspect(source: Source) -> SourceInfo:
    """Open a source, check that the columns which the manifest names are there, and close it.

    Raises
    ------
    UnreadableFile
        The file is not what it says it is, or empty.
    InputError
        A column or layer is missing, or there is nothing to take the place from.
    """
    return _describe(source, _open(source))


def batches(source: Source, *, rows: int = 100_000) -> Iterator[RawBatch]:
    """The rows of a source, ``rows`` at a time at most, at least one batch.

    Raises what :func:`inspect` raises, before the first batch; and UnreadableFile where the file
    ends in the middle.
    """
    reader = _open(source)
    info = _describe(source, reader)
    warnings = list(info.warnings)
    for part in reader.parts(rows):
        yield RawBatch(
            info=info,
            rows=part.rows,
            table=part.table,
            geometry=None if part.geometry is None else _flat(part.geometry),
            malformed=part.malformed,
            warnings=warnings,
            done=part.done,
        )
        warnings = []


def _flat(shapes: NDArray[np.object_]) -> NDArray[np.object_]:
    """The shapes in two dimensions; those that are so already are not copied."""
    if (shapely.get_coordinate_dimension(shapes) > 2).any():
        return np.asarray(shapely.force_2d(shapes), dtype=object)
    return shapes


def whole(source: Source) -> RawBatch:
    """All rows of a source as one batch."""
    parts = list(batches(source))
    if len(parts) == 1:
        return parts[0]
    shapes = [part.geometry for part in parts if part.geometry is not None]
    return dataclasses.replace(
        parts[0],
        rows=np.concatenate([part.rows for part in parts]),
        table=pa.concat_tables([part.table for part in parts], promote_options="permissive"),
        geometry=np.concatenate(shapes) if shapes else None,
        malformed=pd.concat([part.malformed for part in parts], ignore_index=True),
        done=1.0,
    )


def as_text(column: Any) -> Any:
    """A column of any type as trimmed text; whole numbers without a point, blanks as null."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
    kind = column.type
    if pa.types.is_dictionary(kind):
        return as_text(column.dictionary_decode())
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return as_text(pc.binary_join(column.cast(pa.list_(pa.string())), ";"))
    if pa.types.is_floating(kind):
        column = _float_text(column)
    elif not pa.types.is_string(kind):
        column = column.cast(pa.string())
    trimmed = pc.utf8_trim_whitespace(column)
    return pc.if_else(pc.equal(trimmed, ""), pa.scalar(None, pa.string()), trimmed)


def _float_text(column: Any) -> Any:
    whole_number = pc.and_(pc.equal(column, pc.round(column)), pc.less(pc.abs(column), 2.0**53))
    as_integer = pc.if_else(whole_number, column, pa.scalar(None, column.type)).cast(pa.int64())
    text = pc.coalesce(as_integer.cast(pa.string()), column.cast(pa.string()))
    missing = pa.scalar(None, pa.string())
    return pc.if_else(pc.is_nan(column), missing, text)


def _jsonable(value: Any) -> Any:
    if isinstance(value, float) and not np.isfinite(value):
        return None
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    return value if value is None or isinstance(value, str | int | float) else str(value)


# -- opening --------------------------------------------------------------------------------------

_Reader = CsvReader | ParquetReader | VectorReader


def _open(source: Source) -> _Reader:
    if is_csv(source.file):
        return CsvReader(source)
    if is_parquet(source.file):
        return ParquetReader(source)
    return VectorReader(source)


def _describe(source: Source, reader: _Reader) -> SourceInfo:
    _check_columns(source, reader)
    crs, warnings = _crs_in_force(source, reader)
    return SourceInfo(
        source=source,
        columns=tuple(reader.columns),
        crs=crs,
        encoding=reader.encoding,
        has_geometry=reader.has_geometry,
        rows=reader.size,
        warnings=[*reader.warnings, *warnings],
    )


def _check_columns(source: Source, reader: _Reader) -> None:
    columns = list(reader.columns)
    for name, column in source.columns.items():
        if column not in columns:
            raise InputError(
                f"there is no column '{column}', which [{source.table}] {name} names: "
                f"{nearest(column, columns)}",
                file=source.file,
                field=column,
            )
        if column in reader.ambiguous:
            raise InputError(
                f"the header names '{column}' twice: rename one of the two columns",
                file=source.file,
                field=column,
            )
    placed = {"lon", "geometry"} & set(source.columns)
    if reader.has_geometry or placed or isinstance(source, MemberSource):
        return
    if isinstance(source, DivisionSource | BarrierSource | GivenSource):
        advice = "give a file with geometry (GeoPackage, GeoJSON, shapefile, ...)"
    else:
        advice = f"name the columns of the place in [{source.table}]: lon and lat, or geometry"
    raise InputError(
        f"the file carries no geometry: {advice}; columns: {', '.join(columns[:20])}",
        file=source.file,
    )


def _crs_in_force(source: Source, reader: _Reader) -> tuple[str, list[str]]:
    """The CRS of the coordinates that are used, and a warning where two sources disagree."""
    by_column = {"lon", "geometry"} & set(source.columns)
    own = None if by_column else reader.crs
    place = f"{source.file.name}: "
    if source.crs is not None:
        # no file can say that it is in GCJ-02: formats call it WGS84, which is no conflict
        unsaid = source.crs in {GCJ02, BD09} and own is not None and same_crs(own, STORAGE_CRS)
        if own is not None and not unsaid and not same_crs(own, source.crs):
            return source.crs, [
                f"{place}the file says {datum_name(own)}, {_who(source)} "
                f"{datum_name(source.crs)}: {_who(source)} is followed"
            ]
        return source.crs, []
    if own is not None:
        if source.dataset_crs is not None and not same_crs(own, source.dataset_crs):
            return own, [
                f"{place}the file says {datum_name(own)}, [dataset] says "
                f"{datum_name(source.dataset_crs)}: the file is followed; set crs in "
                f"[{source.table}] if it is wrong"
            ]
        return own, []
    if source.dataset_crs is not None:
        return source.dataset_crs, []
    return STORAGE_CRS, [
        f"{place}neither the file nor {_who(source)} states a CRS: taken as {STORAGE_CRS}; "
        f"{source.advice('crs')}{'' if isinstance(source, GivenSource) else ' or [dataset]'}"
    ]


def _who(source: Source) -> str:
    return "--crs" if isinstance(source, GivenSource) else "the manifest"
