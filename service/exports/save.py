"""A collection to a file on disk, in the format that its suffix names."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from sqlalchemy.orm import Session

from geodata.errors import InputError, UnavailableError
from service.catalogue.collection import Collection
from service.catalogue.formats import FORMATS
from service.catalogue.selection import Selection
from service.exports.files import write_file
from service.exports.stream import STREAMS

__all__ = ["save"]


def save(session: Session, collection: Collection, selection: Selection, path: Path) -> Path:
    """Write a collection to a file, the same bytes as ``GET /exports`` sends.

    The file is written beside its place and moved there: whoever reads it sees the old one or the
    new one.

    Raises
    ------
    InputError
        The suffix names no format.
    UnavailableError
        The file cannot be written.
    """
    suffix = path.suffix.lower().removeprefix(".")
    if suffix not in FORMATS:
        known = ", ".join(f".{name}" for name in FORMATS)
        raise InputError(f"'{path.suffix}' names no format; there are: {known}", file=path)
    if suffix not in STREAMS:
        write_file(session, collection, selection, path)
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, STREAMS[suffix](session, collection, selection))
    except OSError as error:
        raise UnavailableError(f"cannot write {path}: {error.strerror or error}") from error
    return path


def _write(path: Path, chunks: Iterable[bytes]) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    unfinished = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.writelines(chunks)
        # a temporary file is private; this one is as public as any that the user makes
        mask = os.umask(0)
        os.umask(mask)
        unfinished.chmod(0o666 & ~mask)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
