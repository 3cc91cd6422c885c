"""Every exception has a status."""

from __future__ import annotations

import pytest

import service.errors
from geodata.errors import (
    GridwardError,
    InputError,
    ManifestError,
    PlanError,
    UnavailableError,
    UnreadableFile,
)
from service.errors import HTTP_STATUS, Conflict, NotFound, http_status


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (InputError, 400),
        (ManifestError, 400),
        (UnreadableFile, 400),
        (NotFound, 404),
        (Conflict, 409),
        (PlanError, 409),
        (UnavailableError, 503),
        (GridwardError, 500),
        (ValueError, 500),
    ],
)
def test_status(kind: type[Exception], status: int) -> None:
    assert http_status(kind("x")) == status


def test_every_exception_of_the_service_has_a_status_of_its_own() -> None:
    ours = [getattr(service.errors, name) for name in service.errors.__all__]
    kinds = [each for each in ours if isinstance(each, type) and issubclass(each, GridwardError)]
    assert Conflict in kinds
    inherited = [each for each in kinds if issubclass(each, InputError)]
    assert [each for each in kinds if each not in HTTP_STATUS and each not in inherited] == []
