"""Data sets and the administrative divisions that they bring."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from geoalchemy2 import Geometry
from sqlalchemy import (
    CheckConstraint,
    Computed,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    SmallInteger,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from geodata.schema import CODE_PATTERN, LEVELS
from service.db.base import SRID, Base

__all__ = ["Dataset", "Division"]

_LEVEL_LIST = ", ".join(f"'{level}'" for level in LEVELS)
_RANK = (
    "CASE level "
    + " ".join(f"WHEN '{level}' THEN {rank}" for rank, level in enumerate(LEVELS, start=1))
    + " END"
)


class Dataset(Base):
    """One manifest: where the rows come from and the size that a grid should have."""

    __tablename__ = "dataset"
    __table_args__ = (
        UniqueConstraint("name"),
        CheckConstraint("name <> ''", name="name"),
        CheckConstraint("0 < minimum AND minimum <= target AND target <= maximum", name="sizes"),
        CheckConstraint(
            "snap_tolerance_m >= 0 AND snap_tolerance_m < 'Infinity'::float8", name="snap_tolerance"
        ),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    name: Mapped[str]
    prefix: Mapped[str] = mapped_column(server_default=text("''"))
    crs: Mapped[str | None]
    licence: Mapped[str | None]
    target: Mapped[int] = mapped_column(server_default=text("400"))
    minimum: Mapped[int] = mapped_column(server_default=text("300"))
    maximum: Mapped[int] = mapped_column(server_default=text("500"))
    snap_tolerance_m: Mapped[float] = mapped_column(server_default=text("50"))
    loaded_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Division(Base):
    """An administrative division: province, city, county, street or community.

    The parent is a foreign key together with its rank, and its rank is above the division's own
    (smaller), so the tree can have no cycle. ``rank`` follows from ``level``.
    """

    __tablename__ = "division"
    __table_args__ = (
        UniqueConstraint("code", "rank"),
        ForeignKeyConstraint(
            ["parent", "parent_rank"],
            ["division.code", "division.rank"],
            match="FULL",
            onupdate="CASCADE",
            deferrable=True,
            initially="IMMEDIATE",
        ),
        CheckConstraint(f"code ~ '{CODE_PATTERN}'", name="code"),
        CheckConstraint(f"level IN ({_LEVEL_LIST})", name="level"),
        CheckConstraint("parent_rank < rank", name="parent_above"),
        CheckConstraint("ST_IsValid(geometry) AND NOT ST_IsEmpty(geometry)", name="geometry"),
        Index(None, "dataset_id", "level"),
        Index(None, "parent"),
        Index(None, "geometry", postgresql_using="gist"),
    )

    code: Mapped[str] = mapped_column(primary_key=True)
    dataset_id: Mapped[int] = mapped_column(ForeignKey("dataset.id"))
    name: Mapped[str]
    level: Mapped[str]
    rank: Mapped[int] = mapped_column(SmallInteger, Computed(_RANK, persisted=True))
    parent: Mapped[str | None]
    parent_rank: Mapped[int | None] = mapped_column(SmallInteger)
    geometry: Mapped[Any] = mapped_column(
        Geometry("MULTIPOLYGON", srid=SRID, spatial_index=False), nullable=False
    )
    #: The geometry as delivered, where ``geometry`` gained the vertices that grid borders end at.
    outline: Mapped[Any | None] = mapped_column(
        Geometry("MULTIPOLYGON", srid=SRID, spatial_index=False)
    )
