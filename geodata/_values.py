"""Values of dataset.toml: one function a kind, ValueError with the reason."""

from __future__ import annotations

import codecs
import difflib
import re
from collections.abc import Iterable
from typing import Any, Final

from geodata.datum import parse_crs
from geodata.schema import LEVELS

_PREFIX: Final = r"^[0-9A-Za-z][0-9A-Za-z._-]{0,19}$"


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint that names the nearest of ``known`` and lists them all."""
    names = [str(each) for each in known]
    if not names:
        return "there are none"
    lowered = {each.lower(): each for each in reversed(names)}
    match = difflib.get_close_matches(name.lower(), lowered, n=1, cutoff=0.0)
    listed = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
    return f"did you mean '{lowered[match[0]]}'? There are: {listed}"


def text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"must be text in quotes, not {value!r}")
    if not value.strip():
        raise ValueError("must not be empty")
    return value.strip()


def whole(value: Any, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"must be a whole number of at least {least}, not {value!r}")
    return value


def count(value: Any) -> int:
    return whole(value, 0)


def positive(value: Any) -> int:
    return whole(value, 1)


def distance(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e6:
        raise ValueError(f"must be metres from 0 up to 1,000,000, not {value!r}")
    return float(value)


def crs(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError(f"must be an EPSG code, 'gcj02' or 'bd09', not {value!r}")
    return parse_crs(value)


def encoding(value: Any) -> str:
    try:
        return codecs.lookup(text(value)).name
    except LookupError:
        known = "utf-8, gb18030, big5, cp932, euc-kr, cp1252"
        raise ValueError(f"names no known encoding: {value!r}; common ones are {known}") from None


def delimiter(value: Any) -> str:
    if not isinstance(value, str) or len(value) != 1 or not value.isascii() or value in '"\r\n':
        raise ValueError(f"must be one character such as ',', ';' or '\\t', not {value!r}")
    return value


def level(value: Any) -> str:
    if value not in LEVELS:
        raise ValueError(f"is no level: {value!r}; {nearest(str(value), LEVELS)}")
    return str(value)


def prefix(value: Any) -> str:
    if not isinstance(value, str) or (value and not re.match(_PREFIX, value)):
        raise ValueError(f"must be up to 20 letters, digits, '.', '_' or '-', not {value!r}")
    return value


def weight(value: Any) -> str | float:
    if isinstance(value, str):
        return text(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e9:
        raise ValueError(f"must be a column name or a number above 0, not {value!r}")
    return float(value)
