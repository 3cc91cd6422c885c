"""How fast do households come into their grids, and how near is that to moving the rows alone?

First the geometry: the polygon of each point, by ``gd.Coverage.locate`` and by other libraries on
the same data, each in a process of its own. Then the ledger, in a database of its own for every
size: a whole assignment and what changes cost, beside

- the floor: COPY out of ids and points, COPY in of as many rows as the ledger has, its indexes
- UPDATE household SET grid = ... FROM grid WHERE ST_Covers(...), the households with their indexes
  and one on the grid, as the ledger has it; no trigger fires and no foreign key is checked
- CREATE TABLE AS SELECT ... JOIN grid ON ST_Covers(...), and the same indexes

A province has 110,000 grids for 20 million households; smaller ones have fewer in proportion.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from math import isqrt
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any

import numpy as np
from rich.console import Console
from sqlalchemy import text

from benchmarks._lattice import BLOCK, cells, draw, fill
from benchmarks._locating import WAYS, Located, locate
from benchmarks._report import own_mib, peak_mib, server_seconds, show
from benchmarks._svg import Line, chart
from geodata.coverage import Coverage
from service.db.arrays import copying, encode
from service.db.engine import Database
from service.flows.assign import assign
from service.settings import Settings

HOUSEHOLDS_A_GRID = 182
PICTURE = Path(__file__).resolve().parents[1] / "docs" / "images" / "assignment.svg"

FLOOR, JOINS = "COPY out and in, index", ("CREATE TABLE AS, index", "UPDATE")

_LEDGER = ("household_id", "grid_id", "method", "distance_m", "at", "reason")
#: The whole ledger is made so often; the median counts, for the processors are not always as fast.
REPEATS = 3

_COVERED = "ST_Covers(drawn.geometry, household.geometry)"


@dataclass(frozen=True, slots=True)
class Cost:
    """What one way took at one size; memory of the client and of its server process, MiB."""

    seconds: float
    cpu: float = 0.0
    changed: int | None = None
    client: float | None = None
    server: float | None = None


# -- the geometry --------------------------------------------------------------------------------


def compare_locating(points: int, across: int) -> None:
    """Print points a second of every way that runs here."""
    console = Console(stderr=True)
    found: dict[str, Located] = {}
    for way in WAYS:
        console.print(f"{way}: {points:,} points")
        result = locate(way, points, across)
        if isinstance(result, str):
            console.print(f"left out: {way}, since it does not run here: {result}")
        else:
            found[way] = result
    own = found["gd.Coverage"]
    polygons = across * across
    megabytes = (points * 16 + polygons * 45 * 16) / 2**20
    show(
        f"{points:,} points, {polygons:,} polygons of 44 vertices "
        f"({megabytes:,.0f} MiB of coordinates); building the index takes "
        f"{own.build_seconds:.2f} s of gd.Coverage's time",
        ("way", "s", "cpu s", "points/s", "/ own", "MiB added", "found"),
        (
            (way, each.seconds, each.cpu, points / each.seconds, each.seconds / own.seconds,
             each.mib, each.found)
            for way, each in found.items()
        ),
    )  # fmt: skip


# -- the ledger ----------------------------------------------------------------------------------


def floor(database: Database, households: int) -> float:
    """Rows out, rows in, indexes: nothing is looked at, nothing is checked."""
    began = perf_counter()
    with database.session() as session:
        driver = session.connection().connection.driver_connection
        with driver.cursor() as cursor, cursor.copy(
            "COPY (SELECT id, ST_X(geometry), ST_Y(geometry) FROM household) "
            "TO STDOUT (FORMAT binary)"
        ) as copy:  # fmt: skip
            for _ in copy:
                pass
        session.execute(text("DROP TABLE IF EXISTS bare"))
        session.execute(text("CREATE TABLE bare (LIKE assignment)"))
        with copying(session, "bare", _LEDGER) as copy:
            for begin in range(0, households, 100_000):
                ids = np.arange(begin, min(begin + 100_000, households), dtype=np.int64)
                grids = (ids // HOUSEHOLDS_A_GRID).astype(np.int32)
                row = [ids, grids, b"covers", np.zeros(len(ids)), ids, None]
                copy.write(encode(row, len(ids)))
        session.execute(text("ALTER TABLE bare ADD PRIMARY KEY (household_id)"))
        session.execute(text("CREATE INDEX ON bare (grid_id)"))
        session.execute(text("CREATE INDEX ON bare (method) WHERE method <> 'covers'"))
    return perf_counter() - began


def create_table_as(database: Database, households: int, limit: int) -> float:
    """The join by PostGIS into a new table, and the indexes of the ledger."""
    part = f" WHERE household.id <= {limit}" if households > limit else ""
    seconds = _timed(
        database,
        "CREATE TABLE joined AS SELECT household.id AS household_id, drawn.id AS grid_id, "
        f"'covers' AS method FROM household JOIN drawn ON {_COVERED}{part}",
        "ALTER TABLE joined ADD PRIMARY KEY (household_id)",
        "CREATE INDEX ON joined (grid_id)",
        "CREATE INDEX ON joined (method) WHERE method <> 'covers'",
    )
    _timed(database, "DROP TABLE joined")
    return seconds


def update(database: Database, households: int, limit: int) -> float:
    """A column of the households set by PostGIS, indexed, without the triggers of Gridward."""
    part = f" AND household.id <= {limit}" if households > limit else ""
    with database.engine.begin() as connection:
        connection.execute(text("ALTER TABLE household ADD COLUMN grid integer"))
        connection.execute(text("CREATE INDEX ON household (grid)"))
        connection.execute(text("ALTER TABLE household DISABLE TRIGGER USER"))
    seconds = _timed(
        database, f"UPDATE household SET grid = drawn.id FROM drawn WHERE {_COVERED}{part}"
    )
    with database.engine.begin() as connection:
        connection.execute(text("ALTER TABLE household ENABLE TRIGGER USER"))
        connection.execute(text("ALTER TABLE household DROP COLUMN grid"))
    return seconds


def _timed(database: Database, *statements: str) -> float:
    began = perf_counter()
    with database.engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
    return perf_counter() - began


def gridward(home: Path, full: bool = False) -> Cost:
    """``gridward assign`` in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_assign, home, full).result()


