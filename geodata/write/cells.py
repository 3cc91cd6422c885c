"""Values that files can hold: lists as text, cells that a spreadsheet will not run."""

from __future__ import annotations

import json
import math
import re
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final

import numpy as np
import pandas as pd
from pandas._libs.missing import NAType
from shapely.geometry.base import BaseGeometry

__all__ = ["guarded", "json_value", "plain_columns", "text_of"]

#: What a cell may hold as it is; pandas' missing values are floats and NaT among them.
_PLAIN: Final = (str, bytes, bool, int, float, Decimal, np.generic, date, time, timedelta, NAType)

_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\Z")

# A cell that starts so is a formula to a spreadsheet; tab and return can hide one.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def plain_columns(frame: pd.DataFrame) -> pd.DataFrame:
    """Lists (the roles of a member) become text with ';' between, mappings become JSON.

    Geometry beside the active one becomes WKT, anything else that no file holds its text.
    """
    changed = {}
    for name in frame.columns:
        column = frame[name]
        if name == getattr(frame, "_geometry_column_name", None):
            continue
        if column.dtype == object or column.dtype == "geometry":
            values = [text_of(value) for value in column]
            if any(new is not old for new, old in zip(values, column, strict=True)):
                changed[name] = pd.Series(values, index=frame.index, dtype=object)
    return frame.assign(**changed) if changed else frame


def text_of(value: Any) -> Any:
    """A list or mapping as text; anything else as it is."""
    if isinstance(value, set | frozenset):
        value = sorted(value)
    if isinstance(value, list | tuple | np.ndarray):
        return ";".join("" if item is None else str(item) for item in value)
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
    if isinstance(value, BaseGeometry):
        return value.wkt
    return value if value is None or isinstance(value, _PLAIN) else str(value)


def json_value(value: Any) -> Any:
    """What JSON can hold: missing and infinite numbers become null, dates ISO 8601 text."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or value is pd.NaT or value is pd.NA:
        return None
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, bool | int | str):
        return value
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    return str(value)


def guarded(text: Any) -> Any:
    """Put an apostrophe before text that a spreadsheet would run as a formula.

    Text that is a number (-12.5, +8613800000000) is safe and left alone.
    """
    if isinstance(text, str) and text.startswith(_FORMULA) and not _NUMBER.match(text):
        return "'" + text
    return text
