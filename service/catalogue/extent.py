"""Where the features of a collection are, all in all."""

from __future__ import annotations

import math

from sqlalchemy import func, select
from sqlalchemy.exc import InternalError
from sqlalchemy.orm import Session

from service.catalogue.collection import Collection
from service.catalogue.features import in_degrees
from service.catalogue.selection import Box

__all__ = ["extent"]


def extent(session: Session, *, collection: Collection) -> Box | None:
    """Smallest box around all features, in degrees; None where there are none, or it has no end."""
    if not collection.has_geometry:
        return None
    geometry = in_degrees(collection.cheapest([collection.search]), collection.search)
    box = select(func.ST_Extent(geometry).label("box")).subquery().c.box
    edges = select(func.ST_XMin(box), func.ST_YMin(box), func.ST_XMax(box), func.ST_YMax(box))
    try:
        with session.begin_nested():
            west, south, east, north = session.execute(edges).one()
    except InternalError:  # a feature that its reference system does not reach
        return None
    if west is None or not all(map(math.isfinite, (west, south, east, north))):
        return None
    return west, south, east, north
