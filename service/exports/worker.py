"""The queue of exports and who works on it: procrastinate, on the same PostgreSQL.

A job is put into the queue in the transaction that writes it down. A worker that is killed leaves
no file, since a file is moved to its place when it is whole; the job is taken up again once the
worker's heartbeat has been missed.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic
from typing import Any, Final
from uuid import UUID

import procrastinate
from procrastinate.exceptions import JobAborted
from psycopg.conninfo import make_conninfo
from sqlalchemy import text
from sqlalchemy.orm import Session
from starlette.datastructures import QueryParams

from geodata.errors import GridwardError
from service.catalogue.collection import Catalogue
from service.catalogue.published import COLLECTIONS, find_collection
from service.catalogue.selection import Selection
from service.db.engine import Database
from service.exports import jobs
from service.exports.counting import count_rows
from service.exports.save import save

__all__ = ["defer", "work"]

_log = logging.getLogger(__name__)

_SEARCH_PATH: Final = "job,public"
#: Seconds between two looks at whether the job was called off, and between notes of its progress.
_LOOK_S: Final = 0.5
#: Seconds without a heartbeat after which a worker is taken for dead.
_SILENT_S: Final = 30.0
#: Seconds that a worker that is stopped gives to what it is at; then another one takes it up.
_GRACE_S: Final = 5.0

_TASK: Final = "write_export"
#: Puts jobs into the queue, over the connection of a session.
_deferrer = procrastinate.App(connector=procrastinate.SyncPsycopgConnector())
#: Takes them out; each worker gives it a connector.
_app = procrastinate.App(connector=procrastinate.SyncPsycopgConnector())


class _CalledOff(Exception):
    """The job was dismissed while it was written."""


def defer(session: Session, job_id: UUID) -> None:
    """Put a job into the queue, in the session's transaction."""
    connection: Any = session.connection().connection.driver_connection
    before = session.scalar(text("SELECT current_setting('search_path')"))
    set_path = text("SELECT set_config('search_path', :path, true)")
    session.execute(set_path, {"path": _SEARCH_PATH})
    _deferrer.configure_task(_TASK, connection=connection).defer(job_id=str(job_id))
    session.execute(set_path, {"path": before})


def work(
    database: Database,
    folder: Path,
    *,
    keep_days: int,
    wait: bool = True,
    catalogue: Catalogue = COLLECTIONS,
) -> None:
    """Work on the queue until stopped, or with ``wait`` False until it is empty.

    Parameters
    ----------
    database : Database
        An open one.
    folder : Path
        Where files are put.
    keep_days : int
        Days after which jobs that have ended are removed with their files.
    catalogue : mapping
        The collections that jobs may name.
    """
    folder.mkdir(parents=True, exist_ok=True)
    asyncio.run(_work(database, folder, keep_days, wait, catalogue))


async def _work(
    database: Database, folder: Path, keep_days: int, wait: bool, catalogue: Catalogue
) -> None:
    address = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    conninfo = make_conninfo(address, options=f"-c search_path={_SEARCH_PATH}")
    connector = procrastinate.PsycopgConnector(conninfo=conninfo, min_size=1, max_size=4)
    context = {
        "database": database,
        "folder": folder,
        "keep_days": keep_days,
        "catalogue": catalogue,
    }
    with _app.replace_connector(connector) as app:
        async with app.open_async():
            await _tend(app, context)
            await app.run_worker_async(
                wait=wait,
                delete_jobs="always",
                stalled_worker_timeout=_SILENT_S,
                shutdown_graceful_timeout=_GRACE_S,
                install_signal_handlers=wait,
                additional_context=context,
            )


@_app.periodic(cron="* * * * *")
@_app.task(name="tend", queueing_lock="tend", pass_context=True)
async def _tend_regularly(context: procrastinate.JobContext, timestamp: int) -> None:
    await _tend(context.app, context.additional_context)


