"""HTML pages as files."""

from __future__ import annotations

import contextlib
from pathlib import Path

from geodata.errors import UnavailableError

__all__ = ["write_page"]


def write_page(text: str, path: Path | str) -> Path:
    """Write a page as UTF-8; an existing file is replaced only by a complete one.

    Raises
    ------
    UnavailableError
        The file cannot be written.
    """
    target = Path(path)
    draft = target.with_name(f".{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(text, encoding="utf-8")
        draft.replace(target)
    except OSError as error:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
        raise UnavailableError(f"cannot write {target}: {error.strerror}") from error
    return target
