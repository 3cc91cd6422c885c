"""The rejected rows of a load as a CSV report."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy.orm import Session

from geodata.errors import UnavailableError
from service.db.statements import load_statements

__all__ = ["ensure_writable", "write_rejects"]

_SQL = load_statements("service.flows", "load.sql")


def ensure_writable(path: Path | str) -> None:
    """Make the folder of a file and see that the file can be written, before any long work.

    Raises
    ------
    UnavailableError
        It cannot.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        existed = path.exists()
        with path.open("a", encoding="utf-8"):
            pass
        if not existed:
            path.unlink()
    except OSError as error:
        raise UnavailableError(f"cannot write {path}: {error.strerror}") from error


def write_rejects(session: Session, *, batches: Sequence[int], path: Path | str) -> Path:
    """Write the rejected rows of some batches: source, file, row, field, reason, raw (JSON).

    The file is UTF-8 with BOM; without rejected rows it holds the header alone.

    Raises
    ------
    UnavailableError
        The file cannot be written.
    """
    path = Path(path)
    rows = session.execute(
        _SQL["rejects"],
        {"batches": list(batches)},
        execution_options={"yield_per": 10_000},
    )
    try:
        with path.open("w", encoding="utf-8-sig", newline="") as file:
            table = csv.writer(file)
            table.writerow(("source", "file", "row", "field", "reason", "raw"))
            for source, name, row, column, reason, raw in rows:
                table.writerow((source, name, row, column, reason, _text(raw)))
    except OSError as error:
        raise UnavailableError(f"cannot write {path}: {error.strerror}") from error
    return path


def _text(raw: object) -> str:
    return "" if raw is None else json.dumps(raw, ensure_ascii=False)
