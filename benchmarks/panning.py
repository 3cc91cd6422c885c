"""How smoothly does the live map of a province pan in a browser?

A made-up province is served by two processes; headless Chromium, which draws with the processor
alone, opens the live map with households shown, looks a grid up, zooms out so far, and drags the
map half a screen on, to every side in turn; from one grid to the whole province. Drags lead to
where no tile has been drawn before, but for the way back. The yardstick is the same page on the
same way with every tile empty: what the browser alone takes for a frame. tipg and pygeoapi have no
such map; their tiles are measured in ``benchmarks.api``.
"""

from __future__ import annotations

import argparse
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, Final

from playwright.sync_api import Page, Request, ViewportSize, sync_playwright
from sqlalchemy import text

from benchmarks import _servers
from benchmarks._province import fill
from benchmarks._report import show
from service.db.engine import Database
from service.settings import Settings
from service.tiles.prepare import prepare

Place = tuple[int, int]

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = (
    "--no-sandbox",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-quic",
    "--disable-background-networking",
)
SIZE: Final[ViewportSize] = {"width": 1024, "height": 640}
#: Where drags begin and end, one after the other, and the moves that each is made of.
WAYS = (
    ((900, 420), (420, 420)),
    ((620, 560), (620, 240)),
    ((420, 420), (900, 420)),
    ((420, 380), (900, 380)),
)
MOVES = 20
#: Time between two moves of the hand, ms.
PAUSE_MS = 16
#: The map is still when it has asked for nothing for so long, ms.
STILL_MS = 400
#: If that takes so long, s, there is nothing to measure.
LONGEST_S = 60
#: Zooms are looked at from near to far, each this many clicks of half a zoom further out.
ZOOMS, CLICKS = 4, 4

_TILES = re.compile(r"/tiles/\w+/\d+/\d+/\d+")

_WATCH = """() => {
    window.gaps = [];
    let last = performance.now();
    const step = (now) => {
        window.gaps.push(now - last);
        last = now;
        window.frame = requestAnimationFrame(step);
    };
    window.frame = requestAnimationFrame(step);
}"""
_UNWATCH = "() => { cancelAnimationFrame(window.frame); return window.gaps.slice(1); }"


@dataclass(frozen=True, slots=True)
class Drag:
    """What one drag was like.

    Attributes
    ----------
    gaps : list of float
        Milliseconds between frames while the hand moved.
    until_still : float
        Milliseconds from the end of the move to the last tile.
    tiles : int
        Asked for.
    slowest : float
        Milliseconds of the slowest of them, as the browser saw it.
    size : int
        Bytes of them, as sent.
    """

    gaps: list[float]
    until_still: float
    tiles: int
    slowest: float
    size: int


def browsers() -> str:
    """The browser's program."""
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        raise SystemExit("neither Chromium nor Chrome is installed; make test installs it")
    return program


class Tiles:
    """The tiles that a page has asked for and got."""

    def __init__(self, page: Page) -> None:
        self.asked = self.given_up = 0
        self.got: list[Request] = []
        self.last = perf_counter()
        page.on("request", self._ask)
        page.on("requestfinished", self._end)
        page.on("requestfailed", self._give_up)

    @property
    def complete(self) -> bool:
        """Whether none is on its way; the map gives up what has left the view."""
        return self.asked == len(self.got) + self.given_up

    def forget(self) -> None:
        """Count anew."""
        self.asked, self.given_up, self.got = 0, 0, []

    def _ask(self, request: Request) -> None:
        self.asked += _TILES.search(request.url) is not None

    def _end(self, request: Request) -> None:
        if _TILES.search(request.url):
            self.got.append(request)
            self.last = perf_counter()

    def _give_up(self, request: Request) -> None:
        self.given_up += _TILES.search(request.url) is not None


def still(page: Page, tiles: Tiles) -> None:
    """Wait until every tile has come and no other is asked for."""
    until = perf_counter() + LONGEST_S
    while perf_counter() < until:
        asked = tiles.asked
        page.wait_for_timeout(STILL_MS)
        if tiles.asked == asked and tiles.complete:
            return
    raise SystemExit(f"the map is not still after {LONGEST_S} s")


