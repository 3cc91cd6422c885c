"""How fast is the spatial API, beside tipg, pygeoapi, ogr2ogr and bare SQL on the same PostGIS?

A made-up province is loaded once (and kept, with ``--home``). The peers are given plain tables with
the same features and the indexes that they want. Every server runs two processes; one client and
eight ask as fast as they are answered, each question for some seconds. Tiles that were not asked
for before are drawn for the first time; cached ones are asked for again and again.
"""

from __future__ import annotations

import argparse
import math
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import psycopg
from rich.console import Console
from sqlalchemy import URL, text

from benchmarks import _servers
from benchmarks._load import Rate, ask, ask_all
from benchmarks._province import fill
from benchmarks._report import show
from service.db.engine import Database
from service.exports.files import MOST_INDEXED
from service.ogc.paging import Position
from service.settings import Settings
from service.tiles.prepare import prepare

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
CREATE TABLE peer.households AS
    SELECT household.id, household.reference, address, building, unit, household.households,
        community, grid.code AS grid_code, assignment.method, household.geometry
    FROM household
    LEFT JOIN assignment ON assignment.household_id = household.id
    LEFT JOIN grid ON grid.id = assignment.grid_id
    ORDER BY household.id;
ALTER TABLE peer.households ADD PRIMARY KEY (id);
CREATE INDEX ON peer.households USING gist (geometry);
"""

_FAR = 1_000_000
_PLAIN = ", not packed"

#: The same pages by bare SQL from the plain tables: one prepared statement, a feature a row.
_PAGES = {
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
    "page of 1,000 points, not packed": """
        SELECT concat('{"type":"Feature","id":', id, ',"geometry":', ST_AsGeoJSON(geometry, 7),
            ',"properties":', json_build_object(
                'reference', reference, 'address', address, 'building', building, 'unit', unit,
                'households', households, 'community', community, 'grid_code', grid_code,
                'method', method
            ), '}')
        FROM peer.households ORDER BY id LIMIT 1000
    """,
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where to look: a crowded place, a box of about 500 households, one of everything."""

    lon: float
    lat: float
    box: str
    community: str
    grid_code: str
    grid_id: int
    token: str
    households: int
    grids: int


def tables(database: Database) -> None:
    """Make the tables of the peers, unless they are there."""
    with database.engine.begin() as connection:
        if connection.scalar(text("SELECT to_regclass('peer.households')")) is None:
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
            {"offset": min(_FAR, counts[0] - 10) - 1},
        )
    box = ",".join(f"{value:.6f}" for value in (lon - reach, lat - reach, lon + reach, lat + reach))
    token = Position((before,), counts[0]).token()
    return Place(lon, lat, box, grid.community_code, grid.grid_code, grid.id, token, *counts)


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


def questions(place: Place) -> dict[str, dict[str, str]]:
    """Each question and how every server is asked."""
    own, tipg = "/collections/{}/items", "/collections/peer.{}/items"
    last = min(_FAR, place.households - 10)
    only = f"community_code={place.community}"
    return {
        **{
            f"page of 1,000 {what}{how}": {
                "gridward": own.format(table) + "?limit=1000",
                "tipg": tipg.format(table) + "?limit=1000",
                "pygeoapi": own.format(table) + "?limit=1000&f=json",
            }
            for what, table in (("polygons", "grids"), ("points", "households"))
            for how in ("", _PLAIN)
        },
        "box of about 500 points": {
            "gridward": own.format("households") + f"?limit=1000&bbox={place.box}",
            "tipg": tipg.format("households") + f"?limit=1000&bbox={place.box}",
            "pygeoapi": own.format("households") + f"?limit=1000&f=json&bbox={place.box}",
        },
        "filter by community": {
            "gridward": own.format("grids") + f"?limit=1000&{only}",
            "tipg": tipg.format("grids") + f"?limit=1000&{only}",
            "pygeoapi": own.format("grids") + f"?limit=1000&f=json&{only}",
        },
        # ours by the token of the page before; the others know offsets alone
        f"10 rows from {last:,} on": {
            "gridward": own.format("households") + f"?limit=10&token={place.token}",
            "tipg": tipg.format("households") + f"?limit=10&offset={last}",
            "pygeoapi": own.format("households") + f"?limit=10&f=json&offset={last}",
        },
        f"10 rows from {last:,} on, by offset": {
            "gridward": own.format("households") + f"?limit=10&offset={last}",
            "tipg": tipg.format("households") + f"?limit=10&offset={last}",
            "pygeoapi": own.format("households") + f"?limit=10&f=json&offset={last}",
        },
        "single item": {
            "gridward": own.format("grids") + f"/{place.grid_code}",
            "tipg": tipg.format("grids") + f"/{place.grid_id}",
            "pygeoapi": own.format("grids") + f"/{place.grid_id}?f=json",
        },
    }


