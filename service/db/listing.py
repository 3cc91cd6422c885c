"""Some rows of a statement, and how many there are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from service.db.rows import AnyRow

__all__ = ["Listing", "list_some"]

#: A statement whose columns its reader knows by name.
AnySelect: TypeAlias = Select[*tuple[Any, ...]]

#: Rows are counted up to here: further, counting costs more than the answer.
_MOST_COUNTED: Final = 10_000


class Listing(NamedTuple):
    """Rows, and how many there are to choose from; None where they are too many to count."""

    rows: Sequence[AnyRow]
    matched: int | None


def list_some(session: Session, chosen: AnySelect, *, among: AnySelect, limit: int) -> Listing:
    """The rows of a statement, counted where a limit may have kept some back.

    Parameters
    ----------
    session : Session
    chosen : Select
        At most ``limit`` rows.
    among : Select
        All rows that they are taken from.
    limit : int
    """
    rows = session.execute(chosen).all()
    if len(rows) < limit:
        return Listing(rows, len(rows))
    some = among.order_by(None).limit(_MOST_COUNTED + 1).subquery("some")
    matched = session.scalar(select(func.count()).select_from(some)) or 0
    return Listing(rows, matched if matched <= _MOST_COUNTED else None)
