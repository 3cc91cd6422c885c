"""A sample in memory, in the columns of `geodata.schema`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
import shapely
from numpy.typing import NDArray

from geodata.sample.codes import Division
from geodata.sample.county import Patch, patches, upper_divisions
from geodata.sample.divide import Territory
from geodata.sample.ground import Plan
from geodata.sample.homes import Homes
from geodata.schema import LEVELS, STORAGE_CRS

__all__ = ["SampleFrames", "division_rows", "frames_of", "household_table"]


@dataclass(frozen=True)
class SampleFrames:
    """A sample as GeoDataFrames in EPSG:4326.

    Attributes
    ----------
    divisions : GeoDataFrame
        All five levels: code, name, level, parent; from the province down.
    communities : GeoDataFrame
        The divisions of the lowest level.
    households, barriers, members, facilities : GeoDataFrame
        As `geodata.schema` has them; barriers also carry a ``name``, members an ``affiliation``
        (the facility they work at, or none).
    """

    divisions: gpd.GeoDataFrame
    communities: gpd.GeoDataFrame
    households: gpd.GeoDataFrame
    barriers: gpd.GeoDataFrame
    members: gpd.GeoDataFrame
    facilities: gpd.GeoDataFrame


def household_table(homes: Homes) -> pa.Table:
    """Households of one patch without their coordinates, in the columns of the files."""
    return pa.table(
        {
            "household_id": homes.reference,
            "address": homes.address,
            "building": homes.building,
            "unit": homes.unit,
            "community_code": homes.community_code,
        }
    )


def division_rows(
    plan: Plan, lands: Iterable[Territory]
) -> dict[str, tuple[list[Division], NDArray[np.object_]]]:
    """Divisions and polygons of every level, each in the order of the codes."""
    lower: dict[str, list[Division]] = {"county": [], "street": [], "community": []}
    shapes: dict[str, list[shapely.Geometry]] = {level: [] for level in lower}
    for land in lands:
        lower["county"] += land.counties
        lower["street"] += land.streets
        lower["community"] += land.communities
        shapes["county"] += list(land.county_polygons)
        shapes["street"] += list(land.street_polygons)
        shapes["community"] += list(land.polygons)
    top, outlines = upper_divisions(plan, lower["county"], shapes["county"])
    levels: dict[str, tuple[list[Division], list[shapely.Geometry]]]
    levels = {"province": (top[:1], outlines[:1]), "city": (top[1:], outlines[1:])}
    levels |= {level: (lower[level], shapes[level]) for level in lower}
    rows = {}
    for level in LEVELS:
        divisions, polygons = levels[level]
        order = sorted(range(len(divisions)), key=lambda k: divisions[k].code)
        rows[level] = (
            [divisions[k] for k in order],
            np.array([polygons[k] for k in order], dtype=object),
        )
    return rows


def frames_of(plan: Plan) -> SampleFrames:
    """All frames of a plan, whole in memory."""
    made = list(patches(plan))
    divisions = pd.concat(
        [
            _frame(
                {
                    "code": [division.code for division in rows],
                    "name": [division.name for division in rows],
                    "level": [division.level for division in rows],
                    "parent": [division.parent or None for division in rows],
                },
                polygons,
            )
            for rows, polygons in division_rows(plan, [patch.territory for patch in made]).values()
        ],
        ignore_index=True,
    )
    return SampleFrames(
        divisions=divisions,
        communities=divisions[divisions["level"] == "community"].reset_index(drop=True),
        households=pd.concat([_households(patch) for patch in made], ignore_index=True).assign(
            row=lambda frame: np.arange(1, len(frame) + 1)
        ),
        barriers=pd.concat([_barriers(patch) for patch in made], ignore_index=True),
        members=pd.concat([_members(patch) for patch in made], ignore_index=True),
        facilities=pd.concat([_facilities(patch) for patch in made], ignore_index=True),
    )


def _frame(columns: dict[str, Any], geometry: NDArray[np.object_]) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame(columns, geometry=geometry, crs=STORAGE_CRS)


def _households(patch: Patch) -> gpd.GeoDataFrame:
    homes = patch.homes
    text = household_table(homes).to_pandas()
    columns = {
        "reference": text["household_id"],
        "address": text["address"],
        "building": text["building"],
        "unit": text["unit"],
        "households": np.ones(len(homes), dtype=np.int32),
        "community": text["community_code"],
        "source_x": homes.lonlat[:, 0],
        "source_y": homes.lonlat[:, 1],
        "datum": STORAGE_CRS,
        "row": np.arange(1, len(homes) + 1),
    }
    return _frame(columns, shapely.points(homes.lonlat))


def _barriers(patch: Patch) -> gpd.GeoDataFrame:
    part = patch.barriers
    columns = {"kind": part.kind, "weight": part.weight, "name": part.name}
    return _frame(columns, part.geometry)


def _members(patch: Patch) -> gpd.GeoDataFrame:
    part = patch.members
    geometry = shapely.points(part.lonlat)
    geometry[np.isnan(part.lonlat[:, 0])] = None
    columns = {
        "member_id": part.reference,
        "name": part.name,
        "roles": [roles.split(";") for roles in part.roles],
        "max_posts": part.max_posts.astype(np.int16),
        "affiliation": [place or None for place in part.affiliation],
    }
    return _frame(columns, geometry)


def _facilities(patch: Patch) -> gpd.GeoDataFrame:
    part = patch.facilities
    columns = {"facility_id": part.reference, "name": part.name, "kind": part.kind}
    return _frame(columns, shapely.points(part.lonlat))
