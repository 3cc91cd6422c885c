"""The body of a request: bytes, no more than there may be, and a JSON object, read strictly."""

from __future__ import annotations

import json
import math
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final, NoReturn

from fastapi import Depends, Request

from geodata.errors import InputError
from service.errors import TooLarge

__all__ = ["FeatureBody", "body_of", "read_object"]

_MEBIBYTE: Final = 1024 * 1024
#: A whole number of more digits is nothing that anyone could mean here, and dear to read.
_MOST_DIGITS: Final = 40


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


def read_object(body: bytes) -> dict[str, Any]:
    """A JSON object, of finite numbers and of text that can be written again.

    Raises
    ------
    InputError
        It is no JSON object in UTF-8.
    """
    try:
        document = json.loads(
            body.decode("utf-8-sig"),
            parse_constant=_refuse_constant,
            parse_float=_finite,
            parse_int=_whole,
        )
        if b"\\u" in body:  # half of a pair of surrogates is no character
            json.dumps(document, ensure_ascii=False).encode("utf-8")
    except (UnicodeError, ValueError, RecursionError) as error:
        raise InputError(f"The body is no JSON: {error}.") from error
    if not isinstance(document, dict):
        raise InputError("The body is no JSON object.")
    return document


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:_MOST_DIGITS]} is too large a number")
    return number


def _whole(text: str) -> int:
    if len(text) > _MOST_DIGITS:
        raise ValueError(f"a number of {len(text)} digits is too long")
    return int(text)
