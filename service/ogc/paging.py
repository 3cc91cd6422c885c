"""The order of the pages, and keyset tokens: where the next page begins.

A token holds the order, its values in the last row that was sent, and the number of rows that
matched, so the next page is one index seek away and nothing is counted twice. It is opaque to
clients and needs no secret: it can only name a position that its bearer may ask for anyway.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final, NamedTuple

from service.catalogue.collection import Collection, PropertyType
from service.errors import InvalidParameter

__all__ = ["Order", "Position", "parse_sortby"]

_LONGEST_TOKEN: Final = 2048
_MOST_COLUMNS: Final = 5

_PYTHON: Final[dict[PropertyType, tuple[type, ...]]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "date-time": (str,),
    "date": (str,),
}


class Order(NamedTuple):
    """One column of an order."""

    name: str
    descending: bool


def parse_sortby(collection: Collection, text: str | None) -> tuple[Order, ...]:
    """``+name,-name``: ascending or descending, nulls last; the key follows in any case.

    Raises
    ------
    InvalidParameter
        It names what is no sortable, or names it twice.
    """
    if text is None:
        return ()
    orders: list[Order] = []
    for part in text.split(","):
        # a plus sign that a client left as it is arrives as a blank
        part = part.strip()
        sign, name = (part[:1], part[1:]) if part[:1] in ("+", "-") else ("+", part)
        found = collection.queryables.get(name)
        if found is None or not found.sortable:
            known = ", ".join(each.name for each in collection.queryables.values() if each.sortable)
            raise InvalidParameter("sortby", f"names '{name[:40]}'; the sortables are: {known}")
        if any(each.name == name for each in orders):
            raise InvalidParameter("sortby", f"names '{name}' twice")
        orders.append(Order(name, descending=sign == "-"))
    if len(orders) > _MOST_COLUMNS:
        raise InvalidParameter("sortby", f"names more than {_MOST_COLUMNS} properties")
    return tuple(orders)


@dataclass(frozen=True, slots=True)
class Position:
    """The place after one row.

    Attributes
    ----------
    values : tuple
        The values of the order's columns in the last row sent, then its key.
    matched : int, optional
        Rows that match the whole request, where that is known.
    """

    values: tuple[Any, ...]
    matched: int | None = None

    def token(self, orders: Sequence[Order] = ()) -> str:
        """The position as text fit for a URL."""
        values = [each.isoformat() if isinstance(each, date) else each for each in self.values]
        packed = json.dumps(
            [self.matched, _spelled(orders), *values], ensure_ascii=False, separators=(",", ":")
        )
        return base64.urlsafe_b64encode(packed.encode()).decode().rstrip("=")

    @classmethod
    def parse(cls, token: str, *, collection: Collection, orders: Sequence[Order] = ()) -> Position:
        """Read a token for a collection in an order.

        Raises
        ------
        InvalidParameter
            It is not a token of this service for this collection and order.
        """
        wrong = InvalidParameter(
            "token", "is not one that this service gave for this; start again without it"
        )
        try:
            if len(token) > _LONGEST_TOKEN:
                raise ValueError("too long")
            padded = token.encode("ascii") + b"=" * (-len(token) % 4)
            read = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
            matched, spelled, *values = read
            if spelled != _spelled(orders) or not (matched is None or _is_count(matched)):
                raise ValueError("of another order")
            return cls(tuple(_checked(collection, orders, values)), matched)
        except (UnicodeError, binascii.Error, ValueError, TypeError, RecursionError) as error:
            raise wrong from error


def _spelled(orders: Sequence[Order]) -> str:
    return ",".join(f"{'-' if each.descending else '+'}{each.name}" for each in orders)


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**63


def _checked(collection: Collection, orders: Sequence[Order], values: list[Any]) -> list[Any]:
    """The values of a token as the database takes them."""
    kinds = [collection.queryables[each.name].type for each in orders]
    keys = collection.key_columns
    if len(values) != len(kinds) + len(keys):
        raise ValueError("of another length")
    ordered = [_value(value, kind) for value, kind in zip(values, kinds, strict=False)]
    for value, column in zip(values[len(kinds) :], keys, strict=True):
        kind: PropertyType = "integer" if column.type.python_type is int else "string"
        if value is None:
            raise ValueError("a key is never null")
        ordered.append(_value(value, kind))
    return ordered


def _value(value: Any, kind: PropertyType) -> Any:
    if value is None:
        return None
    if type(value) not in _PYTHON[kind]:
        raise ValueError("of another type")
    if isinstance(value, int) and abs(value) >= 2**63:
        raise ValueError("out of range")
    if isinstance(value, str):
        if "\x00" in value:
            raise ValueError("no text")
        if kind == "date-time":
            moment = datetime.fromisoformat(value)
            if moment.tzinfo is None:
                raise ValueError("without a zone")
            return moment
        if kind == "date":
            return date.fromisoformat(value)
    return value
