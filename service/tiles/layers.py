"""The layers that are served as tiles, and what their features say.

Only what is named here is in a tile: no name, address, reference or category of a household or of a
member ever is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from service.errors import NotFound

__all__ = ["LAYERS", "Layer", "find_layer"]


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer, of the same name as its collection.

    Attributes
    ----------
    name, title, description : str
        As published.
    dimension : int
        0 for points, 2 for areas.
    version : str
        Which of the versions changes with it: areas, households or members.
    fields : mapping
        Attribute -> what it means.
    numbers : frozenset of str
        The attributes that are numbers; the others are text.
    """

    name: str
    title: str
    description: str
    dimension: Literal[0, 2]
    version: Literal["areas", "households", "members"]
    fields: Mapping[str, str]
    numbers: frozenset[str]


_NUMBERS: Final = frozenset(
    {"dataset_id", "rank", "grids", "load", "households", "vacancies", "records", "id", "posts"}
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
            numbers=_NUMBERS,
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
            numbers=_NUMBERS,
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
            numbers=_NUMBERS,
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
            numbers=_NUMBERS,
        ),
    )
}


def find_layer(name: str) -> Layer:
    """The layer of that name.

    Raises
    ------
    NotFound
        There are no tiles of that name.
    """
    if name not in LAYERS:
        raise NotFound(f"There are no tiles of '{name}'; there are: {', '.join(LAYERS)}.")
    return LAYERS[name]
