"""Where posts go when their grids change."""

from __future__ import annotations

from typing import Any

import geopandas as gpd
import pandas as pd
from shapely import Point, box

from geodata.change.posts import hand_over

#: Four squares in a row.
GRIDS = gpd.GeoDataFrame(
    {"grid_code": ["A", "B", "C", "D"], "households": [10, 30, 20, 5]},
    geometry=[box(0.01 * west, 0, 0.01 * (west + 1), 0.01) for west in range(4)],
    crs="EPSG:4326",
)


def posts(*rows: tuple[str, str, str, float | None], fixed: tuple[str, ...] = ()) -> Any:
    """Members, each in a grid and a role, who live at a longitude in hundredths of a degree."""
    return gpd.GeoDataFrame(
        {
            "member_id": [row[0] for row in rows],
            "grid_code": [row[1] for row in rows],
            "role": [row[2] for row in rows],
            "fixed": [row[0] in fixed for row in rows],
        },
        geometry=[None if row[3] is None else Point(0.01 * row[3], 0.005) for row in rows],
        crs="EPSG:4326",
    )


def lookup(*pairs: tuple[str | None, str | None]) -> pd.DataFrame:
    return pd.DataFrame(pairs, columns=["old_code", "new_code"])


def given(*arguments: Any) -> list[str | None]:
    return list(hand_over(*arguments))


def test_a_split_parts_the_team_by_where_its_members_live() -> None:
    held = posts(
        ("m1", "A", "leader", 0.5), ("m2", "A", "doctor", 1.9), ("m3", "A", "police", None)
    )
    assert given(held, lookup(("A", "A"), ("A", "B")), GRIDS) == ["A", "B", "A"]


def test_posts_stay_where_borders_only_move() -> None:
    held = posts(("m1", "A", "leader", 1.5), ("m2", "B", "leader", 0.5))
    both = lookup(("A", "A"), ("A", "B"), ("B", "B"))
    assert given(held, both, GRIDS) == ["A", "B"]


def test_a_merged_team_keeps_its_own_and_fills_what_it_lacks() -> None:
    held = posts(
        ("m1", "A", "leader", 0.5),
        ("m2", "B", "leader", 1.5),
        ("m3", "B", "doctor", 1.5),
        ("m4", "B", "volunteer", 1.9),
        ("m5", "B", "volunteer", 1.1),
        ("m6", "B", "volunteer", 1.9),
        fixed=("m6",),
    )
    merged = lookup(("A", "A"), ("B", "A"))
    needs = {"leader": 1, "doctor": 1, "volunteer": 2}
    # of the volunteers the fixed one, then the nearer
    assert given(held, merged, GRIDS, needs) == ["A", None, "A", None, "A", "A"]
    assert given(held, merged, GRIDS) == ["A"] * 6
    assert given(held, merged, GRIDS, {"doctor": 1}) == [None, None, "A", None, None, None]


def test_nobody_has_a_role_twice_in_one_grid() -> None:
    held = posts(("m1", "A", "police", 0.5), ("m1", "B", "police", 0.5))
    assert given(held, lookup(("A", "A"), ("B", "A")), GRIDS, {"police": 2}) == ["A", None]


def test_who_lives_nowhere_known_goes_where_most_households_are() -> None:
    held = posts(("m1", "Z", "leader", None), ("m2", "Z", "leader", 3.5))
    assert given(held, lookup(("Z", "B"), ("Z", "D")), GRIDS) == ["B", "D"]


def test_a_grid_that_leaves_no_heir_ends_its_posts_and_no_posts_are_fine() -> None:
    held = posts(("m1", "Z", "leader", 0.5))
    assert given(held, lookup(("Z", None), (None, "A")), GRIDS) == [None]
    assert given(held.iloc[:0], lookup(("A", "A")), GRIDS, {"leader": 1}) == []
