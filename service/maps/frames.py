"""The frames of a stand-alone coverage map, for :func:`geodata.draw.coverage_map`."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy.orm import Session

from geodata.errors import PlanError
from service.db.frames import read_frame, read_table
from service.db.statements import load_statements

__all__ = ["MOST_HOUSEHOLDS", "map_frames"]

_SQL = load_statements("service.maps", "frames.sql")

#: Records that one file may hold; the live map of the service has no such limit.
MOST_HOUSEHOLDS: Final = 200_000


def map_frames(session: Session, *, dataset: str | None = None) -> dict[str, Any]:
    """Arguments of ``coverage_map`` for the grids in force.

    Households are None where they are more than :data:`MOST_HOUSEHOLDS`. Several data sets share
    one map, with the sizes of the first.

    Raises
    ------
    PlanError
        No plan is active.
    """
    found = session.execute(_SQL["datasets"], {"name": dataset}).all()
    if not found:
        where = f" of the data set '{dataset}'" if dataset else ""
        raise PlanError(f"no plan{where} is active: run 'gridward delineate' first")
    values = {"datasets": [each.id for each in found]}
    records = session.execute(_SQL["count_households"], values).scalar_one()
    team = {row.role: row.posts for row in session.execute(_SQL["team"], values)}
    posts = read_table(session, _SQL["posts"], values)
    frames: dict[str, Any] = {
        name: read_frame(session, _SQL[name], values)
        for name in ("grids", "communities", "members", "facilities", "barriers")
    }
    # a layer without rows is left out of the map
    frames = {name: frame if len(frame) else None for name, frame in frames.items()}
    few = 0 < records <= MOST_HOUSEHOLDS
    return {
        **frames,
        "households": read_frame(session, _SQL["households"], values) if few else None,
        "posts": posts if team else None,
        "vacancies": read_table(session, _SQL["vacancies"], values) if team else None,
        "team": team or None,
        "target": found[0].target,
        "minimum": found[0].minimum,
        "maximum": found[0].maximum,
        "title": ", ".join(each.name for each in found),
    }
