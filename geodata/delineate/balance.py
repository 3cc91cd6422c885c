"""What balance the places allow: how near to its fair share a grid must come, and when it cannot.

A place (a building, a statistical unit) is never parted, so its households go together. Where a
place is large beside the fair share, no division whatever balances: that can be proved from the
loads alone, and only then may a grid be excused.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from geodata.delineate.dealing import can_be_dealt
from geodata.delineate.task import Limits

__all__ = [
    "LARGEST_DEVIATION",
    "bulky",
    "hopeless",
    "kept_range",
    "near_share",
    "never_balanced",
    "no_division",
]

#: The deviation from the fair share that no grid may exceed where its places allow it.
LARGEST_DEVIATION = 0.1
#: A place of this share of a grid is large.
_LARGE = 0.1
#: Among more places than this, the small ones make up any sum.
_MANY = 60


def kept_range(share: float, limits: Limits) -> tuple[float, float]:
    """The loads that a grid may have: within the limits and within a tenth of the fair share.

    Where the share itself is out of the limits, these alone count.

    >>> kept_range(360.0, Limits(400, 300, 500))
    (324.0, 396.0)
    """
    if not limits.minimum <= share <= limits.maximum:
        return limits.minimum, limits.maximum
    low, high = near_share(share)
    return max(limits.minimum, low), min(limits.maximum, high)


def _fewest_bins(load: NDArray[np.int64], most: float) -> int:
    """Grids of at most so many households that the places need at least.

    Places above half of it are each in a grid of their own, and what these leave free takes up
    the smaller ones at best: the bound L2 of bin packing (Martello and Toth, 1990).
    """
    large = load[load > most / 2.0]
    bound = len(large)
    for least in np.unique(load[load <= most / 2.0]).tolist():
        roomy = large[large <= most - least]
        small = load[(load >= least) & (load <= most / 2.0)]
        over = float(small.sum()) - (len(roomy) * most - float(roomy.sum()))
        bound = max(bound, len(large) + int(np.ceil(over / most - 1e-9)))
    return bound


def near_share(share: float) -> tuple[float, float]:
    """The loads within a tenth of the fair share."""
    return (1.0 - LARGEST_DEVIATION) * share, (1.0 + LARGEST_DEVIATION) * share


def bulky(loads: NDArray[np.float64], share: float) -> bool:
    """Whether most households live in places of a tenth of a grid's share, or more."""
    return float(loads[loads >= _LARGE * share].sum()) >= 0.5 * float(loads.sum())


def hopeless(load: NDArray[Any], count: int, span: tuple[float, float]) -> bool:
    """Whether it is certain that some grid must be out of a range.

    Parameters
    ----------
    load : (n,) households at each place, whole numbers
    count : int
        Grids that the places make up together.
    span : (float, float)
        The least and the most that a grid may hold.
    """
    load = load[load > 0].astype(np.int64)
    if len(load) == 0 or not count * span[0] - 1e-9 <= load.sum() <= count * span[1] + 1e-9:
        return True
    if float(load.max()) > span[1] or _fewest_bins(load, span[1]) > count:
        return True
    if len(load) > _MANY:
        return no_division(load, count, span)
    return bool(never_balanced(load, span).any()) or no_division(load, count, span)


def never_balanced(load: NDArray[np.int64], span: tuple[float, float]) -> NDArray[np.bool_]:
    """Places that in no company whatever make a grid within a range.

    Parameters
    ----------
    load : (n,) households at each place
    span : (float, float)

    Returns
    -------
    (n,) bool
        True where no subset of the places that holds this one has a total within the range:
        subset sums as bits of one integer, all but one place from both ends.
    """
    low, high = _whole(span)
    wanted, below = ((1 << (high + 1)) - 1) >> low << low, (1 << (high + 1)) - 1
    weights = [int(value) for value in load]
    before = [1]
    for weight in weights:
        before.append((before[-1] | before[-1] << min(weight, high + 1)) & below)
    after = 1
    stuck = np.zeros(len(weights), dtype=bool)
    for i in reversed(range(len(weights))):
        stuck[i] = not _sum_hits(before[i], after, weights[i], low, high, wanted)
        after = (after | after << min(weights[i], high + 1)) & below
    return stuck


def _whole(span: tuple[float, float]) -> tuple[int, int]:
    """The whole numbers that a range reaches from and to."""
    return int(np.ceil(span[0] - 1e-9)), int(np.floor(span[1] + 1e-9))


def _sum_hits(one: int, other: int, extra: int, low: int, high: int, wanted: int) -> bool:
    """Whether a bit of ``one`` plus a bit of ``other`` plus ``extra`` is a wanted total."""
    if extra > high:
        return False
    while one:
        bit = (one & -one).bit_length() - 1
        if (other << (bit + extra)) & wanted:
            return True
        one &= one - 1
    return False


def no_division(load: NDArray[np.int64], count: int, span: tuple[float, float]) -> bool:
    """Whether it is certain that no division into ``count`` groups is within a range.

    For two groups by the sums of all subsets, for more by going through all divisions. ``False``
    where that would take too long.
    """
    load = load[load > 0]
    if len(load) < count:
        return True
    if count == 2:
        return not _halves(load, span)
    return can_be_dealt(load, count, *_whole(span)) is False


def _halves(load: NDArray[np.int64], span: tuple[float, float]) -> bool:
    """Whether some subset and the rest of it are both within a range."""
    low, high = _whole(span)
    total = int(load.sum())
    low, high = max(low, total - high), min(high, total - low)
    if low > high:
        return False
    sums = 1
    for weight in load.tolist():
        sums |= sums << weight
    return bool(sums >> low & ((1 << (high - low + 1)) - 1))
