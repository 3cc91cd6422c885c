"""Every exception has a status."""

from __future__ import annotations

import pytest

from geodata.errors import (
    GridwardError,
    InputError,
    ManifestError,
    PlanError,
    UnavailableError,
    UnreadableFile,
)
from service.errors import Conflict, NotFound, Refused, http_status


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (InputError, 400),
        (ManifestError, 400),
        (UnreadableFile, 400),
        (NotFound, 404),
        (Conflict, 409),
        (PlanError, 409),
        (Refused, 422),
        (UnavailableError, 503),
        (GridwardError, 500),
        (ValueError, 500),
    ],
)
def test_status(kind: type[Exception], status: int) -> None:
    assert http_status(kind("x")) == status
