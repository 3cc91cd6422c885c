"""The quality report and the map of two plans in Chromium, from disk, with the network off."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas as gpd
import pytest
from playwright.sync_api import expect
from shapely import Point, box

from geodata.draw import comparison_map, save_map
from geodata.report import quality_report
from geodata.write.pages import write_page

HOSTILE = "<img src=x onerror=document.title='owned'>"


def grids(border: float, codes: tuple[str, str]) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame(
        {
            "grid_code": ["K001", *codes],
            "community_code": "K",
            "households": [400, 310, 620],
            "flag": [None, None, "oversize"],
            "reason": [None, None, HOSTILE],
        },
        geometry=[
            box(120, 30, 120.01, 30.01),
            box(120.01, 30, border, 30.01),
            box(border, 30, 120.03, 30.01),
        ],
        crs=4326,
    )


COMMUNITY = gpd.GeoDataFrame(
    {"code": ["K"], "name": [HOSTILE]}, geometry=[box(120, 30, 120.03, 30.01)], crs=4326
)
HOMES = gpd.GeoDataFrame(
    {"households": [7, 40, 5]},
    geometry=[Point(120.012, 30.005), Point(120.025, 30.005), Point(120.018, 30.005)],
    crs=4326,
)
BEFORE, AFTER = grids(120.02, ("K002", "K003")), grids(120.016, ("K002", "K003"))


@pytest.mark.parametrize("width", [1280, 390])
def test_the_report_asks_for_nothing_and_fits(
    open_page: Callable[..., Any], tmp_path: Path, width: int
) -> None:
    text = quality_report(AFTER, COMMUNITY, before=BEFORE, title=HOSTILE)
    path = write_page(text, tmp_path / "quality.html")
    watched = open_page(path.as_uri(), offline=True, viewport={"width": width, "height": 800})
    page = watched.page
    expect(page.get_by_role("heading", level=1)).to_have_text(HOSTILE)
    expect(page.get_by_role("img")).to_have_count(2 + 2 + 2)  # bars, maps, grids without a flag
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.title() == HOSTILE
    assert page.locator("img").count() == 0
    assert watched.requests == [path.as_uri()]
    assert watched.complaints == []


def test_two_plans_are_a_choice_on_one_map(open_page: Callable[..., Any], tmp_path: Path) -> None:
    map_ = comparison_map(BEFORE, AFTER, HOMES, communities=COMMUNITY, title=HOSTILE)
    path = save_map(map_, tmp_path / "comparison.html")
    watched = open_page(path.as_uri(), offline=True)
    page = watched.page
    expect(page.locator("path.gw-grid")).to_have_count(3)
    expect(page.locator("path.gw-changed")).to_have_count(2)
    expect(page.locator(".gw-heading")).to_contain_text("2 grids changed · 5 households move")
    grid = page.locator("path.gw-grid[data-code='K003']")
    after = grid.get_attribute("d")
    grid.click(position={"x": 90, "y": 20})
    expect(page.locator(".gw-details")).to_contain_text("5 households from grid K002")
    page.get_by_label("Before", exact=True).check()
    expect(grid).to_have_count(1)
    expect(grid).not_to_have_attribute("d", after or "")
    expect(page.locator(".gw-legend")).to_contain_text("Before the change")
    page.get_by_label("Grids that change", exact=True).uncheck()
    expect(page.locator("path.gw-changed")).to_have_count(0)
    assert page.title() == HOSTILE
    assert watched.foreign(path.as_uri()) == []
    assert watched.complaints == []
