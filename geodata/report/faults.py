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

_WORDS: Final = {
    "invalid": "an invalid polygon",
    "duplicate_code": "a code that stands twice",
    "overlap": "ground in two grids",
    "gap": "ground in no grid",
    "stray": "outside its community",
}


@dataclass(frozen=True, slots=True)
class FaultSection:
    """What the page shows of the faults.

    ``rows`` have number, kind, words, codes, area and place (latitude, longitude), the largest
    first; ``more`` counts those that are not listed.
    """

    count: int
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
    places = plane.to_metres(np.array(faults.geometry, dtype=object))
    marks = shapely.point_on_surface(places)
    picture = fault_map(
        window,
        simplified(shapes, tolerance),
        simplified(outlines, tolerance),
        places,
        marks[:_LISTED],
        "Faults",
    )
    where = faults.geometry.representative_point()
    if faults.crs is not None:
        where = where.to_crs(STORAGE_CRS)
    rows = [
        {
            "number": number,
            "kind": fault.kind.replace("_", " "),
            "words": fault.detail or _WORDS.get(fault.kind, ""),
            "codes": ", ".join(str(code) for code in fault.codes),
            "area": f"{fault.area_m2:,.0f}" if fault.area_m2 >= 10 else f"{fault.area_m2:.2g}",
            "place": "" if point is None else f"{point.y:.6f}, {point.x:.6f}",
        }
        for number, (fault, point) in enumerate(
            zip(faults.head(_LISTED).itertuples(), where, strict=False), start=1
        )
    ]
    return FaultSection(len(faults), Markup(picture), rows, len(faults) - len(rows))  # noqa: S704
