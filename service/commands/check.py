"""``gridward check``: faults of a polygon coverage, from a file or a plan."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from geodata.errors import InputError, UnreadableFile
from service.commands.console import print_json, print_table, say
from service.commands.options import Json
from service.commands.sessions import open_session

if TYPE_CHECKING:
    import geopandas as gpd

__all__ = ["check"]


def check(
    file: Annotated[
        Path | None, typer.Argument(help="Polygons in any vector format.", show_default=False)
    ] = None,
    plan: Annotated[int | None, typer.Option(metavar="ID", help="A plan instead.")] = None,
    layer: Annotated[str | None, typer.Option(help="Layer of a file that holds several.")] = None,
    code: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Column of a file that names the polygons.")
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with status 1 where there are faults.")
    ] = False,
    json: Json = False,
) -> None:
    """Report gaps, overlaps, invalid rings and strays of a coverage, each with its place."""
    if (file is None) == (plan is None):
        raise typer.BadParameter("name a FILE or give --plan ID", param_hint="FILE")
    faults = _faults_of_file(file, layer, code) if file is not None else _faults_of_plan(plan or 0)
    rows = [_row(fault) for fault in faults.itertuples()]
    if json:
        print_json({"faults": rows, "counts": _counts(rows)})
    elif rows:
        print_table(
            f"{len(rows):,} faults",
            ("kind", "codes", "area m2", "lon", "lat", "detail"),
            (
                (
                    row["kind"],
                    ", ".join(row["codes"]),
                    row["area_m2"],
                    *map(str, row["at"]),
                )
                for row in rows
            ),
        )
    else:
        say("no fault")
    if strict and rows:
        raise typer.Exit(1)


def _faults_of_file(file: Path, layer: str | None, code: str | None) -> gpd.GeoDataFrame:
    import geopandas as gpd

    from geodata.coverage import check as find_faults
    from geodata.manifest import BarrierSource
    from geodata.read import whole

    if not file.exists():
        raise UnreadableFile("there is no such file", file=file)
    batch = whole(BarrierSource(table="check", file=file, layer=layer))
    polygons = gpd.GeoDataFrame(batch.table.to_pandas(), geometry=batch.geometry, crs=batch.crs)
    if code is not None:
        if code not in polygons.columns:
            raise InputError("there is no such column", file=file, field=code)
        polygons = polygons.assign(grid_code=polygons[code])
    return find_faults(polygons)


def _faults_of_plan(plan_id: int) -> gpd.GeoDataFrame:
    from service.flows import plans

    with open_session() as session:
        return plans.faults(session, plan_id=plan_id)


def _row(fault: Any) -> dict[str, Any]:
    place = fault.geometry.representative_point() if fault.geometry is not None else None
    return {
        "kind": fault.kind,
        "codes": [str(code) for code in fault.codes],
        "area_m2": float(fault.area_m2),
        "detail": fault.detail,
        "at": [round(place.x, 7), round(place.y, 7)] if place is not None else [None, None],
    }


def _counts(rows: list[dict[str, Any]]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for row in rows:
        counts[row["kind"]] = counts.get(row["kind"], 0) + 1
    return counts
