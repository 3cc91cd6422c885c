"""``gridward sample``: a synthetic data set."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from service.commands.console import print_json, progress_bar, say
from service.commands.options import Json

__all__ = ["sample"]


class Kind(StrEnum):
    """How much land the sample spans."""

    TOWN = "town"
    CITY = "city"
    PROVINCE = "province"


def sample(
    kind: Annotated[Kind, typer.Argument(help="How much land it spans.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder to write.")],
    households: Annotated[int | None, typer.Option(min=1, help="About how many.")] = None,
    seed: Annotated[int, typer.Option(help="The same seed writes the same files.")] = 0,
    json: Json = False,
) -> None:
    """Write a synthetic town, city or province with its dataset.toml."""
    from geodata.sample import write_sample

    with progress_bar() as progress:
        manifest = write_sample(
            kind.value,
            out,
            households=households,
            seed=seed,
            progress=lambda done, total: progress("writing", done, total),
        )
    if json:
        print_json({"manifest": str(manifest)})
    else:
        say(f"{manifest} written; load it with: gridward run {manifest}")
