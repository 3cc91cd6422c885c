"""The frames of a stand-alone coverage map: grids, or divisions where these are too many."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy.orm import Session

from geodata.errors import InputError, PlanError
from service.db.frames import read_frame, read_table
from service.db.statements import load_statements

__all__ = ["MOST", "MOST_GRIDS", "Scope", "division_frames", "find_scope", "map_frames"]

_SQL = load_statements("service.maps", "frames.sql")

#: Rows of a layer that one file may hold, without which the page does as well; the live map of the
#: service has no such limit. Of more barriers the backdrop would show none.
MOST: Final = {"households": 200_000, "members": 200_000, "barriers": 40_000}

#: Grids that one file may hold, some 5 MB of them; of more it shows divisions.
MOST_GRIDS: Final = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What a map is of: data sets with grids in force, all of them or one division.

    Attributes
    ----------
    datasets : tuple
        Rows (id, name, target, minimum, maximum); the sizes of the first are those of the map.
    division : str or None
    values : mapping
        What the statements bind.
    grids : int
        Grids in force in it.
    """

    datasets: tuple[Any, ...]
    division: str | None
    values: Mapping[str, Any]
    grids: int

    def meta(self) -> dict[str, Any]:
        """Title and sizes, as the drawing functions take them."""
        names = [each.name for each in self.datasets]
        return {
            "target": self.datasets[0].target,
            "minimum": self.datasets[0].minimum,
            "maximum": self.datasets[0].maximum,
            "title": ", ".join([*names, self.division] if self.division else names),
        }


def find_scope(
    session: Session, *, dataset: str | None = None, division: str | None = None
) -> Scope:
    """What a map of a data set, or of a division, is of.

    Raises
    ------
    PlanError
        No plan is active there.
    InputError
        There is no such division.
    """
    found = session.execute(_SQL["datasets"], {"name": dataset}).all()
    if not found:
        where = f" of the data set '{dataset}'" if dataset else ""
        raise PlanError(f"no plan{where} is active: run 'gridward delineate' first")
    values: dict[str, Any] = {
        "datasets": [each.id for each in found],
        "codes": None,
        "outline": None,
    }
    if division is not None:
        below = session.execute(_SQL["below"], {**values, "division": division}).all()
        if not below:
            raise InputError(
                f"there is no division '{division}': "
                "'gridward export divisions -o divisions.csv' lists them"
            )
        values["codes"] = [row.code for row in below]
        values["outline"] = session.scalar(_SQL["outline"], {"division": division})
    grids = session.scalar(_SQL["count_grids"], values) or 0
    if not grids:
        raise PlanError(f"no grid is in force in '{division}': run 'gridward delineate' first")
    return Scope(datasets=tuple(found), division=division, values=values, grids=grids)


def map_frames(
    session: Session, *, dataset: str | None = None, division: str | None = None
) -> dict[str, Any]:
    """Arguments of :func:`geodata.draw.coverage_map` for the grids in force.

    A layer is None where it has no rows or more than :data:`MOST` of them. Several data sets share
    one map, with the sizes of the first.

    Raises
    ------
    PlanError, InputError
        As :func:`find_scope`.
    """
    scope = find_scope(session, dataset=dataset, division=division)
    values = scope.values
    sizes = session.execute(_SQL["sizes"], values).one()._mapping
    team = _team(session, scope)
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
        **scope.meta(),
    }


def division_frames(session: Session, scope: Scope) -> dict[str, Any]:
    """Arguments of :func:`geodata.draw.division_map` for the divisions of a scope."""
    team = _team(session, scope)
    return {
        "divisions": read_frame(session, _SQL["divisions"], scope.values),
        "figures": read_table(session, _SQL["figures"], scope.values),
        "vacancies": read_table(session, _SQL["shortages"], scope.values) if team else None,
        "team": team or None,
        "note": (
            f"{scope.grids:,} grids are more than one page holds ({MOST_GRIDS:,}), so divisions "
            "stand for them: click one for its figures. gridward map --division CODE draws the "
            "grids of one."
        ),
        **scope.meta(),
    }


def _team(session: Session, scope: Scope) -> dict[str, int]:
    return {row.role: row.posts for row in session.execute(_SQL["team"], scope.values)}
