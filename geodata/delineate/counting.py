"""How many grids a load calls for."""

from __future__ import annotations

import math

__all__ = ["grid_count"]


def grid_count(load: float, target: float, minimum: float, maximum: float) -> int:
    """The number of grids k for a load of H households.

    The nearest whole number to H / target among those with ceil(H / maximum) <= k <=
    floor(H / minimum). Where there is none (550 households and grids of 300-500), the k whose
    equal share violates a limit least, in relation to that limit; the fewer grids in a tie.

    >>> [grid_count(load, 400, 300, 500) for load in (2287, 550, 0)]
    [6, 2, 1]
    """
    if load <= 0:
        return 1
    fewest = max(1, math.ceil(load / maximum - 1e-9))
    most = math.floor(load / minimum + 1e-9)
    nearest = max(1, round(load / target))
    if fewest <= most:
        return min(max(nearest, fewest), most)

    def violation(k: int) -> float:
        share = load / k
        return max(share / maximum - 1.0, 1.0 - share / minimum, 0.0)

    return min((k for k in (fewest - 1, fewest) if k >= 1), key=lambda k: (violation(k), k))
