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
