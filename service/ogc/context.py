"""What the routes ask of the application: its catalogue, its limits, what it remembers."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from service.catalogue.collection import Collection
from service.catalogue.context import catalogue_of
from service.catalogue.published import find_collection
from service.catalogue.selection import Box
from service.db.asking import AsyncReader
from service.ogc.parameters import Format, Limits, negotiate
from service.ogc.remembered import Remembered
from service.settings import Settings
from service.web.parameters import reject_unknown

__all__ = [
    "Chosen",
    "Memory",
    "catalogue_of",
    "limits_of",
    "memory_of",
    "plain_format",
    "reader_of",
]


class Memory:
    """What an application remembers for a minute."""

    def __init__(self) -> None:
        self.extents: Remembered[Box] = Remembered()
        self.counts: Remembered[int] = Remembered()
        self.documents: Remembered[str] = Remembered()


def memory_of(request: Request) -> Memory:
    """What the application remembers."""
    memory: Memory = request.app.state.memory
    return memory


def reader_of(request: Request) -> AsyncReader:
    """What runs statements that only read."""
    reader: AsyncReader = request.app.state.reader
    return reader


def limits_of(request: Request) -> Limits:
    """Features on a page."""
    settings: Settings = request.app.state.settings
    return Limits(settings.default_limit, settings.max_limit)


def plain_format(request: Request) -> Format:
    """The representation of a document that takes no parameter but ``f``."""
    reject_unknown(request.query_params, ("f",))
    return negotiate(request.query_params, request.headers.get("accept"))


def _collection(request: Request, name: str) -> Collection:
    return find_collection(name, catalogue_of(request))


#: The collection that the path names.
Chosen = Annotated[Collection, Depends(_collection)]
