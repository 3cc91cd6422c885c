"""Pictures of a report as inline SVG: paths in whole tenths of a pixel, no script, no font file."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import shapely
from numpy.typing import NDArray

__all__ = ["Bar", "Window", "fault_map", "histogram", "shape_map", "simplified", "thumbnail"]

_UNITS: Final = 10  # units a pixel
_PIN: Final = 95  # radius of a numbered disc
_POLYGON_TYPES: Final = (3, 6)


@dataclass(frozen=True, slots=True)
class Window:
    """A rectangle of the metric plane and the picture that it fills."""

    west: float
    north: float
    metres_per_pixel: float
    width: int
    height: int

    @classmethod
    def around(cls, bounds: Any, width: int, most_height: int, margin: float = 4.0) -> Window:
        """The window about ``bounds`` (metres), ``width`` pixels wide or ``most_height`` high."""
        west, south, east, north = (float(value) for value in bounds)
        if not np.isfinite([west, south, east, north]).all():
            west = south = 0.0
            east = north = 1.0
        across, up = max(east - west, 1.0), max(north - south, 1.0)
        scale = max(across / (width - 2 * margin), up / (most_height - 2 * margin))
        height = min(most_height, round(up / scale + 2 * margin))
        middle_x, middle_y = (west + east) / 2, (south + north) / 2
        return cls(
            middle_x - scale * width / 2, middle_y + scale * height / 2, scale, width, height
        )

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east, north in metres."""
        return (
            self.west,
            self.north - self.height * self.metres_per_pixel,
            self.west + self.width * self.metres_per_pixel,
            self.north,
        )

    def path(self, geometry: Any, *, close: bool = True) -> str:
        """The ``d`` of a path: rings of polygons, or lines where ``close`` is False."""
        parts = shapely.get_parts(geometry)
        if close:
            parts = parts[shapely.get_type_id(parts) == shapely.GeometryType.POLYGON]
            parts = shapely.get_rings(parts)
        return "".join(self._steps(part, close) for part in parts)

    def _steps(self, line: Any, close: bool) -> str:
        xy = shapely.get_coordinates(line)
        unit = self.metres_per_pixel / _UNITS
        whole = np.rint(
            np.column_stack([xy[:, 0] - self.west, self.north - xy[:, 1]]) / unit
        ).astype(np.int64)
        moves = np.diff(whole, axis=0)
        moves = moves[moves.any(axis=1)]
        if close:
            moves = moves[:-1]  # z draws the last side
        if len(moves) < (2 if close else 1):
            return ""
        # a minus sign separates numbers by itself
        steps = "".join(f" {value}" if value >= 0 else f"{value}" for value in moves.ravel())
        return f"M{whole[0, 0]} {whole[0, 1]}l{steps.strip()}{'z' if close else ''}"

    def open_tag(self, label: str, kind: str) -> str:
        """The ``<svg>`` tag, which a screen reader calls ``label``."""
        return (
            f'<svg class="{kind}" role="img" aria-label="{html.escape(label)}" '
            f'viewBox="0 0 {self.width * _UNITS} {self.height * _UNITS}" '
            f'width="{self.width}" height="{self.height}">'
        )


def simplified(shapes: NDArray[Any], tolerance: float) -> NDArray[Any]:
    """Polygons with fewer vertices; common edges of a coverage stay common."""
    polygons = np.isin(shapely.get_type_id(shapes), _POLYGON_TYPES).all()
    if len(shapes) and polygons and shapely.coverage_is_valid(shapes):
        return np.asarray(shapely.coverage_simplify(shapes, tolerance))
    return np.asarray(shapely.simplify(shapes, tolerance))


def shape_map(
    window: Window,
    shapes: NDArray[Any],
    classes: Sequence[str],
    hatched: NDArray[np.bool_],
    hints: Sequence[str],
    outlines: NDArray[Any],
    label: str,
) -> str:
    """A map: each shape in the colour class of its own, hatched or not, with a hint to hover."""
    drawn = [window.open_tag(label, "map")]
    for shape, colour, hint in zip(shapes, classes, hints, strict=True):
        if steps := window.path(shape):
            drawn.append(
                f'<path class="{colour}" d="{steps}"><title>{html.escape(hint)}</title></path>'
            )
    over = "".join(window.path(shape) for shape in shapes[hatched])
    drawn.append(f'<path class="hatch" d="{over}"/>' if over else "")
    border = "".join(window.path(shape) for shape in outlines)
    drawn.append(f'<path class="community" d="{border}"/>' if border else "")
    drawn.append(_scale_bar(window))
    drawn.append("</svg>")
    return "".join(drawn)


