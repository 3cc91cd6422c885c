"""``gridward staff``: members into posts."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from geodata.errors import InputError
from service.commands.console import number, print_json, print_table, progress_bar, say, warn
from service.commands.options import Communities, Dataset, Json, Scheduler
from service.commands.sessions import open_database

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

__all__ = ["show_staff", "staff"]

#: Rows of a table beyond which the rest is counted.
_MOST_ROWS = 20


class Level(StrEnum):
    """Levels of divisions."""

    PROVINCE = "province"
    CITY = "city"
    COUNTY = "county"
    STREET = "street"
    COMMUNITY = "community"


def staff(
    community: Communities = None,
    dataset: Dataset = None,
    max_distance: Annotated[
        float | None,
        typer.Option(min=0.0, help="Farthest that a member may live from a grid, in metres."),
    ] = None,
    stability: Annotated[
        float,
        typer.Option(
            min=0.0,
            metavar="M",
            help="A post changes hands only if the total distance falls by more than M metres "
            "for each one that does.",
        ),
    ] = 0.0,
    by: Annotated[
        Level | None,
        typer.Option(help="Staff each division of this level by itself."),
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Tell where which role is short, and why.")
    ] = False,
    level: Annotated[
        Level, typer.Option(help="Divisions that --explain tells it by.")
    ] = Level.COMMUNITY,
    draw: Annotated[
        Path | None,
        typer.Option("--map", metavar="FILE.html", help="Draw vacancies and ways to posts."),
    ] = None,
    scheduler: Scheduler = None,
    json: Json = False,
) -> None:
    """Give every grid its team by the shortest distances, and name the vacancies."""
    from service.flows.staff import staff as fill_posts
    from service.flows.workers import find_workers

    if draw is not None and draw.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"a map is written as .html, not as '{draw.suffix}'", file=draw)
    with progress_bar() as progress, open_database() as database:
        with (
            database.session() as session,
            find_workers(1, scheduler=scheduler) as workers,
        ):
            report = fill_posts(
                session,
                dataset=dataset,
                communities=community,
                max_distance_m=max_distance,
                stability_m=stability,
                by=by,
                explain=level if explain else None,
                executor=workers.executor,
                progress=progress,
            ).as_dict()
        if draw is not None:
            with database.session() as session:
                report["map"] = str(_save_map(session, draw, dataset))
    if json:
        print_json(report)
    else:
        show_staff(report)


def _save_map(session: Session, path: Path, dataset: str | None) -> Path:
    from geodata.draw import save_map, staffing_map
    from service.flows.staff_map import staff_map_frames

    return save_map(staffing_map(**staff_map_frames(session, dataset=dataset)), path)


def show_staff(report: dict[str, Any]) -> None:
    """Write a staffing report as a table, one row a role, and its explanation if there is one."""
    required, vacancies = report["required"], report["vacancies"]
    print_table(
        f"Staffed in {report['seconds']:.1f} s",
        ("role", "required", "filled", "vacant"),
        (
            (role, required[role], required[role] - vacancies.get(role, 0), vacancies.get(role, 0))
            for role in required
        ),
    )
    if "shortages" in report:
        _show_shortages(report)
    say(
        f"{report['posts']:,} posts ({report['opened']:,} new, {report['closed']:,} ended), "
        f"{number(report['total_distance_m'] / 1000)} km in all, "
        f"lower bound {number(report['lower_bound_m'] / 1000)} km"
    )
    if "loss_posts" in report:
        say(
            f"part by part: {report['loss_posts']:,} posts fewer and "
            f"{number(report['loss_m'] / 1000)} km more than all at once"
        )
    if "map" in report:
        say(f"wrote {report['map']}")
    warn(report["warnings"])


def _show_shortages(report: dict[str, Any]) -> None:
    """Where which role is short, the worst first, and who would come from farther away."""
    names = ("needed", "eligible", "in_reach", "filled", "missing", "relieved")
    _show_some(
        "Short of people",
        ("role", "division", "needed", "live there", "in reach", "filled", "missing",
         "from farther away"),
        [
            (row["role"], row["division"], *(row[name] for name in names))
            for row in sorted(report["shortages"], key=lambda row: -row["missing"])
        ],
    )  # fmt: skip
    _show_some(
        "Would come if the distance did not matter",
        ("role", "division", "grid", "member", "metres"),
        [
            (row["role"], row["division"], row["grid_code"], row["member_id"], row["distance_m"])
            for row in sorted(report["relief"], key=lambda row: row["distance_m"])
        ],
    )


def _show_some(title: str, columns: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    if rows:
        print_table(title, columns, rows[:_MOST_ROWS])
    if len(rows) > _MOST_ROWS:
        say(f"{len(rows) - _MOST_ROWS:,} more; --json lists them all")
