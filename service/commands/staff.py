"""``gridward staff``: members into posts."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from service.commands.console import number, print_json, print_table, progress_bar, say, warn
from service.commands.options import Communities, Dataset, Json
from service.commands.sessions import open_session

__all__ = ["show_staff", "staff"]


def staff(
    community: Communities = None,
    dataset: Dataset = None,
    max_distance: Annotated[
        float | None,
        typer.Option(min=0.0, help="Farthest that a member may live from a grid, in metres."),
    ] = None,
    json: Json = False,
) -> None:
    """Give every grid its team by the shortest distances, and name the vacancies."""
    from service.flows.staff import staff as fill_posts

    with progress_bar() as progress, open_session() as session:
        report = fill_posts(
            session,
            dataset=dataset,
            communities=community,
            max_distance_m=max_distance,
            progress=progress,
        ).as_dict()
    if json:
        print_json(report)
    else:
        show_staff(report)


def show_staff(report: dict[str, Any]) -> None:
    """Write a staffing report as a table, one row a role."""
    required, vacancies = report["required"], report["vacancies"]
    print_table(
        f"Staffed in {report['seconds']:.1f} s",
        ("role", "required", "filled", "vacant"),
        (
            (role, required[role], required[role] - vacancies.get(role, 0), vacancies.get(role, 0))
            for role in required
        ),
    )
    say(
        f"{report['posts']:,} posts, {number(report['total_distance_m'] / 1000)} km in all, "
        f"lower bound {number(report['lower_bound_m'] / 1000)} km"
    )
    warn(report["warnings"])
