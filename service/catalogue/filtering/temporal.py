"""Temporal predicates on instants and intervals; an open end is infinitely far away."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, DateTime, and_, cast, func, literal, or_

from service.catalogue.filtering.errors import FilterError
from service.catalogue.filtering.terms import Term, Value

__all__ = ["PREDICATES", "Span", "instant_span", "span_of", "temporal_condition"]

Condition = ColumnElement[bool]


class Span(NamedTuple):
    """The first and the last moment.

    Attributes
    ----------
    last_day : ColumnElement, optional
        The beginning of the last day, where both ends are days.
    instant : bool
        Whether it is one instant, not an interval.
    """

    first: Value
    last: Value
    last_day: Value | None = None
    instant: bool = False


#: operator -> condition on two spans, as the relations of Allen's interval algebra
_RELATIONS: Final[dict[str, Callable[[Span, Span], Condition]]] = {
    "t_after": lambda a, b: a.first > b.last,
    "t_before": lambda a, b: a.last < b.first,
    "t_disjoint": lambda a, b: or_(a.last < b.first, a.first > b.last),
    "t_equals": lambda a, b: and_(a.first == b.first, a.last == b.last),
    "t_intersects": lambda a, b: and_(a.first <= b.last, a.last >= b.first),
}
#: The same, of intervals alone.
_OF_INTERVALS: Final[dict[str, Callable[[Span, Span], Condition]]] = {
    "t_contains": lambda a, b: and_(a.first < b.first, a.last > b.last),
    "t_during": lambda a, b: and_(a.first > b.first, a.last < b.last),
    "t_finishedby": lambda a, b: and_(a.first < b.first, a.last == b.last),
    "t_finishes": lambda a, b: and_(a.first > b.first, a.last == b.last),
    "t_meets": lambda a, b: a.last == b.first,
    "t_metby": lambda a, b: a.first == b.last,
    "t_overlappedby": lambda a, b: and_(a.first > b.first, a.first < b.last, a.last > b.last),
    "t_overlaps": lambda a, b: and_(a.first < b.first, a.last > b.first, a.last < b.last),
    "t_startedby": lambda a, b: and_(a.first == b.first, a.last > b.last),
    "t_starts": lambda a, b: and_(a.first == b.first, a.last < b.last),
}
PREDICATES: Final = frozenset({*_RELATIONS, *_OF_INTERVALS})


def temporal_condition(name: str, one: Span, other: Span) -> Condition:
    """The predicate on two spans.

    Raises
    ------
    FilterError
        It compares intervals, and one of them is an instant.
    """
    if one.last_day is not None and other.last_day is not None:
        # days are the instants of both: one that ends on a day meets one that begins on it
        one, other = one._replace(last=one.last_day), other._replace(last=other.last_day)
    if name in _RELATIONS:
        return _RELATIONS[name](one, other)
    if one.instant or other.instant:
        raise FilterError(
            f"gives {name.upper()} an instant; it compares intervals. "
            f"Instants have {', '.join(_RELATIONS).upper()}"
        )
    return _OF_INTERVALS[name](one, other)


def instant_span(term: Term) -> Span:
    """The span of one date, timestamp or property; a property without a value has none."""
    if term.kind != "time":
        raise FilterError(f"has an instant of kind {term.kind}")
    if term.last is None:
        return Span(term.value, term.value, instant=True)
    return Span(term.value, term.last, last_day=term.value, instant=True)


def span_of(ends: list[Any], term_of: Callable[[Any], Term]) -> Span:
    """The span of an interval whose ends are texts, dates, properties or open (``..``)."""
    if len(ends) != 2:
        raise FilterError("has an interval that is not a start and an end")
    first, last = (None if end in ("..", "", None) else term_of(end) for end in ends)
    given = [end for end in (first, last) if end is not None]
    for end in given:
        if end.kind != "time":
            raise FilterError(f"has an interval with an end of kind {end.kind}")
    if first is not None and last is not None and first.given and last.given:
        starts, ends_at = _moment(first.given), _moment(last.given)
        if starts > ends_at:
            raise FilterError("has an interval that starts after its end")
    of_days = all(end.last is not None for end in given)
    return Span(
        _reach(first, "-infinity"),
        _reach(last, "infinity", last=True),
        last_day=_reach(last, "infinity") if of_days else None,
    )


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
