"""Features that requests bring: read strictly, held against the declaration of their collection."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from geodata.errors import InputError
from service.catalogue.collection import Collection, Property
from service.catalogue.crs import Crs
from service.catalogue.editing import Draft
from service.catalogue.values import LARGEST_INTEGER, parse_moment
from service.errors import InvalidParameter, UnsupportedMediaType

__all__ = ["check_media_type", "read_draft"]

_MEMBERS: Final = frozenset(
    {"type", "id", "geometry", "properties", "links", "bbox", "crs", "featureType", "conformsTo"}
)
_NO_PATCH: Final = (
    'The body is no patch of a feature: send {"properties": {...}} with what shall change, '
    '{"geometry": ...}, or both.'
)
#: type -> how deep its positions lie in the coordinates
_DEPTHS: Final = {"Point": 0, "LineString": 1, "Polygon": 2, "MultiPolygon": 3}


def check_media_type(given: str | None, *known: str) -> None:
    """Refuse a body of another media type than those known.

    Raises
    ------
    UnsupportedMediaType
    """
    plain = (given or "").partition(";")[0].strip().lower()
    if plain not in known:
        raise UnsupportedMediaType(f"Send Content-Type: {' or '.join(known)}.")


def read_draft(
    collection: Collection,
    document: Mapping[str, Any],
    *,
    crs: Crs,
    current: Mapping[str, Any] | None = None,
    is_patch: bool = False,
) -> Draft:
    """The draft that a GeoJSON feature, or a merge patch of one, makes.

    Parameters
    ----------
    collection : Collection
    document : mapping
        The body.
    crs : Crs
        Of its coordinates.
    current : mapping, optional
        The feature as it is, in longitude and latitude, with the digits that are published.
    is_patch : bool
        Whether what the body leaves out stays as it is. A property that is not taken from writers
        is then refused; in a whole feature it is passed over, since clients send what they read.

    Raises
    ------
    InputError
        Something is missing, unknown or of another type; the message names it.
    """
    if is_patch:
        _check_patch(document)
    elif document.get("type") != "Feature":
        raise InputError("The body is no GeoJSON feature: its type has to be 'Feature'.")
    unknown = sorted(set(document) - _MEMBERS)
    if unknown:
        raise InputError(f"The feature has a member '{unknown[0]}' that is not known.")
    given = document.get("properties", {} if is_patch else None)
    if given is None and not is_patch:
        given = {}
    if not isinstance(given, dict):
        raise InvalidParameter("properties", "has to be an object")
    properties = _properties(collection, given, current=current, is_patch=is_patch)
    if is_patch and "geometry" not in document:
        return Draft(properties, None if current is None else current["geometry"], moved=False)
    geometry = _geometry(collection, document.get("geometry"), crs)
    same = current is not None and geometry == current["geometry"]
    identifier = document.get("id")
    return Draft(
        properties,
        geometry,
        moved=not same,
        identifier=None if identifier is None else str(identifier),
    )


def _check_patch(document: Mapping[str, Any]) -> None:
    """Refuse what would change nothing: a geometry by itself, or a body without any member."""
    other = document.get("type", "Feature") != "Feature"
    if other or not ("geometry" in document or "properties" in document):
        raise InputError(_NO_PATCH)


def _properties(
    collection: Collection,
    given: Mapping[str, Any],
    *,
    current: Mapping[str, Any] | None,
    is_patch: bool,
) -> dict[str, Any]:
    known = {each.name: each for each in collection.properties}
    readable = {*known, collection.identifier.name}
    for name in given:
        if name not in readable:
            listed = ", ".join(each.name for each in known.values() if each.writable)
            raise InvalidParameter(str(name)[:40], f"is no property here; there are: {listed}")
        if is_patch and not (name in known and known[name].writable):
            raise InvalidParameter(name, "is worked out by the service and cannot be set")
    taken: dict[str, Any] = {}
    for name, each in known.items():
        if not each.writable:
            continue
        kept = None if current is None else current["properties"].get(name)
        if name in given or not is_patch or current is None:
            taken[name] = _value(each, given.get(name))
            if given.get(name) != kept:  # what was loaded longer may be sent back as it was read
                _check_length(each, taken[name])
        else:
            taken[name] = kept
        if each.required and taken[name] in (None, []):
            raise InvalidParameter(name, "is missing")
    return taken


def _value(each: Property, value: Any) -> Any:
    if value is None:
        return None
    if each.type == "strings":
        if not isinstance(value, list) or not all(isinstance(part, str) for part in value):
            raise InvalidParameter(each.name, "has to be a list of texts")
        return [_text(each.name, part) for part in value]
    if each.type == "integer":
        whole = isinstance(value, float) and value.is_integer()
        if isinstance(value, bool) or not (isinstance(value, int) or whole):
            raise InvalidParameter(each.name, "has to be a whole number")
        if abs(value) > LARGEST_INTEGER:
            raise InvalidParameter(each.name, "is too large")
        return int(value)
    if each.type == "number":
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InvalidParameter(each.name, "has to be a number")
        return value
    if each.type == "boolean":
        if not isinstance(value, bool):
            raise InvalidParameter(each.name, "has to be true or false")
        return value
    if not isinstance(value, str):
        raise InvalidParameter(each.name, "has to be a text")
    if each.type in ("date", "date-time"):
        try:
            return parse_moment(value, last=False)
        except ValueError as error:
            raise InvalidParameter(each.name, str(error)) from error
    if each.choices and value not in each.choices:
        raise InvalidParameter(each.name, f"has to be one of: {', '.join(each.choices)}")
    return _text(each.name, value)


def _check_length(each: Property, value: Any) -> None:
    texts = value if isinstance(value, list) else [value]
    longest = max((len(text) for text in texts if isinstance(text, str)), default=0)
    if longest > each.longest:
        raise InvalidParameter(
            each.name, f"has {longest:,} characters; it may have {each.longest} at most"
        )


def _text(name: str, value: str) -> str:
    if "\x00" in value or any(0xD800 <= ord(character) <= 0xDFFF for character in value):
        raise InvalidParameter(name, "has a character that no text can hold")
    return value


def _geometry(collection: Collection, given: Any, crs: Crs) -> dict[str, Any] | None:
    """A geometry of the collection's type, longitude or easting first; None where it is null."""
    if given is None:
        return None
    if not isinstance(given, dict):
        raise InvalidParameter("geometry", "has to be a GeoJSON geometry or null")
    kind = given.get("type")
    fitting = collection.geometry_type.split(" or ")
    if "MultiPolygon" in fitting:  # one part is as good as several
        fitting = ["Polygon", "MultiPolygon"]
    if kind not in fitting:
        raise InvalidParameter("geometry", f"has to be of type {' or '.join(fitting)}")
    coordinates = _level(given.get("coordinates"), _DEPTHS[str(kind)], crs)
    return {"type": kind, "coordinates": coordinates}


