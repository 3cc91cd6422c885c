"""A filter of a request: read once, compiled for the rows that are asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, cast

from sqlalchemy import ColumnElement

from service.catalogue.collection import Collection
from service.catalogue.crs import DEFAULT_CRS, Crs
from service.catalogue.filtering.compiler import Compiler
from service.catalogue.filtering.errors import FilterError
from service.catalogue.filtering.reading import Language, read
from service.errors import InvalidParameter

__all__ = ["LANGUAGES", "Filter", "parse_filter"]

LANGUAGES: Final = ("cql2-text", "cql2-json")


@dataclass(frozen=True, slots=True)
class Filter:
    """A CQL2 filter that fits a collection.

    Attributes
    ----------
    tree : Any
        As CQL2 JSON.
    crs : Crs
        Of its geometries.
    columns : frozenset of str
        The columns that it reads.
    """

    tree: Any
    crs: Crs
    columns: frozenset[str]

    def condition(self, collection: Collection) -> ColumnElement[bool]:
        """The condition over the rows of a collection, or over its light ones."""
        return Compiler(collection, self.crs).condition(self.tree)


def parse_filter(
    collection: Collection, text: str, *, language: str | None = None, crs: Crs = DEFAULT_CRS
) -> Filter:
    """Read a filter and hold it against a collection.

    Parameters
    ----------
    collection : Collection
    text : str
        As sent.
    language : str, optional
        One of :data:`LANGUAGES`; text by default.
    crs : Crs
        Of its geometries.

    Raises
    ------
    InvalidParameter
        It cannot be read, or does not fit the collection; the message says what and where.
    """
    compiler = Compiler(collection, crs)
    try:
        tree = read(text, cast("Language", language or LANGUAGES[0]))
        compiler.condition(tree)
    except FilterError as error:
        raise InvalidParameter("filter", str(error)) from error
    return Filter(tree, crs, frozenset(compiler.named))
