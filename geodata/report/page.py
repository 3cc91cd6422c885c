"""The page of a quality report: figures and pictures put into ``web/report.html``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from numpy.typing import NDArray

from geodata.coverage.faults import code_column
from geodata.coverage.overlaps import made_valid
from geodata.errors import InputError
from geodata.metric import MetricPlane
from geodata.report.faults import fault_section
from geodata.report.figures import (
    Drawn,
    Sizes,
    as_yardstick,
    drawn_grids,
    held_by,
    set_figures,
    worst,
)
from geodata.report.pictures import (
    Bar,
    Window,
    histogram,
    shape_map,
    simplified,
    thumbnail,
)
from geodata.report.tables import compared, flag_table, summary

__all__ = ["quality_report"]

_WEB: Final = Path(__file__).parent / "web"

_MAP_WIDTH: Final = 560
_MAP_HEIGHT: Final = 620
_WORST: Final = 10

#: More grids than this are a dot each; the map then shows communities by the mean of their grids.
_MOST_DRAWN: Final = 8_000

#: Upper edge, words and CSS class of each class of a map, from low to high.
_DEVIATION_CLASSES: Final = (
    (-0.10, "more than 10 % below", "l3"),
    (-0.05, "5 to 10 % below", "l2"),
    (-0.02, "2 to 5 % below", "l1"),
    (0.02, "within 2 %", "l0"),
    (0.05, "2 to 5 % above", "h1"),
    (0.10, "5 to 10 % above", "h2"),
    (np.inf, "more than 10 % above", "h3"),
)
_COMPACTNESS_CLASSES: Final = (
    (0.30, "under 0.30, ragged", "c4"),
    (0.40, "0.30 to 0.40", "c3"),
    (0.50, "0.40 to 0.50", "c2"),
    (0.60, "0.50 to 0.60", "c1"),
    (np.inf, "0.60 and more", "c0"),
)


def quality_report(
    grids: gpd.GeoDataFrame,
    communities: gpd.GeoDataFrame,
    barriers: gpd.GeoDataFrame | None = None,
    *,
    yardstick: gpd.GeoDataFrame | None = None,
    before: gpd.GeoDataFrame | None = None,
    households: gpd.GeoDataFrame | None = None,
    target: int = 400,
    minimum: int = 300,
    maximum: int = 500,
    title: str = "Quality of service grids",
    yardstick_name: str = "Yardstick",
    before_name: str = "Plan before",
) -> str:
    """Report the quality of grids as one HTML page.

    The frames may be in any CRS; names, codes and reasons are shown as text, never as HTML.

    Parameters
    ----------
    grids : GeoDataFrame
        grid_code, community_code, households, (Multi)Polygon; flag and reason if there are flags.
    communities : GeoDataFrame
        code, name, (Multi)Polygon.
    barriers : GeoDataFrame, optional
        Lines, or polygons whose edges count.
    yardstick : GeoDataFrame, optional
        Any other polygons of the same ground, with ``households`` if they are known. They count
        as grids of one single area; those outside the communities are left out and counted.
    before : GeoDataFrame, optional
        The plan before, with the columns of ``grids``.
    households : GeoDataFrame, optional
        Points with households (1 where the column is missing), summed for a yardstick that has no
        households of its own.
    target, minimum, maximum : int
        Households a grid.
    title, yardstick_name, before_name : str
        Headings.

    Returns
    -------
    str
        HTML that needs no network and no script; the same bytes for the same input, whatever the
        order of its rows.

    Raises
    ------
    InputError
        There is no grid, a column is missing, or the yardstick has nothing to compare.
    """
    if not len(grids):
        raise InputError("there is no grid to report on")
    sizes = Sizes(int(target), int(minimum), int(maximum))
    frames = _Frames.of(grids, communities, barriers, before)
    sets = [("These grids", set_figures(frames.grids, frames.communities, frames.barriers, sizes))]
    loads = [("These grids", frames.drawn(sizes))]
    if frames.before is not None:
        earlier = drawn_grids(frames.before, frames.communities, frames.plane, sizes)
        loads.append((before_name, earlier))
        ground = held_by(frames.communities, frames.before)
        sets.append((before_name, set_figures(frames.before, ground, frames.barriers, sizes)))
    outside = 0
    if yardstick is not None:
        other, outside = as_yardstick(yardstick, frames.communities, households)
        loads.append((yardstick_name, drawn_grids(other, frames.communities, frames.plane, sizes)))
        sets.append(
            (
                yardstick_name,
                set_figures(other, frames.communities, frames.barriers, sizes, one_area=True),
            )
        )
    drawn = loads[0][1]
    flags, flagged, more_flagged = flag_table(drawn.table)
    template = Environment(
        autoescape=True,
        loader=FileSystemLoader(_WEB),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    ).get_template("report.html")
    page = template.render(
        title=title,
        style=Markup((_WEB / "report.css").read_text("utf-8")),  # noqa: S704 - our own file
        sizes=sizes,
        communities=len(frames.communities),
        summary=summary(sets[0][1]),
        faults=fault_section(
            frames.grids, frames.communities, frames.plane, drawn.shapes, frames.outlines()
        ),
        has_barriers=barriers is not None,
        histograms=_histograms(loads, sizes),
        maps=_maps(drawn, frames),
        worst=_worst(drawn, frames, sizes),
        flags=flags,
        flagged=flagged,
        more_flagged=more_flagged,
        names=[name for name, _ in sets],
        compared=compared([figures for _, figures in sets]) if len(sets) > 1 else [],
        kept=_kept(frames),
        yardstick_name=yardstick_name if yardstick is not None else "",
        outside=outside,
    )
    # a lone surrogate has no UTF-8 form; the page must still be written
    return page.encode("utf-8", "replace").decode("utf-8")


@dataclass(frozen=True, slots=True)
class _Frames:
    """The input in one CRS, sorted, and the plane that it is drawn in."""

    grids: gpd.GeoDataFrame
    communities: gpd.GeoDataFrame
    barriers: gpd.GeoDataFrame | None
    before: gpd.GeoDataFrame | None
    plane: MetricPlane

    @classmethod
    def of(
        cls,
        grids: gpd.GeoDataFrame,
        communities: gpd.GeoDataFrame,
        barriers: gpd.GeoDataFrame | None,
        before: gpd.GeoDataFrame | None,
    ) -> _Frames:
        crs = communities.crs

        def alike(frame: gpd.GeoDataFrame, key: str | None = None) -> gpd.GeoDataFrame:
            if frame.crs is not None and crs is not None and frame.crs != crs:
                frame = frame.to_crs(crs)
            if key is not None and key in frame.columns:
                frame = frame.sort_values(key, kind="stable").reset_index(drop=True)
            return frame

        communities = alike(communities, code_column(communities))
        if barriers is not None:
            barriers = alike(barriers)
            known = ~(barriers.geometry.is_empty | barriers.geometry.isna())
            barriers = barriers[known].iloc[np.argsort(barriers[known].geometry.to_wkb())]
        return cls(
            alike(grids, "grid_code"),
            communities,
            barriers,
            None if before is None else alike(before, "grid_code"),
            MetricPlane.of_frame(communities),
        )

    def drawn(self, sizes: Sizes) -> Drawn:
        return drawn_grids(self.grids, self.communities, self.plane, sizes)

    def outlines(self) -> NDArray[Any]:
        return made_valid(self.plane.to_metres(np.array(self.communities.geometry, dtype=object)))


def _kept(frames: _Frames) -> list[tuple[int, str]] | None:
    """What became of the grids of the plan before: how many, and what, in words."""
    if frames.before is None:
        return None
    now, then = (
        dict(
            zip(
                frame["grid_code"].astype(str),
                shapely.to_wkb(shapely.normalize(np.array(frame.geometry, dtype=object))),
                strict=True,
            )
        )
        for frame in (frames.grids, frames.before)
    )
    common = now.keys() & then.keys()
    same = sum(now[code] == then[code] for code in common)
    return [
        (same, "as before"),
        (len(common) - same, "with another border"),
        (len(now.keys() - then.keys()), "new"),
        (len(then.keys() - now.keys()), "gone"),
    ]


def _histograms(
    loads: Sequence[tuple[str, Drawn]], sizes: Sizes
) -> list[tuple[str, Markup, int, int]]:
    """A histogram a set, all over the same loads: name, picture, grids, flagged ones."""
    tables = [drawn.table for _, drawn in loads]
    every = np.concatenate([table["households"].to_numpy() for table in tables])
    step = _step(sizes)
    # a tower of thousands would press the range that matters into a corner
    ceiling = int(np.ceil(1.6 * sizes.maximum / step)) * step
    high = int(min(ceiling, (every.max() // step + 1) * step))
    high = max(high, (sizes.maximum // step + 1) * step)
    low = int(min(every.min(), sizes.minimum) // step) * step
    # room for the words beside the lines of minimum and maximum
    room = (int(0.22 * (high - low) / step) + 1) * step
    low = max(0, min(low, (sizes.minimum - room) // step * step))
    high = max(high, ((sizes.maximum + room) // step + 1) * step)
    open_end = bool(every.max() >= high)
    edges = np.arange(low, high + 1, step)
    marks = [
        (sizes.minimum, f"minimum {sizes.minimum:,}", "end"),
        (sizes.target, f"target {sizes.target:,}", "middle"),
        (sizes.maximum + 1, f"maximum {sizes.maximum:,}", "start"),
    ]
    pictures = []
    for (name, _), table in zip(loads, tables, strict=True):
        flagged = np.array([bool(own) for own in table["flags"]], dtype=bool)
        bars = _bars(table["households"].to_numpy(), flagged, edges, sizes, open_end=open_end)
        label = f"Histogram of households a grid: {name}"
        picture = histogram(bars, marks, (sizes.minimum, sizes.maximum), label)
        pictures.append((name, Markup(picture), len(table), int(flagged.sum())))  # noqa: S704 - escaped
    return pictures


def _step(sizes: Sizes) -> int:
    """A round width of bars: about sixteen of them within range."""
    rough = max(1.0, (sizes.maximum - sizes.minimum) / 16)
    power = 10 ** int(np.floor(np.log10(rough)))
    return int(min((power * each for each in (1, 2, 5, 10)), key=lambda each: abs(each - rough)))


def _bars(
    loads: NDArray[np.int64],
    flagged: NDArray[np.bool_],
    edges: NDArray[np.int64],
    sizes: Sizes,
    *,
    open_end: bool,
) -> list[Bar]:
    shown = np.minimum(loads, edges[-1] - 1)
    plain, _ = np.histogram(shown[~flagged], edges)
    marked, _ = np.histogram(shown[flagged], edges)
    over = shown[~flagged & (loads > sizes.maximum)]
    bars = []
    for k, (low, high) in enumerate(pairwise(edges)):
        kind = "l3" if high <= sizes.minimum else "h3" if low > sizes.maximum else "in"
        last = open_end and k == len(edges) - 2
        beyond = int(((over >= low) & (over < high)).sum()) if kind == "in" else 0
        bars.append(Bar(int(low), int(high), int(plain[k]), int(marked[k]), kind, last, beyond))
    return bars


def _maps(drawn: Drawn, frames: _Frames) -> list[dict[str, Any]]:
    """Maps of deviation and of compactness with their legends."""
    outlines = frames.outlines()
    bounds = shapely.total_bounds(np.concatenate([outlines, drawn.shapes]))
    window = Window.around(bounds, _MAP_WIDTH, _MAP_HEIGHT)
    tolerance = window.metres_per_pixel * 0.6
    table, shapes = drawn.table, drawn.shapes
    whole = len(table) <= _MOST_DRAWN
    if not whole:
        table, shapes = _by_community(table, frames.communities, outlines)
    shapes = simplified(shapes, tolerance)
    flagged = np.array([bool(own) for own in table["flags"]], dtype=bool)
    hints = [_hint(row) for row in table.itertuples()]
    maps = []
    for heading, column, classes in (
        ("Deviation from the community's own mean", "deviation", _DEVIATION_CLASSES),
        ("Compactness", "compactness", _COMPACTNESS_CLASSES),
    ):
        # a grid that meets nothing but its flag has a colour of its own
        hatched = flagged if column == "deviation" else np.zeros(len(table), dtype=bool)
        kinds = _classes(table[column].to_numpy(dtype=np.float64), classes)
        picture = shape_map(
            window, shapes, kinds, hatched, hints, simplified(outlines, tolerance), heading
        )
        legend = [(kind, words, kinds.count(kind)) for _, words, kind in classes]
        if column == "deviation" and flagged.any():
            legend.append(("flagged", "flagged, not measured", int(flagged.sum())))
        maps.append(
            {"heading": heading, "picture": Markup(picture), "legend": legend, "whole": whole}  # noqa: S704
        )
    return maps


def _classes(values: NDArray[np.float64], classes: Sequence[tuple[float, str, str]]) -> list[str]:
    """The class of each value; none for NaN."""
    edges = np.array([upper for upper, _, _ in classes[:-1]])
    return [
        "none" if np.isnan(value) else classes[int(np.searchsorted(edges, value, "right"))][2]
        for value in values
    ]


def _by_community(
    table: pd.DataFrame, communities: gpd.GeoDataFrame, outlines: NDArray[Any]
) -> tuple[pd.DataFrame, NDArray[Any]]:
    """One row a community: the mean size of the deviations, the mean compactness."""
    figures = table.assign(deviation=table["deviation"].abs()).groupby("community_code")
    means = figures[["deviation", "compactness"]].mean()
    codes = communities[code_column(communities)].astype(str)
    rows = means.reindex(codes).reset_index(drop=True)
    counts = figures.size().reindex(codes, fill_value=0).to_numpy()
    sums = figures["households"].sum().reindex(codes, fill_value=0).to_numpy()
    labels = [f"{code} ({count:,} grids)" for code, count in zip(codes, counts, strict=True)]
    flags: list[list[str]] = [[] for _ in labels]
    return rows.assign(grid_code=labels, community="", households=sums, flags=flags), outlines


def _hint(row: Any) -> str:
    """What a pointer over a grid is told."""
    words = [f"{row.grid_code}: {row.households:,} households"]
    if np.isfinite(row.deviation):
        words.append(f"deviation {row.deviation:+.1%}")
    words += [f"compactness {row.compactness:.2f}", *row.flags]
    return ", ".join(words)


def _worst(drawn: Drawn, frames: _Frames, sizes: Sizes) -> list[dict[str, Any]]:
    """The grids that most want a second look, each with a small picture."""
    tree = shapely.STRtree(drawn.shapes)
    lines = None
    if frames.barriers is not None and len(frames.barriers):
        shapes = frames.plane.to_metres(np.array(frames.barriers.geometry, dtype=object))
        edges = np.where(shapely.get_dimensions(shapes) == 2, shapely.boundary(shapes), shapes)
        lines = (edges, shapely.STRtree(edges))
    cards = []
    for position, complaints in worst(drawn.table, sizes, _WORST):
        row = drawn.table.iloc[position]
        kind = _classes(np.array([row.deviation]), _DEVIATION_CLASSES)[0]
        picture = thumbnail(
            drawn.shapes[position], drawn.shapes, tree, lines, kind, f"Grid {row.grid_code}"
        )
        cards.append(
            {
                "code": row.grid_code,
                "community": row.community or row.community_code,
                "households": f"{row.households:,}",
                "complaints": complaints,
                "picture": Markup(picture),  # noqa: S704 - drawn by us, texts escaped
            }
        )
    return cards
