"""Where the posts of grids go when the grids change."""

from __future__ import annotations

from collections.abc import Mapping

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from geodata.metric import MetricPlane

__all__ = ["hand_over"]


def hand_over(
    posts: gpd.GeoDataFrame,
    lookup: pd.DataFrame,
    grids: gpd.GeoDataFrame,
    needs: Mapping[str, int] | None = None,
) -> NDArray[np.object_]:
    """The grid that each post is for after a change; None for a post that ends.

    A post stays with its grid as long as the grid goes on. When a grid is split, it goes to the
    part on whose side the member lives; when its grid ends, to the one of those that take its
    place. A member whose place is not known stays, or goes where most households are.

    Parameters
    ----------
    posts : GeoDataFrame of Point
        member_id, grid_code (before the change), role, fixed; the place of the member, or None.
    lookup : DataFrame
        old_code, new_code, as of :class:`geodata.change.Change`.
    grids : GeoDataFrame
        grid_code, households, geometry: after the change.
    needs : mapping of str to int, optional
        Posts of each role that a grid needs. What is beyond it ends, the grid's own posts and fixed
        ones last. A member has each role once a grid.

    Returns
    -------
    (len(posts),) object
    """
    coming = _successors(lookup)
    load = dict(zip(grids["grid_code"], grids["households"], strict=True))
    plane = MetricPlane.of_frame(grids)
    shapes = dict(zip(grids["grid_code"], plane.to_metres(grids.geometry.to_numpy()), strict=True))
    homes = plane.to_metres(posts.to_crs(grids.crs).geometry.to_numpy())
    given, far = [], []
    for old, home in zip(posts["grid_code"], homes, strict=True):
        candidates = coming.get(old, [])
        if not candidates:
            chosen, distance = None, np.inf
        elif home is None or home.is_empty:
            chosen = old if old in candidates else max(candidates, key=lambda code: load[code])
            distance = np.inf
        else:
            distances = shapely.distance([shapes[code] for code in candidates], home)
            chosen, distance = candidates[int(distances.argmin())], float(distances.min())
        given.append(chosen)
        far.append(distance)
    named = posts[["member_id", "role", "fixed"]].reset_index(drop=True)
    named = named.assign(grid=pd.Series(given, dtype=object), far=far)
    named["moved"] = named["grid"] != posts["grid_code"].to_numpy(dtype=object)
    return _within_need(named, needs)


def _successors(lookup: pd.DataFrame) -> dict[str, list[str]]:
    """The grids that a post of each old grid may go to, its own first if it goes on."""
    known = lookup.dropna(subset=["old_code", "new_code"])
    before = set(lookup["old_code"].dropna())
    found: dict[str, list[str]] = {}
    for old, rows in known.groupby("old_code", sort=True):
        codes = sorted(rows["new_code"])
        own = [code for code in codes if code == old]
        found[str(old)] = own + [code for code in codes if code not in before] if own else codes
    return found


def _within_need(posts: pd.DataFrame, needs: Mapping[str, int] | None) -> NDArray[np.object_]:
    """The grid of each post, None for those beyond the need."""
    ranked = posts.sort_values(["moved", "fixed", "far"], ascending=[True, False, True])
    ranked = ranked.dropna(subset=["grid"]).drop_duplicates(["member_id", "grid", "role"])
    if needs is not None:
        place = ranked.groupby(["grid", "role"]).cumcount()
        ranked = ranked[
            place < np.array([needs.get(role, 0) for role in ranked["role"]], dtype=int)
        ]
    kept = np.full(len(posts), None, dtype=object)
    kept[ranked.index] = ranked["grid"].to_numpy(dtype=object)
    return kept
