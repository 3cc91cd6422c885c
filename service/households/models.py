"""Households and the ledger that puts each into one grid or among the exceptions."""

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
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from geodata.schema import METHODS
from service.db.base import POINT_ON_EARTH, SRID, Base

__all__ = ["Assignment", "AssignmentHistory", "Household"]

_METHOD_LIST = ", ".join(f"'{method}'" for method in METHODS)


class Household(Base):
    """A record of one or more households at a point; ``community`` is the declared one.

    ``source_x`` and ``source_y`` are the coordinates as given, in ``datum``.
    """

    __tablename__ = "household"
    __table_args__ = (
        UniqueConstraint("dataset_id", "reference"),
        CheckConstraint("reference <> ''", name="reference"),
        CheckConstraint("households >= 1", name="households"),
        CheckConstraint(POINT_ON_EARTH, name="geometry"),
        Index(None, "batch_id"),
        Index(None, "geometry", postgresql_using="gist"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    dataset_id: Mapped[int] = mapped_column(ForeignKey("dataset.id"))
    reference: Mapped[str]
    address: Mapped[str | None]
    building: Mapped[str | None]
    unit: Mapped[str | None]
    households: Mapped[int] = mapped_column(server_default=text("1"))
    community: Mapped[str | None]
    source_x: Mapped[float | None]
    source_y: Mapped[float | None]
    datum: Mapped[str | None]
    batch_id: Mapped[int | None] = mapped_column(ForeignKey("import_batch.id", ondelete="SET NULL"))
    geometry: Mapped[Any] = mapped_column(
        Geometry("POINT", srid=SRID, spatial_index=False), nullable=False
    )


class Assignment(Base):
    """The current place of a household: one grid, or none with the reason."""

    __tablename__ = "assignment"
    __table_args__ = (
        CheckConstraint(f"method IN ({_METHOD_LIST})", name="method"),
        CheckConstraint("(grid_id IS NULL) = (method = 'exception')", name="grid"),
        CheckConstraint("method <> 'exception' OR coalesce(reason, '') <> ''", name="reason"),
        CheckConstraint("distance_m >= 0 AND distance_m < 'Infinity'::float8", name="distance"),
        Index(None, "grid_id"),
    )

    household_id: Mapped[int] = mapped_column(
        BigInteger,
        ForeignKey("household.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    )
    grid_id: Mapped[int | None] = mapped_column(ForeignKey("grid.id"))
    method: Mapped[str]
    distance_m: Mapped[float | None]
    at: Mapped[datetime] = mapped_column(server_default=func.now())
    reason: Mapped[str | None]


class AssignmentHistory(Base):
    """Where a household was before; written by the triggers of ``assignment``."""

    __tablename__ = "assignment_history"
    __table_args__ = (
        CheckConstraint("valid_to >= valid_from", name="period"),
        Index(None, "household_id", "valid_from"),
        Index(None, "grid_id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    household_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("household.id", ondelete="CASCADE")
    )
    grid_id: Mapped[int | None] = mapped_column(ForeignKey("grid.id"))
    method: Mapped[str]
    distance_m: Mapped[float | None]
    reason: Mapped[str | None]
    valid_from: Mapped[datetime]
    valid_to: Mapped[datetime]
