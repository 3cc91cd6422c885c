"""Files -> raw batches: encodings, row numbers, broken rows, formats, CRS."""

from __future__ import annotations

import gzip
import io
import shutil
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from geodata import read
from geodata.encodings import Utf8Stream, detect, detect_file
from geodata.errors import InputError, UnreadableFile
from geodata.manifest import (
    BarrierSource,
    DivisionSource,
    FacilitySource,
    HouseholdSource,
    MemberSource,
)


def homes(path: Path, **keys) -> HouseholdSource:
    """A source of households with the columns id, lon, lat."""
    given = {"id": "id", "lon": "lon", "lat": "lat", "crs": "EPSG:4326", **keys}
    return HouseholdSource(table="households", file=path, **given)


def written(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


# -- CSV ------------------------------------------------------------------------------------------


def test_codes_stay_text_and_values_are_trimmed(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", "id,lon,lat\n 007 ,1,2\n,3,4\n1e5,5,6\n")
    batch = read.whole(homes(path))
    assert batch.text("id").to_pylist() == ["007", None, "1e5"]
    assert batch.text("unit").to_pylist() == [None, None, None]
    assert batch.rows.tolist() == [1, 2, 3]
    assert batch.raw(np.array([1])) == [{"id": "", "lon": "3", "lat": "4"}]


def test_rows_of_a_wrong_length_are_set_aside_with_their_number(tmp_path: Path) -> None:
    text = 'id,lon,lat\na,1,2\n\nb,1\n"c\nc",1,2\nd,1,2,3\n,,\ne,1,2\n\n'
    batch = read.whole(homes(written(tmp_path / "a.csv", text)))
    assert batch.text("id").to_pylist() == ["a", "c\nc", "e"]
    assert batch.rows.tolist() == [1, 4, 7]
    assert batch.malformed["row"].tolist() == [3, 5]
    assert "2 values where the header names 3 columns" in batch.malformed["reason"][0]
    assert batch.malformed["raw"].tolist() == [{"text": "b,1"}, {"text": "d,1,2,3"}]


@pytest.mark.parametrize("last", [False, True])
def test_a_quotation_mark_that_is_never_closed(tmp_path: Path, last: bool) -> None:
    header, opened = ("id,lon,lat,note", 'b,1,2,"x') if last else ("note,id,lon,lat", '"x,b,1,2')
    text = f"{header}\na,1,1,1\n{opened}\nc,1,2,3\nd,1,2,3\n"
    batch = read.whole(homes(written(tmp_path / "a.csv", text)))
    assert batch.rows.tolist() == [1]
    assert batch.malformed["row"].tolist() == [2]
    assert "not closed" in batch.malformed["reason"][0]
    assert "d,1,2,3" in str(batch.malformed["raw"][0])


def test_a_quotation_mark_that_is_never_closed_in_a_large_file(tmp_path: Path) -> None:
    rows = "\n".join(f"{row},1,2" for row in range(2_000_000))
    path = written(tmp_path / "a.csv", f'id,lon,lat\na,1,2\n"b,1,2\n{rows}\n')
    with pytest.raises(UnreadableFile, match=r"after row 1 .* never closed"):
        read.whole(homes(path))


def test_a_value_may_hold_line_breaks(tmp_path: Path) -> None:
    text = 'id,lon,lat,note\na,1,2,"x, y\nz"\n'
    batch = read.whole(homes(written(tmp_path / "a.csv", text), unit="note"))
    assert batch.text("unit").to_pylist() == ["x, y\nz"]


@given(
    kinds=st.lists(st.sampled_from(["good", "short", "long", "blank"]), max_size=60),
    rows=st.integers(1, 7),
    header_rows=st.integers(1, 3),
)
@settings(max_examples=60, deadline=None)
def test_no_row_is_lost_or_misnumbered(
    tmp_path_factory: pytest.TempPathFactory, kinds: list[str], rows: int, header_rows: int
) -> None:
    lines = {"good": "{},1,2", "short": "{},1", "long": "{},1,2,3", "blank": ""}
    body = [lines[kind].format(number) for number, kind in enumerate(kinds, start=1)]
    header = ["id,lon,lat"] + ["other,header,row"] * (header_rows - 1)
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    written(path, "\n".join([*header, *body]) + "\n")
    good: list[int] = []
    bad: list[int] = []
    for batch in read.batches(homes(path, header_rows=header_rows), rows=rows):
        assert len(batch) <= rows
        assert batch.text("id").to_pylist() == [str(row) for row in batch.rows]
        good += batch.rows.tolist()
        bad += batch.malformed["row"].tolist()
    numbered = list(enumerate(kinds, start=1))
    assert good == [row for row, kind in numbered if kind == "good"]
    assert bad == [row for row, kind in numbered if kind in {"short", "long"}]


def test_row_numbers_hold_over_many_blocks(tmp_path: Path) -> None:
    count = 400_000
    lines = [f"{row},{'x' * 40},1,2" for row in range(1, count + 1)]
    for row in range(1000, count, 7919):
        lines[row - 1] += ",too,many"
    path = written(tmp_path / "a.csv", "id,filler,lon,lat\n" + "\n".join(lines))
    parts = list(read.batches(homes(path)))
    assert len(parts) > 2
    for batch in parts:
        assert batch.text("id").to_pylist() == [str(row) for row in batch.rows]
    bad = np.concatenate([batch.malformed["row"].to_numpy() for batch in parts])
    assert bad.tolist() == list(range(1000, count, 7919))
    assert sum(len(batch) for batch in parts) + len(bad) == count
    done = [batch.done for batch in parts]
    assert done == sorted(done)
    assert done[-1] == 1.0


@pytest.mark.parametrize(
    ("encoding", "text", "found"),
    [
        ("utf-8", "幸福路12号", "utf-8"),
        ("utf-8-sig", "幸福路12号", "utf-8-sig"),
        ("utf-16", "幸福路12号", "utf-16"),
        ("gb18030", "滨江区浦沿街道东冠社区6幢", "gb18030"),
        ("gb18030", "东一区", "gb18030"),
        ("big5", "臺南市新營區民權里", "big5hkscs"),
        ("big5", "二級發布區代碼", "big5hkscs"),
        ("cp932", "東京都台東区台東一丁目", "cp932"),
        ("cp932", "セブンイレブン", "cp932"),
        ("cp1252", "Rue de la Résistance", "cp1252"),
        ("cp1252", "Åsa Öberg Straße", "cp1252"),
        ("ascii", "Second Street", "utf-8"),
    ],
)
def test_encodings_are_found(tmp_path: Path, encoding: str, text: str, found: str) -> None:
    path = written(tmp_path / "a.csv", f"id,address,lon,lat\n1,{text},1,2\n", encoding)
    batch = read.whole(homes(path, address="address"))
    assert batch.info.encoding == found
    assert batch.text("address").to_pylist() == [text]
    guessed = encoding in {"gb18030", "big5", "cp932", "cp1252"}
    assert any("by its look" in warning for warning in batch.warnings) == guessed


@pytest.mark.parametrize("encoding", ["gb18030", "gbk", "big5", "cp932", "utf-16-le", "cp949"])
def test_a_named_encoding_is_followed(tmp_path: Path, encoding: str) -> None:
    text = "中山路" if encoding != "cp949" else "행복동"
    path = written(tmp_path / "a.csv", f"id,address,lon,lat\n1,{text},1,2\n", encoding)
    batch = read.whole(homes(path, address="address", encoding=encoding))
    assert batch.text("address").to_pylist() == [text]
    assert batch.warnings == []


def test_an_encoding_is_found_beyond_a_long_start_in_ascii(tmp_path: Path) -> None:
    lines = ["id,address,lon,lat", *(f"{row},Second Street,1,2" for row in range(120_000))]
    path = written(tmp_path / "a.csv", "\n".join([*lines, "9,幸福路社区居委会,1,2"]), "gb18030")
    assert path.stat().st_size > 2 << 20
    batch = read.whole(homes(path, address="address"))
    assert batch.info.encoding == "gb18030"
    assert batch.text("address")[-1].as_py() == "幸福路社区居委会"


def test_broken_bytes_do_not_stop_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    good = "".join(f"{row},幸福路,1,2\n" for row in range(100))
    path.write_bytes(f"id,address,lon,lat\n{good}".encode() + b"x,bad \xff byte,1,2\n")
    batch = read.whole(homes(path, address="address", encoding="utf-8"))
    assert len(batch) == 101
    assert batch.text("address")[100].as_py() == "bad \ufffd byte"
    assert batch.text("address")[99].as_py() == "幸福路"


@given(
    text=st.text(st.characters(codec="gb18030", exclude_characters="\0"), max_size=300),
    sizes=st.lists(st.integers(1, 50), min_size=1, max_size=5),
)
@settings(max_examples=60, deadline=None)
def test_transcoding_in_pieces_equals_transcoding_at_once(text: str, sizes: list[int]) -> None:
    stream = Utf8Stream(io.BytesIO(text.encode("gb18030")), "gb18030")
    got, turn = b"", 0
    while piece := stream.read(sizes[turn % len(sizes)]):
        assert len(piece) <= sizes[turn % len(sizes)]
        got += piece
        turn += 1
    assert got.decode() == text


@given(st.text(max_size=200))
@settings(max_examples=60, deadline=None)
def test_utf8_is_always_seen_as_utf8(text: str) -> None:
    data = text.encode()
    assert detect(data).encoding.startswith("utf-")
    assert detect_file(io.BytesIO(data), chunk=16) in (detect(data), detect(b""))


@pytest.mark.parametrize("delimiter", [";", "\t", "|", ","])
def test_delimiters_are_found_or_named(tmp_path: Path, delimiter: str) -> None:
    path = written(tmp_path / "a.csv", "id,lon,lat\na b,1,2\n".replace(",", delimiter))
    for named in (None, delimiter):
        assert read.whole(homes(path, delimiter=named)).text("id").to_pylist() == ["a b"]


def test_packed_csv(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress("id,lon,lat\n1,2,3\n".encode("utf-8-sig")))
    assert read.whole(homes(path)).text("id").to_pylist() == ["1"]


def test_a_header_alone_is_no_rows(tmp_path: Path) -> None:
    parts = list(read.batches(homes(written(tmp_path / "a.csv", "id,lon,lat\n"))))
    assert [len(batch) for batch in parts] == [0]
    assert parts[0].text("id").to_pylist() == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"\n\n", "empty"),
        (b"\xef\xbb\xbf", "empty"),
        ("id,lon,lat\n1,2,3\n".encode("utf-16-le"), "NUL"),
        (b"id,lon\n1,2\n", "there is no column 'lat'"),
        (b"id,lon,latitude\n1,2,3\n", "did you mean 'latitude'"),
        (b"id,lon,lat,lat\n1,2,3,3\n", "twice"),
    ],
)
def test_files_that_cannot_be_read(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=words) as caught:
        read.whole(homes(path))
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_columns_are_checked_before_a_row_is_read(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", "id,lng,lat\n")
    with pytest.raises(InputError, match=r"no column 'lon'.*\[households\] lon.*mean 'lng'"):
        read.inspect(homes(path))
    with pytest.raises(InputError, match=r"carries no geometry.*lon and lat"):
        read.inspect(homes(path, lon=None, lat=None))
    areas = DivisionSource(table="divisions 1", file=path, level="community", code="id")
    with pytest.raises(InputError, match=r"carries no geometry.*GeoPackage"):
        read.inspect(areas)
    places = FacilitySource(table="facilities", file=path, id="id")
    with pytest.raises(InputError, match="carries no geometry"):
        read.inspect(places)
    # a member may have no place
    read.inspect(MemberSource(table="members", file=path, id="id", roles="lng"))


# -- GDAL formats ---------------------------------------------------------------------------------


@pytest.fixture
def areas() -> gpd.GeoDataFrame:
    """Three squares with a code that has leading zeros, a count and a missing name."""
    return gpd.GeoDataFrame(
        {
            "code": ["0001", "0002", "0003"],
            "number": [1, 2, 3],
            "share": [1.0, 2.5, np.nan],
            "name": ["东", "西", None],
        },
        geometry=[shapely.box(x, 0, x + 1, 1) for x in range(3)],
        crs="EPSG:4326",
    )


def divisions(path: Path, **keys) -> DivisionSource:
    given = {"level": "community", "code": "code", "name": "name", **keys}
    return DivisionSource(table="divisions 1", file=path, **given)


@pytest.mark.parametrize(
    "name", ["a.gpkg", "a.geojson", "a.shp", "a.fgb", "a.gml", "a.parquet", "a.sqlite", "a.tab"]
)
def test_formats(tmp_path: Path, areas: gpd.GeoDataFrame, name: str) -> None:
    path = tmp_path / name
    if name.endswith("parquet"):
        areas.to_parquet(path)
    else:
        drivers = {".tab": "MapInfo File", ".sqlite": "SQLite"}
        options = {"encoding": "UTF-8"} if path.suffix in {".shp", ".tab"} else {}
        areas.to_file(path, driver=drivers.get(path.suffix), **options)
    batch = read.whole(divisions(path))
    # FlatGeobuf keeps its features in the order of its index
    named = dict(zip(batch.text("code").to_pylist(), batch.text("name").to_pylist(), strict=True))
    assert named == {"0001": "东", "0002": "西", "0003": None}
    assert shapely.area(batch.geometry) == pytest.approx([1, 1, 1])
    assert batch.rows.tolist() == [1, 2, 3]
    assert batch.crs == "EPSG:4326"
    assert len(list(read.batches(divisions(path), rows=2))) == 2


def test_numbers_as_codes_have_no_point(tmp_path: Path, areas: gpd.GeoDataFrame) -> None:
    areas.to_file(tmp_path / "a.gpkg")
    by_number = read.whole(divisions(tmp_path / "a.gpkg", code="number", name="share"))
    assert by_number.text("code").to_pylist() == ["1", "2", "3"]
    assert by_number.text("name").to_pylist() == ["1", "2.5", None]


def test_text_of_any_column_type() -> None:
    assert read.as_text(pa.array([13106001001.0, None, 0.5])).to_pylist() == [
        "13106001001",
        None,
        "0.5",
    ]
    assert read.as_text(pa.array(["a", " a "]).dictionary_encode()).to_pylist() == ["a", "a"]
    assert read.as_text(pa.array([["a", "b"], []])).to_pylist() == ["a;b", None]
    assert read.as_text(pa.array([True, None])).to_pylist() == ["true", None]
    assert read.as_text(pa.array([], pa.float64())).to_pylist() == []


def test_z_is_dropped(tmp_path: Path) -> None:
    frame = gpd.GeoDataFrame({"code": ["1"]}, geometry=[shapely.box(0, 0, 1, 1)], crs=4326)
    frame.geometry = shapely.force_3d(frame.geometry.array, 7.0)
    frame.to_file(tmp_path / "a.gpkg")
    batch = read.whole(divisions(tmp_path / "a.gpkg", name=None))
    assert not shapely.has_z(batch.geometry).any()


def test_layers_have_to_be_named_where_there_are_several(
    tmp_path: Path, areas: gpd.GeoDataFrame
) -> None:
    path = tmp_path / "a.gpkg"
    areas.to_file(path, layer="villages")
    assert len(read.whole(divisions(path))) == 3
    areas.to_file(path, layer="districts")
    with pytest.raises(InputError, match=r"2 layers.*villages \(Polygon\), districts"):
        read.inspect(divisions(path))
    assert len(read.whole(divisions(path, layer="districts"))) == 3
    with pytest.raises(InputError, match=r"no layer 'vilages'.*mean 'villages'"):
        read.inspect(divisions(path, layer="vilages"))


@pytest.mark.parametrize(
    ("encoding", "text", "driver"),
    [
        ("cp932", "浅草橋", 0),
        ("gb18030", "东冠社区", 0),
        ("big5", "民權里", 0),
        ("gb18030", "东冠社区", 0x57),
        ("cp1251", "Москва", 0xC9),
        ("utf-8", "东冠社区", 0xC9),
    ],
)
def test_shapefiles_that_do_not_state_their_encoding(
    tmp_path: Path, areas: gpd.GeoDataFrame, encoding: str, text: str, driver: int
) -> None:
    path = tmp_path / "a.shp"
    areas.assign(name=text).to_file(path, encoding="utf-8")
    path.with_suffix(".cpg").unlink()
    table = path.with_suffix(".dbf")
    data = bytearray(table.read_bytes())
    data[29] = driver
    utf8, other = text.encode(), text.encode(encoding)
    table.write_bytes(bytes(data).replace(utf8, other.ljust(len(utf8))))
    for named in (None, encoding):
        batch = read.whole(divisions(path, encoding=named))
        assert set(batch.text("name").to_pylist()) == {text}
        assert bool(batch.warnings) == (named is None and encoding != "utf-8")


def test_a_spreadsheet_is_read_as_text(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    frame = pd.DataFrame({"id": ["0010", "0020"], "lon": ["1.5", "2"], "lat": ["3", "4"]})
    gpd.GeoDataFrame(frame, geometry=[None, None], crs=4326).to_file(
        path, driver="XLSX", engine="pyogrio"
    )
    batch = read.whole(homes(path))
    assert batch.text("id").to_pylist() == ["0010", "0020"]
    assert batch.text("lon").to_pylist() == ["1.5", "2"]


def test_parquet_without_geometry(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"id": ["01", "02"], "lon": [1.0, 2.0], "lat": [3.0, None]}), path)
    batch = read.whole(homes(path))
    assert batch.geometry is None
    assert batch.text("id").to_pylist() == ["01", "02"]
    assert batch.text("lat").to_pylist() == ["3", None]


