"""The stand-alone map in Chromium, from disk, with the network off."""

from __future__ import annotations

from collections.abc import Callable

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import Page, expect
from shapely import box

from geodata.draw import coverage_map, save_map

HOSTILE = "<img src=x onerror=document.title='owned'></script><script>document.title='owned'"
ROLES = {"leader": 1, "doctor": 1}


def town() -> dict[str, object]:
    """Twelve grids in a row of communities, 3 x 4; grid 004 is oversize and lacks a doctor."""
    cells = [(column, row) for row in range(3) for column in range(4)]
    codes = [f"K{number:03d}" for number in range(1, 13)]
    grids = gpd.GeoDataFrame(
        {
            "grid_code": codes,
            "community_code": "K",
            "households": [400, 310, 490, 620] * 3,
            "parts": 1,
            "flag": [None, None, None, "oversize"] * 3,
        },
        geometry=[box(c / 100, r / 100, (c + 1) / 100, (r + 1) / 100) for c, r in cells],
        crs=4326,
    )
    places = np.random.default_rng(5).uniform([0, 0], [0.04, 0.03], (300, 2)).round(6)
    households = gpd.GeoDataFrame(
        {"address": [f"Long Street {k}" for k in range(300)], "households": 1},
        geometry=gpd.points_from_xy(*places.T),
        crs=4326,
    )
    tower = gpd.GeoDataFrame(
        {"address": ["人民路 8 号", HOSTILE], "households": [200, 31]},
        geometry=gpd.points_from_xy([0.005, 0.005], [0.005, 0.005]),
        crs=4326,
    )
    members = gpd.GeoDataFrame(
        {"member_id": ["m1", "m2"], "name": ["李华", HOSTILE], "roles": [["leader"], ["doctor"]]},
        geometry=gpd.points_from_xy([0.015, 0.025], [0.015, 0.015]),
        crs=4326,
    )
    return {
        "grids": grids,
        "communities": gpd.GeoDataFrame(
            {"code": ["K"], "name": [HOSTILE]}, geometry=[box(0, 0, 0.04, 0.03)], crs=4326
        ),
        "households": pd.concat([households, tower], ignore_index=True),
        "members": members,
        "facilities": members.rename(columns={"name": "label"}).assign(
            name="Clinic", kind="clinic"
        ),
        "posts": pd.DataFrame(
            {
                "member_id": ["m1", "m2"],
                "grid_code": ["K004", "K001"],
                "role": ["leader", "doctor"],
                "distance_m": [120.0, 2400.0],
            }
        ),
        "vacancies": pd.DataFrame(
            {
                "grid_code": ["K004"],
                "role": ["doctor"],
                "missing": [1],
                "reason": ["1 doctor for 12 posts"],
            }
        ),
        "team": ROLES,
        "title": "Town K",
    }


@pytest.fixture(scope="module")
def page_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("map") / "coverage.html"
    return save_map(coverage_map(**town()), path).as_uri()


@pytest.fixture
def opened(open_page: Callable, page_url: str) -> object:
    watched = open_page(page_url, offline=True)
    expect(watched.page.locator("path.gw-grid")).to_have_count(12)
    yield watched
    assert watched.foreign("file://") == []
    assert watched.requests == [page_url]
    assert watched.complaints == []
    assert watched.page.title() == "Town K"  # nothing that a name carried was executed
    assert watched.page.locator("img[src='x']").count() == 0


def search(page: Page, text: str) -> None:
    page.get_by_role("combobox").fill(text)
    page.get_by_role("option").first.wait_for()
    page.keyboard.press("Enter")


def test_every_grid_is_drawn_shaded_and_in_the_legend(opened: object) -> None:
    page = opened.page
    shades = page.locator("path.gw-grid").evaluate_all(
        "paths => paths.map((path) => [path.dataset.code, path.getAttribute('fill')])"
    )
    assert sorted(code for code, _ in shades) == [f"K{number:03d}" for number in range(1, 13)]
    assert len({shade for _, shade in shades}) == 4  # at target, below, above, oversize
    legend = page.locator(".gw-legend")
    expect(legend).to_contain_text("within range")
    expect(legend.get_by_role("listitem").filter(has_text="Oversize")).to_contain_text("3")
    expect(page.locator(".leaflet-control-scale")).to_be_visible()


