"""What the service adds to the exception tree, and the HTTP status of each exception.

geodata.errors.GridwardError
├── NotFound     nothing has this code or id
├── Conflict     it is there already, it is in use, or someone else changed it at the same time
└── Refused      a rule of the database forbids it: a value, a reference, a third post
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from geodata.errors import GridwardError, InputError, PlanError, UnavailableError

__all__ = ["HTTP_STATUS", "Conflict", "NotFound", "Refused", "http_status"]


class NotFound(GridwardError):
    """Nothing has this code or id."""


class Conflict(GridwardError):
    """It is there already, it is in use, or it was changed by someone else at the same time."""


class Refused(GridwardError):
    """A rule forbids it; the message names the rule."""


#: The status of each class; a subclass has the status of its nearest base here.
HTTP_STATUS: Final[Mapping[type[Exception], int]] = MappingProxyType(
    {
        InputError: 400,
        NotFound: 404,
        Conflict: 409,
        PlanError: 409,
        Refused: 422,
        UnavailableError: 503,
        GridwardError: 500,
    }
)


def http_status(error: Exception) -> int:
    """The HTTP status of an exception; 500 for one that is not ours."""
    return next((HTTP_STATUS[kind] for kind in type(error).__mro__ if kind in HTTP_STATUS), 500)
