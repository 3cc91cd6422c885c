"""Values as they stand in requests: whole numbers, finite numbers, days and moments."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from typing import Final

__all__ = ["LARGEST_INTEGER", "parse_integer", "parse_moment", "parse_number"]

LARGEST_INTEGER: Final = 2**63 - 1

_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,19}")
_NUMBER: Final = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_MOMENT: Final = re.compile(
    r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,6})?(Z|[+-]\d{2}:\d{2})", re.ASCII | re.IGNORECASE
)


def parse_integer(text: str) -> int:
    """A whole number that fits 64 bits.

    Raises
    ------
    ValueError
        It is none; the message ends a sentence that begins with its name, here as below.
    """
    if not _INTEGER.fullmatch(text) or abs(int(text)) > LARGEST_INTEGER:
        raise ValueError("has to be a whole number")
    return int(text)


def parse_number(text: str) -> float:
    """A finite number in decimal digits."""
    # not float() alone: it also takes nan, inf, 1_000 and digits of other scripts
    if not _NUMBER.fullmatch(text.strip()) or not math.isfinite(float(text)):
        raise ValueError("has to be made of finite numbers")
    return float(text)


def parse_moment(text: str, *, last: bool) -> datetime:
    """A moment with its zone, or the first or last moment of a day in UTC."""
    try:
        if _DATE.fullmatch(text):
            day = datetime.fromisoformat(text).replace(tzinfo=UTC)
            return day.replace(hour=23, minute=59, second=59, microsecond=999999) if last else day
        if _MOMENT.fullmatch(text):
            return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError("is no date of the calendar") from error
    raise ValueError("has to be a date or a moment such as 2026-01-31T08:00:00Z")
