"""One household given to the rule that places all of them."""

from __future__ import annotations

import math

from sqlalchemy import select
from sqlalchemy.orm import Session

from geodata.assign import assign
from service.db.frames import read_frame
from service.db.rows import AnyRow
from service.db.spatial import nearest
from service.divisions.models import Dataset
from service.grids.views import CURRENT_GRID
from service.households.models import Household
from service.households.queries import save_assignment

__all__ = ["assign_automatically"]

#: Grids that may be the nearest to a household, by the distance on the spheroid.
_CANDIDATES = 8


def assign_automatically(session: Session, *, household: AnyRow) -> None:
    """Put a household where :func:`geodata.assign.assign` puts it."""
    tolerance = session.execute(
        select(Dataset.snap_tolerance_m).where(Dataset.id == household.dataset_id)
    ).scalar_one()
    point = select(Household.geometry).where(Household.id == household.id)
    grids = CURRENT_GRID.c
    own = select(grids.code.label("grid_code"), grids.geometry).where(
        grids.dataset_id == household.dataset_id
    )
    near = nearest(own, grids.geometry, point.scalar_subquery(), limit=_CANDIDATES).subquery("near")
    grid_frame = read_frame(session, select(near.c.grid_code, near.c.geometry))
    placed = assign(grid_frame, read_frame(session, point), tolerance)
    (found,) = placed.itertuples(index=False)
    grid_id = session.scalar(select(grids.id).where(grids.code == found.grid_code))
    save_assignment(
        session,
        household_id=household.id,
        grid_id=grid_id,
        method=found.method,
        distance_m=None if math.isnan(found.distance_m) else found.distance_m,
        reason=found.reason,
    )
