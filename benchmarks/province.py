"""How long does the whole way take on a province, and how much memory does each step need?

A made-up province is loaded, delineated, assigned, staffed, drawn and exported, one command a step
as a user gives them, on a database of its own. The time and the memory are those of all processes
of the command, its workers among them, and apart from them those of the database server. Memory is
what belongs to the processes alone (anonymous pages), without the caches of the system and of the
server. Linux only: it reads /proc.

``--until delineate`` stops after that step; ``--workers`` and ``--scheduler`` are handed on.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks._report import show
from geodata.sample import write_sample

STEPS = ("load", "delineate", "assign", "staff", "map", "export grids", "export households")
GRIDWARD = [sys.executable, "-c", "from service.cli import main; main()"]
TICKS = os.sysconf("SC_CLK_TCK")
#: Seconds between two looks at the memory.
EVERY = 0.25


@dataclass(frozen=True, slots=True)
class Usage:
    """What a step took: seconds, processor seconds and MiB, of the command and of the server."""

    seconds: float
    processor: float
    server_processor: float
    memory: float
    server_memory: float


def processes() -> dict[int, int]:
    """Every process and its parent."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue  # it has ended
        found[int(path.parent.name)] = int(fields[1])
    return found


def tree(root: int) -> list[int]:
    """A process and all that it started."""
    parents = processes()
    found = [root]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return found


def memory(pids: list[int]) -> float:
    """Memory of processes that is theirs alone, MiB."""
    total = 0
    for pid in pids:
        try:
            status = Path(f"/proc/{pid}/status").read_text()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in status.splitlines() if "RssAnon" in line)
    return total / 1024.0


def processor(pids: list[int]) -> float:
    """Processor seconds of processes and of those of their children that have ended."""
    total = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        total += sum(int(value) for value in fields[11:15])
    return total / TICKS


def measured(command: list[str], environment: dict[str, str], server: int, log: Path) -> Usage:
    """Run a command to its end; what it says goes to a file."""
    before = processor(tree(server))
    began = time.perf_counter()
    with log.open("wb") as out:
        started = subprocess.Popen(command, env=environment, stdout=out, stderr=out)
    peaks = [0.0, 0.0]
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(EVERY):
            for place, root in enumerate((started.pid, server)):
                peaks[place] = max(peaks[place], memory(tree(root)))

    watcher = threading.Thread(target=watch)
    watcher.start()
    _, status, usage = os.wait4(started.pid, 0)
    ended.set()
    watcher.join()
    if status != 0:
        sys.exit(f"failed: {' '.join(command[3:])}\n{log.read_text(errors='replace')}")
    return Usage(
        time.perf_counter() - began,
        usage.ru_utime + usage.ru_stime,
        processor(tree(server)) - before,
        *peaks,
    )


def main() -> None:
    """Measure each step and print one table."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--households", type=int, default=200_000)
    options.add_argument("--workers", type=int)
    options.add_argument("--scheduler")
    options.add_argument("--until", choices=STEPS, default=STEPS[-1])
    asked = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        made = write_sample("province", data, households=asked.households)
        environment = {**os.environ, "GRIDWARD_HOME": f"{folder}/home"}
        environment.pop("GRIDWARD_DATABASE_URL", None)
        subprocess.run([*GRIDWARD, "db", "start"], env=environment, check=True, capture_output=True)
        try:
            status = subprocess.run(
                [*GRIDWARD, "db", "status", "--json"],
                env=environment, check=True, capture_output=True, text=True,
            )  # fmt: skip
            server = json.loads(status.stdout)["process"]
            found = {}
            for step in STEPS[: STEPS.index(asked.until) + 1]:
                found[step] = measured(
                    command(step, made["paths"]["manifest"], folder, asked),
                    environment,
                    server,
                    Path(folder) / "log",
                )
                print(f"{step}: {found[step].seconds:.1f} s", file=sys.stderr, flush=True)
        finally:
            subprocess.run([*GRIDWARD, "db", "stop"], env=environment, capture_output=True)
    show(
        f"A province of {made['households']:,} households",
        ("step", "seconds", "processor s", "server s", "memory, MiB", "server, MiB"),
        (
            (
                step, usage.seconds, usage.processor, usage.server_processor,
                round(usage.memory), round(usage.server_memory),
            )
            for step, usage in found.items()
        ),
    )  # fmt: skip


def command(step: str, manifest: str, folder: str, asked: argparse.Namespace) -> list[str]:
    """The command line of a step."""
    words = [*GRIDWARD, *step.split()]
    if step == "load":
        words += [manifest, "--rejects", f"{folder}/rejects.csv"]
    if step == "delineate":
        words += ["--workers", str(asked.workers)] if asked.workers else []
        words += ["--scheduler", asked.scheduler] if asked.scheduler else []
    if step == "map":
        words += ["-o", f"{folder}/coverage.html"]
    if step.startswith("export"):
        words += ["-o", f"{folder}/{step.split()[1]}.geojson"]
    return words


if __name__ == "__main__":
    main()
