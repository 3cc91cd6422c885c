"""The coverage map as text: what is in the page, what never is, and the same bytes each time."""

from __future__ import annotations

import json
import re
from pathlib import Path

import folium
import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import LineString, MultiPolygon, Point, Polygon, box

from geodata.assets import ASSETS, asset_path, asset_url, find_assets, inline_script, inline_style
from geodata.draw import coverage_map, save_map
from geodata.draw.encode import encode_lines, encode_points, encode_polygons, script_json
from geodata.errors import InputError, UnavailableError

HOSTILE = "</script><img src=x onerror=alert(1)><!-- {{ 7 * 7 }} {% raw %} \u2028 \"'&"

needs_assets = pytest.mark.skipif(
    not (Path(__file__).parents[2] / "node_modules" / ASSETS["leaflet/leaflet.js"]).is_file(),
    reason="the web assets are not installed (make setup)",
)


def frames(**changes: object) -> dict[str, object]:
    """Two grids in one community: the first lacks a doctor, the second is a tower."""
    given = {
        "grids": gpd.GeoDataFrame(
            {
                "grid_code": ["C1001", "C1002"],
                "community_code": ["C1", "C1"],
                "households": [3, 431],
                "parts": [1, 1],
                "flag": ["undersize", None],
            },
            geometry=[box(120.0, 30.0, 120.01, 30.01), box(120.01, 30.0, 120.02, 30.01)],
            crs=4326,
        ),
        "communities": gpd.GeoDataFrame(
            {"code": ["C1"], "name": ["朝阳社区"]},
            geometry=[box(120.0, 30.0, 120.02, 30.01)],
            crs=4326,
        ),
        "households": gpd.GeoDataFrame(
            {
                "address": ["West Lane 1", "West Lane 1", "人民路 8 号", "Tower"],
                "households": [1, 1, 1, 431],
                "category": ["needy", "needy", "petitioning", "key"],
            },
            geometry=[Point(120.005, 30.005)] * 2 + [Point(120.01, 30.002), Point(120.015, 30.005)],
            crs=4326,
        ),
        "members": gpd.GeoDataFrame(
            {
                "member_id": ["m1", "m2"],
                "name": ["Li Hua", "Wang Wei"],
                "roles": [["leader", "doctor"], "leader; doctor"],
                "telephone": ["555-0100", "555-0101"],
            },
            geometry=[Point(120.004, 30.004), None],
            crs=4326,
        ),
        "facilities": gpd.GeoDataFrame(
            {"name": ["Clinic"], "kind": ["clinic"]}, geometry=[Point(120.012, 30.004)], crs=4326
        ),
        "posts": pd.DataFrame(
            {
                "member_id": ["m1", "m2", "m2"],
                "grid_code": ["C1001", "C1002", "C1002"],
                "role": ["leader", "doctor", "leader"],
                "distance_m": [12.4, np.nan, 800.0],
            }
        ),
        "vacancies": pd.DataFrame(
            {
                "grid_code": ["C1001"],
                "role": ["doctor"],
                "missing": [1],
                "reason": ["nobody else is eligible"],
            }
        ),
        "barriers": gpd.GeoDataFrame(
            {"kind": ["roads", "water"]},
            geometry=[
                LineString([(120.0, 30.0), (120.02, 30.01)]),
                box(120.0, 29.99, 120.02, 30.0),
            ],
            crs=4326,
        ),
        "team": {"leader": 1, "doctor": 1},
    }
    return given | changes


def embedded(html: str) -> dict:
    """The data of a page, read back as the browser reads it."""
    found = re.findall(
        r'<script type="application/json" id="gridward-data">(.*?)</script>', html, re.DOTALL
    )
    assert len(found) == 1
    return json.loads(found[0])


@needs_assets
def test_the_map_is_a_folium_map_that_names_no_other_host(tmp_path: Path) -> None:
    drawn = coverage_map(**frames(), title="A & B")
    assert isinstance(drawn, folium.Map)
    html = save_map(drawn, tmp_path / "deep" / "map.html").read_text("utf-8")
    assert "<title>A &amp; B</title>" in html
    assert not re.findall(r"<link|<script[^>]*src=|@import", html)
    styles = "".join(re.findall(r"<style>(.*?)</style>", html, re.DOTALL))
    assert "data:image/png" in styles
    assert not re.findall(r"""url\(\s*["']?(?!data:|#)""", styles)
    assert "sourceMappingURL" not in html
    for host in ("jsdelivr", "cdnjs", "jquery", "bootstrap", "fontawesome", "unpkg"):
        assert host not in html.lower()


