"""Two plans compared: the look-up of codes, the households that move, the balance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import geopandas as gpd
import pandas as pd
from sqlalchemy.orm import Session

from geodata.change import compare
from geodata.errors import InputError
from geodata.write.cells import json_value
from service.db.frames import read_frame
from service.db.statements import load_statements
from service.flows import plans
from service.flows.scope import Area, find_areas

__all__ = ["Difference", "area_values", "compare_in", "diff", "read_households", "records"]

_SQL = load_statements("service.flows", "change.sql")


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What changes from one set of grids to another.

    Attributes
    ----------
    communities : tuple of str
        Those that were compared.
    lookup : DataFrame
        old_code, new_code, kind (``U`` unchanged, ``S`` split, ``M`` merged, ``X`` irregular),
        households_moved: those whose grid has another code.
    moves : GeoDataFrame of Point
        reference, old_code, new_code, households: one row a household record that moves.
    sides : DataFrame
        The new grids that are not unchanged: load before and after, deviation, compactness.
    report : DataFrame
        One row a community.
    """

    communities: tuple[str, ...]
    lookup: pd.DataFrame
    moves: gpd.GeoDataFrame
    sides: pd.DataFrame
    report: pd.DataFrame

    def as_dict(self) -> dict[str, Any]:
        """Figures, look-up and sides as JSON; the households that move only as their number."""
        totals = ("grids_before", "grids", "households", "out_of_range_before", "out_of_range")
        kinds = self.lookup.groupby("kind").size()
        return {
            "communities": len(self.communities),
            **{name: json_value(self.report[name].sum()) for name in totals},
            "households_moved": int(self.moves["households"].sum()),
            "kinds": {kind: int(kinds.get(kind, 0)) for kind in "USMX"},
            "lookup": records(self.lookup),
            "sides": records(self.sides),
        }


def diff(session: Session, *, first: int, second: int) -> Difference:
    """Compare two plans in the communities that both hold.

    Raises
    ------
    NotFound
        There is no such plan.
    InputError
        They have no community in common.
    """
    for plan_id in (first, second):
        plans.show(session, plan_id=plan_id)
    values = {"first": first, "second": second}
    common = session.execute(_SQL["common_communities"], values).scalars().all()
    if not common:
        raise InputError(f"the plans {first} and {second} have no community in common")
    parts = []
    for area in find_areas(session, communities=common):
        before, after = (
            grids[grids["community_code"].isin(area.communities)]
            for grids in (plans.plan_grids(session, plan_id=each) for each in (first, second))
        )
        parts.append(compare_in(area, before, after, read_households(session, area)))
    return _together(parts)


def compare_in(
    area: Area, before: gpd.GeoDataFrame, after: gpd.GeoDataFrame, households: gpd.GeoDataFrame
) -> Difference:
    """Compare two sets of grids of an area; households as :func:`read_households` gives them."""
    change = compare(
        before,
        after,
        households,
        target=area.target,
        minimum=area.minimum,
        maximum=area.maximum,
        snap_tolerance_m=area.snap_tolerance_m,
    )
    moved = households.loc[change.moves["household"], ["reference", "geometry"]]
    moves = gpd.GeoDataFrame(
        {
            "reference": moved["reference"].to_numpy(),
            "old_code": change.moves["old_code"].to_numpy(),
            "new_code": change.moves["new_code"].to_numpy(),
            "households": change.moves["households"].to_numpy(),
        },
        geometry=moved.geometry.to_numpy(),
        crs=households.crs,
    )
    return Difference(
        communities=area.communities,
        lookup=change.lookup,
        moves=moves,
        sides=change.sides,
        report=change.report,
    )


def read_households(session: Session, area: Area) -> gpd.GeoDataFrame:
    """The households in or near the communities of an area: reference, households, geometry."""
    name = "households" if area.whole else "households_near"
    return read_frame(session, _SQL[name], area_values(area)).set_index("id")


def area_values(area: Area) -> dict[str, Any]:
    """What the statements of ``change.sql`` bind for an area."""
    return {
        "dataset_id": area.dataset_id,
        "codes": list(area.communities),
        "margin_m": area.snap_tolerance_m,
    }


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a frame as JSON; missing values are null."""
    return [
        {name: json_value(value) for name, value in row.items()}
        for row in frame.astype(object).where(frame.notna(), None).to_dict("records")
    ]


def _together(parts: Sequence[Difference]) -> Difference:
    if len(parts) == 1:
        return parts[0]
    return Difference(
        communities=tuple(code for part in parts for code in part.communities),
        **{
            name: pd.concat([getattr(part, name) for part in parts], ignore_index=True)
            for name in ("lookup", "moves", "sides", "report")
        },
    )
