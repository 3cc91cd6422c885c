"""A province by its divisions in Chromium, from disk, with the network off."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import geopandas as gpd
import pandas as pd
from playwright.sync_api import expect
from shapely import box

from geodata.draw import division_map, save_map

HOSTILE = "<img src=x onerror=document.title='owned'>"


def write(folder: Path) -> Path:
    """Two counties of 900 communities each; the first community of county B lacks all its posts."""
    rows = []
    for at, code in enumerate("AB"):
        rows.append((code, f"County {code}", "county", None, box(at * 0.3, 0, at * 0.3 + 0.3, 0.3)))
        for k in range(900):
            x, y = at * 0.3 + k % 30 / 100, k // 30 / 100
            name = HOSTILE if (code, k) == ("B", 0) else f"Place {code}{k:03d}"
            rows.append((f"{code}{k:03d}", name, "community", code, box(x, y, x + 0.01, y + 0.01)))
    names = ("code", "name", "level", "parent", "geometry")
    divisions = gpd.GeoDataFrame(dict(zip(names, zip(*rows, strict=True), strict=True)), crs=4326)
    codes = divisions.loc[divisions["level"] == "community", "code"].to_numpy()
    figures = pd.DataFrame(
        {
            "community_code": codes,
            "grids": 5,
            "out_of_range": (codes == "B000").astype(int),
            "households": 2000,
            "posts_required": 10,
            "posts_filled": [0 if code == "B000" else 10 for code in codes],
        }
    )
    vacancies = pd.DataFrame({"community_code": ["B000"], "role": ["doctor"], "missing": [10]})
    drawn = division_map(
        divisions, figures, vacancies=vacancies, team={"doctor": 2}, title="Both", note="See below."
    )
    return save_map(drawn, folder / "coverage.html")


def test_from_the_counties_down_to_a_community(
    open_page: Callable[..., object], tmp_path: Path
) -> None:
    path = write(tmp_path)
    watched = open_page(path.as_uri(), offline=True)
    page = watched.page
    # 1,800 communities are too many at once
    expect(page.locator("path.gw-grid")).to_have_count(2)
    heading = page.locator(".gw-heading")
    expect(heading).to_contain_text("1,800 communities")
    expect(heading).to_contain_text("9,000 grids")
    expect(heading).to_contain_text("See below.")
    expect(page.get_by_label("Posts filled", exact=True)).to_be_checked()
    expect(page.locator(".gw-legend")).to_contain_text("99 % and more")
    page.get_by_label("Load against target", exact=True).check()
    expect(page.locator(".gw-legend")).to_contain_text("Households a grid")

    page.locator("path.gw-grid[data-code='B']").click()
    details = page.locator(".gw-details")
    expect(details).to_contain_text("County B")
    expect(details).to_contain_text("1,800,000 in 4,500 grids, 400 a grid")
    expect(details).to_contain_text("8,990 of 9,000 (99.8 %)")
    expect(details).to_contain_text("and 888 more")

    # the first of those below is the one that lacks most
    details.locator(".gw-posts .gw-link").first.click()
    expect(details).to_contain_text("Community B000")
    expect(details).to_contain_text(HOSTILE)
    expect(details).to_contain_text("0 of 10 (0.0 %)")
    expect(details).to_contain_text("Doctor vacant")
    expect(details).to_contain_text("gridward map --division B000")
    expect(page.locator("path.gw-grid[data-code='B000']")).to_have_count(1)
    expect(page.locator("path.gw-grid[data-code='B']")).to_have_count(0)

    page.get_by_role("combobox").fill("county a")
    page.get_by_role("option").first.wait_for()
    page.keyboard.press("Enter")
    expect(details).to_contain_text("9,000 of 9,000 (100 %)")
    expect(details).to_contain_text("Out of range")
    assert watched.complaints == []
    assert watched.requests == [path.as_uri()]
    assert page.title() == "Both"
    assert page.locator("img[src='x']").count() == 0
