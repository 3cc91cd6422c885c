"""How fast is the spatial API, beside tipg, pygeoapi, ogr2ogr and bare SQL on the same PostGIS?

A made-up province is loaded once (and kept, with ``--home``). The peers are given plain tables with
the same features and the indexes that they want. Every server runs two processes; one client and
eight ask as fast as they are answered, each question for some seconds. Tiles that were not asked
for before are drawn for the first time; cached ones are asked for again and again.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from time import perf_counter

import mapbox_vector_tile
import psycopg
from rich.console import Console
from sqlalchemy import URL, text

from benchmarks import _servers
from benchmarks._asked import (
    EQUAL,
    JOINED,
    PAGES,
    PLAIN,
    Place,
    look,
    questions,
    tables,
    tile_path,
    tiles_around,
)
from benchmarks._load import Connection, Rate, ask, ask_all
from benchmarks._province import fill
from benchmarks._report import server_seconds, show
from service.db.engine import Database
from service.exports.files import MOST_INDEXED
from service.settings import Settings
from service.tiles.prepare import prepare


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

    def __init__(self, place: Place, seconds: float, data: Path) -> None:
        self.place = place
        self.seconds = seconds
        self.data = data
        self.rows: dict[tuple[str, int], dict[str, Cell]] = {}
        self.drawn: dict[tuple[str, int, int], Rate] = {}

    def measure(self, server: _servers.Server, clients: int) -> None:
        """Ask one server every question."""
        for question, addresses in questions(self.place).items():
            packed, paths = not question.endswith(PLAIN), addresses[server.name]
            self._note(question, clients, server, lambda paths=paths, packed=packed: ask(
                server.port, paths, clients=clients, seconds=self.seconds, packed=packed
            ))  # fmt: skip
        if server.name == "pygeoapi":
            return
        for layer, zooms in EQUAL.items():
            for zoom in zooms:
                around = list(tiles_around(self.place, zoom))
                # clients of one run each see other tiles, so that all are new
                paths = [tile_path(server.name, layer, zoom, *each) for each in around]
                part = paths[: len(paths) // 3] if clients == 1 else paths[len(paths) // 3 :]
                question = f"new tiles of {layer}, zoom {zoom}"
                self._note(question, clients, server, lambda p=part: (
                    ask_all(server.port, p, clients=clients, seconds=self.seconds)
                ))  # fmt: skip
                self.rows[question, clients][f"{server.name} features"] = features(server, paths[0])
        row, column = next(tiles_around(self.place, 14))
        path = tile_path(server.name, "grids", 14, row, column)
        self._note("the same tile again, zoom 14", clients, server, lambda: ask(
            server.port, [path], clients=clients, seconds=self.seconds
        ))  # fmt: skip

    def draw_all(self, server: _servers.Server, clients: int) -> None:
        """Have new tiles drawn at every zoom, those about the most crowded place."""
        for layer in ("grids", "households"):
            for zoom in range(19):
                around = tiles_around(self.place, zoom, most=60)
                paths = [tile_path("gridward", layer, zoom, *each) for each in around]
                rate = ask_all(server.port, paths, clients=clients, seconds=self.seconds)
                self.drawn[layer, zoom, clients] = rate

    def measure_sql(self, url: URL, clients: int) -> None:
        """Read the pages by bare SQL."""
        for name, pages in (("sql", PAGES), ("joined", JOINED)):
            for question, statement in pages.items():
                rate = bare_sql(url, statement, clients, self.seconds)
                self.rows.setdefault((question, clients), {})[name] = rate

    def _note(
        self, question: str, clients: int, server: _servers.Server, run: Callable[[], Rate]
    ) -> None:
        row = self.rows.setdefault((question, clients), {})
        spent = server.seconds() + server_seconds(self.data)
        try:
            rate = run()
        except (RuntimeError, OSError, ValueError) as error:
            Console(stderr=True).print(f"{server.name}: {question}: {str(error)[:200]}")
            row[server.name] = "fails"
            return
        spent = server.seconds() + server_seconds(self.data) - spent
        row[server.name] = rate.per_second
        row[f"{server.name} ms"] = 1000.0 * spent / max(rate.requests, 1)
        row[f"{server.name} kB"] = rate.bytes / max(rate.requests, 1) / 1000.0
        if server.name == "gridward":
            row["slowest"] = 1000.0 * rate.slowest


def features(server: _servers.Server, path: str) -> int:
    """How many features a tile holds."""
    connection = Connection(server.port)
    status, content = connection.get(path)
    connection.close()
    layers = mapbox_vector_tile.decode(content) if status == 200 else {}
    return sum(len(each["features"]) for each in layers.values())


def ratio(row: dict[str, Cell]) -> float | None:
    """Times the faster peer."""
    peers = [each for each in (row.get("tipg"), row.get("pygeoapi")) if isinstance(each, float)]
    own = row.get("gridward")
    return own / max(peers) if isinstance(own, float) and peers and max(peers) else None


def spared(row: dict[str, Cell]) -> float | None:
    """Processor time of the peer that takes less, in times of ours."""
    peers = [
        each for each in (row.get("tipg ms"), row.get("pygeoapi ms")) if isinstance(each, float)
    ]
    own = row.get("gridward ms")
    return min(peers) / own if isinstance(own, float) and own and peers else None


def share(row: dict[str, Cell], of: str) -> float | None:
    """Of the rate of bare SQL, from a plain table or from those that have to be joined."""
    own, bare = row.get("gridward"), row.get(of)
    return own / bare if isinstance(own, float) and isinstance(bare, float) and bare else None


def exports(server: _servers.Server, database: Database, folder: Path) -> list[list[Cell]]:
    """Seconds of each format over HTTP against ogr2ogr, and the server's memory after it.

    Ogr2ogr reads a plain table that holds what is exported, and then the tables that it has to be
    joined from, as Gridward does.
    """
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
        peaks = server.peak_mib()
        others: list[Cell] = [None, None]
        if suffix in drivers:
            others = [
                _ogr2ogr(
                    drivers[suffix],
                    folder / f"peer.{suffix}",
                    source,
                    layer,
                    indexed=rows_in_all <= MOST_INDEXED,
                )
                for layer in ("peer.households", "peer.households_joined")
            ]
        times = [each / own if isinstance(each, float) else None for each in others]
        rows.append([f"households.{suffix}", own, *others, *times, size / 1e6, peaks])
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


def _ogr2ogr(driver: str, path: Path, source: str, layer: str, *, indexed: bool) -> Cell:
    options = ["-lco", "GEOMETRY=AS_XY"] if driver == "CSV" else []
    if driver == "FlatGeobuf":  # ours has none where it is large
        options = ["-lco", f"SPATIAL_INDEX={'YES' if indexed else 'NO'}"]
    command = ["ogr2ogr", "-f", driver, *options, str(path), source, layer]
    began = perf_counter()
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=600)
    except (OSError, subprocess.SubprocessError) as error:
        return f"fails: {type(error).__name__}"
    path.unlink(missing_ok=True)
    return perf_counter() - began


def run(database: Database, folder: Path, data: Path, seconds: float, with_exports: bool) -> None:
    """Measure every server in turn and print the tables."""
    console = Console(stderr=True)
    console.print("preparing tiles, and the tables of the peers")
    began = perf_counter()
    with database.session() as session:
        prepare(session)
    prepared = perf_counter() - began
    tables(database)
    bench = Bench(look(database), seconds, data)
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
        if name == "gridward":
            for clients in (1, 8):
                with _servers.gridward(url, folder) as fresh:
                    console.print(f"tiles of every zoom, {clients} clients")
                    bench.draw_all(fresh, clients)
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
    pages = {each: row for each, row in bench.rows.items() if "new tiles" not in each[0]}
    tiles = {each: row for each, row in bench.rows.items() if "new tiles" in each[0]}
    show(
        f"Answers a second; {place.households:,} households, {place.grids:,} grids, two processes "
        f"a server. Times: of the faster peer's rate. Of SQL: of the rate of the same page by bare "
        f"SQL from a plain table; joined: from households, ledger and grids. ms: processor time of "
        f"server and database an answer. Spared: that of the thriftier peer in times of ours. Peak "
        f"MiB of a process: {peaks}",
        (
            "question", "clients", "gridward", "tipg", "pygeoapi", "times", "of SQL", "joined",
            "ms", "tipg ms", "pygeoapi ms", "spared", "slowest ms", "kB", "tipg kB",
        ),
        (
            (
                *each, *(row.get(name) for name in ("gridward", "tipg", "pygeoapi")), ratio(row),
                share(row, "sql"), share(row, "joined"),
                *(row.get(f"{name} ms") for name in ("gridward", "tipg", "pygeoapi")),
                spared(row), row.get("slowest"), row.get("gridward kB"), row.get("tipg kB"),
            )
            for each, row in pages.items()
        ),
    )  # fmt: skip
    show(
        "New tiles a second at equal content: tipg has a table of the same features, attributes "
        "and vertices. Features: of the tile in the middle; households within one cell of 1,024 to "
        "the side of a tile are one feature of ours",
        (
            "question", "clients", "gridward", "tipg", "times", "ms", "tipg ms", "spared",
            "features", "of tipg", "kB", "tipg kB",
        ),
        (
            (
                *each, row.get("gridward"), row.get("tipg"), ratio(row), row.get("gridward ms"),
                row.get("tipg ms"), spared(row), row.get("gridward features"),
                row.get("tipg features"), row.get("gridward kB"), row.get("tipg kB"),
            )
            for each, row in tiles.items()
        ),
    )  # fmt: skip
    show(
        f"Milliseconds of the slowest new tile over HTTP, of 60 about the most crowded place; all "
        f"of it prepared in {prepared:.1f} s",
        ("zoom", "grids, 1 client", "8 clients", "households, 1 client", "8 clients"),
        (
            (
                zoom,
                *(
                    1000.0 * bench.drawn[layer, zoom, clients].slowest
                    for layer in ("grids", "households")
                    for clients in (1, 8)
                ),
            )
            for zoom in range(19)
            if ("households", zoom, 8) in bench.drawn
        ),
    )
    if exported:
        show(
            "Exports over HTTP against ogr2ogr to a file, from a plain table and from the tables "
            "that have to be joined; peak memory of the server so far",
            ("file", "seconds", "ogr2ogr s", "joined s", "times", "joined", "MB", "peak MiB"),
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
            run(database, folder, home / "pg", arguments.seconds, not arguments.no_exports)


if __name__ == "__main__":
    main()
