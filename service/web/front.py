"""The way in: straight to the addresses that are asked for most, to all others as usual.

The framework matches an address against every route, wraps each answer five times and turns headers
back and forth, which takes longer than to find a feature. What is read most is answered here, with
the same headers, problems and log. Anything out of the ordinary goes the usual way.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from geodata.errors import GridwardError
from service.web.headers import note_access, security_headers
from service.web.packing import SMALLEST_PACKED, pack
from service.web.problems import gridward_problem

__all__ = ["Front", "Handler"]

Handler = Callable[[Request], Awaitable[Response]]

_BODY: Final = "http.response.body"
_START: Final = "http.response.start"


class Front:
    """Answers what is asked for most.

    Parameters
    ----------
    app : ASGIApp
        Where all else goes.
    routes : mapping
        Path with its parameters in braces, each a whole segment -> what answers ``GET``.
    shared : bool
        Whether other origins are let in; their requests go the usual way.
    """

    def __init__(self, app: ASGIApp, *, routes: Mapping[str, Handler], shared: bool) -> None:
        self.app = app
        self.headers = [
            (name.lower().encode(), value.encode())
            for name, value in security_headers(shared=shared).items()
        ]
        self.routes: dict[int, list[tuple[str, list[str], Handler]]] = {}
        for path, handler in routes.items():
            segments = path.split("/")
            self.routes.setdefault(len(segments), []).append((path, segments, handler))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        if scope["type"] != "http" or scope["method"] != "GET" or scope.get("root_path"):
            await self.app(scope, receive, send)
            return
        found = self._find(scope["path"])
        given = dict(scope["headers"])
        if found is None or b"origin" in given:
            await self.app(scope, receive, send)
            return
        path, parameters, handler = found
        scope["path_params"] = parameters
        began, status = time.perf_counter(), 500
        request = Request(scope, receive)
        try:
            try:
                answer = await handler(request)
            except GridwardError as error:
                answer = gridward_problem(request, error)
            status = answer.status_code
            await self._send(answer, send, packed=b"gzip" in given.get(b"accept-encoding", b""))
        finally:
            note_access("GET", path, status, began)

    def _find(self, path: str) -> tuple[str, dict[str, str], Handler] | None:
        parts = path.split("/")
        for template, segments, handler in self.routes.get(len(parts), ()):
            parameters = {}
            for segment, part in zip(segments, parts, strict=True):
                if segment[:1] == "{":
                    if not part:
                        break
                    parameters[segment[1:-1]] = part
                elif segment != part:
                    break
            else:
                return template, parameters, handler
        return None

    async def _send(self, answer: Response, send: Send, *, packed: bool) -> None:
        headers, body = answer.raw_headers, bytes(answer.body)
        names = {name for name, _ in headers}
        if b"content-encoding" not in names and len(body) >= SMALLEST_PACKED:
            headers = _varying(headers)
            if packed:
                body = pack(body)
                headers = [each for each in headers if each[0] != b"content-length"]
                headers += [
                    (b"content-encoding", b"gzip"),
                    (b"content-length", b"%d" % len(body)),
                ]
        headers = headers + [each for each in self.headers if each[0] not in names]
        await send({"type": _START, "status": answer.status_code, "headers": headers})
        await send({"type": _BODY, "body": body})


def _varying(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The headers, which tell that the answer varies with what the client unpacks."""
    told = b", ".join(value for name, value in headers if name == b"vary")
    if b"accept-encoding" in told.lower():
        return list(headers)
    others = [each for each in headers if each[0] != b"vary"]
    return [*others, (b"vary", told + b", Accept-Encoding" if told else b"Accept-Encoding")]
