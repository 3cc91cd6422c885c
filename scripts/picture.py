"""Takes a picture of a coverage map, for the README: ``make picture`` calls it."""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from playwright.sync_api import Error, sync_playwright

BROWSERS = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
#: Small enough for a page of text, large enough to read the legend.
WIDTH, HEIGHT = 1200, 720


def find_browser() -> str:
    """The first browser of those that are there."""
    for name in BROWSERS:
        if found := shutil.which(name):
            return found
    sys.exit("no Chromium or Chrome is installed: scripts/system-packages.sh browser installs it")


def take_picture(page_file: Path, picture: Path, search: str | None) -> None:
    """Open the page without a network, wait for its grids, and keep what is seen.

    ``search`` is typed into the search field, so that the picture shows what a click shows.
    """
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_browser())
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.context.set_offline(True)
        page.goto(page_file.resolve().as_uri())
        page.locator("path[data-code]").first.wait_for()
        if search:
            page.get_by_role("combobox").fill(search)
            page.get_by_role("option").first.wait_for()
            page.keyboard.press("Enter")
            page.locator(".leaflet-popup").wait_for()
            page.wait_for_timeout(500)  # the popup slides in
        picture.parent.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=picture)
        browser.close()


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("page", type=Path, help="HTML file that gridward map wrote")
    parser.add_argument("picture", type=Path, help="PNG file to write")
    parser.add_argument("--search", help="grid code or address to look for first")
    given = parser.parse_args()
    if not given.page.is_file():
        sys.exit(f"{given.page} is not there: make demo SERVE=0 draws it")
    try:
        take_picture(given.page, given.picture, given.search)
    except Error as error:
        sys.exit(f"the browser could not draw {given.page}: {error.message.splitlines()[0]}")


if __name__ == "__main__":
    main()