def tile_path(server: str, layer: str, zoom: int, row: int, column: int) -> str:
    """The address of a tile."""
    if server == "gridward":
        return f"/collections/{layer}/tiles/WebMercatorQuad/{zoom}/{row}/{column}"
    # tipg counts columns first
    return f"/collections/peer.{layer}/tiles/WebMercatorQuad/{zoom}/{column}/{row}"


def bare_sql(url: URL, statement: str, clients: int, seconds: float) -> float:
    """Pages a second by bare SQL, each client with a connection of its own."""
    place = url.set(drivername="postgresql").render_as_string(hide_password=False)
    pages: list[int] = []
    began = perf_counter()

    def client() -> None:
        done = 0
        with psycopg.connect(place, autocommit=True) as connection:
            while perf_counter() - began < seconds:
                connection.execute(statement, prepare=True).fetchall()
                done += 1
        pages.append(done)

    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(pages) / (perf_counter() - began)


Cell = float | str | None


class Bench:
    """The measurements of one run, row by row."""

    def __init__(self, place: Place, seconds: float) -> None:
        self.place = place
        self.seconds = seconds
        self.rows: dict[tuple[str, int], dict[str, Cell]] = {}

    def measure(self, server: _servers.Server, clients: int) -> None:
        """Ask one server every question."""
        for question, addresses in questions(self.place).items():
            packed = not question.endswith(_PLAIN)
            self._note(question, clients, server, lambda path=addresses[server.name], p=packed: ask(
                server.port, [path], clients=clients, seconds=self.seconds, packed=p
            ))  # fmt: skip
        if server.name == "pygeoapi":
            return
        for layer, zooms in (("grids", (6, 9, 11, 13, 14)), ("households", (6, 11, 14, 16))):
            for zoom in zooms:
                around = list(tiles_around(self.place, zoom))
                # clients of one run each see other tiles, so that all are new
                paths = [tile_path(server.name, layer, zoom, *each) for each in around]
                part = paths[: len(paths) // 3] if clients == 1 else paths[len(paths) // 3 :]
                self._note(f"new tiles of {layer}, zoom {zoom}", clients, server, lambda p=part: (
                    ask_all(server.port, p, clients=clients, seconds=self.seconds)
                ))  # fmt: skip
        row, column = next(tiles_around(self.place, 13))
        path = tile_path(server.name, "grids", 13, row, column)
        self._note("the same tile again, zoom 13", clients, server, lambda: ask(
            server.port, [path], clients=clients, seconds=self.seconds
        ))  # fmt: skip

    def measure_sql(self, url: URL, clients: int) -> None:
        """Read the pages by bare SQL."""
        for question, statement in _PAGES.items():
            rate = bare_sql(url, statement, clients, self.seconds)
            self.rows.setdefault((question, clients), {})["sql"] = rate

    def _note(
        self, question: str, clients: int, server: _servers.Server, run: Callable[[], Rate]
    ) -> None:
        row = self.rows.setdefault((question, clients), {})
        try:
            rate = run()
        except (RuntimeError, OSError, ValueError) as error:
            Console(stderr=True).print(f"{server.name}: {question}: {str(error)[:200]}")
            row[server.name] = "fails"
            return
        row[server.name] = rate.per_second
        row[f"{server.name} kB"] = rate.bytes / max(rate.requests, 1) / 1000.0
        if server.name == "gridward":
            row["slowest"] = 1000.0 * rate.slowest


def ratio(row: dict[str, Cell]) -> float | None:
    """Times the faster peer."""
    peers = [each for each in (row.get("tipg"), row.get("pygeoapi")) if isinstance(each, float)]
    own = row.get("gridward")
    return own / max(peers) if isinstance(own, float) and peers and max(peers) else None


def share(row: dict[str, Cell]) -> float | None:
    """Of the rate of bare SQL."""
    own, bare = row.get("gridward"), row.get("sql")
    return own / bare if isinstance(own, float) and isinstance(bare, float) and bare else None


def exports(server: _servers.Server, database: Database, folder: Path) -> list[list[Cell]]:
    """Seconds of each format over HTTP against ogr2ogr, and the server's memory after it."""
    url = database.url
    source = (
        f"PG:dbname={url.database} user={url.username} host={url.host or url.query.get('host')}"
    )
    drivers = {"csv": "CSV", "geojson": "GeoJSON", "fgb": "FlatGeobuf", "gpkg": "GPKG"}
    rows: list[list[Cell]] = []
    with database.session() as session:
        rows_in_all = session.scalar(text("SELECT count(*) FROM household")) or 0
    for suffix in ("csv", "geojson", "geojson.gz", "parquet", "fgb", "gpkg"):
        began = perf_counter()
        size = _download(server.port, f"/exports/households.{suffix}")
        own = perf_counter() - began
        other: Cell = None
        if suffix in drivers:
            other = _ogr2ogr(
                drivers[suffix],
                folder / f"peer.{suffix}",
                source,
                indexed=rows_in_all <= MOST_INDEXED,
            )
        times = other / own if isinstance(other, float) else None
        rows.append([f"households.{suffix}", own, other, times, size / 1e6, server.peak_mib()])
    return rows


def _download(port: int, path: str) -> int:
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    connection.request("GET", path, headers={"Accept-Encoding": "identity"})
    answer = connection.getresponse()
    if answer.status != 200:
        raise RuntimeError(f"{path}: {answer.status} {answer.read(300)!r}")
    size = 0
    while piece := answer.read(1 << 20):
        size += len(piece)
    return size


def _ogr2ogr(driver: str, path: Path, source: str, *, indexed: bool) -> Cell:
    options = ["-lco", "GEOMETRY=AS_XY"] if driver == "CSV" else []
    if driver == "FlatGeobuf":  # ours has none where it is large
        options = ["-lco", f"SPATIAL_INDEX={'YES' if indexed else 'NO'}"]
    command = ["ogr2ogr", "-f", driver, *options, str(path), source, "peer.households"]
    began = perf_counter()
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=600)
    except (OSError, subprocess.SubprocessError) as error:
        return f"fails: {type(error).__name__}"
    path.unlink(missing_ok=True)
    return perf_counter() - began


