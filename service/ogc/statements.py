"""The statements behind pages and single features: their frames written once, conditions added.

What varies from request to request is bound; the frame depends on the collection, the order and the
reference system alone, and writing it anew would take longer than to find a feature.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Subquery,
    and_,
    cast,
    func,
    literal,
    literal_column,
    select,
    text,
    true,
)

from service.catalogue.collection import Collection
from service.catalogue.crs import Crs
from service.catalogue.features import feature_text
from service.db.reader import Statement, Template, compiled, template
from service.ogc.paging import Order

__all__ = ["count_statement", "feature_statement", "page_statement", "places_statement"]

#: Frames that are kept; there are few collections, orders and reference systems.
_FRAMES: Final = 512
_EVERYTHING: Final = Statement("true", {})
_LIMIT: Final = literal_column("$limit$", BigInteger)


def page_statement(
    collection: Collection,
    light: Collection,
    *,
    crs: Crs,
    orders: tuple[Order, ...],
    conditions: Sequence[ColumnElement[bool]],
    limit: int,
    offset: int,
) -> Statement:
    """The features of a page and one more if others follow: a feature a row, with its place.

    Parameters
    ----------
    collection, light : Collection
        What is sent, and the rows that it is chosen by.
    crs : Crs
    orders : tuple of Order
    conditions : sequence of conditions
        Over the columns of ``light``.
    limit, offset : int

    Returns
    -------
    Statement
        Its rows: a feature as text, the values of the orders, then the key.
    """
    where = _bound(conditions)
    # the planner shall know the numbers, and so need not plan each page anew
    frame = _page(collection, light, crs, orders)
    filled = frame.fill(conditions=where.text, one_more=str(limit + 1), offset=str(offset))
    return Statement(filled, where.values)


def places_statement(
    light: Collection,
    *,
    orders: tuple[Order, ...],
    conditions: Sequence[ColumnElement[bool]],
    limit: int,
    offset: int,
) -> Statement:
    """The rows of a page and one more if others follow: values of the orders, then the key."""
    where = _bound(conditions)
    filled = _places(light, orders).fill(
        conditions=where.text, one_more=str(limit + 1), offset=str(offset)
    )
    return Statement(filled, where.values)


def count_statement(
    light: Collection, conditions: Sequence[ColumnElement[bool]], most: int
) -> Statement:
    """The number of rows that match, counted no further than a limit."""
    where = _bound(conditions)
    filled = _count(light).fill(conditions=where.text, limit=str(most))
    return Statement(filled, where.values)


def feature_statement(collection: Collection, crs: Crs, values: Sequence[Any]) -> Statement:
    """The text of one feature, by the values of its key."""
    bound = {f"key_{number}": value for number, value in enumerate(values)}
    return Statement(_feature(collection, crs), bound)


def _bound(conditions: Sequence[ColumnElement[bool]]) -> Statement:
    return compiled(and_(true(), *conditions)) if conditions else _EVERYTHING


@lru_cache(_FRAMES)
def _page(
    collection: Collection, light: Collection, crs: Crs, orders: tuple[Order, ...]
) -> Template:
    """The frame of a page.

    The page is chosen by light columns alone, and what is costly is worked out for its rows only:
    left to itself the planner works out every grid's figures first.
    """
    chosen = _chosen(collection, light, orders)
    sent = [f"order_{number}" for number in range(len(orders))]
    if collection.details is not None and light is not collection:
        full = replace(collection, source=collection.details(chosen), light=None)
        found = [full.column(each) for each in (*sent, *collection.key)]
        rows = select(feature_text(full, crs), *found)
    else:
        feature = (
            select(feature_text(collection, crs))
            .where(*(collection.column(each) == chosen.c[each] for each in collection.key))
            .limit(1)
            .lateral("feature")
        )
        found = [chosen.c[each] for each in (*sent, *collection.key)]
        rows = select(feature.c.feature, *found).join_from(chosen, feature, true())
    ranked = _ranked(found[: len(sent)], orders, collection.key)
    return template(rows.order_by(*ranked, *found[len(sent) :]))


@lru_cache(_FRAMES)
def _places(light: Collection, orders: tuple[Order, ...]) -> Template:
    """The frame of the rows of a page."""
    chosen = _chosen(light, light, orders)
    ordered = [chosen.c[f"order_{number}"] for number in range(len(orders))]
    keys = [chosen.c[each] for each in light.key]
    return template(select(*ordered, *keys))


def _chosen(collection: Collection, light: Collection, orders: tuple[Order, ...]) -> Subquery:
    """The rows of a page and the one after it, by light columns."""
    ordered = [light.column(each.name) for each in orders]
    values = [column.label(f"order_{number}") for number, column in enumerate(ordered)]
    whole = collection.details is not None and light is not collection
    carried = light.source.c if whole else light.key_columns
    return (
        select(*carried, *values)
        .select_from(light.source)
        .where(text("$conditions$"))
        .order_by(*_ranked(ordered, orders, collection.key), *light.key_columns)
        .limit(literal_column("$one_more$", BigInteger))
        .offset(literal_column("$offset$", BigInteger))
        .subquery("chosen")
    )


@lru_cache(_FRAMES)
def _count(light: Collection) -> Template:
    some = (
        select(literal(1).label("one"))
        .select_from(light.source)
        .where(text("$conditions$"))
        .limit(_LIMIT)
        .subquery("some")
    )
    return template(select(func.count()).select_from(some))


@lru_cache(_FRAMES)
def _feature(collection: Collection, crs: Crs) -> str:
    names = [f"key_{number}" for number in range(len(collection.key))]
    conditions = (
        column == cast(literal_column(f"${name}$"), column.type)
        for column, name in zip(collection.key_columns, names, strict=True)
    )
    frame = template(select(feature_text(collection, crs)).where(*conditions))
    return frame.fill(**{name: f"%({name})s" for name in names})


def _ranked(
    columns: Sequence[ColumnElement[Any]], orders: Sequence[Order], key: Sequence[str]
) -> Iterator[Any]:
    """The columns with their directions; a key is never null, and so its index serves both ways."""
    for column, order in zip(columns, orders, strict=True):
        directed = column.desc() if order.descending else column.asc()
        yield directed if order.name in key else directed.nulls_last()
