"""The collections that an application publishes: Gridward's own, then the further tables."""

from __future__ import annotations

from collections.abc import Iterable

from fastapi import Request
from sqlalchemy.orm import Session

from service.catalogue.collection import Catalogue
from service.catalogue.published import COLLECTIONS
from service.catalogue.reflected import reflect_tables

__all__ = ["catalogue_of", "open_catalogue"]


def open_catalogue(session: Session, names: Iterable[str]) -> Catalogue:
    """Gridward's own collections, and those of the tables that the settings name.

    Raises
    ------
    InputError
        A table cannot be published; the message says why.
    """
    return {**COLLECTIONS, **reflect_tables(session, names, taken=COLLECTIONS)}


def catalogue_of(request: Request) -> Catalogue:
    """The collections that the application publishes."""
    catalogue: Catalogue = request.app.state.catalogue
    return catalogue
