"""A day in a query: a date as ISO 8601 writes it, and nothing else."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Any, Final

from pydantic import BeforeValidator

__all__ = ["Day"]

_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def _written(value: Any) -> Any:
    # a number would be taken for seconds since 1970
    if isinstance(value, str) and not _DAY.fullmatch(value):
        raise ValueError("has to be a day such as 2026-01-31")
    return value


#: A day of the calendar.
Day = Annotated[date, BeforeValidator(_written)]
