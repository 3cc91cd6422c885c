"""Grid plans and the grids that they hold."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from geoalchemy2 import Geometry
from sqlalchemy import (
    CheckConstraint,
    Computed,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    LargeBinary,
    UniqueConstraint,
    func,
    literal_column,
    text,
)
from sqlalchemy.dialects.postgresql import DATERANGE, OID, ExcludeConstraint, Range
from sqlalchemy.orm import Mapped, mapped_column

from service.db.base import SRID, Base

__all__ = [
    "KINDS",
    "STATES",
    "CommunityPlan",
    "Grid",
    "GridLoad",
    "GridPlan",
    "GridVersion",
    "KeptGrid",
    "PlanGrid",
]

#: The states of a plan in their order.
STATES = ("draft", "validated", "active", "retired")

#: Kinds of grid: basic 基础, dedicated 专属 (an estate, a business district), micro 微.
KINDS = ("basic", "dedicated", "micro")


class GridPlan(Base):
    """A set of grids for some communities: drafted, validated, then switched on in one step.

    ``ground`` is a fingerprint of the communities as they were when the plan was validated.
    """

    __tablename__ = "grid_plan"
    __table_args__ = (
        CheckConstraint("state IN ('draft', 'validated', 'active', 'retired')", name="state"),
        CheckConstraint(
            "effective_from IS NOT NULL OR state IN ('draft', 'validated')", name="effective"
        ),
        Index(None, "state"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    name: Mapped[str]
    parameters: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    state: Mapped[str] = mapped_column(server_default=text("'draft'"))
    effective_from: Mapped[date | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    report: Mapped[dict[str, Any] | None]
    ground: Mapped[str | None]


class CommunityPlan(Base):
    """The days on which a plan rules a community; no day has two plans. Null for a draft."""

    __tablename__ = "community_plan"
    __table_args__ = (
        ExcludeConstraint(
            # another collation, so that nobody looks a community up in this slow index
            (literal_column('community_code COLLATE "C"'), "="),
            ("active", "&&"),
            using="gist",
            name="ex_community_plan_active",
        ),
        Index(None, "community_code", postgresql_include=["plan_id", "active"]),
    )

    plan_id: Mapped[int] = mapped_column(
        ForeignKey("grid_plan.id", ondelete="CASCADE"), primary_key=True
    )
    community_code: Mapped[str] = mapped_column(ForeignKey("division.code"), primary_key=True)
    active: Mapped[Range[date] | None] = mapped_column(DATERANGE)


class Grid(Base):
    """A service grid inside one community, whatever its polygon is from one plan to the next.

    The code is the community's code and the number, at least three digits long. It is given once
    and never again.
    """

    __tablename__ = "grid"
    __table_args__ = (
        CheckConstraint(
            "code = community_code || lpad(number::text, greatest(3, length(number::text)), '0')",
            name="code",
        ),
        CheckConstraint("number > 0", name="number"),
        UniqueConstraint("code"),
        UniqueConstraint("community_code", "number"),
        # what a plan calls it is held against this
        UniqueConstraint("id", "code", "community_code"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    code: Mapped[str]
    community_code: Mapped[str] = mapped_column(ForeignKey("division.code"))
    number: Mapped[int]


class GridVersion(Base):
    """What a grid looks like in one plan or in several.

    ``version`` counts the polygons of a grid in the order in which they were drawn;
    ``households`` is the load on that day. ``outline`` is the polygon as GeoJSON (RFC 7946),
    ``described`` the members of the properties that a version has.
    """

    __tablename__ = "grid_version"
    __table_args__ = (
        CheckConstraint("version > 0", name="version"),
        CheckConstraint("kind IN ('basic', 'dedicated', 'micro')", name="kind"),
        CheckConstraint("reason IS NULL OR flag IS NOT NULL", name="reason"),
        CheckConstraint("households >= 0", name="households"),
        CheckConstraint(
            "GeometryType(geometry) IN ('POLYGON', 'MULTIPOLYGON')"
            " AND ST_IsValid(geometry) AND NOT ST_IsEmpty(geometry)",
            name="geometry",
        ),
        Index(None, "geometry", postgresql_using="gist"),
    )

    grid_id: Mapped[int] = mapped_column(
        ForeignKey("grid.id", ondelete="CASCADE"), primary_key=True
    )
    version: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(server_default=text("'basic'"))
    flag: Mapped[str | None]
    reason: Mapped[str | None]
    households: Mapped[int] = mapped_column(server_default=text("0"))
    geometry: Mapped[Any] = mapped_column(
        Geometry("GEOMETRY", srid=SRID, spatial_index=False), nullable=False
    )
    outline: Mapped[str | None] = mapped_column(
        Computed("ST_AsGeoJSON(ST_ForcePolygonCCW(geometry), 15, 0)", persisted=True)
    )
    described: Mapped[str | None] = mapped_column(
        Computed(
            "btrim(json_object(ARRAY['kind', 'flag', 'reason'], ARRAY[kind, flag, reason])::text,"
            """ '{}') || ', "parts" : ' || ST_NumGeometries(geometry)::text""",
            persisted=True,
        )
    )


class PlanGrid(Base):
    """Which grids a plan holds, each in one version; what does not differ is shared by plans.

    ``code`` and ``community_code`` are those of the grid, so that the grids of a plan are found in
    order by them. Left out, the database fills them in. ``named`` is both as members in JSON.
    """

    __tablename__ = "plan_grid"
    __table_args__ = (
        ForeignKeyConstraint(
            ("grid_id", "version"), ("grid_version.grid_id", "grid_version.version")
        ),
        ForeignKeyConstraint(
            ("grid_id", "code", "community_code"),
            ("grid.id", "grid.code", "grid.community_code"),
        ),
        Index(None, "grid_id", "version"),
        Index(None, "code"),
        Index(None, "community_code", "code"),
    )

    plan_id: Mapped[int] = mapped_column(
        ForeignKey("grid_plan.id", ondelete="CASCADE"), primary_key=True
    )
    grid_id: Mapped[int] = mapped_column(primary_key=True)
    version: Mapped[int]
    code: Mapped[str]
    community_code: Mapped[str]
    named: Mapped[str | None] = mapped_column(
        Computed(
            "btrim(json_object(ARRAY['grid_code', 'community_code'],"
            " ARRAY[code, community_code])::text, '{}')",
            persisted=True,
        )
    )


class GridLoad(Base):
    """How many records and households a grid has; written by the triggers of the ledger.

    ``ledger`` is the table that they were counted in. A grid without a row, or with another
    table's, is counted when it is read.
    """

    __tablename__ = "grid_load"

    grid_id: Mapped[int] = mapped_column(
        ForeignKey("grid.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    ledger: Mapped[int] = mapped_column(OID)
    records: Mapped[int]
    households: Mapped[int]


class KeptGrid(Base):
    """A grid that an unfinished delineation has drawn already, so that it need not be drawn again.

    ``digest`` stands for all that the grids of the community follow from: they are of use as long
    as it is the same. The grids of a community are written together, and removed when a plan of
    the community is saved.
    """

    __tablename__ = "kept_grid"
    __table_args__ = (
        CheckConstraint("octet_length(digest) = 32", name="digest"),
        CheckConstraint("number > 0", name="number"),
        CheckConstraint("reason IS NULL OR flag IS NOT NULL", name="reason"),
        CheckConstraint("households >= 0", name="households"),
    )

    community_code: Mapped[str] = mapped_column(
        ForeignKey("division.code", ondelete="CASCADE"), primary_key=True
    )
    digest: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    households: Mapped[int]
    flag: Mapped[str | None]
    reason: Mapped[str | None]
    geometry: Mapped[Any] = mapped_column(
        Geometry("GEOMETRY", srid=SRID, spatial_index=False), nullable=False
    )
