"""Raw rows -> valid rows, rejected rows with reasons, warnings; nothing is lost between."""

from __future__ import annotations

import json
from pathlib import Path

import geopandas as gpd
import pandas as pd
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from geodata import read, validate
from geodata.duplicates import DuplicateTracker
from geodata.errors import InputError
from geodata.frames import read_frames
from geodata.manifest import (
    BarrierSource,
    DivisionSource,
    FacilitySource,
    HouseholdSource,
    MemberSource,
    read_manifest,
)
from geodata.notices import Notices
from geodata.schema import BARRIERS, DIVISIONS, FACILITIES, HOUSEHOLDS, MEMBERS


def table(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def check_homes(path: Path, extent=None, rows: int = 200_000, **keys) -> list[validate.Checked]:
    given = {"id": "id", "lon": "lon", "lat": "lat", "crs": "EPSG:4326", **keys}
    source = HouseholdSource(table="households", file=path, **given)
    seen = DuplicateTracker()
    return [
        validate.households(batch, seen=seen, extent=extent)
        for batch in read.batches(source, rows=rows)
    ]


# -- households -----------------------------------------------------------------------------------


def test_good_households_have_the_columns_of_the_schema(tmp_path: Path) -> None:
    path = table(
        tmp_path / "a.csv",
        "id,address,building,unit,n,community,lon,lat",
        "007, Second St ,B,1,2,C1,116.5,39.5",
        "008,,,,1.0,,116.6,39.6",
    )
    keys = {name: name for name in ("address", "building", "unit", "community")}
    [checked] = check_homes(path, households="n", **keys)
    valid = checked.valid
    assert list(valid.columns) == [*HOUSEHOLDS, "geometry"]
    assert {name: str(valid[name].dtype) for name in HOUSEHOLDS} == HOUSEHOLDS
    assert valid.crs == "EPSG:4326"
    assert valid["reference"].tolist() == ["007", "008"]
    assert valid["address"][0] == "Second St"
    assert valid.iloc[1][["address", "building", "unit", "community"]].isna().all()
    assert valid["households"].tolist() == [2, 1]
    assert valid["row"].tolist() == [1, 2]
    assert valid["datum"].tolist() == ["EPSG:4326"] * 2
    assert valid.geometry[0].equals(shapely.Point(116.5, 39.5))
    assert len(checked.rejected) == 0
    assert checked.warnings == []


def test_the_coordinates_as_given_are_kept(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", "id,lon,lat", "1,116.5,39.5")
    [checked] = check_homes(path, crs="gcj02")
    home = checked.valid.iloc[0]
    assert (home.source_x, home.source_y, home.datum) == (116.5, 39.5, "gcj02")
    assert 0.004 < home.source_x - home.geometry.x < 0.008


@pytest.mark.parametrize(
    ("row", "field", "words"),
    [
        (",116.5,39.5,1", "id", "blank"),
        (" ,116.5,39.5,1", "id", "blank"),
        ("a,,,1", "lon", "no place"),
        ("a,116.5,,1", "lat", "blank while the other"),
        ("a,,39.5,1", "lon", "blank while the other"),
        ("a,116.5E,39.5,1", "lon", "'116.5E' is not a number"),
        ('a,"116,5",39.5,1', "lon", "'116,5' is not a number"),
        ("a,nan,39.5,1", "lon", "'nan' is not a number"),
        ("a,116.5,inf,1", "lat", "'inf' is not a number"),
        ("a,0,0,1", "lon", "0, 0 is no real place"),
        ("a,200,39.5,1", "lon", "longitude 200 is out of range"),
        ("a,116.5,-239.5,1", "lat", "latitude -239.5 is out of range"),
        ("a,39.5,116.5,1", "lon", "look swapped (39.5, 116.5)"),
        ("a,116.5,39.5,", "n", "blank: give a number of households"),
        ("a,116.5,39.5,0", "n", "0 is not a number of households"),
        ("a,116.5,39.5,-1", "n", "-1 is not"),
        ("a,116.5,39.5,1.5", "n", "1.5 is not"),
        ("a,116.5,39.5,many", "n", "'many' is not"),
        ("a,116.5,39.5,3000000000", "n", "3000000000 is not"),
        ("good,116.5,39.5,1", "id", "'good' is taken by row 1"),
        ("a,116.5,39.5,1,1", None, "5 values where the header names 4"),
    ],
)
def test_bad_households_are_rejected_with_place_and_reason(
    tmp_path: Path, row: str, field: str | None, words: str
) -> None:
    path = table(tmp_path / "a.csv", "id,lon,lat,n", "good,116,39,1", row, "last,117,40,1")
    [checked] = check_homes(path, households="n")
    assert checked.valid["reference"].tolist() == ["good", "last"]
    assert checked.valid["row"].tolist() == [1, 3]
    [rejected] = checked.rejected.to_dict("records")
    assert rejected["row"] == 2
    assert rejected["field"] == field
    assert words in rejected["reason"]
    assert "a" in json.dumps(rejected["raw"])


def test_other_spellings_of_numbers_are_read(tmp_path: Path) -> None:
    lines = ["a,+116.5, 39.50 ", "b,1.165e2,39.5", "c,116.5,39.5", "d,x,39.5"]
    [checked] = check_homes(table(tmp_path / "a.csv", "id,lon,lat", *lines))
    assert checked.valid["source_x"].tolist() == [116.5] * 3
    assert checked.rejected["row"].tolist() == [4]


def test_coordinates_swapped_within_range_are_known_by_where_the_communities_are(
    tmp_path: Path,
) -> None:
    path = table(tmp_path / "a.csv", "id,lon,lat", "a,-71.1,42.3", "b,42.3,-71.1", "c,-60,40")
    extent = (-71.2, 42.2, -71.0, 42.4)
    [checked] = check_homes(path, extent=extent)
    # far off is no fault of the row: it will be an exception of the assignment
    assert checked.valid["reference"].tolist() == ["a", "c"]
    assert "look swapped" in checked.rejected["reason"][0]
    [unknown] = check_homes(path)
    assert len(unknown.valid) == 3


def test_a_reference_repeats_in_a_later_batch(tmp_path: Path) -> None:
    lines = [f"{row % 7},116.5,39.5" for row in range(1, 21)]
    lines[0] = "1,bad,39.5"  # a rejected row takes no reference
    parts = check_homes(table(tmp_path / "a.csv", "id,lon,lat", *lines), rows=3)
    assert len(parts) == 7
    kept = pd.concat([part.valid for part in parts])
    assert sorted(kept["row"]) == [2, 3, 4, 5, 6, 7, 8]
    rejected = pd.concat([part.rejected for part in parts])
    assert len(kept) + len(rejected) == 20
    assert "taken by row 8" in rejected.set_index("row")["reason"][15]


def test_places_as_wkt_polygons_and_projected_points(tmp_path: Path) -> None:
    path = table(
        tmp_path / "a.csv",
        "id,shape",
        "a,POINT (250000 2655000)",
        'b,"POLYGON ((250000 2655000, 250010 2655000, 250010 2655010, 250000 2655000))"',
        'c,"LINESTRING (250000 2655000, 250010 2655000)"',
        "d,POINT (250000",
        "e,",
        "f,POINT EMPTY",
        "g,MULTIPOINT ((250000 2655000))",
        "h,POINT (1e30 1e30)",
    )
    [checked] = check_homes(path, lon=None, lat=None, geometry="shape", crs="EPSG:3826")
    assert checked.valid["reference"].tolist() == ["a", "b", "g"]
    assert checked.valid.geometry.x.between(120.99, 121.01).all()
    reasons = checked.rejected.set_index("row")["reason"]
    assert "a LineString is no place" in reasons[3]
    assert "no WKT" in reasons[4]
    assert "no place" in reasons[5]
    assert "no place" in reasons[6]
    assert "right CRS" in reasons[8]
    assert "1 place given as polygons" in checked.warnings[0]


def test_text_that_was_not_decoded(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(
        "id,address,lon,lat\n1,幸福路,116,39\n".encode()
        + b"2,bad \xff,116,39\n3\xff,good,116,39\n4,nul\0,116,39\n"
    )
    [checked] = check_homes(path, address="address", encoding="utf-8")
    assert checked.valid["reference"].tolist() == ["1", "2", "4"]
    assert checked.valid["address"].tolist() == ["幸福路", "bad \ufffd", "nul"]
    assert checked.rejected["row"].tolist() == [3]
    assert "set encoding" in checked.rejected["reason"][0]
    assert sum("not in utf-8" in warning for warning in checked.warnings) == 1
    assert sum("NUL" in warning for warning in checked.warnings) == 1


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b", "c", "", "d "]),
            st.sampled_from(["116.5", "0", "x", "", "200", "39.5"]),
            st.sampled_from(["39.5", "0", "", "95", "116.5"]),
            st.sampled_from(["1", "0", "2.5", "", "3"]),
        ),
        max_size=30,
    )
)
@settings(max_examples=60, deadline=None)
def test_every_row_is_valid_or_rejected(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, ...]]
) -> None:
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    table(path, "id,lon,lat,n,filler", *(",".join([*row, "x"]) for row in rows))
    parts = check_homes(path, households="n", rows=7)
    kept = [row for part in parts for row in part.valid["row"]]
    out = [row for part in parts for row in part.rejected["row"]]
    assert sorted(kept + out) == list(range(1, len(rows) + 1))
    references = [reference for part in parts for reference in part.valid["reference"]]
    assert len(set(references)) == len(references)
    for part in parts:
        assert part.valid.geometry.is_valid.all()
        assert (part.valid["households"] >= 1).all()
        assert all(isinstance(reason, str) and reason for reason in part.rejected["reason"])


