"""Pages of features, single features and extents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, func, literal, select, true, tuple_
from sqlalchemy.orm import Session

from service.catalogue.collection import Collection
from service.catalogue.features import feature_text, selected
from service.catalogue.selection import Box, Selection
from service.ogc.paging import Position
from service.ogc.parameters import ItemsQuery

__all__ = ["COUNT_CEILING", "Page", "extent", "get_feature", "list_features"]

#: Beyond so many matching rows ``numberMatched`` is left out: counting costs more than the page.
COUNT_CEILING: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Page:
    """One page of features.

    Attributes
    ----------
    features : sequence of str
        GeoJSON features.
    matched : int, optional
        Rows that match, or None beyond :data:`COUNT_CEILING`.
    following : Position, optional
        Where the next page begins, or None on the last page.
    """

    features: Sequence[str]
    matched: int | None
    following: Position | None


def list_features(session: Session, *, collection: Collection, query: ItemsQuery) -> Page:
    """One page of features in the order of the key."""
    light = collection.cheapest([*collection.key, *_columns_of(collection, query.selection)])
    keys = select(*light.key_columns).select_from(light.source)
    keys = keys.where(*selected(light, query.selection))
    if query.after is not None:
        matched = query.after.matched
        keys = keys.where(_after(light, query.after))
    else:
        matched = _count(session, light, query.selection)
    # The page is chosen by its keys alone, and what is costly is worked out row by row, for its
    # rows only: left to itself the planner works out every grid's figures first.
    chosen = (
        keys.order_by(*light.key_columns).limit(query.limit + 1).offset(query.offset).subquery()
    )
    feature = (
        select(feature_text(collection))
        .where(*(collection.column(name) == chosen.c[name] for name in collection.key))
        .limit(1)
        .lateral()
    )
    key = [chosen.c[name] for name in collection.key]
    statement = select(feature.c.feature, *key).join_from(chosen, feature, true()).order_by(*key)
    rows = session.execute(statement).all()
    page, more = rows[: query.limit], len(rows) > query.limit
    following = Position(tuple(page[-1][1:]), matched) if more else None
    return Page([row[0] for row in page], matched, following)


def get_feature(session: Session, *, collection: Collection, identifier: str) -> str | None:
    """One feature as GeoJSON text, or None where there is none of that identifier."""
    parts = identifier.split(":") if len(collection.key) > 1 else [identifier]
    if len(parts) != len(collection.key) or "\x00" in identifier:
        return None
    conditions = []
    for column, part in zip(collection.key_columns, parts, strict=True):
        if column.type.python_type is int:
            if not (part.isascii() and part.isdigit() and len(part) < 19):
                return None
            conditions.append(column == int(part))
        else:
            conditions.append(column == part)
    return session.scalar(select(feature_text(collection)).where(*conditions))


def extent(session: Session, *, collection: Collection) -> Box | None:
    """Smallest box around all features, in degrees, or None where there are none."""
    geometry = collection.cheapest(["geometry"]).column("geometry")
    box = select(func.ST_Extent(geometry).label("box")).subquery().c.box
    edges = select(func.ST_XMin(box), func.ST_YMin(box), func.ST_XMax(box), func.ST_YMax(box))
    west, south, east, north = session.execute(edges).one()
    return None if west is None else (west, south, east, north)


def _columns_of(collection: Collection, selection: Selection) -> list[str]:
    """Columns that the conditions of a selection read."""
    columns = [*selection.filters]
    if selection.boxes:
        columns.append(collection.search)
    if selection.interval is not None and collection.temporal is not None:
        columns.extend(collection.temporal)
    return columns


def _count(session: Session, collection: Collection, selection: Selection) -> int | None:
    some = (
        select(literal(1).label("one"))
        .select_from(collection.source)
        .where(*selected(collection, selection))
        .limit(COUNT_CEILING + 1)
        .subquery()
    )
    matched = session.scalar(select(func.count()).select_from(some)) or 0
    return matched if matched <= COUNT_CEILING else None


def _after(collection: Collection, position: Position) -> ColumnElement[bool]:
    columns = collection.key_columns
    values: list[ColumnElement[Any]] = [
        literal(value, column.type) for value, column in zip(position.key, columns, strict=True)
    ]
    if len(columns) == 1:
        return columns[0] > values[0]
    return tuple_(*columns) > tuple_(*values)
