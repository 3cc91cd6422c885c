"""What a file of an export is called: its suffix, and whether it is packed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from service.catalogue.formats import FORMATS
from service.errors import NotFound
from service.exports.stream import STREAMS

__all__ = ["FORMS", "Form", "attachment", "find_form"]

_PACKED: Final = ".gz"
_GZIP: Final = "application/gzip"


@dataclass(frozen=True, slots=True)
class Form:
    """The form of a file.

    Attributes
    ----------
    suffix : str
        The format: a key of :data:`service.catalogue.formats.FORMATS`.
    packed : bool
        Whether the file is a gzip file of it.
    """

    suffix: str
    packed: bool = False

    @property
    def ending(self) -> str:
        """What stands after the dot: ``csv``, ``csv.gz``."""
        return f"{self.suffix}{_PACKED}" if self.packed else self.suffix

    @property
    def media_type(self) -> str:
        """The media type of the file."""
        return _GZIP if self.packed else FORMATS[self.suffix]

    @property
    def streams(self) -> bool:
        """Whether it can be sent while it is read."""
        return self.suffix in STREAMS


#: Every form by its ending; text comes packed as well, the others are packed by themselves.
FORMS: Final = {
    form.ending: form
    for form in (
        *(Form(suffix) for suffix in FORMATS),
        *(Form(suffix, packed=True) for suffix in STREAMS),
    )
}


def find_form(ending: str) -> Form:
    """The form of that ending.

    Raises
    ------
    NotFound
        There is none.
    """
    if ending not in FORMS:
        raise NotFound(f"There is no format '{ending}'; there are: {', '.join(FORMS)}.")
    return FORMS[ending]


def attachment(name: str) -> str:
    """``Content-Disposition`` of a file that is to be kept under a name (RFC 6266)."""
    plain = quote(name)
    if plain == name:
        return f'attachment; filename="{name}"'
    return f"attachment; filename*=utf-8''{plain}"
