"""dataset.toml: what is read, and what is refused with which words."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from geodata.errors import InputError, ManifestError, UnreadableFile
from geodata.manifest import (
    BarrierSource,
    DivisionSource,
    FacilitySource,
    HouseholdSource,
    MemberSource,
    Source,
    read_manifest,
)

MINIMAL = """
[[divisions]]
level = "community"
file = "areas.geojson"
code = "code"

[households]
file = "homes.csv"
id = "id"
lon = "lon"
lat = "lat"
"""


@pytest.fixture
def write(tmp_path: Path):
    """Write a manifest beside the two files that the minimal one names; return its path."""
    (tmp_path / "areas.geojson").write_text("{}")
    (tmp_path / "homes.csv").write_text("id,lon,lat\n")

    def write_text(text: str) -> Path:
        path = tmp_path / "dataset.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write_text


def test_a_minimal_manifest_has_the_defaults(write) -> None:
    manifest = read_manifest(write(MINIMAL))
    assert manifest.name == manifest.path.parent.name
    assert manifest.prefix == ""
    assert (manifest.grid.minimum, manifest.grid.target, manifest.grid.maximum) == (300, 400, 500)
    assert manifest.grid.snap_tolerance_m == 50.0
    assert dict(manifest.team) == {}
    assert manifest.barriers == ()
    assert manifest.members is None
    assert manifest.households.columns == {"id": "id", "lon": "lon", "lat": "lat"}
    assert manifest.households.file == manifest.path.parent / "homes.csv"


def test_everything_that_can_be_said(write) -> None:
    text = """
[dataset]
name = "两江"
crs = "GCJ-02"
licence = "CC0"
prefix = "lj-"
encoding = "GBK"

[[divisions]]
level = "community"
file = "areas.geojson"
code = "code"
name = "name"
parent = "street"
crs = 4490

[[divisions]]
level = "street"
file = "areas.geojson"
layer = "streets"
code = "street"

[households]
file = "homes.csv"
id = "id"
households = "n"
geometry = "wkt"
crs = "bd09"
encoding = "big5"
header_rows = 2
delimiter = ";"

[[barriers]]
file = "areas.geojson"
weight = 3
kind = "river"

[[barriers]]
file = "areas.geojson"
weight = "w"

[members]
file = "homes.csv"
id = "id"
roles = "roles"
max_posts = "posts"

[facilities]
file = "homes.csv"
id = "id"
kind = "kind"
lon = "lon"
lat = "lat"

[grid]
target = 100
minimum = 100
maximum = 100
snap_tolerance_m = 12.5

