"""``/jobs``: exports in the background, how far they are, and their files."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from service.errors import NotFound
from service.exports import described, jobs
from service.web.downloads import File
from service.web.parameters import NO_PARAMETERS
from service.web.problems import describe
from service.web.session import DatabaseSession
from service.web.writers import WRITER

__all__ = ["router"]

router = APIRouter(prefix="/jobs", tags=["Exports"], dependencies=[NO_PARAMETERS])

_NOT_KEPT: Final = {"Cache-Control": "no-store"}
_TOLD: Final[dict[str, Any]] = {
    "description": "The job as it is now",
    "headers": described.NOT_KEPT,
    "content": described.JOB,
}


@router.get(
    "",
    summary="The jobs",
    dependencies=[WRITER],
    responses={
        200: {"description": "The latest 100 jobs", "content": described.JOBS},
        **describe(401, 403),
    },
)
def get_jobs(request: Request, session: DatabaseSession) -> dict[str, Any]:
    """List the jobs, the latest first."""
    return {"jobs": [jobs.status(job, _place(request, job.id)) for job in jobs.latest(session)]}


@router.get("/{job_id}", summary="A job", responses={200: _TOLD, **describe(404)})
def get_job(
    job_id: described.JobNumber, request: Request, session: DatabaseSession
) -> JSONResponse:
    """Tell how far a job is; with its file there is a link to it."""
    job = jobs.find(session, job_id=_number(job_id))
    return JSONResponse(jobs.status(job, _place(request, job.id)), headers=_NOT_KEPT)


@router.delete(
    "/{job_id}",
    summary="Call a job off, or remove one that has ended",
    dependencies=[WRITER],
    response_class=Response,
    responses={
        200: {**_TOLD, "description": "The job is called off"},
        204: {"description": "The job had ended; it is removed with its file"},
        **describe(401, 403, 404),
    },
)
def delete_job(job_id: described.JobNumber, request: Request, session: DatabaseSession) -> Response:
    """Call a job off (200), or remove one that has ended with its file (204)."""
    before = jobs.find(session, job_id=_number(job_id))
    job = jobs.dismiss(session, job_id=before.id)
    if before.finished is None:
        return JSONResponse(jobs.status(job, _place(request, job.id)), headers=_NOT_KEPT)
    jobs.forget(session, job, request.app.state.settings.exports_folder)
    return Response(status_code=204)


@router.get(
    "/{job_id}/file",
    summary="The file of a job",
    response_class=Response,
    responses={
        200: {
            "description": "The file",
            "headers": {**described.DISPOSITION, **described.TAG},
            "content": described.FILES,
        },
        206: described.PARTIAL,
        **describe(404, 409, 416),
    },
)
def get_file(
    job_id: described.JobNumber,
    request: Request,
    session: DatabaseSession,
    part: described.Range = None,
) -> Response:
    """Send the file of a job that has succeeded; ranges of bytes are answered."""
    job = jobs.find(session, job_id=_number(job_id))
    path = jobs.open_file(request.app.state.settings.exports_folder, job)
    return File(path, media_type=job.form.media_type, filename=f"{job.collection}.{job.suffix}")


def _number(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise NotFound("There is no such job.") from None


def _place(request: Request, number: UUID) -> str:
    return f"{str(request.base_url).rstrip('/')}/jobs/{number}"
