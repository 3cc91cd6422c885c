"""A small drawing of some features as SVG: no script, no tiles, no other host."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Final

from markupsafe import Markup

__all__ = ["sketch"]

_WIDTH: Final = 1000.0
_MARGIN: Final = 12.0
_MOST_FEATURES: Final = 1000

Position = Sequence[float]


def sketch(features: Iterable[dict[str, Any]], *, label: str) -> Markup | None:
    """Draw GeoJSON features, north up, about true to shape; None where none has a place."""
    geometries = [each["geometry"] for each in islice(features, _MOST_FEATURES) if each["geometry"]]
    positions = [position for geometry in geometries for position in _positions(geometry)]
    if not positions:
        return None
    west, east = min(p[0] for p in positions), max(p[0] for p in positions)
    south, north = min(p[1] for p in positions), max(p[1] for p in positions)
    squeeze = max(math.cos(math.radians((south + north) / 2.0)), 0.01)
    span = max((east - west) * squeeze, (north - south), 1e-9)
    scale = (_WIDTH - 2 * _MARGIN) / span
    height = (north - south) * scale + 2 * _MARGIN
    width = (east - west) * squeeze * scale + 2 * _MARGIN

    def place(position: Position) -> tuple[float, float]:
        x = (position[0] - west) * squeeze * scale + _MARGIN
        return x, (north - position[1]) * scale + _MARGIN

    shapes = Markup("").join(_shape(geometry, place) for geometry in geometries)
    return Markup(
        '<svg class="sketch" role="img" viewBox="0 0 {:.0f} {:.0f}" aria-label="{}">{}</svg>'
    ).format(width, height, label, shapes)


def _rings(geometry: dict[str, Any]) -> Iterator[Sequence[Position]]:
    parts = geometry["coordinates"]
    for polygon in parts if geometry["type"] == "MultiPolygon" else [parts]:
        yield from polygon


def _positions(geometry: dict[str, Any]) -> Iterator[Position]:
    if geometry["type"] == "Point":
        yield geometry["coordinates"]
    else:
        for ring in _rings(geometry):
            yield from ring


def _shape(geometry: dict[str, Any], place: Any) -> Markup:
    if geometry["type"] == "Point":
        return Markup('<circle cx="{:.1f}" cy="{:.1f}" r="5"/>').format(
            *place(geometry["coordinates"])
        )
    outline = "".join(
        "M" + "L".join("{:.1f} {:.1f}".format(*place(position)) for position in ring) + "Z"
        for ring in _rings(geometry)
    )
    return Markup('<path d="{}"/>').format(outline)
