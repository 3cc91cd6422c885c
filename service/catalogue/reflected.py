"""Further tables as collections, described by what the database says about them.

They are named in the settings, never in a request, and can only be read. Gridward's own tables are
refused: they hold what is not for publication, and are published by declaration.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

from geoalchemy2 import Geometry
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Float,
    FromClause,
    MetaData,
    Table,
    Text,
    cast,
    func,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session
from sqlalchemy.types import TypeEngine

from geodata.errors import InputError
from service.catalogue.collection import Catalogue, Collection, Property, PropertyType
from service.catalogue.selection import PARAMETERS
from service.db.base import Base
from service.db.rows import AnyRow
from service.db.statements import load_statements

__all__ = ["reflect_tables"]

_SQL = load_statements("service.catalogue", "reflected.sql")
_NAME: Final = re.compile(r"([^.:]+)\.([^.:]+)(?::([^.:]+))?")
#: Names that are parameters of the items already.
_RESERVED: Final = frozenset({"f", "limit", "offset", "token", "sortby", "crs", *PARAMETERS})

_KINDS: Final[dict[str, tuple[PropertyType, TypeEngine[Any]]]] = {
    **dict.fromkeys(("text", "varchar", "bpchar", "name"), ("string", Text())),
    **dict.fromkeys(("int2", "int4", "int8"), ("integer", BigInteger())),
    **dict.fromkeys(("float4", "float8", "numeric"), ("number", Float())),
    "bool": ("boolean", Boolean()),
    "date": ("date", Date()),
    **dict.fromkeys(("timestamp", "timestamptz"), ("date-time", DateTime(timezone=True))),
    **dict.fromkeys(("_text", "_varchar"), ("strings", ARRAY(Text))),
}
#: Types whose text is published: it is not what the database compares by.
_AS_TEXT: Final = frozenset({"uuid", "varchar", "bpchar", "name", "_varchar"})
_TYPE_NAMES: Final = {
    "POINT": "Point",
    "MULTIPOINT": "MultiPoint",
    "LINESTRING": "LineString",
    "MULTILINESTRING": "MultiLineString",
    "POLYGON": "Polygon",
    "MULTIPOLYGON": "MultiPolygon",
}


def reflect_tables(
    session: Session, names: Iterable[str], *, taken: Catalogue
) -> dict[str, Collection]:
    """The collections of the tables that the settings name.

    A table is called by its own name, or ``schema.table`` where that is taken.

    Raises
    ------
    InputError
        A table is not there, has no geometry or nothing that identifies a row; the message says
        what to do.
    """
    found: dict[str, Collection] = {}
    for name in names:
        parts = _NAME.fullmatch(name)
        if parts is None:
            raise InputError(f"GRIDWARD_PUBLISH: '{name}' is not schema.table")
        schema, table, key = parts.groups()
        label = table if table not in taken and table not in found else f"{schema}.{table}"
        if label in found:
            raise InputError(f"GRIDWARD_PUBLISH: '{name}' stands there twice")
        found[label] = _reflect(session, schema, table, key, label)
    return found


def _reflect(session: Session, schema: str, table: str, key: str | None, label: str) -> Collection:
    where = f"GRIDWARD_PUBLISH: {schema}.{table}"
    relation = session.execute(_SQL["relation"], {"schema": schema, "name": table}).one_or_none()
    if relation is None:
        raise InputError(f"{where} is not there")
    if not relation.readable:
        raise InputError(f"{where} may not be read by this account")
    if _is_own(session, schema, table):
        raise InputError(f"{where} is Gridward's own; what is public of it is published already")
    columns = session.execute(_SQL["columns"], {"oid": relation.oid}).all()
    shapes = [each for each in columns if each.type == "geometry"]
    if not shapes:
        raise InputError(f"{where} has no column of type geometry")
    shape = shapes[0]
    if not shape.srid:
        raise InputError(
            f"{where}: the SRID of '{shape.name}' is not declared; "
            "give the column a type like geometry(Point, 4326)"
        )
    keys = _key(session, relation, columns, key, where)
    kept = [each for each in columns if each.type in _KINDS or each.type == "uuid"]
    fit = {each.name for each in kept if _property(each, keys).type in ("string", "integer")}
    missing = [name for name in keys if name not in fit]
    if missing:
        raise InputError(f"{where}: a row cannot be identified by '{missing[0]}'")
    return Collection(
        name=label,
        title=label,
        description=relation.comment or f"The table {schema}.{table}.",
        source=_source(schema, table, kept, shape, label),
        key=keys,
        properties=tuple(_property(each, keys) for each in kept),
        geometry_type=_TYPE_NAMES.get(shape.geometry_type.upper(), "any"),
        geometry=shape.name,
        search=shape.name,
        srid=shape.srid,
        exported=False,
    )


def _is_own(session: Session, schema: str, table: str) -> bool:
    here = session.scalar(select(func.current_schema()))
    own = {"current_grid", "coverage", "vacancy", "household_exception", "alembic_version"}
    return schema == here and (table in own or table in Base.metadata.tables)


def _key(
    session: Session, relation: AnyRow, columns: Sequence[AnyRow], key: str | None, where: str
) -> tuple[str, ...]:
    if key is not None:
        if key not in {each.name for each in columns}:
            raise InputError(f"{where} has no column '{key}'")
        return (key,)
    found: list[str] | None = session.scalar(_SQL["key"], {"oid": relation.oid})
    if found is None:
        raise InputError(
            f"{where} has no primary key; name the column that identifies a row, "
            f"as {where.rsplit(' ', 1)[1]}:column"
        )
    return tuple(found)


def _source(
    schema: str, table: str, kept: Sequence[AnyRow], shape: AnyRow, label: str
) -> FromClause:
    """Rows with the published columns alone, in the types that they are published as."""
    geometry: TypeEngine[Any] = Geometry("GEOMETRY", srid=shape.srid)
    rows = Table(
        table,
        MetaData(),
        *(Column(each.name, _type_of(each)) for each in kept),
        Column(shape.name, geometry),
        schema=schema,
    )
    columns: list[Any] = []
    for each in kept:
        column = rows.c[each.name]
        if each.type in _AS_TEXT:
            column = cast(column, _type_of(each)).label(each.name)
        elif each.type == "numeric":
            column = cast(column, Float).label(each.name)
        elif each.type == "timestamp":  # without a zone: taken as UTC
            column = func.timezone("UTC", column, type_=_type_of(each)).label(each.name)
        columns.append(column)
    return select(*columns, rows.c[shape.name]).subquery(f"published_{label.replace('.', '_')}")


def _type_of(each: AnyRow) -> TypeEngine[Any]:
    return Text() if each.type == "uuid" else _KINDS[each.type][1]


def _property(each: AnyRow, keys: tuple[str, ...]) -> Property:
    kind: PropertyType = "string" if each.type == "uuid" else _KINDS[each.type][0]
    return Property(
        each.name,
        each.comment or each.name,
        kind,
        filterable=each.name not in _RESERVED,
        role="id" if keys == (each.name,) else None,
    )
