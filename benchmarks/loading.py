"""How fast do household rows come in, measured against a bare COPY of the same file?

A made-up place is written as CSV, bad rows included, and loaded into an empty database of its own:
reading, decoding, checking every row, setting the bad ones aside, staging by binary COPY, merging
by reference, indexes. The yardsticks are run on the same server in the same run:

- bare COPY: the bytes of the file into a table of text columns, nothing else
- COPY, points, indexes: the least that the loaded table needs, without looking at a single row:
  COPY, INSERT ... SELECT with ST_MakePoint, the unique key and the spatial index
"""

from __future__ import annotations

import argparse
import tempfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from rich.console import Console
from sqlalchemy import text

from benchmarks._report import median_seconds, peak_mib, show
from geodata.sample import write_sample
from service.db.engine import Database
from service.flows.load import load_dataset
from service.settings import Settings

#: Bytes of the CSV that are sent to COPY at once.
CHUNK = 1 << 20

RAW = "household_id, address, building, unit, community_code, lon, lat"

MANIFEST = """[dataset]
name = "benchmark"

[[divisions]]
level = "community"
file = "communities.geojson"
code = "code"
name = "name"

[households]
file = "households.csv"
id = "household_id"
address = "address"
building = "building"
unit = "unit"
community = "community_code"
lon = "lon"
lat = "lat"
"""


def empty(database: Database) -> None:
    """Make the tables as empty as on the first day, with nothing left to be written back."""
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("TRUNCATE dataset, division RESTART IDENTITY CASCADE"))
        connection.execute(text("DROP TABLE IF EXISTS bare, pointed"))
        connection.execute(text("CHECKPOINT"))


def bare_copy(database: Database, file: Path) -> None:
    """COPY the file into a table of text columns."""
    columns = ", ".join(f"{name} text" for name in RAW.split(", "))
    with database.engine.begin() as connection:
        connection.execute(text(f"CREATE TABLE bare ({columns})"))
        cursor = connection.connection.cursor()
        with (
            cursor.copy("COPY bare FROM STDIN (FORMAT csv, HEADER)") as copy,
            file.open("rb") as rows,
        ):
            while chunk := rows.read(CHUNK):
                copy.write(chunk)


def copy_and_index(database: Database, file: Path) -> None:
    """COPY, then the points, the unique key and the spatial index."""
    bare_copy(database, file)
    with database.engine.begin() as connection:
        connection.execute(
            text(
                "CREATE TABLE pointed AS SELECT DISTINCT ON (household_id) bare.*, "
                "ST_SetSRID(ST_MakePoint(CAST(lon AS float8), CAST(lat AS float8)), 4326) "
                "AS geometry "
                r"FROM bare WHERE lon ~ '^[0-9.]+$' AND household_id IS NOT NULL"
            )
        )
        connection.execute(text("CREATE UNIQUE INDEX ON pointed (household_id)"))
        connection.execute(text("CREATE INDEX ON pointed USING gist (geometry)"))


def measure(households: int, repeats: int, seed: int) -> None:
    """Write the sample, time the three ways, print the table."""
    console = Console(stderr=True)
    with tempfile.TemporaryDirectory(prefix="gridward-bench-") as folder:
        place = Path(folder) / "sample"
        kind = "city" if households <= 1_000_000 else "province"
        console.print(f"writing a {kind} of {households:,} households")
        # in a process of its own, so that the peak below is that of loading
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as writer:
            report = writer.submit(
                write_sample, kind, place, households=households, seed=seed, format="csv"
            ).result()
        manifest, file = place / "benchmark.toml", place / "households.csv"
        manifest.write_text(MANIFEST, encoding="utf-8")
        rows, megabytes = report["records"], file.stat().st_size / 1e6
        with Database(Settings(database_url=None, home=Path(folder) / "home")) as database:
            ways = {
                "bare COPY": lambda: bare_copy(database, file),
                "COPY, points, indexes": lambda: copy_and_index(database, file),
                "gridward load": lambda: load_dataset(database.session, manifest),
            }
            seconds = {}
            for name, way in ways.items():
                console.print(f"{name}, {repeats} times")
                seconds[name] = median_seconds(way, repeats=repeats, before=lambda: empty(database))
            with database.engine.connect() as connection:
                loaded = connection.scalar(text("SELECT count(*) FROM household"))
                rejected = connection.scalar(text("SELECT count(*) FROM import_reject"))
    base = seconds["bare COPY"]
    show(
        f"{rows:,} CSV household rows ({megabytes:,.0f} MB), median of {repeats}; "
        f"gridward load: {loaded:,} loaded, {rejected:,} rejected, peak {peak_mib():,.0f} MiB",
        ("way", "seconds", "rows/s", "times the bare COPY"),
        ((name, value, rows / value, value / base) for name, value in seconds.items()),
    )


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--households", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    measure(arguments.households, arguments.repeats, arguments.seed)


if __name__ == "__main__":
    main()
