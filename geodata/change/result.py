"""What changed from one plan to another: the look-up of codes, the households that move."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from geodata.assign import assign
from geodata.change.flags import flagged
from geodata.delineate.inputs import household_points
from geodata.delineate.task import Limits
from geodata.errors import InputError
from geodata.inputs import AREAS, POINTS, checked_frame, counts, texts, with_places
from geodata.inputs import limits as checked_sizes
from geodata.metric import MetricPlane
from geodata.quality import polsby_popper

__all__ = ["KINDS", "Change", "changed", "checked_grids", "checked_households", "compare"]

#: Kinds of a row of the look-up, as the UK's statistics office names them.
KINDS = {"U": "unchanged", "S": "split", "M": "merged", "X": "irregular"}
#: Two grids have land in common when it is more than this, and this share of the smaller one.
_COMMON_M2, _COMMON_SHARE = 1.0, 1e-4


@dataclass(frozen=True, slots=True)
class Change:
    """One plan turned into another.

    Attributes
    ----------
    grids : GeoDataFrame
        The new state, sorted by code: grid_code, community_code, households, parts, flag,
        reason, geometry; whatever other columns the grids came with follow.
    lookup : DataFrame
        old_code, new_code, kind, households_moved, one row a pair of grids with land or
        households in common. ``kind``: ``U`` unchanged, ``S`` one grid split into several,
        ``M`` several merged into one, ``X`` anything else. ``households_moved`` counts those
        whose code changes; 0 where both codes are the same.
    moves : DataFrame
        household (its index), old_code, new_code, households; one row a household row whose
        code changes.
    sides : DataFrame
        One row a grid of the new state that is not unchanged: grid_code, community_code,
        households_before, households, deviation (from the target, signed), in_range,
        compactness_before, compactness (Polsby-Popper). ``_before`` is NaN for a new code.
    report : DataFrame
        One row a community: community_code, grids_before, grids, households, out_of_range_before,
        out_of_range (households beyond the limits), households_moved, steps (text), redone.
    """

    grids: gpd.GeoDataFrame
    lookup: pd.DataFrame
    moves: pd.DataFrame
    sides: pd.DataFrame
    report: pd.DataFrame


def compare(
    before: gpd.GeoDataFrame,
    after: gpd.GeoDataFrame,
    households: gpd.GeoDataFrame,
    *,
    target: float = 400,
    minimum: float = 300,
    maximum: float = 500,
    snap_tolerance_m: float = 50,
) -> Change:
    """What changes from one plan to another, whoever drew them.

    Parameters
    ----------
    before, after : GeoDataFrame
        grid_code (unique), community_code, geometry (Polygon or MultiPolygon).
    households : GeoDataFrame of Point
        With a column ``households`` if a row stands for more than one.
    target, minimum, maximum : float
        The yardstick of ``sides`` and ``report``.
    snap_tolerance_m : float
        A household this near outside every grid belongs to the nearest one.

    Returns
    -------
    Change
        ``grids`` are those of ``after`` with the households that they hold.

    Raises
    ------
    InputError
        Columns missing, codes twice.
    """
    limits = Limits(*checked_sizes(target, minimum, maximum))
    households = checked_households(households)
    before, after = checked_grids(before), checked_grids(after)
    if after.crs != before.crs:
        after = after.to_crs(before.crs)
    return changed(before, after, households, limits, snap_tolerance_m)


def checked_grids(grids: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Grids with texts for codes, in two dimensions, by code; an InputError otherwise."""
    grids = checked_frame(grids, "grids", "grid_code", "community_code", kinds=AREAS)
    codes = texts(grids, "grid_code", "grids", unique=True)
    communities = texts(grids, "community_code", "grids")
    shapes = shapely.force_2d(grids.geometry.to_numpy())
    bad = ~np.isin(shapely.get_type_id(shapes), (3, 6)) | shapely.is_empty(shapes)
    bad |= ~shapely.is_valid(shapes)
    if bad.any():
        raise InputError(
            f"grid '{codes[bad][0]}' is no valid polygon; geodata.check says why",
            field="geometry",
        )
    tidy = grids.set_geometry(gpd.GeoSeries(shapes, index=grids.index, crs=grids.crs))
    tidy["grid_code"], tidy["community_code"] = codes, communities
    return tidy.sort_values("grid_code", ignore_index=True)