def fault_map(
    window: Window,
    shapes: NDArray[Any],
    outlines: NDArray[Any],
    faults: NDArray[Any],
    marks: NDArray[Any],
    label: str,
) -> str:
    """Grids without colours, what is wrong in colour, and a number near each of the marks."""
    drawn = [window.open_tag(label, "map")]
    for kind, own in (("near", shapes), ("community", outlines), ("fault", faults)):
        steps = "".join(window.path(shape) for shape in own)
        drawn.append(f'<path class="{kind}" d="{steps}"/>' if steps else "")
    unit = window.metres_per_pixel / _UNITS
    known = [number for number, mark in enumerate(marks) if mark is not None and not mark.is_empty]
    xy = shapely.get_coordinates(marks[known])
    places = np.column_stack([xy[:, 0] - window.west, window.north - xy[:, 1]]) / unit
    pins = _apart(places, _PIN, np.array([window.width, window.height]) * _UNITS)
    drawn += [
        f'<path class="lead" d="M{x:.0f} {y:.0f}L{at_x:.0f} {at_y:.0f}"/>'
        for (x, y), (at_x, at_y) in zip(places, pins, strict=True)
        if max(abs(x - at_x), abs(y - at_y)) > 1
    ]
    drawn += [
        f'<circle class="pin" cx="{x:.0f}" cy="{y:.0f}" r="{_PIN}"/>'
        f'<text class="pin" x="{x:.0f}" y="{y + 38:.0f}" text-anchor="middle">{number + 1}</text>'
        for number, (x, y) in zip(known, pins, strict=True)
    ]
    drawn.append(_scale_bar(window))
    drawn.append("</svg>")
    return "".join(drawn)


