"""A province in PostGIS, as large as one likes and quickly there, for benchmarks of what is served.

``gridward sample`` writes it and ``gridward load`` takes it in. The grids are not delineated, which
would take most of the time and is measured elsewhere: each community is cut into the Voronoi cells
of some of its households, so that the grids tile it and are small where people live close together.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from rich.console import Console
from sqlalchemy import text

from geodata.sample import write_sample
from service.db.engine import Database
from service.flows.assign import assign
from service.flows.load import load_dataset

__all__ = ["fill"]

_SEEDS = text(
    """
    CREATE TEMPORARY TABLE seed ON COMMIT DROP AS
    SELECT code, row_number() OVER () AS id, place
    FROM (
        SELECT DISTINCT household.community AS code,
            ST_SnapToGrid(household.geometry, 0.00001) AS place
        FROM household
        JOIN division ON division.code = household.community AND division.level = 'community'
    ) AS places
    WHERE mod(abs(hashtext(ST_AsText(place))), 1000000) < 1000000 * :share
    """
)

_CELLS = text(
    """
    CREATE TEMPORARY TABLE cut ON COMMIT DROP AS
    SELECT division.code, ST_Multi(ST_CollectionExtract(
        ST_Intersection(division.geometry, cell.geom), 3
    )) AS geometry
    FROM division
    CROSS JOIN LATERAL (
        SELECT (ST_Dump(ST_VoronoiPolygons(
            ST_Collect(seed.place), 0, ST_Expand(division.geometry, 0.1)
        ))).geom
        FROM seed
        WHERE seed.code = division.code
    ) AS cell
    WHERE division.level = 'community'
    """
)

_GRIDS = text(
    """
    WITH plan AS (
        INSERT INTO grid_plan (name) VALUES ('Voronoi cells') RETURNING id
    ), ruled AS (
        INSERT INTO community_plan (plan_id, community_code)
        SELECT plan.id, code FROM plan, (SELECT DISTINCT code FROM cut) AS cut
    ), numbered AS (
        SELECT code, geometry,
            row_number() OVER (PARTITION BY code ORDER BY ST_XMin(geometry), geometry) AS number
        FROM cut
        WHERE NOT ST_IsEmpty(geometry) AND ST_IsValid(geometry)
    ), drawn AS (
        INSERT INTO grid (code, community_code, number)
        SELECT code || lpad(number::text, greatest(3, length(number::text)), '0'), code, number
        FROM numbered
        RETURNING id, community_code, number
    ), shaped AS (
        INSERT INTO grid_version (grid_id, version, geometry)
        SELECT drawn.id, 1, numbered.geometry
        FROM drawn
        JOIN numbered ON numbered.code = drawn.community_code AND numbered.number = drawn.number
        RETURNING grid_id, version
    )
    INSERT INTO plan_grid SELECT plan.id, shaped.grid_id, shaped.version FROM plan, shaped
    """
)

_ACTIVATE = (
    "UPDATE community_plan SET active = daterange(CURRENT_DATE, NULL)",
    "UPDATE grid_plan SET state = 'validated'",
    "UPDATE grid_plan SET state = 'active', effective_from = CURRENT_DATE",
    "UPDATE dataset SET target = greatest(1, :size), minimum = 1, maximum = 3 * greatest(1, :size)",
)


def fill(database: Database, *, households: int, grids: int, seed: int = 0) -> None:
    """Load a province, cut it into about so many grids and assign its households.

    What is there already stays as it is.
    """
    console = Console(stderr=True)
    if not _any(database, "SELECT EXISTS (SELECT FROM household)"):
        _load(database, console, households, seed)
    if not _any(database, "SELECT EXISTS (SELECT FROM plan_grid)"):
        _cut(database, console, grids, households // grids)


def _any(database: Database, question: str) -> bool:
    with database.session() as session:
        return bool(session.scalar(text(question)))


def _load(database: Database, console: Console, households: int, seed: int) -> None:
    with tempfile.TemporaryDirectory(prefix="gridward-bench-") as folder:
        console.print(f"writing a province of {households:,} households")
        report = write_sample("province", Path(folder), households=households, seed=seed)
        console.print("loading it")
        load_dataset(database.session, report["paths"]["manifest"])


def _cut(database: Database, console: Console, grids: int, size: int) -> None:
    console.print(f"cutting it into about {grids:,} grids")
    with database.session() as session:
        places = session.scalar(
            text("SELECT count(DISTINCT ST_SnapToGrid(geometry, 0.00001)) FROM household")
        )
        session.execute(_SEEDS, {"share": grids / (places or 1)})
        session.execute(text("CREATE INDEX ON seed (code)"))
        session.execute(_CELLS)
        session.execute(_GRIDS)
        for statement in _ACTIVATE:
            session.execute(text(statement), {"size": size})
        session.execute(text("DROP TABLE IF EXISTS seed, cut"))
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
    console.print("assigning the households")
    with database.session() as session:
        assign(session)
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
