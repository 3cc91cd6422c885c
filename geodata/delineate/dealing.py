"""Whether places that go together can be dealt out to groups within a range: by exhaustion.

Where small places abound the largest first, each to the lightest group, does it (Graham, 1969).
Otherwise: the largest place left is in some group. Every company that it can be in is tried, and
then the same asked of what that leaves. Places of equal load are alike, so a state is how many are
left of each load, and one that was found wanting is not looked at again (Bellman, 1957).
"""

from __future__ import annotations

import heapq
import operator
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["can_be_dealt"]

#: Choices to look at before giving up.
_PATIENCE = 10_000


def can_be_dealt(load: NDArray[np.int64], count: int, low: int, high: int) -> bool | None:
    """Whether some division of the places into groups has every total within a range.

    Parameters
    ----------
    load : (n,) households at each place, above 0
    count : int
        Groups.
    low, high : int
        The least and the most that a group may hold.

    Returns
    -------
    bool or None
        None where that would take too long to find out.

    Examples
    --------
    >>> can_be_dealt(np.array([240, 240, 110, 110, 110]), 2, 364, 446)
    False
    >>> can_be_dealt(np.array([240, 230, 170, 110, 60]), 2, 364, 446)
    True
    """
    return _can_be_dealt(tuple(np.sort(load)[::-1].tolist()), count, low, high)


@lru_cache(maxsize=64)
def _can_be_dealt(load: tuple[int, ...], count: int, low: int, high: int) -> bool | None:
    lightest = [0] * count
    for each in load:
        heapq.heapreplace(lightest, lightest[0] + each)
    if low <= min(lightest) and max(lightest) <= high:
        return True
    number = Counter(load)
    try:
        return _Dealing(list(number), low, high).deals(tuple(number.values()), count)
    except _TooLongError:
        return None


class _TooLongError(Exception):
    """There are too many choices to look at them all."""


class _Dealing:
    """A search among places of some sizes, the largest first."""

    def __init__(self, sizes: list[int], low: int, high: int) -> None:
        self._sizes = sizes
        self._low, self._high = low, high
        self._wanting: set[tuple[int, ...]] = set()
        self._looked = 0

    def deals(self, left: tuple[int, ...], count: int) -> bool:
        """Whether so many places of each size can be dealt out to ``count`` groups."""
        total = sum(map(operator.mul, left, self._sizes))
        if not count * self._low <= total <= count * self._high:
            return False
        if count == 1:
            return True
        if (count, *left) in self._wanting:
            return False
        largest = next(i for i, number in enumerate(left) if number)
        size = self._sizes[largest]
        others = (*left[:largest], left[largest] - 1, *left[largest + 1 :])
        for company in self._companies(others, largest, size, total - size):
            rest = (*left[:largest], *map(operator.sub, others[largest:], company))
            if self.deals(rest, count - 1):
                return True
        self._wanting.add((count, *left))
        return False

    def _companies(
        self, left: tuple[int, ...], i: int, held: int, reach: int
    ) -> Iterator[tuple[int, ...]]:
        """How many places of each size from ``i`` on can join ``held`` households: all choices.

        ``reach`` is what is left of these sizes in all.
        """
        self._looked += 1
        if self._looked > _PATIENCE:
            raise _TooLongError
        if held > self._high or held + reach < self._low:
            return
        if i == len(left):
            yield ()
            return
        size = self._sizes[i]
        for taken in range(min(left[i], (self._high - held) // size), -1, -1):
            for others in self._companies(left, i + 1, held + taken * size, reach - left[i] * size):
                yield taken, *others
