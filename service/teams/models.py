"""Members, the posts that they hold in grids, and what a grid needs."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from geoalchemy2 import Geometry
from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    SmallInteger,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from geodata.schema import ROLE_PATTERN
from service.db.base import POINT_ON_EARTH, SRID, Base

__all__ = ["GridTeam", "Member", "Post", "Relief", "Shortage", "TeamRequirement", "VacancyReason"]

_ROLE = ROLE_PATTERN.removeprefix("^").removesuffix("$")


class Member(Base):
    """Someone who can hold posts: eligible roles, how many posts at most, where."""

    __tablename__ = "member"
    __table_args__ = (
        UniqueConstraint("dataset_id", "reference"),
        CheckConstraint("reference <> ''", name="reference"),
        # a null becomes an empty role here, and no role is empty; a role with a ';' is not the
        # same after
        CheckConstraint(
            f"array_to_string(roles, ';', '') ~ '^{_ROLE}(;{_ROLE})*$'"
            " AND string_to_array(array_to_string(roles, ';', ''), ';') = roles",
            name="roles",
        ),
        CheckConstraint("max_posts >= 0", name="max_posts"),
        CheckConstraint(f"geometry IS NULL OR {POINT_ON_EARTH}", name="geometry"),
        Index(None, "geometry", postgresql_using="gist"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    dataset_id: Mapped[int] = mapped_column(ForeignKey("dataset.id"))
    reference: Mapped[str]
    name: Mapped[str | None]
    roles: Mapped[list[str]] = mapped_column(ARRAY(Text))
    max_posts: Mapped[int] = mapped_column(SmallInteger, server_default=text("2"))
    geometry: Mapped[Any | None] = mapped_column(
        Geometry("POINT", srid=SRID, spatial_index=False), nullable=True
    )


class Post(Base):
    """One member in one role of one grid's team; current while ``valid_to`` is null."""

    __tablename__ = "post"
    __table_args__ = (
        CheckConstraint(f"role ~ '{ROLE_PATTERN}'", name="role"),
        CheckConstraint("valid_to >= valid_from", name="period"),
        Index(
            "uq_post_current",
            "member_id",
            "grid_id",
            "role",
            unique=True,
            postgresql_where=text("valid_to IS NULL"),
        ),
        Index(None, "grid_id", "role"),
        Index(None, "member_id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("member.id"))
    grid_id: Mapped[int] = mapped_column(ForeignKey("grid.id"))
    role: Mapped[str]
    valid_from: Mapped[datetime] = mapped_column(server_default=func.now())
    valid_to: Mapped[datetime | None]
    fixed: Mapped[bool] = mapped_column(server_default=text("false"))


class GridTeam(Base):
    """How many of the posts that a grid needs are held; written by the triggers of posts.

    A grid without a row never had a post.
    """

    __tablename__ = "grid_team"

    grid_id: Mapped[int] = mapped_column(
        ForeignKey("grid.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    filled: Mapped[int]


class TeamRequirement(Base):
    """How many posts of a role every grid of a data set needs."""

    __tablename__ = "team_requirement"
    __table_args__ = (
        CheckConstraint(f"role ~ '{ROLE_PATTERN}'", name="role"),
        CheckConstraint("posts >= 0", name="posts"),
    )

    dataset_id: Mapped[int] = mapped_column(
        ForeignKey("dataset.id", ondelete="CASCADE"), primary_key=True
    )
    role: Mapped[str] = mapped_column(primary_key=True)
    posts: Mapped[int]


class VacancyReason(Base):
    """Why a post could not be filled, in words; written by the staff flow."""

    __tablename__ = "vacancy_reason"

    grid_id: Mapped[int] = mapped_column(
        ForeignKey("grid.id", ondelete="CASCADE"), primary_key=True
    )
    role: Mapped[str] = mapped_column(primary_key=True)
    reason: Mapped[str]


class Shortage(Base):
    """A role that is short in a division, as the last staffing that explained itself found it.

    ``eligible`` people live nearest to its grids, ``in_reach`` are near enough to one of them;
    ``relieved`` posts of the missing ones would be filled from farther away.
    """

    __tablename__ = "shortage"
    __table_args__ = (
        CheckConstraint(f"role ~ '{ROLE_PATTERN}'", name="role"),
        CheckConstraint("eligible >= 0 AND in_reach >= 0", name="people"),
        CheckConstraint("filled >= 0 AND missing > 0 AND needed = filled + missing", name="posts"),
        CheckConstraint("relieved BETWEEN 0 AND missing", name="relieved"),
    )

    dataset_id: Mapped[int] = mapped_column(
        ForeignKey("dataset.id", ondelete="CASCADE"), primary_key=True
    )
    role: Mapped[str] = mapped_column(primary_key=True)
    division_code: Mapped[str] = mapped_column(
        ForeignKey("division.code", ondelete="CASCADE"), primary_key=True, index=True
    )
    needed: Mapped[int]
    eligible: Mapped[int]
    in_reach: Mapped[int]
    filled: Mapped[int]
    missing: Mapped[int]
    relieved: Mapped[int]
    at: Mapped[datetime] = mapped_column(server_default=func.now())


class Relief(Base):
    """Who would take a vacant post if it were not too far away."""

    __tablename__ = "relief"
    __table_args__ = (
        CheckConstraint(f"role ~ '{ROLE_PATTERN}'", name="role"),
        CheckConstraint("distance_m >= 0", name="distance_m"),
    )

    grid_id: Mapped[int] = mapped_column(
        ForeignKey("grid.id", ondelete="CASCADE"), primary_key=True
    )
    role: Mapped[str] = mapped_column(primary_key=True)
    member_id: Mapped[int] = mapped_column(
        ForeignKey("member.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    distance_m: Mapped[int]
