"""Geometry literals and spatial predicates."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any, Final

import shapely
from sqlalchemy import ColumnElement, Text, case, func, literal, not_

from service.catalogue.crs import Crs
from service.catalogue.filtering.errors import FilterError
from service.catalogue.filtering.terms import Term, Value
from service.catalogue.filtering.unions import MIRRORED, Union, union_condition, union_of
from service.catalogue.mending import MOST_MENDED, is_mendable

__all__ = ["PREDICATES", "geometry_term", "is_literal", "is_wide", "spatial_condition"]

Condition = ColumnElement[bool]

#: operator -> PostGIS predicate; each but the last implies that the two meet.
PREDICATES: Final[dict[str, Callable[[Value, Value], Value]]] = {
    "s_intersects": func.ST_Intersects,
    "s_equals": func.ST_Equals,
    "s_touches": func.ST_Touches,
    "s_within": func.ST_Within,
    "s_overlaps": func.ST_Overlaps,
    "s_crosses": func.ST_Crosses,
    "s_contains": func.ST_Contains,
    "s_disjoint": func.ST_Disjoint,
}
#: type -> how deep its positions lie in the coordinates
_DEPTHS: Final = {
    "Point": 0,
    "MultiPoint": 1,
    "LineString": 1,
    "MultiLineString": 2,
    "Polygon": 2,
    "MultiPolygon": 3,
}
_COLLECTION: Final = "GEOMETRYCOLLECTION"
_LARGEST: Final = 1e9


def spatial_condition(name: str, one: Term, other: Term, *, search: Value | None) -> Condition:
    """The predicate on two geometries.

    Parameters
    ----------
    name : str
        A key of :data:`PREDICATES`.
    one, other : Term
        Of the kind geometry.
    search : ColumnElement, optional
        An indexed column whose box holds that of the geometry, where the geometry is computed.
    """
    if name == "s_disjoint":  # the opposite of what an index answers
        return not_(func.ST_Intersects(one.value, other.value))
    if name != "s_intersects":
        if isinstance(one.given, Union) and isinstance(other.given, Union):
            raise FilterError(f"gives {name.upper()} two GEOMETRYCOLLECTIONs; it takes one")
        if isinstance(one.given, Union):
            name, one, other = MIRRORED.get(name, name), other, one
        if isinstance(other.given, Union):
            met = spatial_condition("s_intersects", one, other, search=search)
            return met & case(
                # of two, PostGIS has the answer or an error
                (
                    func.GeometryType(one.value) == _COLLECTION,
                    PREDICATES[name](one.value, other.value),
                ),
                else_=union_condition(name, one.value, other.given),
            )
    condition: Condition = PREDICATES[name](one.value, other.value)
    fixed = one if one.given is not None else other if other.given is not None else None
    if search is None or fixed is None or (one.given is not None and other.given is not None):
        return condition
    return search.bool_op("&&")(fixed.value) & condition


def is_literal(node: Any) -> bool:
    """Whether a node of the tree is a geometry itself."""
    return isinstance(node, dict) and not {"bbox", "coordinates", "geometries"}.isdisjoint(node)


def is_wide(node: dict[str, Any], crs: Crs) -> bool:
    """Whether a literal is more than the reference system of a table may reach."""
    west, south, east, north = shapely.from_geojson(json.dumps(_checked(node, crs))).bounds
    return crs.is_wide((west, south, east, north))


def geometry_term(node: dict[str, Any], *, crs: Crs, srid: int) -> Term:
    """A literal: GeoJSON or a box, in a reference system, for geometries of an SRID."""

    def value_of(shape: dict[str, Any]) -> Value:
        return _value(shape, crs, srid)

    shape = _checked(node, crs)
    given = union_of(shape, value_of) if "geometries" in shape else shape["type"]
    return Term("geometry", value_of(shape), given=given)


def _checked(node: dict[str, Any], crs: Crs) -> dict[str, Any]:
    return _box(node["bbox"], crs) if "bbox" in node else _shape(node, crs)


def _value(shape: dict[str, Any], crs: Crs, srid: int) -> Value:
    text = json.dumps(shape)
    value: Value = func.ST_SetSRID(func.ST_GeomFromGeoJSON(literal(text, Text)), crs.srid)
    if shape["type"] in ("Polygon", "MultiPolygon", "GeometryCollection"):
        _check_mendable(text)
        value = func.ST_MakeValid(value)  # a bow tie is an error to some predicates
    if shape["type"] == "GeometryCollection":
        value = func.ST_UnaryUnion(value)  # and so are areas that overlap
    return value if crs.srid == srid else func.ST_Transform(value, srid)


def _check_mendable(text: str) -> None:
    """Refuse what takes long to mend."""
    if not is_mendable(shapely.from_geojson(text)):
        raise FilterError(
            f"has an area of more than {MOST_MENDED} positions whose edges cross or overlap"
        )


def _shape(node: Any, crs: Crs) -> dict[str, Any]:
    """A GeoJSON geometry, checked, with longitude or easting first."""
    kind = node.get("type") if isinstance(node, dict) else None
    if kind == "GeometryCollection":
        parts = node.get("geometries")
        if not isinstance(parts, list) or not parts:
            raise FilterError("has a GEOMETRYCOLLECTION without geometries")
        return {"type": kind, "geometries": [_shape(part, crs) for part in parts]}
    if not isinstance(kind, str) or kind not in _DEPTHS:
        raise FilterError("has a geometry of no known type")
    return {"type": kind, "coordinates": _level(node.get("coordinates"), _DEPTHS[kind], kind, crs)}


def _level(node: Any, depth: int, kind: str, crs: Crs) -> list[Any]:
    if depth == 0:
        return _position(node, crs)
    if not isinstance(node, list) or not node:
        raise FilterError(f"has a {kind} without coordinates")
    level = [_level(each, depth - 1, kind, crs) for each in node]
    if depth == 1 and kind != "MultiPoint":
        ring = "Polygon" in kind
        if ring and level[0] != level[-1]:
            raise FilterError(f"has a {kind} whose ring is not closed")
        if len(level) < (4 if ring else 2):
            raise FilterError(f"has a {kind} of too few positions")
    return level


def _position(node: Any, crs: Crs) -> list[float]:
    if not isinstance(node, list) or not 2 <= len(node) <= 4:
        raise FilterError("has a position that is not two or three numbers")
    x, y = (_coordinate(each) for each in node[:2])
    if crs.north_first:
        x, y = y, x
    if crs.in_degrees and abs(y) > 90.0:
        raise FilterError("has a latitude beyond 90 degrees")
    return [x, y]


def _coordinate(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise FilterError("has a coordinate that is no number")
    if not math.isfinite(value) or abs(value) > _LARGEST:
        raise FilterError("has a coordinate beyond the earth")
    return float(value)


def _box(numbers: Any, crs: Crs) -> dict[str, Any]:
    """A box as one polygon, or as two where it crosses the antimeridian."""
    if not isinstance(numbers, list) or len(numbers) not in (4, 6):
        raise FilterError("has a BBOX that is not four or six numbers")
    half = len(numbers) // 2
    west, south = _position(numbers[:half], crs)
    east, north = _position(numbers[half:], crs)
    if south > north or (west > east and not crs.in_degrees):
        raise FilterError("has a BBOX with its lower corner above its upper corner")
    if west <= east:
        return {"type": "Polygon", "coordinates": [_rectangle(west, south, east, north)]}
    halves = (_rectangle(west, south, 180.0, north), _rectangle(-180.0, south, east, north))
    return {"type": "MultiPolygon", "coordinates": [[ring] for ring in halves]}


def _rectangle(west: float, south: float, east: float, north: float) -> list[list[float]]:
    return [[west, south], [east, south], [east, north], [west, north], [west, south]]