@needs_assets
def test_columns_hold_what_the_frames_hold() -> None:
    payload = embedded(coverage_map(**frames()).get_root().render())["payload"]
    assert payload["grids"]["code"] == ["C1001", "C1002"]
    assert payload["grids"]["missing"] == [1, 0]
    assert payload["grids"]["flag"] == ["undersize", ""]
    assert payload["communities"]["name"] == ["朝阳社区"]
    # three places: two records at one address are one place of two; a tie goes to the lowest grid
    assert payload["households"]["households"] == [2, 1, 431]
    assert payload["households"]["grid"] == [0, 0, 1]
    assert payload["households"]["address"] == ["West Lane 1", "人民路 8 号", "Tower"]
    assert payload["members"]["roles"] == [["leader", "doctor"], ["leader", "doctor"]]
    assert payload["members"]["at"] == [0]
    assert payload["posts"] == {
        "grid": [0, 1, 1],
        "member": [0, 1, 1],
        "role": ["leader", "doctor", "leader"],
        "distance": [12, None, 800],
    }
    assert payload["vacancies"]["reason"] == ["nobody else is eligible"]


@needs_assets
def test_columns_that_are_not_asked_for_never_leave_the_frames() -> None:
    html = coverage_map(**frames()).get_root().render()
    for secret in ("needy", "petitioning", "555-0100"):
        assert secret not in html
    without = coverage_map(**frames(), addresses=False).get_root().render()
    assert "West Lane" not in without
    assert embedded(without)["payload"]["households"]["households"] == [2, 1, 431]


@needs_assets
def test_the_same_input_in_any_order_gives_the_same_bytes() -> None:
    first = coverage_map(**frames()).get_root().render()
    turned = {
        name: frame.iloc[::-1] if isinstance(frame, pd.DataFrame) else frame
        for name, frame in frames().items()
    }
    assert coverage_map(**turned).get_root().render() == first
    again = coverage_map(**frames())
    again.get_root().render()
    assert again.get_root().render() == first  # a notebook renders more than once


@needs_assets
def test_hostile_text_stays_text() -> None:
    given = frames()
    given["grids"]["grid_code"] = ["C1001", HOSTILE]
    given["communities"]["name"] = HOSTILE
    given["households"]["address"] = HOSTILE
    given["members"]["name"] = HOSTILE
    given["facilities"]["name"] = HOSTILE
    given["vacancies"]["reason"] = HOSTILE
    html = coverage_map(**given, title=HOSTILE).get_root().render()
    assert "<img" not in html
    assert "{{ 7 * 7 }}" in html  # neither Folium nor Jinja computes it
    data = embedded(html)
    assert data["meta"]["title"] == HOSTILE
    assert data["payload"]["members"]["name"] == [HOSTILE] * 2
    assert data["payload"]["grids"]["code"] == [HOSTILE, "C1001"]


@needs_assets
def test_every_layer_but_the_grids_is_optional() -> None:
    grids = frames()["grids"]
    payload = embedded(coverage_map(grids).get_root().render())["payload"]
    assert set(payload) == {"grids", "bounds"}
    nothing = coverage_map(grids.iloc[:0]).get_root().render()
    assert embedded(nothing)["payload"]["grids"]["code"] == []


@needs_assets
def test_frames_in_another_crs_are_brought_to_longitude_and_latitude() -> None:
    grids = frames()["grids"]
    here = embedded(coverage_map(grids).get_root().render())["payload"]["bounds"]
    moved = embedded(coverage_map(grids.to_crs(32651)).get_root().render())["payload"]["bounds"]
    assert moved == pytest.approx(here, abs=1e-5)


@needs_assets
def test_a_missing_column_and_a_repeated_code_are_named() -> None:
    grids = frames()["grids"]
    with pytest.raises(InputError, match="'households'"):
        coverage_map(grids.drop(columns="households"))
    with pytest.raises(InputError, match="C1001"):
        coverage_map(grids.assign(grid_code="C1001"))


@needs_assets
def test_a_file_that_cannot_be_written_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    blocked = tmp_path / "taken"
    blocked.write_text("a file, not a folder")
    with pytest.raises(UnavailableError, match="cannot write"):
        save_map(coverage_map(frames()["grids"]), blocked / "map.html")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_absent_assets_are_said_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="make setup"):
        find_assets(tmp_path)


@needs_assets
def test_every_asset_of_the_table_is_installed() -> None:
    assert all(asset_path(name).stat().st_size for name in ASSETS)
    assert asset_url("leaflet/leaflet.js", "/grid") == "/grid/static/vendor/leaflet/leaflet.js"
    with pytest.raises(InputError, match="not a web asset"):
        asset_path("../../pyproject.toml")


