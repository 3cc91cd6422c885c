"""``gridward plan`` and ``gridward rebalance`` as they are typed."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import geopandas as gpd
import pytest
from shapely import LineString, Point, Polygon, box

Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture
def drawn(gridward: Cli, smallton: Any, tmp_path: Path) -> Any:
    """The small town, with grids in force."""
    loading = ("load", smallton.manifest, "--rejects", tmp_path / "rejects.csv")
    for command in (loading, ("delineate",), ("assign",)):
        status, _, err = gridward(*command)
        assert status == 0, err
    return smallton


def test_split_compare_and_merge(gridward: Cli, drawn: Any, tmp_path: Path) -> None:
    status, out, err = gridward("plan", "split", "101001")
    assert status == 0, err
    assert "101005" in out
    assert "a preview" in err
    status, out, _ = gridward("plan", "split", "101001", "--apply", "--json")
    told = json.loads(out)
    assert (status, told["plan"]["state"]) == (0, "active")
    new = told["plan"]["id"]

    files = tmp_path / "lookup.csv", tmp_path / "moves.csv"
    status, out, err = gridward("plan", "diff", 1, new, "-o", files[0], "--moves", files[1])
    assert status == 0, err
    assert "101005" in out
    lookup, moves = (file.read_text("utf-8-sig").splitlines() for file in files)
    assert lookup[0] == "old_code,new_code,kind,households_moved"
    assert sorted(line.split(",")[2] for line in lookup[1:]) == ["S", "S", "U", "U", "U"]
    assert moves[0] == "reference,old_code,new_code,households,lon,lat"
    assert len(moves) == 51

    assert gridward("plan", "merge", "101001", "101005", "--draft")[0] == 0
    listed = json.loads(gridward("plan", "list", "--json")[1])["plans"]
    assert [plan["state"] for plan in listed] == ["active", "active", "draft"]
    status, _, err = gridward("plan", "merge", "101005", "102001")
    assert (status, err.count("\n")) == (1, 0)
    assert "several communities" in err


def test_a_split_along_a_line_of_a_file(gridward: Cli, drawn: Any, tmp_path: Path) -> None:
    gridward("export", "grids", "-o", tmp_path / "grids.geojson")
    grids = gpd.read_file(tmp_path / "grids.geojson").set_index("grid_code")
    west, south, east, north = grids.geometry["101001"].bounds
    middle = (south + north) / 2
    ends = [(west - 0.001, middle), ((west + east) / 2, middle), (east + 0.001, middle)]
    pieces = [LineString(ends[:2]), LineString(ends[1:])]
    line = tmp_path / "line.gpkg"
    gpd.GeoDataFrame(geometry=pieces, crs=4326).to_crs(32631).to_file(line, layer="cut")
    status, out, err = gridward("plan", "split", "101001", "--along", f"{line}:cut", "--json")
    assert status == 0, err
    sides = json.loads(out)["sides"]
    assert [side["grid_code"] for side in sides] == ["101001", "101005"]
    assert sum(side["households"] for side in sides) == 100

    two = tmp_path / "two.geojson"
    gpd.GeoDataFrame(geometry=[pieces[0], LineString([(0, 0), (1, 1)])], crs=4326).to_file(two)
    status, _, err = gridward("plan", "split", "101001", "--along", two)
    assert (status, "must hold one line" in err) == (1, True)
    status, _, err = gridward("plan", "split", "101001", "--along", tmp_path / "no.gpkg")
    assert (status, "no such file" in err) == (1, True)


def test_a_change_is_drawn_before_it_is_made(gridward: Cli, drawn: Any, tmp_path: Path) -> None:
    page = tmp_path / "split.html"
    status, _, err = gridward("plan", "split", "101001", "--map", page)
    assert status == 0, err
    assert "101001 split (preview)" in page.read_text("utf-8")
    assert len(json.loads(gridward("plan", "list", "--json")[1])["plans"]) == 1
    codes = ("101001", "101002")
    assert gridward("plan", "merge", *codes, "--draft", "--map", page)[0] == 0
    assert "101001, 101002 merged" in page.read_text("utf-8")
    status, _, err = gridward("plan", "split", "101001", "--map", tmp_path / "split.png")
    assert (status, "as .html" in err) == (1, True)
    status, _, err = gridward("rebalance", "--map", page)
    assert (status, "nothing changes" in err) == (1, True)


def test_rebalance_with_nothing_to_do(gridward: Cli, drawn: Any) -> None:
    status, out, _ = gridward("rebalance", "--json")
    (told,) = json.loads(out)["datasets"]
    assert (status, told["changed"], told["plan"]) == (0, False, None)
    status, _, err = gridward("rebalance", "--preview")
    assert status == 0
    assert "nothing to do" in err


def test_retire_and_the_past(gridward: Cli, drawn: Any) -> None:
    status, _, err = gridward("plan", "retire", 1)
    assert status == 1
    assert "still rules 2 communities" in err
    status, out, _ = gridward("plan", "retire", 1, "--on", "2999-01-01", "--json")
    assert (status, json.loads(out)["ends"]) == (0, "2999-01-01")
    for day, count in (("2998-12-31", 1), ("2999-01-01", 0), ("2001-01-01", 0)):
        listed = json.loads(gridward("plan", "list", "--at", day, "--json")[1])["plans"]
        assert len(listed) == count


def write_shapes(path: Path, shapes: list[Any], **columns: list[str]) -> Path:
    frame = gpd.GeoDataFrame({"zone": [f"Z{n}" for n in range(len(shapes))]} | columns)
    frame.set_geometry(shapes, crs="EPSG:4326").to_file(path)
    return path


WEST, EAST = box(0.0, 50.0, 0.01, 50.01), box(0.01, 50.0, 0.0203, 50.01)


def test_a_plan_drawn_by_hand(gridward: Cli, drawn: Any, tmp_path: Path) -> None:
    file = write_shapes(tmp_path / "zones.gpkg", [WEST, EAST])
    status, out, err = gridward("plan", "import", file, "--name", "by hand", "--json")
    assert status == 0, err
    told = json.loads(out)
    assert told["state"] == "draft"
    assert (told["polygons"], told["communities"], told["faults"]) == (2, 1, {})
    shown = json.loads(gridward("plan", "show", told["plan"], "--json")[1])
    assert (shown["name"], shown["grids"]) == ("by hand", 2)
    assert "by hand" in gridward("plan", "show", told["plan"])[1]
    assert gridward("plan", "validate", told["plan"])[0] == 0
    assert gridward("plan", "activate", told["plan"])[0] == 0
    saved = tmp_path / "grids.geojson"
    today = date.today()
    assert gridward("export", "grids", "-o", saved, "--at", today)[0] == 0
    grids = gpd.read_file(saved)
    assert len(grids) == 6
    assert grids.groupby("plan_id").size().tolist() == [4, 2]
    by_hand = grids[grids["plan_id"] == told["plan"]]
    assert by_hand["households"].sum() == 400
    # 200 of at most 125: nothing forces that, so there is no flag to excuse it
    assert set(by_hand["flag"]) == {None}
    assert gridward("export", "grids", "-o", saved, "--at", "2001-01-01")[0] == 0
    assert json.loads(saved.read_text("utf-8"))["features"] == []
    assert gridward("export", "posts", "-o", saved, "--at", today)[0] == 2


def test_faults_of_an_import_have_a_place(gridward: Cli, drawn: Any, tmp_path: Path) -> None:
    short = box(0.012, 50.0, 0.0203, 50.01)
    file = write_shapes(tmp_path / "zones.geojson", [WEST, short])
    place = tmp_path / "faults.geojson"
    status, out, err = gridward(
        "plan", "import", file, "--code-column", "zone", "--faults", place, "--json"
    )
    assert status == 0, err
    told = json.loads(out)
    assert told["faults"] == {"gap": 1}
    (fault,) = json.loads(place.read_text("utf-8"))["features"]
    assert fault["geometry"]["type"] == "Polygon"
    assert gridward("plan", "validate", told["plan"])[0] == 1
    assert gridward("plan", "activate", told["plan"])[0] == 1


def test_nothing_is_repaired_in_silence(gridward: Cli, drawn: Any, tmp_path: Path) -> None:
    bow = Polygon([(0.01, 50.0), (0.0203, 50.01), (0.0203, 50.0), (0.01, 50.01)])
    file = write_shapes(tmp_path / "zones.geojson", [WEST, bow])
    place = tmp_path / "faults.geojson"
    status, out, err = gridward("plan", "import", file, "--faults", place, "--json")
    assert status == 1
    assert "no draft" in err
    assert json.loads(out)["plan"] is None
    kinds = [
        each["properties"]["kind"] for each in json.loads(place.read_text("utf-8"))["features"]
    ]
    assert "invalid" in kinds
    assert len(json.loads(gridward("plan", "list", "--json")[1])["plans"]) == 1
    status, out, _ = gridward("plan", "import", file, "--repair", "--json")
    told = json.loads(out)
    assert status == 0
    assert told["repairs"] == {"invalid": 1}
    assert told["faults"] == {"gap": 2}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--code-column", "name"], "field 'name'"),
        (["--community-column", "home"], "row 2, field 'home': there is no community '109'"),
        (["--dataset", "Bigton"], "there is no data set 'Bigton'"),
    ],
)
def test_imports_that_cannot_be(
    arguments: list[str], said: str, gridward: Cli, drawn: Any, tmp_path: Path
) -> None:
    file = write_shapes(tmp_path / "zones.geojson", [WEST, EAST], home=["101", "109"])
    status, _, err = gridward("plan", "import", file, *arguments)
    assert status == 1
    assert said in err
    assert "\n" not in err.rstrip()


def test_a_polygon_in_no_community(gridward: Cli, drawn: Any, tmp_path: Path) -> None:
    file = write_shapes(tmp_path / "zones.geojson", [WEST, EAST, box(3, 3, 4, 4)])
    status, out, err = gridward("plan", "import", file, "--json")
    assert status == 1
    assert "no draft" in err
    (fault,) = json.loads(out)["fault_places"]
    assert (fault["kind"], fault["codes"]) == ("stray", ["row 3"])
    assert (fault["detail"], fault["at"]) == ("it lies in no community", [3.5, 3.5])
    nowhere = write_shapes(tmp_path / "zones.geojson", [box(3, 3, 4, 4)])
    status, _, err = gridward("plan", "import", nowhere)
    assert status == 1
    assert "none of its polygons lies in a community" in err


def test_rows_that_are_no_polygon_are_faults(gridward: Cli, drawn: Any, tmp_path: Path) -> None:
    file = write_shapes(tmp_path / "zones.geojson", [WEST, EAST, Point(0.01, 50.005), None])
    for options in ((), ("--repair",)):
        status, out, err = gridward("plan", "import", file, "--json", *options)
        assert (status, "no draft" in err) == (1, True)
        told = json.loads(out)
        assert (told["polygons"], told["faults"]) == (4, {"invalid": 2})
        assert [(each["codes"], each["detail"], each["at"]) for each in told["fault_places"]] == [
            (["row 3"], "a Point, not a polygon", [0.01, 50.005]),
            (["row 4"], "no geometry", [None, None]),
        ]
    assert gridward("check", file)[0] == 0
    line = write_shapes(tmp_path / "line.geojson", [LineString([(0, 50), (0.01, 50.01)])])
    status, _, err = gridward("plan", "import", line)
    assert (status, "it holds no polygon, only LineString" in err) == (1, True)


def test_the_crs_of_a_drawing_may_be_said(gridward: Cli, drawn: Any, tmp_path: Path) -> None:
    frame = gpd.GeoDataFrame({"zone": ["W", "E"]}, geometry=[WEST, EAST], crs=4326)
    frame.to_crs(32631).to_file(tmp_path / "zones.shp")
    (tmp_path / "zones.prj").unlink()
    status, _, err = gridward("plan", "import", tmp_path / "zones.shp")
    assert status == 1
    assert "it is taken as EPSG:4326 (WGS 84), longitude before latitude" in err
    status, out, err = gridward("plan", "import", tmp_path / "zones.shp", "--crs", 32631, "--json")
    told = json.loads(out)
    assert (status, told["faults"], told["warnings"]) == (0, {}, [])
    status, _, err = gridward("plan", "import", tmp_path / "zones.shp", "--crs", "mine")
    assert (status, "is no known CRS: 'mine'" in err) == (1, True)
    frame.to_file(tmp_path / "zones.geojson")
    status, out, err = gridward(
        "plan", "import", tmp_path / "zones.geojson", "--crs", 3035, "--json"
    )
    assert (status, "the file says EPSG:4326" in err) == (1, False)


def test_a_file_of_several_layers_asks_for_one(gridward: Cli, drawn: Any, tmp_path: Path) -> None:
    frame = gpd.GeoDataFrame({"zone": ["W", "E"]}, geometry=[WEST, EAST], crs=4326)
    file = tmp_path / "two.gpkg"
    frame.to_file(file, layer="old")
    frame.to_file(file, layer="new")
    for command in (("plan", "import", file), ("check", file)):
        status, _, err = gridward(*command)
        assert (status, "name one with --layer: old (Polygon), new (Polygon)" in err) == (1, True)
        assert gridward(*command, "--layer", "new")[0] == 0
    status, _, err = gridward("check", "--plan", 1, "--yardstick", file)
    assert (status, "name one with FILE:LAYER" in err) == (1, True)


def test_a_check_needs_no_codes_but_something_to_look_at(gridward: Cli, tmp_path: Path) -> None:
    file = tmp_path / "zones.geojson"
    gpd.GeoDataFrame({"number": [1, 2]}, geometry=[WEST, WEST], crs=4326).to_file(file)
    status, out, _ = gridward("check", file, "--json")
    (fault,) = json.loads(out)["faults"]
    assert (status, fault["kind"], fault["codes"]) == (0, "overlap", ["row 1", "row 2"])
    assert "1 fault " in gridward("check", file)[1]
    status, _, err = gridward("check", file, "--code", "numbr")
    assert (status, "did you mean 'number'" in err) == (1, True)
    file.write_text('{"type": "FeatureCollection", "features": []}', "utf-8")
    status, _, err = gridward("check", file)
    assert (status, "there is nothing in it" in err) == (1, True)


#: 30 cm in degrees of latitude, there.
HAND = 0.3 / 111_200


def test_a_plan_drawn_by_hand_is_fitted(gridward: Cli, drawn: Any, tmp_path: Path) -> None:
    """Short of the boundary in the south, over it in the north, a gap and a crossing between."""
    west = Polygon(
        [(0, 50.0 + HAND), (0.01, 50.0 + HAND), (0.01 + HAND, 50.01 + HAND), (0, 50.01 + HAND)]
    )
    east = Polygon([(0.01 + HAND, 50.0), (0.0203, 50.0), (0.0203, 50.01), (0.01, 50.01)])
    file = write_shapes(tmp_path / "zones.geojson", [west, east])
    status, out, _ = gridward("plan", "import", file, "--json", "--fit", 0)
    untouched = json.loads(out)
    assert (status, set(untouched["faults"])) == (0, {"gap", "overlap", "stray"})
    assert untouched["fit"]["polygons_moved"] == 0
    places = tmp_path / "moved.geojson"
    status, out, _ = gridward("plan", "import", file, "--json", "--moved", places)
    told = json.loads(out)
    assert (status, told["faults"], told["fault_places"]) == (0, {}, [])
    assert set(told["fit"]["places"]) == {"gap", "overlap", "stray"}
    assert told["fit"]["tolerance_m"] == 1.0
    assert 0.2 < told["fit"]["moved_m_max"] <= 1.0
    moved = json.loads(places.read_text("utf-8"))["features"]
    assert len(moved) == sum(told["fit"]["places"].values())
    assert {"kind", "codes", "area_m2", "moved_m"} <= set(moved[0]["properties"])
    assert gridward("plan", "validate", told["plan"])[0] == 0
    shown = json.loads(gridward("plan", "show", told["plan"], "--json")[1])
    assert shown["report"]["fit"] == told["fit"]
    # a person sees where the faults are
    status, out, err = gridward("plan", "import", file, "--fit", 0)
    assert (status, "gap" in out) == (0, True)
    assert "allow for more with --fit" in err


def test_codes_that_the_drawing_keeps_are_kept(gridward: Cli, drawn: Any, tmp_path: Path) -> None:
    """Exported, a border moved far, imported again: the grids are the same ones."""
    grids = json.loads(gridward("export", "grids", "-o", tmp_path / "g.geojson", "--json")[1])
    assert grids
    codes = ["101002", "101001"]
    file = write_shapes(tmp_path / "zones.geojson", [WEST, EAST], grid=codes)
    status, out, _ = gridward("plan", "import", file, "--code-column", "grid", "--json")
    assert status == 0
    plan = json.loads(out)["plan"]
    gridward("plan", "validate", plan)
    status, out, _ = gridward("plan", "activate", plan, "--json")
    assert status == 0
    strays = json.loads(out)["out_of_range"]
    assert [each["households"] for each in strays] == [200, 200]
    saved = tmp_path / "grids.geojson"
    gridward("export", "grids", "-o", saved)
    found = gpd.read_file(saved).set_index("grid_code").geometry
    assert found.loc["101002"].bounds[0] < found.loc["101001"].bounds[0]
    assert "101003" not in found.index
