"""Pages of features, single features and extents."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from psycopg import Error
from psycopg.errors import DataError, InternalError_
from sqlalchemy import (
    ARRAY,
    ColumnElement,
    String,
    and_,
    any_,
    cast,
    false,
    func,
    literal,
    or_,
    select,
    tuple_,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from service.catalogue.collection import Collection
from service.catalogue.crs import DEFAULT_CRS, Crs
from service.catalogue.features import selected
from service.catalogue.selection import Box, Selection
from service.db.asking import Answer, AsyncReader
from service.db.reader import Run, Statement, compiled
from service.errors import InvalidParameter, Refused
from service.ogc.paging import Order, Position
from service.ogc.parameters import ItemsQuery
from service.ogc.remembered import Remembered
from service.ogc.statements import (
    count_statement,
    feature_statement,
    page_statement,
    places_statement,
)

__all__ = [
    "COUNT_CEILING",
    "Page",
    "explaining",
    "extent",
    "find_feature",
    "get_feature",
    "list_features",
]

#: Matching rows are counted up to here: further, counting costs more than the page.
COUNT_CEILING: Final = 10_000


@dataclass(frozen=True, slots=True)
class Page:
    """One page of features.

    Attributes
    ----------
    features : bytes
        GeoJSON features with commas between them, in UTF-8.
    returned : int
        How many.
    matched : int, optional
        Rows that match, where that is known.
    following : Position, optional
        Where the next page begins, or None on the last page.
    """

    features: bytes
    returned: int
    matched: int | None
    following: Position | None


async def list_features(
    reader: AsyncReader,
    *,
    collection: Collection,
    query: ItemsQuery,
    everything: Remembered[int] | None = None,
) -> Page:
    """One page of features, in the order asked for and then of the key.

    Parameters
    ----------
    reader : AsyncReader
    collection : Collection
    query : ItemsQuery
    everything : Remembered, optional
        The sizes of whole collections, where they are large.

    Raises
    ------
    InvalidParameter
        The database cannot work out the filter or the reference system for these rows.
    """
    names = [each.name for each in query.orders]
    light = collection.cheapest([*collection.key, *names, *_columns_of(collection, query)])
    chosen = selected(light, query.selection)
    after = [] if query.after is None else [_after(light, query.orders, query.after)]
    conditions = [*chosen, *after]
    with explaining(query.crs, query.selection):
        if query.selection.boxes and len(collection.key) == 1:
            features, places = await _in_two_steps(reader, collection, light, query, conditions)
        else:
            places = await reader.ask(_page(collection, light, query, conditions))
            features = places.first_column(query.limit)
        returned, more = min(len(places), query.limit), len(places) > query.limit
        if query.after is not None:
            matched = query.after.matched
        elif not more and (returned or not query.offset):
            matched = query.offset + returned
        else:
            matched = await _count(reader, light, query.selection, chosen, everything)
    following = None
    if more:
        last = places.row(returned - 1)
        following = Position(last[-len(query.orders) - len(collection.key) :], matched)
    return Page(b",".join(filter(None, features)), len(features), matched, following)


def _page(
    collection: Collection,
    light: Collection,
    query: ItemsQuery,
    conditions: Sequence[ColumnElement[bool]],
    *,
    offset: int | None = None,
) -> Statement:
    return page_statement(
        collection,
        light,
        crs=query.crs,
        orders=query.orders,
        conditions=conditions,
        limit=query.limit,
        offset=query.offset if offset is None else offset,
    )


async def _in_two_steps(
    reader: AsyncReader,
    collection: Collection,
    light: Collection,
    query: ItemsQuery,
    conditions: Sequence[ColumnElement[bool]],
) -> tuple[list[bytes | None], Answer]:
    """The features of a page in boxes, and the places that it was chosen by.

    Each box wants a plan of its own. That of the few columns to choose by is made in a fraction of
    the time that the plan for the features takes, which is the same for any rows.
    """
    places = await reader.ask(
        places_statement(
            light,
            orders=query.orders,
            conditions=conditions,
            limit=query.limit,
            offset=query.offset,
        )
    )
    if not len(places):
        return [], places
    cheapest = collection.cheapest([*collection.key, *(each.name for each in query.orders)])
    (column,) = cheapest.key_columns
    found = await reader.ask(
        _page(
            collection,
            cheapest,
            query,
            [column == any_(_keys(places, query.limit, column))],
            offset=0,
        )
    )
    return found.first_column(), places


def _keys(places: Answer, most: int, column: ColumnElement[Any]) -> ColumnElement[Any]:
    """The keys of so many places as an array.

    Numbers need no quotes: as PostgreSQL wrote them, so it reads them.
    """
    wanted = ARRAY(column.type)
    if column.type.python_type is int:
        listed = b",".join(places.last_column(most)).decode()
        return cast(literal(f"{{{listed}}}", String), wanted)
    return literal([row[-1] for row in places.rows()[:most]], wanted)


async def find_feature(
    reader: AsyncReader, *, collection: Collection, identifier: str, crs: Crs = DEFAULT_CRS
) -> bytes | None:
    """One feature as GeoJSON in UTF-8, or None where there is none of that identifier."""
    values = _key_values(collection, identifier)
    if values is None:
        return None
    with explaining(crs):
        found = await reader.ask(feature_statement(collection, crs, values))
    return found.first_column()[0] if len(found) else None


def get_feature(
    run: Run, *, collection: Collection, identifier: str, crs: Crs = DEFAULT_CRS
) -> str | None:
    """The same as text, for instance within a transaction."""
    values = _key_values(collection, identifier)
    if values is None:
        return None
    with explaining(crs):
        rows = run(feature_statement(collection, crs, values))
    return rows[0][0] if rows else None


def _key_values(collection: Collection, identifier: str) -> list[Any] | None:
    """The values of the key that an identifier names, or None where no row can have it."""
    parts = identifier.split(":") if len(collection.key) > 1 else [identifier]
    if len(parts) != len(collection.key) or "\x00" in identifier:
        return None
    values: list[Any] = []
    for column, part in zip(collection.key_columns, parts, strict=True):
        if column.type.python_type is int:
            if not (part.isascii() and part.isdigit() and len(part) < 19):
                return None
            values.append(int(part))
        else:
            values.append(part)
    return values


def extent(session: Session, *, collection: Collection) -> Box | None:
    """Smallest box around all features, in degrees, or None where there are none."""
    geometry = collection.cheapest([collection.search]).column(collection.search)
    if collection.srid != DEFAULT_CRS.srid:
        geometry = func.ST_Transform(geometry, DEFAULT_CRS.srid)
    box = select(func.ST_Extent(geometry).label("box")).subquery().c.box
    edges = select(func.ST_XMin(box), func.ST_YMin(box), func.ST_XMax(box), func.ST_YMax(box))
    west, south, east, north = session.execute(edges).one()
    return None if west is None else (west, south, east, north)


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


async def _count(
    reader: AsyncReader,
    light: Collection,
    selection: Selection,
    conditions: Sequence[ColumnElement[bool]],
    everything: Remembered[int] | None,
) -> int | None:
    """Rows that match: counted up to a limit; a whole collection beyond it is remembered."""
    sizes = everything if selection.is_everything else None
    known = None if sizes is None else sizes.known(light.name)
    if known is not None and known > COUNT_CEILING:
        return known
    ((matched,),) = await reader(count_statement(light, conditions, COUNT_CEILING + 1))
    if matched <= COUNT_CEILING:
        return int(matched)
    if sizes is None:
        return None
    ((counted,),) = await reader(compiled(select(func.count()).select_from(light.source)))
    sizes.keep(light.name, counted)
    return int(counted)


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
    except (Refused, DBAPIError, Error) as error:
        cause: BaseException | None = error
        if isinstance(error, Refused):
            cause = error.__cause__
        elif isinstance(error, DBAPIError):
            cause = error.orig
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
