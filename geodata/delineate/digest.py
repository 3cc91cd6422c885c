"""What the grids of a community follow from, as one number: equal digests, equal grids."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from geodata import calls
from geodata.delineate.task import Task

__all__ = ["code_version", "digest"]


def digest(task: Task) -> bytes:
    """SHA-256 of all that decides the grids of a community: its input, the limits, the code.

    The households must be in canonical order, one row a place; a task of the same community in
    another order has another digest.
    """
    limits, plane = task.limits, task.plane
    facts = {
        "version": code_version(),
        "code": task.code,
        "limits": [limits.target, limits.minimum, limits.maximum],
        "plane": [plane.x0, plane.y0, plane.metres_per_x, plane.metres_per_y],
        "seed": task.seed,
        "households": len(task.load),
        "barriers": None if task.barriers is None else len(task.barriers),
    }
    sha = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    sha.update(shapely.to_wkb(task.area))
    sha.update(_bytes(task.xy, "<f8"))
    sha.update(_bytes(task.load, "<i8"))
    if task.barriers is not None and task.price is not None:
        # WKB says by itself where it ends
        sha.update(b"".join(shapely.to_wkb(task.barriers)))
        sha.update(_bytes(task.price, "<f8"))
    return sha.digest()


def _bytes(values: NDArray[Any], dtype: str) -> bytes:
    return np.ascontiguousarray(values, dtype=dtype).tobytes()


def code_version() -> str:
    """SHA-256 of the code that draws grids and the releases of the libraries under it."""
    return calls.code_version("geodata.delineate")
