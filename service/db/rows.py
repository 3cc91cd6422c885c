"""The type of a row whose columns the reader knows by name."""

from __future__ import annotations

from typing import Any, TypeAlias

from sqlalchemy import Row

__all__ = ["AnyRow"]

AnyRow: TypeAlias = Row[*tuple[Any, ...]]
