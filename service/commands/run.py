"""``gridward run``: the whole way, from files to the map."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from service.commands.assign import show_assign
from service.commands.console import ProgressCallback, print_json, print_table, progress_bar
from service.commands.delineate import show_delineate
from service.commands.export import save_collection, save_coverage_map
from service.commands.load import Prune, show_load
from service.commands.options import Json, Manifest, Scheduler, Workers
from service.commands.sessions import open_database
from service.commands.staff import show_staff

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

__all__ = ["run"]

#: name -> file, in the order of writing
_OUTPUTS: Final = {
    "grids": "grids.geojson",
    "households": "households.geojson",
    "assignments": "assignments.csv",
    "members": "members.geojson",
    "posts": "posts.csv",
    "vacancies": "vacancies.csv",
    "coverage": "coverage.csv",
    "divisions": "divisions.geojson",
}


def run(
    manifest: Manifest,
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder of the results.")] = Path(
        "out"
    ),
    prune: Prune = False,
    seed: Annotated[int, typer.Option(help="Seed of the search for grids.")] = 0,
    workers: Workers = None,
    scheduler: Scheduler = None,
    json: Json = False,
) -> None:
    """Load, delineate, assign and staff a data set; write the map and the tables."""
    report: dict[str, Any] = {}
    with progress_bar() as progress, open_database() as database:
        # here, and not above: --help needs none of it
        from service.flows.assign import assign
        from service.flows.delineate import delineate
        from service.flows.load import load_dataset
        from service.flows.staff import staff
        from service.flows.workers import find_workers

        loaded = load_dataset(
            database.session,
            manifest,
            rejects=out / "rejects.csv",
            prune=prune,
            progress=progress,
        )
        report["load"] = loaded.as_dict()
        name = loaded.dataset
        with database.session() as session:
            report["delineate"] = delineate(
                session,
                dataset=name,
                seed=seed,
                workers=workers,
                scheduler=scheduler,
                progress=progress,
            ).as_dict()
        with find_workers(1, scheduler=scheduler) as elsewhere:
            for step, flow in (("assign", assign), ("staff", staff)):
                with database.session() as session:
                    report[step] = flow(
                        session, dataset=name, executor=elsewhere.executor, progress=progress
                    ).as_dict()
        began = perf_counter()
        with database.session() as session:
            outputs = _write(session, out, name, progress)
        report["outputs"] = {**outputs, "rejects": report["load"]["rejects"]}
    if json:
        print_json(report)
        return
    show_load(report["load"])
    show_delineate(report["delineate"])
    show_assign(report["assign"])
    show_staff(report["staff"])
    print_table(
        f"Written in {perf_counter() - began:.1f} s",
        ("what", "file"),
        report["outputs"].items(),
    )


def _write(session: Session, out: Path, dataset: str, progress: ProgressCallback) -> dict[str, str]:
    """Write every file, each with a bar of its own; name -> path."""
    written = {}
    for name, file in _OUTPUTS.items():
        rows = 0

        def add(more: int, step: str = f"write {file}") -> None:
            nonlocal rows
            rows += more
            progress(step, rows, None)

        written[name] = str(
            save_collection(session, name, out / file, dataset=dataset, written=add)
        )
        progress(f"write {file}", rows, rows)
    progress("draw coverage.html", 0, 1)
    written["map"] = str(save_coverage_map(session, out / "coverage.html", dataset=dataset))
    progress("draw coverage.html", 1, 1)
    return written
