"""The tables of a report: figures against their goals, sets side by side, flags with reasons."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd

__all__ = ["FLAGS", "Cell", "Row", "compared", "flag_table", "percent", "summary"]

#: What each flag means, for those whose grids carry no reason.
FLAGS: Final = {
    "oversize": "one building holds more households than the maximum",
    "undersize": "the community holds fewer households than the minimum",
    "empty": "no household lives here",
    "multipart": "the community has several parts",
    "lumpy": "the buildings do not divide into fair shares",
    "unbalanced": "no split of the community keeps every grid within range",
}

#: Flagged grids that are listed one by one; more than that are counted.
_MOST_LISTED: Final = 60


@dataclass(frozen=True, slots=True)
class Cell:
    """One figure as text; ``verdict`` is "met", "missed", "best" or nothing."""

    text: str
    verdict: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a table."""

    name: str
    cells: tuple[Cell, ...]
    hint: str = ""


@dataclass(frozen=True, slots=True)
class _Figure:
    key: str
    name: str
    form: str  # count, share, ratio, area
    hint: str = ""
    goal: float | None = None
    better: str = ""  # "low", "high" or neither


_FIGURES: Final = (
    _Figure("grids", "Grids", "count"),
    _Figure("households", "Households", "count"),
    _Figure("within_range", "Within range", "share", "of the grids without a flag", 1.0, "high"),
    _Figure(
        "deviation_mean", "Deviation, mean", "share",
        "how far a grid is from the mean of its community", 0.02, "low",
    ),
    _Figure("deviation_p95", "Deviation, 95th percentile", "share", "", 0.05, "low"),
    _Figure("deviation_max", "Deviation, most", "share", "", 0.10, "low"),
    _Figure("noncontiguous", "Grids in several parts", "count", "without a flag", 0.0, "low"),
    _Figure("gap_m2", "Gaps", "area", "ground of the communities in no grid", 0.0, "low"),
    _Figure("overlap_m2", "Overlaps", "area", "ground in two grids", 0.0, "low"),
    _Figure(
        "polsby_popper_median", "Compactness, median", "ratio",
        "Polsby-Popper: 1 for a disc, 0.785 for a square", None, "high",
    ),
    _Figure(
        "on_barriers", "Borders on barriers", "share",
        "borders between grids of one community within 12 m of a road, rail or water", None, "high",
    ),
)  # fmt: skip

#: Square metres that the rounding of coordinates may leave.
_NO_AREA_M2: Final = 0.5


def percent(share: float, digits: int = 1) -> str:
    """A share as per cent, a dash where there is none; never 100 % where some is missing."""
    if not math.isfinite(share):
        return "–"
    shown = f"{share:.{digits}%}"
    if share < 1 and float(shown[:-1]) >= 100:
        shown = f"{100 - 10**-digits:.{digits}f}%"
    return shown.replace("%", " %")


def summary(figures: Mapping[str, Any]) -> list[Row]:
    """The figures of the grids with their goals, and whether they are met."""
    return [
        Row(
            each.name,
            (Cell(_text(each, figures[each.key]), _verdict(each, figures[each.key])), _goal(each)),
            each.hint,
        )
        for each in _FIGURES
    ]


def compared(sets: Sequence[Mapping[str, Any]]) -> list[Row]:
    """The figures of several sets of grids side by side; the best of each line is marked."""
    rows = []
    for each in _FIGURES:
        values = [_value(figures[each.key]) for figures in sets]
        texts = [_text(each, value) for value in values]
        known = [value for value in values if math.isfinite(value)]
        best = (min(known) if each.better == "low" else max(known)) if known else math.nan
        shown = {text for text, value in zip(texts, values, strict=True) if value == best}
        alike = len({*texts}) == 1 or not each.better
        cells = tuple(Cell(text, "best" if text in shown and not alike else "") for text in texts)
        rows.append(Row(each.name, cells, each.hint))
    flagged = [sum(figures["flags"].values()) for figures in sets]
    rows.append(Row("Flags", tuple(Cell(f"{count:,}") for count in flagged)))
    return rows


def _value(value: Any) -> float:
    return math.nan if value is None else float(value)


def _text(figure: _Figure, value: Any) -> str:
    number = _value(value)
    if not math.isfinite(number):
        return "–"
    if figure.form == "share":
        return percent(number)
    if figure.form == "ratio":
        return f"{number:.3f}"
    if figure.form == "area":
        return "0 m²" if number <= _NO_AREA_M2 else f"{number:,.0f} m²"
    return f"{number:,.0f}"


def _goal(figure: _Figure) -> Cell:
    if figure.goal is None:
        return Cell("")
    if figure.form == "share" and figure.better == "low":
        return Cell(f"≤ {percent(figure.goal, 0)}")
    return Cell(percent(figure.goal, 0) if figure.form == "share" else _text(figure, figure.goal))


def _verdict(figure: _Figure, value: Any) -> str:
    number = _value(value)
    if figure.goal is None or not math.isfinite(number):
        return ""
    slack = _NO_AREA_M2 if figure.form == "area" else 1e-9
    met = (
        number >= figure.goal - slack if figure.better == "high" else number <= figure.goal + slack
    )
    return "met" if met else "missed"


def flag_table(table: pd.DataFrame) -> tuple[list[tuple[str, int, str]], list[dict[str, Any]], int]:
    """Flags with their number and meaning; the flagged grids; how many more there are."""
    flagged = table[[bool(names) for names in table["flags"]]]
    names = sorted({name for flags in flagged["flags"] for name in flags})
    counts = [(name, sum(name in own for own in flagged["flags"]), FLAGS.get(name, ""))
              for name in names]  # fmt: skip
    rows = [
        {
            "code": row.grid_code,
            "community": row.community or row.community_code,
            "households": f"{row.households:,}",
            "flag": ", ".join(row.flags),
            "reason": row.reason or "; ".join(FLAGS.get(name, "") for name in row.flags),
        }
        for row in flagged.head(_MOST_LISTED).itertuples()
    ]
    return counts, rows, max(0, len(flagged) - _MOST_LISTED)
