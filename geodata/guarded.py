"""``delineate`` for callers outside: what they hand over is looked at before the work begins."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor

import geopandas as gpd

from geodata.delineate import Plan
from geodata.delineate import delineate as draw_up
from geodata.inputs import (
    ANY,
    AREAS,
    POINTS,
    checked_frame,
    counts,
    limits,
    number,
    optional_frame,
    texts,
    with_places,
)

__all__ = ["delineate"]


def delineate(  # noqa: D103  # the docstring is that of the function behind it
    communities: gpd.GeoDataFrame,
    households: gpd.GeoDataFrame,
    barriers: gpd.GeoDataFrame | None = None,
    *,
    target: float = 400,
    minimum: float = 300,
    maximum: float = 500,
    seed: int = 0,
    snap_tolerance_m: float = 50,
    executor: Executor | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Plan:
    target, minimum, maximum = limits(target, minimum, maximum)
    places = checked_frame(communities, "communities", "code", kinds=AREAS)
    points = with_places(checked_frame(households, "households", kinds=POINTS))
    return draw_up(
        places.assign(code=texts(places, "code", "communities", unique=True)),
        points.assign(households=counts(points, "households", "households")),
        optional_frame(barriers, "barriers", kinds=ANY),
        target=target,
        minimum=minimum,
        maximum=maximum,
        seed=int(number(seed, "seed", whole=True, most=2**53)),
        snap_tolerance_m=number(snap_tolerance_m, "snap_tolerance_m", unit=" m"),
        executor=executor,
        progress=progress,
    )


delineate.__doc__ = draw_up.__doc__
