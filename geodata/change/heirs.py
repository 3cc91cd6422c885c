"""Plans whose grids bear other codes: which grid is the heir of which."""

from __future__ import annotations

from dataclasses import replace

import geopandas as gpd
import pandas as pd

from geodata.assign import assign
from geodata.change.result import Change, checked_grids, compare
from geodata.delineate.inputs import household_points

__all__ = ["compare_by_heirs", "find_heirs"]


def find_heirs(
    before: gpd.GeoDataFrame,
    after: gpd.GeoDataFrame,
    households: gpd.GeoDataFrame,
    *,
    snap_tolerance_m: float = 50,
) -> dict[str, str]:
    """The grid that each new grid goes on from, by the households that they share.

    A code that stands in both plans is its own heir. Of the others, the pair that shares most
    households is matched first; of equal pairs, the one of the lowest codes. Each grid is matched
    once at most.

    Parameters
    ----------
    before, after, households, snap_tolerance_m
        As for :func:`geodata.change.compare`.

    Returns
    -------
    dict
        New code -> old code, without the new grids that are nobody's heir.
    """
    before, after = checked_grids(before), checked_grids(after)
    if after.crs != before.crs:
        after = after.to_crs(before.crs)
    heirs = {code: code for code in after["grid_code"] if code in set(before["grid_code"])}
    _, load = household_points(households, before.crs)
    shared = pd.DataFrame(
        {
            "old": assign(before, households, snap_tolerance_m)["grid_code"].to_numpy(dtype=object),
            "new": assign(after, households, snap_tolerance_m)["grid_code"].to_numpy(dtype=object),
            "load": load,
        }
    )
    pairs = shared.dropna().groupby(["old", "new"], as_index=False)["load"].sum()
    pairs = pairs.sort_values(["load", "old", "new"], ascending=[False, True, True])
    taken = set(heirs)
    for old, new in zip(pairs["old"], pairs["new"], strict=True):
        if new not in heirs and old not in taken:
            heirs[new] = old
            taken.add(old)
    return heirs


def compare_by_heirs(
    before: gpd.GeoDataFrame,
    after: gpd.GeoDataFrame,
    households: gpd.GeoDataFrame,
    *,
    target: float = 400,
    minimum: float = 300,
    maximum: float = 500,
    snap_tolerance_m: float = 50,
) -> Change:
    """What changes from one plan to another where a changed grid bears a new code.

    As :func:`geodata.change.compare`, but a household moves only if it leaves the heir of its grid:
    a grid that gave a block away did not move all its households for having another code since.

    Parameters
    ----------
    before, after, households, target, minimum, maximum, snap_tolerance_m
        As for :func:`geodata.change.compare`.

    Returns
    -------
    Change
        In the codes of ``after``. ``households_before`` and ``compactness_before`` of a side are
        those of the grid whose heir it is.
    """
    heirs = find_heirs(before, after, households, snap_tolerance_m=snap_tolerance_m)
    tidy = checked_grids(after)
    change = compare(
        before,
        tidy.assign(grid_code=[heirs.get(code, code) for code in tidy["grid_code"]]),
        households,
        target=target,
        minimum=minimum,
        maximum=maximum,
        snap_tolerance_m=snap_tolerance_m,
    )
    own = {old: new for new, old in heirs.items()}

    def renamed(frame: pd.DataFrame, column: str) -> pd.DataFrame:
        codes = [own.get(code, code) for code in frame[column]]
        return frame.assign(**{column: codes})

    return replace(
        change,
        grids=renamed(change.grids, "grid_code").sort_values("grid_code", ignore_index=True),
        lookup=renamed(change.lookup, "new_code").sort_values(
            ["old_code", "new_code"], ignore_index=True
        ),
        moves=renamed(change.moves, "new_code"),
        sides=renamed(change.sides, "grid_code").sort_values("grid_code", ignore_index=True),
    )
