"""Temporal predicates on instants and intervals; an open end is infinitely far away."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, DateTime, and_, cast, func, literal, or_

from service.catalogue.filtering.reading import FilterError
from service.catalogue.filtering.terms import Term, Value

__all__ = ["PREDICATES", "Span", "instant_span", "span_of"]

Condition = ColumnElement[bool]


class Span(NamedTuple):
    """The first and the last moment."""

    first: Value
    last: Value


#: operator -> condition on two spans, as the relations of Allen's interval algebra
PREDICATES: Final[dict[str, Callable[[Span, Span], Condition]]] = {
    "t_after": lambda a, b: a.first > b.last,
    "t_before": lambda a, b: a.last < b.first,
    "t_contains": lambda a, b: and_(a.first < b.first, a.last > b.last),
    "t_disjoint": lambda a, b: or_(a.last < b.first, a.first > b.last),
    "t_during": lambda a, b: and_(a.first > b.first, a.last < b.last),
    "t_equals": lambda a, b: and_(a.first == b.first, a.last == b.last),
    "t_finishedby": lambda a, b: and_(a.first < b.first, a.last == b.last),
    "t_finishes": lambda a, b: and_(a.first > b.first, a.last == b.last),
    "t_intersects": lambda a, b: and_(a.first <= b.last, a.last >= b.first),
    "t_meets": lambda a, b: a.last == b.first,
    "t_metby": lambda a, b: a.first == b.last,
    "t_overlappedby": lambda a, b: and_(a.first > b.first, a.first < b.last, a.last > b.last),
    "t_overlaps": lambda a, b: and_(a.first < b.first, a.last > b.first, a.last < b.last),
    "t_startedby": lambda a, b: and_(a.first == b.first, a.last > b.last),
    "t_starts": lambda a, b: and_(a.first == b.first, a.last < b.last),
}


def instant_span(term: Term) -> Span:
    """The span of one date, timestamp or property; a property without a value has none."""
    if term.kind != "time":
        raise FilterError(f"has an instant of kind {term.kind}")
    return Span(term.value, term.value if term.last is None else term.last)


def span_of(ends: list[Any], term_of: Callable[[Any], Term | None]) -> Span:
    """The span of an interval whose ends are texts, dates, properties or open (``..``)."""
    if len(ends) != 2:
        raise FilterError("has an interval that is not a start and an end")
    first, last = (None if end in ("..", "", None) else term_of(end) for end in ends)
    for end in (first, last):
        if end is not None and end.kind != "time":
            raise FilterError(f"has an interval with an end of kind {end.kind}")
    span = Span(_reach(first, "-infinity"), _reach(last, "infinity", last=True))
    if first is not None and last is not None and first.given and last.given:
        starts, ends_at = _moment(first.given), _moment(last.given)
        if starts > ends_at:
            raise FilterError("has an interval that starts after its end")
    return span


def _moment(text: str) -> datetime:
    found = datetime.fromisoformat(text.upper())
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _reach(end: Term | None, beyond: str, *, last: bool = False) -> Value:
    limit = cast(literal(beyond), DateTime(timezone=True))
    if end is None:
        return limit
    value = end.last if last and end.last is not None else end.value
    # a property without a value leaves its end open
    return value if end.given is not None else func.coalesce(value, limit)
