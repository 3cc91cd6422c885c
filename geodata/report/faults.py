"""Where a plan has faults: a map with numbers, and a list to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import geopandas as gpd
import numpy as np
import shapely
from markupsafe import Markup
from numpy.typing import NDArray

from geodata.coverage import check
from geodata.metric import MetricPlane
from geodata.report.pictures import Window, fault_map, simplified
from geodata.schema import STORAGE_CRS

__all__ = ["FaultSection", "fault_section"]

_WIDTH: Final = 900
_HEIGHT: Final = 620
_LISTED: Final = 40

#: Two faults are one place where they have so much of their ground in common.
_ALIKE: Final = 0.9

_WORDS: Final = {
    "invalid": "a polygon that crosses itself",
    "duplicate_code": "a code that stands twice",
    "overlap": "ground in two grids",
    "gap": "ground in no grid",
    "stray": "ground outside the community of its grid",
}
_BOTH: Final = "ground of one community in a grid of another"


@dataclass(frozen=True, slots=True)
class FaultSection:
    """What the page shows of the faults.

    ``rows`` have number, kind, words, where, area and place (latitude, longitude), the largest
    first; ``places`` counts them with those that are not listed, which are ``more``.
    """

    count: int
    places: int
    picture: Markup
    rows: list[dict[str, Any]]
    more: int


def fault_section(
    grids: gpd.GeoDataFrame,
    communities: gpd.GeoDataFrame,
    plane: MetricPlane,
    shapes: NDArray[Any],
    outlines: NDArray[Any],
) -> FaultSection | None:
    """The faults of grids against their communities; None where there are none.

    The gap that a grid of another community fills is one place with that grid's stray.

    Parameters
    ----------
    grids, communities : GeoDataFrame
        In one CRS.
    plane : MetricPlane
    shapes, outlines : arrays of Polygon and MultiPolygon
        Grids and communities in metres of ``plane``.
    """
    faults = check(grids, communities)
    if faults.empty:
        return None
    faults = faults.sort_values("area_m2", ascending=False, kind="stable", ignore_index=True)
    window = Window.around(
        shapely.total_bounds(np.concatenate([outlines, shapes])), _WIDTH, _HEIGHT
    )
    tolerance = window.metres_per_pixel * 0.6
    ground = plane.to_metres(np.array(faults.geometry, dtype=object))
    places = _places(faults["kind"].to_numpy(dtype=object), ground)
    first = [place[0] for place in places[:_LISTED]]
    picture = fault_map(
        window,
        simplified(shapes, tolerance),
        simplified(outlines, tolerance),
        ground,
        shapely.point_on_surface(ground[first]),
        "Faults",
    )
    where = faults.geometry.representative_point()
    if faults.crs is not None:
        where = where.to_crs(STORAGE_CRS)
    rows = [
        _row(number, faults.iloc[place], where.iloc[place[0]])
        for number, place in enumerate(places[:_LISTED], start=1)
    ]
    drawn = Markup(picture)  # noqa: S704 - drawn by us, no text of others
    return FaultSection(len(faults), len(places), drawn, rows, len(places) - len(rows))


def _places(kinds: NDArray[Any], ground: NDArray[Any]) -> list[list[int]]:
    """The faults of each place: a gap and a stray of the same ground, or one fault."""
    strays = np.flatnonzero(kinds == "stray")
    tree = shapely.STRtree(ground[strays])
    partner: dict[int, int] = {}
    for gap in np.flatnonzero(kinds == "gap"):
        for stray in strays[np.sort(tree.query(ground[gap], predicate="intersects"))]:
            common = shapely.area(shapely.intersection(ground[gap], ground[stray]))
            whole = max(shapely.area(ground[gap]), shapely.area(ground[stray]))
            if stray not in partner and common >= _ALIKE * whole:
                partner[int(stray)] = int(gap)
                partner[int(gap)] = int(stray)
                break
    return [
        [fault, partner[fault]] if fault in partner else [fault]
        for fault in range(len(kinds))
        if partner.get(fault, fault) >= fault
    ]


def _row(number: int, faults: gpd.GeoDataFrame, point: Any) -> dict[str, Any]:
    area = float(faults["area_m2"].iloc[0])
    kinds = sorted(faults["kind"])
    words = faults["detail"].iloc[0] or _WORDS.get(kinds[0], "")
    by_kind = faults.sort_values("kind")
    return {
        "number": number,
        "kind": ", ".join(kind.replace("_", " ") for kind in kinds),
        "words": words if len(kinds) == 1 else _BOTH,
        "where": ", ".join(map(_named, by_kind["kind"], by_kind["codes"])),
        "area": f"{area:,.0f}" if area >= 10 else f"{area:.2g}",
        "place": "" if point is None else f"{point.y:.6f}, {point.x:.6f}",
    }


def _named(kind: str, codes: tuple[str, ...]) -> str:
    """Whom a fault is about: a gap is of a community, all else of grids."""
    noun = "community" if kind == "gap" else "grid" if len(set(codes)) == 1 else "grids"
    return f"{noun} {' and '.join(dict.fromkeys(map(str, codes)))}"
