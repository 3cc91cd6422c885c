"""How many rows an export has."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.catalogue.collection import Collection
from service.catalogue.features import selected
from service.catalogue.selection import Selection

__all__ = ["count_rows"]


def count_rows(session: Session, collection: Collection, selection: Selection) -> int:
    """Count the features of a selection exactly."""
    needed = {*selection.filters, *collection.key}
    if selection.boxes:
        needed.add(collection.search)
    if selection.interval is not None:
        needed.update(collection.temporal or ())
    if selection.filter is not None:
        needed.update(selection.filter.columns)
    source = collection.cheapest(needed)
    statement = select(func.count()).select_from(source.source)
    return session.scalar(statement.where(*selected(source, selection))) or 0