def test_geoparquet_with_native_points(tmp_path: Path) -> None:
    frame = gpd.GeoDataFrame({"id": ["1"]}, geometry=[shapely.Point(3, 4)], crs=3857)
    frame.to_parquet(tmp_path / "a.parquet", geometry_encoding="geoarrow", schema_version="1.1.0")
    batch = read.whole(homes(tmp_path / "a.parquet", lon=None, lat=None, crs=None))
    assert batch.crs == "EPSG:3857"
    assert shapely.equals(batch.geometry[0], shapely.Point(3, 4))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.js", b"var areas = {'type': 'FeatureCollection'}", "JavaScript.*'areas'"),
        ("a.geojson", b'{"type": "FeatureCollection", "features": [', "JSON"),
        ("a.geojson", b"", "empty"),
        ("a.geojson", b"<!DOCTYPE html><html>", "web page"),
        ("a.shp", b"\0\0", "GDAL cannot read it"),
        ("a.parquet", b"nothing", "no Parquet"),
    ],
)
def test_files_that_are_not_what_they_say(
    tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UnreadableFile, match=words) as caught:
        read.whole(divisions(path))
    assert "\n" not in str(caught.value)


# -- CRS ------------------------------------------------------------------------------------------


def test_the_crs_of_the_manifest_comes_first(tmp_path: Path, areas: gpd.GeoDataFrame) -> None:
    path = tmp_path / "a.gpkg"
    areas.to_crs(3857).to_file(path)
    assert read.inspect(divisions(path)).crs == "EPSG:3857"
    own = read.inspect(divisions(path, dataset_crs="EPSG:4326"))
    assert own.crs == "EPSG:3857"
    assert "[dataset] says EPSG:4326" in own.warnings[0]
    stated = read.inspect(divisions(path, crs="EPSG:3395"))
    assert stated.crs == "EPSG:3395"
    assert "the file says EPSG:3857" in stated.warnings[0]
    assert read.inspect(divisions(path, crs="EPSG:3857")).warnings == []


