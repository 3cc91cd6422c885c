"""Divisions -> one page: how each fares, from the province down, where the grids are too many."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Final

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from geodata.draw.encode import encode_polygons
from geodata.draw.page import CoverageMap
from geodata.errors import InputError
from geodata.inputs import AREAS, checked_frame, checked_table, counts, limits, texts
from geodata.metric import MetricPlane
from geodata.report.pictures import simplified
from geodata.schema import LEVELS, STORAGE_CRS

__all__ = ["DivisionMap", "division_map"]

#: Borders are simplified until the page has at most so many vertices (about 9 characters each):
#: those of the lowest level by so many metres, of each level above it by twice as much.
_VERTICES: Final = 300_000
_TOLERANCES_M: Final = (2.0, 5.0, 15.0, 50.0, 150.0)

_SUMS: Final = ("grids", "out_of_range", "households", "posts_required", "posts_filled")


class DivisionMap(CoverageMap):
    """Coverage by division, with the look and the means of a coverage map."""

    scripts: ClassVar[tuple[str, ...]] = (*CoverageMap.scripts, "divisions.js")
    starter: ClassVar[str] = "Gridward.divisionMap({name}, meta, payload);"


def division_map(
    divisions: gpd.GeoDataFrame,
    figures: pd.DataFrame,
    *,
    vacancies: pd.DataFrame | None = None,
    team: Mapping[str, int] | None = None,
    target: float = 400,
    minimum: float = 300,
    maximum: float = 500,
    title: str | None = None,
    note: str | None = None,
    tiles: str | None = None,
    attribution: str | None = None,
    assets: Path | str | None = None,
) -> DivisionMap:
    """Draw how divisions fare, level by level as one comes nearer, down to the communities.

    Made for areas with more grids than a page can hold: its size grows with the communities, and
    their borders are simplified together, so that neighbours still meet.

    Parameters
    ----------
    divisions : GeoDataFrame
        code, name, level (of :data:`geodata.schema.LEVELS`), parent (code or missing),
        (Multi)Polygon geometry in any CRS.
    figures : DataFrame
        One row a community: community_code, grids, out_of_range (grids with fewer or more
        households than allowed), households, posts_required, posts_filled. Divisions above have
        the sums of those below them.
    vacancies : DataFrame, optional
        community_code, role, missing (posts).
    team, target, minimum, maximum, title, tiles, attribution, assets
        As for :func:`geodata.draw.coverage_map`.
    note : str, optional
        A sentence under the title.

    Returns
    -------
    DivisionMap
        A ``folium.Map`` whose HTML is self-contained and the same for the same input.

    Raises
    ------
    InputError
        A frame lacks a column, a code occurs twice, or a level is unknown.
    UnavailableError
        The web assets are not installed.
    """
    frame = _ordered(divisions)
    sums = _summed(frame, figures)
    kept = sums["grids"] > 0
    frame, sums = frame[kept].reset_index(drop=True), sums[kept].reset_index(drop=True)
    position = {code: row for row, code in enumerate(frame["code"])}
    payload: dict[str, Any] = {
        "divisions": {
            "level": [LEVELS.index(level) for level in frame["level"]],
            "code": frame["code"].tolist(),
            "name": frame["name"].fillna("").astype(str).tolist(),
            "parent": [position.get(parent, -1) for parent in frame["parent"]],
            **{name: sums[name].tolist() for name in _SUMS},
            "geometry": encode_polygons(_simplified(frame)),
        },
        "levels": list(LEVELS),
        "bounds": _bounds(frame),
    }
    if vacancies is not None:
        payload["vacancies"] = _lacking(frame, vacancies)
    target, minimum, maximum = limits(target, minimum, maximum)
    meta = {
        "title": title or "Coverage of service grids",
        "note": note,
        "target": int(target),
        "minimum": int(minimum),
        "maximum": int(maximum),
        "roles": list(team or ()),
        "bounds": payload["bounds"],
    }
    return DivisionMap(payload, meta, assets=assets, tiles=tiles, attribution=attribution)


def _ordered(divisions: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """The divisions in longitude and latitude, top down and by code."""
    names = ("code", "name", "level", "parent")
    frame = checked_frame(divisions, "divisions", *names, kinds=AREAS).to_crs(STORAGE_CRS)
    frame = frame.assign(code=texts(frame, "code", "divisions", unique=True))
    unknown = sorted(set(frame["level"].astype(str)) - set(LEVELS))
    if unknown:
        raise InputError(
            f"there is no level '{unknown[0]}': {', '.join(LEVELS)} are known", field="level"
        )
    rank = frame["level"].map(LEVELS.index)
    return frame.assign(rank=rank).sort_values(["rank", "code"]).reset_index(drop=True)


def _summed(frame: gpd.GeoDataFrame, figures: pd.DataFrame) -> pd.DataFrame:
    """The figures of every division: its own row's, and the sums of those below it."""
    table = checked_table(figures, "figures", "community_code", *_SUMS)
    own = pd.DataFrame({name: counts(table, name, "figures") for name in _SUMS})
    own = own.groupby(texts(table, "community_code", "figures")).sum()
    return _risen(frame, own.reindex(frame["code"], fill_value=0))


