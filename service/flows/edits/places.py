"""Facilities written one by one."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from service.catalogue.editing import Draft
from service.flows.edits.rows import dataset_of, hold, keep_dataset, require_geometry
from service.places.models import Facility

__all__ = ["FacilityEditor"]


class FacilityEditor:
    """Writes facilities."""

    def lock(self, session: Session, identifier: str) -> None:
        """Hold a facility."""
        hold(session, Facility, identifier)

    def create(self, session: Session, draft: Draft) -> str:
        """Add a facility."""
        require_geometry(draft)
        facility = Facility(
            dataset_id=dataset_of(session, draft), geometry=draft.shape(), **_columns(draft)
        )
        session.add(facility)
        session.flush()
        return str(facility.id)

    def replace(self, session: Session, identifier: str, draft: Draft) -> str:
        """Put a facility in the place of another."""
        require_geometry(draft)
        facility = session.get_one(Facility, int(identifier))
        keep_dataset(session, draft, facility.dataset_id)
        for name, value in _columns(draft).items():
            setattr(facility, name, value)
        if draft.moved:
            facility.geometry = draft.shape()
        session.flush()
        return identifier

    def delete(self, session: Session, identifier: str) -> None:
        """Take a facility away."""
        session.delete(session.get_one(Facility, int(identifier)))
        session.flush()


def _columns(draft: Draft) -> dict[str, Any]:
    return {name: draft.properties[name] for name in ("reference", "name", "kind")}
