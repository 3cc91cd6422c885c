"""``gridward worker``: writes the exports that were asked for in the background."""

from __future__ import annotations

import logging
from typing import Annotated

import typer

from service.commands.console import say
from service.commands.sessions import open_database

__all__ = ["worker"]


def worker(
    once: Annotated[bool, typer.Option("--once", help="End when nothing is left to do.")] = False,
) -> None:
    """Write the exports that were asked for as jobs, until it is stopped."""
    from service.catalogue.context import open_catalogue
    from service.exports.worker import work
    from service.settings import Settings

    settings = Settings()
    # the library tells of each job by its arguments; what went wrong is enough
    logging.getLogger("procrastinate").setLevel(logging.ERROR)
    with open_database() as database:
        with database.session() as session:
            catalogue = open_catalogue(session, settings.publish)
        if not once:
            say(f"waiting for exports to write, into {settings.exports_folder}")
        work(
            database,
            settings.exports_folder,
            keep_days=settings.export_days,
            wait=not once,
            catalogue=catalogue,
        )
