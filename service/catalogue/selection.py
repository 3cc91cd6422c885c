"""Which features of a collection are asked for: box, time and property filters.

Read strictly, so that a typing error is refused and never ignored.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection as Names
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from starlette.datastructures import QueryParams

from service.catalogue.collection import Collection, Property
from service.errors import InvalidParameter
from service.web.parameters import reject_unknown

__all__ = [
    "Box",
    "Interval",
    "Selection",
    "parse_bbox",
    "parse_datetime",
    "parse_value",
    "parse_whole_number",
]

_LARGEST_INTEGER: Final = 2**63 - 1
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,19}")
_NUMBER: Final = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_MOMENT: Final = re.compile(
    r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,6})?(Z|[+-]\d{2}:\d{2})", re.ASCII | re.IGNORECASE
)

#: minx, miny, maxx, maxy in degrees
Box = tuple[float, float, float, float]
#: first and last moment; None leaves an end open
Interval = tuple[datetime | None, datetime | None]


@dataclass(frozen=True, slots=True)
class Selection:
    """The features that one request asks for.

    Attributes
    ----------
    boxes : tuple of Box
        None for everywhere; two where a box crosses the antimeridian.
    interval : Interval, optional
        When the features hold.
    filters : mapping
        Property -> value that it has.
    """

    boxes: tuple[Box, ...] = ()
    interval: Interval | None = None
    filters: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def parse(cls, collection: Collection, given: QueryParams, *, known: Names[str]) -> Selection:
        """Read the query parameters for one collection.

        Parameters
        ----------
        collection : Collection
            Whose filters apply.
        given : QueryParams
            As sent.
        known : collection of str
            Further parameters that the route knows, read elsewhere.

        Raises
        ------
        InvalidParameter
            For an unknown, repeated or malformed parameter.
        """
        filters = collection.filters
        reject_unknown(given, {"bbox", "datetime", *known, *filters})
        return cls(
            boxes=parse_bbox(given.get("bbox")),
            interval=parse_datetime(given.get("datetime")),
            filters={
                name: parse_value(each, given[name])
                for name, each in filters.items()
                if name in given
            },
        )


def parse_bbox(text: str | None) -> tuple[Box, ...]:
    """``minx,miny[,minz],maxx,maxy[,maxz]`` in degrees, longitude first.

    Returns
    -------
    tuple of Box
        None for no box, one, or two for a box that crosses the antimeridian (minx > maxx).
        Values beyond the globe are drawn in: viewers send such boxes when zoomed far out.
    """
    if text is None:
        return ()
    numbers = [_number("bbox", part) for part in text.split(",", 6)]
    if len(numbers) not in (4, 6):
        raise InvalidParameter("bbox", "has to be 4 or 6 numbers, separated by commas")
    half = len(numbers) // 2
    (minx, miny), (maxx, maxy) = numbers[:2], numbers[half : half + 2]
    if miny > maxy or (half == 3 and numbers[2] > numbers[5]):
        raise InvalidParameter("bbox", "has its lower corner above its upper corner")
    south, north = max(miny, -90.0), min(maxy, 90.0)
    if minx > maxx:
        if abs(minx) > 180.0 or abs(maxx) > 180.0:
            raise InvalidParameter("bbox", "crosses the antimeridian outside -180 to 180 degrees")
        return (minx, south, 180.0, north), (-180.0, south, maxx, north)
    return ((max(minx, -180.0), south, min(maxx, 180.0), north),)


def parse_datetime(text: str | None) -> Interval | None:
    """An instant, or an interval ``start/end`` whose ends may be open (``..`` or nothing).

    Dates stand for the whole day in UTC.
    """
    if text is None:
        return None
    parts = text.split("/")
    if len(parts) == 1:
        return _moment(parts[0], last=False), _moment(parts[0], last=True)
    if len(parts) != 2:
        raise InvalidParameter("datetime", "has to be one moment or start/end")
    start = None if parts[0] in ("", "..") else _moment(parts[0], last=False)
    end = None if parts[1] in ("", "..") else _moment(parts[1], last=True)
    if start is not None and end is not None and start > end:
        raise InvalidParameter("datetime", "starts after its end")
    return start, end


def parse_value(each: Property, text: str) -> Any:
    """The value of a filter, as the type of its property."""
    if "\x00" in text:
        raise InvalidParameter(each.name, "has a character that no text can hold")
    if each.type == "integer":
        return parse_whole_number(each.name, text)
    if each.type == "number":
        return _number(each.name, text)
    if each.type == "boolean":
        if text not in ("true", "false"):
            raise InvalidParameter(each.name, "has to be true or false")
        return text == "true"
    if each.type == "date-time":
        return _moment(text, last=False, name=each.name)
    return text


def parse_whole_number(name: str, text: str) -> int:
    """A whole number that fits 64 bits."""
    if not _INTEGER.fullmatch(text) or abs(int(text)) > _LARGEST_INTEGER:
        raise InvalidParameter(name, "has to be a whole number")
    return int(text)


def _number(name: str, text: str) -> float:
    # not float() alone: it also takes nan, inf, 1_000 and digits of other scripts
    if not _NUMBER.fullmatch(text.strip()) or not math.isfinite(float(text)):
        raise InvalidParameter(name, "has to be made of finite numbers")
    return float(text)


def _moment(text: str, *, last: bool, name: str = "datetime") -> datetime:
    try:
        if _DATE.fullmatch(text):
            day = datetime.fromisoformat(text).replace(tzinfo=UTC)
            return day.replace(hour=23, minute=59, second=59, microsecond=999999) if last else day
        if _MOMENT.fullmatch(text):
            return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidParameter(name, "is no date of the calendar") from error
    raise InvalidParameter(name, "has to be a date or a moment such as 2026-01-31T08:00:00Z")
