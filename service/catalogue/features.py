"""Rows of a collection as GeoJSON text, written by PostGIS itself.

Each feature arrives as one string; no geometry is ever parsed in Python. Identifiers come from the
collections' declarations, values are bound.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Text,
    and_,
    bindparam,
    cast,
    false,
    func,
    literal,
    or_,
    true,
)
from sqlalchemy.dialects.postgresql import array

from service.catalogue.collection import Collection, Property
from service.catalogue.crs import DEFAULT_CRS, Crs
from service.catalogue.selection import Box, Interval, Selection

__all__ = ["envelope", "feature_text", "identifier", "in_degrees", "selected"]

_MOST_ARGUMENTS: Final = 90
_METRIC_DIGITS: Final = 4  # a tenth of a millimetre
#: What PostGIS writes of coordinates that are no finite numbers, with all that is around it.
_ENDLESS: Final = ".*(?:Infinity|NaN).*"
#: Pieces into which a straight edge is cut before it is bent into another reference system.
_PIECES: Final = 32


def feature_text(collection: Collection, crs: Crs = DEFAULT_CRS) -> ColumnElement[str]:
    """Expression for a row as a GeoJSON feature (RFC 7946), as text.

    Parameters
    ----------
    collection : Collection
    crs : Crs
        Of the coordinates, in the authority's order; anything but the default departs from the RFC.
    """
    return func.concat(
        '{"type":"Feature","id":',
        cast(func.to_json(identifier(collection)), Text),
        ',"geometry":',
        func.coalesce(_geometry_text(collection, crs), "null"),
        ',"properties":{',
        *_members(collection),
        "}}",
        type_=Text,
    ).label("feature")


def _members(collection: Collection) -> Iterator[ColumnElement[str]]:
    """The members of ``properties`` as text, value by value.

    PostgreSQL looks up how to write a type once a statement for each of them, and once a row in
    ``json_build_object``, which takes three times as long.
    """
    written: list[Any] = []
    for ready, properties in _in_pieces(collection):
        comma = "," if written else ""
        if ready is not None:
            written += [comma, ready] if comma else [ready]
            continue
        for each in properties:
            written += [f"{comma}{json.dumps(each.name, ensure_ascii=False)}:"]
            written += [func.coalesce(_value(collection, each), "null")]
    # a function takes a hundred arguments
    for start in range(0, len(written), _MOST_ARGUMENTS):
        yield func.concat(*written[start : start + _MOST_ARGUMENTS], type_=Text)


def _value(collection: Collection, property_: Property) -> ColumnElement[str]:
    """The text of one value, null where that is null."""
    column = collection.column(property_.name)
    if property_.type in ("integer", "boolean"):
        return cast(column, Text)
    if property_.choices:  # plain words, and the tables hold no others
        return literal('"').concat(column).concat('"')
    return cast(func.to_json(column), Text)


def _in_pieces(
    collection: Collection,
) -> Iterator[tuple[ColumnElement[str] | None, tuple[Property, ...]]]:
    """The properties one by one, or several with the column that holds their text."""
    ready = {
        names: collection.column(column)
        for column, names in collection.written.items()
        if column in collection.source.c
    }
    rest = collection.properties
    while rest:
        names = tuple(each.name for each in rest)
        found = next((each for each in ready if names[: len(each)] == each), None)
        taken = len(found) if found else 1
        yield ready[found] if found else None, rest[:taken]
        rest = rest[taken:]


def _geometry_text(collection: Collection, crs: Crs) -> ColumnElement[str]:
    if collection.outline is not None and crs == DEFAULT_CRS:
        return collection.column(collection.outline)
    geometry = collection.column(collection.geometry)
    digits = collection.digits
    if crs.srid != collection.srid:
        geometry = func.ST_Transform(geometry, crs.srid)
    if not crs.in_degrees:
        digits = min(digits, _METRIC_DIGITS)
    if "Polygon" in collection.geometry_type:
        geometry = func.ST_ForcePolygonCCW(geometry)
    if crs.north_first:
        geometry = func.ST_FlipCoordinates(geometry)
    # no "crs" member: the header Content-Crs names the system
    text: ColumnElement[str] = func.ST_AsGeoJSON(geometry, digits, 0, type_=Text)
    return _finite(text) if collection.further else text


def _finite(geometry: ColumnElement[str]) -> ColumnElement[str]:
    """A geometry as text; none where a coordinate is no finite number, which JSON cannot tell."""
    return func.nullif(func.regexp_replace(geometry, _ENDLESS, "", type_=Text), "", type_=Text)


def in_degrees(collection: Collection, name: str | None = None) -> ColumnElement[Any]:
    """Expression for the geometry, or another column, in EPSG:4326, longitude first."""
    geometry = collection.column(name or collection.geometry)
    if collection.srid == DEFAULT_CRS.srid:
        return geometry
    return func.ST_Transform(geometry, DEFAULT_CRS.srid)


def identifier(collection: Collection) -> ColumnElement[Any]:
    """Expression for the identifier of a row: its key, several columns joined by a colon."""
    key = collection.key_columns
    return key[0] if len(key) == 1 else func.concat_ws(":", *key, type_=Text)


def selected(collection: Collection, selection: Selection) -> list[ColumnElement[bool]]:
    """The conditions of a selection, for a WHERE clause."""
    conditions: list[ColumnElement[bool]] = []
    if selection.boxes:
        conditions.append(_in_boxes(collection, selection.boxes, selection.box_crs))
    if selection.interval is not None:
        conditions.append(_during(collection, selection.interval))
    for name, value in selection.filters.items():
        column = collection.column(name)
        if collection.filters[name].type == "strings":
            conditions.append(column.bool_op("@>")(cast(array([value]), column.type)))
        elif collection.filters[name].type == "integer":  # wider than the column, it finds nothing
            conditions.append(column == bindparam(None, value, type_=BigInteger))
        else:
            conditions.append(column == value)
    if selection.filter is not None:
        conditions.append(selection.filter.condition(collection))
    return conditions


def _in_boxes(collection: Collection, boxes: Sequence[Box], crs: Crs) -> ColumnElement[bool]:
    # a box drawn in to the globe may have turned inside out: it lies wholly beyond it
    kept = [box for box in boxes if box[0] <= box[2] and box[1] <= box[3]]
    if not kept:
        return false()
    return or_(*(_meets(collection, box, crs) for box in kept))


def _meets(collection: Collection, box: Box, crs: Crs) -> ColumnElement[bool]:
    """That a feature meets a box, by an index where the box can be brought to its system."""
    if collection.srid in (crs.srid, DEFAULT_CRS.srid) or not crs.is_wide(box):
        searched = collection.column(collection.search)
        return func.ST_Intersects(searched, _envelope(box, crs, collection.srid))
    return func.ST_Intersects(in_degrees(collection), _envelope(box, crs, DEFAULT_CRS.srid))


def _envelope(box: Box, crs: Crs, srid: int) -> ColumnElement[Any]:
    west, south, east, north = box
    if west < east and south < north:
        area = envelope(box, crs.srid)
    else:
        # without width or height it is a line or a point: nothing meets a polygon without area
        corners = (
            func.ST_SetSRID(func.ST_MakePoint(x, y), crs.srid)
            for x, y in ((west, south), (east, north))
        )
        area = func.ST_Envelope(func.ST_MakeLine(*corners))
    if crs.srid == srid:
        return area
    longest = max(east - west, north - south) / _PIECES
    if longest > 0.0:
        area = func.ST_Segmentize(area, longest)
    return func.ST_Transform(area, srid)


def envelope(box: Box, srid: int) -> ColumnElement[Any]:
    """Expression for a box in the units of a reference system, which the planner shall know."""
    return func.ST_MakeEnvelope(*map(_known, box), _known(srid))


def _known(number: float) -> ColumnElement[float]:
    """A number that the planner shall know: a box may hold a handful of features or all of them."""
    return bindparam(None, number, literal_execute=True)


def _during(collection: Collection, interval: Interval) -> ColumnElement[bool]:
    # features without time hold always (OGC API - Features Part 1, 7.15.4)
    if collection.temporal is None:
        return true()
    first, last = (collection.column(name) for name in collection.temporal)
    start, end = interval
    conditions = []
    if end is not None:
        conditions.append(or_(first.is_(None), first <= end))
    if start is not None:
        conditions.append(or_(last.is_(None), last >= start))
    return and_(true(), *conditions)