# -- divisions ------------------------------------------------------------------------------------


def check_areas(path: Path, frame: gpd.GeoDataFrame, **keys) -> validate.Checked:
    frame.to_file(path)
    given = {"level": "community", "code": "code", "name": "name"}
    given |= {key: keys.pop(key) for key in ("parent", "name", "crs") if key in keys}
    batch = read.whole(DivisionSource(table="divisions 1", file=path, **given))
    return validate.divisions(batch, **keys)


def areas(codes: list, names: list, shapes: list, **more) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame({"code": codes, "name": names, **more}, geometry=shapes, crs=4326)


def test_good_divisions(tmp_path: Path) -> None:
    frame = areas(["01", "02"], ["东", "西"], [shapely.box(x, 0, x + 1, 1) for x in (0, 1)])
    checked = check_areas(tmp_path / "a.gpkg", frame, prefix="tn-")
    valid = checked.valid
    assert list(valid.columns) == [*DIVISIONS, "geometry"]
    assert {name: str(valid[name].dtype) for name in DIVISIONS} == DIVISIONS
    assert valid["code"].tolist() == ["tn-01", "tn-02"]
    assert valid["level"].tolist() == ["community"] * 2
    assert valid["parent"].isna().all()
    assert set(valid.geom_type) == {"MultiPolygon"}
    assert checked.warnings == []


