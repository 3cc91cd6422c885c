"""Delineation on a Dask scheduler: real processes on loopback, one of them killed half way."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from geodata.errors import UnavailableError
from service.db.engine import Database
from service.flows import workers
from service.flows.delineate import delineate
from service.settings import Settings

pytest.importorskip("distributed", reason="Dask is not installed: pip install 'gridward[scale]'")


#: The command as its entry point starts it.
COMMAND = "import sys; from service.cli import main; sys.argv = ['gridward', *sys.argv[1:]]; main()"


def test_a_scheduler_and_a_killed_worker_give_the_same_bytes(
    lattice: Database,
    assert_undisturbed: Callable[[Session], None],
    when: Any,
    tmp_path: Path,
    dask_cluster: Any,
) -> None:
    with dask_cluster(tmp_path, count=2) as running:
        killed = running.workers[0]
        with lattice.session() as session:
            report = delineate(session, scheduler=running.address, progress=when(4, killed.kill))
            assert_undisturbed(session)
        assert killed.wait(10) == -signal.SIGKILL
    assert report.communities == 30


def test_the_command_takes_a_scheduler(
    lattice: Database,
    assert_undisturbed: Callable[[Session], None],
    settings: Settings,
    tmp_path: Path,
    dask_cluster: Any,
) -> None:
    assert settings.database_url is not None
    url = settings.database_url.render_as_string(hide_password=False)
    with dask_cluster(tmp_path, count=1) as running:
        ended = subprocess.run(
            [sys.executable, "-c", COMMAND, "delineate", "--scheduler", running.address],
            env={**os.environ, "GRIDWARD_DATABASE_URL": url},
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert ended.returncode == 0, ended.stderr
    with lattice.session() as session:
        assert_undisturbed(session)


def test_a_scheduler_without_workers_is_one_clear_line(
    lattice: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dask_cluster: Any
) -> None:
    monkeypatch.setattr(workers, "_FIRST_WORKER_S", 1)
    with (
        dask_cluster(tmp_path, count=0) as running,
        lattice.session() as session,
        pytest.raises(UnavailableError, match="has no worker: start one with 'dask worker tcp"),
    ):
        delineate(session, scheduler=running.address)


def test_a_scheduler_that_is_not_there_is_one_clear_line(
    lattice: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "_ANSWER_S", 1)
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    with (
        lattice.session() as session,
        pytest.raises(UnavailableError, match=f"no Dask scheduler answers at {address}"),
    ):
        delineate(session, scheduler=address)


@pytest.mark.parametrize("address", ["nonsense://here", "tcp://", "127.0.0.1:notaport"])
def test_an_address_that_is_none_is_one_clear_line(
    lattice: Database, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setattr(workers, "_ANSWER_S", 1)
    with lattice.session() as session, pytest.raises(UnavailableError, match="scheduler"):
        delineate(session, scheduler=address)


def test_a_scheduler_that_dies_loses_nothing_that_is_finished(
    lattice: Database,
    assert_undisturbed: Callable[[Session], None],
    when: Any,
    tmp_path: Path,
    dask_cluster: Any,
) -> None:
    with (
        dask_cluster(tmp_path, count=2) as running,
        pytest.raises(UnavailableError, match="has gone"),
        lattice.session() as session,
    ):
        delineate(session, scheduler=running.address, progress=when(4, running.scheduler.kill))
    with lattice.session() as session:
        kept = "SELECT count(DISTINCT community_code) FROM kept_grid"
        assert session.scalar(text(kept)) >= 4
        delineate(session)
        assert_undisturbed(session)