async def _tend(app: procrastinate.App, context: dict[str, Any]) -> None:
    """Take up what dead workers left, and remove what is old."""
    await app.job_manager.prune_stalled_workers(_SILENT_S)
    for stalled in await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=_SILENT_S):
        _log.warning("job %s was left half done and begins again", stalled.task_kwargs)
        await app.job_manager.retry_job(stalled)
    await asyncio.to_thread(_sweep, context["database"], context["folder"], context["keep_days"])


def _sweep(database: Database, folder: Path, keep_days: int) -> None:
    with database.session() as session:
        jobs.forget_old(session, folder, days=keep_days)
        busy = {str(job.id) for job in jobs.latest(session) if job.status == "running"}
    for draft in folder.glob(".job-*"):
        if draft.name.removeprefix(".job-") not in busy:
            shutil.rmtree(draft, ignore_errors=True)


@_app.task(name=_TASK, pass_context=True)
def _write(context: procrastinate.JobContext, *, job_id: str) -> None:
    """Write the file of a job."""
    database: Database = context.additional_context["database"]
    folder: Path = context.additional_context["folder"]
    catalogue: Catalogue = context.additional_context["catalogue"]
    number = UUID(job_id)
    with database.session() as session:
        job = jobs.take_up(session, job_id=number)
    if job is None:
        return
    try:
        _write_file(database, folder, job, context.should_abort, catalogue)
    except _CalledOff:
        _log.info("job %s was called off", number)
    except JobAborted:
        with database.session() as session:  # for the next worker
            defer(session, number)
    except GridwardError as error:
        with database.session() as session:
            jobs.fail(session, job_id=number, message=str(error))
    except Exception:
        _log.exception("job %s failed", number)
        with database.session() as session:
            jobs.fail(session, job_id=number, message="Something went wrong on our side.")


def _write_file(
    database: Database,
    folder: Path,
    job: jobs.Job,
    stopped: Callable[[], bool],
    catalogue: Catalogue = COLLECTIONS,
) -> None:
    collection = find_collection(job.collection, catalogue)
    selection = Selection.parse(collection, QueryParams(job.query), known=())
    with _draft_folder(folder, job) as drafts, database.session() as session:
        total = count_rows(session, collection, selection)
        progress = _Progress(database, job.id, total, stopped)
        draft = drafts / f"export.{job.form.ending}"
        try:
            save(session, collection, selection, draft, form=job.form, written=progress)
        except Exception:
            if progress.ended_by is not None:  # the writers of files report it as a fault of theirs
                raise progress.ended_by from None
            raise
        with database.session() as noting:
            if not jobs.succeed(noting, job_id=job.id, size=draft.stat().st_size):
                raise _CalledOff
            draft.replace(jobs.file_of(folder, job))


@contextlib.contextmanager
def _draft_folder(folder: Path, job: jobs.Job) -> Iterator[Path]:
    """A folder of the job's own; what an earlier try left in it goes first."""
    drafts = folder / f".job-{job.id}"
    shutil.rmtree(drafts, ignore_errors=True)
    drafts.mkdir(parents=True)
    try:
        yield drafts
    finally:
        shutil.rmtree(drafts, ignore_errors=True)


class _Progress:
    """Notes the rows written now and then, and ends the writing of a job that was called off."""

    def __init__(
        self, database: Database, job_id: UUID, total: int, stopped: Callable[[], bool]
    ) -> None:
        self._database = database
        self._job_id = job_id
        self._stopped = stopped
        self._rows = 0
        self.ended_by: Exception | None = None
        self._look(total)

    def __call__(self, rows: int) -> None:
        self._rows += rows
        if monotonic() >= self._next:
            try:
                self._look()
            except Exception as error:
                self.ended_by = error
                raise

    def _look(self, total: int | None = None) -> None:
        if self._stopped():
            raise JobAborted
        with self._database.session() as session:
            standing = jobs.advance(session, job_id=self._job_id, rows=self._rows, total=total)
        if not standing:
            raise _CalledOff
        self._rows = 0
        self._next = monotonic() + _LOOK_S
