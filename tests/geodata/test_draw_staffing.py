"""What a map of a staffing says, and how large it may grow."""

from __future__ import annotations

import json
import re

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from shapely import Point, box

from geodata.draw import staffing, staffing_map
from geodata.errors import InputError
from geodata.staff import staff

TEAM = {"police": 1, "doctor": 1}


def town(across: int, members: int, seed: int = 0):
    """Square grids of 0.01 degrees and members among them."""
    rng = np.random.default_rng(seed)
    cells = [(column, row) for column in range(across) for row in range(across)]
    grids = gpd.GeoDataFrame(
        {
            "grid_code": [f"K{k:05}" for k in range(len(cells))],
            "community_code": "K",
            "households": 400,
        },
        geometry=[box(c / 100, r / 100, (c + 1) / 100, (r + 1) / 100) for c, r in cells],
        crs=4326,
    )
    people = gpd.GeoDataFrame(
        {
            "member_id": [f"M{k:05}" for k in range(members)],
            "roles": rng.choice(["police", "doctor"], members),
        },
        geometry=gpd.points_from_xy(*rng.uniform(0, across / 100, (2, members))),
        crs=4326,
    )
    return grids, people


def page(grids, people, **options) -> dict:
    found = staff(grids, people, TEAM, max_distance_m=3000, explain="community_code")
    drawn = staffing_map(
        grids, people, found.posts, found.vacancies, relief=found.shortages.relief, team=TEAM,
        **options,
    )  # fmt: skip
    text = drawn.get_root().render()
    return json.loads(re.search(r'id="gridward-data">(.*?)</script>', text)[1]) | {
        "found": found, "bytes": len(text)
    }  # fmt: skip


def lines(columns: dict) -> np.ndarray:
    """Ends of lines as x0, y0, x1, y1 in millionths of a degree."""
    x, y = np.cumsum(columns["x"]), np.cumsum(columns["y"])
    return np.column_stack([x, y, x + columns["dx"], y + columns["dy"]])


def test_a_way_leads_from_the_member_to_the_grid():
    grids, people = town(3, 8)
    told = page(grids, people)
    ways, posts = told["payload"]["ways"], told["found"].posts
    assert sorted(zip(ways["member"], ways["grid"], ways["metres"], strict=True)) == sorted(
        posts[["member_id", "grid_code", "distance_m"]].itertuples(index=False)
    )
    assert ways["metres"] == sorted(ways["metres"], reverse=True)
    assert [told["meta"]["roles"][k] for k in ways["role"]] == [
        posts.set_index(["member_id", "grid_code"]).role[pair]
        for pair in zip(ways["member"], ways["grid"], strict=True)
    ]
    home = people.set_index("member_id").geometry[ways["member"]]
    west, south, east, north = grids.set_index("grid_code").bounds.loc[ways["grid"]].to_numpy().T
    expected = np.column_stack([home.x, home.y, (west + east) / 2, (south + north) / 2])
    np.testing.assert_allclose(lines(ways) / 1e6, expected, atol=1e-6)
    assert told["payload"]["bundles"]["posts"] == []


def test_marks_add_up_to_the_vacancies():
    told = page(*town(4, 10))
    vacant, missing = told["payload"]["vacant"], told["found"].vacancies
    assert sum(vacant["missing"]) == missing.missing.sum() == told["meta"]["totals"]["vacancies"]
    assert vacant["code"] == sorted(missing.grid_code.unique())
    assert set(vacant["grids"]) == {1}
    by_place = {
        (vacant["code"][at], told["meta"]["roles"][role]): number
        for at, role, number in zip(vacant["at"], vacant["role"], vacant["missing"], strict=True)
    }
    assert by_place == missing.set_index(["grid_code", "role"]).missing.to_dict()


def test_the_page_does_not_grow_with_the_staffing(monkeypatch):
    for name, most in (("GRIDS", 50), ("PLACES", 40), ("WAYS", 30), ("BUNDLES", 20)):
        monkeypatch.setattr(staffing, f"_MOST_{name}", most)
    sizes = []
    for across, members in ((12, 90), (24, 360), (36, 800)):
        told = page(*town(across, members))
        payload, found = told["payload"], told["found"]
        assert payload["grids"]["code"] == []
        assert "posts" not in payload
        assert "members" not in payload
        assert len(payload["vacant"]["x"]) <= 40
        assert sum(payload["vacant"]["missing"]) == found.vacancies.missing.sum()
        assert sum(payload["vacant"]["grids"]) == found.vacancies.grid_code.nunique()
        assert len(payload["ways"]["x"]) == 30
        assert payload["ways"]["metres"][0] == found.posts.distance_m.max()
        bundles = payload["bundles"]
        assert len(bundles["x"]) <= 20
        assert 30 + sum(bundles["posts"]) + bundles["within"] == len(found.posts)
        sizes.append(told["bytes"])
    assert max(sizes) - min(sizes) < 2000


def test_hostile_names_stay_text():
    grids, people = town(2, 6)
    people["member_id"] = [f"</script><script>alert({k})</script>" for k in range(6)]
    found = staff(grids, people, TEAM)
    text = staffing_map(grids, people, found.posts, found.vacancies).get_root().render()
    assert "<script>alert" not in text


def test_posts_of_members_without_a_place_have_no_way():
    grids, people = town(2, 4)
    held = pd.DataFrame(
        {"member_id": ["M00000"], "grid_code": ["K00000"], "role": ["police"], "fixed": [True]}
    )
    people.loc[0, "geometry"] = None
    found = staff(grids, people, TEAM, current=held)
    drawn = staffing_map(grids, people, found.posts, found.vacancies, team=TEAM)
    assert "M00000" not in drawn.payload["ways"]["member"]
    assert drawn.meta["posts"] == len(found.posts)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"grids": town(2, 1)[0].drop(columns="grid_code")}, "have no column"),
        ({"members": town(2, 1)[1].drop(columns="member_id")}, "have no column"),
        (
            {"posts": pd.DataFrame({"member_id": ["M00000"], "grid_code": ["gone"],
                                    "role": ["police"], "distance_m": [1]})},
            "no grid 'gone'",
        ),
    ],
)  # fmt: skip
def test_wrong_frames_are_named(change, message):
    grids, people = town(2, 3)
    found = staff(grids, people, TEAM)
    right = {
        "grids": grids, "members": people, "posts": found.posts, "vacancies": found.vacancies
    }  # fmt: skip
    with pytest.raises(InputError, match=message):
        staffing_map(**(right | change))


def test_nothing_to_draw():
    grids, people = town(1, 1)
    nobody = people.iloc[:0]
    found = staff(grids, nobody, TEAM)
    drawn = staffing_map(grids, nobody, found.posts, found.vacancies, team=TEAM)
    assert drawn.payload["ways"]["x"] == []
    assert Point(0.005, 0.005).distance(grids.geometry.iloc[0].centroid) < 1e-9
    assert (drawn.payload["vacant"]["x"], drawn.payload["vacant"]["missing"]) == ([5000], [1, 1])