def run(database: Database, folder: Path, seconds: float, with_exports: bool) -> None:
    """Measure every server in turn and print the tables."""
    console = Console(stderr=True)
    console.print("preparing tiles, and the tables of the peers")
    began = perf_counter()
    with database.session() as session:
        prepare(session)
    prepared = perf_counter() - began
    tables(database)
    bench = Bench(look(database), seconds)
    python = _servers.peers_python()
    url = database.url
    memory: dict[str, float] = {}
    exported: list[list[Cell]] = []
    for name in ("gridward", "tipg", "pygeoapi"):
        if name != "gridward" and python is None:
            continue
        with ExitStack() as stack:
            starts = {
                "gridward": lambda: _servers.gridward(url, folder),
                "tipg": lambda: _servers.tipg(python, url, folder),  # type: ignore[arg-type]
                "pygeoapi": lambda: _servers.pygeoapi(python, url, folder),  # type: ignore[arg-type]
            }
            try:
                server = stack.enter_context(starts[name]())
            except (RuntimeError, subprocess.SubprocessError) as error:
                console.print(f"{name} cannot be measured: {str(error)[-500:]}")
                continue
            for clients in (1, 8):
                console.print(f"{name}, {clients} clients")
                bench.measure(server, clients)
            memory[name] = server.peak_mib()
        if name == "gridward" and with_exports:
            console.print("exports")
            with _servers.gridward(url, folder) as fresh:
                exported = exports(fresh, database, folder)
    for clients in (1, 8):
        bench.measure_sql(url, clients)
    _report(bench, memory, exported, prepared)


def _report(
    bench: Bench,
    memory: dict[str, float],
    exported: list[list[Cell]],
    prepared: float,
) -> None:
    place = bench.place
    peaks = ", ".join(f"{name} {value:,.0f}" for name, value in memory.items())
    show(
        f"Answers a second; {place.households:,} households, {place.grids:,} grids, two processes "
        f"a server; tiles prepared in {prepared:.1f} s. Times: to the faster peer; of SQL: to the "
        f"same page by bare SQL from a plain table. Peak MiB of a process: {peaks}",
        (
            "question", "clients", "gridward", "tipg", "pygeoapi", "times", "of SQL", "slowest ms",
            "kB", "tipg kB",
        ),
        (
            (
                question, clients, row.get("gridward"), row.get("tipg"), row.get("pygeoapi"),
                ratio(row), share(row), row.get("slowest"), row.get("gridward kB"),
                row.get("tipg kB"),
            )
            for (question, clients), row in bench.rows.items()
        ),
    )  # fmt: skip
    if exported:
        show(
            "Exports over HTTP against ogr2ogr to a file; peak memory of the server so far",
            ("file", "seconds", "ogr2ogr s", "times", "MB", "peak MiB"),
            exported,
        )


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--households", type=int, default=200_000)
    parser.add_argument("--grids", type=int, default=11_000)
    parser.add_argument("--seconds", type=float, default=2.0, help="a question and server")
    parser.add_argument("--home", type=Path, help="keep the database here, or use the one there")
    parser.add_argument("--no-exports", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gridward-bench-") as name:
        folder = Path(name)
        home = arguments.home or folder / "home"
        with Database(Settings(database_url=None, home=home)) as database:
            fill(
                database,
                households=arguments.households,
                grids=arguments.grids,
                seed=arguments.seed,
            )
            run(database, folder, arguments.seconds, not arguments.no_exports)


if __name__ == "__main__":
    main()
