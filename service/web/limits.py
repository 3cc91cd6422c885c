"""How many rows an answer may have, and how many it has."""

from __future__ import annotations

import re
from functools import partial
from typing import Any, Final

from pydantic import BeforeValidator
from starlette.responses import Response

from service.db.listing import Listing

__all__ = ["COUNTED", "clamped", "tell_numbers", "up_to"]

_RETURNED: Final = "OGC-NumberReturned"
_MATCHED: Final = "OGC-NumberMatched"
_WHOLE: Final = re.compile(r"[+-]?[0-9]+")

#: The description of an answer that :func:`tell_numbers` adds its headers to.
COUNTED: Final[dict[str, Any]] = {
    "headers": {
        _RETURNED: {"description": "Rows in the answer.", "schema": {"type": "integer"}},
        _MATCHED: {
            "description": "Rows there are; left out beyond 10,000.",
            "schema": {"type": "integer"},
        },
    }
}


def clamped(value: Any, maximum: int) -> Any:
    """The maximum for a whole number above it, of however many digits; all else as it is."""
    digits = value.removeprefix("+").lstrip("0") if isinstance(value, str) else ""
    if not (digits.isascii() and digits.isdigit()):
        return value
    beyond = len(digits) > len(str(maximum)) or int(digits) > maximum
    return maximum if beyond else value


def up_to(maximum: int) -> BeforeValidator:
    """The validator of a limit that takes more than the maximum as the maximum."""
    return BeforeValidator(partial(_limit, maximum=maximum))


def _limit(value: Any, maximum: int) -> Any:
    # the framework would also take 5.0 and 1_0
    if isinstance(value, str) and not _WHOLE.fullmatch(value):
        raise ValueError("has to be a whole number")
    return clamped(value, maximum)


def tell_numbers(response: Response, listing: Listing) -> None:
    """Say in the headers how many rows an answer has and, if known, how many there are."""
    response.headers[_RETURNED] = str(len(listing.rows))
    if listing.matched is not None:
        response.headers[_MATCHED] = str(listing.matched)
