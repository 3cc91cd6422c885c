"""``gridward plan compare``: two plans on one map."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from geodata.errors import InputError
from service.commands.console import print_json, say
from service.commands.options import Json, Output
from service.commands.sessions import open_session

__all__ = ["compare"]


def compare(
    before: Annotated[int, typer.Argument(metavar="BEFORE", help="Number of a plan.")],
    after: Annotated[int, typer.Argument(metavar="AFTER", help="Number of another plan.")],
    out: Output = Path("comparison.html"),
    json: Json = False,
) -> None:
    """Draw two plans on one map: before, after, and the households that move."""
    from geodata.draw import comparison_map, save_map
    from service.flows.plan_quality import compared_frames

    if out.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"a map is written as .html, not as '{out.suffix}'", file=out)
    with open_session() as session:
        frames = compared_frames(session, before=before, after=after)
    drawn = comparison_map(**frames)
    path = save_map(drawn, out)
    if json:
        print_json({"map": str(path), "households_moved": drawn.meta["moving"]})
    else:
        say(f"{path} written: {drawn.meta['moving']:,} households move")
