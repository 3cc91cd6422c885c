"""Array predicates: arrays are sets, and only values of one kind can be the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from sqlalchemy import Boolean, ColumnElement, DateTime, Float, Text, and_, cast, false, or_
from sqlalchemy.dialects.postgresql import ARRAY, array
from sqlalchemy.types import TypeEngine

from service.catalogue.filtering.errors import FilterError
from service.catalogue.filtering.terms import Term, Value

__all__ = ["PREDICATES", "array_condition", "array_term"]

Condition = ColumnElement[bool]
#: kind -> the array of the elements of that kind
Sets = dict[str, Value]

_TYPES: Final[dict[str, TypeEngine[Any]]] = {
    "text": Text(),
    "number": Float(),
    "boolean": Boolean(),
    "time": DateTime(timezone=True),
    "day": DateTime(timezone=True),
}


def array_term(elements: Sequence[Term]) -> Term:
    """An array of values, which may be of several kinds."""
    sorted_values: dict[str, list[Value]] = {"text": []}
    for each in elements:
        kind = "day" if each.last is not None else each.kind
        if kind not in _TYPES:
            raise FilterError(f"has an array with an element of kind {kind}")
        sorted_values.setdefault(kind, []).append(each.value)
    sets = {
        kind: cast(array(values), ARRAY(_TYPES[kind])) for kind, values in sorted_values.items()
    }
    return Term("array", sets["text"], given=sets)


def array_condition(name: str, one: Term, other: Term) -> Condition:
    """The predicate on two terms of the kind array."""
    return PREDICATES[name](_sets(one), _sets(other))


def _sets(term: Term) -> Sets:
    return {"text": term.value} if term.given is None else term.given


def _contain(one: Sets, other: Sets) -> Condition:
    parts = (
        one[kind].bool_op("@>")(values) if kind in one else false()
        for kind, values in other.items()
    )
    return and_(*parts)


def _overlap(one: Sets, other: Sets) -> Condition:
    return or_(*(one[kind].bool_op("&&")(other[kind]) for kind in one.keys() & other.keys()))


#: operator -> condition on two arrays
PREDICATES: Final[dict[str, Callable[[Sets, Sets], Condition]]] = {
    "a_contains": _contain,
    "a_containedby": lambda a, b: _contain(b, a),
    "a_equals": lambda a, b: and_(_contain(a, b), _contain(b, a)),
    "a_overlaps": _overlap,
}