def checked_households(households: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Households as points with whole numbers of households; an InputError otherwise."""
    points = checked_frame(households, "households", kinds=POINTS)
    points = points.assign(households=counts(points, "households", "households"))
    return with_places(points)


def changed(
    before: gpd.GeoDataFrame,
    after: gpd.GeoDataFrame,
    households: gpd.GeoDataFrame,
    limits: Limits,
    snap_tolerance_m: float,
    notes: dict[str, tuple[str, str | None]] | None = None,
    *,
    accepted: bool = False,
) -> Change:
    """The change from one set of checked grids to another; see :class:`Change`.

    ``notes`` gives, by community, the steps that were taken, in words, and what was redone;
    ``accepted`` says that everything was tried, so that what is out of range is flagged.
    """
    _, load = household_points(households, before.crs)
    member = [
        assign(grids, households, snap_tolerance_m)["grid_code"].to_numpy(dtype=object)
        for grids in (before, after)
    ]
    loads = [
        pd.Series(load).groupby(pd.Series(codes)).sum().reindex(grids["grid_code"], fill_value=0)
        for codes, grids in zip(member, (before, after), strict=True)
    ]
    other = np.array([one != two for one, two in zip(*member, strict=True)], dtype=bool)
    moves = pd.DataFrame(
        {
            "household": households.index.to_numpy()[other],
            "old_code": member[0][other],
            "new_code": member[1][other],
            "households": load[other],
        }
    )
    after = after.assign(
        households=loads[1].to_numpy(dtype=np.int64),
        parts=shapely.get_num_geometries(after.geometry.to_numpy()).astype(np.int32),
    )
    after = flagged(after, households, member[1], limits, accepted=accepted)
    lookup = _lookup(before, after, moves)
    return Change(
        grids=after,
        lookup=lookup,
        moves=moves,
        sides=_sides(before, after, loads[0], lookup, limits),
        report=_report(before, after, loads[0], moves, limits, notes or {}),
    )


def _lookup(before: gpd.GeoDataFrame, after: gpd.GeoDataFrame, moves: pd.DataFrame) -> pd.DataFrame:
    old_codes, new_codes = before["grid_code"].to_numpy(), after["grid_code"].to_numpy()
    old, new = _land_in_common(before, after)
    count = len(before) + len(after)
    links = coo_array((np.ones(len(old)), (old, new + len(before))), shape=(count, count))
    group = connected_components(links, directed=False)[1]
    olds = np.bincount(group[: len(before)], minlength=group.max(initial=0) + 1)
    news = np.bincount(group[len(before) :], minlength=len(olds))
    kinds = np.where(
        (olds == 1) & (news == 1), "U", np.where(olds == 1, "S", np.where(news == 1, "M", "X"))
    )
    kinds[(olds == 0) | (news == 0)] = "X"
    rows = pd.DataFrame(
        {"old_code": old_codes[old], "new_code": new_codes[new], "kind": kinds[group[old]]}
    )
    lone_old = np.setdiff1d(np.arange(len(before)), old)
    lone_new = np.setdiff1d(np.arange(len(after)), new)
    rows = pd.concat(
        [
            rows,
            pd.DataFrame({"old_code": old_codes[lone_old], "new_code": None, "kind": "X"}),
            pd.DataFrame({"old_code": None, "new_code": new_codes[lone_new], "kind": "X"}),
        ],
        ignore_index=True,
    )
    known = moves.dropna(subset=["old_code", "new_code"])
    moved = known.groupby(["old_code", "new_code"], as_index=False)["households"].sum()
    rows = rows.merge(moved, how="outer", on=["old_code", "new_code"])
    rows["kind"] = rows["kind"].fillna("X")  # only a household on a common edge moved
    rows["households_moved"] = rows.pop("households").fillna(0).astype(np.int64)
    return rows.sort_values(["old_code", "new_code"], ignore_index=True)


def _land_in_common(
    before: gpd.GeoDataFrame, after: gpd.GeoDataFrame
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions of the pairs of old and new grids that have land in common."""
    shapes = [shapely.normalize(grids.geometry.to_numpy()) for grids in (before, after)]
    keys = [pd.Series(shapely.to_wkb(each)) for each in shapes]
    same = pd.merge(
        keys[0].rename("wkb").reset_index(), keys[1].rename("wkb").reset_index(), on="wkb"
    )
    rest = [
        np.setdiff1d(np.arange(len(each)), same[name])
        for each, name in zip(shapes, ("index_x", "index_y"), strict=True)
    ]
    plane = MetricPlane.of_frame(before)
    one, two = (plane.to_metres(each[at]) for each, at in zip(shapes, rest, strict=True))
    new, old = shapely.STRtree(one).query(two, predicate="intersects")
    common = shapely.area(shapely.intersection(one[old], two[new]))
    smaller = np.minimum(shapely.area(one[old]), shapely.area(two[new]))
    # a grid whose land is all the same stays the same, whatever vertices it gained
    enough = common > np.maximum(_COMMON_SHARE * smaller, np.minimum(_COMMON_M2, smaller / 2.0))
    return (
        np.concatenate([same["index_x"].to_numpy(), rest[0][old[enough]]]).astype(np.int64),
        np.concatenate([same["index_y"].to_numpy(), rest[1][new[enough]]]).astype(np.int64),
    )


def _sides(
    before: gpd.GeoDataFrame,
    after: gpd.GeoDataFrame,
    old_loads: pd.Series,
    lookup: pd.DataFrame,
    limits: Limits,
) -> pd.DataFrame:
    still = lookup[(lookup["kind"] == "U") & (lookup["old_code"] == lookup["new_code"])]
    touched = after[~after["grid_code"].isin(still["new_code"])]
    shape_before = pd.Series(polsby_popper(before), index=before["grid_code"].to_numpy())
    codes, load = touched["grid_code"].to_numpy(), touched["households"].to_numpy()
    return pd.DataFrame(
        {
            "grid_code": codes,
            "community_code": touched["community_code"].to_numpy(),
            "households_before": old_loads.reindex(codes).to_numpy(dtype=float),
            "households": load,
            "deviation": load / limits.target - 1.0,
            "in_range": (load >= limits.minimum) & (load <= limits.maximum),
            "compactness_before": shape_before.reindex(codes).to_numpy(dtype=float),
            "compactness": polsby_popper(touched),
        }
    )


def _report(
    before: gpd.GeoDataFrame,
    after: gpd.GeoDataFrame,
    old_loads: pd.Series,
    moves: pd.DataFrame,
    limits: Limits,
    notes: dict[str, tuple[str, str | None]],
) -> pd.DataFrame:
    home = pd.concat([grids.set_index("grid_code")["community_code"] for grids in (before, after)])
    home = home[~home.index.duplicated()]
    moved = moves["households"].groupby(moves["new_code"].fillna(moves["old_code"]).map(home)).sum()
    codes = np.union1d(before["community_code"], after["community_code"])

    def per_community(grids: gpd.GeoDataFrame, values: Any, dtype: Any) -> NDArray[Any]:
        series = pd.Series(values, index=grids["community_code"].to_numpy())
        return series.groupby(level=0).sum().reindex(codes, fill_value=0).to_numpy(dtype=dtype)

    old, new = old_loads.to_numpy(), after["households"].to_numpy()
    return pd.DataFrame(
        {
            "community_code": codes,
            "grids_before": per_community(before, 1, np.int64),
            "grids": per_community(after, 1, np.int64),
            "households": per_community(after, new, np.int64),
            "out_of_range_before": per_community(before, _out_of_range(old, limits), float),
            "out_of_range": per_community(after, _out_of_range(new, limits), float),
            "households_moved": moved.reindex(codes, fill_value=0).to_numpy(dtype=np.int64),
            "steps": [notes.get(code, ("", None))[0] for code in codes],
            "redone": pd.Series([notes.get(code, ("", None))[1] for code in codes], dtype=object),
        }
    )


def _out_of_range(load: NDArray[Any], limits: Limits) -> NDArray[np.float64]:
    return np.maximum(load - limits.maximum, 0.0) + np.maximum(limits.minimum - load, 0.0)
