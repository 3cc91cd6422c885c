"""What the servers of spatial data are asked, and the tables that the peers are given."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from sqlalchemy import text

from service.db.engine import Database
from service.ogc.paging import Position

__all__ = [
    "EQUAL",
    "JOINED",
    "PAGES",
    "PLAIN",
    "Place",
    "look",
    "questions",
    "tables",
    "tile_path",
    "tiles_around",
]

#: The same features in plain tables, as one would publish them with a peer.
_TABLES = """
DROP SCHEMA IF EXISTS peer CASCADE;
CREATE SCHEMA peer;
CREATE TABLE peer.grids AS
    SELECT row_number() OVER (ORDER BY grid_code COLLATE "C") AS id, grid_code, community_code,
        community_name, kind, flag, reason, records, households, target, posts_required,
        posts_filled, vacancies, geometry
    FROM coverage;
ALTER TABLE peer.grids ADD PRIMARY KEY (id);
CREATE INDEX ON peer.grids USING gist (geometry);
CREATE INDEX ON peer.grids (community_code);
CREATE VIEW peer.households_joined AS
    SELECT household.id, household.reference, address, building, unit, household.households,
        community, grid.code AS grid_code, assignment.method, household.geometry
    FROM household
    LEFT JOIN assignment ON assignment.household_id = household.id
    LEFT JOIN grid ON grid.id = assignment.grid_id;
CREATE TABLE peer.households AS SELECT * FROM peer.households_joined ORDER BY id;
ALTER TABLE peer.households ADD PRIMARY KEY (id);
CREATE INDEX ON peer.households USING gist (geometry);
-- what Gridward's tiles hold: the same features, attributes and vertices
CREATE TABLE peer.tile_grids AS
    SELECT row_number() OVER (ORDER BY code) AS id, code, 'grid' AS level, name, parent, dataset_id,
        flag, grids, households AS load, households, vacancies, geometry
    FROM tile.area WHERE zoom = 14 AND level = 6;
ALTER TABLE peer.tile_grids ADD PRIMARY KEY (id);
CREATE INDEX ON peer.tile_grids USING gist (geometry);
CREATE TABLE peer.tile_households AS
    SELECT id, dataset_id, 1 AS records, households, geometry FROM household ORDER BY id;
ALTER TABLE peer.tile_households ADD PRIMARY KEY (id);
CREATE INDEX ON peer.tile_households USING gist (geometry);
"""

#: Layer -> zooms at which Gridward sends every feature as well, so that tiles can be compared.
EQUAL: Final = {"grids": (14, 15, 16), "households": (16, 17)}
_BOXES: Final = 60

#: What the far rows come after.
FAR: Final = 1_000_000
PLAIN: Final = ", not packed"

_POINT: Final = """
        SELECT concat('{"type":"Feature","id":', id, ',"geometry":', ST_AsGeoJSON(geometry, 7),
            ',"properties":', json_build_object(
                'reference', reference, 'address', address, 'building', building, 'unit', unit,
                'households', households, 'community', community, 'grid_code', grid_code,
                'method', method
            ), '}')
"""

#: The same pages by bare SQL from the plain tables: one prepared statement, a feature a row.
PAGES = {
    "page of 1,000 polygons, not packed": """
        SELECT concat('{"type":"Feature","id":', id, ',"geometry":', ST_AsGeoJSON(geometry, 15),
            ',"properties":', json_build_object(
                'grid_code', grid_code, 'community_code', community_code,
                'community_name', community_name, 'kind', kind, 'flag', flag, 'reason', reason,
                'records', records, 'households', households, 'target', target,
                'posts_required', posts_required, 'posts_filled', posts_filled,
                'vacancies', vacancies
            ), '}')
        FROM peer.grids ORDER BY id LIMIT 1000
    """,
    "page of 1,000 points, not packed": f"{_POINT} FROM peer.households ORDER BY id LIMIT 1000",
}

#: The page of points by bare SQL from the tables that the peers' one was filled from.
JOINED = {
    "page of 1,000 points, not packed": f"""
        {_POINT} FROM (
            SELECT chosen.*, grid.code AS grid_code, assignment.method
            FROM (SELECT * FROM household ORDER BY id LIMIT 1000) AS chosen
            LEFT JOIN assignment ON assignment.household_id = chosen.id
            LEFT JOIN grid ON grid.id = assignment.grid_id
        ) AS households ORDER BY id
    """,
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where to look: a crowded place, boxes of about 500 households, one of everything."""

    lon: float
    lat: float
    boxes: tuple[str, ...]
    community: str
    grid_code: str
    grid_id: int
    token: str
    households: int
    grids: int


