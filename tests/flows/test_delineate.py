"""Delineation through the database: as in memory, on any workers, and after any kill."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import shapely
from sqlalchemy import text

import geodata as gd
from geodata.delineate import digest, work
from geodata.errors import UnavailableError
from service.db.engine import Database
from service.flows import drawing, kept, plans
from service.flows.delineate import delineate
from service.settings import Settings


def kept_communities(database: Database) -> int:
    with database.session() as session:
        return session.scalar(text("SELECT count(DISTINCT community_code) FROM kept_grid"))


@pytest.fixture
def solved(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The codes of the communities that are worked on, as they are handed out."""
    codes: list[str] = []

    def counting(tasks: Any, *rest: Any, **options: Any) -> Any:
        def told() -> Iterator[Any]:
            for task in tasks:
                codes.append(task.code)
                yield task

        return work.work_off(told(), *rest, **options)

    monkeypatch.setattr(drawing, "work_off", counting)
    return codes


def test_in_pieces_as_in_memory(
    lattice: Database, assert_undisturbed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drawing, "_IDS_AT_ONCE", 700)
    monkeypatch.setattr(drawing, "_UNIT_HOUSEHOLDS", 900)
    told: list[tuple[int, int | None]] = []
    with lattice.session() as session:
        report = delineate(
            session, progress=lambda step, done, total=None: told.append((done, total))
        )
        assert_undisturbed(session)
    assert report.communities == 30
    assert told[-1] == (30, 30)
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_figures_are_those_of_the_measure(lattice: Database, lattice_manifest: Path) -> None:
    frames = gd.read_frames(gd.read_manifest(lattice_manifest))
    with lattice.session() as session:
        report = delineate(session)
        grids = plans.plan_grids(session, plan_id=report.plans[0]["id"])
    row = gd.quality.measure(
        grids, frames.communities, frames.barriers, target=30, minimum=22, maximum=38
    )
    assert report.on_barriers == pytest.approx(row["on_barriers"], abs=1e-6)
    assert report.deviation_max == row["deviation_max"]
    assert report.polsby_popper_median == pytest.approx(row["polsby_popper_median"], abs=1e-9)


def test_one_community_is_drawn_as_in_company(lattice: Database, lattice_grids: list[Any]) -> None:
    with lattice.session() as session:
        report = delineate(session, communities=["107"], activate=False)
        grids = plans.plan_grids(session, plan_id=report.plans[0]["id"])
    company = [place for place in lattice_grids if place[0].startswith("107")]
    assert grids["households"].tolist() == [households for _, households, _, _ in company]
    # alone it lacks the vertices at which the borders of its neighbours end, and nothing else
    shapes = shapely.from_wkb([shape for *_, shape in company])
    assert (shapely.hausdorff_distance(grids.geometry.to_numpy(), shapes) < 1e-8).all()


def test_a_community_that_did_not_change_is_not_saved_again(
    lattice: Database, assert_undisturbed: Any
) -> None:
    with lattice.session() as session:
        first = delineate(session)
    for codes in (["107"], ["100", "101", "129"]):
        with lattice.session() as session:
            again = delineate(session, communities=codes)
            assert again.plans[0]["id"] == first.plans[0]["id"]
            assert not again.plans[0]["new"]
            assert_undisturbed(session)


def test_worker_processes_give_the_same_bytes(lattice: Database, assert_undisturbed: Any) -> None:
    with lattice.session() as session:
        delineate(session, workers=2)
        assert_undisturbed(session)


def kill_a_worker() -> None:
    multiprocessing.active_children()[0].kill()


def test_a_killed_worker_process_is_replaced(
    lattice: Database, assert_undisturbed: Any, when: Any
) -> None:
    with lattice.session() as session:
        delineate(session, workers=2, progress=when(3, kill_a_worker))
        assert_undisturbed(session)


