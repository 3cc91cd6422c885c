"""Real bad input: each gives a clear error or warning, and every row is accounted for."""

from __future__ import annotations

from pathlib import Path

import pyogrio
import pytest
import shapely

from geodata import read
from geodata.errors import InputError, UnreadableFile
from geodata.frames import Frames, read_frames
from geodata.manifest import read_manifest


@pytest.fixture
def quirks(shared_data: Path) -> Path:
    return shared_data / "quirks"


@pytest.fixture
def cambridge(shared_data: Path) -> Path:
    return shared_data / "cambridge"


def frames(folder: Path, cambridge: Path, **tables: str) -> Frames:
    """The frames of a small manifest: Cambridge's communities and households unless told."""
    defaults = {
        "divisions": f"""
[[divisions]]
level = "community"
file = "{cambridge / "communities.geojson"}"
code = "community_code"
name = "community_name"
""",
        "households": f"""
[households]
file = "{cambridge / "households_by_record.csv"}"
id = "HH_RECORD_ID"
households = "HH_CNT"
lon = "LNG"
lat = "LAT"
""",
    }
    path = folder / "dataset.toml"
    path.write_text("\n".join({**defaults, **tables}.values()), encoding="utf-8")
    return read_frames(read_manifest(path))


def areas(path: Path, code: str, name: str, **keys: str) -> str:
    more = "\n".join(f'{key} = "{value}"' for key, value in keys.items())
    return f"""
[[divisions]]
level = "community"
file = "{path}"
code = "{code}"
name = "{name}"
{more}
"""


def test_a_japanese_shapefile_without_cpg(quirks: Path, cambridge: Path, tmp_path: Path) -> None:
    found = frames(
        tmp_path, cambridge, divisions=areas(quirks / "r2ka13106.shp", "KEY_CODE", "S_NAME")
    )
    assert len(found.communities) == 108
    assert found.communities["name"][0] == "台東一丁目"
    assert found.communities["code"][0] == "13106001001"
    [encoding] = [warning for warning in found.warnings if "r2ka13106" in warning]
    assert "cp932" in encoding
    assert ".cpg" in encoding


def test_codes_that_repeat_under_one_name(quirks: Path, cambridge: Path, tmp_path: Path) -> None:
    # one ward of 108 towns: one code, one name
    ward = areas(quirks / "r2ka13106.shp", "CITY", "CITY_NAME")
    found = frames(tmp_path, cambridge, divisions=ward)
    assert found.communities["name"].tolist() == ["台東区"]
    assert any("108 features share 1 code" in warning for warning in found.warnings)
    # the same code under other names is no part of the same place
    towns = areas(quirks / "r2ka13106.shp", "CITY", "S_NAME")
    found = frames(tmp_path, cambridge, divisions=towns)
    assert len(found.communities) == 1
    assert (found.rejects["source"] == "divisions 1").sum() == 107
    assert "taken by '台東一丁目' in row 1" in found.rejects["reason"][0]


def test_names_that_are_dashes(quirks: Path, cambridge: Path, tmp_path: Path) -> None:
    found = frames(
        tmp_path, cambridge, divisions=areas(quirks / "r2ka13106.shp", "KEY_CODE", "DUMMY1")
    )
    assert found.communities["name"].tolist() == found.communities["code"].tolist()
    assert any("108 names blank or '-'" in warning for warning in found.warnings)


def test_singapore_subzones(quirks: Path, cambridge: Path, tmp_path: Path) -> None:
    path = quirks / "singapore_subzones_invalid.geojson"
    found = frames(tmp_path, cambridge, divisions=areas(path, "SUBZONE_C", "SUBZONE_N"))
    assert len(found.communities) == 332
    assert found.communities.is_valid.all()
    assert (found.rejects["source"] == "divisions 1").sum() == 0
    assert any("6 invalid polygons repaired" in warning for warning in found.warnings)
    assert any("share" in warning and "merged" in warning for warning in found.warnings)
    # nothing is lost: the area stays, but for what invalid rings count twice
    raw = pyogrio.read_dataframe(path)
    assert found.communities.to_crs(3414).area.sum() == pytest.approx(
        raw.to_crs(3414).area.sum(), rel=1e-3
    )


