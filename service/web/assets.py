"""The web assets of other makers, served from where npm put them."""

from __future__ import annotations

from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, PlainTextResponse
from starlette.types import Receive, Scope, Send

from geodata.assets import ASSETS, asset_path
from geodata.errors import UnavailableError

__all__ = ["VendorFiles"]


class VendorFiles:
    """An application that serves the assets in the list and nothing else."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with one file."""
        if scope["method"] not in ("GET", "HEAD"):
            raise HTTPException(405)
        name = scope["path"].removeprefix(scope.get("root_path", "")).lstrip("/")
        if name not in ASSETS:
            raise HTTPException(404)
        headers = {"Cache-Control": "public, max-age=86400"}
        response: FileResponse | PlainTextResponse
        try:
            response = FileResponse(asset_path(name, self.folder), headers=headers)
        except UnavailableError as error:
            response = PlainTextResponse(str(error), status_code=503)
        await response(scope, receive, send)