def test_workers_that_die_again_and_again_end_the_run_and_lose_nothing(
    lattice: Database,
    assert_undisturbed: Any,
    solved: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(drawing, "_LEAST_IN_FLIGHT", 1)

    def progress(step: str, done: int, total: int | None = None) -> None:
        if done:
            kill_a_worker()

    with (
        pytest.raises(UnavailableError, match=r"killed 4 times.*--workers"),
        lattice.session() as session,
    ):
        delineate(session, workers=2, progress=progress)
    assert kept_communities(lattice) >= 3
    left = 30 - kept_communities(lattice)
    solved.clear()
    with lattice.session() as session:
        delineate(session)
        assert_undisturbed(session)
    assert len(solved) == left


KILLED_RUN = """
import os, signal, sys
from geodata.delineate import digest, work
from service.db.engine import Database
from service.flows import kept
from service.flows.delineate import delineate
from service.settings import Settings

work._BATCH_GRIDS = 1
kept._EVERY_S = 0.0

def progress(step, done, total=None):
    if done == 12:
        os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    with Database(Settings()) as database, database.session() as session:
        delineate(session, workers=int(sys.argv[1]), progress=progress)
"""


def killed_run(settings: Settings, folder: Path, workers: int) -> None:
    """Delineate in a process that is killed when 12 of 30 communities are done."""
    assert settings.database_url is not None
    url = settings.database_url.render_as_string(hide_password=False)
    script = folder / "run.py"
    script.write_text(KILLED_RUN, "utf-8")
    ended = subprocess.run(
        [sys.executable, script, str(workers)],
        env={**os.environ, "GRIDWARD_DATABASE_URL": url},
        timeout=120,
        capture_output=True,
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_killed_run_goes_on_where_it_stopped(
    lattice: Database,
    settings: Settings,
    assert_undisturbed: Any,
    solved: list[str],
    tmp_path: Path,
    workers: int,
) -> None:
    killed_run(settings, tmp_path, workers)
    assert kept_communities(lattice) == 12
    with lattice.session() as session:
        assert session.scalar(text("SELECT count(*) FROM grid_plan")) == 0
        delineate(session)
        assert_undisturbed(session)
    assert len(solved) == 18
    assert kept_communities(lattice) == 0


def test_the_workers_of_a_killed_run_end_with_it(
    lattice: Database, settings: Settings, tmp_path: Path
) -> None:
    killed_run(settings, tmp_path, 2)
    deadline = time.monotonic() + 30
    while children := processes_of(str(tmp_path / "run.py")):
        assert time.monotonic() < deadline, children
        time.sleep(0.1)


def processes_of(script: str) -> list[str]:
    """The command lines of processes that work for a script."""
    found = subprocess.run(["ps", "axww", "-o", "args"], capture_output=True, text=True, check=True)
    return [line for line in found.stdout.splitlines() if script in line]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE household SET geometry = ST_Translate(geometry, 0.00001, 0)",
        "UPDATE household SET households = households + 1 WHERE id % 3 = 0",
        "UPDATE barrier SET weight = 2",
        "UPDATE division SET geometry = ST_Translate(geometry, 0, 0.000001) "
        "WHERE level = 'community'",
    ],
)
def test_what_was_kept_of_other_input_is_not_used(
    lattice: Database, settings: Settings, solved: list[str], tmp_path: Path, change: str
) -> None:
    killed_run(settings, tmp_path, 1)
    with lattice.session() as session:
        session.execute(text(change))
        delineate(session)
    assert len(solved) == 30


def test_what_was_kept_of_other_sizes_is_not_used(
    lattice: Database,
    settings: Settings,
    assert_undisturbed: Any,
    solved: list[str],
    tmp_path: Path,
) -> None:
    killed_run(settings, tmp_path, 1)
    with lattice.session() as session:
        delineate(session, target=40, minimum=30, maximum=50)
        delineate(session, seed=1)
    assert len(solved) == 60
    assert kept_communities(lattice) == 0


def test_another_release_draws_anew(
    lattice: Database,
    settings: Settings,
    solved: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    killed_run(settings, tmp_path, 1)
    monkeypatch.setattr(digest, "code_version", lambda: "another")
    with lattice.session() as session:
        delineate(session)
    assert len(solved) == 30


def test_a_run_that_is_over_soon_writes_nothing_on_the_way(
    lattice: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: kept.Kept) -> None:
        raise AssertionError("written")

    monkeypatch.setattr(kept.Kept, "_write", refuse)
    monkeypatch.setattr(kept, "_EVERY_S", 600.0)
    with lattice.session() as session:
        delineate(session)


def test_the_same_plan_is_not_saved_again_by_other_workers(lattice: Database) -> None:
    with lattice.session() as session:
        first = delineate(session)
    with lattice.session() as session:
        second = delineate(session, workers=2)
        assert session.scalar(text("SELECT count(*) FROM grid_plan")) == 1
    assert not second.plans[0]["new"]
    assert second.plans[0]["id"] == first.plans[0]["id"]
