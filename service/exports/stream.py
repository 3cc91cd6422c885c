"""Text exports straight from PostgreSQL's COPY: constant memory, no row ever parsed in Python."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from typing import Any, Final

from isal import isal_zlib
from psycopg import sql
from sqlalchemy import ColumnElement, Select, Text, case, cast, func, select
from sqlalchemy.orm import Session

from service.catalogue.collection import Collection, Property
from service.catalogue.features import feature_text, identifier, in_degrees, selected
from service.catalogue.selection import Selection
from service.db.copying import copy_out
from service.db.failures import translating
from service.exports.columns import column_names

__all__ = [
    "STREAMS",
    "Stream",
    "packed",
    "stream_csv",
    "stream_geojson",
    "stream_geojson_lines",
    "stream_geojson_sequence",
]

_CHUNK_BYTES: Final = 256 * 1024
_PACKING_LEVEL: Final = 1
_AS_GZIP: Final = 31
_RECORD_SEPARATOR: Final = "\x1e"
_BYTE_ORDER_MARK: Final = "\ufeff".encode()

# JSON escapes control characters, so with these as quote and delimiter COPY leaves it as it is.
_JSON_OPTIONS: Final = sql.SQL("(FORMAT csv, QUOTE E'\\x01', DELIMITER E'\\x02', ENCODING 'UTF8')")
_CSV_OPTIONS: Final = sql.SQL("(FORMAT csv, HEADER, ENCODING 'UTF8')")

# what a spreadsheet takes for a formula, and what is just a number
_FORMULA: Final = r"^[=+\-@\t\r]"
_NUMBER: Final = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"

Stream = Callable[[Session, Collection, Selection], Generator[bytes, None, None]]


def stream_geojson(
    session: Session, collection: Collection, selection: Selection
) -> Generator[bytes, None, None]:
    """Yield a GeoJSON feature collection (RFC 7946), one feature a line."""
    yield b'{"type":"FeatureCollection","features":[\n'
    waiting = b""
    with closing(stream_geojson_lines(session, collection, selection)) as chunks:
        for chunk in chunks:
            if waiting and chunk:
                yield waiting.replace(b"\n", b",\n") + b",\n"
            waiting = chunk.removesuffix(b"\n") or waiting
    yield waiting.replace(b"\n", b",\n") + (b"\n]}\n" if waiting else b"]}\n")


def stream_geojson_lines(
    session: Session, collection: Collection, selection: Selection
) -> Generator[bytes, None, None]:
    """Yield the features as GeoJSON, one a line."""
    statement = select(feature_text(collection)).select_from(collection.source)
    yield from _copy_out(session, _in_order(statement, collection, selection), _JSON_OPTIONS)


def stream_geojson_sequence(
    session: Session, collection: Collection, selection: Selection
) -> Generator[bytes, None, None]:
    """Yield the features as a GeoJSON text sequence (RFC 8142): each after a record separator."""
    text = func.concat(_RECORD_SEPARATOR, feature_text(collection))
    statement = select(text).select_from(collection.source)
    yield from _copy_out(session, _in_order(statement, collection, selection), _JSON_OPTIONS)


def stream_csv(
    session: Session, collection: Collection, selection: Selection
) -> Generator[bytes, None, None]:
    """Yield CSV: UTF-8 with byte order mark; points as lon and lat, what else as WKT."""
    statement = select(*_csv_columns(collection))
    yield _BYTE_ORDER_MARK
    yield from _copy_out(session, _in_order(statement, collection, selection), _CSV_OPTIONS)


#: suffix -> what writes it
STREAMS: Final[dict[str, Stream]] = {
    "geojson": stream_geojson,
    "geojsonl": stream_geojson_lines,
    "geojsonseq": stream_geojson_sequence,
    "csv": stream_csv,
}


def packed(chunks: Generator[bytes, None, None]) -> Generator[bytes, None, None]:
    """Yield the chunks as one gzip file, packed quickly rather than small."""
    packer = isal_zlib.compressobj(_PACKING_LEVEL, isal_zlib.DEFLATED, _AS_GZIP)
    with closing(chunks):
        for chunk in chunks:
            if squeezed := packer.compress(chunk):
                yield squeezed
    yield packer.flush()


def _in_order(statement: Select[Any], collection: Collection, selection: Selection) -> Select[Any]:
    return statement.where(*selected(collection, selection)).order_by(*collection.key_columns)


def _csv_columns(collection: Collection) -> Iterator[ColumnElement[Any]]:
    if not set(collection.key) <= {each.name for each in collection.properties}:
        yield identifier(collection).label("id")
    geometry = in_degrees(collection)
    places: dict[str, ColumnElement[Any]] = {}
    if collection.geometry_type == "Point":
        places = {"lon": func.ST_X(geometry), "lat": func.ST_Y(geometry)}
        if collection.heights:
            places["height"] = func.ST_Z(geometry)
    elif collection.has_geometry:
        places = {"geometry": func.ST_AsText(geometry)}
    names = column_names(collection, *places)
    for each in collection.properties:
        yield _as_text(each, collection.column(each.name)).label(names[each.name])
    for name, place in places.items():
        yield place.label(name)


def _as_text(each: Property, column: ColumnElement[Any]) -> ColumnElement[Any]:
    if each.type == "strings":
        return func.array_to_string(column, ";")
    if each.type == "date-time":  # as in JSON: 2026-01-31T08:00:00+00:00
        return func.trim(cast(func.to_json(column), Text), '"')
    return _guarded(column) if each.type == "string" else cast(column, Text)


def _guarded(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Put an apostrophe before text that a spreadsheet would run, as :mod:`geodata.write` does."""
    runs = column.regexp_match(_FORMULA) & ~column.regexp_match(_NUMBER)
    return case((runs, func.concat("'", column)), else_=column)


def _copy_out(
    session: Session, statement: Select[Any], options: sql.SQL
) -> Generator[bytes, None, None]:
    """Yield what COPY sends, in chunks of about 256 kB that end with a line."""
    compiled = statement.compile(
        dialect=session.get_bind().dialect, compile_kwargs={"render_postcompile": True}
    )
    copy = sql.SQL("COPY ({}) TO STDOUT {}").format(sql.SQL(str(compiled)), options)
    connection: Any = session.connection().connection.driver_connection
    waiting: list[memoryview] = []
    size = 0
    with translating(), closing(copy_out(connection, copy, dict(compiled.params))) as stream:
        for rows in stream:
            waiting += rows
            size += sum(map(len, rows))
            if size >= _CHUNK_BYTES:
                yield b"".join(waiting)
                waiting, size = [], 0
    yield b"".join(waiting)
