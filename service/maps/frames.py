"""The frames of a stand-alone coverage map, for :func:`geodata.draw.coverage_map`."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy.orm import Session

from geodata.errors import PlanError
from service.db.frames import read_frame, read_table
from service.db.statements import load_statements

__all__ = ["MOST", "map_frames"]

_SQL = load_statements("service.maps", "frames.sql")

#: Rows of a layer that one file may hold, without which the page does as well; the live map of the
#: service has no such limit. Of more barriers the backdrop would show none.
MOST: Final = {"households": 200_000, "members": 200_000, "barriers": 40_000}


def map_frames(session: Session, *, dataset: str | None = None) -> dict[str, Any]:
    """Arguments of ``coverage_map`` for the grids in force.

    A layer is None where it has no rows or more than :data:`MOST` of them. Several data sets share
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
    sizes = session.execute(_SQL["sizes"], values).one()._mapping
    team = {row.role: row.posts for row in session.execute(_SQL["team"], values)}
    posts = read_table(session, _SQL["posts"], values)
    frames: dict[str, Any] = {
        name: read_frame(session, _SQL[name], values)
        for name in ("grids", "communities", "facilities", *MOST)
        if name not in MOST or sizes[name] <= MOST[name]
    }
    # a layer without rows is left out of the map
    frames = {name: frame if len(frame) else None for name, frame in frames.items()}
    return {
        **frames,
        "posts": posts if team else None,
        "vacancies": read_table(session, _SQL["vacancies"], values) if team else None,
        "team": team or None,
        "target": found[0].target,
        "minimum": found[0].minimum,
        "maximum": found[0].maximum,
        "title": ", ".join(each.name for each in found),
    }
