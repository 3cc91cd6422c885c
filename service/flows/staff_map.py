"""The frames of a map of a staffing, for :func:`geodata.draw.staffing_map`."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy.orm import Session

from geodata.errors import InputError
from service.db.frames import read_frame, read_table
from service.db.statements import load_statements
from service.flows.scope import find_areas

__all__ = ["staff_map_frames"]

_SQL = load_statements("service.flows", "staff_map.sql")

#: Grids up to which each has its load and its team on the page, and divisions that it outlines.
_FEW_GRIDS: Final = 4_000
_MOST_DIVISIONS: Final = 2_000


def staff_map_frames(session: Session, *, dataset: str | None = None) -> dict[str, Any]:
    """Arguments of ``staffing_map``: the posts held now in one data set, and what is vacant.

    Raises
    ------
    InputError
        An unknown data set, or several of which none is named.
    PlanError
        Nothing is loaded.
    """
    areas = find_areas(session, dataset=dataset)
    if len(areas) > 1:
        names = ", ".join(f"'{area.dataset}'" for area in areas)
        raise InputError(f"the map shows one data set: choose one of {names} with --dataset")
    (area,) = areas
    values: dict[str, Any] = {"dataset_id": area.dataset_id, "most_divisions": _MOST_DIVISIONS}
    values["few"] = session.execute(_SQL["count_grids"], values).scalar_one() <= _FEW_GRIDS
    relief = read_table(session, _SQL["relief"], values)
    return {
        "grids": read_frame(session, _SQL["grids"], values),
        "members": read_frame(session, _SQL["members"], values),
        "posts": read_table(session, _SQL["posts"], values),
        "vacancies": read_table(session, _SQL["vacancies"], values),
        "relief": relief if len(relief) else None,
        "divisions": read_frame(session, _SQL["divisions"], values),
        "team": {row.role: row.posts for row in session.execute(_SQL["team"], values)},
        "target": area.target,
        "minimum": area.minimum,
        "maximum": area.maximum,
        "title": f"Staffing of {area.dataset}",
    }
