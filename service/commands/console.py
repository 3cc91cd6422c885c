"""What commands print: tables on stdout, progress and messages on stderr, or one JSON object."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

__all__ = [
    "ProgressCallback",
    "figures",
    "number",
    "print_json",
    "print_table",
    "progress_bar",
    "say",
    "warn",
]

#: step, done, total (None while unknown)
ProgressCallback = Callable[[str, int, int | None], None]


def _stdout() -> Console:
    # a file or a pipe has no width of its own; 80 columns would break codes and names
    return Console(highlight=False, width=None if sys.stdout.isatty() else 120)


def _stderr() -> Console:
    return Console(stderr=True, highlight=False)


def print_json(report: Mapping[str, Any]) -> None:
    """Write ``report`` as one JSON object on stdout."""
    sys.stdout.write(json.dumps(report, ensure_ascii=False, indent=2, allow_nan=False) + "\n")
    sys.stdout.flush()  # here, where a broken pipe is still answered in silence


def print_table(title: str, columns: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    """Write a table on stdout; numbers are set to the right, text is shown as it is."""
    body = [list(row) for row in rows]
    table = Table(title=escape(title), title_justify="left", title_style="bold")
    for position, name in enumerate(columns):
        numeric = bool(body) and all(
            isinstance(row[position], (int, float)) or row[position] is None for row in body
        )
        table.add_column(escape(name), justify="right" if numeric else "left")
    for row in body:
        table.add_row(*(escape(number(value)) for value in row))
    _stdout().print(table)


def figures(title: str, report: Mapping[str, Any]) -> None:
    """Write a report as a table of two columns; nested figures take one line each."""
    table = Table(title=escape(title), title_justify="left", title_style="bold", show_header=False)
    table.add_column()
    table.add_column(justify="right")
    for name, value in _lines(report):
        table.add_row(escape(name), escape(number(value)))
    _stdout().print(table)


def _lines(report: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in report.items():
        name = f"{prefix}{key}".replace("_", " ")
        if isinstance(value, Mapping):
            yield from _lines(value, f"{name} · ")
        elif not isinstance(value, (list, tuple)):
            yield name, value


def number(value: object) -> str:
    """A figure for people: thousands apart, three significant decimals, nothing for None."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}" if value else "0"
    return str(value)


def say(message: str) -> None:
    """One line on stderr."""
    _stderr().print(escape(message), soft_wrap=True)


def warn(messages: Iterable[str], limit: int = 20) -> None:
    """Warnings on stderr; beyond ``limit`` they are counted, since the report holds them all."""
    lines = list(messages)
    for line in lines[:limit]:
        say(f"warning: {line}")
    if len(lines) > limit:
        say(f"warning: {len(lines) - limit} more; --json lists them all")


class _Rate(ProgressColumn):
    """How many are done in a second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{number(float(speed))}/s" if speed else "")


@contextmanager
def progress_bar() -> Iterator[ProgressCallback]:
    """A callback ``(step, done, total)`` that draws one bar a step on a terminal's stderr."""
    console = _stderr()
    bars = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    tasks: dict[str, Any] = {}

    def report(step: str, done: int, total: int | None = None) -> None:
        if step not in tasks:
            tasks[step] = bars.add_task(escape(step), total=total)
        bars.update(tasks[step], completed=done, total=total)

    with bars:
        yield report
