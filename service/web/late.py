"""Modules that the service imports when a request first needs them.

A service that only answers questions should not hold what draws grids: numba, OR-Tools, SciPy
and GeoPandas together take more memory than all the rest. The modules of routes name once, at
their top, with :func:`late`, what is heavy; everything else imports as usual.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Any

__all__ = ["late"]


class _Late(ModuleType):
    """Stands for a module until something of it is asked for."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # a look from outside (inspect, pickle) imports nothing
            raise AttributeError(name)
        return getattr(import_module(self.__name__), name)


def late(name: str) -> Any:
    """The module of that name, imported by the first use of one of its attributes.

    Parameters
    ----------
    name : str
        Its full name, as ``service.flows.plans``.
    """
    return sys.modules.get(name) or _Late(name)
