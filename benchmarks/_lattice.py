"""A made-up province for the benchmark of assignment: a tiling of wavy cells, and points in it.

The cells are a square lattice whose corners are moved and whose sides wave, like grids that follow
streets. Neighbours share every vertex of their common side, so the cells tile the square exactly.
"""

from __future__ import annotations

from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from sqlalchemy import text
from sqlalchemy.orm import Session

from service.db.engine import Database
from service.db.frames import copy_frame
from service.db.statements import load_statements

__all__ = ["BLOCK", "cells", "draw", "fill", "households"]

#: South-west corner, degrees.
CORNER = (121.0, 30.0)
#: Side of a cell, degrees: about 250 m.
SIDE = 0.0025

#: Cells along the side of a community.
BLOCK = 4

#: How far a corner moves, in sides; a side waves by this much of its length at most.
_SHIFT, _WAVE = 0.15, 0.12

#: Homes at one place: most stand alone, some share a tower.
_TOWERS, _STOREYS = 0.3, 40


def cells(across: int, steps: int = 11, seed: int = 0) -> NDArray[Any]:
    """Polygons of 4 * ``steps`` vertices, row by row from the south.

    Parameters
    ----------
    across : int
        Cells in a row; there are as many rows.
    steps : int
        Pieces of a side.

    Returns
    -------
    (across ** 2,) object, Polygon in degrees
    """
    rng = np.random.default_rng(seed)
    count = across + 1
    x, y = np.meshgrid(np.arange(count, dtype=float), np.arange(count, dtype=float))
    corners = np.stack([x, y], axis=-1) + rng.uniform(-_SHIFT, _SHIFT, (count, count, 2))
    level = _sides(corners[:, :-1], corners[:, 1:], steps, rng)
    upright = _sides(corners[:-1], corners[1:], steps, rng)
    south, north = level[:-1], level[1:]
    west, east = upright[:, :-1], upright[:, 1:]
    # every side without its last vertex, which is the first of the next
    ring = np.concatenate(
        [
            south[:, :, :-1],
            east[:, :, :-1],
            north[:, :, :0:-1],
            west[:, :, :0:-1],
            south[:, :, :1],
        ],
        axis=2,
    )
    rings = ring.reshape(across * across, -1, 2) * SIDE + CORNER
    polygons: NDArray[Any] = shapely.polygons(shapely.linearrings(rings))
    return polygons


def _sides(
    begin: NDArray[np.float64], end: NDArray[np.float64], steps: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Waving lines from begin to end, shape (..., steps + 1, 2)."""
    share = np.linspace(0, 1, steps + 1)
    along = end - begin
    across = np.stack([-along[..., 1], along[..., 0]], axis=-1)
    wave = rng.uniform(-1, 1, (*begin.shape[:-1], steps + 1)) * np.minimum(share, 1 - share)
    line = begin[..., None, :] + share[:, None] * along[..., None, :]
    line += 2 * _WAVE * wave[..., None] * across[..., None, :]
    line[..., -1, :] = end
    return line


def households(count: int, across: int, seed: int = 1) -> NDArray[np.float64]:
    """Places of households: homes that stand alone, and towers with many at one point.

    Returns
    -------
    (count, 2) float64, degrees
    """
    rng = np.random.default_rng(seed)
    alone = int(count * (1 - _TOWERS))
    towers = rng.random((-(-(count - alone) // _STOREYS), 2))
    places = np.concatenate(
        [rng.random((alone, 2)), np.repeat(towers, _STOREYS, axis=0)[: count - alone]]
    )
    rng.shuffle(places)
    return np.asarray(places * (across * SIDE) + CORNER)


def fill(database: Database, count: int, across: int) -> None:
    """Put a province into an empty database: communities, grids in force, households.

    Households come community by community, as files do.
    """
    polygons = cells(across)
    number = np.arange(len(polygons))
    blocks = -(-across // BLOCK)
    community = number // across // BLOCK * blocks + number % across // BLOCK
    codes = np.array([f"{each:06d}" for each in range(blocks * blocks)])
    order = np.argsort(community, kind="stable")
    pieces = np.split(polygons[order], np.flatnonzero(np.diff(community[order])) + 1)
    outlines = shapely.multipolygons([[shapely.coverage_union_all(piece)] for piece in pieces])
    divisions = {"code": codes, "dataset_id": 1, "name": codes, "level": "community"}
    with database.session() as session:
        session.execute(text("INSERT INTO dataset (id, name) VALUES (1, 'lattice')"))
        copy_frame(session, _frame(divisions, outlines), "division")
        draw(session, codes[community], polygons)
    xy = households(count, across)
    column, row = ((xy - CORNER) / (SIDE * BLOCK)).astype(int).T
    xy = xy[np.argsort(row * blocks + column, kind="stable")]
    sources = load_statements("service.flows", "load.sql")
    with database.session() as session:
        session.execute(sources["defer_indexes"])
        for begin in range(0, count, 500_000):
            some = xy[begin : begin + 500_000]
            columns = {
                "dataset_id": 1,
                "reference": [f"H{each:08d}" for each in range(begin, begin + len(some))],
                "address": [f"{each % 200} Long Street" for each in range(len(some))],
                "source_x": some[:, 0],
                "source_y": some[:, 1],
            }
            frame = _frame(columns, shapely.points(some))
            copy_frame(session, frame, "household", freeze=True)
        session.execute(sources["build_indexes"])
        session.execute(sources["analyze_households"])


def draw(session: Session, communities: NDArray[Any], polygons: NDArray[Any]) -> None:
    """Give each polygon a new grid in its community, in force from today on."""
    used = dict(
        session.execute(
            text("SELECT community_code, max(number) FROM grid GROUP BY community_code")
        ).all()
    )
    order = np.argsort(communities, kind="stable")
    starts = np.flatnonzero(np.append(True, communities[order][1:] != communities[order][:-1]))
    sizes = np.diff(np.append(starts, len(order)))
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order)) - np.repeat(starts, sizes) + 1
    number = place + [used.get(code, 0) for code in communities]
    columns = {
        "code": [f"{code}{each:03d}" for code, each in zip(communities, number, strict=True)],
        "community_code": communities,
        "number": number,
    }
    run = session.execute
    first = run(text("SELECT coalesce(max(id), 0) FROM grid")).scalar_one()
    plan = run(text("INSERT INTO grid_plan (name) VALUES ('drawn') RETURNING id")).scalar_one()
    copy_frame(session, pd.DataFrame(columns), "grid")
    ids = run(text("SELECT id FROM grid WHERE id > :first ORDER BY id"), {"first": first}).scalars()
    copy_frame(session, _frame({"grid_id": ids.all(), "version": 1}, polygons), "grid_version")
    for statement in (
        "INSERT INTO plan_grid SELECT :plan, id, 1 FROM grid WHERE id > :first",
        "UPDATE community_plan SET active = 'empty' WHERE active @> CURRENT_DATE AND "
        "community_code IN (SELECT community_code FROM grid WHERE id > :first)",
        "INSERT INTO community_plan SELECT DISTINCT :plan, community_code, "
        "daterange(CURRENT_DATE, NULL) FROM grid WHERE id > :first",
        "UPDATE grid_plan SET state = 'validated' WHERE id = :plan",
        "UPDATE grid_plan SET state = 'active', effective_from = CURRENT_DATE WHERE id = :plan",
    ):
        run(text(statement), {"plan": plan, "first": first})
    run(text("ANALYZE division, grid, plan_grid, community_plan"))


def _frame(columns: dict[str, Any], shapes: Any) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame(columns, geometry=shapes, crs="EPSG:4326")
