"""The command line: ``gridward``.

Exit status: 0 done, 1 refused or failed with one clear line on stderr, 2 usage, 130 interrupted.
``GRIDWARD_DEBUG=1`` shows the traceback and the logs instead of the one line.
"""

from __future__ import annotations

import logging
import os
import sys
from importlib.metadata import version as installed_version
from io import TextIOWrapper
from typing import Annotated

import typer

from geodata.errors import GridwardError
from service.commands import database, plan
from service.commands.assign import assign
from service.commands.change import rebalance
from service.commands.check import check
from service.commands.compare import compare
from service.commands.delineate import delineate
from service.commands.export import coverage_map, export
from service.commands.load import load
from service.commands.run import run
from service.commands.sample import sample
from service.commands.serve import serve
from service.commands.staff import staff
from service.commands.worker import worker

__all__ = ["app", "main"]

app = typer.Typer(
    name="gridward",
    help="Divide communities into service grids, assign households, staff the grids "
    "and show who is covered.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"gridward {installed_version('gridward')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show it.")
    ] = False,
) -> None:
    pass


app.command()(run)
app.command()(load)
app.command()(delineate)
app.command()(rebalance)
app.command()(assign)
app.command()(staff)
app.command("map")(coverage_map)
app.command()(export)
app.command()(check)
app.command()(serve)
app.command()(worker)
app.command()(sample)
plan.app.command("compare")(compare)
app.add_typer(plan.app)
app.add_typer(database.app)


def main() -> None:
    """Run the command that ``sys.argv`` names and exit with its status."""
    debug = os.environ.get("GRIDWARD_DEBUG", "") not in ("", "0")
    # library warnings are for developers; what users must know travels in the reports
    logging.captureWarnings(True)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO if debug else logging.ERROR)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a name in Chinese must not fail a Latin-1 terminal
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
    except GridwardError as error:
        if debug:
            raise
        sys.exit(f"gridward: {error}")
    except Exception as error:
        if debug:
            raise
        first_line = (str(error).strip().splitlines() or ["no message"])[0]
        sys.exit(
            f"gridward: {type(error).__name__}: {first_line} (GRIDWARD_DEBUG=1 shows the traceback)"
        )
