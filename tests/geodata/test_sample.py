"""Samples: the same for the same seed, exact tilings, right codes, stated dirt."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from geodata import sample
from geodata.errors import InputError
from geodata.frames import read_frames
from geodata.manifest import read_manifest
from geodata.sample.dataset import HOUSEHOLDS
from geodata.sample.dirt import DIRT
from geodata.sample.people import TEAM
from geodata.schema import DIVISIONS, LEVELS, ROLE_PATTERN
from geodata.schema import HOUSEHOLDS as HOUSEHOLD_COLUMNS


@pytest.fixture(scope="module")
def city() -> sample.SampleFrames:
    return sample.city(seed=3)


@pytest.fixture(scope="module")
def town() -> sample.SampleFrames:
    return sample.town(seed=3)


@pytest.fixture(scope="module")
def province(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    folder = tmp_path_factory.mktemp("province")
    return folder, sample.province(folder, 40_000, seed=3)


def level(divisions: gpd.GeoDataFrame, name: str) -> gpd.GeoDataFrame:
    return divisions[divisions["level"] == name].reset_index(drop=True)


def check_tiling(divisions: gpd.GeoDataFrame) -> None:
    """Every level is a valid coverage, and every parent the union of its children."""
    for name in LEVELS:
        polygons = level(divisions, name).geometry.to_numpy()
        assert shapely.is_valid(polygons).all(), name
        assert shapely.coverage_is_valid(polygons), name
    outline = divisions.set_index("code").geometry
    children = divisions[divisions["parent"].notna()]
    for parent, group in children.groupby("parent"):
        union = shapely.coverage_union_all(group.geometry.to_numpy())
        assert shapely.equals(union, outline[parent]), parent


def check_codes(divisions: gpd.GeoDataFrame) -> None:
    """Twelve digits, unique, the parent one level up, the township part as its kind has it."""
    assert divisions["code"].is_unique
    assert divisions["code"].str.fullmatch(r"9[789]\d{10}").all()
    rank = dict(zip(divisions["code"], divisions["level"].map(LEVELS.index), strict=True))
    for row in divisions.itertuples():
        if row.level == "province":
            assert row.parent is None or pd.isna(row.parent)
        else:
            assert rank[row.parent] == rank[row.code] - 1
    significant = dict(zip(LEVELS, (2, 4, 6, 9, 12), strict=True))
    for name, digits in significant.items():
        codes = level(divisions, name)["code"]
        assert (codes.str[digits:] == "0" * (12 - digits)).all()
    communities = level(divisions, "community")
    assert (communities["code"].str[:9] == communities["parent"].str[:9]).all()
    streets = level(divisions, "street")
    ranges = {"Subdistrict": (1, 99), "Town": (100, 199), "Township": (200, 399)}
    for row in streets.itertuples():
        low, high = ranges.get(row.name.rsplit(" ", 1)[1], (400, 599))
        assert low <= int(row.code[6:9]) <= high


def covering(frames: sample.SampleFrames) -> None:
    """Every household lies inside the community that it declares."""
    outline = frames.communities.set_index("code").geometry
    own = outline.loc[frames.households["community"]].to_numpy()
    assert shapely.covers(own, frames.households.geometry.to_numpy()).all()


@pytest.mark.parametrize("place", ["town", "city"])
def test_levels_tile_and_codes_hold(place: str, request: pytest.FixtureRequest) -> None:
    frames = request.getfixturevalue(place)
    check_tiling(frames.divisions)
    check_codes(frames.divisions)
    covering(frames)
    assert len(frames.households) == HOUSEHOLDS[place]


def test_frames_have_the_columns_of_the_schema(town: sample.SampleFrames) -> None:
    assert set(DIVISIONS) <= set(town.divisions.columns)
    assert set(HOUSEHOLD_COLUMNS) <= set(town.households.columns)
    assert {"kind", "weight"} <= set(town.barriers.columns)
    assert {"member_id", "name", "roles", "max_posts"} <= set(town.members.columns)
    assert {"facility_id", "name", "kind"} <= set(town.facilities.columns)
    for frame in vars(town).values():
        assert frame.crs == "EPSG:4326"


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**31 - 1), households=st.integers(50, 4_000))
def test_every_seed_makes_a_sound_town(seed: int, households: int) -> None:
    frames = sample.town(households, seed=seed)
    assert len(frames.households) == households
    assert frames.households["reference"].is_unique
    check_tiling(frames.divisions)
    check_codes(frames.divisions)
    covering(frames)
    assert (frames.barriers["weight"] > 0).all()
    assert shapely.is_valid(frames.barriers.geometry.to_numpy()).all()


@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**31 - 1), households=st.integers(2_000, 80_000))
def test_every_seed_makes_a_sound_city(seed: int, households: int) -> None:
    frames = sample.city(households, seed=seed)
    check_tiling(frames.divisions)
    check_codes(frames.divisions)
    covering(frames)


def test_a_city_has_towers_villages_and_a_development_zone(city: sample.SampleFrames) -> None:
    households = city.households
    stack = households.groupby(["source_x", "source_y"]).size()
    assert (stack >= 200).sum() >= 5
    assert (stack == 1).sum() > 1000
    tower = households.set_index(["source_x", "source_y"]).loc[stack.idxmax()]
    assert tower["building"].notna().all()
    assert tower["unit"].is_unique
    assert city.communities["name"].str.endswith("Village").sum() >= 5
    zones = city.divisions[city.divisions["name"].str.endswith("Development Zone")]
    assert len(zones)
    # a zone breaks the prefix: its parent is known by the column alone
    assert (zones["code"].str[:6] != zones["parent"].str[:6]).all()
    assert households.duplicated(["address", "building", "unit"]).mean() < 0.01


def test_communities_are_of_a_sensible_size_and_follow_barriers(city: sample.SampleFrames) -> None:
    load = city.households.groupby("community").size()
    assert len(load) == len(city.communities)
    assert load.between(300, 5_500).all()
    assert load.between(1_000, 4_000).mean() > 0.7
    plane = city.communities.estimate_utm_crs()
    inner = shapely.coverage_union_all(city.communities.geometry.to_numpy()).boundary
    edges = gpd.GeoSeries(city.communities.boundary.difference(inner), crs="EPSG:4326").to_crs(
        plane
    )
    cuts = city.barriers.to_crs(plane).buffer(1.0).union_all()
    on_cuts = edges.intersection(cuts).length.sum() / edges.length.sum()
    assert on_cuts > 0.6


def test_river_and_bridges(city: sample.SampleFrames) -> None:
    kinds = city.barriers["kind"].value_counts()
    assert {"river", "rail", "trunk", "primary", "secondary", "tertiary", "residential"} <= set(
        kinds.index
    )
    river = city.barriers[city.barriers["kind"] == "river"]
    assert set(river.geom_type) == {"Polygon"}
    main = city.barriers[city.barriers["kind"].isin(["primary", "trunk", "secondary"])]
    assert main.intersects(river.union_all()).sum() >= 3
    dry = ~city.households.intersects(river.union_all())
    assert dry.all()
    weight = city.barriers.groupby("kind")["weight"].first()
    assert weight["river"] > weight["secondary"] > weight["residential"]


def test_members_are_about_eleven_a_grid_and_short_of_police(city: sample.SampleFrames) -> None:
    grids = len(city.households) / 400
    assert 10 < len(city.members) / grids < 12
    roles = city.members["roles"].explode()
    assert roles.str.fullmatch(ROLE_PATTERN).all()
    assert set(roles) == set(TEAM)
    eligible = roles.value_counts()
    assert eligible["police"] * 2 < grids * TEAM["police"]
    assert eligible["doctor"] * 2 < grids * TEAM["doctor"] * 1.1
    assert eligible["volunteer"] * 2 > grids * TEAM["volunteer"]
    assert (city.members["roles"].str.len() == 2).sum() > 20
    assert set(city.members["max_posts"]) == {1, 2}
    assert city.members["member_id"].is_unique
    stations = city.facilities[city.facilities["kind"] == "police_station"]
    police = city.members[city.members["roles"].map(lambda role: "police" in role)]
    at_work = police["affiliation"].isin(stations["facility_id"])
    assert at_work.mean() > 0.6
    assert city.facilities["facility_id"].is_unique


def digest(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.mark.parametrize(
    ("kind", "households", "form"),
    [("town", 800, None), ("town", 800, "geoparquet"), ("province", 12_000, None)],
)
def test_same_arguments_same_bytes(
    tmp_path: Path, kind: str, households: int, form: str | None
) -> None:
    for name, seed in (("one", 5), ("two", 5), ("three", 6)):
        sample.write_sample(kind, tmp_path / name, households=households, seed=seed, format=form)
    assert digest(tmp_path / "one") == digest(tmp_path / "two")
    assert digest(tmp_path / "one") != digest(tmp_path / "three")


def test_every_kind_of_bad_row_is_there(tmp_path: Path) -> None:
    report = sample.write_sample("town", tmp_path, households=900, seed=1)
    assert report["dirty"] == DIRT
    rows = pd.read_csv(report["paths"]["households"], dtype=str, keep_default_na=False)
    assert len(rows) == report["records"] == 900 + sum(DIRT.values())
    lon = pd.to_numeric(rows["lon"], errors="coerce")
    lat = pd.to_numeric(rows["lat"], errors="coerce")
    assert ((rows["lon"] == "") & (rows["lat"] == "")).sum() == DIRT["missing_coordinates"]
    assert ((rows["lon"] != "") & lon.isna()).sum() == DIRT["unreadable_coordinates"]
    assert (lat > 90).sum() == DIRT["swapped_coordinates"]
    assert (rows["household_id"] == "").sum() == DIRT["blank_id"]
    named = rows[rows["household_id"] != ""]
    assert named.duplicated().sum() == DIRT["duplicate_row"]
    again = named.duplicated("household_id").sum()
    assert again == DIRT["duplicate_row"] + DIRT["duplicate_id"]
    known = set(gpd.read_file(report["paths"]["communities"])["code"])
    assert (~rows["community_code"].isin(known)).sum() == DIRT["unknown_community"]
    outline = gpd.read_file(report["paths"]["provinces"]).geometry.iloc[0]
    placed = lon.notna() & (lat < 90)
    away = ~shapely.covers(outline, shapely.points(lon[placed], lat[placed]))
    assert away.sum() == DIRT["outside"]


def test_manifest_names_every_file(tmp_path: Path) -> None:
    report = sample.write_sample("town", tmp_path, households=900, seed=1)
    for key in ("manifest", "manifest_gb18030"):
        manifest = read_manifest(report["paths"][key])
        assert [source.level for source in manifest.divisions] == list(LEVELS)
        assert dict(manifest.team) == TEAM
        assert all(source.file.exists() for source in manifest.sources)
    chinese = Path(report["paths"]["households_gb18030"]).read_bytes().decode("gb18030")
    header, first = chinese.splitlines()[:2]
    assert header.startswith("户编号,详细地址")
    assert re.search(r",[一-鿿]+\d+号,", first)


def test_a_province_streams_to_valid_geoparquet(province: tuple[Path, dict]) -> None:
    _, report = province
    file = pq.ParquetFile(report["paths"]["households"])
    assert file.metadata.num_rows == report["records"]
    geo = json.loads(file.metadata.metadata[b"geo"])
    column = geo["columns"]["geometry"]
    assert geo["version"] == "1.1.0"
    assert column["encoding"] == "WKB"
    assert column["geometry_types"] == ["Point"]
    households = gpd.read_parquet(report["paths"]["households"])
    assert households.crs == "EPSG:4326"
    assert report["households"] == 40_000
    assert households.geometry.isna().sum() == DIRT["missing_coordinates"]
    assert "unreadable_coordinates" not in report["dirty"]
    divisions = pd.concat(
        [
            gpd.read_parquet(report["paths"][name]).assign(level=kind)
            for kind, name in zip(
                LEVELS, ["provinces", "cities", "counties", "streets", "communities"], strict=True
            )
        ],
        ignore_index=True,
    )
    assert report["divisions"]["county"] >= 4
    check_tiling(divisions)
    check_codes(divisions)
    good = households[households["household_id"].fillna("").str.match(r"\d{12}-")]
    outline = divisions.set_index("code").geometry
    good = good[good["community_code"].isin(outline.index)].drop_duplicates("household_id")
    own = outline.loc[good["community_code"]].to_numpy()
    assert shapely.covers(own, good.geometry.to_numpy()).all()


def test_a_province_reads_back(province: tuple[Path, dict]) -> None:
    _, report = province
    frames = read_frames(read_manifest(report["paths"]["manifest"]))
    loaded = {"outside": DIRT["outside"], "unknown_community": DIRT["unknown_community"]}
    assert len(frames.households) == 40_000 + sum(loaded.values())
    assert len(frames.rejects) == sum(report["dirty"].values()) - sum(loaded.values())
    assert len(frames.barriers) == report["barriers"]
    assert len(frames.members) == report["members"]
    assert len(frames.facilities) == report["facilities"]
    land = shapely.coverage_union_all(frames.communities.geometry.to_numpy())
    assert (~frames.households.covered_by(land)).sum() == DIRT["outside"]


def test_a_province_asks_for_small_grids(province: tuple[Path, dict]) -> None:
    folder, report = province
    manifest = tomllib.loads((folder / "dataset.toml").read_text(encoding="utf-8"))
    # 20 million households make 110,000 grids, with 1.2 million members
    assert 20_000_000 / manifest["grid"]["target"] == pytest.approx(110_000, rel=0.01)
    assert report["members"] / report["households"] * 20_000_000 == pytest.approx(1.2e6, rel=0.1)


def test_progress_counts_households(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    sample.write_sample(
        "province",
        tmp_path,
        households=10_000,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert seen[-1] == (10_000, 10_000)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "village"}, "choose town, city or province"),
        ({"kind": "town", "households": 3}, "has 50 to 40,000 households, not 3"),
        ({"kind": "town", "seed": -1}, "seed"),
        ({"kind": "town", "format": "xlsx"}, "choose csv or geoparquet"),
    ],
)
def test_wrong_arguments_say_what_to_do(tmp_path: Path, arguments: dict, message: str) -> None:
    kind = arguments.pop("kind")
    with pytest.raises(InputError, match=message):
        sample.write_sample(kind, tmp_path, **arguments)


def test_a_folder_that_is_a_file_is_one_message(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("x")
    with pytest.raises(InputError, match=r"taken.*name another folder"):
        sample.write_sample("town", tmp_path / "taken", households=100)


def test_towers_stay_below_what_a_grid_holds(city: sample.SampleFrames) -> None:
    stack = city.households.groupby(["source_x", "source_y"]).size()
    assert stack.max() <= 500
    assert np.isfinite(city.households[["source_x", "source_y"]].to_numpy()).all()
