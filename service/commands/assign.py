"""``gridward assign``: households into grids."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from service.commands.console import print_json, print_table, progress_bar
from service.commands.options import Communities, Dataset, Json, Scheduler
from service.commands.sessions import open_session

__all__ = ["assign", "show_assign"]


def assign(
    community: Communities = None,
    dataset: Dataset = None,
    snap_tolerance: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            help="Metres within which a stray household joins a grid (default: the data set's).",
        ),
    ] = None,
    full: Annotated[
        bool,
        typer.Option("--full", help="Look at every household, not only at what changed."),
    ] = False,
    scheduler: Scheduler = None,
    json: Json = False,
) -> None:
    """Put every household into one grid, or into the exceptions with the reason.

    After the first time, only households that came or moved and grids that changed are looked at.
    """
    from service.flows.assign import assign as place
    from service.flows.workers import find_workers

    with (
        progress_bar() as progress,
        open_session() as session,
        find_workers(1, scheduler=scheduler) as workers,
    ):
        report = place(
            session,
            dataset=dataset,
            communities=community,
            snap_tolerance_m=snap_tolerance,
            full=full,
            executor=workers.executor,
            progress=progress,
        ).as_dict()
    if json:
        print_json(report)
    else:
        show_assign(report)


def show_assign(report: dict[str, Any]) -> None:
    """Write an assignment report as a table."""
    records = report["records"]
    print_table(
        f"Assigned in {report['seconds']:.1f} s; {report['changed']:,} records changed",
        ("method", "households", "records"),
        ((method, report[method], records[method]) for method in records),
    )
