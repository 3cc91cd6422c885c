"""Divisions written one by one; a community that has grids keeps the land that they tile."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.catalogue.editing import Draft
from service.divisions.models import Division
from service.errors import Conflict, InvalidParameter, NotFound
from service.flows.edits.coverage import refuse_faults
from service.flows.edits.rows import dataset_of, keep_dataset, require_geometry

__all__ = ["DivisionEditor"]


class DivisionEditor:
    """Writes divisions."""

    def lock(self, session: Session, identifier: str) -> None:
        """Hold a division."""
        held = select(Division.code).where(Division.code == identifier).with_for_update()
        if session.scalar(held) is None:
            raise NotFound(f"There is no division '{identifier}'.")

    def create(self, session: Session, draft: Draft) -> str:
        """Add a division."""
        require_geometry(draft)
        division = Division(
            code=draft.properties["code"],
            dataset_id=dataset_of(session, draft),
            geometry=func.ST_Multi(draft.shape()),
            **_columns(session, draft),
        )
        known = select(Division.code).where(Division.code == division.code)
        if session.scalar(known) is not None:
            raise Conflict(f"There is a division '{division.code}' already.")
        session.add(division)
        session.flush()
        return division.code

    def replace(self, session: Session, identifier: str, draft: Draft) -> str:
        """Put a division in the place of another.

        Raises
        ------
        Conflict
            The draft has another code: grids and households are known by it.
        BrokenCoverage
            The grids in force would no longer tile the community.
        """
        require_geometry(draft)
        division = session.get_one(Division, identifier)
        if draft.properties["code"] != identifier:
            raise Conflict("A division keeps its code: grids and households are known by it.")
        keep_dataset(session, draft, division.dataset_id)
        for name, value in _columns(session, draft).items():
            setattr(division, name, value)
        if draft.moved:
            division.geometry = func.ST_Multi(draft.shape())
            division.outline = None
        session.flush()
        if draft.moved:
            refuse_faults(session, communities=[identifier])
        return identifier

    def delete(self, session: Session, identifier: str) -> None:
        """Take a division away; one that others name is refused by the database."""
        session.delete(session.get_one(Division, identifier))
        session.flush()


def _columns(session: Session, draft: Draft) -> dict[str, Any]:
    given = draft.properties
    rank = None
    if given["parent"] is not None:
        rank = session.scalar(select(Division.rank).where(Division.code == given["parent"]))
        if rank is None:
            raise InvalidParameter("parent", f"names '{given['parent']}', which is not there")
    names = ("name", "level", "parent")
    return {**{name: given[name] for name in names}, "parent_rank": rank}