def _apart(
    places: NDArray[np.float64], radius: float, size: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Centres of discs near their places, none over another: the earlier ones come nearest."""
    angles = np.arange(24) * (2 * np.pi / 24)
    circle = np.column_stack([np.sin(angles), -np.cos(angles)])
    steps = [np.zeros((1, 2)), *(circle * radius * ring for ring in np.arange(1.5, 20, 0.75))]
    offsets = np.concatenate(steps)
    found = np.empty((0, 2))
    for place in places:
        spots = np.clip(place + offsets, radius, size - radius)
        gap = spots[:, None, :] - found[None, :, :]
        free = (np.hypot(gap[..., 0], gap[..., 1]) > 2.15 * radius).all(axis=1)
        found = np.vstack([found, spots[np.argmax(free)] if free.any() else spots[0]])
    return found


def thumbnail(
    shape: Any,
    others: NDArray[Any],
    tree: shapely.STRtree,
    lines: tuple[NDArray[Any], shapely.STRtree] | None,
    colour: str,
    label: str,
) -> str:
    """A small picture of one grid among its neighbours and the barriers, and its scale."""
    window = Window.around(shape.bounds, 132, 132, margin=18)
    west, south, east, north = window.bounds
    window = Window(
        window.west, (south + north) / 2 + 66 * window.metres_per_pixel,
        window.metres_per_pixel, 132, 132,
    )  # fmt: skip
    west, south, east, north = window.bounds
    frame = shapely.box(west, south, east, north)
    near = others[np.sort(tree.query(frame, predicate="intersects"))]
    drawn = [window.open_tag(label, "small")]
    fill = "".join(window.path(each) for each in shapely.clip_by_rect(near, *frame.bounds))
    drawn.append(f'<path class="near" d="{fill}"/>')
    drawn.append(f'<path class="{colour} this" d="{window.path(shape)}"/>')
    if lines is not None:
        close = lines[0][np.sort(lines[1].query(frame, predicate="intersects"))]
        cut = shapely.clip_by_rect(close, *frame.bounds)
        steps = "".join(window.path(each, close=False) for each in cut)
        drawn.append(f'<path class="barrier" d="{steps}"/>')
    drawn.append(_scale_bar(window))
    drawn.append("</svg>")
    return "".join(drawn)


def _scale_bar(window: Window) -> str:
    """A bar of a round length of about a quarter of the picture, in its lower left."""
    room = window.metres_per_pixel * window.width * 0.3
    power = 10.0 ** np.floor(np.log10(room))
    length = next(power * step for step in (5, 2, 1) if power * step <= room)
    pixels = length / window.metres_per_pixel
    words = f"{length / 1000:g} km" if length >= 1000 else f"{length:g} m"
    left, low = 6 * _UNITS, (window.height - 6) * _UNITS
    right = left + round(pixels * _UNITS)
    return (
        f'<path class="scale" d="M{left} {low - 40}V{low}H{right}v-40"/>'
        f'<text class="scale" x="{left + 30}" y="{low - 35}">{words}</text>'
    )


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of a histogram: grids of low <= load < high; ``open`` where there is no upper end.

    ``beyond`` of the plain ones are above the maximum, which lies within the bar.
    """

    low: int
    high: int
    plain: int
    flagged: int
    kind: str
    open: bool = False
    beyond: int = 0


def histogram(
    bars: Sequence[Bar], marks: Iterable[tuple[int, str, str]], span: tuple[int, int], label: str
) -> str:
    """Bars over the load, with the range and the target marked.

    ``marks`` are (load, words, anchor); ``span`` is the range, minimum and maximum.
    """
    left, right, top, bottom, width, height = 40, 22, 34, 44, 760, 220
    low, high = bars[0].low, bars[-1].high
    most = max(1, *(bar.plain + bar.flagged for bar in bars))

    def x(load: float) -> float:
        return left + (load - low) / (high - low) * (width - left - right)

    def y(count: float) -> float:
        return height - bottom - count / most * (height - top - bottom)

    drawn = [
        f'<svg class="bars" role="img" aria-label="{html.escape(label)}" '
        f'viewBox="0 0 {width} {height}" width="{width}" height="{height}">',
        f'<rect class="range" x="{x(span[0]):.1f}" y="{top}" '
        f'width="{x(span[1] + 1) - x(span[0]):.1f}" height="{height - top - bottom}"/>',
    ]
    drawn += [
        f'<path class="rule" d="M{left} {y(count):.1f}H{width - right}"/>'
        f'<text class="tick" x="{left - 6}" y="{y(count) + 4:.1f}" '
        f'text-anchor="end">{count:,}</text>'
        for count in _ticks(most, 4)
    ]
    drawn += [_bar(bar, x, y) for bar in bars]
    for load in _ticks(high - low, 9):
        at = low + load
        drawn.append(
            f'<text class="tick" x="{x(at):.1f}" y="{height - bottom + 16}" '
            f'text-anchor="middle">{at:,}{"+" if at == high and bars[-1].open else ""}</text>'
        )
    for load, words, anchor in marks:
        drawn.append(
            f'<path class="mark" d="M{x(load):.1f} {top - 6}V{height - bottom}"/>'
            f'<text class="mark" x="{x(load):.1f}" y="{top - 12}" '
            f'text-anchor="{anchor}">{html.escape(words)}</text>'
        )
    drawn.append(
        f'<path class="axis" d="M{left} {height - bottom}H{width - right}"/>'
        f'<text class="tick" x="{(left + width - right) / 2}" y="{height - 8}" '
        'text-anchor="middle">households in a grid</text></svg>'
    )
    return "".join(drawn)


def _bar(bar: Bar, x: Any, y: Any) -> str:
    if not bar.plain + bar.flagged:
        return ""
    words = f"{bar.low:,} or more" if bar.open else f"{bar.low:,} to {bar.high - 1:,}"
    hint = f"{words} households: {bar.plain + bar.flagged:,} grids"
    hint += f", {bar.flagged:,} of them flagged" if bar.flagged else ""
    at, wide = x(bar.low) + 0.5, x(bar.high) - x(bar.low) - 1
    within, middle = y(bar.plain - bar.beyond), y(bar.plain)
    top = y(bar.plain + bar.flagged)
    pieces = [f"<g><title>{hint}</title>"]
    for low, high, kinds in (
        (y(0), within, [bar.kind]),
        (within, middle, ["h3"]),
        (middle, top, [bar.kind, "hatch"]),
    ):
        pieces += [
            f'<rect class="{kind}" x="{at:.1f}" y="{high:.1f}" '
            f'width="{wide:.1f}" height="{low - high:.1f}"/>'
            for kind in kinds
            if low > high
        ]
    return "".join([*pieces, "</g>"])


def _ticks(most: int, wanted: int) -> list[int]:
    """Round whole numbers from 0 up to ``most``."""
    rough = max(1.0, most / wanted)
    power = 10 ** int(np.floor(np.log10(rough)))
    step = next(power * each for each in (1, 2, 5, 10) if power * each >= rough)
    return list(range(0, most + 1, step))