def test_gcj02_on_a_file_that_says_wgs84_is_no_conflict(
    tmp_path: Path, areas: gpd.GeoDataFrame
) -> None:
    areas.to_file(tmp_path / "a.geojson")
    stated = read.inspect(divisions(tmp_path / "a.geojson", crs="gcj02"))
    assert (stated.crs, stated.warnings) == ("gcj02", [])
    dataset = read.inspect(divisions(tmp_path / "a.geojson", dataset_crs="gcj02"))
    assert dataset.crs == "EPSG:4326"
    assert len(dataset.warnings) == 1


def test_no_crs_anywhere_is_a_warning(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", "id,lon,lat\n1,2,3\n")
    info = read.inspect(homes(path, crs=None))
    assert info.crs == "EPSG:4326"
    assert "taken as EPSG:4326" in info.warnings[0]
    assert read.inspect(homes(path, crs=None, dataset_crs="bd09")).crs == "bd09"


def test_barriers_may_name_a_kind_that_is_no_column(
    tmp_path: Path, areas: gpd.GeoDataFrame
) -> None:
    areas.to_file(tmp_path / "a.gpkg")
    source = BarrierSource(table="barriers 1", file=tmp_path / "a.gpkg", kind="river", weight="w")
    with pytest.raises(InputError, match="no column 'w'"):
        read.inspect(source)
    shutil.copy(tmp_path / "a.gpkg", tmp_path / "b.gpkg")
    read.inspect(BarrierSource(table="barriers 1", file=tmp_path / "b.gpkg", kind="river"))


def test_arcs_are_read_as_lines(tmp_path: Path) -> None:
    """A file of curves: GDAL says how they bend, shapely knows only straight edges."""
    arc = "CURVEPOLYGON(CIRCULARSTRING(0 0,1 1,2 0,1 -1,0 0))"
    table = written(tmp_path / "arcs.csv", f'WKT,code\n,a\n"{arc}",b\n"POINT(5 5)",c\n')
    vrt = written(
        tmp_path / "arcs.vrt",
        f"""<OGRVRTDataSource><OGRVRTLayer name="arcs"><SrcDataSource>{table}</SrcDataSource>
        <GeometryType>wkbUnknown</GeometryType><LayerSRS>EPSG:3857</LayerSRS>
        <GeometryField encoding="WKT" field="WKT"/></OGRVRTLayer></OGRVRTDataSource>""",
    )
    batches = list(read.batches(BarrierSource(table="barriers", file=vrt), rows=2))
    shapes = np.concatenate([batch.geometry for batch in batches])
    assert batches[0].table.column("code").to_pylist() == ["a", "b"]
    assert shapes[0] is None
    assert shapes[1].area == pytest.approx(np.pi, rel=1e-3)
    assert shapes[2].equals(shapely.Point(5, 5))
