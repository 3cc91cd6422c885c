"""Every error over HTTP is a problem document (RFC 9457)."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from geodata.errors import GridwardError, UnavailableError
from service.errors import BrokenCoverage, InvalidParameter, http_status

__all__ = ["ProblemResponse", "add_problem_handlers", "describe", "problem"]

_log = logging.getLogger(__name__)


class ProblemResponse(JSONResponse):
    """JSON typed as a problem."""

    media_type = "application/problem+json"


def problem(
    status: int, detail: str | None = None, *, headers: dict[str, str] | None = None, **members: Any
) -> ProblemResponse:
    """A problem document of the plain type ``about:blank``: its title is the status itself."""
    document = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status}
    if detail is not None:
        document["detail"] = detail
    return ProblemResponse({**document, **members}, status_code=status, headers=headers)


def describe(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe the problems that a route may answer with, for the API document."""
    schema = {"$ref": "#/components/schemas/problem"}
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {ProblemResponse.media_type: {"schema": schema}},
        }
        for status in statuses
    }


def add_problem_handlers(app: FastAPI) -> None:
    """Answer every exception with a problem document; nothing internal leaves the house."""
    app.add_exception_handler(GridwardError, gridward_problem)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(UnavailableError, _unavailable)
    app.add_exception_handler(PoolTimeout, _unavailable)
    app.add_exception_handler(Exception, _unexpected_error)


def gridward_problem(request: Request, error: Exception) -> Response:
    """The problem document of one of Gridward's exceptions."""
    if isinstance(error, UnavailableError):
        return _unavailable(request, error)
    status = http_status(error)
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        _log.error("a defect", exc_info=error)
        return _unexpected_error(request, error)
    headers = {"WWW-Authenticate": "Bearer"} if status == HTTPStatus.UNAUTHORIZED else None
    members: dict[str, Any] = {}
    if isinstance(error, InvalidParameter):
        members["parameter"] = error.name
    if isinstance(error, BrokenCoverage):
        members["faults"] = error.faults
    return problem(status, str(error), headers=headers, **members)


def _validation_error(request: Request, error: Exception) -> Response:
    faults = error.errors() if isinstance(error, RequestValidationError) else []
    if any(fault["type"] == "json_invalid" or fault["loc"] == ("body",) for fault in faults):
        return problem(
            HTTPStatus.BAD_REQUEST, "Send a JSON object with Content-Type: application/json."
        )
    errors = [
        {
            "parameter": ".".join(str(part) for part in fault["loc"][1:]),
            "detail": fault["msg"].removeprefix("Value error, "),
        }
        for fault in faults
    ]
    detail = "; ".join(f"{each['parameter']}: {each['detail']}" for each in errors)
    return problem(HTTPStatus.BAD_REQUEST, detail, errors=errors)


def _http_error(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    if headers.get("Allow") == "GET":  # the framework does not know that HEAD goes with it
        headers["Allow"] = "GET, HEAD"
    details = {
        404: f"There is nothing at {request.url.path}.",
        405: f"{request.method} is not possible at {request.url.path}.",
    }
    plain = error.detail if isinstance(error, HTTPException) else None
    return problem(status, details.get(status, plain), headers=headers)


def _unavailable(request: Request, error: Exception) -> Response:
    # what is missing and where is for the log: it names hosts and paths
    _log.error("%s", error)
    return problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "The database or another part of the service does not answer. Try again shortly.",
        headers={"Retry-After": "5"},
    )


def _unexpected_error(request: Request, error: Exception) -> Response:
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "Something went wrong on our side.")
