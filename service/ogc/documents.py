"""The JSON documents of the API: landing page, conformance, collections. Pure: no database."""

from __future__ import annotations

import json
from typing import Any, Final

from service.catalogue.collection import Catalogue, Collection
from service.catalogue.crs import CRS84, OFFERED, crs_of_srid
from service.catalogue.filtering.functions import FUNCTIONS
from service.catalogue.formats import FORMATS
from service.catalogue.selection import Box
from service.catalogue.tiled import TILES_CONFORMANCE, TILESETS, is_tiled
from service.ogc.links import GEOJSON, HTML, JSON, OPENAPI, SCHEMA, Link, Site, link
from service.ogc.paging import Order
from service.ogc.parameters import Format
from service.ogc.queries import Page
from service.ogc.schemas import RELATIONS, kind_title

__all__ = [
    "CONFORMANCE",
    "collection_document",
    "collections",
    "conformance",
    "feature",
    "functions",
    "items",
    "landing",
]

_SPECIFICATIONS: Final = {
    "ogcapi-features-1/1.0": ("core", "oas30", "html", "geojson"),
    "ogcapi-features-2/1.0": ("crs",),
    "ogcapi-features-3/1.0": (
        "queryables",
        "queryables-query-parameters",
        "filter",
        "features-filter",
    ),
    "cql2/1.0": (
        "cql2-text",
        "cql2-json",
        "basic-cql2",
        "advanced-comparison-operators",
        "case-insensitive-comparison",
        "basic-spatial-functions",
        "basic-spatial-functions-plus",
        "spatial-functions",
        "temporal-functions",
        "array-functions",
        "property-property",
        "functions",
        "arithmetic",
    ),
    "ogcapi-features-4/1.0": (
        "create-replace-delete",
        "update",
        "optimistic-locking-etags",
        "features",
    ),
    "ogcapi-features-5/1.0": (
        "schemas",
        "core-roles-features",
        "returnables-and-receivables",
        "queryables",
        "sortables",
    ),
}
CONFORMANCE: Final = (
    *(
        f"http://www.opengis.net/spec/{specification}/conf/{name}"
        for specification, names in _SPECIFICATIONS.items()
        for name in names
    ),
    *TILES_CONFORMANCE,
)

Document = dict[str, Any]


def landing(site: Site, *, shown: Format) -> Document:
    """The landing page: what there is and where."""
    return {
        "title": "Gridward",
        "description": "Service grids, the households in them and the teams that serve them.",
        "links": [
            *site.itself(shown=shown),
            link(site.url("/api"), "service-desc", OPENAPI, "The API as an OpenAPI document"),
            link(site.url("/docs"), "service-doc", HTML, "The API to read and try"),
            link(site.url("/conformance"), "conformance", JSON, "Standards this API conforms to"),
            link(site.url("/collections"), "data", JSON, "The collections of features"),
            link(
                site.url("/functions"),
                "http://www.opengis.net/def/rel/ogc/1.0/functions",
                JSON,
                "Functions that a filter may call",
            ),
            link(site.url("/map"), "related", HTML, "Coverage map"),
        ],
    }


def conformance(site: Site, *, shown: Format) -> Document:
    """The conformance declaration."""
    return {"conformsTo": list(CONFORMANCE), "links": site.itself(shown=shown)}


def functions(site: Site, *, shown: Format) -> Document:
    """The functions that a filter may call."""
    kinds = {"text": "string", "time": "datetime"}
    return {
        "functions": [
            {
                "name": name,
                "description": each.title,
                "arguments": [
                    {"title": f"Argument {number}", "type": [kinds.get(kind, kind)]}
                    for number, kind in enumerate(each.takes, start=1)
                ],
                "returns": [kinds.get(each.gives, each.gives)],
            }
            for name, each in FUNCTIONS.items()
        ],
        "links": site.itself(shown=shown),
    }


def collections(
    site: Site, catalogue: Catalogue, extents: dict[str, Box | None], *, shown: Format
) -> Document:
    """The list of collections."""
    return {
        "links": site.itself(shown=shown),
        "crs": list(OFFERED),
        "collections": [
            collection_document(site, each, extents[name]) for name, each in catalogue.items()
        ],
    }


def collection_document(
    site: Site, collection: Collection, extent: Box | None, *, shown: Format | None = None
) -> Document:
    """One collection; ``shown`` is None inside the list, where ``self`` is its own address."""
    path = f"/collections/{collection.name}"
    own = (
        site.itself(shown=shown)
        if shown is not None
        else [link(site.url(path), "self", JSON, collection.title)]
    )
    exports: list[Link] = [
        link(
            site.url(f"/exports/{collection.name}.{suffix}"),
            "enclosure",
            media_type,
            f"All of {collection.title} as {suffix}",
        )
        for suffix, media_type in FORMATS.items()
    ]
    schemas = [
        link(site.url(f"{path}/{kind}"), relation, SCHEMA, kind_title(kind))
        for kind, relation in RELATIONS.items()
    ]
    document: Document = {
        "id": collection.name,
        "title": collection.title,
        "description": collection.description,
        "itemType": "feature",
        "crs": list(OFFERED),
        "links": [
            *own,
            link(site.url(path + "/items"), "items", GEOJSON, collection.title),
            link(site.url(path + "/items", [("f", "html")]), "items", HTML, collection.title),
            *schemas,
            *exports,
        ],
    }
    stored = crs_of_srid(collection.srid)
    if stored in OFFERED:
        document["storageCrs"] = stored
    if is_tiled(collection):
        document["links"].append(link(site.url(path + "/tiles"), TILESETS, JSON, "Vector tiles"))
    if extent is not None:
        document["extent"] = {"spatial": {"bbox": [list(extent)], "crs": CRS84}}
    return document


def items(
    site: Site,
    collection: Collection,
    page: Page,
    *,
    shown: Format,
    time_stamp: str,
    orders: tuple[Order, ...] = (),
) -> bytes:
    """Write a page of features as GeoJSON; the features are taken as they are."""
    links = [*site.itself(shown=shown, media_type=GEOJSON), _up(site, collection)]
    if page.following is not None:
        following = site.again(offset=None, token=page.following.token(orders))
        links.append(link(following, "next", HTML if shown == "html" else GEOJSON, "Next page"))
    members: Document = {
        "timeStamp": time_stamp,
        "numberReturned": page.returned,
        "links": links,
    }
    if page.matched is not None:
        members["numberMatched"] = page.matched
    rest = json.dumps(members, ensure_ascii=False)[1:].encode()
    return b"".join((b'{"type":"FeatureCollection","features":[', page.features, b"],", rest))


def feature(site: Site, collection: Collection, found: bytes, *, shown: Format) -> bytes:
    """One feature as GeoJSON, with its links."""
    links = [*site.itself(shown=shown, media_type=GEOJSON), _up(site, collection)]
    return b"".join(
        (found[:-1], b',"links":', json.dumps(links, ensure_ascii=False).encode(), b"}")
    )


def _up(site: Site, collection: Collection) -> Link:
    path = f"/collections/{collection.name}"
    return link(site.url(path), "collection", JSON, collection.title)
