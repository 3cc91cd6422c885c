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
    null,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session
from sqlalchemy.types import TypeEngine

from geodata.errors import InputError
from geodata.labels import free_name
from service.catalogue.collection import (
    NO_GEOMETRY,
    Catalogue,
    Collection,
    Property,
    PropertyType,
)
from service.catalogue.selection import PARAMETERS
from service.db.base import SRID, Base
from service.db.rows import AnyRow
from service.db.statements import load_statements

__all__ = ["reflect_tables"]

_SQL = load_statements("service.catalogue", "reflected.sql")
_NAME: Final = re.compile(r"([^.:]+)\.([^.:]+)(?::([^.:]+))?")
#: Schemas of what the service keeps for itself: tiles drawn ahead, exports and their queries.
_OWN_SCHEMAS: Final = frozenset({"tile", "tile_next", "job"})
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
#: declared type, without its dimensions -> type in GeoJSON, which has no others
_TYPE_NAMES: Final = {
    "POINT": "Point",
    "MULTIPOINT": "MultiPoint",
    "LINESTRING": "LineString",
    "MULTILINESTRING": "MultiLineString",
    "POLYGON": "Polygon",
    "MULTIPOLYGON": "MultiPolygon",
    "GEOMETRY": "any",
    "GEOMETRYCOLLECTION": "any",
}
_DIMENSIONS: Final = re.compile(r"(?<!^)(ZM|Z|M)$")


def reflect_tables(
    session: Session, names: Iterable[str], *, taken: Catalogue
) -> dict[str, Collection]:
    """The collections of the tables that the settings name.

    A table is called by its own name, or ``schema.table`` where that is taken.

    Raises
    ------
    InputError
        A table is not there, or has nothing that identifies a row; the message says what to do.
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
    shape = _shape(columns, where)
    keys = _key(session, relation, columns, key, where)
    kept = [each for each in columns if each.type in _KINDS or each.type == "uuid"]
    fit = {each.name for each in kept if _property(each, keys).type in ("string", "integer")}
    missing = [name for name in keys if name not in fit]
    if missing:
        raise InputError(f"{where}: a row cannot be identified by '{missing[0]}'")
    source, place = _source(schema, table, kept, shape, label)
    declared = "" if shape is None else shape.geometry_type.upper()
    return Collection(
        name=label,
        title=label,
        description=relation.comment or f"The table {schema}.{table}.",
        source=source,
        key=keys,
        properties=tuple(_property(each, keys) for each in kept),
        geometry_type=_TYPE_NAMES[_DIMENSIONS.sub("", declared)] if declared else NO_GEOMETRY,
        geometry=place,
        search=place,
        srid=SRID if shape is None else shape.srid,
        heights=declared.endswith(("Z", "ZM")),
        further=True,
    )


def _shape(columns: Sequence[AnyRow], where: str) -> AnyRow | None:
    """The first geometry, which is the one published; None where the table has none.

    A geography would be published without its place, so it is refused.
    """
    shape = next((each for each in columns if each.type == "geometry"), None)
    other = next((each.name for each in columns if each.type == "geography"), None)
    if shape is None and other is not None:
        raise InputError(
            f"{where}: '{other}' is of type geography; name a view that casts it, as "
            f"CAST({other} AS geometry(Point, 4326))"
        )
    if shape is None:
        return None
    if not shape.srid:
        raise InputError(
            f"{where}: the SRID of '{shape.name}' is not declared; "
            "give the column a type like geometry(Point, 4326)"
        )
    if _DIMENSIONS.sub("", shape.geometry_type.upper()) not in _TYPE_NAMES:
        raise InputError(
            f"{where}: '{shape.name}' holds what GeoJSON has no type for ({shape.geometry_type}); "
            "name a view that makes it one, as with ST_CurveToLine"
        )
    return shape


def _is_own(session: Session, schema: str, table: str) -> bool:
    here = session.scalar(select(func.current_schema()))
    own = {"current_grid", "coverage", "vacancy", "household_exception", "alembic_version"}
    mapped = table in own or table in Base.metadata.tables
    return schema in _OWN_SCHEMAS or (schema == here and mapped)


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
    schema: str, table: str, kept: Sequence[AnyRow], shape: AnyRow | None, label: str
) -> tuple[FromClause, str]:
    """Rows with the published columns alone, in their published types, and which is the geometry.

    A table without one has a column of nulls for it.
    """
    geometry: TypeEngine[Any] = Geometry("GEOMETRY", srid=SRID if shape is None else shape.srid)
    rows = Table(
        table,
        MetaData(),
        *(Column(each.name, _type_of(each)) for each in kept),
        *([] if shape is None else [Column(shape.name, geometry)]),
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
    if shape is None:
        place = free_name("geometry", rows.c.keys())
        columns.append(cast(null(), geometry).label(place))
    else:
        place = shape.name
        columns.append(rows.c[place])
    return select(*columns).subquery(f"published_{label.replace('.', '_')}"), place


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
