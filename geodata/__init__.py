"""Grid management as pure functions: frames in, frames out; no database, no HTTP.

The flat face below is what notebooks and other programs use, by convention as ``gd``::

    import geodata as gd

    frames = gd.read_frames(gd.read_manifest("dataset.toml"))
    plan = gd.delineate(frames.communities, frames.households, frames.barriers)
    ledger = gd.assign(plan.grids, frames.households)

Each name is imported when it is first used: a command that only asks for the time of day should
not wait for numba.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from geodata import draw, quality, sample
    from geodata.assign import assign
    from geodata.coverage import Coverage, check, fit, repair
    from geodata.frames import read_frames
    from geodata.guarded import delineate
    from geodata.manifest import read_manifest
    from geodata.staff import staff
    from geodata.write import write

__all__ = [
    "Coverage",
    "assign",
    "check",
    "delineate",
    "draw",
    "fit",
    "quality",
    "read_frames",
    "read_manifest",
    "repair",
    "sample",
    "staff",
    "write",
]

_HOME = {
    "Coverage": "geodata.coverage",
    "assign": "geodata.assign",
    "check": "geodata.coverage",
    "delineate": "geodata.guarded",
    "fit": "geodata.coverage",
    "read_frames": "geodata.frames",
    "read_manifest": "geodata.manifest",
    "repair": "geodata.coverage",
    "staff": "geodata.staff",
    "write": "geodata.write",
}


class _Face(ModuleType):
    """A package whose functions win over the submodules that they are named after.

    Importing ``geodata.assign`` binds the module to the package's attribute ``assign``, where the
    function belongs.
    """

    def __getattr__(self, name: str) -> Any:
        if name in _HOME:
            value = getattr(import_module(_HOME[name]), name)
        elif name in __all__:
            value = import_module(f"geodata.{name}")
        else:
            raise AttributeError(f"module 'geodata' has no attribute '{name}'")
        setattr(self, name, value)
        return value

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, ModuleType) and name in _HOME:
            value = getattr(import_module(_HOME[name]), name)
        super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *__all__})

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        # a function that is sent to a worker by its code takes the name along, not the module
        return import_module, (self.__name__,)


sys.modules[__name__].__class__ = _Face
