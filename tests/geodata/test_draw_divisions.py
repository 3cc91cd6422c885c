"""Divisions in the place of too many grids: sums, borders that still meet, refusals."""

from __future__ import annotations

import json
import re
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from geodata.assets import ASSETS
from geodata.draw import division_map, divisions
from geodata.errors import InputError

pytestmark = pytest.mark.skipif(
    not (Path(__file__).parents[2] / "node_modules" / ASSETS["leaflet/leaflet.js"]).is_file(),
    reason="the web assets are not installed (make setup)",
)

FIGURES = ("grids", "out_of_range", "households", "posts_required", "posts_filled")


def tree(side: int = 4) -> gpd.GeoDataFrame:
    """A county of four streets of ``side`` x ``side`` square communities each."""
    rows = [("c", "County", "county", None, shapely.box(0, 0, 2, 2))]
    for s, (x, y) in enumerate([(0, 0), (1, 0), (0, 1), (1, 1)]):
        rows.append((f"s{s}", f"Street {s}", "street", "c", shapely.box(x, y, x + 1, y + 1)))
        for k in range(side * side):
            west, south = x + k % side / side, y + k // side / side
            box = shapely.box(west, south, west + 1 / side, south + 1 / side)
            rows.append((f"k{s}{k:02d}", None, "community", f"s{s}", box))
    names = ("code", "name", "level", "parent", "geometry")
    return gpd.GeoDataFrame(dict(zip(names, zip(*rows, strict=True), strict=True)), crs=4326)


def figures_of(frame: gpd.GeoDataFrame, seed: int = 0) -> pd.DataFrame:
    codes = frame.loc[frame["level"] == "community", "code"]
    numbers = np.random.default_rng(seed).integers(1, 30, (len(codes), len(FIGURES)))
    return pd.DataFrame(numbers, columns=FIGURES).assign(community_code=codes.to_numpy())


def payload_of(*args: object, **options: object) -> dict:
    html = division_map(*args, **options).get_root().render()
    found = re.search(r'id="gridward-data">(.*?)</script>', html, re.DOTALL)
    return json.loads(found[1])


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32 - 1), st.data())
def test_a_division_has_the_sums_of_all_below_it(seed: int, data: st.DataObject) -> None:
    frame = tree().sample(frac=1, random_state=seed % 1000)
    figures = figures_of(frame, seed)
    kept = data.draw(st.integers(1, len(figures)))
    figures = figures.iloc[:kept]
    page = payload_of(frame, figures)["payload"]["divisions"]
    whole = figures[list(FIGURES)].sum()
    for name in FIGURES:
        rows = pd.DataFrame({"level": page["level"], "value": page[name]})
        sums = rows.groupby("level")["value"].sum()
        assert sums.tolist() == [whole[name]] * 3
    # only what has grids is shown, and everything hangs on the county
    assert page["code"][0] == "c"
    assert page["parent"].count(-1) == 1
    assert page["level"].count(4) == kept


def test_vacancies_rise_to_the_top() -> None:
    frame = tree()
    vacancies = pd.DataFrame(
        {
            "community_code": ["k000", "k001", "k200"],
            "role": ["doctor", "leader", "doctor"],
            "missing": [2, 3, 4],
        }
    )
    page = payload_of(frame, figures_of(frame), vacancies=vacancies, team={"doctor": 1})
    held = page["payload"]["vacancies"]
    found = {
        (page["payload"]["divisions"]["code"][at], held["role"][of]): missing
        for at, of, missing in zip(held["at"], held["of"], held["missing"], strict=True)
    }
    assert found == {
        ("c", "doctor"): 6,
        ("c", "leader"): 3,
        ("s0", "doctor"): 2,
        ("s0", "leader"): 3,
        ("s2", "doctor"): 4,
        ("k000", "doctor"): 2,
        ("k001", "leader"): 3,
        ("k200", "doctor"): 4,
    }


def test_simplified_neighbours_still_meet(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = tree()
    shapes = shapely.segmentize(frame.geometry.to_numpy(), 0.001)
    rng = np.random.default_rng(1)
    steps = rng.normal(scale=2e-5, size=(5000, 2))  # one step a place, so that neighbours agree

    def jittered(xy: np.ndarray) -> np.ndarray:
        at = np.rint(xy * 1000).astype(np.int64)
        return xy + steps[(at[:, 0] * 2003 + at[:, 1]) % len(steps)]

    frame = frame.set_geometry(shapely.transform(shapes, jittered))
    frame = frame.set_crs(4326, allow_override=True)
    monkeypatch.setattr(divisions, "_VERTICES", 3_000)
    ordered = divisions._ordered(frame)
    simple = np.array(divisions._simplified(ordered), dtype=object)
    assert shapely.get_num_coordinates(simple).sum() <= 3_000
    for rows in ordered.groupby("rank").indices.values():
        assert shapely.coverage_is_valid(simple[rows])
    assert not shapely.is_empty(simple).any()


def test_the_same_input_gives_the_same_bytes_and_texts_stay_text() -> None:
    frame = tree()
    frame.loc[0, "name"] = hostile = "</script><b>{{ 7 * 7 }}"
    drawn = [
        division_map(each, figures_of(frame), note=hostile).get_root().render()
        for each in (frame, frame.iloc[::-1])
    ]
    assert drawn[0] == drawn[1]
    assert hostile not in drawn[0]
    page = payload_of(frame, figures_of(frame), note=hostile)
    assert page["meta"]["note"] == page["payload"]["divisions"]["name"][0] == hostile


def test_what_is_wrong_is_said() -> None:
    frame = tree()
    with pytest.raises(InputError, match="there is no level 'parish'"):
        division_map(frame.assign(level="parish"), figures_of(frame))
    with pytest.raises(InputError, match="no column 'posts_filled'"):
        division_map(frame, figures_of(frame).drop(columns="posts_filled"))
    with pytest.raises(InputError, match="more than once"):
        division_map(frame.assign(code="c"), figures_of(frame))
