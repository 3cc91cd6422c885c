"""What the columns of a file are called."""

from __future__ import annotations

from geodata.labels import free_name
from service.catalogue.collection import Collection

__all__ = ["column_names"]


def column_names(collection: Collection, *taken: str) -> dict[str, str]:
    """Property -> column of a file: its name, changed where it is taken, if in another case."""
    names: dict[str, str] = {}
    for each in collection.properties:
        names[each.name] = free_name(each.name, [*taken, *names.values()])
    return names
