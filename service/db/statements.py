"""SQL in files: named blocks beside the module that runs them.

A block starts with a line ``-- name --``; the comment lines under it say what it is for. A block
binds its values by name (``:dataset_id``) and casts with ``CAST(... AS ...)``, since ``::`` after
a bound name would not be read as one.
"""

from __future__ import annotations

import re
from importlib.resources import files

from sqlalchemy import TextClause, text

__all__ = ["load_statements"]

_HEADING = re.compile(r"^-- ([a-z0-9_]+) --$", re.MULTILINE)


def load_statements(package: str, file: str) -> dict[str, TextClause]:
    """Read the named blocks of an SQL file.

    Parameters
    ----------
    package : str
        The package that holds the file, as ``service.flows``.
    file : str
        The file's name.

    Returns
    -------
    dict
        Name of the block -> its statement, ready to execute with bound values.

    Raises
    ------
    ValueError
        Two blocks share a name.
    """
    pieces = _HEADING.split(files(package).joinpath(file).read_text(encoding="utf-8"))
    names, blocks = pieces[1::2], pieces[2::2]
    if len(set(names)) != len(names):
        raise ValueError(f"{file}: two blocks share a name")
    return {
        name: text(block.strip().rstrip(";")) for name, block in zip(names, blocks, strict=True)
    }
