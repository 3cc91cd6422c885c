"""``gridward rebalance``, ``plan diff``, ``plan split`` and ``plan merge``: plans that change."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from geodata.errors import InputError
from geodata.schema import STORAGE_CRS
from service.commands.console import figures, print_json, print_table, progress_bar, say
from service.commands.files import read_layer
from service.commands.options import Communities, Dataset, Json
from service.commands.sessions import open_session

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from shapely import LineString
    from sqlalchemy.orm import Session

    from service.flows.change import ChangeReport, Keep
    from service.flows.differences import Difference

__all__ = ["diff", "merge", "rebalance", "split"]

Draft = Annotated[bool, typer.Option("--draft", help="Keep the new plan as a draft.")]
Apply = Annotated[
    bool, typer.Option("--apply", help="Switch to it today and assign the households again.")
]
On = Annotated[
    datetime | None,
    typer.Option(formats=["%Y-%m-%d"], help="The day of the switch (default: today)."),
]
Lookup = Annotated[
    Path | None, typer.Option("--out", "-o", help="Write the look-up old -> new there.")
]
Moves = Annotated[
    Path | None, typer.Option("--moves", help="Write the households that move there, as .csv.")
]
Drawing = Annotated[
    Path | None, typer.Option("--map", help="Draw before and after there, as .html.")
]
_KINDS = {"U": "unchanged", "S": "split", "M": "merged", "X": "irregular"}


def rebalance(
    community: Communities = None,
    dataset: Dataset = None,
    draft: Draft = False,
    preview: Annotated[bool, typer.Option("--preview", help="Show it and keep nothing.")] = False,
    on: On = None,
    seed: Annotated[int, typer.Option(help="Seed of the search.")] = 0,
    out: Lookup = None,
    moves: Moves = None,
    drawing: Drawing = None,
    json: Json = False,
) -> None:
    """Bring grids that households overloaded or left back into range, moving few."""
    from service.flows.change import rebalance as bring_back

    keep = _keep(draft=draft, apply=not preview, both=draft and preview)
    with progress_bar() as progress, open_session() as session:
        reports = bring_back(
            session,
            dataset=dataset,
            communities=community,
            keep=keep,
            on=_day(on, keep),
            seed=seed,
            progress=progress,
        )
        told = [report.as_dict() for report in reports]
        _draw(session, reports, "rebalanced", keep, drawing)
    _write(reports, out, moves, json)
    if json:
        print_json({"datasets": told})
        return
    for each in told:
        if not each["changed"]:
            say(f"{each['dataset']}: nothing to do, no grid can be brought nearer to its range")
        else:
            _show(f"{each['dataset']} rebalanced", each)


def split(
    code: Annotated[str, typer.Argument(metavar="CODE", help="The grid to split.")],
    parts: Annotated[int, typer.Option(min=2, help="Into how many, of about equal load.")] = 2,
    along: Annotated[
        str | None,
        typer.Option(metavar="FILE[:LAYER]", help="In two along the one line in this file."),
    ] = None,
    apply: Apply = False,
    draft: Draft = False,
    on: On = None,
    seed: Annotated[int, typer.Option(help="Seed of the search.")] = 0,
    out: Lookup = None,
    moves: Moves = None,
    drawing: Drawing = None,
    json: Json = False,
) -> None:
    """Split a grid: a preview, unless --apply or --draft is given."""
    from service.flows.change import split as part

    keep = _keep(draft=draft, apply=apply, both=draft and apply)
    line = None if along is None else _read_line(along)
    with open_session() as session:
        report = part(
            session,
            code=code,
            parts=parts,
            along=line,
            keep=keep,
            on=_day(on, keep),
            seed=seed,
        )
        _draw(session, [report], f"{code} split", keep, drawing)
    _tell(f"{code} split", report, out, moves, json)


def merge(
    codes: Annotated[list[str], typer.Argument(metavar="CODE CODE...", help="Grids to merge.")],
    apply: Apply = False,
    draft: Draft = False,
    on: On = None,
    out: Lookup = None,
    moves: Moves = None,
    drawing: Drawing = None,
    json: Json = False,
) -> None:
    """Merge grids that hang together: a preview, unless --apply or --draft is given."""
    from service.flows.change import merge as unite

    keep = _keep(draft=draft, apply=apply, both=draft and apply)
    with open_session() as session:
        report = unite(session, codes=codes, keep=keep, on=_day(on, keep))
        _draw(session, [report], f"{', '.join(codes)} merged", keep, drawing)
    _tell(f"{', '.join(codes)} merged", report, out, moves, json)


def diff(
    first: Annotated[int, typer.Argument(metavar="A", help="The plan before.")],
    second: Annotated[int, typer.Argument(metavar="B", help="The plan after.")],
    out: Lookup = None,
    moves: Moves = None,
    json: Json = False,
) -> None:
    """Compare two plans: which grid comes from which, and which households move."""
    from service.flows import differences

    with open_session() as session:
        found = differences.diff(session, first=first, second=second)
    told = found.as_dict()
    _write_frames([found], out, moves, json)
    if json:
        print_json(told)
    else:
        _show(f"Plan {first} to plan {second}", told)


def _read_line(words: str) -> LineString:
    """The one line that FILE or FILE:LAYER holds, in longitude and latitude."""
    import shapely

    frame, name = read_layer(words)
    line = shapely.line_merge(shapely.union_all(frame.to_crs(STORAGE_CRS).geometry.to_numpy()))
    if not isinstance(line, shapely.LineString) or line.is_empty:
        raise InputError(f"'{name}' must hold one line, which cuts the grid once across")
    return line


def _keep(*, draft: bool, apply: bool, both: bool) -> Keep:
    if both:
        raise typer.BadParameter("give one of them, not both", param_hint="--draft")
    if draft:
        return "draft"
    return "active" if apply else "preview"


def _day(on: datetime | None, keep: Keep) -> date | None:
    if on is None:
        return None
    if keep != "active":
        raise typer.BadParameter("a day goes with a switch (--apply)", param_hint="--on")
    return on.date()


def _draw(
    session: Session, reports: Sequence[ChangeReport], act: str, keep: Keep, path: Path | None
) -> None:
    """Before and after on one map, for a preview as well."""
    if path is None:
        return
    from geodata.draw import comparison_map, save_map
    from service.flows.plan_quality import changed_frames

    if path.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"a map is written as .html, not as '{path.suffix}'", file=path)
    changed = [report for report in reports if report.difference is not None] or reports[:1]
    if len(changed) > 1:
        raise InputError("several data sets change: --dataset says which one to draw", file=path)
    title = f"{changed[0].dataset}: {act}{' (preview)' if keep == 'preview' else ''}"
    frames = changed_frames(session, changed[0])
    save_map(comparison_map(**frames, title=title), path)
    say(f"{path} written")


def _tell(
    title: str, report: ChangeReport, out: Path | None, moves: Path | None, json: bool
) -> None:
    told = report.as_dict()
    _write([report], out, moves, json)
    if json:
        print_json(told)
        return
    _show(title, told)
    if told["plan"] is None:
        say("a preview: --apply switches to it, --draft keeps it as a draft")


def _write(
    reports: Sequence[ChangeReport], out: Path | None, moves: Path | None, json: bool
) -> None:
    found = [report.difference for report in reports if report.difference is not None]
    _write_frames(found, out, moves, json)


def _write_frames(
    found: Sequence[Difference], out: Path | None, moves: Path | None, json: bool
) -> None:
    """The look-up and the households that move, as files; where nothing changes there is none."""
    import pandas as pd

    from geodata.write import write

    if not found:
        return
    for path, name in ((out, "lookup"), (moves, "moves")):
        if path is not None:
            write(pd.concat([getattr(each, name) for each in found], ignore_index=True), path)
            if not json:
                say(f"{path} written")


def _show(title: str, told: dict[str, Any]) -> None:
    figures(title, dict(_figures(told)))
    changed = [row for row in told["lookup"] if row["kind"] != "U"]
    if changed:
        print_table(
            "Look-up",
            ("old", "new", "kind", "households moved"),
            (
                (row["old_code"], row["new_code"], _KINDS[row["kind"]], row["households_moved"])
                for row in changed
            ),
        )
    if told["sides"]:
        needs = told.get("posts_required")
        columns = ["grid", "before", "households", "from target", "in range", "compactness"]
        print_table(
            "Grids that change",
            [*columns, *(["posts"] if needs else [])],
            ([*_side(row), *([_posts(row, needs)] if needs else [])] for row in told["sides"]),
        )


def _figures(told: dict[str, Any]) -> Iterator[tuple[str, object]]:
    yield "grids", _from_to(told["grids_before"], told["grids"])
    yield "households", told["households"]
    yield "households that move", told["households_moved"]
    out = (told["out_of_range_before"], told["out_of_range"])
    yield "households out of range", _from_to(*(round(each) for each in out))
    kinds = [f"{_KINDS[kind]} {count:,}" for kind, count in told["kinds"].items() if count]
    yield "look-up", ", ".join(kinds)
    if told.get("posts_required"):
        yield "posts that a grid needs", sum(told["posts_required"].values())
    if told.get("posts_ended"):
        yield "posts that end", told["posts_ended"]
    plan = told.get("plan")
    if plan is not None:
        since = f", from {plan['effective_from']}" if "effective_from" in plan else ""
        yield "plan", f"{plan['id']}, {plan['state']}{since}"


def _from_to(before: int, after: int) -> str:
    return f"{before:,}" if before == after else f"{before:,} -> {after:,}"


def _side(row: dict[str, Any]) -> tuple[object, ...]:
    before, after = row["compactness_before"], row["compactness"]
    return (
        row["grid_code"],
        None if row["households_before"] is None else int(row["households_before"]),
        row["households"],
        f"{100 * row['deviation']:+.0f} %",
        row["in_range"],
        f"{after:.2f}" if before is None else f"{before:.2f} -> {after:.2f}",
    )


def _posts(side: dict[str, Any], needs: dict[str, int]) -> str:
    """How many posts are held of those that are needed, and which are not."""
    held = side["posts"]
    short = {role: posts - held.get(role, 0) for role, posts in needs.items()}
    lacking = [
        role.replace("_", " ") if missing == 1 else f"{missing} {role.replace('_', ' ')}"
        for role, missing in short.items()
        if missing > 0
    ]
    said = f"{sum(held.values())} of {sum(needs.values())}"
    return f"{said}, lacks {', '.join(lacking)}" if lacking else said