def test_bad_divisions_are_rejected(tmp_path: Path) -> None:
    box = shapely.box(0, 0, 1, 1)
    frame = areas(
        ["good", None, "a b", "taken", "x" * 41, "point", "none", "good", "far"],
        ["n"] * 7 + ["another", "n"],
        [box] * 5 + [shapely.Point(0, 0), None, shapely.box(5, 5, 6, 6), shapely.box(0, 0, 400, 1)],
    )
    checked = check_areas(tmp_path / "a.gpkg", frame, taken={"taken": "street"})
    assert checked.valid["code"].tolist() == ["good"]
    reasons = checked.rejected.set_index("row")["reason"]
    assert "blank" in reasons[2]
    assert "'a b' is no code" in reasons[3]
    assert "that of a street already" in reasons[4]
    assert "is no code" in reasons[5]
    assert "a Point is no area" in reasons[6]
    assert "no geometry" in reasons[7]
    assert "taken by 'n' in row 1" in reasons[8]
    assert "right CRS" in reasons[9]
    assert len(reasons) == 8


def test_parts_of_one_code_are_merged(tmp_path: Path) -> None:
    shapes = [shapely.box(x, 0, x + 1, 1) for x in (0, 5, 1, 9)]
    frame = areas(["a", "b", "a", "a"], ["n", "m", "n", "n"], shapes)
    checked = check_areas(tmp_path / "a.gpkg", frame)
    assert checked.valid["code"].tolist() == ["a", "b"]
    assert shapely.area(checked.valid.geometry.array).tolist() == pytest.approx([3.0, 1.0])
    assert len(checked.valid.geometry[0].geoms) == 2
    assert len(checked.rejected) == 0
    assert "3 features share 1 code and are merged" in checked.warnings[0]


def test_invalid_polygons_are_repaired_and_named(tmp_path: Path) -> None:
    bow_tie = shapely.Polygon([(0, 0), (1, 1), (1, 0), (0, 1)])
    flat = shapely.Polygon([(0, 0), (1, 1), (2, 2)])
    frame = areas(["tie", "flat", "good"], ["n"] * 3, [bow_tie, flat, shapely.box(2, 2, 3, 3)])
    checked = check_areas(tmp_path / "a.gpkg", frame, prefix="p")
    assert checked.valid["code"].tolist() == ["ptie", "pgood"]
    assert checked.valid.is_valid.all()
    assert shapely.area(checked.valid.geometry[0]) == pytest.approx(0.5)
    assert "1 invalid polygon repaired: ptie (row 1): Self-intersection" in checked.warnings[0]
    assert checked.rejected["row"].tolist() == [2]
    assert "no area" in checked.rejected["reason"][0]


