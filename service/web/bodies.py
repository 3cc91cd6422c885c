"""The body of a request as bytes, no longer than it may be."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Final

from fastapi import Depends, Request

from geodata.errors import InputError
from service.errors import TooLarge

__all__ = ["FeatureBody", "body_of"]

_MEBIBYTE: Final = 1024 * 1024


def body_of(largest: int) -> Callable[[Request], Awaitable[bytes]]:
    """A dependency that gives the body, read no further than ``largest`` bytes."""

    async def read(request: Request) -> bytes:
        chunks: list[bytes] = []
        size = 0
        async for chunk in request.stream():
            size += len(chunk)
            if size > largest:
                raise TooLarge(f"The body is larger than {largest // _MEBIBYTE} MiB.")
            chunks.append(chunk)
        if not size:
            raise InputError("The body is empty.")
        return b"".join(chunks)

    return read


#: The body of a request that brings features.
FeatureBody = Annotated[bytes, Depends(body_of(16 * _MEBIBYTE))]
