"""Posts begun and ended; the database refuses one too many, and a role that is not the member's."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.catalogue.editing import Draft
from service.errors import Conflict, InvalidParameter, NotFound
from service.flows.edits.rows import hold
from service.grids.models import Grid
from service.grids.queries import get_in_force
from service.teams import queries
from service.teams.models import Member, Post

__all__ = ["PostEditor"]


class PostEditor:
    """Writes posts."""

    def lock(self, session: Session, identifier: str) -> None:
        """Hold a post."""
        hold(session, Post, identifier)

    def create(self, session: Session, draft: Draft) -> str:
        """Post a member in a grid in force.

        Raises
        ------
        InvalidParameter
            There is no such grid in force.
        """
        given = draft.properties
        try:
            grid = get_in_force(session, code=given["grid_code"])
        except NotFound as error:
            raise InvalidParameter(
                "grid_code", f"names '{given['grid_code']}', which is no grid in force"
            ) from error
        fixed = given["fixed"] is not False  # a choice by hand is kept unless it says otherwise
        post = queries.add_post(
            session, grid=grid, member=given["member"], role=given["role"], fixed=fixed
        )
        return str(post.id)

    def replace(self, session: Session, identifier: str, draft: Draft) -> str:
        """Change whether the next staffing keeps a post.

        Raises
        ------
        Conflict
            The draft names another member, grid or role.
        """
        post = session.get_one(Post, int(identifier))
        member = session.get_one(Member, post.member_id).reference
        grid_code = session.scalar(select(Grid.code).where(Grid.id == post.grid_id))
        given = draft.properties
        if (given["member"], given["grid_code"], given["role"]) != (member, grid_code, post.role):
            raise Conflict(
                "A post keeps its member, grid and role, for they are its history: delete it, "
                "which ends it, and create another."
            )
        post.fixed = given["fixed"] is not False
        session.flush()
        return identifier

    def delete(self, session: Session, identifier: str) -> None:
        """End a post; it stays in the history."""
        queries.end_post(session, post_id=int(identifier))
