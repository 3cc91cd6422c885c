"""How much of the borders between grids lies on barriers, told while the grids are drawn.

The barriers of a few communities are in memory when these are handed out, and not again later.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import fsum
from operator import attrgetter

import geopandas as gpd
import numpy as np

from geodata.delineate.drawn import Drawn
from geodata.metric import MetricPlane
from geodata.quality import border_along

__all__ = ["Borders"]


@dataclass(slots=True)
class _Unit:
    """Communities whose barriers were read together."""

    barriers: gpd.GeoDataFrame
    waiting: set[str]
    drawn: list[Drawn] = field(default_factory=list)


class Borders:
    """The borders between grids of one community, as ``geodata.quality.measure`` has them.

    Parameters
    ----------
    plane : MetricPlane
        Where lengths are measured.
    """

    def __init__(self, plane: MetricPlane) -> None:
        self._plane = plane
        self._units: dict[str, _Unit] = {}
        self._lengths: list[tuple[float, float]] = []
        self._barriers = 0

    def expect(self, codes: Sequence[str], barriers: gpd.GeoDataFrame) -> None:
        """Communities that are to be drawn, and the barriers in and about them."""
        self._barriers += len(barriers)
        self._units |= dict.fromkeys(codes, _Unit(barriers, set(codes)))

    def add(self, drawn: Drawn) -> None:
        """Take in the grids of a community; the last of a unit has it measured."""
        unit = self._units.pop(drawn.code)
        unit.drawn.append(drawn)
        unit.waiting.remove(drawn.code)
        if unit.waiting:
            return
        # communities come in any order, and the sum shall be the same to the last bit
        unit.drawn.sort(key=attrgetter("code"))
        counts = [len(each.grids) for each in unit.drawn]
        grids = gpd.GeoDataFrame(
            {"community_code": np.repeat([each.code for each in unit.drawn], counts)},
            geometry=np.concatenate([each.grids for each in unit.drawn]),
            crs=unit.barriers.crs,
        )
        self._lengths.append(border_along(grids, unit.barriers, self._plane))

    @property
    def share_on_barriers(self) -> float | None:
        """The share of the boundary between grids that lies on barriers; None without any."""
        along = fsum(each for each, _ in self._lengths)
        whole = fsum(each for _, each in self._lengths)
        return along / whole if self._barriers and whole > 0 else None
