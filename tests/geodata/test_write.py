"""What is written reads back the same; files appear whole; spreadsheets run nothing."""

from __future__ import annotations

import json
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from shapely import MultiPolygon, Point, Polygon, box

from geodata.errors import InputError, UnavailableError
from geodata.write import write
from geodata.write.cells import guarded

PLACES = [(120.1, 30.000000000000004), (0.1 + 0.2, 1e-7), (-71.123456789012345, 42.3)]


def households() -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame(
        {
            "reference": ["001", "002", "003"],
            "address": ["学府路 8 号", 'a "quoted", b', None],
            "households": np.array([1, 431, 2000], dtype="int64"),
            "distance_m": [0.0, 12.5, np.nan],
            "snapped": [True, False, True],
        },
        geometry=[Point(place) for place in PLACES],
        crs="EPSG:4326",
    )


def grids() -> gpd.GeoDataFrame:
    """A shell that runs clockwise and has a hole, and a grid in two parts."""
    shell = Polygon([(0, 0), (0, 3), (3, 3), (3, 0)], [[(1, 1), (2, 1), (2, 2), (1, 2)]])
    parts = MultiPolygon([box(1, 1, 2, 2), box(4, 0, 5, 0.1 + 0.2)])
    return gpd.GeoDataFrame(
        {"grid_code": ["000000000001001", "000000000001002"], "flag": [None, "multipart"]},
        geometry=[shell, parts],
        crs="EPSG:4326",
    )


def assert_same(got: gpd.GeoDataFrame, expected: gpd.GeoDataFrame, key: str) -> None:
    """Equal in values and coordinates; rows, rings and parts may be in another order."""
    got, expected = (f.sort_values(key).reset_index(drop=True) for f in (got, expected))
    attributes = expected.columns.drop("geometry")
    pd.testing.assert_frame_equal(
        pd.DataFrame(got[attributes]).astype(object).where(got[attributes].notna(), None),
        pd.DataFrame(expected[attributes]).astype(object).where(expected[attributes].notna(), None),
    )
    for one, other in zip(got.geometry, expected.geometry, strict=True):
        if one.geom_type != other.geom_type:  # a layer of mixed kinds is made multi
            other = MultiPolygon([other])
        assert one.normalize().equals_exact(other.normalize(), 0)


@pytest.mark.parametrize("suffix", [".geojson", ".gpkg", ".parquet", ".fgb", ".geojsonl",
                                    ".geojsonseq", ".GeoJSON"])  # fmt: skip
def test_reads_back_equal(tmp_path, suffix):
    for make, key in ((households, "reference"), (grids, "grid_code")):
        path = write(make(), tmp_path / f"out{suffix}")
        if suffix == ".parquet":
            got = gpd.read_parquet(path)
        elif suffix == ".geojsonseq":
            lines = path.read_text("utf-8").split("\x1e")[1:]
            got = gpd.GeoDataFrame.from_features([json.loads(line) for line in lines], "EPSG:4326")
        else:
            got = gpd.read_file(path)
        assert got.crs == "EPSG:4326"
        assert_same(got, make(), key)


def test_geojson_follows_the_standard(tmp_path):
    frame = grids().to_crs("EPSG:3857")
    text = write(frame, tmp_path / "a.geojson").read_text("utf-8")
    document = json.loads(text)
    assert set(document) == {"type", "features"}
    shell, hole = document["features"][0]["geometry"]["coordinates"]
    assert shapely.LinearRing(shell).is_ccw
    assert not shapely.LinearRing(hole).is_ccw
    assert max(x for x, _ in shell) == pytest.approx(3)
    assert document["features"][0]["properties"] == {"grid_code": "000000000001001", "flag": None}


def test_geojson_is_the_same_bytes_and_keeps_shared_vertices(tmp_path):
    frame = grids()
    first = write(frame, tmp_path / "a.geojson").read_bytes()
    assert write(frame.copy(), tmp_path / "b.geojson").read_bytes() == first
    sites = np.random.default_rng(0).random((40, 2)) + np.array([120, 30])
    cells = shapely.get_parts(shapely.voronoi_polygons(shapely.multipoints(sites)))
    coverage = gpd.GeoDataFrame({"code": range(40)}, geometry=cells, crs="EPSG:4326")
    assert shapely.coverage_is_valid(cells)
    for suffix in (".geojson", ".csv"):
        path = write(coverage, tmp_path / f"c{suffix}")
        table = gpd.read_file(path) if suffix == ".geojson" else pd.read_csv(path)
        got = np.array(table.geometry, dtype=object)
        got = got if suffix == ".geojson" else shapely.from_wkt(got)
        assert shapely.coverage_is_valid(got)
        np.testing.assert_array_equal(
            np.unique(shapely.get_coordinates(got), axis=0),
            np.unique(shapely.get_coordinates(cells), axis=0),
        )


def test_geojson_has_no_bare_nan_and_plain_values(tmp_path):
    frame = households().assign(
        geometry=[None, Point(), Point(1, 2)], at=pd.Timestamp("2026-11-23T08:00"),
        big=[np.inf, 1.5, -np.inf], roles=[["police", "doctor"], [], None],
        counts=[{"b": 1, "a": 2}, None, None],
    )  # fmt: skip
    text = write(frame, tmp_path / "a.geojson").read_text("utf-8")
    rows = json.loads(text, parse_constant=pytest.fail)["features"]
    assert [row["geometry"] for row in rows[:2]] == [None, None]
    assert rows[0]["properties"]["big"] is None
    assert rows[0]["properties"]["roles"] == "police;doctor"
    assert rows[0]["properties"]["counts"] == '{"a": 2, "b": 1}'
    assert rows[0]["properties"]["at"] == "2026-11-23T08:00:00"
    assert rows[2]["properties"]["distance_m"] is None
    assert "学府路" in text


