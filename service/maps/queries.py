"""What the live map asks of the database: a box at a time, and never more than a screen can show.

Shapes and points travel as the columns of :mod:`geodata.draw.encode`, so the page reads the service
and a stand-alone file with the same decoder.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any, Final

import numpy as np
import shapely
from sqlalchemy import Row
from sqlalchemy.orm import Session

from geodata.draw.encode import encode_lines, encode_points, encode_polygons
from service.db.statements import load_statements
from service.errors import NotFound
from service.maps.view import View

__all__ = [
    "backdrop",
    "communities",
    "datasets",
    "facilities",
    "grid_details",
    "grids",
    "households",
    "members",
    "overview",
    "search",
]

_SQL = load_statements("service.maps", "queries.sql")

#: Shapes that a view draws at most; beyond it divisions stand for their grids.
_MOST_SHAPES: Final = 1_500
#: Points or backdrop lines that a view draws at most; beyond it the layer waits for a closer view.
_MOST_POINTS: Final = 2_000
_MOST_LINES: Final = 8_000
#: From this level on each place of households stands alone.
_PLACES_FROM_ZOOM: Final = 18
#: Below this level households are summed from the loads of the grids.
_CELLS_FROM_ZOOM: Final = 13
_CLUSTER_PIXELS: Final = 80.0
#: Shapes are simplified by half a pixel.
_SIMPLIFY_PIXELS: Final = 0.5


def datasets(session: Session) -> Sequence[Row[Any]]:
    """Return the data sets that have grids in force (id, name, target, minimum, maximum)."""
    return session.execute(_SQL["datasets"]).all()


def overview(session: Session, *, dataset_id: int) -> dict[str, Any]:
    """Return totals, bounds, roles, the layers that hold anything, and the worst shortage."""
    bound = {"dataset_id": dataset_id}
    total = session.execute(_SQL["summary"], bound).one()
    shortage = session.execute(_SQL["shortage"], bound).one()
    layers = session.execute(_SQL["layers"], bound).one()
    return {
        "bounds": [total.west, total.south, total.east, total.north],
        "roles": list(session.scalars(_SQL["roles"], bound)),
        "has": {**layers._asdict(), "communities": True},
        "mostMissing": int(shortage.most or 0),
        "totals": {
            "communities": total.communities,
            "grids": total.grids,
            "households": int(total.households),
            "vacancies": None if shortage.vacancies is None else int(shortage.vacancies),
        },
    }


def grids(session: Session, *, dataset_id: int, view: View) -> dict[str, Any]:
    """Return the grids of a view, or the divisions above them where the grids are too many."""
    bound = {"dataset_id": dataset_id, **view.edges}
    count = session.scalar(_SQL["count_grids"], {**bound, "limit": _MOST_SHAPES + 1}) or 0
    if count > _MOST_SHAPES:
        return _divisions(session, dataset_id=dataset_id, view=view)
    rows = session.execute(_SQL["grids"], {**bound, "tolerance": _tolerance(view)}).all()
    return {
        "code": [row.grid_code for row in rows],
        "community": [row.community_code for row in rows],
        "name": [row.community_name for row in rows],
        "households": [row.households for row in rows],
        "flag": [row.flag for row in rows],
        "missing": [row.missing for row in rows],
        "geometry": encode_polygons(_shapes(rows)),
    }


def _divisions(session: Session, *, dataset_id: int, view: View) -> dict[str, Any]:
    """Return divisions of one level: mean load and mean vacancies of a grid, number of grids."""
    level = _level(session, dataset_id=dataset_id, view=view)
    bound = {"dataset_id": dataset_id, **view.edges, "level": level, "tolerance": _tolerance(view)}
    rows = session.execute(_SQL["divisions"], bound).all()
    return {
        "code": [row.code for row in rows],
        "name": [row.name for row in rows],
        "grids": [row.grids for row in rows],
        "households": [round(row.households / row.grids) for row in rows],
        "missing": [
            None if row.missing is None else round(float(row.missing) / row.grids, 1)
            for row in rows
        ],
        "geometry": encode_polygons(_shapes(rows)),
    }


def _level(session: Session, *, dataset_id: int, view: View) -> str:
    """Return the most detailed level of divisions of which a view can show all."""
    bound = {"dataset_id": dataset_id, **view.edges}
    counts = session.execute(_SQL["count_divisions"], bound).all()
    fitting = (row.level for row in counts if row.divisions <= _MOST_SHAPES)
    return next(fitting, counts[-1].level if counts else "community")


def grid_details(session: Session, *, dataset_id: int, code: str) -> dict[str, Any]:
    """Return one grid with its team and its vacancies, role by role.

    Raises
    ------
    NotFound
        No grid in force has this code.
    """
    row = session.execute(_SQL["grid"], {"dataset_id": dataset_id, "code": code}).one_or_none()
    if row is None:
        raise NotFound(f"There is no grid '{code}' in force.")
    bound = {"grid_id": row.grid_id}
    team: dict[str, dict[str, Any]] = {}
    for post in session.execute(_SQL["posts_of_grid"], bound):
        entry = team.setdefault(post.role, _empty_post(post.role))
        distance = None if post.distance_m is None else round(post.distance_m)
        entry["members"].append({"id": post.reference, "name": post.name, "distance": distance})
    for vacancy in session.execute(_SQL["vacancies_of_grid"], bound):
        entry = team.setdefault(vacancy.role, _empty_post(vacancy.role))
        entry |= {"missing": vacancy.missing, "reason": vacancy.reason}
    return {
        "code": row.grid_code,
        "communityCode": row.community_code,
        "community": row.community_name,
        "households": row.households,
        "flag": row.flag,
        "missing": row.missing,
        "geometry": encode_polygons(_shapes([row]))[0],
        "team": [team[role] for role in sorted(team)],
    }


def _empty_post(role: str) -> dict[str, Any]:
    return {"role": role, "members": [], "missing": 0, "reason": ""}


def households(session: Session, *, dataset_id: int, view: View) -> dict[str, Any]:
    """Return households together in cells of the screen, or each place alone in a close view."""
    bound = {"dataset_id": dataset_id, **view.edges}
    if view.zoom >= _PLACES_FROM_ZOOM:
        rows = session.execute(_SQL["addresses"], {**bound, "limit": 3 * _MOST_POINTS}).all()
        return _places(rows)
    name = "household_cells" if view.zoom >= _CELLS_FROM_ZOOM else "grid_cells"
    rows = session.execute(_SQL[name], bound | view.cell(_CLUSTER_PIXELS)).all()
    return {
        **_points(rows),
        "households": [int(row.households) for row in rows],
        "places": [row.places for row in rows],
    }


def _places(rows: Iterable[Row[Any]]) -> dict[str, Any]:
    """Return one row a place, and one a pair of place and address."""
    places = [list(group) for _, group in groupby(rows, key=lambda row: (row.lon, row.lat))]
    inside = [row for place in places for row in place]
    return {
        **_points([place[0] for place in places]),
        "households": [int(sum(row.households for row in place)) for place in places],
        "grid": [min((row.grid for row in place if row.grid), default=None) for place in places],
        "addresses": [len(place) for place in places],
        "address": [row.address for row in inside],
        "at_address": [int(row.households) for row in inside],
    }


def members(session: Session, *, dataset_id: int, view: View) -> dict[str, Any]:
    """Return the members of a view with the posts that they hold."""
    rows = _limited(session, "members", dataset_id, view, _MOST_POINTS)
    return {
        **_points(rows or []),
        "id": [row.reference for row in rows or []],
        "name": [row.name for row in rows or []],
        "roles": [row.roles for row in rows or []],
        "posts": [row.posts for row in rows or []],
        "more": rows is None,
    }


def facilities(session: Session, *, dataset_id: int, view: View) -> dict[str, Any]:
    """Return the facilities of a view."""
    rows = _limited(session, "facilities", dataset_id, view, _MOST_POINTS)
    return {
        **_points(rows or []),
        "name": [row.name for row in rows or []],
        "kind": [row.kind for row in rows or []],
        "more": rows is None,
    }


def communities(session: Session, *, dataset_id: int, view: View) -> dict[str, Any]:
    """Return the boundaries of the communities, or of the divisions above them from afar."""
    level = _level(session, dataset_id=dataset_id, view=view)
    bound = {"dataset_id": dataset_id, **view.edges, "level": level, "limit": _MOST_SHAPES}
    rows = session.execute(_SQL["communities"], bound | {"tolerance": _tolerance(view)}).all()
    return {
        "code": [row.code for row in rows],
        "name": [row.name for row in rows],
        "geometry": encode_polygons(_shapes(rows)),
    }


def backdrop(session: Session, *, dataset_id: int, view: View) -> dict[str, Any]:
    """Return roads, rail and water of a view by kind."""
    rows = _limited(session, "backdrop", dataset_id, view, _MOST_LINES)
    layers = []
    for kind, group in groupby(rows or [], key=lambda row: row.kind or ""):
        shapes = _shapes(list(group))
        is_area = shapely.get_dimensions(shapes) == 2
        layers.append(
            {
                "kind": kind,
                "lines": encode_lines(shapes[~is_area]),
                "areas": encode_polygons(shapes[is_area]),
            }
        )
    return {"layers": layers, "more": rows is None}


def search(session: Session, *, dataset_id: int, text: str, limit: int = 8) -> list[dict[str, Any]]:
    """Return grids and addresses: codes and addresses that begin with a text, communities with it.

    Upper and lower case are the same here.
    """
    wanted = text.strip().lower()
    if not wanted:
        return []
    plain = wanted.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    bound = {"dataset_id": dataset_id, "beginning": f"{plain}%", "limit": limit}
    found: list[dict[str, Any]] = [
        {"kind": "grid", "label": row.code, "hint": row.community, "code": row.code}
        for row in session.execute(_SQL["search_grids"], {**bound, "within": f"%{plain}%"})
    ]
    if len(found) == limit:
        return found
    for row in session.execute(_SQL["search_addresses"], {**bound, "limit": limit - len(found)}):
        count = int(row.households)
        place = {
            "lon": row.lon,
            "lat": row.lat,
            "households": count,
            "grid": row.grid,
            "addresses": [{"address": row.address, "households": count}],
        }
        found.append(
            {"kind": "address", "label": row.address, "hint": row.grid or "", "place": place}
        )
    return found


def _limited(
    session: Session, name: str, dataset_id: int, view: View, most: int
) -> Sequence[Row[Any]] | None:
    """Return the rows of a view, or None where they are more than it can show."""
    bound = {"dataset_id": dataset_id, **view.edges, "limit": most + 1}
    if name == "backdrop":
        bound["tolerance"] = _tolerance(view)
    rows = session.execute(_SQL[name], bound).all()
    return None if len(rows) > most else rows


def _tolerance(view: View) -> float:
    return _SIMPLIFY_PIXELS * view.degrees_per_pixel


def _shapes(rows: Sequence[Row[Any]]) -> np.ndarray[Any, Any]:
    return np.atleast_1d(shapely.from_wkb([bytes(row.shape) for row in rows]))


def _points(rows: Sequence[Row[Any]]) -> dict[str, list[int]]:
    return encode_points(
        np.array([row.lon for row in rows], dtype=np.float64),
        np.array([row.lat for row in rows], dtype=np.float64),
    )
