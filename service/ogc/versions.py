"""Versions of features: entity tags, and the conditions that requests put on them (RFC 9110)."""

from __future__ import annotations

import hashlib
import re
from typing import Final

from service.catalogue.crs import DEFAULT_CRS, Crs
from service.errors import PreconditionFailed, PreconditionRequired

__all__ = ["check_version", "entity_tag", "names_one"]

_TAG: Final = re.compile(r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"')


def entity_tag(text: str | bytes, *, shown: str = "json", crs: Crs = DEFAULT_CRS) -> str:
    """The strong tag of a feature in one representation.

    The digest is that of the feature as it is written by default; what follows the point names
    another representation, so that any of them may be held against the current version.
    """
    digest = hashlib.sha256(text.encode() if isinstance(text, str) else text).hexdigest()[:32]
    others = [name for name in (shown, crs.code) if name not in ("json", DEFAULT_CRS.code)]
    return f'"{".".join([digest, *others])}"'


def names_one(header: str | None, tag: str) -> bool:
    """Whether a header ``If-None-Match`` names a tag, or any with ``*``."""
    if header is None:
        return False
    if header.strip() == "*":
        return True
    return tag.strip('"') in {value for _, value in _TAG.findall(header)}


def check_version(header: str | None, tag: str, *, required: bool) -> None:
    """Hold ``If-Match`` against the current version of a feature.

    Raises
    ------
    PreconditionRequired
        It is missing, and the settings want it.
    PreconditionFailed
        The feature has changed since the client read it.
    """
    if header is None:
        if required:
            raise PreconditionRequired(
                "Send the feature's ETag as If-Match, so that nobody's change is overwritten; "
                "GRIDWARD_REQUIRE_IF_MATCH=false lets it be left out."
            )
        return
    if header.strip() == "*":
        return
    current = tag.strip('"').split(".")[0]
    # a weak tag never matches here (RFC 9110, 13.1.1)
    given = {value.split(".")[0] for weak, value in _TAG.findall(header) if not weak}
    if current not in given:
        raise PreconditionFailed(
            "The feature has changed since you read it. Read it again, then change that."
        )
