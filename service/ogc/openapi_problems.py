"""What may go wrong, for the OpenAPI document: every problem with an example of its own status."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

from service.ogc.links import PROBLEM

__all__ = ["RESPONSES", "problem_response", "shared_problem", "with_problems"]

Document = dict[str, Any]

#: status -> what the problem may say, and further members of it
_SAID: Final[dict[int, Document]] = {
    400: {
        "detail": "The parameter 'limit' has to be at least 1.",
        "parameter": "limit",
    },
    401: {"detail": "Writing needs the header 'Authorization: Bearer TOKEN'."},
    403: {"detail": "Without a token only this machine may write."},
    404: {"detail": "There is no grid '980101001001001' in force."},
    409: {"detail": "The member 'M-4' does not have the role 'police'."},
    412: {"detail": "The feature has changed since you read it. Read it again, then change that."},
    413: {"detail": "The body is larger than 16 MiB."},
    415: {"detail": "Send Content-Type: application/geo+json."},
    416: {"detail": "The file has no such range of bytes."},
    428: {"detail": "Send the feature's ETag as If-Match, so that nobody's change is overwritten."},
    500: {"detail": "Something went wrong on our side."},
    503: {"detail": "The database or another part of the service does not answer."},
}
_HEADERS: Final[dict[int, Document]] = {
    401: {
        "WWW-Authenticate": {
            "description": "How to show the token",
            "schema": {"type": "string"},
            "example": "Bearer",
        }
    },
    416: {
        "Content-Range": {
            "description": "How long the file is",
            "schema": {"type": "string"},
            "example": "bytes */8192",
        }
    },
    503: {
        "Retry-After": {
            "description": "Seconds to wait",
            "schema": {"type": "integer", "minimum": 0},
            "example": 5,
        }
    },
}


def _with_example(status: int, response: Document, **members: Any) -> Document:
    """The response of a problem with an example of its status, unless it has one, and headers."""
    content = response["content"][PROBLEM]
    example = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        **_SAID.get(status, {}),
        **members,
    }
    told = {**response, "content": {PROBLEM: {"example": example, **content}}}
    if status in _HEADERS:
        told["headers"] = {**_HEADERS[status], **response.get("headers", {})}
    return told


def problem_response(status: int, description: str, **members: Any) -> Document:
    """A problem of one status as a response; its example has these members."""
    return _with_example(
        status,
        {
            "description": description,
            "content": {PROBLEM: {"schema": {"$ref": "#/components/schemas/problem"}}},
        },
        **members,
    )


#: status -> name and description of what is the same for all operations
_SHARED: Final = {
    400: ("malformed", "A parameter or the body is unknown, repeated or malformed"),
    401: ("unauthorized", "Writing needs a token"),
    403: ("forbidden", "Writing is not possible from there"),
    412: ("changed", "It is no longer the version that If-Match names"),
    413: ("tooLarge", "The body is too large"),
    415: ("otherMediaType", "The body is of a kind that is not read here"),
    416: ("noSuchRange", "The file has no such range of bytes"),
    428: ("noVersion", "If-Match is missing"),
    500: ("failed", "A defect of the service"),
    503: ("unavailable", "The database does not answer"),
}
_OF_EVERY_OPERATION: Final = (400, 500, 503)
RESPONSES: Final = {
    name: problem_response(status, description) for status, (name, description) in _SHARED.items()
}


def shared_problem(status: int) -> Document:
    """A reference to the problem of a status, where all operations have the same."""
    name, _ = _SHARED[status]
    return {"$ref": f"#/components/responses/{name}"}


def with_problems(operation: Document) -> Document:
    """An operation with the problems that it shares with all, and an example for each of its own.

    The framework's own 422 goes: what it would tell by it is told by 400.
    """
    responses = {str(status): shared_problem(status) for status in _OF_EVERY_OPERATION}
    for status, response in operation.get("responses", {}).items():
        if PROBLEM not in response.get("content", {}):
            if status != "422":
                responses[status] = response
        elif int(status) in _SHARED:
            responses[status] = shared_problem(int(status))
        else:
            responses[status] = _with_example(int(status), response)
    return {**operation, "responses": dict(sorted(responses.items()))}
