"""``gridward check``: faults of a polygon coverage, and the quality of a plan."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from geodata.errors import InputError
from geodata.schema import STORAGE_CRS
from service.commands.console import print_json, print_table, say
from service.commands.files import read_layer, read_vector
from service.commands.options import Json
from service.commands.sessions import open_session

if TYPE_CHECKING:
    import geopandas as gpd

    from service.flows.plan_quality import PlanFrames

__all__ = ["check", "fault_rows", "show_faults"]


def check(
    file: Annotated[
        Path | None, typer.Argument(help="Polygons in any vector format.", show_default=False)
    ] = None,
    plan: Annotated[int | None, typer.Option(metavar="ID", help="A plan instead.")] = None,
    layer: Annotated[str | None, typer.Option(help="Layer of a file that holds several.")] = None,
    code: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Column of a file that names the polygons.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option(help="Write the quality report of the plan as a page.")
    ] = None,
    yardstick: Annotated[
        str | None,
        typer.Option(metavar="FILE[:LAYER]", help="Other polygons to compare the plan with."),
    ] = None,
    before: Annotated[
        int | None,
        typer.Option(metavar="ID", help="The plan to compare with (default: the one before)."),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with status 1 where there are faults.")
    ] = False,
    json: Json = False,
) -> None:
    """Report faults of a coverage, each with its place; of a plan also the quality."""
    if (file is None) == (plan is None):
        raise typer.BadParameter("name a FILE or give --plan ID", param_hint="FILE")
    if plan is None and (html or yardstick or before is not None):
        raise typer.BadParameter(
            "--html, --yardstick and --before go with --plan ID", param_hint="FILE"
        )
    report: dict[str, Any] = {}
    if plan is not None:
        faults, report = _judge_plan(plan, before, yardstick, html)
    elif file is not None:
        faults = _faults_of_file(file, layer, code)
    rows = fault_rows(faults)
    if json:
        print_json({"faults": rows, "counts": _counts(rows), **_plain(report)})
    else:
        _show(rows, report)
    if strict and rows:
        raise typer.Exit(1)


def _show(rows: list[dict[str, Any]], report: Mapping[str, Any]) -> None:
    if "quality" in report:
        from geodata.report import compared

        sets = report["quality"]
        print_table(
            "Quality",
            ("figure", *sets),
            ((row.name, *(cell.text for cell in row.cells)) for row in compared([*sets.values()])),
        )
    show_faults(rows)
    if "html" in report:
        say(f"{report['html']} written")


def fault_rows(faults: gpd.GeoDataFrame) -> list[dict[str, Any]]:
    """Faults as JSON: kind, codes, area_m2, detail, and a place in longitude and latitude."""
    if faults.crs is not None:
        faults = faults.to_crs(STORAGE_CRS)
    return [_row(fault) for fault in faults.itertuples()]


def show_faults(rows: list[dict[str, Any]], most: int | None = None) -> None:
    """List faults in a table, the largest first, or say that there is none."""
    if not rows:
        say("no fault")
        return
    ordered = sorted(rows, key=lambda row: -row["area_m2"])[:most]
    left = len(rows) - len(ordered)
    print_table(
        ("1 fault" if len(rows) == 1 else f"{len(rows):,} faults")
        + (f", the {most} largest" if left else ""),
        ("kind", "codes", "area m2", "detail", "lon", "lat"),
        (
            (
                row["kind"],
                ", ".join(row["codes"]),
                row["area_m2"],
                row["detail"],
                *("" if value is None else f"{value:.7f}" for value in row["at"]),
            )
            for row in ordered
        ),
    )


def _faults_of_file(file: Path, layer: str | None, code: str | None) -> gpd.GeoDataFrame:
    from geodata.coverage import check as find_faults
    from geodata.coverage.faults import code_column
    from geodata.manifest import nearest

    polygons = read_vector(file, layer)
    if code is not None:
        if code not in polygons.columns:
            known = nearest(code, [str(name) for name in polygons.columns if name != "geometry"])
            raise InputError(f"there is no such column: {known}", file=file, field=code)
        polygons = polygons.assign(grid_code=polygons[code])
    else:
        try:
            code_column(polygons)
        except InputError:
            polygons = polygons.assign(grid_code=[f"row {n + 1}" for n in range(len(polygons))])
    return find_faults(polygons)


def _judge_plan(
    plan_id: int, before: int | None, yardstick: str | None, html: Path | None
) -> tuple[gpd.GeoDataFrame, dict[str, Any]]:
    """The faults of a plan; its figures, beside those it is compared with; the page, if wanted."""
    from service.flows import plans
    from service.flows.plan_quality import plan_frames

    if html is not None and html.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"a report is written as .html, not as '{html.suffix}'", file=html)
    polygons, name = read_layer(yardstick) if yardstick else (None, "")
    with open_session() as session:
        faults = plans.faults(session, plan_id=plan_id)
        frames = plan_frames(session, plan_id=plan_id, before=before)
    report: dict[str, Any] = {"quality": _figures(frames, polygons, name)}
    if html is not None:
        report["html"] = str(_write_report(frames, polygons, name, html))
    return faults, report


def _figures(
    frames: PlanFrames, yardstick: gpd.GeoDataFrame | None, name: str
) -> dict[str, dict[str, Any]]:
    from geodata.report import Sizes, as_yardstick, held_by, set_figures

    sizes = Sizes(**frames.sizes)
    common = (frames.communities, frames.barriers, sizes)
    found = {f"plan {frames.plan_id}": set_figures(frames.grids, *common)}
    if frames.before is not None:
        found[f"plan {frames.before_id}"] = set_figures(
            frames.before, held_by(frames.communities, frames.before), frames.barriers, sizes
        )
    if yardstick is not None:
        other, _ = as_yardstick(yardstick, frames.communities, frames.households)
        found[name] = set_figures(other, *common, one_area=True)
    return found


def _write_report(
    frames: PlanFrames, yardstick: gpd.GeoDataFrame | None, name: str, path: Path
) -> Path:
    from geodata.report import quality_report
    from geodata.write.pages import write_page

    page = quality_report(
        frames.grids,
        frames.communities,
        frames.barriers,
        yardstick=yardstick,
        before=frames.before,
        households=frames.households,
        **frames.sizes,
        title=f"{frames.name}: quality of plan {frames.plan_id}",
        yardstick_name=name,
        before_name=f"Plan {frames.before_id}",
    )
    return write_page(page, path)


def _plain(value: Any) -> Any:
    """Figures as JSON has them: plain numbers, null for what is not measured."""
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value


def _row(fault: Any) -> dict[str, Any]:
    there = fault.geometry is not None and not fault.geometry.is_empty
    place = fault.geometry.representative_point() if there else None
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
