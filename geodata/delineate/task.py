"""Steps 0 and 1: one community, its households and barriers, in metres and in canonical order."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from geodata.delineate.faces import PRECISION_M
from geodata.delineate.graph import totals
from geodata.metric import MetricPlane

__all__ = ["Items", "Limits", "Task", "merge_items", "metric_area", "original_vertices"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Households a grid should hold: the target and the range."""

    target: float
    minimum: float
    maximum: float


@dataclass(frozen=True, slots=True)
class Task:
    """All that the delineation of one community needs; small enough to send to another machine.

    Attributes
    ----------
    code : str
    area : Polygon or MultiPolygon in the units of the frame
    plane : MetricPlane
    xy : (n, 2) float64, households in the units of the frame, on or inside ``area``
    load : (n,) int64 households at each
    barriers : array of lines in the units of the frame, or None to cut without barriers
    price : (len(barriers),) float64
        What a metre of boundary along each barrier costs; 1 is an ordinary one.
    limits : Limits
    seed : int
    """

    code: str
    area: Any
    plane: MetricPlane
    xy: NDArray[np.float64]
    load: NDArray[np.int64]
    barriers: NDArray[Any] | None
    price: NDArray[np.float64] | None
    limits: Limits
    seed: int

    @property
    def random_seed(self) -> int:
        """A seed of the community's own, so that neither order nor company matters."""
        return zlib.crc32(self.code.encode()) ^ (self.seed * 0x9E3779B1 & 0xFFFFFFFF)


@dataclass(frozen=True, slots=True)
class Items:
    """Households merged by place: a building is never parted.

    Attributes
    ----------
    xy : (n, 2) float64 metres, sorted by x, then y
    load : (n,) float64 households
    """

    xy: NDArray[np.float64]
    load: NDArray[np.float64]


def merge_items(xy: NDArray[np.float64], load: NDArray[np.int64]) -> Items:
    """One item for each place, to the centimetre."""
    key = np.rint(xy * 100.0).astype(np.int64)
    places, first, inverse = np.unique(key, axis=0, return_index=True, return_inverse=True)
    del places
    # of the points on one place the lowest stands for it, whatever the input order
    order = np.lexsort((xy[:, 1], xy[:, 0], inverse.ravel()))
    starts = np.searchsorted(inverse.ravel()[order], np.arange(len(first)))
    weights = totals(inverse.ravel(), load, len(first))
    return Items(xy=xy[order[starts]] if len(first) else xy.reshape(0, 2), load=weights)


def metric_area(area: Any, plane: MetricPlane) -> Any:
    """The community in metres on the precision grid, valid, in canonical vertex order."""
    metric = plane.to_metres(shapely.force_2d(area))
    return shapely.normalize(shapely.set_precision(metric, PRECISION_M, mode="valid_output"))


def original_vertices(area: Any, plane: MetricPlane) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """The community's own vertices by their place on the precision grid.

    Returns
    -------
    keys : (n,) complex128, sorted, grid steps east + 1j * north
    vertices : (n, 2) float64 in the units of the frame
    """
    vertices = shapely.get_coordinates(area)
    steps = np.rint(plane.forward(vertices) / PRECISION_M)
    keys, first = np.unique(steps[:, 0] + 1j * steps[:, 1], return_index=True)
    return keys, vertices[first]
