"""Grids written: the change becomes the next plan of its communities, or is refused.

What a grid was on its days stays answerable. A written one keeps its code and gets a new version,
in a plan that rules from today; a new one takes the next number that its community never used. The
households are assigned again, all in the transaction of the request.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
import shapely.geometry
from sqlalchemy import select
from sqlalchemy.orm import Session

from geodata.change.naming import fresh_codes, last_numbers
from geodata.coverage import check
from geodata.coverage.placing import place_in_parents
from geodata.errors import InputError
from service.catalogue.editing import Draft
from service.db.statements import load_statements
from service.divisions.models import Division
from service.errors import Conflict, InvalidParameter
from service.flows import plans
from service.flows.edits.coverage import grids_in_force, outlines, refuse
from service.flows.import_plan import loaded
from service.flows.scope import Area, find_areas
from service.grids.queries import get_in_force

__all__ = ["GridChange", "GridEditor", "change_grids"]

_SQL = load_statements("service.flows.edits", "grids.sql")
#: What a grid is called while it has no code.
_NEW: Final = "new"


@dataclass(frozen=True, slots=True)
class GridChange:
    """One change: a grid replaced, added (``code`` is None) or taken away (``draft`` is None)."""

    code: str | None
    draft: Draft | None


class GridEditor:
    """Writes grids."""

    def lock(self, session: Session, identifier: str) -> None:
        """Hold the community of a grid: its grids only change together."""
        self.hold(session, [identifier])

    def hold(self, session: Session, identifiers: Sequence[str]) -> None:
        """Hold the communities of several grids, in the order in which everybody does."""
        _hold(session, [get_in_force(session, code=code).community_code for code in identifiers])

    def create(self, session: Session, draft: Draft) -> str:
        """Add a grid where there is room, as in a community without grids."""
        (code,) = change_grids(session, [GridChange(None, draft)])
        return code

    def replace(self, session: Session, identifier: str, draft: Draft) -> str:
        """Put a grid in the place of another; one written as it was stays as it was."""
        (code,) = change_grids(session, [GridChange(identifier, draft)])
        return code

    def delete(self, session: Session, identifier: str) -> None:
        """Take a grid away, which leaves a gap and is refused with it."""
        change_grids(session, [GridChange(identifier, None)])

    def change(
        self, session: Session, changes: Sequence[tuple[str | None, Draft | None]]
    ) -> list[str]:
        """Change several grids at once: borders that they share, a split, a merger."""
        return change_grids(session, [GridChange(code, draft) for code, draft in changes])


def change_grids(session: Session, changes: Sequence[GridChange]) -> list[str]:
    """Carry out changes together, so that borders that grids share can move.

    Returns
    -------
    list of str
        The codes of the grids written, in the order of the changes that write one.

    Raises
    ------
    InputError
        A grid is named twice, or lies in no community.
    NotFound
        A grid is not in force.
    BrokenCoverage
        The grids would no longer tile their communities; it carries the faults as GeoJSON.
    """
    named = [each.code for each in changes if each.code is not None]
    if len(set(named)) < len(named):
        raise InputError("A grid is named more than once.")
    homes = {code: get_in_force(session, code=code).community_code for code in named}
    changes = [_kept(session, each) for each in changes]
    targets = _communities(session, changes, homes)
    communities = sorted({*homes.values(), *(code for code in targets if code)})
    _hold(session, communities)
    before = grids_in_force(session, communities)
    after, written = _applied(before, changes, targets)
    if not any(written["changed"]) and all(each.draft is not None for each in changes):
        return [str(code) for code in written["grid_code"]]
    refuse(check(after, outlines(session, communities)))
    codes = _switch(session, communities, after, written)
    return codes


def _kept(session: Session, change: GridChange) -> GridChange:
    """A change whose unmoved geometry is the one that is kept, to the last bit."""
    if change.code is None or change.draft is None or change.draft.moved:
        return change
    text = session.execute(_SQL["geometry"], {"code": change.code}).scalar_one()
    kept: dict[str, Any] = shapely.geometry.mapping(shapely.from_wkb(bytes(text)))
    return GridChange(change.code, replace(change.draft, geometry=kept))


def _hold(session: Session, communities: Sequence[str]) -> None:
    session.execute(
        select(Division.code)
        .where(Division.code.in_(communities))
        .order_by(Division.code.collate("C"))
        .with_for_update()
    )


def _communities(
    session: Session, changes: Sequence[GridChange], homes: dict[str, str]
) -> list[str | None]:
    """The community of each grid that is written: as named, as before, or by most of its land."""
    found: list[str | None] = []
    for each in changes:
        if each.draft is None:
            found.append(None)
            continue
        if each.draft.geometry is None:
            raise InvalidParameter("geometry", "is missing")
        named = each.draft.properties["community_code"]
        if each.code is not None:
            if named not in (None, homes[each.code]):
                raise Conflict("A grid stays in its community: change both communities' grids.")
            found.append(homes[each.code])
        else:
            found.append(named or _community_of(session, each.draft))
    unknown = set(filter(None, found)) - set(_known(session, filter(None, found)))
    if unknown:
        raise InvalidParameter("community_code", f"names '{min(unknown)}', which is no community")
    return found


def _community_of(session: Session, draft: Draft) -> str:
    shape = shapely.geometry.shape(draft.geometry)
    near = session.scalars(_SQL["communities_near"], {"shape": shapely.to_wkb(shape)}).all()
    grid = gpd.GeoDataFrame({"grid_code": [_NEW]}, geometry=[shape], crs=4326)
    found = place_in_parents(grid, outlines(session, near))[0] if near else None
    if found is None:
        raise InputError("The grid lies in no community.")
    return str(found)


def _known(session: Session, codes: Any) -> Sequence[str]:
    wanted = (Division.code.in_(list(codes)), Division.level == "community")
    return session.scalars(select(Division.code).where(*wanted)).all()


def _applied(
    before: gpd.GeoDataFrame, changes: Sequence[GridChange], targets: Sequence[str | None]
) -> tuple[gpd.GeoDataFrame, pd.DataFrame]:
    """All grids of the communities after the changes, and those that were written among them."""
    current = before.set_index("grid_code", drop=False)
    rows: list[dict[str, Any]] = []
    for number, (each, community) in enumerate(zip(changes, targets, strict=True), start=1):
        if each.draft is None:
            continue
        old = None if each.code is None else current.loc[each.code]
        shape = shapely.geometry.shape(each.draft.geometry)
        same_shape, old_kind = False, "basic"
        if old is not None:
            same_shape = bool(shapely.equals_exact(old["geometry"], shape, 0.0))
            shape, old_kind = old["geometry"] if same_shape else shape, old["kind"]
        kind = each.draft.properties["kind"] or old_kind
        rows.append(
            {
                "grid_code": each.code or f"{_NEW} {number}",
                "community_code": community,
                "kind": kind,
                "geometry": shape,
                "changed": not same_shape or kind != old_kind,
            }
        )
    columns = ["grid_code", "community_code", "kind", "geometry", "changed"]
    written = pd.DataFrame(rows, columns=columns)
    taken_away = [each.code for each in changes if each.draft is None]
    gone = before["grid_code"].isin([*written["grid_code"], *taken_away])
    kept = before.loc[~gone, ["grid_code", "community_code", "kind", "geometry"]]
    kept = kept.assign(changed=False)
    after = gpd.GeoDataFrame(
        pd.concat([kept, written], ignore_index=True), geometry="geometry", crs=before.crs or 4326
    )
    return after, written


def _switch(
    session: Session, communities: Sequence[str], after: gpd.GeoDataFrame, written: pd.DataFrame
) -> list[str]:
    """The next plan of the communities, in force from now, with the households in its grids."""
    area = _one_area(session, communities)
    codes = _codes(session, area, after)
    saved = plans.save(
        session,
        name=f"{area.dataset}, edited",
        communities=communities,
        grids=loaded(session, area, after, list(codes.values())),
        parameters={"edited": sorted(codes[code] for code in written["grid_code"])},
        report={},
    )
    plans.validate(session, plan_id=saved.plan_id)
    plans.activate(session, plan_id=saved.plan_id)
    return [codes[code] for code in written["grid_code"]]


def _one_area(session: Session, communities: Sequence[str]) -> Area:
    areas = find_areas(session, communities=communities)
    if len(areas) > 1:
        raise InputError("The grids are of several data sets: change one after the other.")
    return areas[0]


def _codes(session: Session, area: Area, after: gpd.GeoDataFrame) -> dict[str, str]:
    """The code of each grid: its own, or for a new one the next number of its community."""
    names = after["grid_code"].to_numpy(dtype=object)
    known = np.array([None if name.startswith(_NEW) else name for name in names], dtype=object)
    last = last_numbers(area.communities, plans.used_codes(session, communities=area.communities))
    codes = fresh_codes(known, after["community_code"].to_numpy(dtype=object), last)
    return dict(zip(names, codes, strict=True))
