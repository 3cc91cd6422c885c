"""``gridward serve``: the map, the API and the exports over HTTP."""

from __future__ import annotations

import copy
import errno
import socket
from typing import Annotated, Any

import typer

from geodata.errors import UnavailableError

__all__ = ["listen", "serve"]


def serve(
    host: Annotated[
        str, typer.Option(envvar="GRIDWARD_HOST", help="Address to listen on.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(envvar="GRIDWARD_PORT", min=0, max=65535, help="Port to listen on.")
    ] = 8000,
    workers: Annotated[
        int, typer.Option(envvar="GRIDWARD_WORKERS", min=1, help="Processes that answer.")
    ] = 1,
) -> None:
    """Serve the map, the spatial API and the exports."""
    listener = listen(host, port)  # before the slow imports: a busy port is told at once

    from uvicorn.config import LOGGING_CONFIG

    logging = copy.deepcopy(LOGGING_CONFIG)
    # our own access log: uvicorn's would write addresses and places of households
    logging["loggers"]["gridward.access"] = {**logging["loggers"]["uvicorn"]}
    if workers == 1:
        _serve_here(listener, logging)
    else:
        _serve_beside(listener, logging, workers)


def _serve_here(listener: socket.socket, logging: dict[str, Any]) -> None:
    import uvicorn

    from service.app import create_app
    from service.settings import Settings

    config = uvicorn.Config(create_app(Settings()), log_config=logging, access_log=False)
    uvicorn.Server(config).run(sockets=[listener])


def _serve_beside(listener: socket.socket, logging: dict[str, Any], workers: int) -> None:
    """Start processes that answer and start those anew that die."""
    import uvicorn
    from uvicorn.supervisors import Multiprocess

    from service.commands.sessions import open_database

    config = uvicorn.Config(
        "service.app:create_app",
        factory=True,
        workers=workers,
        log_config=logging,
        access_log=False,
    )
    # opened here first: what is wrong with the database is told once, and mended once
    with open_database():
        Multiprocess(config, sockets=[listener]).run()


def listen(host: str, port: int) -> socket.socket:
    """Take hold of an address.

    Raises
    ------
    UnavailableError
        The port is busy, not allowed, or the host is not an address of this machine.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(128)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            reason = "is in use; stop the program that holds it or choose another with --port"
        elif error.errno == errno.EACCES:
            reason = "needs administrator rights; choose one above 1023 with --port"
        else:
            reason = f"cannot be listened on ({error.strerror or error}); check --host"
        raise UnavailableError(f"port {port} of {host} {reason}") from error
    return listener
