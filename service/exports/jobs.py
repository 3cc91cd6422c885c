"""Exports in the background: asked for, watched, called off, fetched.

A job is a row of ``job.export``; its file lies in a folder that the service and the workers share,
named by the job, and is there only when the job has succeeded. Statuses are those of OGC API -
Processes: accepted, running, successful, failed, dismissed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from sqlalchemy.orm import Session

from service.db.statements import load_statements
from service.errors import Conflict, NotFound
from service.exports.form import FORMS, Form

__all__ = [
    "Job",
    "add",
    "advance",
    "dismiss",
    "fail",
    "file_of",
    "find",
    "forget",
    "forget_old",
    "latest",
    "open_file",
    "status",
    "succeed",
    "take_up",
]

_SQL = load_statements("service.exports", "jobs.sql")
_UNFINISHED: Final = frozenset({"accepted", "running"})


@dataclass(frozen=True, slots=True)
class Job:
    """One export and what has become of it.

    Attributes
    ----------
    id : UUID
    collection, suffix, query : str
        What was asked for: the ending of the file, and the selection as it stood in the address.
    status : str
        accepted, running, successful, failed or dismissed.
    total, done : int
        Rows to write, None before they are counted, and rows written.
    bytes : int, optional
        Size of the file.
    message : str, optional
        Why it failed.
    created, started, updated, finished : datetime
    """

    id: UUID
    collection: str
    suffix: str
    query: str
    status: str
    total: int | None
    done: int
    bytes: int | None
    message: str | None
    created: datetime
    started: datetime | None
    updated: datetime
    finished: datetime | None

    @property
    def form(self) -> Form:
        """The form of its file."""
        return FORMS[self.suffix]

    @property
    def progress(self) -> int:
        """Percent done; 100 only with the file."""
        if self.status == "successful":
            return 100
        return min(99, 100 * self.done // self.total) if self.total else 0


def status(job: Job, place: str) -> dict[str, Any]:
    """A job as JSON, after the statusInfo of OGC API - Processes; its selection stays out.

    Parameters
    ----------
    job : Job
    place : str
        Its address.
    """

    def moment(value: datetime | None) -> str | None:
        return None if value is None else value.isoformat()

    links = [{"href": place, "rel": "self", "type": "application/json", "title": "This job"}]
    if job.status == "successful":
        kind = job.form.media_type
        links.append({"href": f"{place}/file", "rel": "enclosure", "type": kind, "title": "File"})
    told = {
        "jobID": str(job.id),
        "type": "export",
        "collection": job.collection,
        "format": job.suffix,
        "status": job.status,
        "progress": job.progress,
        "rows": job.total,
        "bytes": job.bytes,
        "message": job.message,
        "created": moment(job.created),
        "started": moment(job.started),
        "updated": moment(job.updated),
        "finished": moment(job.finished),
    }
    return {**{name: value for name, value in told.items() if value is not None}, "links": links}


def add(session: Session, *, collection: str, form: Form, query: str) -> UUID:
    """Write a job down; its number."""
    values = {"collection": collection, "suffix": form.ending, "query": query}
    number: UUID = session.execute(_SQL["add"], values).scalar_one()
    return number


def find(session: Session, *, job_id: UUID) -> Job:
    """One job.

    Raises
    ------
    NotFound
        There is none of that number, or no longer.
    """
    row = session.execute(_SQL["find"], {"id": job_id}).one_or_none()
    if row is None:
        raise NotFound(f"There is no job {job_id}.")
    return Job(*row)


def latest(session: Session, *, limit: int = 100) -> Sequence[Job]:
    """The jobs, the latest first."""
    return [Job(*row) for row in session.execute(_SQL["list"], {"limit": limit})]


def take_up(session: Session, *, job_id: UUID) -> Job | None:
    """Take a job up, again if need be; None where it was called off."""
    if session.execute(_SQL["take_up"], {"id": job_id}).one_or_none() is None:
        return None
    return find(session, job_id=job_id)


def advance(session: Session, *, job_id: UUID, rows: int, total: int | None = None) -> bool:
    """Add to the rows written; False where the job was called off meanwhile."""
    values = {"id": job_id, "rows": rows, "total": total}
    return session.execute(_SQL["advance"], values).one_or_none() is not None


def succeed(session: Session, *, job_id: UUID, size: int) -> bool:
    """Note that the file is there; False where the job was called off meanwhile."""
    values = {"id": job_id, "bytes": size}
    return session.execute(_SQL["succeed"], values).one_or_none() is not None


def fail(session: Session, *, job_id: UUID, message: str) -> None:
    """Note why there will be no file."""
    session.execute(_SQL["fail"], {"id": job_id, "message": message})


def dismiss(session: Session, *, job_id: UUID) -> Job:
    """Call a job off; one that has ended stays as it is."""
    session.execute(_SQL["dismiss"], {"id": job_id})
    return find(session, job_id=job_id)


def forget(session: Session, job: Job, folder: Path) -> None:
    """Remove a job that has ended, and its file.

    Raises
    ------
    Conflict
        It has not ended.
    """
    if job.status in _UNFINISHED:
        raise Conflict(f"Job {job.id} has not ended.")
    session.execute(_SQL["forget"], {"id": job.id})
    file_of(folder, job).unlink(missing_ok=True)


def forget_old(session: Session, folder: Path, *, days: int) -> int:
    """Remove the jobs that ended so many days ago, with their files; how many."""
    gone = session.scalars(_SQL["forget_old"], {"days": days}).all()
    for number in gone:
        for path in folder.glob(f"{number}.*"):
            path.unlink(missing_ok=True)
    return len(gone)


def file_of(folder: Path, job: Job) -> Path:
    """Where the file of a job lies when it is whole."""
    return folder / f"{job.id}.{job.suffix}"


def open_file(folder: Path, job: Job) -> Path:
    """The file of a job that has succeeded.

    Raises
    ------
    Conflict
        The job has no file yet, or will have none.
    NotFound
        The file is gone.
    """
    if job.status != "successful":
        raise Conflict(f"Job {job.id} is {job.status}: it has no file.")
    path = file_of(folder, job)
    with contextlib.suppress(OSError):
        if path.is_file():
            return path
    raise NotFound(f"The file of job {job.id} is gone; ask for it again.")
