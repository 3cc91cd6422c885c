"""What a collection is: a source of rows, its key, its geometry and its published columns.

Everything that serves collections (items, exports, the API document, the HTML pages) reads these
declarations and nothing else, so a further table becomes a collection by one more declaration.
Identifiers reach SQL from here only, never from a request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, FromClause

__all__ = [
    "ACTIONS",
    "NO_GEOMETRY",
    "Action",
    "Catalogue",
    "Collection",
    "Property",
    "PropertyType",
]

PropertyType = Literal["string", "integer", "number", "boolean", "date-time", "date", "strings"]
Action = Literal["create", "replace", "update", "delete"]
ACTIONS: Final[tuple[Action, ...]] = ("create", "replace", "update", "delete")
#: Type of the geometries of a table that has none: each is null.
NO_GEOMETRY: Final = "none"
#: Characters of a written text, where its property says nothing else.
_LONGEST_TEXT: Final = 200


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
        Whether ``?name=value`` is a parameter of the items, and filters may name it.
    writable : bool
        Whether it is taken from a feature that is written.
    required : bool
        Whether a new feature must have it.
    longest : int
        Characters that a text, or each of a list, may have when it is written.
    choices : tuple of str
        The only values that it takes, where there are few.
    unit : str, optional
        Unit in the symbols of UCUM.
    role : str, optional
        Its role in the feature: ``id``, ``primary-instant``, ``primary-interval-start``, ...
    """

    name: str
    title: str
    type: PropertyType = "string"
    filterable: bool = True
    writable: bool = False
    required: bool = False
    longest: int = _LONGEST_TEXT
    choices: tuple[str, ...] = ()
    unit: str | None = None
    role: str | None = None

    @property
    def sortable(self) -> bool:
        """Whether features can be put in its order."""
        return self.type != "strings"


@dataclass(frozen=True, slots=True, eq=False)
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
        GeoJSON type of the geometries, for the schema; ``any`` or :data:`NO_GEOMETRY`.
    geometry : str
        Column with the published geometry.
    search : str
        Column that bbox is tested against: an indexed one where ``geometry`` is computed.
    outline : str, optional
        Column with the geometry as it is written by default, where that is kept as text.
    written : mapping
        Column with members of the properties as GeoJSON text -> the properties that these are. It
        is taken where the source has it and they follow each other.
    digits : int
        Decimal places of coordinates. 15 keeps every bit, so shared vertices stay shared.
    temporal : tuple of str, optional
        Columns with the first and the last moment of a row, for ``datetime``.
    light : FromClause, optional
        The same rows as ``source`` and some of its columns, without what is costly. Extents, and
        counts whose conditions need no other column, are taken from it.
    details : callable, optional
        ``light`` rows of a page -> the same with every column, worked out for them alone.
    srid : int
        Of its geometries, as they are kept.
    heights : bool
        Whether these have a third coordinate.
    actions : tuple of Action
        What writers may do with its features.
    in_groups : bool
        Whether several features can be changed at once.
    further : bool
        Whether it is a table that the settings name, whose changes Gridward does not see.
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
    outline: str | None = None
    written: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    digits: int = 15
    temporal: tuple[str, str] | None = None
    light: FromClause | None = None
    details: Callable[[FromClause], FromClause] | None = None
    srid: int = 4326
    heights: bool = False
    actions: tuple[Action, ...] = ()
    in_groups: bool = False
    further: bool = False

    def column(self, name: str) -> ColumnElement[Any]:
        """The source's column of that name."""
        return self.source.c[name]

    @property
    def has_geometry(self) -> bool:
        """Whether its features may have a place."""
        return self.geometry_type != NO_GEOMETRY

    def cheapest(self, names: Iterable[str]) -> Collection:
        """The collection itself, or the one of its ``light`` rows if that has these columns."""
        if self.light is None or any(name not in self.light.c for name in names):
            return self
        return _lightened(self)

    @property
    def filters(self) -> dict[str, Property]:
        """Properties that can be filtered on by ``name=value``, by name."""
        return {each.name: each for each in self.properties if each.filterable}

    @property
    def queryables(self) -> dict[str, Property]:
        """What a filter or an order may name, bar the geometry: the identifier and the filters."""
        own = self.filters
        identifier = self.identifier
        return own if identifier.name in own else {identifier.name: identifier, **own}

    @property
    def identifier(self) -> Property:
        """The identifier of a feature: its key, or a composed one that no column holds."""
        own = {each.name: each for each in self.properties}
        if len(self.key) > 1:
            return own[self.key[0]]
        (name,) = self.key
        if name in own:
            return own[name]
        whole = self.column(name).type.python_type is int
        return Property(name, "Identifier", "integer" if whole else "string", role="id")

    @property
    def key_columns(self) -> list[ColumnElement[Any]]:
        """The columns of the key, in order."""
        return [self.column(name) for name in self.key]


@lru_cache(128)
def _lightened(collection: Collection) -> Collection:
    """The same one each time, so that what is kept of a collection is kept of its light rows."""
    if collection.light is None:
        return collection
    return replace(collection, source=collection.light, light=None)


#: The collections of a service by name, in the order of its list.
Catalogue = Mapping[str, Collection]
