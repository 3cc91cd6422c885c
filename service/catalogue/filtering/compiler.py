"""A CQL2 tree -> a condition over the columns of one collection; every value is bound."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    DateTime,
    Float,
    Numeric,
    and_,
    any_,
    cast,
    false,
    func,
    literal,
    not_,
    or_,
    true,
)

from service.catalogue.collection import Collection
from service.catalogue.crs import DEFAULT_CRS, OF_THE_EARTH, Crs
from service.catalogue.filtering import arrays, spatial, temporal
from service.catalogue.filtering.errors import FilterError
from service.catalogue.filtering.functions import call
from service.catalogue.filtering.terms import (
    KIND_OF_TYPE,
    Kind,
    Term,
    Value,
    folded,
    number_term,
    text_term,
    time_term,
    values_in_one,
)

__all__ = ["Compiler"]

Condition = ColumnElement[bool]
Node = Any

_COMPARISONS: Final[dict[str, Callable[[Value, Value], Condition]]] = {
    "=": lambda a, b: a == b,
    "<>": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
    "<=": lambda a, b: a <= b,
    ">=": lambda a, b: a >= b,
}
#: For a day on the right: which of its moments each comparison looks at.
_AT_LAST: Final = frozenset({"<=", ">"})
_MIRRORED: Final = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "=": "=", "<>": "<>"}
_ARITHMETIC: Final[dict[str, Callable[[Value, Value], Value]]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / func.nullif(b, literal(0.0, Float)),
    "div": lambda a, b: func.trunc(a / func.nullif(b, literal(0.0, Float))),
    "^": lambda a, b: func.power(a, b),
    "%": lambda a, b: cast(
        func.mod(cast(a, Numeric), func.nullif(cast(b, Numeric), literal(0, BigInteger))), Float
    ),
}
_WHOLE_DAY: Final = timedelta(days=1) - timedelta(microseconds=1)
#: What the standard has and this service does not -> its conformance class.
_UNDECLARED: Final = {"accenti": "accent-insensitive-comparison"}
#: Each of them is a condition of its own in the statement.
_MOST_ALTERNATIVES: Final = 500
_CONDITIONS: Final = frozenset(
    {
        *("and", "or", "not", "like", "between", "in", "isnull"),
        *_COMPARISONS,
        *spatial.PREDICATES,
        *temporal.PREDICATES,
        *arrays.PREDICATES,
    }
)


class Compiler:
    """Compiles filters for one collection.

    Parameters
    ----------
    collection : Collection
        Whose queryables may be named; no other column can be.
    crs : Crs
        Of the geometries in the filter.
    """

    def __init__(self, collection: Collection, crs: Crs) -> None:
        self.collection, self.crs = collection, crs
        self.named: set[str] = set()

    def condition(self, node: Node) -> Condition:
        """The condition of a tree.

        Raises
        ------
        FilterError
            It names what is no queryable, calls what is no function, or compares unlike kinds.
        """
        if isinstance(node, bool):
            return true() if node else false()
        if not isinstance(node, dict) or "op" not in node:
            return self._true_term(node)
        name, arguments = _operation(node)
        if name in ("and", "or"):
            parts = [self.condition(each) for each in arguments]
            if not parts:
                raise FilterError(f"has {name.upper()} without conditions")
            return and_(*parts) if name == "and" else or_(*parts)
        if name == "not":
            return not_(self.condition(_only(name, arguments)))
        for names, compile_it in (
            (_COMPARISONS, self._comparison),
            (spatial.PREDICATES, self._spatial),
            (temporal.PREDICATES, self._temporal),
            (arrays.PREDICATES, self._arrays),
        ):
            if name in names:
                return compile_it(name, *_pair(name, arguments))
        special = {
            "like": self._like,
            "between": self._between,
            "in": self._in,
            "isnull": self._is_null,
        }
        if name in special:
            return special[name](arguments)
        return self._true_term(node)

    def _true_term(self, node: Node) -> Condition:
        term = self._term(node)
        if term.kind != "boolean":
            raise FilterError("is no condition")
        return term.value

    # conditions

    def _comparison(self, name: str, left: Node, right: Node) -> Condition:
        one, other = self._alike(self._term(left), self._term(right))
        if one.kind in ("array", "geometry"):
            raise FilterError(f"compares a value of kind {one.kind} by '{name}'")
        if one.last is not None and other.last is None:
            one, other, name = other, one, _MIRRORED[name]
        if other.last is None:
            return _COMPARISONS[name](one.value, other.value)
        if name in ("=", "<>"):
            during = and_(one.value >= other.value, one.value <= other.last)
            return during if name == "=" else not_(during)
        return _COMPARISONS[name](one.value, other.last if name in _AT_LAST else other.value)

    def _alike(self, one: Term, other: Term) -> tuple[Term, Term]:
        """Both terms of one kind; a text beside a time is read as a time."""
        if (one.kind, other.kind) == ("time", "text") and other.given is not None:
            other = time_term(other.given)
        elif (one.kind, other.kind) == ("text", "time") and one.given is not None:
            one = time_term(one.given)
        if one.kind != other.kind:
            raise FilterError(f"compares a value of kind {one.kind} with one of kind {other.kind}")
        return one, other

    def _like(self, arguments: list[Node]) -> Condition:
        value, pattern = (self._term(each) for each in _pair("like", arguments))
        if value.kind != "text" or pattern.kind != "text":
            raise FilterError("uses LIKE on what is no text")
        if pattern.given is None:
            raise FilterError("uses LIKE with a pattern that is no literal")
        if re.search(r"(?<!\\)(?:\\\\)*\\$", pattern.given):
            raise FilterError("has a LIKE pattern that ends with a backslash")
        return value.value.like(pattern.value, escape="\\")

    def _between(self, arguments: list[Node]) -> Condition:
        if len(arguments) != 3:
            raise FilterError("has BETWEEN without a value and two bounds")
        value, lower, upper = arguments
        return and_(self._comparison(">=", value, lower), self._comparison("<=", value, upper))

    def _in(self, arguments: list[Node]) -> Condition:
        value, listed = _pair("in", arguments)
        if not isinstance(listed, list) or not listed:
            raise FilterError("has IN without a list of values")
        own, others = self._term(value), [self._term(each) for each in listed]
        alike = [self._alike(own, each)[1] for each in others]
        if not any(isinstance(each, dict) and "op" in each for each in listed):
            values = values_in_one(own, alike)
            if values is not None:  # the statement is the same for any number
                return own.value == any_(values)
        if len(listed) > _MOST_ALTERNATIVES:
            raise FilterError(
                f"lists more than {_MOST_ALTERNATIVES} values with IN that are no plain literals"
            )
        return or_(*(self._comparison("=", value, each) for each in listed))

    def _is_null(self, arguments: list[Node]) -> Condition:
        return self._term(_only("isNull", arguments)).value.is_(None)

    def _spatial(self, name: str, left: Node, right: Node) -> Condition:
        own = self.collection
        srid = self._common_system(left, right)
        one, other = (self._geometry(name, each, srid) for each in (left, right))
        search = None if own.search == own.geometry else own.column(own.search)
        return spatial.spatial_condition(name, one, other, search=search)

    def _common_system(self, *nodes: Node) -> int:
        """That of the collection, or degrees where it may not reach as far as a literal."""
        own = self.collection.srid
        if own == self.crs.srid or own in OF_THE_EARTH:
            return own
        wide = any(spatial.is_literal(each) and spatial.is_wide(each, self.crs) for each in nodes)
        return DEFAULT_CRS.srid if wide else own

    def _geometry(self, name: str, node: Node, srid: int) -> Term:
        if spatial.is_literal(node):
            return spatial.geometry_term(node, crs=self.crs, srid=srid)
        term = self._of_kind("geometry", name, node)
        if srid == self.collection.srid:
            return term
        return replace(term, value=func.ST_Transform(term.value, srid))

    def _temporal(self, name: str, left: Node, right: Node) -> Condition:
        return temporal.temporal_condition(name, self._span(left), self._span(right))

    def _span(self, node: Node) -> temporal.Span:
        if isinstance(node, dict) and "interval" in node:
            ends = node["interval"]
            if not isinstance(ends, list):
                raise FilterError("has an interval that is not a start and an end")
            return temporal.span_of(ends, self._end)
        return temporal.instant_span(self._end(node))

    def _end(self, node: Node) -> Term:
        return time_term(node) if isinstance(node, str) else self._term(node)

    def _arrays(self, name: str, left: Node, right: Node) -> Condition:
        one, other = self._of_kind("array", name, left), self._of_kind("array", name, right)
        return arrays.array_condition(name, one, other)

    # terms

    def _of_kind(self, kind: Kind, name: str, node: Node) -> Term:
        term = self._term(node)
        if term.kind != kind:
            raise FilterError(f"gives {name.upper()} a value of kind {term.kind}, not {kind}")
        return term

    def _term(self, node: Node) -> Term:
        if isinstance(node, bool):
            return Term("boolean", literal(node, Boolean), given=node)
        if isinstance(node, int | float):
            return number_term(node)
        if isinstance(node, str):
            return text_term(node)
        if isinstance(node, list):
            return arrays.array_term([self._term(each) for each in node])
        if not isinstance(node, dict):
            raise FilterError("has a value of no known kind")
        if "property" in node:
            return self._property(node["property"])
        if "op" in node:
            return self._computed(node)
        for member in ("date", "timestamp"):
            if member in node:
                return time_term(node[member])
        if spatial.is_literal(node):  # for functions, which reckon in degrees
            return spatial.geometry_term(node, crs=self.crs, srid=DEFAULT_CRS.srid)
        raise FilterError("has a part of no known kind")

    def _property(self, name: Any) -> Term:
        own = self.collection
        if name == own.geometry:
            self.named.update((name, own.search))
            return Term("geometry", own.column(name))
        found = own.queryables.get(name) if isinstance(name, str) else None
        if found is None:
            known = ", ".join([*own.queryables, own.geometry])
            raise FilterError(
                f"names '{str(name)[:40]}', which is no queryable; there are: {known}"
            )
        self.named.add(name)
        column = own.column(name)
        if found.type == "date":
            first = func.timezone("UTC", cast(column, DateTime))
            last = first + literal(_WHOLE_DAY)
            return Term("time", first, last=last)
        return Term(KIND_OF_TYPE[found.type], column)

    def _computed(self, node: Node) -> Term:
        name, arguments = _operation(node)
        if name in _CONDITIONS:
            return Term("boolean", self.condition(node))
        if name == "casei":
            term = self._of_kind("text", name, _only(name, arguments))
            return Term("text", folded(term.value), given=term.given)
        if name in _UNDECLARED:
            raise FilterError(
                f"uses {name.upper()}, of the class {_UNDECLARED[name]}, "
                "which is not among those at /conformance"
            )
        if name in _ARITHMETIC:
            if name == "-" and len(arguments) == 1:
                arguments = [0, *arguments]
            pair = [self._of_kind("number", name, each) for each in _pair(name, arguments)]
            one, other = (cast(each.value, Float) for each in pair)
            return Term("number", _ARITHMETIC[name](one, other))
        return call(str(node["op"]), [self._term(each) for each in arguments])


def _operation(node: dict[str, Any]) -> tuple[str, list[Node]]:
    name, arguments = node["op"], node.get("args", [])
    if not isinstance(name, str) or not isinstance(arguments, list):
        raise FilterError("has an operation without a name or without arguments")
    return name.lower(), arguments


def _only(name: str, arguments: list[Node]) -> Node:
    if len(arguments) != 1:
        raise FilterError(f"gives {name.upper()} {len(arguments)} arguments, not one")
    return arguments[0]


def _pair(name: str, arguments: list[Node]) -> tuple[Node, Node]:
    if len(arguments) != 2:
        raise FilterError(f"gives {name.upper()} {len(arguments)} arguments, not two")
    return arguments[0], arguments[1]
