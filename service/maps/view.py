"""What a reader of the map looks at: a box and a zoom level."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from service.catalogue.selection import Box, parse_bbox
from service.errors import InvalidParameter

__all__ = ["View"]

_TILE_PIXELS: Final = 256
_DEEPEST: Final = 24.0


@dataclass(frozen=True, slots=True)
class View:
    """A box in degrees (west, south, east, north) and a zoom level of web maps, from 0."""

    box: Box
    zoom: float

    @classmethod
    def parse(cls, bbox: str, zoom: str) -> View:
        """Read the parameters ``bbox`` and ``zoom``.

        Raises
        ------
        InvalidParameter
            One of them is malformed, or the box crosses the antimeridian.
        """
        boxes = parse_bbox(bbox)
        if len(boxes) != 1:
            raise InvalidParameter("bbox", "has to be one box that does not cross the antimeridian")
        try:
            level = float(zoom)
        except ValueError:
            level = math.nan
        if not 0.0 <= level <= _DEEPEST:
            raise InvalidParameter("zoom", f"has to be a number from 0 to {_DEEPEST:g}")
        return cls(boxes[0], level)

    @property
    def edges(self) -> dict[str, float]:
        """The box by the names that the statements bind."""
        return dict(zip(("west", "south", "east", "north"), self.box, strict=True))

    @property
    def degrees_per_pixel(self) -> float:
        """Degrees of longitude that a pixel of the screen covers."""
        return 360.0 / (_TILE_PIXELS * 2.0**self.zoom)

    def cell(self, pixels: float) -> dict[str, float]:
        """The sides in degrees of a cell that is square on the screen (Web Mercator)."""
        middle = math.radians((self.box[1] + self.box[3]) / 2.0)
        side = pixels * 360.0 / (_TILE_PIXELS * 2.0 ** math.floor(self.zoom))
        return {"cell_x": side, "cell_y": side * max(math.cos(middle), 0.01)}