def test_javascript_is_not_geojson(quirks: Path, cambridge: Path, tmp_path: Path) -> None:
    path = quirks / "geojson_in_javascript.js"
    with pytest.raises(UnreadableFile) as caught:
        frames(tmp_path, cambridge, divisions=areas(path, "SUBZONE_C", "SUBZONE_N"))
    message = str(caught.value)
    assert "JavaScript" in message
    assert "exp_SUBZONESVY21" in message
    assert "save it as .geojson" in message
    assert "\n" not in message


def barriers(path: Path, layer: str) -> str:
    return f'[[barriers]]\nfile = "{path}"\nlayer = "{layer}"\n'


def test_a_pbf_without_ways(quirks: Path, cambridge: Path, tmp_path: Path) -> None:
    path = quirks / "nodes_only_no_ways.osm.pbf"
    with pytest.raises(InputError, match=r"layers.*lines \(LineString\)"):
        frames(tmp_path, cambridge, barriers=f'[[barriers]]\nfile = "{path}"\n')
    found = frames(tmp_path, cambridge, barriers=barriers(path, "lines"))
    assert len(found.barriers) == 0
    assert any("'lines'" in w and "holds no lines or polygons" in w for w in found.warnings)
    found = frames(tmp_path, cambridge, barriers=barriers(path, "points"))
    rejected = found.rejects[found.rejects["source"] == "barriers 1"]
    assert len(rejected) == len(pyogrio.read_dataframe(path, layer="points")) > 6000
    assert "a Point is no barrier" in rejected["reason"].iloc[0]
    assert any("holds no lines or polygons" in warning for warning in found.warnings)


def test_big5_with_two_header_rows(quirks: Path, cambridge: Path, tmp_path: Path) -> None:
    path = quirks / "tainan_units_10512_BIG5_two_header_rows.csv"
    table = (
        f'[households]\nfile = "{path}"\nid = "CODEBASE"\nhouseholds = "H_CNT"\nheader_rows = 2\n'
    )
    # it has no coordinates: an error that says what to do
    with pytest.raises(InputError, match=r"carries no geometry.*lon and lat"):
        frames(tmp_path, cambridge, households=table)
    # the table itself reads right, here as members, who need no place
    members = f'[members]\nfile = "{path}"\nid = "CODEBASE"\nroles = "CODE1"\nheader_rows = 2\n'
    path_of = tmp_path / "members.toml"
    path_of.write_text(
        areas(cambridge / "communities.geojson", "community_code", "community_name")
        + table
        + members,
        encoding="utf-8",
    )
    batch = read.whole(read_manifest(path_of).members)
    assert batch.info.encoding == "big5hkscs"
    assert any("big5" in warning for warning in batch.warnings)
    assert len(batch) == 11_870
    assert batch.text("id")[0].as_py() == "A6701-0005-00"
    assert batch.rows[0] == 1


def test_a_header_row_too_many_is_rejected_and_not_lost(
    quirks: Path, cambridge: Path, tmp_path: Path
) -> None:
    path = quirks / "tainan_units_10512_BIG5_two_header_rows.csv"
    table = f"""
[households]
file = "{path}"
id = "CODEBASE"
households = "H_CNT"
lon = "P_CNT"
lat = "M_CNT"
"""
    found = frames(tmp_path, cambridge, households=table)
    first = found.rejects.iloc[0]
    assert first["row"] == 1
    assert first["raw"]["CODEBASE"] == "最小統計區代碼"
    assert len(found.households) + len(found.rejects) == 11_871