def test_collections_keep_their_areas(tmp_path: Path) -> None:
    mixed = shapely.GeometryCollection([shapely.box(0, 0, 1, 1), shapely.Point(5, 5)])
    lines = shapely.GeometryCollection([shapely.LineString([(0, 0), (1, 1)])])
    frame = areas(["a", "b"], ["n", "m"], [mixed, lines])
    checked = check_areas(tmp_path / "a.gpkg", frame)
    assert shapely.area(checked.valid.geometry.array).tolist() == pytest.approx([1.0])
    assert checked.rejected["row"].tolist() == [2]


def test_blank_names_become_codes(tmp_path: Path) -> None:
    shapes = [shapely.box(x, 0, x + 1, 1) for x in range(4)]
    frame = areas(["a", "b", "c", "d"], ["-", None, "－", "name"], shapes)
    checked = check_areas(tmp_path / "a.gpkg", frame)
    assert checked.valid["name"].tolist() == ["a", "b", "c", "name"]
    assert "3 names blank" in checked.warnings[0]
    unnamed = check_areas(tmp_path / "b.gpkg", frame, name=None)
    assert unnamed.valid["name"].tolist() == ["a", "b", "c", "d"]
    assert unnamed.warnings == []


def test_parents_must_be_of_a_higher_level(tmp_path: Path) -> None:
    shapes = [shapely.box(x, 0, x + 1, 1) for x in range(4)]
    frame = areas(list("abcd"), list("abcd"), shapes, up=["s", "x", "e", None])
    taken = {"p-s": "street", "p-e": "community"}
    checked = check_areas(tmp_path / "a.gpkg", frame, parent="up", prefix="p-", taken=taken)
    assert checked.valid["parent"].fillna("").tolist() == ["p-s", "", "", ""]
    assert len(checked.rejected) == 0
    [warning] = checked.warnings
    assert "2 divisions" in warning
    assert "p-e, p-x" in warning


# -- barriers, members, facilities ----------------------------------------------------------------


def check_barriers(path: Path, shapes: list, **keys) -> validate.Checked:
    weight = keys.pop("weights", [1] * len(shapes))
    frame = gpd.GeoDataFrame({"w": weight, "type": "road"}, geometry=shapes, crs=4326)
    frame.to_file(path)
    return validate.barriers(read.whole(BarrierSource(table="barriers 1", file=path, **keys)))


def test_barriers_are_lines_and_polygons(tmp_path: Path) -> None:
    line = shapely.LineString([(0, 0), (1, 1)])
    shapes = [
        line,
        shapely.box(0, 0, 1, 1),
        shapely.Point(0, 0),
        None,
        shapely.MultiLineString([line]),
    ]
    checked = check_barriers(tmp_path / "a.gpkg", shapes, kind="type")
    assert list(checked.valid.columns) == [*BARRIERS, "geometry"]
    assert checked.valid["kind"].tolist() == ["road"] * 3
    assert checked.valid["weight"].tolist() == [1.0] * 3
    assert checked.rejected["row"].tolist() == [3, 4]
    assert "a Point is no barrier" in checked.rejected["reason"][0]


def test_weights_and_kinds_of_barriers(tmp_path: Path) -> None:
    shapes = [shapely.LineString([(0, 0), (1, 1)])] * 4
    path = tmp_path / "a.gpkg"
    checked = check_barriers(path, shapes, weights=[2.5, None, 0, -1], weight="w", kind="river")
    assert checked.valid["weight"].tolist() == [2.5, 1.0]
    assert checked.valid["kind"].tolist() == ["river"] * 2
    assert checked.rejected["row"].tolist() == [3, 4]
    assert "1 blank weight" in checked.warnings[0]
    number = check_barriers(tmp_path / "b.gpkg", shapes, weight=4.0)
    assert number.valid["weight"].tolist() == [4.0] * 4
    assert number.valid["kind"].tolist() == ["b"] * 4


