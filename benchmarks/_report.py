"""What every benchmark prints: its own command, the machine, and one table."""

from __future__ import annotations

import os
import platform
import resource
import shlex
import statistics
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from time import perf_counter

from rich.console import Console
from rich.table import Table

__all__ = ["command", "median_seconds", "own_mib", "peak_mib", "show"]


def command() -> str:
    """The command line that repeats this run."""
    return shlex.join(["python", "-m", f"benchmarks.{Path(sys.argv[0]).stem}", *sys.argv[1:]])


def median_seconds(
    run: Callable[[], object], *, repeats: int, before: Callable[[], object] | None = None
) -> float:
    """Median wall-clock seconds of ``run``; ``before`` sets the scene and is not timed."""
    seconds = []
    for _ in range(repeats):
        if before is not None:
            before()
        began = perf_counter()
        run()
        seconds.append(perf_counter() - began)
    return statistics.median(seconds)


def peak_mib() -> float:
    """Largest resident memory of this process so far, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0


def own_mib(process: int) -> float | None:
    """Memory that a server process has for itself alone, MiB; None where the system is silent."""
    try:
        lines = Path(f"/proc/{process}/status").read_text("ascii").splitlines()
    except OSError:
        return None
    sizes = dict(line.split(":", 1) for line in lines)
    return int(sizes["RssAnon"].split()[0]) / 1024


def show(title: str, columns: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    """Print the command, the machine and a table; the first column is text, the others figures."""
    console = Console(highlight=False)
    console.print(f"$ {command()}", soft_wrap=True)
    console.print(f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors, "
                  f"Python {platform.python_version()}")  # fmt: skip
    table = Table(title=title, title_justify="left", title_style="bold")
    for position, name in enumerate(columns):
        table.add_column(name, justify="right" if position else "left")
    for row in rows:
        table.add_row(*(_text(value) for value in row))
    console.print(table)


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:,.2f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