def test_a_style_sheet_carries_its_images(tmp_path: Path) -> None:
    (tmp_path / "dot.png").write_bytes(b"png")
    sheet = tmp_path / "a.css"
    sheet.write_text("a{background:url(dot.png)} b{background:url('no.png')} c{fill:url(#d)}")
    assert inline_style(sheet) == (
        "a{background:url(data:image/png;base64,cG5n)} b{background:url(data:,)} c{fill:url(#d)}"
    )


def test_a_script_cannot_close_its_element() -> None:
    script = 'var a = "</script>", b = "<!--";\n//# sourceMappingURL=a.js.map'
    assert inline_script(script) == 'var a = "<\\/script>", b = "<\\!--";\n'


@given(st.recursive(st.text() | st.integers(), lambda inner: st.lists(inner), max_leaves=8))
@settings(max_examples=60, deadline=None)
def test_script_json_says_the_same_and_cannot_leave_its_element(value: object) -> None:
    written = script_json(value)
    assert json.loads(written) == value
    assert not set(written) & {"<", ">", "&", "\u2028", "\u2029"}


def decoded(steps: list[int]) -> np.ndarray:
    return np.cumsum(np.array(steps).reshape(-1, 2), axis=0) / 1e6


coordinates = st.tuples(st.floats(-180, 180), st.floats(-90, 90))


@given(st.lists(coordinates, min_size=1, max_size=30))
@settings(max_examples=60, deadline=None)
def test_points_and_lines_come_back_to_a_millionth_of_a_degree(points: list[tuple]) -> None:
    xy = np.array(points)
    columns = encode_points(xy[:, 0], xy[:, 1])
    back = np.cumsum([columns["x"], columns["y"]], axis=1).T / 1e6
    assert np.abs(back - xy).max() <= 0.5e-6 + 1e-9
    if len(points) > 1:
        [line] = encode_lines([LineString(xy)]) or [[]]
        rounded = np.rint(xy * 1e6) / 1e6
        moved = np.r_[True, (np.diff(rounded, axis=0) != 0).any(axis=1)]
        if moved.sum() > 1:
            np.testing.assert_allclose(decoded(line), rounded[moved], atol=1e-9)
        else:
            assert line == []


def test_polygons_keep_their_parts_and_holes() -> None:
    holed = Polygon(box(0, 0, 3, 3).exterior, [box(1, 1, 2, 2).exterior])
    [parts] = encode_polygons([MultiPolygon([holed, box(5, 5, 6, 6)])])
    assert [len(rings) for rings in parts] == [2, 1]
    outer = np.vstack([decoded(parts[0][0]), decoded(parts[0][0])[:1]])
    assert Polygon(outer).equals(box(0, 0, 3, 3))


@needs_assets
def test_cambridge_stays_under_five_megabytes(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "cambridge"
    case = folder / "cambridge_case.gpkg"
    records = pd.read_csv(folder / "households_by_record.csv", encoding="utf-8-sig")
    people = pd.read_csv(folder / "members.csv")
    blocks = gpd.read_file(case, layer="existing_patrol_grids")
    grids = blocks[["geometry"]].assign(
        grid_code=[f"P{number:03d}" for number in range(len(blocks))],
        community_code="P",
        households=400,
    )
    households = gpd.GeoDataFrame(
        {"address": records["ADDR_FULL"], "households": records["HH_CNT"]},
        geometry=gpd.points_from_xy(records["LNG"], records["LAT"]),
        crs=4326,
    )
    drawn = coverage_map(
        grids,
        communities=gpd.read_file(folder / "communities.geojson").rename(
            columns={"community_code": "code", "community_name": "name"}
        ),
        households=households,
        members=gpd.GeoDataFrame(
            people, geometry=gpd.points_from_xy(people["lng"], people["lat"]), crs=4326
        ),
        facilities=gpd.read_file(case, layer="facilities"),
        barriers=gpd.read_file(case, layer="roads")[["geometry"]].assign(kind="roads"),
    )
    path = save_map(drawn, tmp_path / "coverage.html")
    assert path.stat().st_size < 5_000_000
    payload = embedded(path.read_text("utf-8"))["payload"]
    assert len(payload["grids"]["code"]) == 117
    assert sum(payload["households"]["households"]) == records["HH_CNT"].sum()
    assert len(payload["households"]["x"]) == 10_966
    assert len(payload["members"]["id"]) == 1_010
    assert len(payload["facilities"]["name"]) == 297
    assert len(payload["backdrop"][0]["lines"]) > 2_500
