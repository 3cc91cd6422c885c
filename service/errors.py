"""What the service adds to the exception tree, and the HTTP status of each exception.

geodata.errors.GridwardError
├── InputError
│   └── InvalidParameter   a query parameter that is unknown or malformed
├── Unauthorized           writing needs a token that was not shown
├── Forbidden              writing is not possible from there
├── NotFound               nothing has this code or id
├── Conflict               it is there already, it is in use, or someone else changed it meanwhile
├── PreconditionFailed     it is no longer the version that the client read
├── PreconditionRequired   the client does not say which version it read
├── TooLarge               the body is longer than what is read
├── UnsupportedMediaType   the body is of a kind that is not read here
└── Refused                a rule of the database forbids it: a value, a reference, a third post
    └── BrokenCoverage     the grids would no longer tile their community
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from geodata.errors import GridwardError, InputError, PlanError, UnavailableError

__all__ = [
    "HTTP_STATUS",
    "BrokenCoverage",
    "Conflict",
    "Forbidden",
    "InvalidParameter",
    "NotFound",
    "PreconditionFailed",
    "PreconditionRequired",
    "Refused",
    "TooLarge",
    "Unauthorized",
    "UnsupportedMediaType",
    "http_status",
]


class InvalidParameter(InputError):
    """A query parameter that is unknown, repeated or malformed.

    Parameters
    ----------
    name : str
        The parameter.
    message : str
        What is wrong with it, as a sentence that begins with its name.
    """

    def __init__(self, name: str, message: str) -> None:
        self.name = name
        super().__init__(f"The parameter '{name}' {message}.")


class Unauthorized(GridwardError):
    """Writing needs a token, and none or another one was shown."""


class Forbidden(GridwardError):
    """Writing is not possible from where the request comes."""


class NotFound(GridwardError):
    """Nothing has this code or id."""


class Conflict(GridwardError):
    """It is there already, it is in use, or it was changed by someone else at the same time."""


class Refused(GridwardError):
    """A rule forbids it; the message names the rule."""


class BrokenCoverage(Refused):
    """Grids that would no longer tile their community.

    Parameters
    ----------
    message : str
        How many faults there are, and the first.
    faults : dict
        A GeoJSON feature collection: kind, codes, area_m2 and the place of each.
    """

    def __init__(self, message: str, faults: dict[str, Any]) -> None:
        self.faults = faults
        super().__init__(message)


class PreconditionFailed(GridwardError):
    """It is no longer the version that the client read."""


class PreconditionRequired(GridwardError):
    """The client does not say which version it read."""


class TooLarge(GridwardError):
    """The body is longer than what is read."""


class UnsupportedMediaType(GridwardError):
    """The body is of a kind that is not read here."""


#: The status of each class; a subclass has the status of its nearest base here.
HTTP_STATUS: Final[Mapping[type[Exception], int]] = MappingProxyType(
    {
        InputError: 400,
        Unauthorized: 401,
        Forbidden: 403,
        NotFound: 404,
        Conflict: 409,
        PlanError: 409,
        Refused: 409,
        BrokenCoverage: 409,
        PreconditionFailed: 412,
        TooLarge: 413,
        UnsupportedMediaType: 415,
        PreconditionRequired: 428,
        UnavailableError: 503,
        GridwardError: 500,
    }
)


def http_status(error: Exception) -> int:
    """The HTTP status of an exception; 500 for one that is not ours."""
    return next((HTTP_STATUS[kind] for kind in type(error).__mro__ if kind in HTTP_STATUS), 500)
