"""The declarative base of every table, with the names that constraints and indexes get."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar, Final

from sqlalchemy import DateTime, MetaData, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase

__all__ = ["POINT_ON_EARTH", "SRID", "Base"]

#: Every geometry is stored in EPSG:4326 with longitude first.
SRID: Final = 4326

#: Refuses empty points (their coordinates are null), NaN (above every number) and metres.
POINT_ON_EARTH: Final = (
    "(ST_X(geometry) BETWEEN -180 AND 180 AND ST_Y(geometry) BETWEEN -90 AND 90) IS TRUE"
)

_NAMES: Final = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """Base of the models; text is unbounded, times carry their zone, documents are jsonb."""

    metadata = MetaData(naming_convention=_NAMES)
    type_annotation_map: ClassVar = {
        str: Text(),
        dict[str, Any]: JSONB(),
        datetime: DateTime(timezone=True),
    }
