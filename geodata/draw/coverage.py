"""Frames -> one page: who is covered, by whom, and who is not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import folium
import geopandas as gpd
import pandas as pd

from geodata.draw.page import CoverageMap
from geodata.draw.payload import coverage_payload
from geodata.errors import InputError
from geodata.inputs import checked_path, limits, shown
from geodata.write.pages import write_page

__all__ = ["coverage_map", "save_map"]


def coverage_map(
    grids: gpd.GeoDataFrame,
    *,
    communities: gpd.GeoDataFrame | None = None,
    households: gpd.GeoDataFrame | None = None,
    members: gpd.GeoDataFrame | None = None,
    facilities: gpd.GeoDataFrame | None = None,
    posts: pd.DataFrame | None = None,
    vacancies: pd.DataFrame | None = None,
    team: Mapping[str, int] | None = None,
    target: float = 400,
    minimum: float = 300,
    maximum: float = 500,
    title: str | None = None,
    barriers: gpd.GeoDataFrame | None = None,
    addresses: bool = True,
    tiles: str | None = None,
    attribution: str | None = None,
    assets: Path | str | None = None,
) -> CoverageMap:
    """Draw the grids by load and by vacancies, with the teams behind a click.

    The frames are those of :mod:`geodata.schema`, in any CRS; all but the grids are optional, and
    a layer without its frame is left out. Names and addresses are shown as text, never as HTML.

    Parameters
    ----------
    grids : GeoDataFrame
        grid_code, community_code, households, flag, (Multi)Polygon geometry.
    communities : GeoDataFrame, optional
        code, name, (Multi)Polygon geometry.
    households : GeoDataFrame, optional
        address, households (1 where the column is missing), Point geometry.
    members : GeoDataFrame, optional
        member_id, name, roles, Point geometry or None.
    facilities : GeoDataFrame, optional
        name, kind, Point geometry.
    posts : DataFrame, optional
        member_id, grid_code, role, distance_m (metres).
    vacancies : DataFrame, optional
        grid_code, role, missing, reason.
    team : mapping, optional
        role -> posts that a grid needs; gives the order of the roles.
    target, minimum, maximum : int
        Households in a grid.
    title : str, optional
        Heading of the page.
    barriers : GeoDataFrame, optional
        kind, lines or polygons: a quiet backdrop, simplified to about 1.5 m.
    addresses : bool
        Whether the addresses of households (personal data) go into the page. Without them the
        households still show as counts, but cannot be searched for.
    tiles, attribution : str, optional
        Address of a base map ({z}, {x}, {y}) and its attribution. The page then needs its host.
    assets : path, optional
        The ``node_modules`` folder; by default the one beside the project.

    Returns
    -------
    CoverageMap
        A ``folium.Map`` whose HTML is self-contained and the same for the same input.

    Raises
    ------
    InputError
        A frame lacks a column, or a grid code occurs twice.
    UnavailableError
        The web assets are not installed.
    """
    payload = coverage_payload(
        grids,
        communities=communities,
        households=households,
        members=members,
        facilities=facilities,
        posts=posts,
        vacancies=vacancies,
        team=team,
        barriers=barriers,
        addresses=addresses,
    )
    target, minimum, maximum = limits(target, minimum, maximum)
    meta = {
        "title": title or "Coverage of service grids",
        "target": int(target),
        "minimum": int(minimum),
        "maximum": int(maximum),
        "roles": _roles(payload, team),
        "bounds": payload["bounds"],
    }
    return CoverageMap(payload, meta, assets=assets, tiles=tiles, attribution=attribution)


def save_map(map_: folium.Map, path: Path | str) -> Path:
    """Write a map as one HTML file; an existing file is replaced only by a complete one.

    Raises
    ------
    InputError
        Something that is no map, or no path.
    UnavailableError
        The file cannot be written.
    """
    if not hasattr(map_, "get_root"):
        raise InputError(f"a map is needed, as coverage_map gives it, not {shown(map_)}")
    return write_page(map_.get_root().render(), checked_path(path))


def _roles(payload: dict[str, object], team: Mapping[str, int] | None) -> list[str]:
    """Return the roles in the order of the team, then others that members have."""
    named = dict.fromkeys(str(role) for role in team or ())
    members = payload.get("members")
    found = (
        {role for roles in members["roles"] for role in roles}
        if isinstance(members, dict)
        else set()
    )
    return [*named, *sorted(found - named.keys())]
