"""``gridward load``: files into PostGIS."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from service.commands.console import print_json, print_table, progress_bar, warn
from service.commands.options import Json, Manifest
from service.commands.sessions import open_session

__all__ = ["load", "show_load"]

Prune = Annotated[
    bool, typer.Option(help="Remove rows that a changed file no longer holds (else: kept).")
]


def load(
    manifest: Manifest,
    rejects: Annotated[
        Path, typer.Option(help="CSV report of the rejected rows.", metavar="FILE")
    ] = Path("rejects.csv"),
    prune: Prune = False,
    json: Json = False,
) -> None:
    """Load the files of a data set; bad rows are rejected with their reason."""
    from service.flows.load import load_dataset

    with progress_bar() as progress:
        report = load_dataset(
            open_session, manifest, rejects=rejects, prune=prune, progress=progress
        ).as_dict()
    if json:
        print_json(report)
    else:
        show_load(report)


def show_load(report: dict[str, Any]) -> None:
    """Write a load report as a table, and its warnings."""
    print_table(
        f"Loaded {report['dataset']} in {report['seconds']:.1f} s",
        ("source", "file", "rows", "loaded", "rejected", "state"),
        (
            (row["source"], row["file"], row["rows"], row["loaded"], row["rejected"], row["state"])
            for row in report["files"]
        ),
    )
    warn(report["warnings"])
