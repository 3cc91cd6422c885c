"""Which polygon a point is in, for any number of points."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import shapely
from numpy.typing import ArrayLike, NDArray
from shapely import GeometryType

from geodata.coverage.crossing import UNDECIDED, locate_in_slabs
from geodata.coverage.slabs import SlabIndex, build_index
from geodata.errors import InputError
from geodata.inputs import geometries

__all__ = ["Coverage"]

# Fewer points than this are not worth an index: an STR-tree answers them in a few milliseconds.
_FEW_POINTS = 10_000
# One point in an STR-tree costs about as much as indexing this many vertices.
_VERTICES_PER_POINT = 20
# Points that a thread takes at once: the more, the more of them meet the same polygon while it is
# in the processor's cache; 24 bytes of work space each.
_FEWEST_AT_ONCE, _MOST_AT_ONCE = 25_000, 4_000_000


class Coverage:
    """Answers which polygon covers a point, exactly as GEOS ``covers`` would.

    Any set of polygons will do: gaps, overlaps, holes, several parts. Each polygon must be valid
    by itself (see ``check`` and ``repair``).

    Parameters
    ----------
    polygons : GeoSeries, GeoDataFrame or array of shapely geometries, length n
        Polygon or MultiPolygon, in any CRS; missing and empty ones cover nothing. Where polygons
        meet, the lowest position wins: sort by code first.

    Raises
    ------
    InputError
        Something that is no geometry, or one that is not a polygon, with its position.

    Examples
    --------
    >>> from shapely import box
    >>> index, on_boundary = Coverage([box(0, 0, 1, 1), box(1, 0, 2, 1)]).locate([0.5, 1, 9], 0.5)
    >>> index.tolist(), on_boundary.tolist()
    ([0, 0, -1], [False, True, False])
    """

    def __init__(self, polygons: Any) -> None:
        self._polygons = geometries(polygons, "polygons")
        kinds = shapely.get_type_id(self._polygons)
        wrong = np.flatnonzero(
            ~np.isin(kinds, [GeometryType.POLYGON, GeometryType.MULTIPOLYGON])
            & ~shapely.is_empty(self._polygons)
            & ~shapely.is_missing(self._polygons)
        )
        if len(wrong):
            kind = self._polygons[wrong[0]].geom_type
            raise InputError(
                f"a coverage is made of polygons, but position {wrong[0]} holds a {kind}"
            )
        self._vertices = int(shapely.get_num_coordinates(self._polygons).sum())
        self._lock = threading.Lock()
        self._tree: shapely.STRtree | None = None
        self._slabs: SlabIndex | None = None
        self._asked = 0

    def __len__(self) -> int:
        return len(self._polygons)

    def __getstate__(self) -> dict[str, Any]:
        # the indexes and the lock are made again where they are needed
        return {"_polygons": self._polygons, "_vertices": self._vertices}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _lock=threading.Lock(), _tree=None, _slabs=None, _asked=0)

    @property
    def tree(self) -> shapely.STRtree:
        """An STR-tree of the polygons, by their positions."""
        with self._lock:
            if self._tree is None:
                self._tree = shapely.STRtree(self._polygons)
            return self._tree

    def locate(
        self, x: ArrayLike, y: ArrayLike, *, threads: int | None = None
    ) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
        """Find the polygon that covers each point; the boundary counts.

        Few points are answered by an STR-tree. Many, in one call or several, are answered by an
        index of slabs that is built once; the rare point that is too near an edge for floating
        point arithmetic goes to the STR-tree as well, so both ways give the same answer.

        Parameters
        ----------
        x, y : array_like of float64, shape (p,)
            Coordinates in the CRS of the polygons (longitude and latitude for EPSG:4326).
        threads : int, optional
            Threads to use; the processors at hand by default.

        Returns
        -------
        index : ndarray of int32, shape (p,)
            Position of the polygon, the lowest where several cover the point; -1 for none, and
            for a coordinate that is not finite.
        on_boundary : ndarray of bool, shape (p,)
            True where more than one polygon covers the point: it lies on a boundary that they
            share, or where they overlap. A point on the outer boundary, which one polygon only
            covers, is no tie and False.
        """
        px, py = _coordinates(x, y)
        if self._vertices == 0:
            return np.full(len(px), -1, dtype=np.int32), np.zeros(len(px), dtype=bool)
        self._asked += len(px)
        worth = max(_FEW_POINTS, self._vertices // _VERTICES_PER_POINT)
        if self._slabs is None and self._asked < worth:
            return self._locate_in_tree(px, py)
        return self._locate_in_slabs(px, py, threads)

    def _locate_in_slabs(
        self, x: NDArray[np.float64], y: NDArray[np.float64], threads: int | None
    ) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
        with self._lock:
            if self._slabs is None:
                self._slabs = build_index(self._polygons)
        index = self._slabs
        found = np.empty(len(x), dtype=np.int32)
        shared = np.empty(len(x), dtype=np.bool_)
        workers = min(threads or _processors(), max(len(x) // _FEWEST_AT_ONCE, 1))
        tasks = workers * -(-len(x) // (workers * _MOST_AT_ONCE))
        cuts = [len(x) * k // tasks for k in range(tasks + 1)]

        def locate(task: int) -> None:
            cut = slice(cuts[task], cuts[task + 1])
            locate_in_slabs(index, x[cut], y[cut], found[cut], shared[cut])

        if workers == 1:
            for task in range(tasks):
                locate(task)
        else:
            # threads of our own: the kernel holds no lock, and numba's pools do not survive a fork
            with ThreadPoolExecutor(workers) as pool:
                list(pool.map(locate, range(tasks)))
        undecided = np.flatnonzero(found == UNDECIDED)
        if len(undecided):
            found[undecided], shared[undecided] = self._locate_in_tree(x[undecided], y[undecided])
        return found, shared

    def _locate_in_tree(
        self, x: NDArray[np.float64], y: NDArray[np.float64]
    ) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
        finite = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
        points = shapely.points(x[finite], y[finite])
        # for a point, "intersects" is "is covered by", and the quicker predicate
        point, polygon = self.tree.query(points, predicate="intersects")
        lowest = np.full(len(x), len(self._polygons), dtype=np.int64)
        np.minimum.at(lowest, finite[point], polygon)
        count = np.bincount(finite[point], minlength=len(x))
        found = np.where(count > 0, lowest, -1).astype(np.int32)
        return found, count > 1


def _coordinates(x: ArrayLike, y: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both as arrays of one dimension and the same length."""
    try:
        px, py = np.broadcast_arrays(
            np.atleast_1d(np.asarray(x, dtype=np.float64)),
            np.atleast_1d(np.asarray(y, dtype=np.float64)),
        )
    except (TypeError, ValueError) as error:
        raise InputError(f"x and y must be numbers, as many of each: {error}") from error
    if px.ndim != 1:
        raise InputError(f"x and y must have one dimension, not {px.ndim}")
    return np.ascontiguousarray(px), np.ascontiguousarray(py)


def _processors() -> int:
    """Processors that this process may use (macOS cannot say, and has them all)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
