"""Query parameters are read strictly: what is not known is refused, never ignored."""

from __future__ import annotations

from collections.abc import Collection as Names

from fastapi import Depends, Request
from pydantic import BaseModel, ConfigDict
from starlette.datastructures import QueryParams

from service.errors import InvalidParameter

__all__ = ["NO_PARAMETERS", "Parameters", "reject_unknown"]


class Parameters(BaseModel):
    """Base of the query parameters of a route; others are refused."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


def reject_unknown(given: QueryParams, known: Names[str]) -> None:
    """Refuse parameters that are not known, and those given twice.

    Raises
    ------
    InvalidParameter
        Names the first such parameter.
    """
    seen: set[str] = set()
    for name, _ in given.multi_items():
        if name not in known:
            listed = ", ".join(sorted(known)) or "none"
            raise InvalidParameter(name, f"is not known here; known are: {listed}")
        if name in seen:
            raise InvalidParameter(name, "is given more than once")
        seen.add(name)


def _reject_all(request: Request) -> None:
    reject_unknown(request.query_params, ())


#: Dependency of routes without query parameters.
NO_PARAMETERS = Depends(_reject_all)