def drag(page: Page, tiles: Tiles, start: Place, end: Place) -> Drag:
    """Drag the map across the screen once."""
    tiles.forget()
    page.mouse.move(*start)
    page.mouse.down()
    page.evaluate(_WATCH)
    for move in range(1, MOVES + 1):
        share = move / MOVES
        page.mouse.move(*(a + (b - a) * share for a, b in zip(start, end, strict=True)))
        page.wait_for_timeout(PAUSE_MS)
    gaps = page.evaluate(_UNWATCH)
    page.mouse.up()
    ended = perf_counter()
    still(page, tiles)
    spent = [each.timing["responseEnd"] for each in tiles.got]
    return Drag(
        gaps=gaps,
        until_still=1000.0 * max(tiles.last - ended, 0.0) if tiles.got else 0.0,
        tiles=len(tiles.got),
        slowest=max(spent, default=0.0),
        size=sum(each.sizes()["responseBodySize"] for each in tiles.got),
    )


def drags(
    port: int, code: str, each: int, *, empty: bool = False
) -> Iterator[tuple[int, list[Drag]]]:
    """The drags of every zoom, as steps out from that of one grid; all tiles empty, if asked."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browsers(), args=list(ARGUMENTS))
        page = browser.new_page(viewport=SIZE)
        page.set_default_timeout(60_000)
        tiles = Tiles(page)
        if empty:
            page.route(_TILES, lambda route: route.fulfill(status=204))
        page.goto(f"http://127.0.0.1:{port}/map")
        page.locator(".maplibregl-canvas").wait_for()
        page.get_by_label("Households", exact=True).check()
        for step in range(ZOOMS):
            page.get_by_role("combobox").fill(code)
            page.get_by_role("option", name=code).click()
            page.keyboard.press("Escape")
            for _ in range(CLICKS * step):
                page.get_by_role("button", name="Zoom out").click()
            still(page, tiles)
            ways = islice(cycle(WAYS), each)
            yield step, [drag(page, tiles, start, end) for start, end in ways]
        browser.close()


def _late(gaps: list[float]) -> float:
    """The 95th percentile."""
    return gaps[int(0.95 * (len(gaps) - 1))]


def report(
    found: dict[int, list[Drag]], bare: dict[int, list[Drag]], households: int, grids: int
) -> None:
    """Print the table."""

    def row(step: int, some: list[Drag]) -> tuple[Any, ...]:
        gaps, without = (
            sorted(gap for each in way[step] for gap in each.gaps) for way in (found, bare)
        )
        return (
            step,
            1000.0 / median(gaps),
            1000.0 / median(without),
            _late(gaps),
            _late(without),
            sum(each.tiles for each in some) / len(some),
            sum(each.size for each in some) / len(some) / 1000.0,
            max(each.slowest for each in some),
            max(each.until_still for each in some),
        )

    show(
        f"Dragging the live map of {households:,} households and {grids:,} grids half a screen "
        "on, drawn without a graphics card. Empty: the same with empty tiles. Tiles, kB: a drag. "
        "Ready: from the end of a drag to its last tile",
        (
            "zooms out", "frames a second", "empty", "p95 frame ms", "empty", "tiles", "kB",
            "slowest tile ms", "latest ready ms",
        ),
        (row(step, some) for step, some in found.items()),
    )  # fmt: skip


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--households", type=int, default=200_000)
    parser.add_argument("--grids", type=int, default=11_000)
    parser.add_argument("--drags", type=int, default=2, help="at each zoom")
    parser.add_argument("--home", type=Path, help="keep the database here, or use the one there")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gridward-bench-") as name:
        folder = Path(name)
        home = arguments.home or folder / "home"
        with Database(Settings(database_url=None, home=home)) as database:
            fill(
                database,
                households=arguments.households,
                grids=arguments.grids,
                seed=arguments.seed,
            )
            with database.session() as session:
                prepare(session)
                counts = session.execute(
                    text("SELECT (SELECT count(*) FROM household), (SELECT count(*) FROM grid)")
                ).one()
                code = session.scalar(
                    text("SELECT code FROM grid ORDER BY code OFFSET :half LIMIT 1"),
                    {"half": counts[1] // 2},
                )
            with _servers.gridward(database.url, folder) as server:
                found = dict(drags(server.port, str(code), arguments.drags))
                bare = dict(drags(server.port, str(code), arguments.drags, empty=True))
    report(found, bare, *counts)


if __name__ == "__main__":
    main()
