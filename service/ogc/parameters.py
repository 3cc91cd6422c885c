"""Query parameters of the items, and the representation that a request asks for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from starlette.datastructures import QueryParams

from service.catalogue.collection import Collection
from service.catalogue.crs import DEFAULT_CRS, Crs, parse_crs
from service.catalogue.selection import Selection, parse_whole_number
from service.errors import InvalidParameter
from service.ogc.paging import Order, Position, parse_sortby
from service.web.limits import clamped

__all__ = [
    "Format",
    "ItemsQuery",
    "Limits",
    "negotiate",
    "parse_limit",
    "parse_offset",
]

Format = Literal["json", "html"]
#: The parameters of the items that do not select.
_PAGING: Final = ("f", "limit", "offset", "token", "sortby", "crs")
_QUALITY: Final = re.compile(r"(?:^|;)\s*q\s*=\s*([01](?:\.[0-9]{0,3})?)\s*(?:;|$)")


class Limits(NamedTuple):
    """Features on a page: when nothing is asked for, and at most."""

    default: int
    maximum: int


@dataclass(frozen=True, slots=True)
class ItemsQuery:
    """The parameters of one request for items: what is selected, and which page of it."""

    selection: Selection
    limit: int
    offset: int = 0
    after: Position | None = None
    orders: tuple[Order, ...] = ()
    crs: Crs = DEFAULT_CRS

    @classmethod
    def parse(cls, collection: Collection, given: QueryParams, *, limits: Limits) -> ItemsQuery:
        """Read the parameters for one collection.

        Raises
        ------
        InvalidParameter
            For an unknown, repeated or malformed parameter.
        """
        selection = Selection.parse(collection, given, known=_PAGING)
        token = given.get("token")
        if token is not None and "offset" in given:
            raise InvalidParameter("offset", "cannot be used together with token")
        orders = parse_sortby(collection, given.get("sortby"))
        after = None
        if token is not None:
            after = Position.parse(token, collection=collection, orders=orders)
        return cls(
            selection=selection,
            limit=parse_limit(given.get("limit"), limits),
            offset=parse_offset(given.get("offset")),
            after=after,
            orders=orders,
            crs=parse_crs("crs", given.get("crs")),
        )


def parse_limit(text: str | None, limits: Limits) -> int:
    """Rows a page: at least 1; beyond the maximum, the maximum."""
    if text is None:
        return min(limits.default, limits.maximum)
    limit = parse_whole_number("limit", str(clamped(text, limits.maximum)))
    if limit < 1:
        raise InvalidParameter("limit", "has to be at least 1")
    return limit


def parse_offset(text: str | None) -> int:
    """Rows to skip, from 0."""
    if text is None:
        return 0
    offset = parse_whole_number("offset", text)
    if offset < 0:
        raise InvalidParameter("offset", "has to be at least 0")
    return offset


def negotiate(given: QueryParams, accept: str | None) -> Format:
    """The representation asked for by ``f``, else by ``Accept``, else JSON."""
    wanted = given.get("f")
    if wanted is not None:
        if wanted not in ("json", "geojson", "html"):
            raise InvalidParameter("f", "has to be json, geojson or html")
        return "html" if wanted == "html" else "json"
    quality = _qualities(accept or "")
    as_json = max(quality.get(name, 0.0) for name in ("application/json", "application/geo+json"))
    as_html = max(quality.get(name, 0.0) for name in ("text/html", "application/xhtml+xml"))
    return "html" if as_html > as_json else "json"


def _qualities(accept: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for part in accept.split(","):
        name, _, rest = part.strip().partition(";")
        quality = _QUALITY.search(rest)
        found[name.strip().lower()] = float(quality.group(1)) if quality else 1.0
    return found
