"""Areas whose edges cross or overlap: they are made valid where that does not take long."""

from __future__ import annotations

from typing import Any, Final

import shapely

__all__ = ["MOST_MENDED", "is_mendable"]

#: Positions of an area that is not valid. Where each edge crosses each other, fifty take most of a
#: second, a hundred take seven, and three hundred several minutes.
MOST_MENDED: Final = 50


def is_mendable(shape: Any) -> bool:
    """Whether a geometry is valid, or of so few positions that it is soon made so."""
    return shapely.get_num_coordinates(shape) <= MOST_MENDED or bool(shapely.is_valid(shape))
