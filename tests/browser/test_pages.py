"""The pages of the API in Chromium: they show what there is, and ask no other host."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect


@pytest.mark.parametrize(
    ("path", "heading"),
    [
        ("/?f=html", "Gridward"),
        ("/collections?f=html", "Collections"),
        ("/collections/grids?f=html", "Grids"),
        ("/collections/grids/schema?f=html", "Grids: properties of a feature"),
        ("/conformance?f=html", "Standards"),
        ("/functions?f=html", "Functions of filters"),
    ],
)
def test_a_page_opens_alone(
    open_page: Callable[..., Any], served: str, path: str, heading: str
) -> None:
    watched = open_page(served + path)
    expect(watched.page.locator("h1")).to_have_text(heading)
    assert watched.foreign(served) == []
    assert watched.complaints == []


@pytest.mark.parametrize(
    ("path", "shapes"),
    [
        ("/collections/grids/items?f=html", 12),
        ("/collections/grids/items?f=html&limit=5&sortby=-grid_code", 5),
        ("/collections/grids/items/K1001?f=html", 1),
        ("/collections/households/items?f=html", 15),
        ("/collections/members/items?f=html", 1),
    ],
)
def test_items_are_on_a_map(
    open_page: Callable[..., Any], served: str, path: str, shapes: int
) -> None:
    watched = open_page(served + path)
    drawn = watched.page.locator("#features-map")
    expect(drawn).to_have_attribute("data-drawn", str(shapes))
    expect(drawn).to_be_visible()
    expect(watched.page.locator(".sketch")).to_have_count(0)
    assert watched.foreign(served) == []
    assert watched.complaints == []


def test_names_are_text_on_the_map_and_in_the_table(
    open_page: Callable[..., Any], served: str
) -> None:
    watched = open_page(f"{served}/collections/divisions/items?f=html&level=community")
    expect(watched.page.locator("#features-map")).to_have_attribute("data-drawn", "2")
    box = watched.page.locator("#features-map").bounding_box()
    watched.page.mouse.move(box["x"] + box["width"] / 2 - 30, box["y"] + box["height"] / 2)
    expect(watched.page.locator(".leaflet-tooltip")).to_contain_text("<img src=x")
    assert watched.page.locator("img[src='x']").count() == 0
    assert watched.page.title() != "owned"
    assert watched.complaints == []


def test_a_click_on_the_map_opens_the_feature(open_page: Callable[..., Any], served: str) -> None:
    watched = open_page(f"{served}/collections/grids/items?f=html&grid_code=K1001")
    expect(watched.page.locator("#features-map")).to_have_attribute("data-drawn", "1")
    watched.page.locator("#features-map").click()
    watched.page.wait_for_url("**/collections/grids/items/K1001?f=html")
    assert watched.foreign(served) == []


def test_without_scripts_the_drawing_stays(open_page: Callable[..., Any], served: str) -> None:
    watched = open_page(f"{served}/collections/grids/items?f=html", java_script_enabled=False)
    expect(watched.page.locator(".sketch path")).to_have_count(12)
    expect(watched.page.locator("#features-map")).to_be_hidden()


def test_the_api_page_shows_every_collection(open_page: Callable[..., Any], served: str) -> None:
    watched = open_page(f"{served}/docs")
    expect(watched.page.locator(".opblock-tag", has_text="Households").first).to_be_visible()
    expect(watched.page.locator(".opblock-tag")).not_to_have_count(0)
    assert watched.page.locator(".errors-wrapper").count() == 0
    assert watched.foreign(served) == []
