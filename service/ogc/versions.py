"""Versions of features: entity tags, and the conditions that requests put on them (RFC 9110)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Final

from service.catalogue.crs import DEFAULT_CRS, Crs
from service.errors import PreconditionFailed, PreconditionRequired

__all__ = ["check_version", "check_versions", "entity_tag", "names_one"]

_LEFT_OUT: Final = "GRIDWARD_REQUIRE_IF_MATCH=false lets it be left out."
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
                + _LEFT_OUT
            )
        return
    if header.strip() == "*":
        return
    if _digest(tag) not in _digests(header):
        raise PreconditionFailed(
            "The feature has changed since you read it. Read it again, then change that."
        )


def check_versions(header: str | None, tags: Mapping[str, str], *, required: bool) -> None:
    """Hold ``If-Match`` against the current versions of several features: it has to name each.

    Parameters
    ----------
    header : str, optional
        A list of entity tags, in any order.
    tags : mapping
        Identifier -> the feature's current tag.
    required : bool
        Whether the settings want a version of each.

    Raises
    ------
    PreconditionRequired
        There are fewer versions than features, and the settings want them.
    PreconditionFailed
        A feature has changed since the client read it.
    """
    given = set() if header is None else _digests(header)
    if header is not None and header.strip() == "*":
        return
    if required and len(given) < len(tags):
        raise PreconditionRequired(
            f"Send the ETags of all {len(tags)} features that are changed as If-Match, with commas "
            f"between them; there are {len(given)}. {_LEFT_OUT}"
        )
    changed = [name for name, tag in tags.items() if _digest(tag) not in given]
    if header is not None and changed:
        raise PreconditionFailed(
            f"If-Match does not name the current version of: {', '.join(changed)}. "
            "Read these again, then change that."
        )


def _digest(tag: str) -> str:
    return tag.strip('"').split(".")[0]


def _digests(header: str) -> set[str]:
    """What a header ``If-Match`` names; a weak tag never matches there (RFC 9110, 13.1.1)."""
    return {value.split(".")[0] for weak, value in _TAG.findall(header) if not weak}