def test_csv_is_for_excel_and_keeps_codes_and_places(tmp_path):
    path = write(households().to_crs("EPSG:4490"), tmp_path / "a.csv")
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    got = pd.read_csv(path, dtype={"reference": str}, encoding="utf-8-sig")
    assert got.reference.tolist() == ["001", "002", "003"]
    assert got.columns[-2:].tolist() == ["lon", "lat"]
    np.testing.assert_allclose(got[["lon", "lat"]], PLACES, atol=1e-9)
    exact = pd.read_csv(write(households(), path))
    np.testing.assert_array_equal(exact[["lon", "lat"]], PLACES)
    named = households().assign(lon=0.0)
    assert "geometry" in pd.read_csv(write(named, path)).columns


def test_csv_runs_no_formula_and_keeps_numbers(tmp_path):
    table = pd.DataFrame(
        {"name": ["=1+1", "@x", "-12.5", "+8613800000000", "-", "张三"], "value": [-1.5] * 6}
    )
    got = pd.read_csv(write(table, tmp_path / "a.csv"), dtype=str)
    assert got["name"].tolist() == ["'=1+1", "'@x", "-12.5", "+8613800000000", "'-", "张三"]
    assert got.value.tolist() == ["-1.5"] * 6
    assert guarded("\t=1") == "'\t=1"
    assert guarded("-1e5") == "-1e5"
    assert guarded("-1\n=2") == "'-1\n=2"


@pytest.mark.parametrize("suffix", [".geojson", ".gpkg", ".parquet", ".csv"])
def test_a_table_without_places(tmp_path, suffix):
    table = pd.DataFrame({"grid_code": ["001"], "role": ["police"], "missing": [1]})
    path = write(table, tmp_path / f"vacancies{suffix}")
    if suffix == ".csv":
        got = pd.read_csv(path, dtype={"grid_code": str})
    elif suffix == ".parquet":
        got = pd.read_parquet(path)
    else:
        got = pd.DataFrame(gpd.read_file(path)).drop(columns="geometry", errors="ignore")
    assert got.astype(object).values.tolist() == [["001", "police", 1]]


@pytest.mark.parametrize("suffix", [".geojson", ".gpkg", ".parquet", ".fgb", ".csv", ".geojsonl"])
def test_no_rows(tmp_path, suffix):
    assert write(households().iloc[:0], tmp_path / f"none{suffix}").stat().st_size >= 0


def test_layers_of_one_geopackage(tmp_path):
    path = tmp_path / "all.gpkg"
    write(grids(), path, layer="grids")
    write(households(), path, layer="households")
    write(grids().iloc[:1], path, layer="grids")
    assert len(gpd.read_file(path, layer="grids")) == 1
    assert len(gpd.read_file(path, layer="households")) == 3
    write(grids(), path)
    assert gpd.list_layers(path).name.tolist() == ["all"]


def test_an_unknown_suffix_names_the_known_ones(tmp_path):
    with pytest.raises(InputError, match=r"'.xlsx' is not known: use one of \.geojson"):
        write(grids(), tmp_path / "a.xlsx")
    with pytest.raises(InputError, match="FlatGeobuf holds geometry only"):
        write(pd.DataFrame({"a": [1]}), tmp_path / "a.fgb")


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = write(grids(), tmp_path / "a.geojson")
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setitem(write.__globals__["SUFFIXES"], ".geojson", full)
    with pytest.raises(UnavailableError, match=r"a\.geojson cannot be written: No space left"):
        write(households(), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_a_file_is_one_clear_error(tmp_path: Path):
    (tmp_path / "out").write_text("")
    with pytest.raises(UnavailableError, match="cannot be written"):
        write(grids(), tmp_path / "out" / "a.geojson")


def test_folders_are_made(tmp_path):
    assert write(grids(), tmp_path / "x" / "y" / "a.gpkg").exists()


def test_a_named_index_is_a_column_and_another_is_not(tmp_path: Path) -> None:
    frame = pd.DataFrame({"method": ["covers", "snapped"]}, index=["H1", "H2"])
    bare = pd.read_csv(write(frame, tmp_path / "bare.csv"), encoding="utf-8-sig")
    assert list(bare) == ["method"]
    ledger = frame.rename_axis("household")
    named = pd.read_csv(write(ledger, tmp_path / "named.csv"), encoding="utf-8-sig")
    assert named.to_numpy().tolist() == [["H1", "covers"], ["H2", "snapped"]]
    assert list(named) == ["household", "method"]


def test_a_series_is_written_with_its_index(tmp_path: Path) -> None:
    member = pd.Series(["101001"], index=pd.Index(["H1"], name="household"), name="grid_code")
    read = pd.read_csv(write(member, tmp_path / "m.csv"), encoding="utf-8-sig", dtype=str)
    assert read.to_dict("list") == {"household": ["H1"], "grid_code": ["101001"]}
