"""What every benchmark prints: its own command, the machine, and one table."""

from __future__ import annotations

import contextlib
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

__all__ = [
    "command",
    "forget_peak",
    "median_seconds",
    "own_mib",
    "peak_mib",
    "server_seconds",
    "show",
]


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
    # the other figure begins with what the parent had when it started this process
    return own_mib("VmHWM") or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0


def own_mib(kind: str, process: int | str = "self") -> float:
    """Memory of a process by the kernel's name for its kind, MiB; 0 where the system is silent."""
    try:
        lines = Path(f"/proc/{process}/status").read_text("ascii").splitlines()
    except OSError:
        return 0.0
    return int(dict(line.split(":", 1) for line in lines)[kind].split()[0]) / 1024


def server_seconds(data: Path) -> float:
    """Processor seconds of a PostgreSQL server and all its processes, gone ones too, so far."""
    try:
        postmaster = int((data / "postmaster.pid").read_text("ascii").split()[0])
        ticks = sum(int(each) for each in _stat(postmaster)[11:15])
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                fields = _stat(int(folder.name))
                if int(fields[1]) == postmaster:
                    ticks += sum(int(each) for each in fields[11:15])
    except (OSError, ValueError):
        return 0.0
    return ticks / os.sysconf("SC_CLK_TCK")


def _stat(process: int) -> list[str]:
    """Fields of a process from its state on; 1 is its parent, 11 to 14 are times."""
    return Path(f"/proc/{process}/stat").read_text("ascii").rpartition(")")[2].split()


def forget_peak() -> None:
    """Let the peak of this process (VmHWM) begin anew, where the system can."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", "ascii")


def show(title: str, columns: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    """Print the command, the machine and a table; the first column is text, the others figures."""
    # in a file there is room for every column
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 180)
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
