"""Which features of a collection are asked for: box, time and property filters.

Read strictly, so that a typing error is refused and never ignored.
"""

from __future__ import annotations

from collections.abc import Collection as Names
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from starlette.datastructures import QueryParams

from service.catalogue.collection import Collection, Property
from service.catalogue.crs import DEFAULT_CRS, Crs, parse_crs
from service.catalogue.filtering import LANGUAGES, Filter, parse_filter
from service.catalogue.values import parse_integer, parse_moment, parse_number
from service.errors import InvalidParameter
from service.web.parameters import reject_unknown

__all__ = [
    "PARAMETERS",
    "Box",
    "Interval",
    "Selection",
    "parse_bbox",
    "parse_datetime",
    "parse_value",
    "parse_whole_number",
]

#: The parameters that select, besides the properties.
PARAMETERS: Final = ("bbox", "bbox-crs", "datetime", "filter", "filter-lang", "filter-crs")

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
    box_crs : Crs
        Of the boxes, which have longitude or easting first in any case.
    interval : Interval, optional
        When the features hold.
    filters : mapping
        Property -> value that it has.
    filter : Filter, optional
        A condition in CQL2.
    """

    boxes: tuple[Box, ...] = ()
    box_crs: Crs = DEFAULT_CRS
    interval: Interval | None = None
    filters: Mapping[str, Any] = field(default_factory=dict)
    filter: Filter | None = None

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
        reject_unknown(given, {*PARAMETERS, *known, *filters})
        box_crs = parse_crs("bbox-crs", given.get("bbox-crs"))
        return cls(
            boxes=parse_bbox(given.get("bbox"), box_crs),
            box_crs=box_crs,
            interval=parse_datetime(given.get("datetime")),
            filters={
                name: parse_value(each, given[name])
                for name, each in filters.items()
                if name in given
            },
            filter=_filter(collection, given),
        )

    @property
    def is_everything(self) -> bool:
        """Whether nothing is left out."""
        return not (self.boxes or self.interval or self.filters or self.filter)


def _filter(collection: Collection, given: QueryParams) -> Filter | None:
    crs = parse_crs("filter-crs", given.get("filter-crs"))
    text, language = given.get("filter"), given.get("filter-lang")
    if language not in (None, *LANGUAGES):
        raise InvalidParameter("filter-lang", f"has to be {' or '.join(LANGUAGES)}")
    if text is None:
        return None
    return parse_filter(collection, text, language=language, crs=crs)


def parse_bbox(text: str | None, crs: Crs = DEFAULT_CRS) -> tuple[Box, ...]:
    """``minx,miny[,minz],maxx,maxy[,maxz]`` in the axis order of a reference system.

    Returns
    -------
    tuple of Box
        None for no box, one, or two for a box that crosses the antimeridian (its first longitude
        above its second); longitude or easting first. Degrees beyond the globe are drawn in:
        viewers send such boxes when zoomed far out.
    """
    if text is None:
        return ()
    numbers = [_number("bbox", part) for part in text.split(",", 6)]
    if len(numbers) not in (4, 6):
        raise InvalidParameter("bbox", "has to be 4 or 6 numbers, separated by commas")
    half = len(numbers) // 2
    (minx, miny), (maxx, maxy) = numbers[:2], numbers[half : half + 2]
    if crs.north_first:
        minx, miny, maxx, maxy = miny, minx, maxy, maxx
    upside_down = miny > maxy or (half == 3 and numbers[2] > numbers[5])
    if upside_down or (minx > maxx and not crs.in_degrees):
        raise InvalidParameter("bbox", "has its lower corner above its upper corner")
    if not crs.in_degrees:
        return ((minx, miny, maxx, maxy),)
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
    if each.type == "date":
        return _moment(text, last=False, name=each.name).date()
    return text


def parse_whole_number(name: str, text: str) -> int:
    """A whole number that fits 64 bits."""
    try:
        return parse_integer(text)
    except ValueError as error:
        raise InvalidParameter(name, str(error)) from error


def _number(name: str, text: str) -> float:
    try:
        return parse_number(text)
    except ValueError as error:
        raise InvalidParameter(name, str(error)) from error


def _moment(text: str, *, last: bool, name: str = "datetime") -> datetime:
    try:
        return parse_moment(text, last=last)
    except ValueError as error:
        raise InvalidParameter(name, str(error)) from error
