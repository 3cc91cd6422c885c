"""A small drawing of some features as SVG: no script, no tiles, no other host.

It is what a reader without scripts sees; where scripts run, a map takes its place.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Final, NamedTuple

from markupsafe import Markup

__all__ = ["sketch"]

_WIDTH: Final = 1000.0
_MARGIN: Final = 12.0
_MOST_FEATURES: Final = 1000

Position = Sequence[float]


class _Part(NamedTuple):
    """A point, or a line of which several make one path; rings are closed."""

    positions: Sequence[Position]
    closed: bool


def sketch(features: Iterable[dict[str, Any]], *, label: str) -> Markup | None:
    """Draw GeoJSON features, north up, about true to shape; None where none has a place."""
    geometries = [each["geometry"] for each in islice(features, _MOST_FEATURES) if each["geometry"]]
    shapes = [list(_parts(geometry)) for geometry in geometries]
    positions = [position for parts in shapes for part in parts for position in part.positions]
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

    drawn = Markup("").join(_drawn(parts, place) for parts in shapes)
    return Markup(
        '<svg class="sketch" role="img" viewBox="0 0 {:.0f} {:.0f}" aria-label="{}">{}</svg>'
    ).format(width, height, label, drawn)


def _parts(geometry: dict[str, Any]) -> Iterator[_Part]:
    """The points, lines and rings of a GeoJSON geometry."""
    kind = geometry["type"]
    if kind == "GeometryCollection":
        for each in geometry["geometries"]:
            yield from _parts(each)
        return
    nodes = geometry["coordinates"]
    if kind == "Point":
        yield _Part([nodes], closed=False)
    elif kind == "MultiPoint":
        yield from (_Part([position], closed=False) for position in nodes)
    elif kind == "LineString":
        yield _Part(nodes, closed=False)
    elif kind == "MultiPolygon":
        yield from (_Part(ring, closed=True) for polygon in nodes for ring in polygon)
    else:
        yield from (_Part(line, closed=kind == "Polygon") for line in nodes)


def _drawn(parts: Iterable[_Part], place: Any) -> Markup:
    circles = Markup("")
    areas, lines = "", ""
    for part in parts:
        if len(part.positions) == 1:
            circles += Markup('<circle cx="{:.1f}" cy="{:.1f}" r="5"/>').format(
                *place(part.positions[0])
            )
            continue
        path = "M" + "L".join("{:.1f} {:.1f}".format(*place(each)) for each in part.positions)
        if part.closed:
            areas += path + "Z"
        else:
            lines += path
    drawn = Markup('<path d="{}"/>').format(areas) if areas else Markup("")
    if lines:
        drawn += Markup('<path class="line" d="{}"/>').format(lines)
    return drawn + circles
