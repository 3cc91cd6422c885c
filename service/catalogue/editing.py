"""What writing a feature means: the draft that a request brings, and who carries it out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import ColumnElement, func
from sqlalchemy.orm import Session

from service.db.base import SRID

__all__ = ["Draft", "Editor", "Editors", "GroupEditor"]


@dataclass(frozen=True, slots=True)
class Draft:
    """A feature as it shall be.

    Attributes
    ----------
    properties : mapping
        Every writable property of the collection; None where it has no value.
    geometry : dict, optional
        GeoJSON in longitude and latitude.
    moved : bool
        Whether the geometry is another than before; where it is not, the one that is kept stays as
        it is, to the last digit.
    identifier : str, optional
        As sent, of a feature among several.
    """

    properties: Mapping[str, Any]
    geometry: dict[str, Any] | None
    moved: bool = True
    identifier: str | None = None

    def shape(self) -> ColumnElement[Any]:
        """Expression for the geometry, EPSG:4326."""
        text = None if self.geometry is None else json.dumps(self.geometry)
        return func.ST_SetSRID(func.ST_GeomFromGeoJSON(text), SRID)


class Editor(Protocol):
    """Writes the features of one collection; what breaks a rule is refused with the rule's name.

    Nothing is committed: the request is one transaction.
    """

    def lock(self, session: Session, identifier: str) -> None:
        """Hold a feature until the transaction ends, so that its version stays what it is."""

    def create(self, session: Session, draft: Draft) -> str:
        """Add a feature; its identifier."""

    def replace(self, session: Session, identifier: str, draft: Draft) -> str:
        """Put a feature in the place of another; its identifier, which may be a new one."""

    def delete(self, session: Session, identifier: str) -> None:
        """Take a feature away."""


class GroupEditor(Protocol):
    """Writes several features at once, where none can change alone."""

    def hold(self, session: Session, identifiers: Sequence[str]) -> None:
        """Hold features until the transaction ends, so that their versions stay what they are."""

    def change(
        self, session: Session, changes: Sequence[tuple[str | None, Draft | None]]
    ) -> list[str]:
        """Carry out changes together.

        Each is an identifier and a draft: a feature replaced; without an identifier, one added;
        without a draft, one taken away. Gives the identifiers of those written, in order.
        """


#: The editors by the name of their collection.
Editors = Mapping[str, Editor]
