"""Areas that are made valid, and those that would take too long."""

from __future__ import annotations

import shapely

from service.catalogue.mending import MOST_MENDED, is_mendable


def test_what_is_valid_may_have_any_number_of_positions() -> None:
    assert is_mendable(shapely.Point(0, 0).buffer(1, quad_segs=1_000))


def test_what_crosses_itself_may_have_few() -> None:
    bow = [(0, 0), (1, 1), (1, 0), (0, 1)]
    assert is_mendable(shapely.Polygon(bow))
    more = [(0, n / 1_000) for n in range(MOST_MENDED, 1, -1)]
    assert not is_mendable(shapely.Polygon([*bow, *more]))
