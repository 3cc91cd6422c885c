"""Exports in the formats that are files by nature: written whole, then sent."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from geodata.write import write
from service.catalogue.collection import Collection
from service.catalogue.features import identifier, selected
from service.catalogue.selection import Selection
from service.db.frames import read_frame

__all__ = ["write_file"]


def write_file(session: Session, collection: Collection, selection: Selection, path: Path) -> None:
    """Write the features to a file; its suffix names the format."""
    columns = [collection.column(each.name) for each in collection.properties]
    if not set(collection.key) <= {each.name for each in collection.properties}:
        columns.insert(0, identifier(collection).label("id"))
    statement = (
        select(*columns, collection.column(collection.geometry).label("geometry"))
        .where(*selected(collection, selection))
        .order_by(*collection.key_columns)
    )
    write(read_frame(session, statement), path)
