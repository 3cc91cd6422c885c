"""Who may write.

With a token in the settings, whoever shows it. Without one, only people on this machine: the
connection comes in over the loopback interface, names the loopback host (a page that rebinds its
name to 127.0.0.1 does not), was not forwarded by a proxy, and does not come from another site.
"""

from __future__ import annotations

import ipaddress
import secrets
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from service.errors import Forbidden, Unauthorized
from service.settings import Settings

__all__ = ["WRITER", "require_writer"]

_bearer = HTTPBearer(auto_error=False, description="The value of GRIDWARD_TOKEN.")
_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host")


def require_writer(
    request: Request,
    shown: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> None:
    """Refuse a request that may not write.

    Raises
    ------
    Unauthorized
        A token is set and another one, or none, was shown.
    Forbidden
        No token is set and the request does not come from this machine.
    """
    settings: Settings = request.app.state.settings
    if settings.token is not None:
        expected = settings.token.get_secret_value().encode()
        if shown is None or not secrets.compare_digest(shown.credentials.encode(), expected):
            raise Unauthorized("Writing needs the header 'Authorization: Bearer TOKEN'.")
        return
    if not _is_local(request):
        raise Forbidden(
            "Without a token only this machine may write. Set GRIDWARD_TOKEN on the server "
            "and send it as 'Authorization: Bearer TOKEN'."
        )


#: Dependency of routes that write.
WRITER = Depends(require_writer)


def _is_local(request: Request) -> bool:
    server = request.scope.get("server")
    if server is None or not _is_loopback(server[0]):
        return False
    if not _is_loopback(request.url.hostname or ""):
        return False
    if any(name in request.headers for name in _FORWARDED):
        return False
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.url.netloc


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
