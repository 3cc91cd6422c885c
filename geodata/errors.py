"""What can go wrong, as a tree.

GridwardError
├── InputError            what the user gave is wrong: file, row, field and what to do
│   ├── ManifestError     dataset.toml: a wrong key, a wrong value, a missing table
│   └── UnreadableFile    a file that is missing, empty or not what it says it is
├── PlanError             a plan that cannot be made, validated or switched
└── UnavailableError      something outside is not there: database, port, disk, a program

Each carries one message that a person can act on. The command line prints it and ends with
status 1; the HTTP service maps each class to a status in ``service/errors.py``.
"""

from __future__ import annotations

__all__ = [
    "GridwardError",
    "InputError",
    "ManifestError",
    "PlanError",
    "UnavailableError",
    "UnreadableFile",
]


class GridwardError(Exception):
    """Base of every error that Gridward raises on purpose."""


class InputError(GridwardError):
    """Input that cannot be used as it is.

    Parameters
    ----------
    message : str
        What is wrong and what to do about it, without the place.
    file, row, field : optional
        The place: a path, a row number (1 is the first data row), a column name.
    """

    def __init__(
        self,
        message: str,
        *,
        file: object = None,
        row: int | None = None,
        field: str | None = None,
    ) -> None:
        self.file, self.row, self.field, self.detail = file, row, field, message
        place = [str(file)] if file is not None else []
        place += [f"row {row}"] if row is not None else []
        place += [f"field '{field}'"] if field is not None else []
        super().__init__(", ".join(place) + ": " + message if place else message)


class ManifestError(InputError):
    """A manifest (dataset.toml) that names something unknown or lacks something needed."""


class UnreadableFile(InputError):
    """A file that is missing, empty, or of another format than it claims."""


class PlanError(GridwardError):
    """A grid plan that cannot be drawn up, validated or activated."""


class UnavailableError(GridwardError):
    """The database, a port, the disk or a program that Gridward needs is not available."""
