"""Tile matrix sets: which tile is where."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import morecantile

from service.errors import InvalidParameter, NotFound

__all__ = ["MATRIX_SETS", "Tile", "find_matrix_set", "parse_tile"]

#: The sets that tiles are served in.
MATRIX_SETS: Final = ("WebMercatorQuad", "WorldCRS84Quad")
#: A tile of it is as wide as one of a zoom more in Web Mercator, which zooms are counted in.
_CLOSER: Final = {"WebMercatorQuad": 0, "WorldCRS84Quad": 1}
_SRIDS: Final = {"WebMercatorQuad": 3857, "WorldCRS84Quad": 4326}

_SIDES: Final = ("west", "south", "east", "north")
#: west, south, east, north in the units of a matrix set
Box = tuple[float, ...]

_RADIUS_M: Final = 6378137.0
_EDGE: Final = 85.0511287
#: Around a tile, as a share of its side: the buffer of 64 in 4096, and a little for rounding.
_MARGIN: Final = 1.1 / 64


@cache
def find_matrix_set(name: str) -> morecantile.TileMatrixSet:
    """The tile matrix set of that name.

    Raises
    ------
    NotFound
        Tiles are not served in it.
    """
    if name not in MATRIX_SETS:
        raise NotFound(
            f"There is no tile matrix set '{name}' here; there are: {', '.join(MATRIX_SETS)}."
        )
    return morecantile.tms.get(name)


@dataclass(frozen=True, slots=True)
class Tile:
    """One tile of a matrix set.

    Attributes
    ----------
    matrix_set : str
        Name of the set.
    matrix, row, column : int
        Level, row from the north, column from the west.
    """

    matrix_set: str
    matrix: int
    row: int
    column: int

    @property
    def zoom(self) -> int:
        """The zoom level of Web Mercator whose tiles are as wide as this one."""
        return self.matrix + _CLOSER[self.matrix_set]

    @property
    def last(self) -> tuple[int, int]:
        """The row and the column that its level ends with."""
        size = find_matrix_set(self.matrix_set).matrix(self.matrix)
        return size.matrixHeight - 1, size.matrixWidth - 1

    def bound(self) -> dict[str, Any]:
        """The box by the names that the statements bind.

        ``west`` .. ``north`` in the units of ``srid``. In EPSG:3857 ``inner_*`` is the same and
        ``mercator_*`` has the margin around it; so has ``lon_west`` .. ``lat_north``, in degrees.
        """
        place = morecantile.Tile(self.column, self.row, self.matrix)
        inner: Box = tuple(find_matrix_set(self.matrix_set).xy_bounds(place))
        dx, dy = (inner[2] - inner[0]) * _MARGIN, (inner[3] - inner[1]) * _MARGIN
        outer: Box = (inner[0] - dx, inner[1] - dy, inner[2] + dx, inner[3] + dy)
        if _SRIDS[self.matrix_set] == 3857:
            mercator, inside, degrees = outer, inner, _to_degrees(outer)
        else:
            mercator, inside, degrees = _to_mercator(outer), _to_mercator(inner), outer
        return {
            "srid": _SRIDS[self.matrix_set],
            **_named(inner, *_SIDES),
            **_named(
                mercator, *(f"mercator_{side}" for side in ("west", "south", "east", "north"))
            ),
            **_named(inside, *(f"inner_{side}" for side in ("west", "south", "east", "north"))),
            **_named(degrees, "lon_west", "lat_south", "lon_east", "lat_north"),
        }


def _named(box: Box, *names: str) -> dict[str, float]:
    return dict(zip(names, box, strict=True))


def _to_degrees(box: Box) -> Box:
    def latitude(y: float) -> float:
        # the square of Web Mercator ends at its edge; what lies beyond was drawn in to it
        if abs(y) >= math.pi * _RADIUS_M * (1 - 1e-9):
            return math.copysign(90.0, y)
        return math.degrees(2.0 * math.atan(math.exp(y / _RADIUS_M)) - math.pi / 2.0)

    west, south, east, north = box
    return (
        math.degrees(west / _RADIUS_M),
        latitude(south),
        math.degrees(east / _RADIUS_M),
        latitude(north),
    )


def _to_mercator(box: Box) -> Box:
    def northing(lat: float) -> float:
        inside = math.radians(max(-_EDGE, min(_EDGE, lat)))
        y = _RADIUS_M * math.log(math.tan(math.pi / 4.0 + inside / 2.0))
        return y + math.copysign(1.0, y) if abs(lat) >= _EDGE else y

    west, south, east, north = box
    return (
        math.radians(west) * _RADIUS_M,
        northing(south),
        math.radians(east) * _RADIUS_M,
        northing(north),
    )


def parse_tile(matrix_set: str, matrix: str, row: str, column: str) -> Tile:
    """Read the address of a tile.

    Raises
    ------
    InvalidParameter
        A part is not a whole number.
    NotFound
        There is no such set, level or tile.
    """
    found = find_matrix_set(matrix_set)
    numbers = []
    for name, text in (("tileMatrix", matrix), ("tileRow", row), ("tileCol", column)):
        if not (text.isascii() and text.isdigit() and len(text) < 10):
            raise InvalidParameter(name, "has to be a whole number")
        numbers.append(int(text))
    level, y, x = numbers
    if level > found.maxzoom:
        raise NotFound(f"{matrix_set} ends at level {found.maxzoom}.")
    size = found.matrix(level)
    if x >= size.matrixWidth or y >= size.matrixHeight:
        raise NotFound(f"Level {level} of {matrix_set} has no tile {y}/{x}.")
    return Tile(matrix_set, level, y, x)
