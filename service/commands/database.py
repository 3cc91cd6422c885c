"""``gridward db``: the private database cluster and the tables."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, Annotated

import typer

from geodata.errors import InputError
from service.commands.console import figures, print_json, say
from service.commands.options import Json
from service.commands.sessions import open_database

if TYPE_CHECKING:
    from service.db.embedded import EmbeddedCluster

__all__ = ["app"]

app = typer.Typer(
    name="db", help="The database: start, stop, status, psql, migrate.", no_args_is_help=True
)


def _cluster() -> EmbeddedCluster:
    """The cluster of ``GRIDWARD_HOME``; refused where the settings name an external server."""
    from service.db.embedded import EmbeddedCluster
    from service.settings import Settings

    settings = Settings()
    if not settings.is_embedded:
        raise InputError(
            "GRIDWARD_DATABASE_URL names a server of its own: start and stop it by its own means, "
            "or unset the variable to use the embedded one"
        )
    return EmbeddedCluster(settings.home)


@app.command()
def start() -> None:
    """Start the embedded server; it stays until it is stopped."""
    cluster = _cluster()
    try:
        status = cluster.start()
    finally:
        cluster.release()
    say(f"the database in {status.data} runs (process {status.pid})")


@app.command()
def stop(
    force: Annotated[
        bool, typer.Option("--force", help="Even while other commands use it.")
    ] = False,
) -> None:
    """Stop the embedded server."""
    stopped = _cluster().stop(force=force)
    say("the database is stopped" if stopped else "the database did not run")


@app.command()
def status(json: Json = False) -> None:
    """Show what there is, without changing anything."""
    found = _cluster().status()
    report = {
        "data": str(found.data),
        "exists": found.exists,
        "running": found.running,
        "stays": found.stays,
        "release": found.major,
        "process": found.pid,
        "socket": str(found.socket) if found.socket else None,
    }
    if json:
        print_json(report)
    else:
        figures("Database", report)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def psql(context: typer.Context) -> None:
    """Open psql on the database; what follows is handed to psql."""
    from service.db.engine import DATABASE_NAME
    from service.settings import Settings

    settings = Settings()
    with open_database() as database:
        environment = os.environ.copy()
        if settings.is_embedded:
            program = _cluster().psql(DATABASE_NAME)
        else:
            address = database.url.set(drivername="postgresql", password=None)
            program = ["psql", address.render_as_string()]
            if database.url.password:  # not among the arguments, which everyone can list
                environment["PGPASSWORD"] = str(database.url.password)
        ended = subprocess.run([*program, *context.args], check=False, env=environment)  # noqa: S603
    raise typer.Exit(ended.returncode)


@app.command()
def migrate() -> None:
    """Bring the tables up to date."""
    from service.db.engine import Database
    from service.settings import Settings

    # asked for by name, whatever GRIDWARD_AUTO_MIGRATE says about opening
    with Database(Settings(auto_migrate=True)):
        pass
    say("the tables are up to date")
