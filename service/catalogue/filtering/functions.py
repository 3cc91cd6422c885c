"""The functions that a filter may call: these and no others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Float, cast, func

from service.catalogue.filtering.errors import FilterError
from service.catalogue.filtering.terms import Kind, Term, Value

__all__ = ["FUNCTIONS", "Function", "call"]


@dataclass(frozen=True, slots=True)
class Function:
    """A function: what it takes and gives.

    Attributes
    ----------
    title : str
        What it gives, unit included.
    takes : tuple of Kind
        Kinds of its arguments.
    gives : Kind
        Kind of its value.
    build : callable
        Values of the arguments -> the expression.
    """

    title: str
    takes: tuple[Kind, ...]
    gives: Kind
    build: Callable[..., Value]


def _real(value: Value) -> Value:
    return cast(value, Float)


FUNCTIONS: Final[dict[str, Function]] = {
    "abs": Function("Number without its sign", ("number",), "number", func.abs),
    "ceiling": Function(
        "Smallest whole number above", ("number",), "number", lambda x: func.ceil(_real(x))
    ),
    "floor": Function(
        "Largest whole number below", ("number",), "number", lambda x: func.floor(_real(x))
    ),
    "round": Function(
        "Nearest whole number", ("number",), "number", lambda x: func.round(_real(x))
    ),
    "length": Function("Characters of a text", ("text",), "number", func.char_length),
    "lower": Function("Text in small letters", ("text",), "text", func.lower),
    "upper": Function("Text in capital letters", ("text",), "text", func.upper),
    "area_m2": Function(
        "Area on the spheroid in square metres",
        ("geometry",),
        "number",
        lambda g: func.ST_Area(func.geography(func.ST_Transform(g, 4326))),
    ),
    "distance_m": Function(
        "Shortest distance on the spheroid in metres",
        ("geometry", "geometry"),
        "number",
        lambda a, b: func.ST_Distance(
            func.geography(func.ST_Transform(a, 4326)), func.geography(func.ST_Transform(b, 4326))
        ),
    ),
}


def call(name: str, arguments: list[Term]) -> Term:
    """The value of a function.

    Raises
    ------
    FilterError
        There is no such function, or it takes other arguments.
    """
    function = FUNCTIONS.get(name.lower())
    if function is None:
        known = ", ".join(FUNCTIONS)
        raise FilterError(f"calls '{name[:40]}', which is no function here; there are: {known}")
    kinds: tuple[Any, ...] = tuple(each.kind for each in arguments)
    if kinds != function.takes:
        wanted = ", ".join(function.takes)
        raise FilterError(f"calls '{name}' with ({', '.join(kinds)}); it takes ({wanted})")
    return Term(function.gives, function.build(*(each.value for each in arguments)))
