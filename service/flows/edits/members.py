"""Members written one by one; what they hold must stay allowed."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.catalogue.editing import Draft
from service.errors import Refused
from service.flows.edits.rows import dataset_of, hold, keep_dataset
from service.teams.models import Member, Post

__all__ = ["MemberEditor"]

_USUAL_POSTS = 2


class MemberEditor:
    """Writes members."""

    def lock(self, session: Session, identifier: str) -> None:
        """Hold a member, and with it the posts: whoever posts someone holds the member too."""
        hold(session, Member, identifier)

    def create(self, session: Session, draft: Draft) -> str:
        """Add a member."""
        member = Member(
            dataset_id=dataset_of(session, draft), geometry=_shape(draft), **_columns(draft)
        )
        session.add(member)
        session.flush()
        return str(member.id)

    def replace(self, session: Session, identifier: str, draft: Draft) -> str:
        """Put a member in the place of another.

        Raises
        ------
        Refused
            A post that the member holds needs a role that is taken away, or there are more posts
            than are allowed then.
        """
        member = session.get_one(Member, int(identifier))
        keep_dataset(session, draft, member.dataset_id)
        columns = _columns(draft)
        held = session.scalars(
            select(Post.role).where(Post.member_id == member.id, Post.valid_to.is_(None))
        ).all()
        lost = sorted(set(held) - set(columns["roles"]))
        if lost:
            raise Refused(
                f"The member holds a post as '{lost[0]}': end it before the role is taken away."
            )
        if len(held) > columns["max_posts"]:
            raise Refused(
                f"The member holds {len(held)} posts: end some before max_posts becomes "
                f"{columns['max_posts']}."
            )
        for name, value in columns.items():
            setattr(member, name, value)
        if draft.moved:
            member.geometry = _shape(draft)
        session.flush()
        return identifier

    def delete(self, session: Session, identifier: str) -> None:
        """Take a member away.

        Raises
        ------
        Refused
            The member holds or held a post: the past must stay answerable.
        """
        member = session.get_one(Member, int(identifier))
        if session.scalar(select(Post.id).where(Post.member_id == member.id).limit(1)) is not None:
            raise Refused(
                "The member holds or held a post, which must stay answerable: set max_posts to 0 "
                "instead."
            )
        session.delete(member)
        session.flush()


def _columns(draft: Draft) -> dict[str, Any]:
    given = draft.properties
    posts = given["max_posts"]
    return {
        "reference": given["reference"],
        "name": given["name"],
        "roles": given["roles"],
        "max_posts": _USUAL_POSTS if posts is None else posts,
    }


def _shape(draft: Draft) -> Any:
    return None if draft.geometry is None else draft.shape()
