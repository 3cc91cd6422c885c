"""One headless Chromium for all browser tests of a session, and pages that watch themselves."""

from __future__ import annotations

import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from playwright.sync_api import Browser, Page, sync_playwright

from service.app import create_app
from service.db.engine import Database
from service.settings import Settings

TOWN = Path(__file__).parents[1] / "live_town.sql"

_BROWSERS = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
_ARGUMENTS = (
    "--no-sandbox",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-quic",
    "--disable-background-networking",
)


@dataclass
class Watched:
    """A page with what it asked for and what it complained about."""

    page: Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def foreign(self, *own: str) -> list[str]:
        """Requests that do not start with one of ``own`` (data: and blob: stay in the page)."""
        return [url for url in self.requests if not url.startswith((*own, "data:", "blob:"))]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    program = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if program is None:
        pytest.skip("neither Chromium nor Chrome is installed; make test installs it")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(_ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium: Browser) -> Iterator[Callable[..., Watched]]:
    """Open an address in a context of its own; ``offline=True`` takes the network away."""
    contexts = []

    def opened(url: str, *, offline: bool = False, **options: Any) -> Watched:
        context = chromium.new_context(**({"viewport": {"width": 1280, "height": 800}} | options))
        contexts.append(context)
        context.set_offline(offline)
        page = context.new_page()
        page.set_default_timeout(10_000)
        watched = Watched(page)
        page.on("request", lambda request: watched.requests.append(request.url))
        page.on(
            "console",
            lambda said: (
                watched.complaints.append(said.text) if said.type in ("error", "warning") else None
            ),
        )
        page.on("pageerror", lambda error: watched.complaints.append(str(error)))
        page.on("dialog", lambda dialog: (watched.complaints.append("dialog"), dialog.dismiss()))
        page.goto(url)
        return watched

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture
def served(settings: Settings) -> Iterator[str]:
    """The service over a small town, at an address of its own."""
    with Database(settings) as database, database.engine.begin() as connection:
        connection.exec_driver_sql(TOWN.read_text("utf-8"))
    server = uvicorn.Server(uvicorn.Config(create_app(settings), log_level="warning"))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join(timeout=20)
