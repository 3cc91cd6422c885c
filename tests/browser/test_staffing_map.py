"""The map of a staffing in Chromium, from disk, with the network off."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import geopandas as gpd
import pytest
from playwright.sync_api import expect
from shapely import box

from geodata.draw import save_map, staffing, staffing_map
from geodata.staff import staff

TEAM = {"leader": 1, "doctor": 1}


def write(folder: Path) -> Path:
    """Nine grids; a leader for each but one; doctors too far away for most of them."""
    cells = [(column, row) for row in range(3) for column in range(3)]
    grids = gpd.GeoDataFrame(
        {
            "grid_code": [f"K{k:03}" for k in range(1, 10)],
            "community_code": "K",
            "households": 400,
        },
        geometry=[box(c / 50, r / 50, (c + 1) / 50, (r + 1) / 50) for c, r in cells],
        crs=4326,
    )
    x = [0.002 + 0.02 * (k % 3) for k in range(8)] + [0.015, 0.016]
    y = [0.005 + 0.02 * (k // 3) for k in range(8)] + [0.003, 0.005]
    people = gpd.GeoDataFrame(
        {
            "member_id": [f"M{k}" for k in range(10)],
            "name": ["<img src=x onerror=document.title='owned'>"] * 10,
            "roles": ["leader"] * 8 + ["doctor"] * 2,
        },
        geometry=gpd.points_from_xy(x, y),
        crs=4326,
    )
    found = staff(grids, people, TEAM, max_posts=1, max_distance_m=1200, explain="community_code")
    assert len(found.shortages.relief) == 1
    drawn = staffing_map(
        grids, people, found.posts, found.vacancies, relief=found.shortages.relief, team=TEAM
    )
    return save_map(drawn, folder / "staffing.html")


def test_vacancies_and_ways(open_page: Callable[..., object], tmp_path: Path) -> None:
    watched = open_page(write(tmp_path).as_uri(), offline=True)
    page = watched.page
    expect(page.locator(".gw-heading .gw-hint")).to_contain_text("vacant posts")
    expect(page.locator(".gw-lack").first).to_be_visible()
    legend = page.locator(".gw-legend")
    expect(legend).to_contain_text("Vacant posts")
    expect(legend).to_contain_text("Leader")
    expect(legend).not_to_contain_text("Would come from farther")
    page.get_by_label("Who would come from farther away").check()
    expect(legend).to_contain_text("Would come from farther")
    page.get_by_label("Marks of vacancies").uncheck()
    expect(page.locator(".gw-lack")).to_have_count(0)
    # a way tells whose it is, and leads to its grid
    line = page.locator(".leaflet-marks-pane path.leaflet-interactive").last
    line.dispatch_event("click")
    expect(page.locator(".gw-popup")).to_contain_text("would come if the distance did not matter")
    page.locator(".gw-popup .gw-link").click()
    expect(page.locator(".gw-popup")).to_contain_text("400 households")
    assert page.title() != "owned"
    assert watched.foreign("file:") == []
    assert watched.complaints == []


def test_without_polygons_the_marks_tell_their_roles(
    open_page: Callable[..., object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(staffing, "_MOST_GRIDS", 4)
    watched = open_page(write(tmp_path).as_uri(), offline=True)
    page = watched.page
    expect(page.locator(".gw-heading .gw-hint")).to_contain_text("9 grids")
    expect(page.locator(".gw-heading .gw-hint")).not_to_contain_text("household")
    expect(page.locator(".gw-grid")).to_have_count(0)
    page.locator(".gw-lack").first.click()
    expect(page.locator(".gw-popup")).to_contain_text("vacant post")
    expect(page.locator(".gw-popup")).to_contain_text("Doctor")
    expect(page.locator(".gw-legend")).not_to_contain_text("within range")
    assert watched.complaints == []
