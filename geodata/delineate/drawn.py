"""The grids of many communities as one frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from geodata.delineate.community import Solved
from geodata.delineate.stitch import stitch
from geodata.metric import MetricPlane

__all__ = ["Drawn", "grid_codes", "grid_frame"]


@dataclass(frozen=True, slots=True)
class Drawn:
    """What is left of a community when it is solved: its grids, without whose they are.

    Attributes
    ----------
    code : str
    grids : (k,) array of Polygon or MultiPolygon in the units of the frame
    households : (k,) int64
    flag, reason : (k,) object
        ``None`` for an ordinary grid.
    """

    code: str
    grids: NDArray[Any]
    households: NDArray[np.int64]
    flag: NDArray[Any]
    reason: NDArray[Any]

    @classmethod
    def of(cls, solved: Solved) -> Drawn:
        """The lasting part of a result."""
        return cls(solved.code, solved.grids, solved.households, solved.flag, solved.reason)


def grid_codes(code: str, count: int) -> NDArray[Any]:
    """The codes of a community's grids: its own code and three digits or more."""
    return np.array([f"{code}{number:03d}" for number in range(1, count + 1)], dtype=object)


def grid_frame(places: gpd.GeoDataFrame, drawn: Sequence[Drawn]) -> gpd.GeoDataFrame:
    """The grids of all communities as one coverage: the columns of ``Plan.grids``.

    Parameters
    ----------
    places : GeoDataFrame
        Checked communities.
    drawn : sequence of Drawn
        The grids of each, in the same order.
    """
    plane = MetricPlane.of_frame(places)
    shapes = np.concatenate(
        stitch(places.geometry.to_numpy(), [each.grids for each in drawn], plane.metres_per_y)
    )
    return gpd.GeoDataFrame(
        {
            "grid_code": np.concatenate([grid_codes(each.code, len(each.grids)) for each in drawn]),
            "community_code": np.repeat(
                places["code"].to_numpy(), [len(each.grids) for each in drawn]
            ),
            "households": np.concatenate([each.households for each in drawn]),
            "parts": shapely.get_num_geometries(shapes).astype("int32"),
            "flag": _texts([each.flag for each in drawn]),
            "reason": _texts([each.reason for each in drawn]),
        },
        geometry=shapes,
        crs=places.crs,
    )


def _texts(values: Sequence[NDArray[Any]]) -> pd.Series:
    """Texts of which most are missing; the missing ones stay None."""
    return pd.Series(np.concatenate(values), dtype=object)
