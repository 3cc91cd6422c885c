"""Codes from one plan to the next: a grid that goes on keeps its code, any other takes a fresh one.

Of all ways to hand the old codes on, each to one grid at most, the one is taken that leaves the
most households with the code that they had; land decides where households do not. So of two
children the larger keeps the code, and of two merged grids that of the heavier one goes on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from geodata.assign import assign
from geodata.change.result import checked_grids, checked_households
from geodata.coverage.overlaps import made_valid
from geodata.delineate.inputs import household_points
from geodata.errors import InputError
from geodata.inputs import AREAS, checked_frame, listed, texts

__all__ = ["fresh_codes", "handed_on", "keep_codes", "last_numbers"]


def keep_codes(
    before: gpd.GeoDataFrame,
    after: gpd.GeoDataFrame,
    households: gpd.GeoDataFrame,
    *,
    used_codes: Iterable[str] = (),
    snap_tolerance_m: float = 50,
) -> NDArray[np.object_]:
    """The codes of the grids of a new plan, in its order.

    Parameters
    ----------
    before : GeoDataFrame
        The grids as they are: grid_code, community_code, geometry.
    after : GeoDataFrame
        community_code, geometry (Polygon or MultiPolygon). With a column ``grid_code``, a grid
        that has the code of a grid of its community there keeps it, whatever it looks like; other
        codes in it do not count.
    households : GeoDataFrame of Point
        With a column ``households`` if a row stands for more than one.
    used_codes : iterable of str
        Codes that grids had in the past: none of them is given again.
    snap_tolerance_m : float
        A household this near outside every grid belongs to the nearest one.

    Returns
    -------
    (len(after),) object
        A fresh code is the community's code and the next number after the highest that it ever
        had, in the order of the rows.

    Raises
    ------
    InputError
        Columns missing, or a code of ``before`` chosen twice.
    """
    before, households = checked_grids(before), checked_households(households)
    after = checked_frame(after, "new grids", "community_code", kinds=AREAS).to_crs(before.crs)
    community = texts(after, "community_code", "new grids")
    codes = _chosen(before, after, community)
    pairs = _shared(before, after.assign(community_code=community), households, snap_tolerance_m)
    old_home = before["community_code"].to_numpy(dtype=object)
    taken = np.isin(before["grid_code"].to_numpy(dtype=object), [c for c in codes if c is not None])
    free = pd.isna(codes)[pairs["new"]] & ~taken[pairs["old"]]
    pairs = pairs[free & (community[pairs["new"]] == old_home[pairs["old"]])]
    names = before["grid_code"].to_numpy(dtype=object)
    for _, group in pairs.groupby(community[pairs["new"]], sort=True):
        new, row = np.unique(group["new"], return_inverse=True)
        old, column = np.unique(group["old"], return_inverse=True)
        common = np.zeros((len(new), len(old)))
        common[row, column] = group["common"]
        for at, heir in zip(new, handed_on(common), strict=True):
            codes[at] = names[old[heir]] if heir >= 0 else None
    last = last_numbers(dict.fromkeys(community), [*names, *listed(used_codes, "used_codes")])
    return fresh_codes(codes, community, last)


def handed_on(common: NDArray[np.float64]) -> NDArray[np.int64]:
    """Which old grid each new one goes on from.

    Parameters
    ----------
    common : (n, m) float64
        What new grid i shares with old grid j.

    Returns
    -------
    (n,) int64
        -1 for none: nothing is shared, or others share more.

    References
    ----------
    The linear assignment problem; Crouse (2016), doi:10.1109/TAES.2016.140952, as in scipy.
    """
    heir = np.full(len(common), -1, dtype=np.int64)
    new, old = linear_sum_assignment(common, maximize=True)
    shares = common[new, old] > 0
    heir[new[shares]] = old[shares]
    return heir


def fresh_codes(
    codes: NDArray[np.object_], community: NDArray[np.object_], last: Mapping[str, int]
) -> NDArray[np.object_]:
    """The codes with the next numbers of each community where there is None."""
    number = dict(last)
    given = codes.copy()
    for at in np.flatnonzero(pd.isna(codes)):
        home = community[at]
        number[home] = number.get(home, 0) + 1
        given[at] = f"{home}{number[home]:03d}"
    return given


def last_numbers(communities: Iterable[str], codes: Iterable[str]) -> dict[str, int]:
    """The highest number of each community among some codes."""
    last = dict.fromkeys(communities, 0)
    for code in codes:
        # a number has three digits or more, and a community's code may begin another's
        for end in range(1, len(code) - 2):
            if code[:end] in last:
                last[code[:end]] = max(last[code[:end]], _number(code, code[:end]))
    return last


def _number(code: str, community: str) -> int:
    """The number in a grid code; 0 for a code of another scheme."""
    digits = code.removeprefix(community)
    return int(digits) if digits != code and digits.isascii() and digits.isdigit() else 0


def _chosen(
    before: gpd.GeoDataFrame, after: gpd.GeoDataFrame, community: NDArray[np.object_]
) -> NDArray[np.object_]:
    """The codes of ``before`` that new grids of the same community bear already, None elsewhere."""
    codes = np.full(len(after), None, dtype=object)
    if "grid_code" not in after:
        return codes
    home = dict(zip(before["grid_code"], before["community_code"], strict=True))
    given = after["grid_code"].to_numpy(dtype=object)
    for at, code in enumerate(given):
        if isinstance(code, str) and home.get(code) == community[at]:
            codes[at] = code
    known = pd.Series(codes).dropna()
    if known.duplicated().any():
        twice = known[known.duplicated()].iloc[0]
        raise InputError(f"two grids bear the code '{twice}'", field="grid_code")
    return codes


def _shared(
    before: gpd.GeoDataFrame,
    after: gpd.GeoDataFrame,
    households: gpd.GeoDataFrame,
    snap_tolerance_m: float,
) -> pd.DataFrame:
    """What new and old grids have in common: new, old (positions), common.

    ``common`` counts households; all the land of a community counts as half a household.
    """
    named = gpd.GeoDataFrame(
        {"grid_code": [f"{at:09d}" for at in range(len(after))]},
        geometry=made_valid(np.array(after.geometry, dtype=object)),
        crs=before.crs,
    )
    _, load = household_points(households, before.crs)
    known = {code: at for at, code in enumerate(before["grid_code"])}
    old = assign(before, households, snap_tolerance_m)["grid_code"].map(known)
    new = assign(named, households, snap_tolerance_m)["grid_code"].map(int, na_action="ignore")
    pairs = pd.DataFrame(
        {
            "new": new.to_numpy(dtype=float),
            "old": old.to_numpy(dtype=float),
            "common": load.astype(float),
        }
    ).dropna()
    land = _land(before, named.assign(community_code=after["community_code"].to_numpy()))
    both = pd.concat([pairs, land], ignore_index=True).astype({"new": np.int64, "old": np.int64})
    return both.groupby(["new", "old"], as_index=False)["common"].sum()


def _land(before: gpd.GeoDataFrame, after: gpd.GeoDataFrame) -> pd.DataFrame:
    """The land that new and old grids have in common, as a share of half their community's."""
    old_shapes, new_shapes = before.geometry.to_numpy(), after.geometry.to_numpy()
    new, old = shapely.STRtree(old_shapes).query(new_shapes, predicate="intersects")
    area = pd.Series(shapely.area(new_shapes))
    whole = area.groupby(after["community_code"].to_numpy(dtype=object)).transform("sum")
    common: Any = shapely.area(shapely.intersection(new_shapes[new], old_shapes[old]))
    share = common / np.maximum(whole.to_numpy()[new], np.finfo(float).tiny)
    return pd.DataFrame({"new": new, "old": old, "common": 0.5 * share})
