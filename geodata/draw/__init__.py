"""Frames -> a coverage map on one page: who is covered, by whom, and who is not.

:func:`coverage_map` gives a ``folium.Map`` for a notebook, :func:`save_map` one HTML file that
works from disk without a network; :func:`division_map` draws divisions where the grids are too
many for a page, :func:`comparison_map` two plans, :func:`staffing_map` the ways to posts. The
page's scripts and style are in ``web/``; the live map of the service uses the same ones with a
source of its own.

As with :mod:`geodata` itself, each name is imported when it is first used: the live map needs no
Folium.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from geodata.draw.compare import comparison_map
    from geodata.draw.coverage import coverage_map, save_map
    from geodata.draw.divisions import division_map
    from geodata.draw.page import CoverageMap
    from geodata.draw.scripts import SCRIPTS, STYLE, script_text
    from geodata.draw.staffing import staffing_map

__all__ = [
    "SCRIPTS",
    "STYLE",
    "CoverageMap",
    "comparison_map",
    "coverage_map",
    "division_map",
    "save_map",
    "script_text",
    "staffing_map",
]

_HOME = {
    "SCRIPTS": "geodata.draw.scripts",
    "STYLE": "geodata.draw.scripts",
    "CoverageMap": "geodata.draw.page",
    "comparison_map": "geodata.draw.compare",
    "coverage_map": "geodata.draw.coverage",
    "division_map": "geodata.draw.divisions",
    "save_map": "geodata.draw.coverage",
    "script_text": "geodata.draw.scripts",
    "staffing_map": "geodata.draw.staffing",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'geodata.draw' has no attribute '{name}'")
    return getattr(import_module(_HOME[name]), name)