def tables(database: Database) -> None:
    """Make the tables of the peers, unless they are there."""
    with database.engine.begin() as connection:
        if connection.scalar(text("SELECT to_regclass('peer.households_joined')")) is None:
            connection.exec_driver_sql(_TABLES)
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))


def look(database: Database) -> Place:
    """Find the places that are asked for."""
    with database.session() as session:
        lon, lat = session.execute(
            text(
                "SELECT ST_X(p), ST_Y(p) FROM (SELECT ST_Transform(place, 4326) AS p "
                "FROM tile.cell WHERE layer = 'households' AND zoom = CAST(8 AS smallint) "
                "ORDER BY records DESC LIMIT 1) AS most"
            )
        ).one()
        reach = session.scalar(
            text(
                "SELECT max(abs(ST_X(geometry) - :lon)) FROM (SELECT geometry FROM household "
                "ORDER BY geometry <-> ST_SetSRID(ST_MakePoint(:lon, :lat), 4326) "
                "LIMIT 400) AS near"
            ),
            {"lon": lon, "lat": lat},
        )
        grid = session.execute(
            text(
                "SELECT id, grid_code, community_code FROM peer.grids ORDER BY id "
                "OFFSET (SELECT count(*) / 2 FROM peer.grids) LIMIT 1"
            )
        ).one()
        counts = session.execute(
            text("SELECT (SELECT count(*) FROM household), (SELECT count(*) FROM peer.grids)")
        ).one()
        before = session.scalar(
            text("SELECT id FROM household ORDER BY id LIMIT 1 OFFSET :offset"),
            {"offset": min(FAR, counts[0] - 10) - 1},
        )
    boxes = tuple(
        ",".join(f"{value:.6f}" for value in (x - reach, lat - reach, x + reach, lat + reach))
        # no box is asked twice in a row: a map that is moved asks for another each time
        for x in (lon + reach * (step - _BOXES / 2) / _BOXES / 4 for step in range(_BOXES))
    )
    token = Position((before,), counts[0]).token()
    return Place(lon, lat, boxes, grid.community_code, grid.grid_code, grid.id, token, *counts)


def tiles_around(place: Place, zoom: int, most: int = 400) -> Iterator[tuple[int, int]]:
    """Rows and columns of the tiles about a place, from the middle outwards."""
    size = 2**zoom
    column = int((place.lon + 180) / 360 * size)
    northing = math.log(math.tan(math.pi / 4 + math.radians(place.lat) / 2))
    row = int((1 - northing / math.pi) / 2 * size)
    found = 0
    for ring in range(12):
        for dy in range(-ring, ring + 1):
            for dx in range(-ring, ring + 1):
                if max(abs(dx), abs(dy)) != ring or not 0 <= row + dy < size:
                    continue
                if not 0 <= column + dx < size or found == most:
                    continue
                found += 1
                yield row + dy, column + dx


def questions(place: Place) -> dict[str, dict[str, list[str]]]:
    """Each question and how every server is asked."""
    own, tipg = "/collections/{}/items", "/collections/peer.{}/items"
    last = min(FAR, place.households - 10)
    only = f"community_code={place.community}"
    names = ("gridward", "tipg", "pygeoapi")
    boxes = [f"?limit=1000&bbox={box}" for box in place.boxes]
    far = f"?limit=10&offset={last}"
    single = (f"/{place.grid_code}", f"/{place.grid_id}", f"/{place.grid_id}")

    def alike(table: str, *queries: str) -> dict[str, list[str]]:
        return {
            "gridward": [own.format(table) + each for each in queries],
            "tipg": [tipg.format(table) + each for each in queries],
            "pygeoapi": [own.format(table) + each + "&f=json" for each in queries],
        }

    return {
        **{
            f"page of 1,000 {what}{how}": alike(table, "?limit=1000")
            for what, table in (("polygons", "grids"), ("points", "households"))
            for how in ("", PLAIN)
        },
        "boxes of about 500 points": alike("households", *boxes),
        "filter by community": alike("grids", f"?limit=1000&{only}"),
        # ours by the token of the page before; the others know offsets alone
        f"10 rows from {last:,} on": {
            **alike("households", far),
            "gridward": [own.format("households") + f"?limit=10&token={place.token}"],
        },
        f"10 rows from {last:,} on, by offset": alike("households", far),
        "single item": {
            name: [(tipg if name == "tipg" else own).format("grids") + path]
            for name, path in zip(names, single, strict=True)
        },
    }


def tile_path(server: str, layer: str, zoom: int, row: int, column: int) -> str:
    """The address of a tile."""
    if server == "gridward":
        return f"/collections/{layer}/tiles/WebMercatorQuad/{zoom}/{row}/{column}"
    # tipg counts columns first
    return f"/collections/peer.tile_{layer}/tiles/WebMercatorQuad/{zoom}/{column}/{row}"