def _risen(frame: gpd.GeoDataFrame, own: pd.DataFrame) -> pd.DataFrame:
    """Add up from the lowest level to the highest; a row of ``own`` for each division."""
    values = own.to_numpy(dtype=np.int64).copy()
    position = pd.Series(np.arange(len(frame)), index=frame["code"])
    parent = position.reindex(frame["parent"]).fillna(-1).to_numpy(dtype=np.int64)
    ranks = frame["rank"].to_numpy()
    for rank in sorted(set(ranks), reverse=True):
        rows = np.flatnonzero((ranks == rank) & (parent >= 0))
        np.add.at(values, parent[rows], values[rows])
    return pd.DataFrame(values, columns=own.columns)


def _lacking(frame: gpd.GeoDataFrame, vacancies: pd.DataFrame) -> dict[str, Any]:
    """Posts that nobody holds by division and role, in rows of those that are there."""
    table = checked_table(vacancies, "vacancies", "community_code", "role", "missing")
    rows = pd.DataFrame(
        {
            "code": texts(table, "community_code", "vacancies"),
            "role": texts(table, "role", "vacancies"),
            "missing": counts(table, "missing", "vacancies"),
        }
    )
    own = rows.pivot_table(index="code", columns="role", values="missing", aggfunc="sum")
    risen = _risen(frame, own.reindex(frame["code"]).fillna(0))
    at, role = np.nonzero(risen.to_numpy())
    return {
        "role": [str(name) for name in risen.columns],
        "of": role.tolist(),
        "at": at.tolist(),
        "missing": risen.to_numpy()[at, role].tolist(),
    }


def _simplified(frame: gpd.GeoDataFrame) -> list[Any]:
    """The borders, each level as one coverage, with as much detail as the page can hold."""
    shapes = frame.geometry.to_numpy()
    if shapely.get_num_coordinates(shapes).sum() <= _VERTICES or not len(shapes):
        return list(shapes)
    degrees = 1.0 / MetricPlane.of_frame(frame).metres_per_y
    for metres in _TOLERANCES_M:
        simple = shapes.copy()
        lowest = frame["rank"].max()
        for rank, rows in frame.groupby("rank").indices.items():
            simple[rows] = simplified(shapes[rows], metres * degrees * 2 ** (lowest - rank))
        if shapely.get_num_coordinates(simple).sum() <= _VERTICES:
            break
    return list(simple)


def _bounds(frame: gpd.GeoDataFrame) -> list[float]:
    bounds = np.asarray(frame.total_bounds, dtype=np.float64)
    return bounds.round(6).tolist() if np.isfinite(bounds).all() else [-180.0, -85.0, 180.0, 85.0]
