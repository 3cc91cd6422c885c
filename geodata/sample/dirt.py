"""A stated handful of bad household rows, so that a sample shows what becomes of them."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from geodata.sample.ground import Plan

__all__ = ["DIRT", "spoil"]

#: Kind of bad row -> rows of it in a sample. All are added to the good rows.
DIRT: Final = {
    "missing_coordinates": 3,
    "unreadable_coordinates": 2,
    "swapped_coordinates": 2,
    "duplicate_row": 3,
    "duplicate_id": 2,
    "blank_id": 2,
    "outside": 2,
    "unknown_community": 2,
}

#: Metres that the households of kind ``outside`` are off the outline.
OUTSIDE_M = 2500.0


def spoil(
    plan: Plan, rows: pd.DataFrame, outline: shapely.Geometry, *, text: bool
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Put bad rows between the good ones.

    Parameters
    ----------
    plan : Plan
        Decides which rows are copied and where the bad ones go.
    rows : DataFrame
        Good households with ``household_id``, ``community_code``, ``lon``, ``lat``.
    outline : Polygon or MultiPolygon
        In degrees; the households of kind ``outside`` lie beyond it.
    text : bool
        The coordinates become text, so that some can be unreadable. Without it that kind is left
        out: a geometry is there or not.

    Returns
    -------
    rows : DataFrame
        Copies come after the rows that they are copies of.
    counts : dict
        Bad rows by kind, as in `DIRT`.
    """
    rng = plan.generator(47)
    counts = {kind: n for kind, n in DIRT.items() if text or kind != "unreadable_coordinates"}
    total = sum(counts.values())
    half = max(1, len(rows) // 2)
    bad = rows.iloc[np.sort(rng.choice(half, size=total, replace=half < total))].copy()
    kind = np.repeat(list(counts), list(counts.values()))
    rng.shuffle(kind)
    fresh = ~np.isin(kind, ["duplicate_row", "duplicate_id", "blank_id"])
    bad.loc[fresh, "household_id"] = [f"X{serial:05d}" for serial in range(1, fresh.sum() + 1)]
    bad.loc[kind == "blank_id", "household_id"] = None
    bad.loc[kind == "unknown_community", "community_code"] = "999999999999"
    swapped = kind == "swapped_coordinates"
    bad.loc[swapped, ["lon", "lat"]] = bad.loc[swapped, ["lat", "lon"]].to_numpy()
    bad.loc[kind == "duplicate_id", "lat"] += 0.0005
    bad.loc[kind == "outside", ["lon", "lat"]] = _beyond(outline, rng, counts["outside"])
    bad.loc[kind == "missing_coordinates", ["lon", "lat"]] = np.nan
    if text:
        rows, bad = _as_text(rows), _as_text(bad)
        bad.loc[kind == "unreadable_coordinates", "lon"] = "not surveyed"
    position = np.sort(rng.integers(half, len(rows) + 1, size=total))
    order = np.argsort(np.concatenate([np.arange(len(rows)), position - 0.5]), kind="stable")
    return pd.concat([rows, bad], ignore_index=True).iloc[order], counts


def _as_text(rows: pd.DataFrame) -> pd.DataFrame:
    def text(values: pd.Series) -> list[str | None]:
        return [None if value != value else repr(value) for value in values.tolist()]

    return rows.assign(lon=text(rows["lon"]), lat=text(rows["lat"])).astype(
        {"lon": "str", "lat": "str"}
    )


def _beyond(outline: shapely.Geometry, rng: np.random.Generator, count: int) -> NDArray[np.float64]:
    """Points `OUTSIDE_M` west of the outline: the patch with bad rows is the westernmost."""
    minx, miny, _, maxy = outline.bounds
    off = OUTSIDE_M / (111_320.0 * np.cos(np.radians(miny)))
    lon, lat = np.full(count, minx - off), rng.uniform(miny, maxy, count)
    return np.round(np.stack([lon, lat], axis=1), 7)
