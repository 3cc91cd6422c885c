"""Places: what grids follow (barriers) and what people look for (facilities)."""

from __future__ import annotations

from typing import Any

from geoalchemy2 import Geometry
from sqlalchemy import CheckConstraint, ForeignKey, Identity, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from service.db.base import POINT_ON_EARTH, SRID, Base

__all__ = ["Barrier", "Facility"]


class Barrier(Base):
    """A line or a polygon whose edges are good cuts; a river weighs more than an alley."""

    __tablename__ = "barrier"
    __table_args__ = (
        CheckConstraint("weight > 0 AND weight < 'Infinity'::float8", name="weight"),
        CheckConstraint(
            "GeometryType(geometry) IN"
            " ('LINESTRING', 'MULTILINESTRING', 'POLYGON', 'MULTIPOLYGON')"
            " AND NOT ST_IsEmpty(geometry)",
            name="geometry",
        ),
        Index(None, "dataset_id"),
        Index(None, "geometry", postgresql_using="gist"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    dataset_id: Mapped[int] = mapped_column(ForeignKey("dataset.id"))
    kind: Mapped[str | None]
    weight: Mapped[float] = mapped_column(server_default=text("1"))
    geometry: Mapped[Any] = mapped_column(
        Geometry("GEOMETRY", srid=SRID, spatial_index=False), nullable=False
    )


class Facility(Base):
    """A service centre or another place worth finding."""

    __tablename__ = "facility"
    __table_args__ = (
        UniqueConstraint("dataset_id", "reference"),
        CheckConstraint("reference <> ''", name="reference"),
        CheckConstraint(POINT_ON_EARTH, name="geometry"),
        Index(None, "geometry", postgresql_using="gist"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    dataset_id: Mapped[int] = mapped_column(ForeignKey("dataset.id"))
    reference: Mapped[str]
    name: Mapped[str | None]
    kind: Mapped[str | None]
    geometry: Mapped[Any] = mapped_column(
        Geometry("POINT", srid=SRID, spatial_index=False), nullable=False
    )
