"""Exports in the formats that are files by nature: written a batch at a time, then sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
from sqlalchemy import ColumnElement, LargeBinary, func, select
from sqlalchemy.orm import Session

from geodata.batches import write_batches
from service.catalogue.collection import Collection
from service.catalogue.features import identifier, selected
from service.catalogue.selection import Selection
from service.db.batches import read_batches
from service.exports.counting import count_rows

__all__ = ["MOST_INDEXED", "write_file"]

#: Rows in memory at once.
_ROWS: Final = 2_000
#: The index of a FlatGeobuf file is built in memory, so a larger one has none.
MOST_INDEXED: Final = 250_000


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
    statement = select(*_columns(collection), _as_bytes(collection).label("geometry"))
    schema, batches = read_batches(
        session, statement.where(*conditions).order_by(*collection.key_columns), rows=_ROWS
    )
    index = path.suffix == ".fgb" and _indexed(session, collection, selection, conditions)
    with closing(batches):  # a COPY that is half read would block the end of the transaction
        write_batches(
            schema,
            _counted(batches, written),
            path,
            geometry="geometry",
            geometry_type=_kind(collection),
            layer=collection.name,
            index=index,
        )


def _columns(collection: Collection) -> Iterator[ColumnElement[Any]]:
    if not set(collection.key) <= {each.name for each in collection.properties}:
        yield identifier(collection).label("id")
    for each in collection.properties:
        column = collection.column(each.name)
        if each.type == "strings":
            yield func.array_to_string(column, ";").label(each.name)
        else:
            yield column


def _kind(collection: Collection) -> str:
    return "MultiPolygon" if "Polygon" in collection.geometry_type else collection.geometry_type


def _as_bytes(collection: Collection) -> ColumnElement[Any]:
    """The geometry as WKB, all of one type."""
    geometry = collection.column(collection.geometry)
    alike = func.ST_Multi(geometry) if _kind(collection) == "MultiPolygon" else geometry
    return func.ST_AsBinary(alike, type_=LargeBinary)


def _indexed(
    session: Session,
    collection: Collection,
    selection: Selection,
    conditions: list[ColumnElement[bool]],
) -> bool:
    """Whether a FlatGeobuf file gets its index, which cannot hold a feature without a place."""
    if count_rows(session, collection, selection) > MOST_INDEXED:
        return False
    missing = collection.column(collection.geometry).is_(None)
    found = select(1).select_from(collection.source).where(*conditions, missing).limit(1)
    return session.scalar(found) is None


def _counted(
    batches: Iterator[pa.RecordBatch], written: Callable[[int], None]
) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        yield batch
        written(batch.num_rows)
