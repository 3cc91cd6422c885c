"""Links between the documents: absolute addresses, relation and media type."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlencode

from fastapi import Request

__all__ = ["GEOJSON", "HTML", "JSON", "MERGE_PATCH", "OPENAPI", "PROBLEM", "SCHEMA", "Site", "link"]

JSON: Final = "application/json"
GEOJSON: Final = "application/geo+json"
HTML: Final = "text/html"
PROBLEM: Final = "application/problem+json"
MERGE_PATCH: Final = "application/merge-patch+json"
SCHEMA: Final = "application/schema+json"
#: Clients compare this one letter by letter.
OPENAPI: Final = "application/vnd.oai.openapi+json;version=3.0"

#: A host that is what it looks like; any other is read by the framework's rules.
_HOST: Final = re.compile(r"[A-Za-z0-9.-]+(:[0-9]{1,5})?")

Link = dict[str, Any]


def link(href: str, rel: str, media_type: str, title: str) -> Link:
    """One link object."""
    return {"href": href, "rel": rel, "type": media_type, "title": title}


@dataclass(frozen=True, slots=True)
class Site:
    """Addresses as the client of one request sees them.

    Attributes
    ----------
    base : str
        Scheme, host and root path, without a slash at the end.
    path : str
        Path of the request below the base.
    query : tuple of (name, value)
        Its parameters, in order.
    """

    base: str
    path: str
    query: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, request: Request) -> Site:
        """The addresses for a request."""
        scope = request.scope
        root = scope.get("root_path", "")
        host = request.headers.get("host")
        plain = host is not None and not root and _HOST.fullmatch(host)
        return cls(
            base=f"{scope['scheme']}://{host}" if plain else str(request.base_url).rstrip("/"),
            path=scope["path"].removeprefix(root),
            query=tuple(request.query_params.multi_items()) if scope["query_string"] else (),
        )

    def url(self, path: str, query: Iterable[tuple[str, str]] = ()) -> str:
        """Absolute address of a path, with parameters."""
        query = list(query)
        text = urlencode(query, quote_via=quote, safe=",:/") if query else ""
        return self.base + quote(path, safe="/:") + ("?" + text if text else "")

    def again(self, **changes: str | None) -> str:
        """Give the address of the request with some parameters set, or dropped where None."""
        kept = [(name, value) for name, value in self.query if name not in changes]
        new = [(name, value) for name, value in changes.items() if value is not None]
        return self.url(self.path, kept + new)

    def itself(self, *, shown: str, media_type: str = JSON) -> list[Link]:
        """Links ``self`` and ``alternate`` for the representation that is shown."""
        as_json = (media_type, "This document as JSON", "json")
        as_html = (HTML, "This document as a web page", "html")
        own, other = (as_html, as_json) if shown == "html" else (as_json, as_html)
        return [
            link(self.url(self.path, self.query), "self", own[0], "This document"),
            link(self.again(f=other[2]), "alternate", other[0], other[1]),
        ]
