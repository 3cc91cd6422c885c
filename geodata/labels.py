"""What columns are called beside others."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["free_name"]


def free_name(wanted: str, taken: Iterable[str]) -> str:
    """A name, with as many underscores after it as tell it from others; case does not.

    >>> free_name("fid", ["name", "FID"])
    'fid_'
    """
    known = {each.lower() for each in taken}
    while wanted.lower() in known:
        wanted += "_"
    return wanted
