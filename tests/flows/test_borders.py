"""The share of borders on barriers, told while communities are drawn in any order."""

from __future__ import annotations

from itertools import pairwise, permutations

import geopandas as gpd
import numpy as np
import pytest
import shapely

from geodata.delineate.drawn import Drawn
from geodata.metric import MetricPlane
from geodata.quality import measure
from service.flows.borders import Borders

COMMUNITIES = gpd.GeoDataFrame(
    {"code": ["A", "B", "C"]},
    geometry=[shapely.box(x, 0.0, x + 0.01, 0.01) for x in (0.0, 0.01, 0.02)],
    crs="EPSG:4326",
)
PLANE = MetricPlane.of_frame(COMMUNITIES)
CUTS = {"A": (0.003,), "B": (0.014, 0.0173), "C": (0.027,)}
ROADS = gpd.GeoDataFrame(
    geometry=[
        shapely.LineString([(0.003, 0.0), (0.003, 0.0071)]),
        shapely.LineString([(0.0173, 0.001), (0.0173, 0.02)]),
    ],
    crs="EPSG:4326",
)


def drawn(code: str) -> Drawn:
    west, _, east, _ = COMMUNITIES.set_index("code").geometry[code].bounds
    places = [west, *CUTS[code], east]
    grids = np.array([shapely.box(a, 0.0, b, 0.01) for a, b in pairwise(places)])
    nothing = np.full(len(grids), None, dtype=object)
    return Drawn(code, grids, np.full(len(grids), 400), nothing, nothing)


def told(order: tuple[str, ...], barriers: gpd.GeoDataFrame) -> float | None:
    borders = Borders(PLANE)
    borders.expect(["A", "B"], barriers)
    borders.expect(["C"], barriers)
    for code in order:
        borders.add(drawn(code))
    return borders.share_on_barriers


def test_the_share_is_that_of_the_measure_in_any_order() -> None:
    each = [drawn(code) for code in "ABC"]
    grids = gpd.GeoDataFrame(
        {"community_code": np.repeat(list("ABC"), [2, 3, 2]), "households": 400},
        geometry=np.concatenate([one.grids for one in each]),
        crs="EPSG:4326",
    )
    wanted = measure(grids, COMMUNITIES, ROADS)["on_barriers"]
    found = {told(order, ROADS) for order in permutations("ABC")}
    assert len(found) == 1  # to the last bit
    assert found.pop() == pytest.approx(wanted, abs=1e-9)
    assert 0.3 < wanted < 0.5


def test_without_barriers_there_is_no_share() -> None:
    assert told(("C", "B", "A"), ROADS.iloc[:0]) is None
