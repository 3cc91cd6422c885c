"""One community as it stands: grids, households, and what each grid holds. Boards never change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from geodata.delineate.graph import shared_edges, totals
from geodata.delineate.task import Limits, merge_items
from geodata.delineate.tiling import item_face
from geodata.metric import MetricPlane

__all__ = ["Board", "Site"]


@dataclass(frozen=True)
class Site:
    """What stays the same while the grids of a community change.

    Attributes
    ----------
    code : str
        Of the community.
    plane : MetricPlane
    limits : Limits
    xy : (n, 2) float64, households in the units of the frame
    load : (n,) int64 households at each
    barriers : array of lines in the units of the frame, or None to cut without barriers
    price : (len(barriers),) float64, or None
        What a metre of border along each costs.
    seed : int
    settled : mapping of str to float
        Households that a grid may be out of range without being touched, by its code: as many as
        were accepted when the plan was drawn.
    """

    code: str
    plane: MetricPlane
    limits: Limits
    xy: NDArray[np.float64]
    load: NDArray[np.int64]
    barriers: NDArray[Any] | None
    price: NDArray[np.float64] | None
    seed: int
    settled: Mapping[str, float] = field(default_factory=dict)

    @cached_property
    def metres(self) -> NDArray[np.float64]:
        """Where the households are, (n, 2) metres."""
        return self.plane.forward(self.xy)


@dataclass(frozen=True)
class Board:
    """The grids of a community at one moment of a change.

    Attributes
    ----------
    site : Site
    codes : tuple of str, sorted
    polygons : (k,) array of Polygon or MultiPolygon in the units of the frame
    owner : (n,) int64
        The grid of each household; on a common edge the lowest code.
    last_number : int
        The highest number that a grid of the community ever had.
    """

    site: Site
    codes: tuple[str, ...]
    polygons: NDArray[Any]
    owner: NDArray[np.int64]
    last_number: int

    @classmethod
    def of(cls, site: Site, grids: dict[str, Any], last_number: int) -> Board:
        """The board of grids, code -> polygon in the units of the frame."""
        codes = tuple(sorted(grids))
        polygons = np.array([grids[code] for code in codes], dtype=object)
        owner = item_face(site.plane.to_metres(polygons), site.metres)
        return cls(site, codes, polygons, owner, last_number)

    @cached_property
    def loads(self) -> NDArray[np.int64]:
        """Households in each grid, (k,)."""
        return totals(self.owner, self.site.load, len(self.codes)).astype(np.int64)

    @cached_property
    def beyond(self) -> NDArray[np.float64]:
        """Households above the maximum or, below 0, under the minimum in each grid, (k,)."""
        limits = self.site.limits
        high = np.maximum(self.loads - limits.maximum, 0.0)
        return np.asarray(high - np.maximum(limits.minimum - self.loads, 0.0))

    @property
    def violation(self) -> float:
        """Households out of range in all grids together."""
        return float(np.abs(self.beyond).sum())

    @cached_property
    def raggedness(self) -> float:
        """The sum of P^2 / (4 pi A) over the grids: 1 for a disc, 1.27 for a square."""
        metric = self.site.plane.to_metres(self.polygons)
        return float((shapely.length(metric) ** 2 / (4.0 * np.pi * shapely.area(metric))).sum())

    @cached_property
    def neighbours(self) -> dict[str, dict[str, float]]:
        """The grids that each grid shares a border with, and its length in metres."""
        parts, owner = shapely.get_parts(
            self.site.plane.to_metres(self.polygons), return_index=True
        )
        edges = shared_edges(parts)
        inner = edges.right >= 0
        found: dict[str, dict[str, float]] = {code: {} for code in self.codes}
        sides = (owner[edges.left[inner]].tolist(), owner[edges.right[inner]].tolist())
        for left, right, length in zip(*sides, edges.length[inner].tolist(), strict=True):
            for one, other in ((left, right), (right, left)):
                border = found[self.codes[one]]
                border[self.codes[other]] = border.get(self.codes[other], 0.0) + length
        return found

    def position(self, code: str) -> int:
        """The place of a code among the codes."""
        return self.codes.index(code)

    def load(self, code: str) -> int:
        """Households in a grid."""
        return int(self.loads[self.position(code)])

    def polygon(self, code: str) -> Any:
        """The polygon of a grid in the units of the frame."""
        return self.polygons[self.position(code)]

    def members(self, codes: list[str]) -> NDArray[np.int64]:
        """The positions of the households in some grids."""
        return np.flatnonzero(np.isin(self.owner, [self.position(code) for code in codes]))

    def split_by(self, codes: list[str]) -> tuple[NDArray[Any], NDArray[Any]]:
        """The polygons of some grids, and those of all others."""
        chosen = np.isin(np.arange(len(self.codes)), [self.position(code) for code in codes])
        return self.polygons[chosen], self.polygons[~chosen]

    def places(self, code: str) -> NDArray[np.float64]:
        """The households of each inhabited building of a grid."""
        rows = self.members([code])
        load = merge_items(self.site.metres[rows], self.site.load[rows]).load
        return load[load > 0]

    def fresh_codes(self, count: int) -> list[str]:
        """Codes with the next numbers that the community never used."""
        return [f"{self.site.code}{self.last_number + n:03d}" for n in range(1, count + 1)]

    def with_grids(self, removed: list[str], added: dict[str, Any]) -> Board:
        """The board with the polygons of ``added`` in the place of the grids ``removed``."""
        grids = dict(zip(self.codes, self.polygons, strict=True))
        rows = self.members(removed)
        old = np.array(self.codes, dtype=object)[self.owner]
        for code in removed:
            del grids[code]
        grids |= added
        names = sorted(added)
        shapes = self.site.plane.to_metres(np.array([added[n] for n in names], dtype=object))
        old[rows] = np.array(names, dtype=object)[item_face(shapes, self.site.metres[rows])]
        codes = tuple(sorted(grids))
        fresh = [int(c.removeprefix(self.site.code)) for c in set(added) - set(self.codes)]
        return replace(
            self,
            codes=codes,
            polygons=np.array([grids[code] for code in codes], dtype=object),
            owner=np.searchsorted(np.array(codes), old.astype(str)).astype(np.int64),
            last_number=max([self.last_number, *fresh]),
        )

    def moved_since(self, before: Board) -> int:
        """Households whose grid has another code than before."""
        old = np.array(before.codes, dtype=object)[before.owner]
        new = np.array(self.codes, dtype=object)[self.owner]
        return int(self.site.load[old != new].sum())
