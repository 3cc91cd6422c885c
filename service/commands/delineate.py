"""``gridward delineate``: communities into grids."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from service.commands.console import figures, print_json, progress_bar, warn
from service.commands.options import Communities, Dataset, Json, Scheduler, Workers
from service.commands.sessions import open_session

__all__ = ["delineate", "show_delineate"]


def delineate(
    community: Communities = None,
    dataset: Dataset = None,
    target: Annotated[int | None, typer.Option(min=1, help="Households a grid.")] = None,
    minimum: Annotated[
        int | None, typer.Option("--min", min=1, help="Fewest households a grid.")
    ] = None,
    maximum: Annotated[
        int | None, typer.Option("--max", min=1, help="Most households a grid.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the search.")] = 0,
    draft: Annotated[
        bool, typer.Option("--draft", help="Leave the plan a draft: do not validate or activate.")
    ] = False,
    workers: Workers = None,
    scheduler: Scheduler = None,
    json: Json = False,
) -> None:
    """Draw up a plan of grids, validate it and make it the active one."""
    from service.flows.delineate import delineate as draw_up

    with progress_bar() as progress, open_session() as session:
        report = draw_up(
            session,
            dataset=dataset,
            communities=community,
            target=target,
            minimum=minimum,
            maximum=maximum,
            seed=seed,
            activate=not draft,
            workers=workers,
            scheduler=scheduler,
            progress=progress,
        ).as_dict()
    if json:
        print_json(report)
    else:
        show_delineate(report)


def show_delineate(report: dict[str, Any]) -> None:
    """Write a delineation report as a table, and its warnings."""
    figures(
        f"Delineated in {report['seconds']:.1f} s",
        {key: value for key, value in report.items() if key != "seconds"},
    )
    warn(report["warnings"])
