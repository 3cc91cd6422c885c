"""What a collection is: a source of rows, its key, its geometry and its published columns.

Everything that serves collections (items, exports, the API document, the HTML pages) reads these
declarations and nothing else, so a further table becomes a collection by one more declaration.
Identifiers reach SQL from here only, never from a request.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, FromClause

__all__ = ["CRS84", "Collection", "Property", "PropertyType"]

CRS84: Final = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"

PropertyType = Literal["string", "integer", "number", "boolean", "date-time", "strings"]


@dataclass(frozen=True, slots=True)
class Property:
    """One published column.

    Attributes
    ----------
    name : str
        Column of the source and member of ``properties`` in GeoJSON.
    title : str
        What it means, unit included.
    type : PropertyType
        ``strings`` is an array of text; a filter on it asks for membership.
    filterable : bool
        Whether ``?name=value`` is a parameter of the items.
    """

    name: str
    title: str
    type: PropertyType = "string"
    filterable: bool = True


@dataclass(frozen=True, slots=True)
class Collection:
    """One feature collection.

    Attributes
    ----------
    name, title, description : str
        As published.
    source : FromClause
        Rows, with a column for each name below.
    key : tuple of str
        Columns that identify a row and put the rows in order. Several make one identifier,
        joined by a colon.
    properties : tuple of Property
        The published columns, in order.
    geometry_type : str
        GeoJSON type of the geometries, for the schema.
    geometry : str
        Column with the published geometry, EPSG:4326.
    search : str
        Column that bbox is tested against: an indexed one where ``geometry`` is computed.
    digits : int
        Decimal places of coordinates. 15 keeps every bit, so shared vertices stay shared.
    temporal : tuple of str, optional
        Columns with the first and the last moment of a row, for ``datetime``.
    light : FromClause, optional
        The same rows and column names as ``source``, without what is costly. Extents, and counts
        whose conditions need no other column, are taken from it.
    """

    name: str
    title: str
    description: str
    source: FromClause
    key: tuple[str, ...]
    properties: tuple[Property, ...]
    geometry_type: str
    geometry: str = "geometry"
    search: str = "geometry"
    digits: int = 15
    temporal: tuple[str, str] | None = None
    light: FromClause | None = None

    def column(self, name: str) -> ColumnElement[Any]:
        """The source's column of that name."""
        return self.source.c[name]

    def cheapest(self, names: Iterable[str]) -> Collection:
        """The collection itself, or the one of its ``light`` rows if that has these columns."""
        if self.light is None or any(name not in self.light.c for name in names):
            return self
        return replace(self, source=self.light, light=None)

    @property
    def filters(self) -> dict[str, Property]:
        """Properties that can be filtered on, by name."""
        return {each.name: each for each in self.properties if each.filterable}

    @property
    def key_columns(self) -> list[ColumnElement[Any]]:
        """The columns of the key, in order."""
        return [self.column(name) for name in self.key]
