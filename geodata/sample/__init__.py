"""A synthetic town, city or province of any size, the same for the same seed.

Streets and blocks, towers and villages, a river with its bridges, five levels of divisions with
twelve-digit codes, team members with homes and workplaces, and a handful of bad rows. All places
and people are invented. ``docs/sample.md`` shows what is in it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from geodata.sample.dataset import HOUSEHOLDS, checked_plan, write_sample
from geodata.sample.frames import SampleFrames, frames_of

__all__ = ["SampleFrames", "city", "province", "town", "write_sample"]


def town(households: int = HOUSEHOLDS["town"], *, seed: int = 0) -> SampleFrames:
    """A country town with its villages, in memory and without bad rows.

    Parameters
    ----------
    households : int
        50 to 40,000.
    seed : int
        Equal seeds give equal frames.

    Raises
    ------
    InputError
        Arguments out of range.
    """
    return frames_of(checked_plan("town", households, seed))


def city(households: int = HOUSEHOLDS["city"], *, seed: int = 0) -> SampleFrames:
    """A city on both banks of a river with its suburbs and villages, in memory.

    As `town`, with 2,000 to 1,000,000 households.
    """
    return frames_of(checked_plan("city", households, seed))


def province(
    directory: str | Path,
    households: int = HOUSEHOLDS["province"],
    *,
    seed: int = 0,
    format: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """A province of 10,000 to 20 million households, streamed to files: it is too large for frames.

    As `write_sample` with the kind ``province``.
    """
    return write_sample(
        "province", directory, households=households, seed=seed, format=format, progress=progress
    )