def test_a_layer_without_a_barrier_is_a_warning(tmp_path: Path) -> None:
    checked = check_barriers(tmp_path / "a.gpkg", [shapely.Point(0, 0)] * 2)
    assert len(checked.valid) == 0
    assert len(checked.rejected) == 2
    assert "holds no lines or polygons" in checked.warnings[0]


def check_members(path: Path, *lines: str, roles=()) -> validate.Checked:
    table(path, "id,name,roles,posts,lon,lat", *lines)
    keys = {name: name for name in ("id", "name", "roles", "lon", "lat")}
    source = MemberSource(table="members", file=path, max_posts="posts", crs="EPSG:4326", **keys)
    return validate.members(read.whole(source), roles=roles)


def test_members(tmp_path: Path) -> None:
    checked = check_members(
        tmp_path / "a.csv",
        "1,王芳,Police; doctor;police,,116,39",
        '2,Li,"leader,cadre",1,116,39',
        "3,Bo,leader,,,",
    )
    valid = checked.valid
    assert list(valid.columns) == [*MEMBERS, "geometry"]
    assert valid["roles"].tolist() == [["police", "doctor"], ["leader", "cadre"], ["leader"]]
    assert valid["max_posts"].isna().tolist() == [True, False, True]
    assert valid["max_posts"][1] == 1
    assert valid.geometry[2] is None
    assert len(checked.rejected) == 0
    assert "1 member without a place (row 3 first)" in checked.warnings[0]


def test_bad_members_are_rejected(tmp_path: Path) -> None:
    checked = check_members(
        tmp_path / "a.csv",
        "1,a,leader,,116,39",
        ",b,leader,,116,39",
        "3,c,,,116,39",
        "4,d,; ;,,116,39",
        "5,e,chief cook,,116,39",
        "6,f,leader,two,116,39",
        "7,g,leader,-1,116,39",
        "8,h,leader,,x,39",
        "9,i,leader,,39,116",
        "1,j,leader,,116,39",
        "11,k,leader,,116,",
    )
    assert checked.valid["member_id"].tolist() == ["1"]
    assert checked.rejected["row"].tolist() == list(range(2, 12))
    assert checked.rejected["field"].tolist() == [
        "id", "roles", "roles", "roles", "posts", "posts", "lon", "lon", "id", "lat"
    ]  # fmt: skip
    assert "'chief cook' is no role" in checked.rejected["reason"][3]


def test_roles_that_no_team_needs_are_named(tmp_path: Path) -> None:
    lines = ("1,a,docter,,116,39", "2,b,doctor,,116,39")
    checked = check_members(tmp_path / "a.csv", *lines, roles={"doctor": 1, "police": 2})
    assert len(checked.valid) == 2
    [warning] = checked.warnings
    assert "1 member hold" in warning
    assert "'docter'" in warning
    assert "did you mean 'doctor'" in warning


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_members_in_batches_are_those_of_the_whole_file(tmp_path: Path, rows: int) -> None:
    path = table(
        tmp_path / "a.csv",
        "id,name,roles,posts,lon,lat",
        "1,a,leader,,116,39",
        "2,b,docter,,,",
        "3,c,leader,1,116,39",
        "1,again,leader,,116,39",
        "4,d,docter;leader,,116,39",
        "one value too many,e,leader,,116,39,1",
        "6,f,,,116,39",
        "7,g,docter,,,",
        "3,again,leader,,116,39",
    )
    keys = {name: name for name in ("id", "name", "roles", "lon", "lat")}
    source = MemberSource(table="members", file=path, max_posts="posts", crs="EPSG:4326", **keys)
    whole = validate.members(read.whole(source), roles=["leader"])
    seen, notices = validate.DuplicateTracker(), Notices()
    parts = []
    for batch in read.batches(source, rows=rows):
        parts.append(validate.members(batch, roles=["leader"], seen=seen))
        notices.add(parts[-1].notices)
    assert len(parts) > 1
    valid = pd.concat([part.valid for part in parts], ignore_index=True)
    pd.testing.assert_frame_equal(valid, whole.valid)
    rejected = pd.concat([part.rejected for part in parts]).sort_values("row", ignore_index=True)
    assert rejected.to_dict("records") == whole.rejected.to_dict("records")
    assert notices.sentences() == whole.warnings
    assert whole.valid["member_id"].tolist() == ["1", "2", "3", "4", "7"]
    assert whole.warnings[0].startswith("a.csv: 2 members without a place (row 2 first): kept")
    assert whole.warnings[1].startswith("a.csv: 3 members hold the role 'docter'")


