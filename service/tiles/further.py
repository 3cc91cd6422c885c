"""Tiles of further tables: drawn from the table itself each time, for nobody tells of its changes.

A point is in one tile alone, and shown by itself or, where they are too many, counted in a cell.
Lines and areas are drawn from the largest on, as far as a tile can hold them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Final

import psycopg
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    LargeBinary,
    Select,
    Text,
    and_,
    case,
    cast,
    func,
    null,
    or_,
    select,
    true,
)

from geodata.errors import GridwardError
from geodata.labels import free_name
from service.catalogue.collection import Collection, Property
from service.catalogue.features import envelope, in_degrees
from service.catalogue.selection import Box
from service.db.reader import Run, compiled
from service.tiles.draw import MOST_BYTES, MOST_FEATURES
from service.tiles.layers import MOST_FIELDS, Layer, counted_name
from service.tiles.matrix import Tile

__all__ = ["draw_further"]

_EXTENT: Final = 4096
_MARGIN: Final = 64
#: Characters of a text in a tile.
_LONGEST_TEXT: Final = 200
#: Cells side by side in a tile, where points are counted together.
_TOGETHER: Final = 64
#: A tile's side divided by this, a quarter of a pixel, is simplified away ...
_STEPS: Final = 2048
#: ... but not from this zoom on.
_EXACT_FROM_ZOOM: Final = 16
#: A tile's side divided by this, half a pixel, is the least side of an area, or length of a line.
_LEAST: Final = 1024
#: What PostGIS takes for the dimension of areas and of lines.
_OF_AREAS: Final = 2
_OF_LINES: Final = 1
#: Tiles of smaller zooms are wider than many reference systems reach.
_NARROW_FROM_ZOOM: Final = 6
#: Pieces into which the edges of a tile are cut before they are bent into another system.
_PIECES: Final = 32
#: The ends of the earth are moved out by this, so that rounding leaves nothing out there.
_BEYOND: Final = 1.0 + 1e-9
_WEB_MERCATOR: Final = 3857
_DEGREES: Final = 4326
#: Where Web Mercator ends, degrees.
_EDGE: Final = 85.0511287


def draw_further(run: Run, layer: Layer, tile: Tile) -> bytes:
    """Return a tile of a further table; nothing where it is empty."""
    collection = layer.source
    if collection is None:
        raise ValueError(f"{layer.name} is no further table")
    near = _near(run, collection, tile)
    if collection.geometry_type == "Point":
        return _draw_points(run, collection, tile, true() if near is None else near)
    if near is None:
        near = in_degrees(collection).bool_op("&&")(envelope(_degrees(tile), _DEGREES))
    return _draw_shapes(run, collection, tile, near)


def _draw_points(run: Run, collection: Collection, tile: Tile, near: ColumnElement[bool]) -> bytes:
    count, content = _ask(run, _points(collection, tile, near))
    if count <= MOST_FEATURES and len(content) <= MOST_BYTES:
        return content
    return _ask(run, _cells(collection, tile, near))[1]


def _draw_shapes(run: Run, collection: Collection, tile: Tile, near: ColumnElement[bool]) -> bytes:
    step = _side(tile) / _STEPS
    most, tolerance = MOST_FEATURES, 0.0 if tile.zoom >= _EXACT_FROM_ZOOM else step
    while True:
        statement = _shapes(collection, tile, near, most=most, tolerance=tolerance)
        _, content = _ask(run, statement)
        if len(content) <= MOST_BYTES:
            return content
        most, tolerance = most // 2, max(2.0 * tolerance, step)


def _ask(run: Run, statement: Select[int, bytes]) -> tuple[int, bytes]:
    ((count, content),) = run(compiled(statement))
    return int(count), bytes(content or b"")


def _points(collection: Collection, tile: Tile, near: ColumnElement[bool]) -> Select[int, bytes]:
    """Points one by one; one more than a tile may have, if there are as many."""
    place = _free("place", collection)
    found = _inside(collection, tile, near, _columns(collection)).limit(MOST_FEATURES + 1)
    rows = found.subquery(_free("found", collection))
    kept = [each for each in rows.c if each.name != place]
    drawn = select(*kept, _in_tile(rows.c[place], tile, 0).label(_free("geometry", collection)))
    return _as_tile(collection, drawn.order_by(rows.table_valued()))


def _cells(collection: Collection, tile: Tile, near: ColumnElement[bool]) -> Select[int, bytes]:
    """Points counted together, each cell at the middle of its points."""
    found, bound = _inside(collection, tile, near, []).subquery("found"), tile.bound()
    place = found.c[_free("place", collection)]
    x, y = func.ST_X(place), func.ST_Y(place)
    across = func.floor((x - bound["west"]) / _side(tile) * _TOGETHER)
    up = func.floor((y - bound["south"]) / _side(tile) * _TOGETHER)
    middle = func.ST_SetSRID(func.ST_MakePoint(func.avg(x), func.avg(y)), bound["srid"])
    drawn = (
        select(
            func.count().label(counted_name(collection)),
            _in_tile(middle, tile, 0).label(_free("geometry", collection)),
        )
        .select_from(found)
        .group_by(across, up)
        .order_by(func.count().desc(), across, up)
    )
    return _as_tile(collection, drawn)


def _shapes(
    collection: Collection,
    tile: Tile,
    near: ColumnElement[bool],
    *,
    most: int,
    tolerance: float,
) -> Select[int, bytes]:
    """The largest lines, areas or whatever it is, by the boxes around them."""
    shape, name = collection.column(collection.geometry), _free("place", collection)
    size = (func.ST_XMax(shape) - func.ST_XMin(shape)) + (func.ST_YMax(shape) - func.ST_YMin(shape))
    chosen = (
        select(*_columns(collection), _placed(collection, tile).label(name))
        .where(near)
        .order_by(size.desc().nulls_last(), *collection.key_columns)
        .limit(most)
        .subquery("chosen")
    )
    kept = [each for each in chosen.c if each.name != name]
    shown = _in_tile(_visible(chosen.c[name], tile, tolerance), tile, _MARGIN)
    drawn = select(*kept, shown.label(_free("geometry", collection)))
    return _as_tile(collection, drawn)


def _visible(place: ColumnElement[Any], tile: Tile, tolerance: float) -> ColumnElement[Any]:
    """A shape simplified, or as small a one as can be seen in its stead."""
    least = _side(tile) / _LEAST
    spot = func.ST_Expand(func.ST_Centroid(func.ST_Envelope(place)), least / 2.0)
    ring = func.ST_ExteriorRing(spot)
    stroke = func.ST_MakeLine(func.ST_PointN(ring, 1), func.ST_PointN(ring, 3))
    small = and_(
        func.ST_XMax(place) - func.ST_XMin(place) < least,
        func.ST_YMax(place) - func.ST_YMin(place) < least,
    )
    plain = func.ST_Simplify(place, tolerance, True) if tolerance else place
    return case(
        (and_(small, func.ST_Dimension(place) == _OF_AREAS), spot),
        (and_(small, func.ST_Dimension(place) == _OF_LINES), stroke),
        else_=plain,
    )


def _inside(
    collection: Collection,
    tile: Tile,
    near: ColumnElement[bool],
    columns: list[ColumnElement[Any]],
) -> Select[Any]:
    """The points in a tile."""
    name = _free("place", collection)
    rows = (
        select(*columns, _placed(collection, tile).label(name))
        .where(near)
        .offset(0)  # a barrier: the place is worked out once a row
        .subquery("placed")
    )
    x, y = func.ST_X(rows.c[name]), func.ST_Y(rows.c[name])
    west, south, east, north = _sides(tile)
    return select(rows).where(x >= west, x < east, y >= south, y < north)


def _sides(tile: Tile) -> Iterator[float]:
    """The sides between which a place is in a tile alone: on the next side it is in the next one.

    Where no tile is next, the border belongs to the last.
    """
    bound, (last_row, last_column) = tile.bound(), tile.last
    for side, is_end in (
        ("west", tile.column == 0),
        ("south", tile.row == last_row),
        ("east", tile.column == last_column),
        ("north", tile.row == 0),
    ):
        yield bound[side] * (_BEYOND if is_end else 1.0)


def _columns(collection: Collection) -> list[ColumnElement[Any]]:
    """The attributes of a feature, and its number where its key is one."""
    columns: list[ColumnElement[Any]] = [
        _attribute(each, collection.column(each.name)).label(each.name)
        for each in collection.properties[:MOST_FIELDS]
    ]
    if _is_numbered(collection):
        (key,) = collection.key_columns
        columns.append(cast(key, BigInteger).label(_free("feature_id", collection)))
    return columns


def _attribute(each: Property, column: ColumnElement[Any]) -> ColumnElement[Any]:
    if each.type == "strings":
        column = func.array_to_string(column, ";")
    elif each.type in ("date", "date-time"):  # as in GeoJSON
        column = func.trim(cast(func.to_json(column), Text), '"')
    elif each.type != "string":
        return column
    return func.left(column, _LONGEST_TEXT)


def _is_numbered(collection: Collection) -> bool:
    return len(collection.key) == 1 and collection.identifier.type == "integer"


def _as_tile(collection: Collection, features: Select[Any]) -> Select[int, bytes]:
    """How many features there are, and the tile that they make."""
    # a column of that name would be taken for the row
    drawn = features.subquery(_free("drawn", collection))
    geometry = _free("geometry", collection)
    numbered = _free("feature_id", collection)
    number = [numbered] if numbered in drawn.c else []
    content = func.ST_AsMVT(
        drawn.table_valued(), collection.name, _EXTENT, geometry, *number, type_=LargeBinary
    )
    return select(func.count(), content).where(drawn.c[geometry].is_not(None))


def _in_tile(place: ColumnElement[Any], tile: Tile, margin: int) -> ColumnElement[Any]:
    bound = tile.bound()
    box = func.ST_MakeEnvelope(
        bound["west"], bound["south"], bound["east"], bound["north"], bound["srid"]
    )
    return func.ST_AsMVTGeom(place, box, _EXTENT, margin, margin > 0)


def _placed(collection: Collection, tile: Tile) -> ColumnElement[Any]:
    """The geometry in the system of a tile; what Web Mercator does not reach is cut away."""
    if tile.bound()["srid"] == _DEGREES:
        return in_degrees(collection)
    if collection.srid == _WEB_MERCATOR:
        return collection.column(collection.geometry)
    place = in_degrees(collection)
    beyond = or_(func.ST_YMax(place) > _EDGE, func.ST_YMin(place) < -_EDGE)
    if collection.geometry_type == "Point":
        return case((beyond, null()), else_=func.ST_Transform(place, _WEB_MERCATOR))
    reached = envelope((-540.0, -_EDGE, 540.0, _EDGE), _DEGREES)
    kept = case((beyond, func.ST_ClipByBox2D(place, reached)), else_=place)
    return func.ST_Transform(kept, _WEB_MERCATOR)


def _near(run: Run, collection: Collection, tile: Tile) -> ColumnElement[bool] | None:
    """The condition that a geometry may be in a tile, by an index where there is one.

    None where the tile cannot be brought to the system of the table.
    """
    bound = tile.bound()
    if collection.srid == _DEGREES:
        box: Box | None = _degrees(tile)
    elif collection.srid == _WEB_MERCATOR:
        west, south = bound["mercator_west"], bound["mercator_south"]
        box = (west, south, bound["mercator_east"], bound["mercator_north"])
    elif tile.zoom >= _NARROW_FROM_ZOOM:
        box = _box_in(run, _degrees(tile), collection.srid)
    else:
        box = None
    if box is None:
        return None
    return collection.column(collection.search).bool_op("&&")(envelope(box, collection.srid))


def _degrees(tile: Tile) -> Box:
    bound = tile.bound()
    return bound["lon_west"], bound["lat_south"], bound["lon_east"], bound["lat_north"]


def _box_in(run: Run, box: Box, srid: int) -> Box | None:
    """The box around a tile in another system; None where that does not reach the tile."""
    longest = max(box[2] - box[0], box[3] - box[1]) / _PIECES
    edges = func.ST_Segmentize(envelope(box, _DEGREES), longest)
    area = select(func.ST_Transform(edges, srid).label("area")).offset(0).subquery().c.area
    sides = (func.ST_XMin(area), func.ST_YMin(area), func.ST_XMax(area), func.ST_YMax(area))
    try:
        ((west, south, east, north),) = run(compiled(select(*sides)))
    except (GridwardError, psycopg.Error):
        return None
    found = (float(west), float(south), float(east), float(north))
    return found if all(map(math.isfinite, found)) else None


def _free(name: str, collection: Collection) -> str:
    return free_name(name, (each.name for each in collection.properties))


def _side(tile: Tile) -> float:
    bound = tile.bound()
    side: float = bound["east"] - bound["west"]
    return side
