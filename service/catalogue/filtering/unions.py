"""Spatial predicates on a GEOMETRYCOLLECTION, which stands for the union of its parts.

GEOS relates no collections before 3.13, so each predicate is put together from what it says of the
parts. A place of the union belongs to the areas first, then to the lines, then to the points: a
point within an area adds nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Text, and_, func, literal, not_, or_

from service.catalogue.filtering.terms import Value

__all__ = ["MIRRORED", "Union", "union_condition", "union_of"]

Condition = ColumnElement[bool]

#: operator -> the one that says the same with its arguments exchanged, where that is another
MIRRORED: Final = {"s_within": "s_contains", "s_contains": "s_within"}
_DIMENSIONS: Final = {"Point": 0, "LineString": 1, "Polygon": 2}


@dataclass(frozen=True, slots=True)
class Union:
    """The areas, lines and points of a collection.

    Attributes
    ----------
    parts : tuple of ColumnElement
        Each of one dimension; together they are the collection.
    areas, lines, points : ColumnElement
        The areas, the lines outside them, and the points outside both; any may be empty.
    drawn : ColumnElement
        The lines as they were given, those within areas included.
    dimension : int
        The highest of the parts.
    """

    parts: tuple[Value, ...]
    areas: Value
    lines: Value
    points: Value
    drawn: Value
    dimension: int


def union_of(shape: dict[str, Any], value_of: Callable[[dict[str, Any]], Value]) -> Union:
    """The union that a collection stands for.

    Parameters
    ----------
    shape : dict
        A GeoJSON GeometryCollection of at least one part.
    value_of : callable
        GeoJSON -> the geometry, valid, in the reference system of the columns and, of a
        collection, with parts that have no more than boundaries in common.
    """
    sorted_parts: dict[int, list[dict[str, Any]]] = {0: [], 1: [], 2: []}
    for part in _parts(shape):
        sorted_parts[_DIMENSIONS[part["type"].removeprefix("Multi")]].append(part)
    points, drawn, areas = (
        func.ST_CollectionExtract(
            value_of({"type": shape["type"], "geometries": each}), dimension + 1
        )
        for dimension, each in sorted_parts.items()
    )
    lines = func.ST_Difference(drawn, areas)
    return Union(
        parts=tuple(value_of(part) for each in sorted_parts.values() for part in each),
        areas=areas,
        lines=lines,
        points=func.ST_Difference(func.ST_Difference(points, areas), lines),
        drawn=drawn,
        dimension=max(dimension for dimension, each in sorted_parts.items() if each),
    )


def _parts(shape: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for part in shape["geometries"]:
        if "geometries" in part:
            yield from _parts(part)
        else:
            yield part


def union_condition(name: str, geometry: Value, union: Union) -> Condition:
    """The predicate on a geometry and, second, a union; both are known to meet."""
    inside = _meets_inside(geometry, union)
    covered = _covered(geometry, union)
    covers = and_(*(func.ST_Covers(geometry, part) for part in union.parts))
    if name == "s_within":
        return and_(covered, inside)
    if name == "s_contains":
        return and_(covers, inside)
    if name == "s_equals":
        return and_(covered, covers)
    if name == "s_touches":
        return not_(inside)
    partly = and_(inside, not_(covered), not_(covers))
    return and_(partly, _OF_DIMENSIONS[name](geometry, union))


def _meets_inside(geometry: Value, union: Union) -> Condition:
    """Whether the interiors meet."""
    outside = func.ST_Difference(geometry, union.areas)
    return or_(
        _relate(geometry, union.areas, "T"),
        _relate(outside, union.lines, "T"),
        _relate(geometry, union.points, "T"),
    )


def _covered(geometry: Value, union: Union) -> Condition:
    """Whether no place of a geometry lies outside the union."""
    # lines first: where a line is cut by an area, its new end is rounded off the line
    rest = func.ST_Difference(
        func.ST_Difference(func.ST_Difference(geometry, union.drawn), union.areas), union.points
    )
    return or_(
        func.ST_CoveredBy(geometry, union.areas),
        and_(func.ST_Dimension(geometry) < 2, func.ST_IsEmpty(rest)),
    )


def _overlap(geometry: Value, union: Union) -> Condition:
    return and_(
        func.ST_Dimension(geometry) == union.dimension,
        _relate(geometry, _highest(union), str(union.dimension)),
    )


def _cross(geometry: Value, union: Union) -> Condition:
    """Two areas never cross; what crosses has in common less than either's dimension."""
    if union.dimension == 2:
        return func.ST_Dimension(geometry) < 2
    return or_(
        func.ST_Dimension(geometry) > union.dimension,
        not_(_relate(geometry, _highest(union), str(union.dimension))),
    )


_OF_DIMENSIONS: Final[dict[str, Callable[[Value, Union], Condition]]] = {
    "s_overlaps": _overlap,
    "s_crosses": _cross,
}


def _highest(union: Union) -> Value:
    return (union.points, union.lines, union.areas)[union.dimension]


def _relate(one: Value, other: Value, interiors: str) -> Condition:
    """Whether the interiors have that in common, in the letters of DE-9IM."""
    return func.ST_Relate(one, other, literal(f"{interiors}********", Text))
