"""``gridward plan import``: a plan drawn by hand as a draft, with its faults."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from geodata.schema import FIT_TOLERANCE_M
from service.commands.check import fault_rows, show_faults
from service.commands.console import figures, print_json, say, warn
from service.commands.options import Dataset, Json
from service.commands.sessions import open_session

__all__ = ["import_plan"]

#: Faults that are listed; all of them are in --faults and --json.
_SHOWN = 20


def import_plan(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Polygons in any vector format.")],
    name: Annotated[
        str | None, typer.Option(help="Name of the plan (default: that of the file).")
    ] = None,
    layer: Annotated[str | None, typer.Option(help="Layer of a file that holds several.")] = None,
    community_column: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Codes of communities (default: the one that holds most of a polygon).",
        ),
    ] = None,
    code_column: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="What faults call a polygon (default: its row)."),
    ] = None,
    dataset: Dataset = None,
    crs: Annotated[
        str | None,
        typer.Option(
            metavar="CRS",
            help="What the file is in, as EPSG:4547, gcj02 or bd09 (default: what it says itself).",
        ),
    ] = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="Repair invalid and overlapping polygons, and tell.")
    ] = False,
    fit: Annotated[
        float,
        typer.Option(
            metavar="METRES",
            min=0,
            help="Close gaps, overlaps and strays up to this width, and tell (0: leave them).",
        ),
    ] = FIT_TOLERANCE_M,
    moved: Annotated[
        Path | None, typer.Option(help="Write what was moved to fit there, as .geojson.")
    ] = None,
    faults: Annotated[
        Path | None, typer.Option(help="Write each fault with its place there, as .geojson.")
    ] = None,
    json: Json = False,
) -> None:
    """Save a plan drawn by hand as a draft, and list its faults."""
    from geodata.write import write
    from service.flows.import_plan import import_plan as take_in

    with open_session() as session:
        imported = take_in(
            session,
            file=file,
            name=name,
            layer=layer,
            code_column=code_column,
            community_column=community_column,
            dataset=dataset,
            crs=crs,
            repaired=repair,
            tolerance_m=fit,
        )
    for frame, path in ((imported.faults, faults), (imported.fitted.adjustments, moved)):
        if path is not None:
            write(frame, path)
    places = fault_rows(imported.faults)
    told = imported.as_dict()
    warn(imported.warnings)
    if json:
        print_json({**told, "fault_places": places})
    else:
        figures(f"Import of {file.name}", told)
        show_faults(places, most=_SHOWN)
    if imported.plan_id is None:
        say("no draft: what is invalid, shares a code or lies in no community cannot be a grid")
        raise typer.Exit(1)
    if len(imported.faults) and not json:
        say(
            f"plan {imported.plan_id} cannot be validated before its faults are mended: draw these "
            "places again, or allow for more with --fit"
        )
