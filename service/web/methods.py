"""Methods that an address takes and does not take."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["HeadAsGet", "options", "refuse_method", "wants_head_only"]

_HEAD_ONLY: Final = "gridward.head_only"


class HeadAsGet:
    """Answers HEAD wherever GET is answered: with the same status and headers, without the body.

    What is long in the making looks with :func:`wants_head_only` whether it is wanted at all.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return

        async def send_without_body(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        # a copy: the server looks into its own whether a body is to come
        asked = {**scope, "method": "GET", _HEAD_ONLY: True}
        try:
            await self.app(asked, receive, send_without_body)
        finally:
            if "route" in asked:  # for the log
                scope["route"] = asked["route"]


def wants_head_only(scope: Scope) -> bool:
    """Whether the headers alone are asked for."""
    return _HEAD_ONLY in scope


def options(methods: Iterable[str]) -> Response:
    """Answer OPTIONS: what the address takes."""
    return Response(status_code=204, headers={"Allow": ", ".join(methods)})


def refuse_method(methods: Iterable[str]) -> HTTPException:
    """The refusal of a method, to be raised: 405 with those that there are."""
    return HTTPException(405, headers={"Allow": ", ".join(methods)})
