"""Pages of features, single features and extents."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

from psycopg.errors import DataError, InternalError_
from sqlalchemy import (
    ColumnElement,
    Integer,
    Select,
    and_,
    bindparam,
    false,
    func,
    literal,
    or_,
    select,
    true,
    tuple_,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from service.catalogue.collection import Collection
from service.catalogue.crs import DEFAULT_CRS, Crs
from service.catalogue.features import feature_text, selected
from service.catalogue.selection import Box, Selection
from service.errors import InvalidParameter, Refused
from service.ogc.paging import Order, Position
from service.ogc.parameters import ItemsQuery

__all__ = [
    "COUNT_CEILING",
    "Page",
    "count_everything",
    "explaining",
    "extent",
    "get_feature",
    "key_condition",
    "list_features",
]

#: Matching rows are counted up to here: further, counting costs more than the page.
COUNT_CEILING: Final = 10_000


@dataclass(frozen=True, slots=True)
class Page:
    """One page of features.

    Attributes
    ----------
    features : sequence of str
        GeoJSON features.
    matched : int, optional
        Rows that match, where that is known.
    following : Position, optional
        Where the next page begins, or None on the last page.
    """

    features: Sequence[str]
    matched: int | None
    following: Position | None


def list_features(
    session: Session,
    *,
    collection: Collection,
    query: ItemsQuery,
    everything: Callable[[], int | None] = lambda: None,
) -> Page:
    """One page of features, in the order asked for and then of the key.

    Parameters
    ----------
    session : Session
    collection : Collection
    query : ItemsQuery
    everything : callable
        The size of the whole collection, asked only where it is large.

    Raises
    ------
    InvalidParameter
        The database cannot work out the filter or the reference system for these rows.
    """
    names = [each.name for each in query.orders]
    light = collection.cheapest([*collection.key, *names, *_columns_of(collection, query)])
    statement = _page_statement(collection, light, query, names)
    with explaining(query.crs, query.selection):
        rows = session.execute(statement).all()
        page, more = rows[: query.limit], len(rows) > query.limit
        matched = _matched(session, light, query, len(page), more, everything)
    following = Position(tuple(page[-1][1:]), matched) if more else None
    return Page([row[0] for row in page], matched, following)


def _page_statement(
    collection: Collection, light: Collection, query: ItemsQuery, names: Sequence[str]
) -> Select[Any]:
    """Features, the values of the order and the key, of a page and the row after it.

    The page is chosen by light columns alone, and what is costly is worked out for its rows only:
    left to itself the planner works out every grid's figures first.
    """
    ordered = [light.column(name) for name in names]
    values = [column.label(f"order_{number}") for number, column in enumerate(ordered)]
    whole = collection.details is not None and light is not collection
    carried = light.source.c if whole else light.key_columns
    rows = select(*carried, *values).select_from(light.source)
    rows = rows.where(*selected(light, query.selection))
    if query.after is not None:
        rows = rows.where(_after(light, query.orders, query.after))
    rows = rows.order_by(*_ranked(ordered, query.orders, collection.key), *light.key_columns)
    chosen = rows.limit(_known(query.limit + 1)).offset(_known(query.offset)).subquery("chosen")
    sent = [f"order_{number}" for number in range(len(ordered))]
    if whole and collection.details is not None:
        full = replace(collection, source=collection.details(chosen), light=None)
        found = [full.column(name) for name in (*sent, *collection.key)]
        statement = select(feature_text(full, query.crs), *found)
    else:
        feature = (
            select(feature_text(collection, query.crs))
            .where(*(collection.column(name) == chosen.c[name] for name in collection.key))
            .limit(1)
            .lateral()
        )
        found = [chosen.c[name] for name in (*sent, *collection.key)]
        statement = select(feature.c.feature, *found).join_from(chosen, feature, true())
    ranked = _ranked(found[: len(sent)], query.orders, collection.key)
    return statement.order_by(*ranked, *found[len(sent) :])


def get_feature(
    session: Session, *, collection: Collection, identifier: str, crs: Crs = DEFAULT_CRS
) -> str | None:
    """One feature as GeoJSON text, or None where there is none of that identifier."""
    condition = key_condition(collection, identifier)
    if condition is None:
        return None
    with explaining(crs):
        return session.scalar(select(feature_text(collection, crs)).where(condition))


def key_condition(collection: Collection, identifier: str) -> ColumnElement[bool] | None:
    """The condition that a row has an identifier, or None where no row can have it."""
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
    return and_(*conditions)


def extent(session: Session, *, collection: Collection) -> Box | None:
    """Smallest box around all features, in degrees, or None where there are none."""
    geometry = collection.cheapest(["geometry"]).column(collection.geometry)
    if collection.srid != DEFAULT_CRS.srid:
        geometry = func.ST_Transform(geometry, DEFAULT_CRS.srid)
    box = select(func.ST_Extent(geometry).label("box")).subquery().c.box
    edges = select(func.ST_XMin(box), func.ST_YMin(box), func.ST_XMax(box), func.ST_YMax(box))
    west, south, east, north = session.execute(edges).one()
    return None if west is None else (west, south, east, north)


def count_everything(session: Session, *, collection: Collection) -> int:
    """The number of all features."""
    light = collection.cheapest(collection.key)
    return session.scalar(select(func.count()).select_from(light.source)) or 0


def _known(number: int) -> ColumnElement[int]:
    """A number that the planner shall know, and so need not plan each page anew."""
    return bindparam(None, number, Integer, literal_execute=True)


def _columns_of(collection: Collection, query: ItemsQuery) -> list[str]:
    """Columns that the conditions of a request read."""
    selection = query.selection
    columns = [*selection.filters]
    if selection.boxes:
        columns.append(collection.search)
    if selection.interval is not None and collection.temporal is not None:
        columns.extend(collection.temporal)
    if selection.filter is not None:
        columns.extend(selection.filter.columns)
    return columns


def _matched(
    session: Session,
    light: Collection,
    query: ItemsQuery,
    returned: int,
    more: bool,
    everything: Callable[[], int | None],
) -> int | None:
    """Rows that match: known from the pages themselves, or counted, or left open."""
    if query.after is not None:
        return query.after.matched
    if not more and (returned or not query.offset):
        return query.offset + returned
    matched = _count(session, light, query.selection)
    return everything() if matched is None and query.selection.is_everything else matched


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


def _ranked(
    columns: Sequence[ColumnElement[Any]], orders: Sequence[Order], key: Sequence[str]
) -> Iterator[Any]:
    """The columns with their directions; a key is never null, and so its index serves both ways."""
    for column, order in zip(columns, orders, strict=True):
        directed = column.desc() if order.descending else column.asc()
        yield directed if order.name in key else directed.nulls_last()


def _after(
    collection: Collection, orders: Sequence[Order], position: Position
) -> ColumnElement[bool]:
    """The condition that a row comes after a position: beyond it in one column, equal before."""
    key_columns = collection.key_columns
    key_values = position.values[len(orders) :]
    keys = [
        literal(value, column.type) for value, column in zip(key_values, key_columns, strict=True)
    ]
    condition: ColumnElement[bool] = (
        key_columns[0] > keys[0] if len(keys) == 1 else tuple_(*key_columns) > tuple_(*keys)
    )
    for order, value in reversed(list(zip(orders, position.values, strict=False))):
        column = collection.column(order.name)
        beyond: ColumnElement[bool]
        equal: ColumnElement[bool]
        if value is None:  # nulls come last: nothing but further nulls follows
            beyond, equal = false(), column.is_(None)
        else:
            bound = literal(value, column.type)
            further = column < bound if order.descending else column > bound
            is_key = order.name in collection.key
            beyond = further if is_key else or_(further, column.is_(None))
            equal = column == bound
        condition = or_(beyond, and_(equal, condition))
    return condition


@contextmanager
def explaining(
    crs: Crs, selection: Selection | None = None, *, crs_name: str = "crs"
) -> Iterator[None]:
    """Say which parameter it was that the database could not work out.

    Raises
    ------
    InvalidParameter
    """
    selection = selection or Selection()
    try:
        yield
    except (Refused, DBAPIError) as error:
        cause = error.__cause__ if isinstance(error, Refused) else error.orig
        if not isinstance(cause, DataError | InternalError_):
            raise
        said = (cause.diag.message_primary or "a value is out of range").strip()
        if selection.filter is not None:
            raise InvalidParameter("filter", f"cannot be worked out: {said}") from error
        if crs != DEFAULT_CRS:
            raise InvalidParameter(crs_name, f"does not reach these features: {said}") from error
        if selection.boxes:
            raise InvalidParameter("bbox", f"cannot be brought to the features: {said}") from error
        raise
