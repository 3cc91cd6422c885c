"""``gridward map`` and ``gridward export``: what there is, as files."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from geodata.errors import InputError
from service.commands.console import print_json, say
from service.commands.options import Dataset, Json, Output
from service.commands.sessions import open_session

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

__all__ = ["coverage_map", "export", "save_collection", "save_coverage_map", "save_grids_on"]


def coverage_map(
    out: Output = Path("coverage.html"),
    dataset: Dataset = None,
    division: Annotated[
        str | None,
        typer.Option(metavar="CODE", help="Only this division, of whatever level."),
    ] = None,
    addresses: Annotated[
        bool, typer.Option(help="Put the addresses of households into the page.")
    ] = True,
    json: Json = False,
) -> None:
    """Draw the coverage map as one HTML file that needs no network.

    More grids than a page can hold (5,000) are shown by division; --division draws those of one.
    """
    from service.flows.scope import require_dataset

    with open_session() as session:
        require_dataset(session, dataset)
        path = save_coverage_map(
            session, out, dataset=dataset, division=division, addresses=addresses
        )
    if json:
        print_json({"map": str(path)})
    else:
        say(f"{path} written")


def export(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="grids, households, assignments, members, posts, vacancies, coverage, divisions, "
            "facilities, or a table of GRIDWARD_PUBLISH.",
        ),
    ],
    out: Output,
    dataset: Dataset = None,
    at: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Grids only: those in force on this day."),
    ] = None,
    json: Json = False,
) -> None:
    """Write a collection to a file: .geojson, .geojsonl, .csv, .gpkg, .parquet or .fgb."""
    if at is not None and name != "grids":
        raise typer.BadParameter("only grids are kept by the day", param_hint="--at")
    from service.flows.scope import require_dataset

    with open_session() as session:
        require_dataset(session, dataset)
        if at is None:
            path = save_collection(session, name, out, dataset=dataset)
        else:
            path = save_grids_on(session, out, at=at.date(), dataset=dataset)
    if json:
        print_json({name: str(path)})
    else:
        say(f"{path} written")


def save_collection(
    session: Session,
    name: str,
    path: Path,
    *,
    dataset: str | None = None,
    written: Callable[[int], None] = lambda rows: None,
) -> Path:
    """Write a published collection, or the part of one data set, to a file.

    What the settings name as further tables is published as well.

    ``written`` is called with the number of rows written since the last time.

    Raises
    ------
    NotFound
        There is no such collection.
    InputError
        The suffix names no format, the rows have no data set, or a further table is not there.
    UnavailableError
        The file cannot be written.
    """
    from service.catalogue.context import open_catalogue
    from service.catalogue.published import find_collection
    from service.catalogue.selection import Selection
    from service.exports.save import save
    from service.settings import Settings

    collection = find_collection(name, open_catalogue(session, Settings().publish))
    if dataset is not None and "dataset" not in collection.filters:
        raise InputError(f"'{name}' does not say which data set its rows are of")
    selection = Selection(filters={} if dataset is None else {"dataset": dataset})
    return save(session, collection, selection, path, written=written)


def save_grids_on(session: Session, path: Path, *, at: date, dataset: str | None = None) -> Path:
    """Write the grids in force on a day, with the plan that ruled them, to a file.

    Raises
    ------
    InputError
        The suffix names no format.
    UnavailableError
        The file cannot be written.
    """
    from geodata.write import write
    from service.flows.plans import grids_on

    return write(grids_on(session, at=at, dataset=dataset), path)


def save_coverage_map(
    session: Session,
    path: Path,
    *,
    dataset: str | None = None,
    division: str | None = None,
    addresses: bool = True,
) -> Path:
    """Draw the grids in force with their teams as one HTML file; divisions where they are too many.

    Raises
    ------
    InputError
        The name does not end in .html, or there is no such division.
    PlanError
        No plan is active.
    """
    from geodata.draw import coverage_map as draw
    from geodata.draw import division_map, save_map
    from service.maps import frames

    if path.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"a map is written as .html, not as '{path.suffix}'", file=path)
    scope = frames.find_scope(session, dataset=dataset, division=division)
    if scope.grids > frames.MOST_GRIDS:
        return save_map(division_map(**frames.division_frames(session, scope)), path)
    given = frames.map_frames(session, dataset=dataset, division=division)
    return save_map(draw(**given, addresses=addresses), path)
