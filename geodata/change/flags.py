"""Why a grid is out of the ordinary after a change."""

from __future__ import annotations

import math
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from geodata.delineate.inputs import household_points
from geodata.delineate.task import Limits

__all__ = ["flagged"]


def flagged(
    grids: gpd.GeoDataFrame,
    households: gpd.GeoDataFrame,
    member: NDArray[Any],
    limits: Limits,
) -> gpd.GeoDataFrame:
    """The grids with ``flag`` and ``reason``: None for one in range and in one piece.

    A flag that the load does not explain (``lumpy``) is kept where the grid had it, with its
    reason.

    Parameters
    ----------
    grids : GeoDataFrame
        grid_code, community_code, households, parts; flag and reason if they had any.
    households : GeoDataFrame
    member : (len(households),) object
        The code of each household's grid, or None.
    limits : Limits
    """
    heaviest = _heaviest_place(grids, households, member)
    total = grids.groupby("community_code")["households"].transform("sum")
    flags, reasons = [], []
    for number, row in enumerate(grids[["households", "parts"]].itertuples(index=False)):
        flag, reason = _flag(
            int(row.households), int(row.parts), int(total.iloc[number]),
            int(heaviest[number]), limits,
        )  # fmt: skip
        if flag is None and "flag" in grids and grids["flag"].iloc[number] == "lumpy":
            flag = "lumpy"
            reason = grids["reason"].iloc[number] if "reason" in grids else None
        flags.append(flag)
        reasons.append(reason)
    index = grids.index
    return grids.assign(
        flag=pd.Series(flags, index=index, dtype=object),
        reason=pd.Series(reasons, index=index, dtype=object),
    )


def _flag(
    load: int, parts: int, total: int, heaviest: int, limits: Limits
) -> tuple[str | None, str | None]:
    span = f"{limits.minimum:g} to {limits.maximum:g}"
    if total == 0:
        return "empty", "the community holds no household"
    if total < limits.minimum:
        return "undersize", f"the community holds {total} households, fewer than {limits.minimum:g}"
    if limits.minimum <= load <= limits.maximum:
        split = (
            "multipart",
            "a part of the community cannot be reached from the rest, or is too small alone",
        )
        return split if parts > 1 else (None, None)
    if heaviest > limits.maximum:
        cause = f"one building holds {heaviest} households, more than {limits.maximum:g}"
    elif math.ceil(total / limits.maximum) > math.floor(total / limits.minimum):
        cause = f"{total} households make no whole number of grids of {span}"
    else:
        cause = f"no division of the community was found that brings it to {span}"
    return ("oversize" if load > limits.maximum else "undersize"), cause


def _heaviest_place(
    grids: gpd.GeoDataFrame, households: gpd.GeoDataFrame, member: NDArray[Any]
) -> NDArray[np.float64]:
    """The households on the heaviest place of each grid; places are told apart bit by bit."""
    points, load = household_points(households, grids.crs)
    frame = pd.DataFrame({"code": member, "load": load})
    geometry = gpd.GeoSeries(points)
    frame["x"], frame["y"] = geometry.x.to_numpy(), geometry.y.to_numpy()
    places = frame.dropna().groupby(["code", "x", "y"])["load"].sum()
    most = places.groupby(level="code").max()
    return most.reindex(grids["grid_code"]).fillna(0).to_numpy(dtype=np.float64)
