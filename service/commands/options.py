"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["Communities", "Dataset", "Json", "Manifest", "Output", "Scheduler", "Workers"]

Manifest = Annotated[
    Path, typer.Argument(metavar="DATASET.TOML", help="The manifest that describes the files.")
]
Dataset = Annotated[
    str | None, typer.Option("--dataset", metavar="NAME", help="Only this data set.")
]
Communities = Annotated[
    list[str] | None,
    typer.Option("--community", metavar="CODE", help="Only this community; may be repeated."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
Output = Annotated[Path, typer.Option("--out", "-o", help="The file to write.")]
Workers = Annotated[
    int | None,
    typer.Option(min=1, help="Processes that share the work (default: one a core)."),
]
Scheduler = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        help="A Dask scheduler (tcp://host:8786) whose workers do the work instead.",
    ),
]
