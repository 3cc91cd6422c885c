"""Methods that an address does not take."""

from __future__ import annotations

from collections.abc import Iterable

from starlette.exceptions import HTTPException
from starlette.responses import Response

__all__ = ["options", "refuse_method"]


def options(methods: Iterable[str]) -> Response:
    """Answer OPTIONS: what the address takes."""
    return Response(status_code=204, headers={"Allow": ", ".join(methods)})


def refuse_method(methods: Iterable[str]) -> HTTPException:
    """The refusal of a method, to be raised: 405 with those that there are."""
    return HTTPException(405, headers={"Allow": ", ".join(methods)})
