"""The scripts and the style of our pages; the live map serves the same."""

from __future__ import annotations

from pathlib import Path
from typing import Final

__all__ = ["SCRIPTS", "STYLE", "script_text"]

_WEB: Final = Path(__file__).parent / "web"

#: Our scripts in the order in which they are needed; ``embedded.js`` is for stand-alone pages.
SCRIPTS: Final = (
    "base.js",
    "scales.js",
    "details.js",
    "grids.js",
    "points.js",
    "controls.js",
    "coverage.js",
)
STYLE: Final = _WEB / "coverage.css"


def script_text(*names: str) -> str:
    """Return scripts of ours as one, each in a block of its own file's strictness."""
    return "\n".join((_WEB / name).read_text(encoding="utf-8") for name in names)
