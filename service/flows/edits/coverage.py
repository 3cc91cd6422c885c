"""Whether grids tile their communities, and what is told where they do not."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import geopandas as gpd
from sqlalchemy.orm import Session

from geodata.coverage import check
from geodata.write.cells import plain_columns
from geodata.write.geojson import features
from service.db.frames import read_frame
from service.db.statements import load_statements
from service.errors import BrokenCoverage

__all__ = ["grids_in_force", "outlines", "refuse", "refuse_faults"]

_SQL = load_statements("service.flows", "change.sql")


def grids_in_force(session: Session, communities: Sequence[str]) -> gpd.GeoDataFrame:
    """The grids of some communities: grid_code, community_code, kind, flag, reason, geometry."""
    return read_frame(session, _SQL["grids_in_force"], {"codes": list(communities)})


def outlines(session: Session, communities: Sequence[str]) -> gpd.GeoDataFrame:
    """The communities: code, geometry."""
    return read_frame(session, _SQL["communities"], {"codes": list(communities)})


def refuse_faults(session: Session, *, communities: Sequence[str]) -> None:
    """Refuse communities that their grids in force do not tile; those without grids pass.

    Raises
    ------
    BrokenCoverage
    """
    grids = grids_in_force(session, communities)
    if len(grids):
        refuse(check(grids, outlines(session, communities)))


def refuse(faults: gpd.GeoDataFrame) -> None:
    """Refuse grids that have faults.

    Raises
    ------
    BrokenCoverage
        Carries the faults, each at its place, as GeoJSON.
    """
    if faults.empty:
        return
    first = faults.iloc[0]
    codes = ", ".join(str(code) for code in first["codes"])
    others = f", the first of {len(faults)}" if len(faults) > 1 else ""
    collection: dict[str, Any] = {
        "type": "FeatureCollection",
        "features": [json.loads(each) for each in features(plain_columns(faults))],
    }
    raise BrokenCoverage(
        f"The grids would no longer tile their community: {first['kind']} at {codes}"
        f" ({first['area_m2']:.3g} m2){others}. Change all grids that share the border at once.",
        collection,
    )