def test_a_click_shows_the_team_and_what_it_lacks(opened: object) -> None:
    page = opened.page
    page.locator("path.gw-grid[data-code='K004']").click()
    details = page.locator(".gw-details")
    for words in ("Grid K004", "620 households", "155 %", "李华", "120 m", "Doctor", "1 vacancy"):
        expect(details).to_contain_text(words)
    expect(details).to_contain_text("1 doctor for 12 posts")
    expect(details).to_contain_text("Oversize")
    expect(details).to_contain_text(HOSTILE)  # the community's name, as text
    page.locator("path.gw-grid[data-code='K001']").click(position={"x": 8, "y": 8})
    expect(details).to_contain_text("Grid K001")
    expect(details).to_contain_text(HOSTILE)  # a member's name, as text
    page.keyboard.press("Escape")
    expect(details).to_have_count(0)


def test_vacancies_are_the_other_shading_of_the_same_grids(opened: object) -> None:
    page = opened.page
    page.get_by_label("Vacant posts", exact=True).check()
    expect(page.locator(".gw-legend")).to_contain_text("fully staffed")
    shades = page.locator("path.gw-grid").evaluate_all(
        "paths => paths.map((path) => [path.dataset.code, path.getAttribute('fill')])"
    )
    fills = dict(shades)
    assert len(fills) == 12
    assert [code for code, fill in fills.items() if fill != fills["K001"]] == ["K004"]


def test_search_finds_a_grid_and_an_address(opened: object) -> None:
    page = opened.page
    search(page, "k011")
    expect(page.locator(".gw-details")).to_contain_text("Grid K011")
    search(page, "人民路")
    details = page.locator(".gw-details")
    expect(details).to_contain_text("231 households")
    expect(details).to_contain_text(HOSTILE)  # the neighbour's address, as text
    details.get_by_role("button", name="Grid K001").click()
    expect(details).to_contain_text("Service team")
    page.get_by_role("combobox").fill("no such place")
    expect(page.locator(".gw-answers")).to_contain_text("Nothing found")


def test_households_are_clustered_and_add_up(opened: object) -> None:
    page = opened.page
    page.get_by_label("Households", exact=True).check()
    counts = page.locator(".gw-cluster, .gw-tower")
    expect(counts.first).to_be_visible()
    numbers = [int(text.replace(",", "")) for text in counts.all_inner_texts()]
    assert sum(numbers) + page.locator(".gw-dot").count() == 531
    assert len(numbers) < 200
    before = page.locator(".leaflet-control-scale-line").inner_text()
    page.locator(".gw-cluster").first.click(force=True)
    expect(page.locator(".leaflet-control-scale-line")).not_to_have_text(before)


def test_members_and_facilities_are_drawn(opened: object) -> None:
    page = opened.page
    page.get_by_label("Team members", exact=True).check()
    page.get_by_label("Facilities", exact=True).check()
    legend = page.locator(".gw-legend")
    for words in ("Leader", "Doctor", "Holds no post", "Facility"):
        expect(legend).to_contain_text(words)
    # and a grid below them still takes a click
    page.locator("path.gw-grid[data-code='K001']").click(position={"x": 8, "y": 8})
    expect(page.locator(".gw-details")).to_contain_text("Grid K001")


def test_the_keyboard_reaches_a_grid_and_gets_its_place_back(opened: object) -> None:
    page = opened.page
    page.locator("path.gw-grid[tabindex='0']").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page.locator(".gw-details")).to_contain_text("Grid K002")
    page.keyboard.press("Escape")
    expect(page.locator(".gw-details")).to_have_count(0)
    assert page.evaluate("document.activeElement.dataset.code") == "K002"


def test_a_telephone_gets_a_sheet_and_a_folded_legend(open_page: Callable, page_url: str) -> None:
    telephone = {"viewport": {"width": 390, "height": 780}, "has_touch": True, "is_mobile": True}
    watched = open_page(page_url, offline=True, **telephone)
    page = watched.page
    expect(page.locator("path.gw-grid")).to_have_count(12)
    assert page.locator(".gw-legend[open]").count() == 0
    page.locator("path.gw-grid[data-code='K010']").tap()
    sheet = page.locator(".gw-sheet")
    expect(sheet).to_contain_text("Grid K010")
    assert sheet.bounding_box()["width"] <= 390
    sheet.get_by_role("button", name="Close").tap()
    expect(sheet).to_have_count(0)
    assert watched.complaints == []