[team]
leader = 1
volunteer = 0
"""
    manifest = read_manifest(write(text))
    assert (manifest.name, manifest.crs, manifest.prefix) == ("两江", "gcj02", "lj-")
    assert [source.level for source in manifest.divisions] == ["street", "community"]
    assert manifest.divisions[1].crs == "EPSG:4490"
    assert manifest.divisions[0].dataset_crs == "gcj02"
    assert manifest.divisions[0].encoding == "gbk"
    assert manifest.households.crs == "bd09"
    assert manifest.households.encoding == "big5"
    assert (manifest.households.header_rows, manifest.households.delimiter) == (2, ";")
    assert [source.weight for source in manifest.barriers] == [3.0, "w"]
    assert manifest.barriers[0].columns == {}
    assert manifest.barriers[1].columns == {"weight": "w"}
    assert dict(manifest.team) == {"leader": 1, "volunteer": 0}
    assert [source.table for source in manifest.sources] == [
        "divisions 2",
        "divisions 1",
        "households",
        "barriers 1",
        "barriers 2",
        "members",
        "facilities",
    ]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (('lon = "lon"', 'longitude = "lon"'), ["unknown key 'longitude'", "did you mean 'lon'"]),
        (("[households]", "[household]"), ["unknown table 'household'", "mean 'households'"]),
        (('id = "id"\n', ""), ["'id' is missing", "[households]"]),
        (('lat = "lat"\n', ""), ["'lon' is given but 'lat' is not"]),
        (('file = "homes.csv"', 'file = "home.csv"'), ["no file 'home.csv'", "mean 'homes.csv'"]),
        (('file = "homes.csv"', 'file = "far/home.csv"'), ["there is no folder"]),
        (('id = "id"', "id = 7"), ["households.id", "text in quotes", "7"]),
        (('id = "id"', 'id = "id"\ncrs = "EPSG:999999"'), ["households.crs", "no known CRS"]),
        (('id = "id"', 'id = "id"\nencoding = "klingon"'), ["no known encoding", "gb18030"]),
        (('id = "id"', 'id = "id"\nheader_rows = 0'), ["header_rows", "at least 1"]),
        (('id = "id"', 'id = "id"\ndelimiter = "::"'), ["delimiter", "one character"]),
        (('id = "id"', 'id = "id"\ngeometry = "g"'), ["'lon' and 'lat' or 'geometry', not both"]),
        (('"community"', '"comunity"'), ["no level: 'comunity'", "mean 'community'"]),
        (('"community"', '"county"'), ["no [[divisions]] has level"]),
        (("[[divisions]]", "[divisions]"), ["two brackets"]),
        (("[households]", "[[households]]"), ["must be a table: write [households]"]),
        (("[households]", "[households"), ["not valid TOML", "line"]),
    ],
)
def test_what_is_wrong_is_named(write, change: tuple[str, str], words: list[str]) -> None:
    path = write(MINIMAL.replace(*change, 1))
    with pytest.raises(ManifestError) as caught:
        read_manifest(path)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    for word in words:
        assert word in message


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ("[grid]\ntarget = 200", ["minimum 300 <= target 200 <= maximum 500 does not hold"]),
        ("[grid]\nminimum = 0", ["grid.minimum", "at least 1, not 0"]),
        ("[grid]\ntarget = true", ["grid.target", "whole number", "True"]),
        ("[grid]\ntarget = 400.5", ["grid.target", "400.5"]),
        ("[grid]\ntargt = 400", ["unknown key 'targt'", "did you mean 'target'"]),
        ("[grid]\nsnap_tolerance_m = -1", ["snap_tolerance_m", "metres"]),
        ("[team]\nPolice = 1", ["'Police' is no role name"]),
        ('[team]\npolice = "one"', ["team.police", "'one'"]),
        ("[team]\npolice = -1", ["team.police", "-1"]),
        ("[team]\npolice = true", ["team.police", "True"]),
        ('[dataset]\nprefix = "a b"', ["dataset.prefix", "'a b'"]),
        ('[dataset]\nname = " "', ["dataset.name", "empty"]),
        ("team = 3", ["must be a table"]),
        ("[[barriers]]\nfile = 'homes.csv'\nweight = 0", ["barriers 1.weight", "above 0"]),
        ("[[barriers]]\nfile = 'homes.csv'\nweight = true", ["barriers 1.weight"]),
        ("[members]\nfile = 'homes.csv'\nid = 'id'", ["'roles' is missing", "[members]"]),
        ("[facilities]\nfile = 'homes.csv'", ["'id' is missing"]),
        ("barriers = 'x'", ["two brackets"]),
    ],
)
def test_what_is_wrong_elsewhere_is_named(write, extra: str, words: list[str]) -> None:
    text = f"{MINIMAL}\n{extra}" if extra.startswith("[") else f"{extra}\n{MINIMAL}"
    with pytest.raises(ManifestError) as caught:
        read_manifest(write(text))
    for word in words:
        assert word in str(caught.value)


def test_missing_tables(write) -> None:
    with pytest.raises(ManifestError, match=r"\[\[divisions\]\] is missing"):
        read_manifest(
            write(MINIMAL.partition("[households]")[1] + MINIMAL.partition("[households]")[2])
        )
    with pytest.raises(ManifestError, match=r"\[households\] is missing"):
        read_manifest(write(MINIMAL.partition("[households]")[0]))


def test_a_manifest_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match="no such file"):
        read_manifest(tmp_path / "nowhere.toml")
    with pytest.raises(UnreadableFile, match="folder"):
        read_manifest(tmp_path)
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UnreadableFile, match="UTF-8"):
        read_manifest(binary)


def test_every_fault_is_an_input_error() -> None:
    assert issubclass(ManifestError, InputError)
    assert issubclass(UnreadableFile, InputError)


def test_the_manifests_of_real_data(shared_data: Path) -> None:
    cambridge = read_manifest(shared_data / "cambridge" / "dataset.toml")
    assert cambridge.name == "Cambridge, Massachusetts"
    assert sum(cambridge.team.values()) == 8
    assert [source.layer for source in cambridge.barriers] == ["roads", "rail", "water"]
    tainan = read_manifest(shared_data / "tainan" / "dataset.toml")
    assert tainan.divisions[1].parent == "TOWNCODE"
    assert tainan.households.community == "villcode"


DOCS = Path(__file__).resolve().parents[2] / "docs" / "data.md"


def test_the_example_in_the_guide_is_a_manifest(tmp_path: Path) -> None:
    example = DOCS.read_text(encoding="utf-8").partition("```toml\n")[2].partition("```")[0]
    for name in re.findall(r'^file = "(.+)"', example, re.MULTILINE):
        (tmp_path / name).touch()
    (tmp_path / "dataset.toml").write_text(example, encoding="utf-8")
    manifest = read_manifest(tmp_path / "dataset.toml")
    assert manifest.households.community == "所属社区"
    assert len(manifest.sources) == 7


@pytest.mark.parametrize(
    "kind", [DivisionSource, HouseholdSource, BarrierSource, MemberSource, FacilitySource]
)
def test_every_key_is_in_the_guide(kind: type[Source]) -> None:
    guide = DOCS.read_text(encoding="utf-8")
    keys = {each.name for each in fields(kind)} - {"table", "dataset_crs"}
    assert [key for key in sorted(keys) if f"`{key}`" not in guide] == []