def _assign(home: Path, full: bool) -> Cost:
    with Database(Settings(database_url=None, home=home)) as database:
        # fetch what numba has compiled
        Coverage(cells(2)).locate(*np.full((2, 20_000), 121.0))
        began, worked = perf_counter(), process_time()
        with database.session() as session:
            backend = session.execute(text("SELECT pg_backend_pid()")).scalar_one()
            report = assign(session, full=full)
        seconds, cpu = perf_counter() - began, process_time() - worked
        return Cost(seconds, cpu, report.changed, peak_mib(), own_mib("RssAnon", backend))


def forget(database: Database) -> None:
    """Make the ledger as empty as before the first time."""
    _timed(
        database,
        "TRUNCATE assignment, assignment_queue, household_change, assignment_plan, grid_load",
    )


def redraw(database: Database, across: int, share: float) -> None:
    """Draw new grids in a share of the communities."""
    blocks = -(-across // BLOCK)
    number = np.arange(across * across)
    community = number // across // BLOCK * blocks + number % across // BLOCK
    chosen = community < max(round(share * blocks * blocks), 1)
    codes = np.array([f"{each:06d}" for each in community[chosen]])
    with database.session() as session:
        draw(session, codes, cells(across)[chosen])


def change(database: Database) -> None:
    """A household in a thousand moves, one goes, one comes."""
    with database.session() as session:
        for statement in (
            "UPDATE household SET geometry = ST_Translate(geometry, 0.003, 0) WHERE id % :step = 0",
            "DELETE FROM household WHERE id % :step = 1",
            "INSERT INTO household (dataset_id, reference, geometry) SELECT dataset_id, "
            "reference || '-' || id, geometry FROM household WHERE id % :step = 2",
        ):
            session.execute(text(statement), {"step": 1000})


def measure(households: int, limit: int, console: Console) -> dict[str, Cost]:
    """Every way at one size."""
    across = max(isqrt(households // HOUSEHOLDS_A_GRID), 2 * BLOCK)
    costs: defaultdict[str, list[Cost]] = defaultdict(list)
    with tempfile.TemporaryDirectory(prefix="gridward-bench-") as folder:
        home = Path(folder) / "home"
        with Database(Settings(database_url=None, home=home)) as database:
            console.print(f"{households:,} households, {across * across:,} grids: filling")
            fill(database, households, across)
            _timed(
                database,
                "CREATE TABLE drawn AS SELECT grid_id AS id, geometry FROM grid_version",
                "CREATE INDEX ON drawn USING gist (geometry)",
                "ANALYZE drawn",
            )
            own = partial(gridward, home)
            whole = [("", lambda: redraw(database, across, 1.0)), ("all grids redrawn", own)]
            steps: list[tuple[str, Callable[[], Any]]] = [
                *REPEATS * [(FLOOR, lambda: floor(database, households))],
                *REPEATS * [("", lambda: forget(database)), ("first time", own)],
                ("--full, none changed", lambda: gridward(home, full=True)),
                ("nothing changed", own),
                ("", lambda: change(database)),
                ("0.3 % changed", own),
                ("", lambda: redraw(database, across, 0.01)),
                ("1 % of grids redrawn", own),
                *REPEATS * whole,
                ("CREATE TABLE AS, index", lambda: create_table_as(database, households, limit)),
                ("UPDATE", lambda: update(database, households, limit)),
            ]  # fmt: skip
            for name, run in steps:
                _settle(database)
                if name:
                    console.print(f"  {name}")
                worked, served = process_time(), server_seconds(home / "pg")
                found = run()
                spent = process_time() - worked + server_seconds(home / "pg") - served
                if name:
                    cost = found if isinstance(found, Cost) else Cost(found)
                    part = max(households / limit, 1.0) if name in JOINS else 1.0
                    costs[name].append(
                        replace(cost, seconds=part * cost.seconds, cpu=part * (cost.cpu + spent))
                    )
    return {name: _median(some) for name, some in costs.items()}


def _median(costs: list[Cost]) -> Cost:
    """The one in the middle by seconds, with the processor time in the middle."""
    middle = sorted(costs, key=lambda each: each.seconds)[len(costs) // 2]
    return replace(middle, cpu=median(each.cpu for each in costs))


def _settle(database: Database) -> None:
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("CHECKPOINT"))


def print_ledger(households: int, limit: int, costs: dict[str, Cost]) -> None:
    base, own = costs[FLOOR], costs["first time"]
    reckoned = f" (from {limit:,})" if households > limit else ""
    rows = []
    for name, cost in costs.items():
        peer = name in (FLOOR, *JOINS)
        title = name if peer else f"assign: {name}"
        if name in JOINS:
            title += reckoned
        rows.append(
            (title, cost.seconds,
             cost.seconds / base.seconds, cost.seconds / own.seconds, cost.cpu,
             cost.cpu / own.cpu, cost.changed,
             cost.client, cost.server)
        )  # fmt: skip
    show(
        f"the ledger of {households:,} households",
        ("way", "s", "/ floor", "/ first", "cpu s", "/ first", "changed", "MiB", "server"),
        rows,
    )  # fmt: skip


def picture(found: dict[int, dict[str, Cost]]) -> str:
    """Seconds against households, both in powers of ten."""
    names = {
        "UPDATE": "UPDATE ... ST_Covers",
        "CREATE TABLE AS, index": "CREATE TABLE AS",
        "all grids redrawn": "assign, all grids redrawn",
        "first time": "assign, first time",
        "COPY out and in, index": "COPY out and in, indexes",
        "1 % of grids redrawn": "assign, 1 % of the grids redrawn",
        "0.3 % changed": "assign, 0.3 % changed",
    }
    lines = [
        Line(label, [(size, costs[name].seconds) for size, costs in sorted(found.items())])
        for name, label in names.items()
    ]
    return chart(lines, x="households", y="seconds")


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", type=int, default=10_000_000, help="0: no geometry")
    parser.add_argument("--across", type=int, default=332, help="polygons in a row, and rows")
    parser.add_argument("--households", type=int, nargs="*", default=[100_000, 1_000_000])
    parser.add_argument("--peer-limit", type=int, default=1_000_000,
                        help="households PostGIS joins; beyond, reckoned up")  # fmt: skip
    parser.add_argument("--picture", type=Path, help=f"SVG to write, e.g. {PICTURE.name}")
    arguments = parser.parse_args()
    if arguments.points:
        compare_locating(arguments.points, arguments.across)
    compare_ledgers(arguments.households, arguments.peer_limit, arguments.picture)


def compare_ledgers(sizes: Sequence[int], limit: int, file: Path | None) -> None:
    """Print a table a size, and draw the picture."""
    console = Console(stderr=True)
    found = {}
    for size in sizes:
        found[size] = measure(size, limit, console)
        print_ledger(size, limit, found[size])
    if file is not None and found:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(picture(found), encoding="utf-8")
        console.print(f"wrote {file}")


if __name__ == "__main__":
    main()
