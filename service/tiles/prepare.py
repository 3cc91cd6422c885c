"""Tiles from afar cannot be made from the tables themselves: what they need is prepared.

Triggers note what changed, in the transaction that changes it (migration 0007). Preparing takes the
notes away and brings outlines, figures and cells up to date in one transaction: a few communities
or cells in their place, much or all of it in tables of its own that are then switched. Readers see
the state before or the one after, and the versions by which they know it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy.orm import Session

from service.db.rows import AnyRow
from service.db.statements import load_statements

__all__ = ["COARSEST_LIVE_ZOOM", "Versions", "prepare", "versions"]

_SQL = load_statements("service.tiles", "prepare.sql")

#: Points of this zoom and closer are counted when asked for; those of farther ones in advance.
COARSEST_LIVE_ZOOM: Final = 15
#: Areas of one level that a tile may hold.
_MOST_AREAS: Final = 3_000
#: Changes that are brought in one by one; beyond them everything is prepared anew.
_FEW_COMMUNITIES: Final = 40
_FEW_CELLS: Final = 2_000
_GRID: Final = 6

#: data set, column and row of a cell
Cell = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Versions:
    """How often each kind of tile has changed, and how many changes wait to be prepared.

    Attributes
    ----------
    token : str
        Tells one database from another.
    areas, households, members : int
        0 for what was never prepared.
    pending : int
        Counted no further than a limit.
    """

    token: str
    areas: int
    households: int
    members: int
    pending: int


def versions(session: Session) -> Versions:
    """Return the versions that are ready, and whether anything waits."""
    return Versions(*session.execute(_SQL["pending"], {"limit": 10}).one())


def prepare(session: Session, *, wait: bool = False) -> bool:
    """Bring what tiles are made from up to date.

    Parameters
    ----------
    session : Session
        Its transaction is used; nobody sees a part of it.
    wait : bool
        Whether to wait for another one who prepares; otherwise that one's work will do.

    Returns
    -------
    bool
        Whether it was done here; False where another one is at it.
    """
    held = session.execute(_SQL["hold_waiting" if wait else "hold"]).one_or_none()
    if held is None:
        return False
    changes = session.execute(_SQL["take_changes"], {"day": held.day}).all()
    found = _sorted(changes)
    if found.everything or held.day is None:
        _prepare_everything(session)
        grown = {"areas": 1, "households": 1, "members": 1}
    else:
        _use_schema(session, "build_here")
        areas = bool(found.communities or found.divisions)
        if areas and not _renew_areas(session, found.communities, found.divisions):
            _prepare_everything(session)
        for layer in ("households", "members"):
            _renew_cells(session, layer, found.cells[layer])
        layers = {row.kind for row in changes}
        grown = {
            "areas": int(areas),
            "households": int("households" in layers),
            "members": int("members" in layers),
        }
    session.execute(_SQL["save_versions"], grown)
    return True


@dataclass(frozen=True, slots=True)
class _Changes:
    everything: bool
    communities: list[str]
    divisions: list[str]
    cells: dict[str, list[Cell]]


def _sorted(changes: Sequence[AnyRow]) -> _Changes:
    codes: dict[str, list[str]] = defaultdict(list)
    cells: dict[str, list[Cell]] = defaultdict(list)
    for row in changes:
        if row.code is not None:
            codes[row.kind].append(row.code)
        elif row.x is not None:
            cells[row.kind].append((row.dataset_id, row.x, row.y))
    much = (
        len(codes["community"]) + len(codes["division"]) > _FEW_COMMUNITIES
        or sum(map(len, cells.values())) > _FEW_CELLS
    )
    everything = much or any(row.kind == "everything" for row in changes)
    return _Changes(everything, codes["community"], codes["division"], cells)


def _prepare_everything(session: Session) -> None:
    """Fill tables of their own and put them in the place of those in use."""
    session.execute(_SQL["drop_next"])
    session.execute(_SQL["make_next"])
    _use_schema(session, "build_next")
    session.execute(_SQL["add_grid_figures"], {"codes": None})
    _add_division_figures(session, None)
    _stage(session, grids_of=None, divisions=None)
    session.execute(_SQL["add_finest"], {"most": _MOST_AREAS})
    session.execute(_SQL["add_areas"])
    session.execute(_SQL["add_household_cells"])
    session.execute(_SQL["add_member_cells"])
    session.execute(_SQL["index_cell"])
    for zoom in reversed(range(COARSEST_LIVE_ZOOM - 1)):
        session.execute(_SQL["add_coarser_cells"], {"zoom": zoom})
    for step in ("index_area", "index_area_code", "index_cell_place", "analyze", "drop_old"):
        session.execute(_SQL[step])
    for table in ("area", "figure", "finest", "cell"):
        session.execute(_SQL[f"switch_{table}"])
    session.execute(_SQL["drop_next"])


def _renew_areas(session: Session, communities: list[str], divisions: list[str]) -> bool:
    """Draw some communities anew; False where levels appear for which nothing is laid out."""
    communities = [*communities, *divisions]  # grids bear the name of their community
    codes = {"codes": communities}
    session.execute(_SQL["forget_grids"], codes)
    session.execute(_SQL["forget_grid_figures"], codes)
    session.execute(_SQL["add_grid_figures"], codes)
    if session.scalar(_SQL["lacks_levels"]):
        return False
    above = list(session.scalars(_SQL["ancestors"], codes))
    _add_division_figures(session, above)
    session.execute(_SQL["forget_divisions"], {"codes": divisions})
    session.execute(_SQL["renew_division_areas"], {"codes": above})
    _stage(session, grids_of=communities, divisions=divisions)
    session.execute(_SQL["add_areas"])
    return True


def _stage(session: Session, *, grids_of: list[str] | None, divisions: list[str] | None) -> None:
    session.execute(_SQL["drop_staged"])
    session.execute(_SQL["stage_outlines"], {"grids_of": grids_of, "divisions": divisions})


def _add_division_figures(session: Session, codes: list[str] | None) -> None:
    for rank in reversed(range(1, _GRID)):
        session.execute(_SQL["add_division_figures"], {"rank": rank, "codes": codes})


def _renew_cells(session: Session, layer: str, cells: list[Cell]) -> None:
    """Count some cells anew, and those above them."""
    if not cells:
        return
    wanted = sorted(set(cells))
    for zoom in reversed(range(COARSEST_LIVE_ZOOM)):
        datasets, xs, ys = zip(*wanted, strict=True)
        values: dict[str, Any] = {
            "layer": layer,
            "zoom": zoom,
            "datasets": list(datasets),
            "xs": list(xs),
            "ys": list(ys),
        }
        session.execute(_SQL["forget_cells"], values)
        kind = layer.removesuffix("s") if zoom == COARSEST_LIVE_ZOOM - 1 else "coarser"
        session.execute(_SQL[f"renew_{kind}_cells"], values)
        wanted = sorted({(dataset, x >> 1, y >> 1) for dataset, x, y in wanted})


def _use_schema(session: Session, name: str) -> None:
    path = session.scalar(_SQL["search_path"])
    session.execute(_SQL[name], {"path": path})
