"""Keyset tokens: where the next page begins.

A token holds the key of the last row that was sent and the number of rows that matched, so the
next page is one index seek away and nothing is counted twice. It is opaque to clients and needs
no secret: it can only name a position that its bearer may ask for anyway.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass

from service.errors import InvalidParameter

__all__ = ["Position"]

_LONGEST_TOKEN = 512


@dataclass(frozen=True, slots=True)
class Position:
    """The place after one row.

    Attributes
    ----------
    key : tuple of str or int
        Key of the last row sent.
    matched : int, optional
        Rows that match the whole request, where they were counted.
    """

    key: tuple[str | int, ...]
    matched: int | None = None

    def token(self) -> str:
        """The position as text fit for a URL."""
        packed = json.dumps([self.matched, *self.key], ensure_ascii=False, separators=(",", ":"))
        return base64.urlsafe_b64encode(packed.encode()).decode().rstrip("=")

    @classmethod
    def parse(cls, token: str, *, types: tuple[type, ...]) -> Position:
        """Read a token for a key of these types.

        Raises
        ------
        InvalidParameter
            If it is not a token of this service for this collection.
        """
        wrong = InvalidParameter(
            "token", "is not one that this service gave; start again without it"
        )
        if len(token) > _LONGEST_TOKEN:
            raise wrong
        try:
            padded = token.encode("ascii") + b"=" * (-len(token) % 4)
            values = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        except (UnicodeError, binascii.Error, ValueError, RecursionError) as error:
            raise wrong from error
        if not isinstance(values, list) or len(values) != len(types) + 1:
            raise wrong
        matched, *key = values
        if not (matched is None or (type(matched) is int and 0 <= matched < 2**63)):
            raise wrong
        for value, expected in zip(key, types, strict=True):
            if type(value) is not expected:
                raise wrong
            if (isinstance(value, int) and abs(value) >= 2**63) or "\x00" in str(value):
                raise wrong
        return cls(tuple(key), matched)
