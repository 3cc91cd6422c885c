"""What can be wrong with a filter."""

from __future__ import annotations

__all__ = ["FilterError"]


class FilterError(ValueError):
    """What is wrong with a filter, as the end of a sentence that begins with its name."""
