"""Exports in the formats that are files by nature: written a batch at a time, then sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
from sqlalchemy import ColumnElement, Date, DateTime, LargeBinary, case, func, literal, or_, select
from sqlalchemy.orm import Session

from geodata.batches import write_batches
from service.catalogue.collection import Collection
from service.catalogue.features import identifier, in_degrees, selected
from service.catalogue.selection import Selection
from service.db.arrow import reading_batches
from service.exports.columns import column_names
from service.exports.counting import count_rows

__all__ = ["MOST_INDEXED", "write_file"]

_GEOMETRY: Final = "geometry"
#: The index of a FlatGeobuf file is built in memory, so a larger one has none.
MOST_INDEXED: Final = 250_000
#: type of property -> its type in the database, the first and the last that the formats can write
_TIMES: Final[dict[str, tuple[Any, Any, Any]]] = {
    "date": (Date(), date(1, 1, 1), date(9999, 12, 31)),
    "date-time": (
        DateTime(timezone=True),
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(9999, 12, 31, tzinfo=UTC),
    ),
}
#: Types of geometries that the formats have a name for.
_KINDS: Final = {
    "Polygon or MultiPolygon": "MultiPolygon",
    "Polygon": "MultiPolygon",
    **{
        each: each
        for each in ("Point", "MultiPoint", "LineString", "MultiLineString", "MultiPolygon")
    },
}


def write_file(
    session: Session,
    collection: Collection,
    selection: Selection,
    path: Path,
    *,
    written: Callable[[int], None] = lambda rows: None,
) -> None:
    """Write the features to a file; its suffix names the format.

    Parameters
    ----------
    session, collection, selection
        What to write.
    path : Path
        A place where no one looks yet: the file grows there.
    written : callable, optional
        Called with the number of rows of each batch; what it raises ends the writing.
    """
    # Arrow's own pool keeps what it took; the system gets it back
    pa.set_memory_pool(pa.system_memory_pool())
    conditions = selected(collection, selection)
    statement = select(*_columns(collection), _as_bytes(collection).label(_GEOMETRY))
    index = path.suffix == ".fgb" and _indexed(session, collection, selection, conditions)
    ordered = statement.where(*conditions).order_by(*collection.key_columns)
    with reading_batches(session, ordered) as (schema, batches):
        write_batches(
            schema,
            _counted(batches, written),
            path,
            geometry=_GEOMETRY,
            geometry_type=_kind(collection),
            layer=collection.name,
            index=index,
        )


def _columns(collection: Collection) -> Iterator[ColumnElement[Any]]:
    names = column_names(collection, _GEOMETRY)
    if not set(collection.key) <= {each.name for each in collection.properties}:
        yield identifier(collection).label("id")
    for each in collection.properties:
        column = collection.column(each.name)
        if each.type == "strings":
            column = func.array_to_string(column, ";")
        elif each.type in _TIMES:
            kind, first, last = _TIMES[each.type]
            column = case((column.between(literal(first, kind), literal(last, kind)), column))
        yield column.label(names[each.name])


def _kind(collection: Collection) -> str:
    """The type of every geometry, as the formats call it: ``Point``, ``MultiPolygon Z``."""
    kind = _KINDS.get(collection.geometry_type)
    if kind is None:
        return "Unknown"
    return f"{kind} Z" if collection.heights else kind


def _as_bytes(collection: Collection) -> ColumnElement[Any]:
    """The geometry as WKB in degrees, all of one type where it has one; no measures."""
    geometry = in_degrees(collection)
    if "Polygon" in _kind(collection):
        geometry = func.ST_Multi(geometry)
    if collection.further:
        geometry = (func.ST_Force3DZ if collection.heights else func.ST_Force2D)(geometry)
    return func.ST_AsBinary(geometry, type_=LargeBinary)


def _indexed(
    session: Session,
    collection: Collection,
    selection: Selection,
    conditions: list[ColumnElement[bool]],
) -> bool:
    """Whether a FlatGeobuf file gets its index, which cannot hold a feature without a place."""
    if count_rows(session, collection, selection) > MOST_INDEXED:
        return False
    geometry = collection.column(collection.geometry)
    missing = or_(geometry.is_(None), func.ST_IsEmpty(geometry))
    found = select(1).select_from(collection.source).where(*conditions, missing).limit(1)
    return session.scalar(found) is None


def _counted(
    batches: Iterator[pa.RecordBatch], written: Callable[[int], None]
) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        yield batch
        written(batch.num_rows)
