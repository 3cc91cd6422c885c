"""How fast do household rows come in, and how much memory does it take?

A made-up place is written as CSV and as GeoParquet, bad rows included, and loaded into an empty
database of its own: reading, decoding, checking every row, setting the bad ones aside, binary COPY,
keys and indexes. The yardsticks are run on the same server in the same run, with the CSV:

- bare COPY: the bytes of the file into a table of text columns, nothing else
- COPY, points, indexes: the least that the loaded table needs, without looking at a single row:
  COPY, INSERT ... SELECT with ST_MakePoint, the unique key and the spatial index
"""

from __future__ import annotations

import argparse
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

from rich.console import Console
from sqlalchemy import text

from benchmarks._report import median_seconds, own_mib, peak_mib, show
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
file = "communities.{suffix}"
code = "code"
name = "name"

[households]
file = "households.{form}"
id = "household_id"
address = "address"
building = "building"
unit = "unit"
community = "community_code"
"""
PLACE = {"csv": 'lon = "lon"\nlat = "lat"\n', "parquet": ""}
SUFFIX = {"csv": "geojson", "parquet": "parquet"}


@dataclass(frozen=True, slots=True)
class Cost:
    """What one load took; memory of the program and of its server process, MiB."""

    seconds: float
    cpu: float | None = None
    rows: int = 0
    rejected: int = 0
    client: float | None = None
    server: float | None = None


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


def load(home: Path, manifest: Path) -> Cost:
    """``gridward load`` in a process of its own, so that the peak is that of loading."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_load, home, manifest).result()


def _load(home: Path, manifest: Path) -> Cost:
    with Database(Settings(database_url=None, home=home)) as database:
        with database.session() as session:
            backend = session.execute(text("SELECT pg_backend_pid()")).scalar_one()
        began, worked = perf_counter(), process_time()
        report = load_dataset(database.session, manifest)
        seconds, cpu = perf_counter() - began, process_time() - worked
        counts = report.households
        return Cost(
            seconds,
            cpu,
            counts["records"],
            counts["rejected"],
            peak_mib(),
            own_mib("RssAnon", backend),
        )


def write(place: Path, form: str, households: int, seed: int) -> Path:
    """Write the sample in a format; the manifest of its communities and households."""
    kind = "city" if households <= 1_000_000 else "province"
    formats: dict[str, Any] = {"csv": "csv", "parquet": "geoparquet"}
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as writer:
        writer.submit(
            write_sample, kind, place, households=households, seed=seed, format=formats[form]
        ).result()
    manifest = place / "benchmark.toml"
    layout = MANIFEST.format(suffix=SUFFIX[form], form=form) + PLACE[form]
    manifest.write_text(layout, encoding="utf-8")
    return manifest


def measure(households: int, forms: list[str], repeats: int, seed: int) -> list[list[object]]:
    """Write the samples and time every way; a row of the table for each."""
    console = Console(stderr=True)
    rows: list[list[object]] = []
    with tempfile.TemporaryDirectory(prefix="gridward-bench-") as folder:
        manifests = {}
        for form in forms:
            console.print(f"writing {households:,} households as {form}")
            manifests[form] = write(Path(folder) / form, form, households, seed)
        home = Path(folder) / "home"
        with Database(Settings(database_url=None, home=home)) as database:
            base = None
            if "csv" in forms:
                file = Path(folder) / "csv" / "households.csv"
                for name, way in (
                    ("bare COPY", bare_copy),
                    ("COPY, points, indexes", copy_and_index),
                ):
                    console.print(name)
                    seconds = median_seconds(
                        lambda way=way: way(database, file),  # type: ignore[misc]
                        repeats=repeats, before=lambda: empty(database),
                    )  # fmt: skip
                    base = base or seconds
                    rows.append([name, households, seconds, households / seconds, seconds / base])
            for form in forms:
                console.print(f"gridward load, {form}")
                costs = []
                for _ in range(repeats):
                    empty(database)
                    costs.append(load(home, manifests[form]))
                cost = sorted(costs, key=lambda each: each.seconds)[len(costs) // 2]
                rows.append(
                    [f"gridward load, {form}", cost.rows, cost.seconds, cost.rows / cost.seconds,
                     cost.seconds / base if base else None, cost.cpu, cost.rejected,
                     max(each.client or 0.0 for each in costs), cost.server]
                )  # fmt: skip
    return rows


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--households", type=int, nargs="*", default=[1_000_000])
    parser.add_argument("--format", choices=["csv", "parquet"], nargs="*",
                        default=["csv", "parquet"])  # fmt: skip
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    rows = [
        row
        for size in arguments.households
        for row in measure(size, arguments.format, arguments.repeats, arguments.seed)
    ]
    show(
        f"household rows into an empty database, median of {arguments.repeats}",
        ("way", "rows", "s", "rows/s", "/ COPY", "cpu s", "rejected", "client MiB", "server MiB"),
        rows,
    )


if __name__ == "__main__":
    main()
