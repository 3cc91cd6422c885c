"""A made-up province for the benchmark of assignment: a tiling of wavy cells, and points in it.

The cells are a square lattice whose corners are moved and whose sides wave, like grids that follow
streets. Neighbours share every vertex of their common side, so the cells tile the square exactly.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

__all__ = ["CORNER", "SIDE", "cells", "households"]

#: South-west corner, degrees.
CORNER = (121.0, 30.0)
#: Side of a cell, degrees: about 250 m.
SIDE = 0.0025

#: How far a corner moves, in sides; a side waves by this much of its length at most.
_SHIFT, _WAVE = 0.15, 0.12

#: Homes at one place: most stand alone, some share a tower.
_TOWERS, _STOREYS = 0.3, 40


def cells(across: int, steps: int = 11, seed: int = 0) -> NDArray[Any]:
    """Polygons of 4 * ``steps`` vertices, row by row from the south.

    Parameters
    ----------
    across : int
        Cells in a row; there are as many rows.
    steps : int
        Pieces of a side.

    Returns
    -------
    (across ** 2,) object, Polygon in degrees
    """
    rng = np.random.default_rng(seed)
    count = across + 1
    x, y = np.meshgrid(np.arange(count, dtype=float), np.arange(count, dtype=float))
    corners = np.stack([x, y], axis=-1) + rng.uniform(-_SHIFT, _SHIFT, (count, count, 2))
    level = _sides(corners[:, :-1], corners[:, 1:], steps, rng)
    upright = _sides(corners[:-1], corners[1:], steps, rng)
    south, north = level[:-1], level[1:]
    west, east = upright[:, :-1], upright[:, 1:]
    # every side without its last vertex, which is the first of the next
    ring = np.concatenate(
        [
            south[:, :, :-1],
            east[:, :, :-1],
            north[:, :, :0:-1],
            west[:, :, :0:-1],
            south[:, :, :1],
        ],
        axis=2,
    )
    rings = ring.reshape(across * across, -1, 2) * SIDE + CORNER
    polygons: NDArray[Any] = shapely.polygons(shapely.linearrings(rings))
    return polygons


def _sides(
    begin: NDArray[np.float64], end: NDArray[np.float64], steps: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Waving lines from begin to end, shape (..., steps + 1, 2)."""
    share = np.linspace(0, 1, steps + 1)
    along = end - begin
    across = np.stack([-along[..., 1], along[..., 0]], axis=-1)
    wave = rng.uniform(-1, 1, (*begin.shape[:-1], steps + 1)) * np.minimum(share, 1 - share)
    line = begin[..., None, :] + share[:, None] * along[..., None, :]
    line += 2 * _WAVE * wave[..., None] * across[..., None, :]
    line[..., -1, :] = end
    return line


def households(count: int, across: int, seed: int = 1) -> NDArray[np.float64]:
    """Places of households: homes that stand alone, and towers with many at one point.

    Returns
    -------
    (count, 2) float64, degrees
    """
    rng = np.random.default_rng(seed)
    alone = int(count * (1 - _TOWERS))
    towers = rng.random((-(-(count - alone) // _STOREYS), 2))
    places = np.concatenate(
        [rng.random((alone, 2)), np.repeat(towers, _STOREYS, axis=0)[: count - alone]]
    )
    rng.shuffle(places)
    return np.asarray(places * (across * SIDE) + CORNER)
