"""Terms: what stands on either side of a comparison, with its kind."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from sqlalchemy import BigInteger, ColumnElement, DateTime, Float, Text, collate, func, literal
from sqlalchemy.dialects.postgresql import ARRAY

from service.catalogue.collection import PropertyType
from service.catalogue.filtering.errors import FilterError
from service.catalogue.values import LARGEST_INTEGER, parse_moment

__all__ = [
    "KIND_OF_TYPE",
    "Kind",
    "Term",
    "Value",
    "folded",
    "number_term",
    "text_term",
    "time_term",
    "values_in_one",
]

Kind = Literal["text", "number", "boolean", "time", "array", "geometry"]
Value = ColumnElement[Any]

KIND_OF_TYPE: Final[dict[PropertyType, Kind]] = {
    "string": "text",
    "integer": "number",
    "number": "number",
    "boolean": "boolean",
    "date-time": "time",
    "date": "time",
    "strings": "array",
}
#: Unicode's rules of case, whatever the locale of the database.
_UNICODE: Final = "und-x-icu"
#: The one letter that capitals confuse with another (i), and what stands for it: no letter at all.
_DOTLESS: Final = ("\u0131", "\ue131")


@dataclass(frozen=True, slots=True)
class Term:
    """A value with its kind.

    Attributes
    ----------
    kind : Kind
    value : ColumnElement
        A bound literal, a column, or what is computed from them.
    last : ColumnElement, optional
        For a day, its last moment; ``value`` is its first.
    given : Any
        The literal itself, where it is one.
    """

    kind: Kind
    value: Value
    last: Value | None = None
    given: Any = None


def number_term(number: float) -> Term:
    """A number; whole ones as integers, so that an index on integers serves."""
    if isinstance(number, int) and abs(number) <= LARGEST_INTEGER:
        return Term("number", literal(number, BigInteger), given=number)
    number = float(number) if abs(number) < 1e300 else math.inf
    if not math.isfinite(number):
        raise FilterError("has a number that is too large")
    if number.is_integer() and abs(number) <= LARGEST_INTEGER:
        return Term("number", literal(int(number), BigInteger), given=int(number))
    return Term("number", literal(number, Float), given=number)


def text_term(text: str) -> Term:
    """A text."""
    if "\x00" in text:
        raise FilterError("has a character that no text can hold")
    return Term("text", literal(text, Text), given=text)


def time_term(text: Any) -> Term:
    """A day in UTC, or a moment."""
    if not isinstance(text, str):
        raise FilterError("has a date or a timestamp that is no text")
    try:
        first, last = parse_moment(text, last=False), parse_moment(text, last=True)
    except ValueError as error:
        raise FilterError(f"has '{text[:40]}', which {error}") from error
    kind = DateTime(timezone=True)
    return Term(
        "time",
        literal(first, kind),
        last=None if first == last else literal(last, kind),
        given=text,
    )


def values_in_one(term: Term, literals: Sequence[Term]) -> Value | None:
    """Literals as one array that the term equals an element of, or None where that is no equality.

    Properties are no literals. Days and moments are not equal to each other; one lies within the
    other.
    """
    if any(each.given is None or each.kind != term.kind for each in literals):
        return None
    if any((each.last is None) != (term.last is None) for each in literals):
        return None
    given = [each.given for each in literals]
    if term.kind == "text":
        return literal(given, ARRAY(Text))
    if term.kind == "number":
        if all(isinstance(each, int) for each in given):
            return literal(given, ARRAY(BigInteger))
        return literal([float(each) for each in given], ARRAY(Float))
    if term.kind == "time":
        moments = [parse_moment(each, last=False) for each in given]
        return literal(moments, ARRAY(DateTime(timezone=True)))
    return None


def folded(text: Value) -> Value:
    """The text by Unicode's full case folding: small letters alone keep the sharp s from SS."""
    return func.upper(func.lower(collate(func.replace(text, *_DOTLESS), _UNICODE)))
