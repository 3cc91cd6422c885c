"""Polygons put to the parent that holds most of them."""

from __future__ import annotations

from typing import Any

import geopandas as gpd
import pytest
from shapely import Polygon, box

from geodata.coverage.placing import place_in_parents

PARENTS = gpd.GeoDataFrame(
    {"code": ["B", "A"]}, geometry=[box(1, 0, 2, 1), box(0, 0, 1, 1)], crs="EPSG:4326"
)


@pytest.mark.parametrize(
    ("shape", "code"),
    [
        (box(0.2, 0.2, 0.4, 0.4), "A"),
        (box(0.8, 0, 1.9, 1), "B"),
        (box(0.5, 0, 1.5, 1), "A"),  # as much in either: the lower code
        (box(2, 0, 3, 1), None),  # a common edge is no area
        (box(5, 5, 6, 6), None),
        (Polygon([(1.1, 0), (1.9, 1), (1.9, 0), (1.1, 1)]), "B"),
        (None, None),
    ],
)
def test_the_parent_that_holds_most(shape: Any, code: str | None) -> None:
    polygons = gpd.GeoDataFrame(geometry=[shape], crs="EPSG:4326")
    assert place_in_parents(polygons, PARENTS).tolist() == [code]
    assert place_in_parents(polygons, PARENTS.iloc[::-1]).tolist() == [code]


def test_another_crs() -> None:
    polygons = gpd.GeoDataFrame(geometry=[box(0.1, 0.1, 0.4, 0.4)], crs="EPSG:4326")
    assert place_in_parents(polygons.to_crs("EPSG:3857"), PARENTS).tolist() == ["A"]
