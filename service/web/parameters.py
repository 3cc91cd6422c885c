"""Query parameters are read strictly: what is not known is refused, never ignored."""

from __future__ import annotations

from collections.abc import Collection as Names
from typing import Annotated

from fastapi import Depends, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.datastructures import QueryParams

from service.errors import InvalidParameter

__all__ = [
    "NO_PARAMETERS",
    "NO_REPEATS",
    "Latitude",
    "Longitude",
    "Parameters",
    "reject_unknown",
]


Longitude = Annotated[
    float, Field(ge=-180, le=180, description="Degrees east, WGS84.", examples=[119.31])
]
Latitude = Annotated[
    float, Field(ge=-90, le=90, description="Degrees north, WGS84.", examples=[31.2])
]


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
    for name in given:
        if name not in known:
            listed = ", ".join(sorted(known)) or "none"
            raise InvalidParameter(name, f"is not known here; known are: {listed}")
    _reject_repeated(given)


def _reject_repeated(given: QueryParams) -> None:
    seen: set[str] = set()
    for name, _ in given.multi_items():
        if name in seen:
            raise InvalidParameter(name, "is given more than once")
        seen.add(name)


async def _reject_all(request: Request) -> None:
    reject_unknown(request.query_params, ())


async def _reject_repeats(request: Request) -> None:
    _reject_repeated(request.query_params)


#: Dependency of routes without query parameters.
NO_PARAMETERS = Depends(_reject_all)
#: Dependency of the application: where the framework reads parameters, it would take the last one.
NO_REPEATS = Depends(_reject_repeats)
