"""Assignment and staffing on a Dask scheduler: real processes on loopback, one killed half way."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import Executor, Future
from pathlib import Path
from threading import Timer
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import shapely
from sqlalchemy import text
from sqlalchemy.orm import Session

from service.db.engine import Database
from service.flows.assign import assign
from service.flows.delineate import delineate
from service.flows.staff import staff
from service.flows.workers import find_workers
from service.settings import Settings

COMMAND = "import sys; from service.cli import main; sys.argv = ['gridward', *sys.argv[1:]]; main()"

LEDGER = "SELECT household_id, grid_id, method, distance_m, reason FROM assignment ORDER BY 1"
LOADS = "SELECT grid_id, records, households FROM coverage ORDER BY 1"
POSTS = "SELECT member_id, grid_id, role FROM post WHERE valid_to IS NULL ORDER BY 1, 2, 3"
VACANCIES = "SELECT grid_code, role, missing, reason FROM vacancy ORDER BY 1, 2"


def rows(session: Session, statement: str) -> list[Any]:
    return [tuple(row) for row in session.execute(text(statement))]


class Acting(Executor):
    """Hands calls on, and acts once when so many of them are done."""

    def __init__(self, executor: Executor, after: int, act: Callable[[], None]) -> None:
        self.done = self.out = 0
        self._executor, self._after, self._act = executor, after, act

    def submit(self, function: Any, /, *arguments: Any, **named: Any) -> Future[Any]:
        future = self._executor.submit(function, *arguments, **named)
        self.out += 1
        future.add_done_callback(self._count)
        return future

    def _count(self, future: Future[Any]) -> None:
        self.done += 1
        if self.done == self._after:
            self._act()


@pytest.fixture
def drawn(lattice: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """The lattice with grids in force, in pages and pieces of a few households, and in counties."""
    monkeypatch.setattr("service.flows.pages._PAGE_ROWS", 97)
    monkeypatch.setattr("service.flows.pieces._PAGES_TOGETHER", 8)
    monkeypatch.setattr("service.flows.pieces._PIECE_ROWS", 60)
    monkeypatch.setattr("service.flows.assign._FEWEST_BESIDE", 0)
    with lattice.session() as session:
        for statement in (
            "INSERT INTO division (code, dataset_id, name, level, geometry) "
            "SELECT 'C' || column_, 1, 'County', 'county', ST_Multi(ST_Union(geometry)) "
            "FROM (SELECT geometry, floor(ST_XMin(geometry) / 0.004 + 0.5) AS column_ "
            "FROM division) AS place GROUP BY column_",
            "UPDATE division SET parent_rank = 3, "
            "parent = 'C' || floor(ST_XMin(geometry) / 0.004 + 0.5) WHERE level = 'community'",
            "INSERT INTO member (dataset_id, reference, name, roles, max_posts, geometry) "
            "SELECT 1, 'M' || n, 'M' || n, CASE n % 3 WHEN 0 THEN ARRAY['leader', 'police'] "
            "WHEN 1 THEN ARRAY['leader'] ELSE ARRAY['police', 'doctor'] END, 1 + n % 2, "
            "ST_SetSRID(ST_MakePoint((n * 7919 % 1000) * 0.000024, "
            "50 + (n * 104729 % 997) * 0.00002), 4326) FROM generate_series(1, 260) AS n",
            "INSERT INTO team_requirement VALUES (1, 'leader', 1), (1, 'police', 1), "
            "(1, 'doctor', 1)",
        ):
            session.execute(text(statement))
        delineate(session)
    return lattice


@pytest.fixture
def placed_here(drawn: Database) -> tuple[list[Any], list[Any]]:
    """The ledger and the loads as this process makes them; the database is as before."""
    with drawn.session() as session:
        assign(session)
        found = rows(session, LEDGER), rows(session, LOADS)
        session.rollback()
    assert len({method for _, _, method, _, _ in found[0]}) > 1
    return found


def test_a_killed_worker_leaves_the_same_ledger(
    drawn: Database,
    placed_here: tuple[list[Any], list[Any]],
    dask_cluster: Any,
    tmp_path: Path,
) -> None:
    with dask_cluster(tmp_path, count=2) as running:
        killed = running.workers[0]
        with (
            find_workers(1, scheduler=running.address) as workers,
            drawn.session() as session,
        ):
            assert workers.executor is not None
            executor = Acting(workers.executor, 20, killed.kill)
            report = assign(session, executor=executor)
            assert (rows(session, LEDGER), rows(session, LOADS)) == placed_here
        assert killed.wait(10) == -signal.SIGKILL
        assert executor.out >= 70
    assert report.changed == 4500


def test_a_killed_worker_leaves_the_same_posts(
    drawn: Database, dask_cluster: Any, tmp_path: Path
) -> None:
    with drawn.session() as session:
        here = staff(session, by="county")
        expected = rows(session, POSTS), rows(session, VACANCIES)
        session.rollback()
    assert here.loss_posts is not None
    assert here.vacancies
    with dask_cluster(tmp_path, count=2) as running:
        killed = running.workers[1]
        with (
            find_workers(1, scheduler=running.address) as workers,
            drawn.session() as session,
        ):
            assert workers.executor is not None
            executor = Acting(workers.executor, 3, killed.kill)
            report = staff(session, by="county", executor=executor)
            assert (rows(session, POSTS), rows(session, VACANCIES)) == expected
        assert killed.wait(10) == -signal.SIGKILL
        assert executor.out >= 7
    ours, theirs = report.as_dict(), here.as_dict()
    assert ours.pop("seconds") != theirs.pop("seconds")
    assert ours == theirs


def test_the_commands_take_a_scheduler(
    drawn: Database,
    placed_here: tuple[list[Any], list[Any]],
    settings: Settings,
    dask_cluster: Any,
    tmp_path: Path,
) -> None:
    assert settings.database_url is not None
    url = settings.database_url.render_as_string(hide_password=False)
    reports = {}
    with dask_cluster(tmp_path, count=1) as running:
        for name, *options in (("assign",), ("staff", "--by", "county")):
            ended = subprocess.run(
                [sys.executable, "-c", COMMAND, name, *options, "--json",
                 "--scheduler", running.address],
                env={**os.environ, "GRIDWARD_DATABASE_URL": url},
                capture_output=True, text=True, timeout=120,
            )  # fmt: skip
            assert ended.returncode == 0, ended.stderr
            reports[name] = json.loads(ended.stdout)
    with drawn.session() as session:
        assert (rows(session, LEDGER), rows(session, LOADS)) == placed_here
    assert reports["staff"]["loss_posts"] >= 0
    assert sum(reports["assign"]["records"].values()) == 4500


def test_the_documented_way_from_partitioned_geoparquet(
    dask_cluster: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The example of docs/scale.md, on three counties; one worker is killed half way."""
    page = Path(__file__).resolve().parents[2] / "docs" / "scale.md"
    (code,) = re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    rng = np.random.default_rng(2)
    for number in range(6):
        folder = tmp_path / "province" / f"county={number}"
        folder.mkdir(parents=True)
        west = 110 + number * 0.01
        gpd.GeoDataFrame(
            {"code": [f"{number}1", f"{number}2"]},
            geometry=shapely.box([west, west + 0.005], 30, [west + 0.005, west + 0.01], 30.01),
            crs="EPSG:4326",
        ).to_parquet(folder / "communities.parquet")
        places = [west - 0.003, 30] + rng.random((900, 2)) * [0.013, 0.01]
        gpd.GeoDataFrame(geometry=shapely.points(places), crs="EPSG:4326").to_parquet(
            folder / "households.parquet"
        )
    place = (tmp_path / "province").as_posix()

    def told(address: str) -> str:
        ours = code.replace("tcp://10.0.0.1:8786", address).replace('"province"', repr(place))
        exec(compile(ours, str(page), "exec"), {"__name__": "__main__"})  # noqa: S102
        return capsys.readouterr().out

    with dask_cluster(tmp_path, count=2) as running:
        first = told(running.address)
        timer = Timer(0.5, running.workers[0].kill)
        timer.start()
        again = told(running.address)
        timer.join()
    assert again == first
    lines = first.splitlines()
    assert len(lines) == 6
    for line in lines:
        found = re.fullmatch(r"county=\d: (\d+) grids, (\d+) households without one", line)
        assert found is not None
        assert 3 <= int(found[1]) <= 5
        assert 100 < int(found[2]) < 300
