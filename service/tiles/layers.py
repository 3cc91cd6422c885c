"""The layers that are served as tiles, and what their features say.

Of Gridward's own, only what is named here is in a tile: no name, address, reference or category of
a household or of a member ever is. Of a further table, what is published is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

from geodata.labels import free_name
from service.catalogue.collection import Catalogue, Collection, PropertyType
from service.catalogue.tiled import is_tiled
from service.errors import NotFound

__all__ = ["LAYERS", "MOST_FIELDS", "Layer", "counted_name", "find_layer"]

#: Attributes of a further table in its tiles: so many of its columns, in their order.
MOST_FIELDS: Final = 50


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer, of the same name as its collection.

    Attributes
    ----------
    name, title, description : str
        As published.
    dimension : int, optional
        0 for points, 1 for lines, 2 for areas; None where they are mixed.
    version : str, optional
        Which of the versions changes with it: areas, households or members; None for a further
        table, of whose changes nobody tells.
    fields : mapping
        Attribute -> what it means.
    types : mapping
        Attribute -> its type in the words of JSON Schema; the others are text.
    source : Collection, optional
        The further table that it shows.
    """

    name: str
    title: str
    description: str
    dimension: Literal[0, 1, 2] | None
    version: Literal["areas", "households", "members"] | None
    fields: Mapping[str, str]
    types: Mapping[str, str]
    source: Collection | None = None


_NUMBERS: Final = dict.fromkeys(
    ("dataset_id", "rank", "grids", "load", "households", "vacancies", "records", "id", "posts"),
    "integer",
)

LAYERS: Final = {
    layer.name: layer
    for layer in (
        Layer(
            name="grids",
            title="Grids",
            description="The grids in force with load and vacancies; from afar the most detailed "
            "divisions of which a tile can show all stand for their grids.",
            dimension=2,
            version="areas",
            fields={
                "code": "Code of the grid or division",
                "level": "grid, community, street, county, city or province",
                "name": "Name of the division, or of the grid's community",
                "parent": "Code of the division above",
                "dataset_id": "Number of the data set",
                "flag": "What is out of the ordinary with a grid",
                "grids": "Grids that it stands for",
                "load": "Households of a grid; of a division, the mean of its grids",
                "households": "Households in all",
                "vacancies": "Vacant posts in all; absent where no team is required",
            },
            types=_NUMBERS,
        ),
        Layer(
            name="divisions",
            title="Divisions",
            description="Administrative divisions from the province down to the most detailed "
            "level of which a tile can show all.",
            dimension=2,
            version="areas",
            fields={
                "code": "Code",
                "level": "province, city, county, street or community",
                "rank": "1 for a province to 5 for a community",
                "name": "Name",
                "parent": "Code of the division above",
                "dataset_id": "Number of the data set",
                "grids": "Grids in it",
                "households": "Households assigned to them",
                "vacancies": "Their vacant posts; absent where no team is required",
            },
            types=_NUMBERS,
        ),
        Layer(
            name="households",
            title="Households",
            description="How many households are where: in cells, and close by place by place.",
            dimension=0,
            version="households",
            fields={
                "dataset_id": "Number of the data set",
                "records": "Household records here",
                "households": "Households here",
            },
            types=_NUMBERS,
        ),
        Layer(
            name="members",
            title="Members",
            description="How many members are where; close by, what each may do.",
            dimension=0,
            version="members",
            fields={
                "dataset_id": "Number of the data set",
                "records": "Members here",
                "id": "Number of the member; close by only",
                "roles": "Roles that the member can take, between semicolons; close by only",
                "posts": "Posts that the member holds; close by only",
            },
            types=_NUMBERS,
        ),
    )
}


#: type of property -> type of attribute; the others are written as text.
_TYPES: Final[dict[PropertyType, str]] = {each: each for each in ("integer", "number", "boolean")}
_DIMENSIONS: Final[dict[str, Literal[0, 1, 2]]] = {
    "Point": 0,
    "MultiPoint": 0,
    "LineString": 1,
    "MultiLineString": 1,
    "Polygon": 2,
    "MultiPolygon": 2,
}
#: The rule of a tile that cannot show all, told where the tiles are described.
_OF_POINTS: Final = (
    "A tile that would have more than 8,000 points or 500,000 bytes counts them in cells instead: "
    "'records'."
)
_OF_SHAPES: Final = (
    "A tile that would have more than 8,000 features or 500,000 bytes has the largest alone."
)


def find_layer(name: str, catalogue: Catalogue) -> Layer:
    """The layer of that name: one of ours, or of a further table with a place.

    Raises
    ------
    NotFound
        There are no tiles of that name.
    """
    if name in LAYERS:
        return LAYERS[name]
    if name in catalogue and is_tiled(catalogue[name]):
        return _layer_of(catalogue[name])
    known = [each.name for each in catalogue.values() if is_tiled(each)]
    raise NotFound(f"There are no tiles of '{name}'; there are: {', '.join(known)}.")


def counted_name(collection: Collection) -> str:
    """The attribute that tells how many points a cell has: a name that no property has."""
    return free_name("records", (each.name for each in collection.properties))


@lru_cache(128)
def _layer_of(collection: Collection) -> Layer:
    shown = collection.properties[:MOST_FIELDS]
    is_points = collection.geometry_type == "Point"
    fields = {each.name: each.title for each in shown}
    types = {each.name: _TYPES[each.type] for each in shown if each.type in _TYPES}
    if is_points:
        counted = counted_name(collection)
        fields[counted] = "Features here, where they are counted in cells"
        types[counted] = "integer"
    return Layer(
        name=collection.name,
        title=collection.title,
        description=f"{collection.description} {_OF_POINTS if is_points else _OF_SHAPES}",
        dimension=_DIMENSIONS.get(collection.geometry_type),
        version=None,
        fields=fields,
        types=types,
        source=collection,
    )
