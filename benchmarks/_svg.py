"""Small multiples of maps as SVG, written by hand: no library, small files, readable colours.

The colours are those of Okabe and Ito, told apart by the colour-blind; no map needs its colours
alone to be read.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
import shapely
from numpy.typing import NDArray

__all__ = [
    "BLUE",
    "GREY",
    "INK",
    "LIGHT",
    "ORANGE",
    "Layer",
    "Line",
    "Map",
    "categories",
    "chart",
    "deviation_colours",
    "sheet",
]

BLUE, ORANGE, GREEN, SKY, VERMILION, PURPLE, YELLOW = (
    "#0072B2", "#E69F00", "#009E73", "#56B4E9", "#D55E00", "#CC79A7", "#F0E442",
)  # fmt: skip
INK, GREY, LIGHT = "#222222", "#999999", "#F4F1EA"

#: Deviation from the fair share at which a colour begins, too few to too many.
STEPS = (-0.25, -0.1, -0.05, 0.05, 0.1, 0.25)
SHADES = ("#0072B2", "#56B4E9", "#B9DDF1", "#F4F1EA", "#F9DDA0", "#E69F00", "#B45F06")

_CAPTION, _LINE, _GAP = 13, 17, 14
#: Pixels that a line may be off by.
_DETAIL = 0.35


@dataclass(frozen=True, slots=True)
class Layer:
    """Shapes drawn alike.

    Attributes
    ----------
    shapes : array of any geometry, metres; points become dots
    fill : str or sequence of str
        One colour, or one for each shape; ``none`` for lines.
    stroke : str
    width : float
        Pixels; the radius of a dot.
    """

    shapes: NDArray[Any]
    fill: str | Sequence[str] = "none"
    stroke: str = "none"
    width: float = 0.6


@dataclass(frozen=True, slots=True)
class Map:
    """One map: a title, lines of text below it, and layers from the bottom up."""

    title: str
    layers: Sequence[Layer]
    lines: Sequence[str] = field(default=())


def deviation_colours(households: NDArray[Any], share: NDArray[Any]) -> list[str]:
    """A colour for each grid by its deviation from its share: blue has too few, orange too many."""
    deviation = np.asarray(households, float) / np.asarray(share, float) - 1.0
    return [SHADES[i] for i in np.searchsorted(STEPS, deviation)]


def categories(count: int) -> list[str]:
    """So many colours, in turn."""
    wheel = (SKY, YELLOW, GREEN, PURPLE, ORANGE, BLUE, VERMILION)
    return [wheel[i % len(wheel)] for i in range(count)]


def sheet(
    maps: Sequence[Map], *, columns: int, width: int = 300, bounds: Any = None, foot: str = ""
) -> str:
    """Maps side by side at one scale, as the text of an SVG file.

    Parameters
    ----------
    maps : sequence of Map
    columns : int
    width : int
        Pixels of one map.
    bounds : (minx, miny, maxx, maxy), metres, optional
        What is shown; all of the first map's shapes by default.
    foot : str
        A line below all maps.
    """
    if bounds is None:
        bounds = shapely.total_bounds(maps[0].layers[0].shapes)
    minx, miny, maxx, maxy = (float(value) for value in bounds)
    scale = (width - _GAP) / (maxx - minx)
    height = round((maxy - miny) * scale)
    text = _LINE * (1 + max(len(each.lines) for each in maps)) + 6
    rows = -(-len(maps) // columns)
    full_width = width * columns + _GAP
    full_height = (height + text + _GAP) * rows + (_LINE + 6 if foot else 0) + 4
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {full_width} {full_height}" '
        f'width="{full_width}" height="{full_height}" '
        f'font-family="system-ui, sans-serif" font-size="{_CAPTION}" fill="{INK}">',
        f'<rect width="{full_width}" height="{full_height}" fill="#fff"/>',
        f'<clipPath id="frame"><rect width="{width - _GAP}" height="{height}"/></clipPath>',
    ]
    for number, each in enumerate(maps):
        x = _GAP + number % columns * width
        y = number // columns * (height + text + _GAP)
        parts.append(f'<text x="{x}" y="{y + _LINE}" font-weight="600">{escape(each.title)}</text>')
        parts += [
            f'<text x="{x}" y="{y + _LINE * (2 + i)}">{escape(line)}</text>'
            for i, line in enumerate(each.lines)
        ]
        parts.append(f'<g transform="translate({x} {y + text})" clip-path="url(#frame)">')
        parts += [_drawn(layer, minx, maxy, scale) for layer in each.layers]
        parts.append("</g>")
    if foot:
        parts.append(f'<text x="{_GAP}" y="{full_height - 10}" fill="#555">{escape(foot)}</text>')
    lines = "\n".join([*parts, "</svg>"]).split("\n")
    # path data may break at any blank: a drawing is read and compared line by line too
    return (
        "\n".join(
            textwrap.fill(line, 120, break_long_words=False, break_on_hyphens=False)
            for line in lines
        )
        + "\n"
    )


@dataclass(frozen=True, slots=True)
class Line:
    """Points (x, y) of one line of a chart, and its name."""

    name: str
    points: Sequence[tuple[float, float]]


def chart(lines: Sequence[Line], *, x: str, y: str, width: int = 760, height: int = 420) -> str:
    """Lines over two axes in powers of ten, as the text of an SVG file.

    Each line is named at its right end; where names would touch, they move apart.
    """
    left, right, top, bottom = 62, 240, 16, 44
    xs, ys = (np.log10([point[k] for line in lines for point in line.points]) for k in (0, 1))
    west, east = float(xs.min()), float(max(xs.max(), xs.min() + 1e-9))
    low, high = float(np.floor(ys.min())), float(np.ceil(ys.max()))

    def place(point: tuple[float, float]) -> tuple[float, float]:
        across = (np.log10(point[0]) - west) / (east - west)
        up = (np.log10(point[1]) - low) / (high - low)
        return left + across * (width - left - right), height - bottom - up * (
            height - top - bottom
        )

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" '
        f'font-family="system-ui, sans-serif" font-size="{_CAPTION}" fill="{INK}">',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
    ]
    for power in range(int(np.ceil(west)), int(np.floor(east)) + 1):
        at, _ = place((10.0**power, 10.0**low))
        parts.append(f'<path d="M{at:.1f} {top}V{height - bottom}" stroke="#ddd"/>')
        parts.append(
            f'<text x="{at:.1f}" y="{height - bottom + _LINE}" text-anchor="middle">'
            f"{10**power:,}</text>"
        )
    for power in range(int(low), int(high) + 1):
        _, at = place((10.0**west, 10.0**power))
        parts.append(f'<path d="M{left} {at:.1f}H{width - right}" stroke="#ddd"/>')
        parts.append(
            f'<text x="{left - 8}" y="{at + 4:.1f}" text-anchor="end">{10.0**power:g}</text>'
        )
    parts.append(
        f'<text x="{(left + width - right) / 2:.0f}" y="{height - 8}" text-anchor="middle">'
        f"{escape(x)}</text>"
    )
    parts.append(
        f'<text x="14" y="{(top + height - bottom) / 2:.0f}" text-anchor="middle" '
        f'transform="rotate(-90 14 {(top + height - bottom) / 2:.0f})">{escape(y)}</text>'
    )
    colours = (VERMILION, ORANGE, PURPLE, BLUE, INK, GREEN, SKY)
    level = top
    for number in sorted(range(len(lines)), key=lambda k: -lines[k].points[-1][1]):
        colour = colours[number % len(colours)]
        places = [place(point) for point in lines[number].points]
        data = "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in places)
        parts.append(f'<path d="{data}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3" fill="{colour}"/>' for a, b in places]
        level = max(places[-1][1] + 4, level + _LINE)
        parts.append(
            f'<text x="{width - right + 10}" y="{level:.1f}" fill="{colour}">'
            f"{escape(lines[number].name)}</text>"
        )
    return "\n".join([*parts, "</svg>"]) + "\n"


def _drawn(layer: Layer, west: float, north: float, scale: float) -> str:
    """One group of paths; shapes of one colour are one path."""

    def pixels(xy: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.stack([(xy[:, 0] - west) * scale, (north - xy[:, 1]) * scale], axis=1)

    shapes = shapely.simplify(shapely.transform(np.atleast_1d(layer.shapes), pixels), _DETAIL)
    if len(shapes) and shapely.get_dimensions(shapes).max() == 0:
        size = 2 * layer.width
        dots = "".join(f"M{x:.1f} {y:.1f}h0" for x, y in shapely.get_coordinates(shapes))
        return (
            f'<path d="{dots}" stroke="{layer.fill}" stroke-width="{size:g}" '
            'stroke-linecap="round"/>'
        )
    fills = [layer.fill] * len(shapes) if isinstance(layer.fill, str) else list(layer.fill)
    paths = []
    for colour in dict.fromkeys(fills):
        chosen = shapes[[fill == colour for fill in fills]]
        data = "".join(_path(part) for part in shapely.get_parts(chosen))
        paths.append(f'<path d="{data}" fill="{colour}"/>')
    return (
        f'<g stroke="{layer.stroke}" stroke-width="{layer.width:g}" stroke-linejoin="round" '
        f'fill-rule="evenodd">{"".join(paths)}</g>'
    )


def _path(shape: Any) -> str:
    """SVG path data of a line or polygon, to a tenth of a pixel, in relative steps."""
    polygon = shapely.get_dimensions(shape) == 2
    data = []
    for line in shapely.get_rings(shape) if polygon else [shape]:
        xy = np.rint(shapely.get_coordinates(line) * 10).astype(int)
        keep = np.append(True, (np.diff(xy, axis=0) != 0).any(axis=1))
        xy = xy[keep]
        if len(xy) < 2:
            continue
        steps = np.diff(xy, axis=0)
        data.append(f"M{_tenths(xy[0])}l" + " ".join(_tenths(step) for step in steps))
        if polygon:
            data.append("z")
    return "".join(data)


def _tenths(pair: NDArray[np.int64]) -> str:
    x, y = (f"{value / 10:g}" for value in pair.tolist())
    return f"{x}{'' if y.startswith('-') else ' '}{y}"