def test_gb18030_with_chinese_headers(cambridge: Path, tmp_path: Path) -> None:
    table = f"""
[households]
file = "{cambridge / "households_first6000_gb18030.csv"}"
id = "户编号"
address = "详细地址"
community = "所属社区"
lon = "经度"
lat = "纬度"
crs = "EPSG:4326"
"""
    found = frames(tmp_path, cambridge, households=table)
    assert len(found.households) == 6000
    assert len(found.rejects) == 0
    assert found.households["community"][0] == "East Cambridge"
    [encoding] = [warning for warning in found.warnings if "gb18030" in warning]
    assert 'set encoding = "gb18030"' in encoding


def test_invalid_parcels(cambridge: Path, tmp_path: Path) -> None:
    path = cambridge / "parcels_invalid_asis.geojson"
    found = frames(tmp_path, cambridge, divisions=areas(path, "id", "ML"))
    named = found.rejects[found.rejects["source"] == "divisions 1"]
    assert found.communities.is_valid.all()
    assert len(found.communities) + len(named) == 37
    assert any("37 invalid polygons repaired" in warning for warning in found.warnings)


@pytest.mark.parametrize(("file", "crs"), [("jgd2000", "EPSG:4612"), ("tokyo", "EPSG:4301")])
def test_tokyo_shops_in_either_datum_come_out_at_one_place(
    quirks: Path, cambridge: Path, tmp_path: Path, file: str, crs: str
) -> None:
    towns = areas(quirks / "r2ka13106.shp", "KEY_CODE", "S_NAME")
    table = f"""
[facilities]
file = "{quirks / f"tokyo_shops_{file}.shp"}"
id = "name"
"""
    found = frames(tmp_path, cambridge, divisions=towns, facilities=table)
    repeated = found.rejects[found.rejects["source"] == "facilities"]
    assert len(found.facilities) + len(repeated) == 3853
    right = pyogrio.read_dataframe(quirks / "tokyo_shops_jgd2000.shp")
    first = right.drop_duplicates("name").dropna(subset="name")
    apart = shapely.distance(first.geometry.array, found.facilities.geometry.array)
    assert apart.max() < 2e-4  # some 10 m: what PROJ's transformation is good for
    assert read.inspect(read_manifest(tmp_path / "dataset.toml").facilities).crs == crs


def test_a_datum_that_the_manifest_gets_wrong(
    quirks: Path, cambridge: Path, tmp_path: Path
) -> None:
    towns = areas(quirks / "r2ka13106.shp", "KEY_CODE", "S_NAME")
    table = f"""
[facilities]
file = "{quirks / "tokyo_shops_tokyo.shp"}"
id = "name"
crs = "EPSG:4612"
"""
    found = frames(tmp_path, cambridge, divisions=towns, facilities=table)
    [conflict] = [warning for warning in found.warnings if "tokyo_shops" in warning]
    assert "the file says EPSG:4301 (Tokyo)" in conflict
    assert "the manifest is followed" in conflict


def test_the_whole_of_cambridge_and_tainan(shared_data: Path) -> None:
    cambridge = read_frames(read_manifest(shared_data / "cambridge" / "dataset.toml"))
    assert len(cambridge.households) == 22_898
    assert cambridge.households["households"].sum() == 42_993
    assert (len(cambridge.members), len(cambridge.facilities)) == (1010, 297)
    assert len(cambridge.barriers) == 2643 + 97 + 74
    assert len(cambridge.rejects) == 0
    assert cambridge.warnings == []
    tainan = read_frames(read_manifest(shared_data / "tainan" / "dataset.toml"))
    assert len(tainan.communities) == 752
    assert tainan.divisions["parent"].notna().sum() == 752
    # 944 units have no count: rejected, with a reason, not counted as one
    assert (len(tainan.households), len(tainan.rejects)) == (11_830, 944)
    assert tainan.households["households"].sum() == 676_505
    [repaired] = tainan.warnings
    assert "67000200010 (row 369)" in repaired