def test_facilities(tmp_path: Path) -> None:
    path = table(
        tmp_path / "a.csv",
        "id,name,kind,lon,lat",
        "1,Centre,service,116,39",
        "2,,,,",
        "1,Again,service,116,39",
    )
    keys = {name: name for name in ("id", "name", "kind", "lon", "lat")}
    source = FacilitySource(table="facilities", file=path, crs="EPSG:4326", **keys)
    checked = validate.facilities(read.whole(source))
    assert list(checked.valid.columns) == [*FACILITIES, "geometry"]
    assert checked.valid["facility_id"].tolist() == ["1"]
    assert checked.rejected["row"].tolist() == [2, 3]


# -- a whole data set -----------------------------------------------------------------------------


def dataset(folder: Path, homes: str, extra: str = "") -> Path:
    boxes = [shapely.box(116 + x, 39, 117 + x, 40) for x in range(2)]
    frame = areas(["c1", "c2"], ["East", "West"], boxes)
    frame.to_file(folder / "areas.gpkg")
    (folder / "homes.csv").write_text(homes, encoding="utf-8")
    (folder / "dataset.toml").write_text(
        f"""
[dataset]
crs = "EPSG:4326"
prefix = "p-"

[[divisions]]
level = "community"
file = "areas.gpkg"
code = "code"
name = "name"

[households]
file = "homes.csv"
id = "id"
community = "c"
lon = "lon"
lat = "lat"
{extra}
""",
        encoding="utf-8",
    )
    return folder / "dataset.toml"


def test_frames_of_a_data_set(tmp_path: Path) -> None:
    seen: list[tuple[str, int]] = []
    homes = "id,c,lon,lat\n1,c1,116.5,39.5\n2,West,117.5,39.5\n3,c1,x,39.5\n"
    manifest = read_manifest(dataset(tmp_path, homes))
    frames = read_frames(manifest, lambda name, rows: seen.append((name, rows)))
    assert frames.communities["code"].tolist() == ["p-c1", "p-c2"]
    assert list(frames.communities.columns) == ["code", "name", "geometry"]
    assert len(frames.households) == 2
    assert frames.barriers is None
    assert list(frames.rejects.columns) == ["file", "source", "row", "field", "reason", "raw"]
    [reject] = frames.rejects.to_dict("records")
    assert (reject["file"], reject["source"], reject["row"]) == ("homes.csv", "households", 3)
    assert frames.warnings == []
    assert seen == [("divisions 1", 2), ("households", 3)]


def test_a_data_set_without_a_usable_community_is_refused(tmp_path: Path) -> None:
    path = dataset(tmp_path, "id,c,lon,lat\n1,c1,116.5,39.5\n")
    areas(["a b"], ["n"], [shapely.box(0, 0, 1, 1)]).to_file(tmp_path / "areas.gpkg")
    with pytest.raises(InputError, match="no community is left"):
        read_frames(read_manifest(path))


def test_a_wrong_datum_is_told_in_a_data_set(tmp_path: Path) -> None:
    # all homes sit 100 m inside the eastern edge of the western community: 500 m break that
    rows = [f"{n},c1,{116.999 + 0.0061:.5f},{39.2 + n * 0.001 + 0.0014:.5f}" for n in range(300)]
    path = dataset(tmp_path, "id,c,lon,lat\n" + "\n".join(rows))
    [warning] = read_frames(read_manifest(path)).warnings
    assert "gcj02" in warning
    assert "homes.csv" in warning


@pytest.mark.parametrize(("crs", "same"), [(4326, True), (32650, False)])
def test_the_points_of_a_file_are_taken_as_they_are_or_moved(
    tmp_path: Path, crs: int, same: bool
) -> None:
    places = gpd.GeoSeries([shapely.Point(116.5 + k / 9, 39.5, 7.0) for k in range(3)], crs=4326)
    frame = gpd.GeoDataFrame({"id": ["1", "2", "2"]}, geometry=places).to_crs(crs)
    frame.to_parquet(tmp_path / "homes.parquet")
    source = HouseholdSource(table="households", file=tmp_path / "homes.parquet", id="id")
    batch = read.whole(source)
    valid = validate.households(batch).valid
    assert valid["reference"].tolist() == ["1", "2"]
    assert not valid.geometry.has_z.any()
    assert shapely.get_coordinates(valid.geometry) == pytest.approx(
        shapely.get_coordinates(places[:2]), abs=1e-9
    )
    assert (valid.geometry[0] is batch.geometry[0]) == same
