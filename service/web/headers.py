"""Security headers, and a log of requests that names routes, never the people in them."""

from __future__ import annotations

import logging
import time
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["AccessLog", "SecurityHeaders", "note_access", "security_headers"]

_log = logging.getLogger("gridward.access")

# styles stand in attributes of the map and of the API page, images in their style sheets
_POLICY: Final = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def security_headers(*, shared: bool) -> dict[str, str]:
    """The security headers; ``shared`` where other origins are let in by CORS."""
    policy = "cross-origin" if shared else "same-origin"
    return {**_HEADERS, "Cross-Origin-Resource-Policy": policy}


def note_access(method: str, route: str, status: int, began: float) -> None:
    """Log a request that began at a moment of the performance counter."""
    if _log.isEnabledFor(logging.INFO):
        elapsed = (time.perf_counter() - began) * 1000.0
        _log.info("%s %s %d %.1f ms", method, route, status, elapsed)


class SecurityHeaders:
    """Adds the security headers to every answer; a route may set its own policy."""

    def __init__(self, app: ASGIApp, *, shared: bool) -> None:
        self.app = app
        self.headers = security_headers(shared=shared)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self.headers.items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, send_with_headers)


class AccessLog:
    """Logs method, route, status and milliseconds.

    The route's template stands for the path and the query is left out: both may hold a household's
    reference, address or place.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http" or not _log.isEnabledFor(logging.INFO):
            await self.app(scope, receive, send)
            return
        status = 500
        started = time.perf_counter()

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, send_and_note)
        finally:
            route = getattr(scope.get("route"), "path", "-")
            note_access(scope["method"], route, status, started)
