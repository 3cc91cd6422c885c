"""Files as they are sent: whole, or the ranges of them that are asked for."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.responses import FileResponse
from starlette.types import Message, Receive, Scope, Send

from service.web.methods import wants_head_only
from service.web.problems import problem

__all__ = ["File"]


class File(FileResponse):
    """A file; a range that it does not have is refused with a problem document.

    A range in another unit, or one that cannot be read, is passed over (RFC 9110, 14.2).
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the file, some ranges of it, or the refusal."""
        if wants_head_only(scope):
            scope = {**scope, "method": "HEAD"}
        refusal: Message = {}

        async def send_unless_refused(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] in (400, 416):
                refusal.update(message)
            elif not refusal:
                await send(message)

        await super().__call__(scope, receive, send_unless_refused)
        if not refusal:
            return
        if refusal["status"] == 400:
            plain = [each for each in scope["headers"] if each[0] != b"range"]
            await super().__call__({**scope, "headers": plain}, receive, send)
            return
        answer = problem(
            416,
            "The file has no such range of bytes.",
            headers={"Content-Range": Headers(raw=refusal["headers"])["content-range"]},
        )
        await answer(scope, receive, send)
        if self.background is not None:  # it did not come to it
            await self.background()
