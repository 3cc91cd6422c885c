"""Exports in the background: progress, calling off, the file, and a worker that dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import geopandas as gpd
import pytest
from fastapi.testclient import TestClient
from procrastinate.exceptions import JobAborted
from sqlalchemy import func, literal, select, text

from service.app import create_app
from service.db.engine import Database
from service.exports import jobs, worker
from service.exports.form import FORMS
from service.households.models import Household
from service.settings import Settings

MANY = 60_000


@pytest.fixture
def folder(town: Settings) -> Path:
    return town.exports_folder


@pytest.fixture
def client(town: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(town), base_url="http://127.0.0.1:8000") as opened:
        yield opened


def run(town: Settings) -> None:
    """Work on the queue until it is empty."""
    with Database(town) as database:
        worker.work(database, town.exports_folder, keep_days=7, wait=False)


def add_many(town: Settings, many: int = MANY) -> None:
    with Database(town) as database, database.session() as session:
        number = func.generate_series(1, many).column_valued("number")
        place = func.ST_SetSRID(func.ST_MakePoint(0.001, 0.001), 4326)
        rows = select(literal(1), func.concat("N", number), place)
        columns = ["dataset_id", "reference", "geometry"]
        session.execute(Household.__table__.insert().from_select(columns, rows))


def ask(client: TestClient, path: str) -> dict[str, Any]:
    response = client.post(path)
    assert response.status_code == 202, response.text
    told = response.json()
    assert response.headers["location"].endswith(f"/jobs/{told['jobID']}")
    return told


def look(client: TestClient, told: dict[str, Any]) -> dict[str, Any]:
    return client.get(f"/jobs/{told['jobID']}").json()


@pytest.mark.parametrize("ending", list(FORMS))
def test_a_job_ends_with_the_file_that_the_address_sends(
    client: TestClient, town: Settings, folder: Path, ending: str
) -> None:
    path = f"/exports/households.{ending}?grid_code=C1001"
    told = ask(client, path)
    assert (told["status"], told["progress"]) == ("accepted", 0)
    assert client.get(f"/jobs/{told['jobID']}/file").status_code == 409
    run(town)
    done = look(client, told)
    assert (done["status"], done["progress"], done["rows"]) == ("successful", 100, 3)
    link = next(link for link in done["links"] if link["rel"] == "enclosure")
    file = client.get(link["href"])
    assert file.headers["content-type"] == FORMS[ending].media_type
    assert f'filename="households.{ending}"' in file.headers["content-disposition"]
    assert len(file.content) == done["bytes"]
    if FORMS[ending].streams:
        assert file.content == client.get(path, headers={"Accept-Encoding": "identity"}).content
    else:
        copy = folder / f"copy.{ending}"
        copy.write_bytes(file.content)
        frame = gpd.read_parquet(copy) if ending == "parquet" else gpd.read_file(copy)
        assert sorted(frame["reference"]) == ["H00", "H01", "H02"]
    part = client.get(link["href"], headers={"Range": "bytes=2-5"})
    assert (part.status_code, part.content) == (206, file.content[2:6])


def test_progress_is_told_while_it_goes_on(
    client: TestClient, town: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "_LOOK_S", 0.0)
    add_many(town)
    told = ask(client, "/exports/households.geojsonl")
    seen = []
    advance = jobs.advance

    def noted(session: Any, **values: Any) -> bool:
        standing = advance(session, **values)
        session.commit()
        seen.append(look(client, told))
        return standing

    monkeypatch.setattr(jobs, "advance", noted)
    run(town)
    progress = [each["progress"] for each in seen]
    assert progress[0] == 0
    assert progress == sorted(progress)
    assert len(set(progress)) > 5
    assert max(progress) <= 99
    assert {each["status"] for each in seen} == {"running"}
    assert {each["rows"] for each in seen} == {MANY + 11}
    assert look(client, told)["progress"] == 100


@pytest.mark.parametrize("ending", ["geojson", "gpkg", "parquet", "csv.gz"])
def test_a_job_called_off_on_the_way_leaves_no_file(
    client: TestClient,
    town: Settings,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    ending: str,
) -> None:
    monkeypatch.setattr(worker, "_LOOK_S", 0.0)
    add_many(town)
    told = ask(client, f"/exports/households.{ending}")
    advance = jobs.advance

    def called_off(session: Any, *, job_id: UUID, rows: int, total: int | None = None) -> bool:
        if rows:
            assert client.delete(f"/jobs/{told['jobID']}").json()["status"] == "dismissed"
        return advance(session, job_id=job_id, rows=rows, total=total)

    monkeypatch.setattr(jobs, "advance", called_off)
    run(town)
    assert look(client, told)["status"] == "dismissed"
    assert list(folder.iterdir()) == []
    assert client.get(f"/jobs/{told['jobID']}/file").status_code == 409


def test_a_job_called_off_before_it_began_is_never_written(
    client: TestClient, town: Settings, folder: Path
) -> None:
    told = ask(client, "/exports/grids.gpkg")
    assert client.delete(f"/jobs/{told['jobID']}").status_code == 200
    run(town)
    assert look(client, told)["status"] == "dismissed"
    assert list(folder.iterdir()) == []


def test_a_job_that_ended_can_be_removed_with_its_file(
    client: TestClient, town: Settings, folder: Path
) -> None:
    told = ask(client, "/exports/grids.csv")
    run(town)
    assert len(list(folder.iterdir())) == 1
    assert [each["jobID"] for each in client.get("/jobs").json()["jobs"]] == [told["jobID"]]
    assert client.delete(f"/jobs/{told['jobID']}").status_code == 204
    assert list(folder.iterdir()) == []
    assert client.get(f"/jobs/{told['jobID']}").status_code == 404


def test_old_jobs_go_with_their_files(client: TestClient, town: Settings, folder: Path) -> None:
    told = ask(client, "/exports/grids.csv")
    run(town)
    with Database(town) as database, database.session() as session:
        session.execute(text("UPDATE job.export SET finished = finished - interval '8 days'"))
    run(town)
    assert list(folder.iterdir()) == []
    assert client.get(f"/jobs/{told['jobID']}").status_code == 404


def test_a_failure_is_told(
    client: TestClient, town: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("a secret")

    monkeypatch.setattr(worker, "save", broken)
    told = ask(client, "/exports/grids.csv")
    run(town)
    done = look(client, told)
    assert (done["status"], done["message"]) == ("failed", "Something went wrong on our side.")
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/exports/nothing.csv", 404),
        ("/exports/grids.shp", 404),
        ("/exports/grids.gpkg.gz", 404),
        ("/exports/grids.csv?bbox=1", 400),
        ("/exports/grids.csv?nothing=1", 400),
    ],
)
def test_what_cannot_be_written_is_refused_at_once(
    client: TestClient, path: str, status: int
) -> None:
    assert client.post(path).status_code == status
    assert client.get("/jobs").json() == {"jobs": []}


def test_only_who_may_write_may_ask(town: Settings) -> None:
    guarded = Settings(database_url=town.database_url, home=town.home, token="secret")  # noqa: S106
    with TestClient(create_app(guarded)) as client:
        assert client.post("/exports/grids.csv").status_code == 401
        assert client.get("/jobs").status_code == 401
        assert client.get("/exports/grids.csv").status_code == 200
        shown = {"Authorization": "Bearer secret"}
        assert client.post("/exports/grids.csv", headers=shown).status_code == 202
    for address in ("/jobs/1", "/jobs/00000000-0000-0000-0000-000000000000"):
        with TestClient(create_app(town)) as client:
            assert client.get(address).status_code == 404


def test_a_job_is_asked_for_as_a_whole_or_not_at_all(town: Settings) -> None:
    with Database(town) as database:
        with database.session() as session:
            number = jobs.add(session, collection="grids", form=FORMS["csv"], query="")
            worker.defer(session, number)
            session.rollback()
        run(town)
        with database.session() as session:
            # the worker's own chores of each minute stand there too
            queued = "SELECT count(*) FROM job.procrastinate_jobs WHERE task_name = 'write_export'"
            assert session.scalar(text(queued)) == 0


@pytest.mark.parametrize("ending", ["geojson", "gpkg", "fgb", "parquet"])
def test_a_killed_worker_leaves_no_half_file_and_another_one_goes_on(
    client: TestClient, town: Settings, folder: Path, ending: str
) -> None:
    add_many(town, 300_000)
    told = ask(client, f"/exports/households.{ending}")
    command = "import sys; sys.argv[1:] = ['worker']; from service.cli import main; main()"
    environment = {
        **os.environ,
        "GRIDWARD_DATABASE_URL": town.database_url.render_as_string(hide_password=False),
        "GRIDWARD_HOME": str(town.home),
    }
    process = subprocess.Popen([sys.executable, "-c", command], env=environment)
    try:
        deadline = time.monotonic() + 60
        while look(client, told)["progress"] == 0:
            assert time.monotonic() < deadline, look(client, told)
            assert process.poll() is None
            time.sleep(0.02)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert look(client, told)["status"] == "running"
    assert not [path for path in folder.iterdir() if not path.name.startswith(".")]
    assert client.get(f"/jobs/{told['jobID']}/file").status_code == 409
    with Database(town) as database, database.session() as session:
        session.execute(
            text("UPDATE job.procrastinate_workers SET last_heartbeat = now() - interval '1 hour'")
        )
    run(town)
    assert look(client, told)["status"] == "successful"
    assert [path.name for path in folder.iterdir()] == [f"{told['jobID']}.{ending}"]


def test_a_stopped_worker_hands_over_what_it_is_at(
    client: TestClient, town: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the machine goes down in good order: the job is there for the next worker."""
    monkeypatch.setattr(worker, "_LOOK_S", 0.0)
    add_many(town)
    told = ask(client, "/exports/households.geojson")
    looks = iter([False, False, True])
    with Database(town) as database:
        with database.session() as session:
            job = jobs.take_up(session, job_id=UUID(told["jobID"]))
        assert job is not None
        with pytest.raises(JobAborted):
            worker._write_file(database, folder, job, lambda: next(looks))
    assert list(folder.iterdir()) == []
    assert look(client, told)["status"] == "running"
    run(town)
    assert look(client, told)["status"] == "successful"
