"""The live map in Chromium, against a real service on a real database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import expect


@pytest.fixture
def opened(open_page: Callable[..., Any], served: str) -> Iterator[Any]:
    watched = open_page(f"{served}/map")
    expect(watched.page.locator("path.gw-grid")).to_have_count(12)
    yield watched
    assert watched.foreign(served) == []
    assert watched.complaints == []
    assert watched.page.title() == "Town <b>K</b></script>"  # nothing that a name carried ran
    assert watched.page.locator("img[src='x']").count() == 0


def test_a_reader_looks_at_a_grid_and_finds_an_address(opened: Any) -> None:
    page = opened.page
    page.locator("path.gw-grid[data-code='K1004']").click()
    details = page.locator(".gw-details")
    for words in ("Grid K1004", "620 households", "李华", "111 m", "1 doctor for 12 posts"):
        expect(details).to_contain_text(words)
    page.keyboard.press("Escape")

    page.get_by_label("Vacant posts", exact=True).check()
    expect(page.locator(".gw-legend")).to_contain_text("fully staffed")
    for layer in ("Households", "Team members", "Facilities"):
        page.get_by_label(layer, exact=True).check()
    expect(page.locator(".gw-cluster").first).to_be_visible()
    expect(page.locator(".gw-legend")).to_contain_text("Facility")

    page.get_by_role("combobox").fill("人民路")
    page.get_by_role("option", name="人民路 8 号").click()
    expect(details).to_contain_text("人民路 8 号")
    details.get_by_role("button", name="Grid K1001").click()
    expect(details).to_contain_text("onerror")  # names of people and of communities, as text
    expect(page.locator("path.gw-grid[data-code='K2006']")).to_have_count(0)  # far out of view


def test_from_afar_and_near_again(opened: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from service.maps import queries

    monkeypatch.setattr(queries, "_MOST_SHAPES", 5)
    page = opened.page
    page.reload()
    expect(page.locator("path.gw-grid")).to_have_count(2)
    expect(page.locator(".gw-legend")).to_contain_text("mean by division")
    monkeypatch.setattr(queries, "_MOST_SHAPES", 50)
    page.locator("path.gw-grid[data-code='K2']").click()
    expect(page.locator("path.gw-grid[data-code='K2003']")).to_have_count(1)


def test_a_service_that_stops_is_said(opened: Any) -> None:
    page = opened.page
    page.route("**/map/2/grids?*", lambda route: route.fulfill(status=503, body="busy"))
    page.get_by_role("button", name="Zoom in").click()
    expect(page.get_by_role("status")).to_contain_text("The service did not answer (503")
    expect(page.locator("path.gw-grid")).to_have_count(12)  # the last answer stays
    opened.complaints.clear()  # Chromium itself logs the 503


@pytest.fixture
def tiled(
    open_page: Callable[..., Any], served: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Any]:
    """The map as it is drawn for a data set with thousands of grids."""
    from service.maps import page

    monkeypatch.setattr(page, "MOST_DRAWN_ONE_BY_ONE", 5)
    watched = open_page(f"{served}/map")
    expect(watched.page.locator(".gw-legend")).to_contain_text("Oversize1", timeout=40_000)
    yield watched
    assert watched.foreign(served) == []
    # Chromium tells how its software renderer fares
    assert [each for each in watched.complaints if "GL Driver Message" not in each] == []
    assert watched.page.title() == "Town <b>K</b></script>"
    assert watched.page.locator("img[src='x']").count() == 0


def in_legend(page: Any, words: str) -> Any:
    return page.locator(".gw-legend li", has_text=words).locator(".gw-count")


def test_many_grids_are_drawn_from_tiles(tiled: Any) -> None:
    page = tiled.page
    expect(page.locator(".maplibregl-canvas")).to_have_count(1)
    expect(page.locator("path.gw-grid")).to_have_count(0)
    expect(in_legend(page, "380–420")).to_have_text("11")
    expect(in_legend(page, "over 500")).to_have_text("1")
    expect(in_legend(page, "Oversize")).to_have_text("1")
    assert any("/collections/grids/tiles/WebMercatorQuad/" in url for url in tiled.requests)
    assert not any("/map/2/grids?" in url for url in tiled.requests)


def test_a_click_on_a_tile_shows_its_grid(tiled: Any) -> None:
    page = tiled.page
    details = page.locator(".gw-details")
    page.mouse.click(560, 430)
    expect(details).to_contain_text("Grid K")
    expect(details).to_contain_text("onerror")  # the community's name, as text
    page.keyboard.press("Escape")
    expect(details).to_have_count(0)
    page.locator(".gw-map").focus()
    page.keyboard.press("Enter")
    expect(details).to_contain_text("Grid K")

    page.get_by_role("combobox").fill("K2006")
    page.get_by_role("option", name="K2006").click()
    expect(details).to_contain_text("Grid K2006")
    page.keyboard.press("Escape")
    page.get_by_label("Vacant posts", exact=True).check()
    expect(page.locator(".gw-legend")).to_contain_text("fully staffed")


def test_from_tiles_to_places_and_back(tiled: Any) -> None:
    page = tiled.page
    for layer in ("Households", "Team members"):
        page.get_by_label(layer, exact=True).check()
    expect(page.locator(".gw-tower, .gw-dot, .gw-cluster")).to_have_count(0)  # drawn from tiles
    page.get_by_role("combobox").fill("人民路")
    page.get_by_role("option", name="人民路 8 号").click()
    expect(page.locator(".gw-details")).to_contain_text("人民路 8 号")
    expect(page.locator(".gw-tower")).to_have_count(1)
    page.get_by_label("Households", exact=True).uncheck()
    expect(page.locator(".gw-tower")).to_have_count(0)
