"""``gridward rebalance``, ``plan diff``, ``plan split`` and ``plan merge``: plans that change."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.commands.console import figures, print_json, print_table, progress_bar, say
from service.commands.options import Communities, Dataset, Json
from service.commands.sessions import open_session

if TYPE_CHECKING:
    from service.flows.change import Keep

__all__ = ["diff", "merge", "rebalance", "split"]

Draft = Annotated[bool, typer.Option("--draft", help="Keep the new plan as a draft.")]
Apply = Annotated[
    bool, typer.Option("--apply", help="Switch to it today and assign the households again.")
]
_FIGURES = (
    "grids_before",
    "grids",
    "households_moved",
    "out_of_range_before",
    "out_of_range",
    "kinds",
    "posts_required",
    "plan",
)
_SIDES = ("grid_code", "households_before", "households", "deviation", "in_range", "compactness")


def rebalance(
    community: Communities = None,
    dataset: Dataset = None,
    draft: Draft = False,
    preview: Annotated[bool, typer.Option("--preview", help="Show it and keep nothing.")] = False,
    seed: Annotated[int, typer.Option(help="Seed of the search.")] = 0,
    json: Json = False,
) -> None:
    """Bring grids that households overloaded or left back into range, moving few."""
    from service.flows.change import rebalance as bring_back

    with progress_bar() as progress, open_session() as session:
        reports = bring_back(
            session,
            dataset=dataset,
            communities=community,
            keep=_keep(draft=draft, apply=not preview),
            seed=seed,
            progress=progress,
        )
        told = [report.as_dict() for report in reports]
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
    apply: Apply = False,
    draft: Draft = False,
    seed: Annotated[int, typer.Option(help="Seed of the search.")] = 0,
    json: Json = False,
) -> None:
    """Split a grid: a preview, unless --apply or --draft is given."""
    from service.flows.change import split as part

    with open_session() as session:
        keep = _keep(draft=draft, apply=apply)
        told = part(session, code=code, parts=parts, keep=keep, seed=seed).as_dict()
    _tell(f"{code} split", told, json)


def merge(
    codes: Annotated[list[str], typer.Argument(metavar="CODE CODE...", help="Grids to merge.")],
    apply: Apply = False,
    draft: Draft = False,
    json: Json = False,
) -> None:
    """Merge grids that hang together: a preview, unless --apply or --draft is given."""
    from service.flows.change import merge as unite

    with open_session() as session:
        told = unite(session, codes=codes, keep=_keep(draft=draft, apply=apply)).as_dict()
    _tell(f"{', '.join(codes)} merged", told, json)


def diff(
    first: Annotated[int, typer.Argument(metavar="A", help="The plan before.")],
    second: Annotated[int, typer.Argument(metavar="B", help="The plan after.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write the look-up old -> new there.")
    ] = None,
    moves: Annotated[
        Path | None, typer.Option("--moves", help="Write the households that move there.")
    ] = None,
    json: Json = False,
) -> None:
    """Compare two plans: which grid comes from which, and which households move."""
    from geodata.write import write
    from service.flows import differences

    with open_session() as session:
        found = differences.diff(session, first=first, second=second)
    if out is not None:
        write(found.lookup, out)
    if moves is not None:
        write(found.moves, moves)
    told = found.as_dict()
    if json:
        print_json(told)
    else:
        _show(f"Plan {first} to plan {second}", told)
    for path in (out, moves):
        if path is not None and not json:
            say(f"{path} written")


def _keep(*, draft: bool, apply: bool) -> Keep:
    if draft:
        return "draft"
    return "active" if apply else "preview"


def _tell(title: str, told: dict[str, Any], json: bool) -> None:
    if json:
        print_json(told)
        return
    _show(title, told)
    if told["plan"] is None:
        say("a preview: --apply switches to it, --draft keeps it as a draft")


def _show(title: str, told: dict[str, Any]) -> None:
    figures(title, {name: told[name] for name in _FIGURES if told.get(name) is not None})
    changed = [row for row in told["lookup"] if row["kind"] != "U"]
    if changed:
        columns = ("old_code", "new_code", "kind", "households_moved")
        print_table("Look-up", columns, ([row[name] for name in columns] for row in changed))
    if told["sides"]:
        print_table(
            "Grids that change",
            (*_SIDES, "posts"),
            ([*(row[name] for name in _SIDES), _posts(row)] for row in told["sides"]),
        )


def _posts(side: dict[str, Any]) -> str:
    return ", ".join(f"{count} {role}" for role, count in sorted(side.get("posts", {}).items()))
