"""Households and the ledger that puts each into one grid or among the exceptions."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from geoalchemy2 import Geometry
from sqlalchemy import (
    DDL,
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    UniqueConstraint,
    event,
    func,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from geodata.schema import METHODS
from service.db.base import POINT_ON_EARTH, SRID, Base

__all__ = [
    "Assignment",
    "AssignmentHistory",
    "AssignmentPlan",
    "AssignmentQueue",
    "AssignmentState",
    "Household",
    "HouseholdChange",
]

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
    """The current place of a household: one grid, or none with the reason.

    The rows are in one part (``assignment_current``), which another can take the place of in an
    instant; see docs/decisions/0006-switched-ledger.md.
    """

    __tablename__ = "assignment"
    __table_args__ = (
        CheckConstraint(f"method IN ({_METHOD_LIST})", name="method"),
        CheckConstraint("(grid_id IS NULL) = (method = 'exception')", name="grid"),
        CheckConstraint("method <> 'exception' OR coalesce(reason, '') <> ''", name="reason"),
        CheckConstraint("distance_m >= 0 AND distance_m < 'Infinity'::float8", name="distance"),
        Index(None, "grid_id"),
        Index(None, "method", postgresql_where=text("method <> 'covers'")),
        {"postgresql_partition_by": "RANGE (household_id)"},
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
    """Where a household was before; written by the triggers of ``assignment``.

    A ledger that was replaced as a whole is part of it (by inheritance) as it stood; its rows
    share one ``id``.
    """

    __tablename__ = "assignment_history"
    __table_args__ = (
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


class AssignmentState(Base):
    """A data set whose households were all looked at, and what it held then."""

    __tablename__ = "assignment_state"

    dataset_id: Mapped[int] = mapped_column(
        ForeignKey("dataset.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    snap_tolerance_m: Mapped[float]
    records: Mapped[int] = mapped_column(BigInteger)
    households: Mapped[int] = mapped_column(BigInteger)


class AssignmentPlan(Base):
    """The plan whose grids the ledger follows in a community."""

    __tablename__ = "assignment_plan"
    __table_args__ = (Index(None, "plan_id"),)

    community_code: Mapped[str] = mapped_column(
        ForeignKey("division.code", ondelete="CASCADE"), primary_key=True
    )
    plan_id: Mapped[int] = mapped_column(ForeignKey("grid_plan.id", ondelete="CASCADE"))


class AssignmentQueue(Base):
    """A household added or moved since the last run, which has no place yet."""

    __tablename__ = "assignment_queue"

    household_id: Mapped[int] = mapped_column(
        BigInteger,
        ForeignKey("household.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    )


class HouseholdChange(Base):
    """Records and households added or (negative) removed by one statement since the last run."""

    __tablename__ = "household_change"
    __table_args__ = (Index(None, "dataset_id"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    dataset_id: Mapped[int] = mapped_column(ForeignKey("dataset.id", ondelete="CASCADE"))
    records: Mapped[int] = mapped_column(BigInteger)
    households: Mapped[int] = mapped_column(BigInteger)


# What a model cannot say: the part of the ledger, and a rule that replaced ledgers do not inherit.
event.listen(
    Assignment.__table__,
    "after_create",
    DDL(
        "CREATE TABLE assignment_current PARTITION OF assignment "
        "FOR VALUES FROM (MINVALUE) TO (MAXVALUE)"
    ),
)
event.listen(
    AssignmentHistory.__table__,
    "after_create",
    DDL(
        "ALTER TABLE assignment_history ADD CONSTRAINT ck_assignment_history_period "
        "CHECK (valid_to >= valid_from) NO INHERIT"
    ),
)
