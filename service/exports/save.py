"""A collection to a file on disk: whole, or not there."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Generator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from geodata.errors import InputError, UnavailableError
from service.catalogue.collection import Collection
from service.catalogue.selection import Selection
from service.exports.form import FORMS, Form
from service.exports.stream import STREAMS, packed
from service.web.late import late

if TYPE_CHECKING:
    from service.exports import files
else:
    files = late("service.exports.files")

__all__ = ["form_of", "open_stream", "save"]

#: Called with the rows written since the last time; what it raises ends the writing.
Written = Callable[[int], None]


def form_of(path: Path) -> Form:
    """The form that the name of a file asks for.

    Raises
    ------
    InputError
        Its suffix names no format.
    """
    name = path.name.lower()
    ending = next((each for each in sorted(FORMS, key=len) if name.endswith(f".{each}")), None)
    if ending is None:
        known = ", ".join(f".{each}" for each in FORMS)
        raise InputError(f"'{path.suffix}' names no format; there are: {known}", file=path)
    return FORMS[ending]


def open_stream(
    session: Session,
    collection: Collection,
    selection: Selection,
    form: Form,
    written: Written = lambda rows: None,
) -> Generator[bytes, None, None]:
    """The bytes of a text form while they are read."""
    chunks = _counted(STREAMS[form.suffix](session, collection, selection), written)
    return packed(chunks) if form.packed else chunks


def save(
    session: Session,
    collection: Collection,
    selection: Selection,
    path: Path,
    *,
    form: Form | None = None,
    written: Written = lambda rows: None,
) -> Path:
    """Write a collection to a file, the same bytes as ``GET /exports`` sends.

    The file grows in a folder beside its place, which goes again whatever happens, and is moved
    when it is whole: whoever reads it sees the old one or the new one.

    Parameters
    ----------
    session, collection, selection
        What to write.
    path : Path
        The file.
    form : Form, optional
        By default the one that its name asks for.
    written : callable, optional
        Called with the number of rows written since the last time, about; what it raises ends the
        writing.

    Raises
    ------
    InputError
        The suffix names no format.
    UnavailableError
        The file cannot be written.
    """
    form = form or form_of(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".writing-") as folder:
            draft = Path(folder) / f"export.{form.ending}"
            if form.streams:
                with closing(open_stream(session, collection, selection, form, written)) as chunks:
                    _write(draft, chunks)
            else:
                files.write_file(session, collection, selection, draft, written=written)
            draft.replace(path)
    except OSError as error:
        raise UnavailableError(f"cannot write {path}: {error.strerror or error}") from error
    return path


def _write(path: Path, chunks: Generator[bytes, None, None]) -> None:
    with path.open("wb") as file:
        file.writelines(chunks)
        file.flush()
        os.fsync(file.fileno())


def _counted(
    chunks: Generator[bytes, None, None], written: Written
) -> Generator[bytes, None, None]:
    with closing(chunks):
        for chunk in chunks:
            yield chunk
            written(chunk.count(b"\n"))