def _level(node: Any, depth: int, crs: Crs) -> list[Any]:
    if depth == 0:
        return _position(node, crs)
    if not isinstance(node, list) or not node:
        raise InvalidParameter("geometry", "has a part without coordinates")
    level = [_level(each, depth - 1, crs) for each in node]
    if depth == 1 and (len(level) < 4 or level[0] != level[-1]):
        raise InvalidParameter("geometry", "has a ring that is not closed, or of too few positions")
    return level


def _position(node: Any, crs: Crs) -> list[float]:
    if not isinstance(node, list) or not 2 <= len(node) <= 3:
        raise InvalidParameter("geometry", "has a position that is not two or three numbers")
    for each in node:
        if isinstance(each, bool) or not isinstance(each, int | float) or not math.isfinite(each):
            raise InvalidParameter("geometry", "has a coordinate that is no finite number")
    # heights are not kept
    x, y = (node[1], node[0]) if crs.north_first else (node[0], node[1])
    if crs.in_degrees and not (abs(x) <= 180.0 and abs(y) <= 90.0):
        raise InvalidParameter("geometry", "has a position beyond 180 or 90 degrees")
    if max(abs(x), abs(y)) > 1e9:
        raise InvalidParameter("geometry", "has a position beyond the earth")
    return [x, y]
