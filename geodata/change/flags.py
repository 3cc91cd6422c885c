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
    *,
    accepted: bool = False,
) -> gpd.GeoDataFrame:
    """The grids with ``flag`` and ``reason``: None for one in range and in one piece.

    Out of range, a grid has a flag where the input forces it: a building above the maximum, a
    community below the minimum, households that make no whole number of grids. A flag that it had
    for another reason is kept as long as it still says which way the grid is out of range.

    Parameters
    ----------
    grids : GeoDataFrame
        grid_code, community_code, households, parts; flag and reason if they had any.
    households : GeoDataFrame
    member : (len(households),) object
        The code of each household's grid, or None.
    limits : Limits
    accepted : bool
        Flag the others that are out of range as well: everything was tried.
    """
    heaviest = _heaviest_place(grids, households, member)
    total = grids.groupby("community_code")["households"].transform("sum")
    flags, reasons = [], []
    for number, row in enumerate(grids[["households", "parts"]].itertuples(index=False)):
        flag, reason = _flag(
            int(row.households), int(row.parts), int(total.iloc[number]),
            int(heaviest[number]), limits,
        )  # fmt: skip
        had = grids["flag"].iloc[number] if "flag" in grids else None
        if reason is None and had is not None and had in (flag, "lumpy"):
            flag = had
            reason = grids["reason"].iloc[number] if "reason" in grids else None
        elif reason is None and flag is not None:
            flag, reason = (flag, _excuse(flag, limits)) if accepted else (None, None)
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
    """The flag that a load calls for, and what forces it, if anything does."""
    span = f"{limits.minimum:g} to {limits.maximum:g}"
    cause = None
    if total == 0:
        return "empty", "the community holds no household"
    if total < limits.minimum:
        return "undersize", f"the community holds {total} households, fewer than {limits.minimum:g}"
    if limits.minimum <= load <= limits.maximum:
        return ("multipart" if parts > 1 else None), None
    if heaviest > limits.maximum:
        cause = f"one building holds {heaviest} households, more than {limits.maximum:g}"
    elif math.ceil(total / limits.maximum) > math.floor(total / limits.minimum):
        cause = f"{total} households make no whole number of grids of {span}"
    return ("oversize" if load > limits.maximum else "undersize"), cause


def _excuse(flag: str, limits: Limits) -> str:
    if flag == "multipart":
        return "a part of the community cannot be reached from the rest, or is too small alone"
    span = f"{limits.minimum:g} to {limits.maximum:g}"
    return f"no division of the community was found that brings it to {span}"


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
