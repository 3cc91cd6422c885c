"""``gridward sample``: a synthetic data set."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from service.commands.console import figures, print_json, progress_bar, say
from service.commands.options import Json

__all__ = ["sample"]


class Kind(StrEnum):
    """How much land the sample spans."""

    TOWN = "town"
    CITY = "city"
    PROVINCE = "province"


class Form(StrEnum):
    """Households as CSV and layers as GeoJSON, or all as GeoParquet."""

    CSV = "csv"
    GEOPARQUET = "geoparquet"


def sample(
    kind: Annotated[Kind, typer.Argument(help="How much land it spans.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder to write.")],
    households: Annotated[
        int | None, typer.Option(min=1, help="How many; the bad rows come on top.")
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed writes the same files.")] = 0,
    form: Annotated[
        Form | None, typer.Option("--format", help="By default csv, and geoparquet for a province.")
    ] = None,
    json: Json = False,
) -> None:
    """Write a synthetic town, city or province with its dataset.toml."""
    from geodata.sample import write_sample

    with progress_bar() as progress:
        report = write_sample(
            kind.value,
            out,
            households=households,
            seed=seed,
            format=form.value if form else None,
            progress=lambda done, total: progress("writing", done, total),
        )
    if json:
        print_json(report)
    else:
        paths = report.pop("paths")
        figures(f"A sample {kind.value}", report)
        say(f"Load it with: gridward run {paths['manifest']}")
