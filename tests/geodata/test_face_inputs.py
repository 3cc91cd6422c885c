"""Whatever is handed to the public face: an answer, or an InputError that says what to do."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shapely import GeometryCollection, LineString, MultiPolygon, Point, Polygon, box

import geodata as gd
from geodata import change
from geodata.errors import InputError, PlanError
from geodata.inputs import AREAS, POINTS, checked_frame, counts, limits, number, texts

RANDOM = np.random.default_rng(0)
COMMUNITIES = gpd.GeoDataFrame(
    {"code": ["A"], "name": ["a"]}, geometry=[box(0, 0, 0.02, 0.02)], crs="EPSG:4326"
)
HOUSEHOLDS = gpd.GeoDataFrame(
    {"households": np.full(60, 20)},
    geometry=shapely.points(RANDOM.uniform(0.0005, 0.0195, (60, 2))),
    crs="EPSG:4326",
)
BARRIERS = gpd.GeoDataFrame(
    {"weight": [1.0]}, geometry=[LineString([(0, 0.01), (0.02, 0.01)])], crs="EPSG:4326"
)
MEMBERS = gpd.GeoDataFrame(
    {"member_id": ["m1", "m2"], "roles": ["leader", "leader;police"], "max_posts": [1, 2]},
    geometry=[Point(0.01, 0.01), Point(0.015, 0.01)],
    crs="EPSG:4326",
)
GRIDS = gpd.GeoDataFrame(
    {
        "grid_code": ["A001", "A002", "A003"],
        "community_code": "A",
        "households": [400, 400, 400],
        "flag": None,
    },
    geometry=[box(0.02 * n / 3, 0, 0.02 * (n + 1) / 3, 0.02) for n in range(3)],
    crs="EPSG:4326",
)
POSTS = pd.DataFrame({"member_id": ["m1"], "grid_code": ["A001"], "role": ["leader"]})
VACANCIES = pd.DataFrame({"grid_code": ["A002"], "role": ["leader"], "missing": [1]})


def frames(frame: Any) -> Iterator[tuple[str, Any]]:
    """What someone may give in the place of a frame."""
    yield "nothing", None
    yield "a list", [1, 2]
    yield "a path", "grids.geojson"
    yield "a mapping", {"a": 1}
    yield "a number", 7
    yield "a series", frame.iloc[:, 0]
    yield "an empty frame", pd.DataFrame()
    yield "a frame without geometry", pd.DataFrame(frame.iloc[:, :1])
    yield "no rows", frame.iloc[:0]
    yield "two columns of one name", pd.concat([frame, frame.iloc[:, [0]]], axis=1)
    yield "an index with repetitions", frame.set_axis([0] * len(frame))
    yield "an index of text", frame.set_axis([f"x{row}" for row in range(len(frame))])
    yield "an index of pairs", frame.set_axis(pd.MultiIndex.from_arrays([range(len(frame))] * 2))
    if isinstance(frame, gpd.GeoDataFrame):
        yield from geometries(frame)
    for name in frame.columns:
        if name != "geometry":
            yield from columns(frame, name)


def geometries(frame: gpd.GeoDataFrame) -> Iterator[tuple[str, Any]]:
    count = len(frame)
    yield "an empty geoframe", gpd.GeoDataFrame()
    yield "a geoseries", frame.geometry
    yield "geometry as objects", pd.DataFrame(frame)
    yield (
        "no active geometry",
        gpd.GeoDataFrame(pd.DataFrame(frame).rename(columns={"geometry": "shape"})),
    )
    yield "geometry alone", gpd.GeoDataFrame(geometry=frame.geometry)
    yield "geometry of another name", frame.rename_geometry("shape")
    for said, shape in {
        "no geometry": None,
        "an empty polygon": Polygon(),
        "an empty point": Point(),
        "a point": Point(0.01, 0.01),
        "a line": LineString([(0, 0), (0.01, 0.01)]),
        "a polygon": box(0, 0, 0.01, 0.01),
        "a bow tie": Polygon([(0, 0), (0.01, 0.01), (0.01, 0), (0, 0.01)]),
        "a collection": GeometryCollection([Point(0, 0), box(0, 0, 0.01, 0.01)]),
        "many polygons": MultiPolygon([box(0, 0, 0.01, 0.01), box(0.01, 0, 0.02, 0.01)]),
        "no number": Point(np.nan, np.nan),
        "no end": Point(np.inf, 0),
    }.items():
        yield f"all {said}", frame.set_geometry([shape] * count, crs=frame.crs)
        first = [shape, *frame.geometry.iloc[1:]]
        yield f"first {said}", frame.set_geometry(first, crs=frame.crs)
    metres = frame.to_crs("EPSG:32631")
    yield "metres without a CRS", metres.set_crs(None, allow_override=True)
    yield "degrees without a CRS", frame.set_crs(None, allow_override=True)
    yield "metres", metres
    yield "heights", frame.set_geometry(shapely.force_3d(frame.geometry.to_numpy(), 5.0))


def columns(frame: pd.DataFrame, name: str) -> Iterator[tuple[str, Any]]:
    count = len(frame)
    yield f"no {name}", frame.drop(columns=name)
    for said, values in {
        "None": [None] * count,
        "NaN": [np.nan] * count,
        "text": ["nonsense"] * count,
        "fraction": [1.5] * count,
        "negative": [-3] * count,
        "huge": [1e30] * count,
        "infinite": [np.inf] * count,
        "true": [True] * count,
        "objects": [object() for _ in range(count)],
        "lists": [[1]] * count,
        "dates": [pd.Timestamp("2020-01-01")] * count,
        "categories": pd.Categorical(["q"] * count),
        "mixed": [(1, "a", None)[row % 3] for row in range(count)],
    }.items():
        yield f"{name}: {said}", frame.assign(**{name: pd.Series(values, index=frame.index)})


CALLS: dict[str, tuple[Any, Callable[[Any, Path], Any]]] = {
    "delineate, communities": (COMMUNITIES, lambda v, _: gd.delineate(v, HOUSEHOLDS, BARRIERS)),
    "delineate, households": (HOUSEHOLDS, lambda v, _: gd.delineate(COMMUNITIES, v, BARRIERS)),
    "delineate, barriers": (BARRIERS, lambda v, _: gd.delineate(COMMUNITIES, HOUSEHOLDS, v)),
    "assign, grids": (GRIDS, lambda v, _: gd.assign(v, HOUSEHOLDS)),
    "assign, households": (HOUSEHOLDS, lambda v, _: gd.assign(GRIDS, v)),
    "staff, grids": (GRIDS, lambda v, _: gd.staff(v, MEMBERS, {"leader": 1})),
    "staff, members": (MEMBERS, lambda v, _: gd.staff(GRIDS, v, {"leader": 1})),
    "check": (GRIDS, lambda v, _: gd.check(v)),
    "check, with parents": (GRIDS, lambda v, _: gd.check(v, COMMUNITIES)),
    "check, parents": (COMMUNITIES, lambda v, _: gd.check(GRIDS, v)),
    "repair": (GRIDS, lambda v, _: gd.repair(v)),
    "fit": (GRIDS, lambda v, _: gd.fit(v, COMMUNITIES)),
    "fit, parents": (COMMUNITIES, lambda v, _: gd.fit(GRIDS, v)),
    "Coverage": (GRIDS, lambda v, _: gd.Coverage(v).locate([0.01], [0.01])),
    "measure, grids": (GRIDS, lambda v, _: gd.quality.measure(v, COMMUNITIES, BARRIERS)),
    "measure, communities": (COMMUNITIES, lambda v, _: gd.quality.measure(GRIDS, v, BARRIERS)),
    "measure, barriers": (BARRIERS, lambda v, _: gd.quality.measure(GRIDS, COMMUNITIES, v)),
    "polsby_popper": (GRIDS, lambda v, _: gd.quality.polsby_popper(v)),
    "flag_names": (GRIDS, lambda v, _: gd.quality.flag_names(v)),
    "count_parts": (GRIDS, lambda v, _: gd.quality.count_parts(v)),
    "map, grids": (GRIDS, lambda v, _: gd.draw.coverage_map(v, households=HOUSEHOLDS)),
    "map, households": (HOUSEHOLDS, lambda v, _: gd.draw.coverage_map(GRIDS, households=v)),
    "map, members": (MEMBERS, lambda v, _: gd.draw.coverage_map(GRIDS, members=v, posts=POSTS)),
    "map, facilities": (MEMBERS, lambda v, _: gd.draw.coverage_map(GRIDS, facilities=v)),
    "map, communities": (COMMUNITIES, lambda v, _: gd.draw.coverage_map(GRIDS, communities=v)),
    "map, barriers": (BARRIERS, lambda v, _: gd.draw.coverage_map(GRIDS, barriers=v)),
    "map, posts": (POSTS, lambda v, _: gd.draw.coverage_map(GRIDS, posts=v)),
    "map, vacancies": (VACANCIES, lambda v, _: gd.draw.coverage_map(GRIDS, vacancies=v)),
    "comparison, before": (GRIDS, lambda v, _: gd.draw.comparison_map(v, GRIDS, HOUSEHOLDS)),
    "comparison, households": (HOUSEHOLDS, lambda v, _: gd.draw.comparison_map(GRIDS, GRIDS, v)),
    "write, geojson": (GRIDS, lambda v, folder: gd.write(v, folder / "a.geojson")),
    "write, csv": (GRIDS, lambda v, folder: gd.write(v, folder / "a.csv")),
    "write, gpkg": (GRIDS, lambda v, folder: gd.write(v, folder / "a.gpkg")),
    "write, parquet": (GRIDS, lambda v, folder: gd.write(v, folder / "a.parquet")),
    "write, fgb": (GRIDS, lambda v, folder: gd.write(v, folder / "a.fgb")),
    "rebalance, grids": (GRIDS, lambda v, _: change.rebalance(v, COMMUNITIES, HOUSEHOLDS)),
    "rebalance, communities": (COMMUNITIES, lambda v, _: change.rebalance(GRIDS, v, HOUSEHOLDS)),
    "rebalance, households": (HOUSEHOLDS, lambda v, _: change.rebalance(GRIDS, COMMUNITIES, v)),
    "compare": (GRIDS, lambda v, _: change.compare(v, GRIDS, HOUSEHOLDS)),
    "split": (GRIDS, lambda v, _: change.split(v, "A001", HOUSEHOLDS)),
    "merge": (GRIDS, lambda v, _: change.merge(v, ["A001", "A002"], HOUSEHOLDS)),
    "keep_codes": (GRIDS, lambda v, _: change.keep_codes(GRIDS, v, HOUSEHOLDS)),
}


def answers_or_says_what_to_do(call: Callable[[], Any]) -> str | None:
    """The message of the InputError, None for an answer; any other exception fails."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            call()
    except (InputError, PlanError) as error:
        said = str(error)
        assert 10 < len(said) < 500
        assert "\n" not in said
        return said
    return None


@pytest.mark.parametrize("name", CALLS)
def test_any_frame_is_answered_or_refused_with_what_to_do(name: str, tmp_path: Path) -> None:
    frame, call = CALLS[name]
    assert answers_or_says_what_to_do(lambda: call(frame, tmp_path)) is None
    for said, value in frames(frame):
        try:
            answers_or_says_what_to_do(lambda value=value: call(value, tmp_path))
        except (Exception, AssertionError) as error:
            error.add_note(f"{name}: {said}")
            raise


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: gd.check(GRIDS.geometry), "GeoSeries"),
        (lambda: gd.assign("grids.gpkg", HOUSEHOLDS), "geopandas.read_file"),
        (
            lambda: gd.staff(pd.DataFrame(GRIDS.drop(columns="geometry")), MEMBERS, {"leader": 1}),
            "a DataFrame without geometry",
        ),
        (
            lambda: gd.assign(GRIDS, pd.DataFrame({"lon": [0.0], "lat": [0.0]})),
            "points_from_xy",
        ),
        (lambda: gd.assign(GRIDS.rename(columns={"grid_code": "code"}), HOUSEHOLDS), "'grid_code'"),
        (
            lambda: gd.delineate(
                COMMUNITIES.to_crs(32631).set_crs(None, allow_override=True), HOUSEHOLDS
            ),
            "no CRS, and their coordinates",
        ),
        (
            lambda: gd.delineate(COMMUNITIES, HOUSEHOLDS.assign(households=1.5)),
            "whole numbers, 0 or more, not 1.5",
        ),
        (lambda: gd.delineate(COMMUNITIES.assign(code=101.0), HOUSEHOLDS), "must be text, not"),
        (
            lambda: gd.check(
                gpd.GeoDataFrame(pd.DataFrame(GRIDS).rename(columns={"geometry": "shape"}))
            ),
            "frame.set_geometry('shape')",
        ),
        (lambda: gd.assign(GRIDS, GRIDS), "must be a point, not a Polygon"),
    ],
)
def test_the_message_says_what_to_do(call: Callable[[], Any], says: str) -> None:
    said = answers_or_says_what_to_do(call)
    assert said is not None
    assert says in said


def test_without_a_crs_degrees_are_degrees_whatever_the_other_frame_has() -> None:
    plain = gd.assign(GRIDS, HOUSEHOLDS)
    for grids in (GRIDS, GRIDS.to_crs(32631)):
        naive = HOUSEHOLDS.set_crs(None, allow_override=True)
        assert gd.assign(grids, naive)["grid_code"].tolist() == plain["grid_code"].tolist()


SCALARS = [None, "many", -1, 1.5, np.nan, np.inf, True, [1], object(), 10**30]


@pytest.mark.parametrize("value", SCALARS, ids=lambda value: str(value)[:9])
@pytest.mark.parametrize(
    "call",
    [
        lambda v: gd.delineate(COMMUNITIES, HOUSEHOLDS, target=v),
        lambda v: gd.delineate(COMMUNITIES, HOUSEHOLDS, minimum=v),
        lambda v: gd.delineate(COMMUNITIES, HOUSEHOLDS, seed=v),
        lambda v: gd.delineate(COMMUNITIES, HOUSEHOLDS, snap_tolerance_m=v),
        lambda v: gd.assign(GRIDS, HOUSEHOLDS, v),
        lambda v: gd.staff(GRIDS, MEMBERS, v),
        lambda v: gd.staff(GRIDS, MEMBERS, {"leader": v}),
        lambda v: gd.staff(GRIDS, MEMBERS, {v if isinstance(v, str | int) else 1: 1}),
        lambda v: gd.staff(GRIDS, MEMBERS, {"leader": 1}, max_posts=v),
        lambda v: gd.staff(GRIDS, MEMBERS, {"leader": 1}, max_distance_m=v),
        lambda v: gd.fit(GRIDS, COMMUNITIES, tolerance_m=v),
        lambda v: gd.check(GRIDS, tolerance_m2=v),
        lambda v: gd.Coverage(GRIDS).locate(v, 0.01),
        lambda v: gd.Coverage(GRIDS).locate([0.01], [v, v, v]),
        lambda v: gd.quality.measure(GRIDS, COMMUNITIES, None, v),
        lambda v: gd.draw.coverage_map(GRIDS, target=v),
        lambda v: gd.draw.coverage_map(GRIDS, team=v),
        lambda v: gd.draw.save_map(v, "map.html"),
        lambda v: gd.write(GRIDS, v),
        lambda v: gd.read_manifest(v),
        lambda v: gd.read_frames(v),
        lambda v: gd.sample.town(v if v is not None else "x"),
        lambda v: gd.sample.city(seed=v, households=2000) if v is not True else None,
        lambda v: gd.sample.write_sample(v, "somewhere"),
        lambda v: change.split(GRIDS, "A001", HOUSEHOLDS, parts=v),
        lambda v: change.split(GRIDS, v, HOUSEHOLDS),
        lambda v: change.split(GRIDS, "A001", HOUSEHOLDS, along=v),
        lambda v: change.merge(GRIDS, v, HOUSEHOLDS),
        lambda v: change.merge(GRIDS, ["A001", v], HOUSEHOLDS),
        lambda v: change.rebalance(GRIDS, COMMUNITIES, HOUSEHOLDS, target=v),
        lambda v: change.keep_codes(GRIDS, GRIDS, HOUSEHOLDS, used_codes=v),
    ],
)
def test_any_number_is_taken_or_refused_with_what_to_do(
    call: Callable[[Any], Any], value: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    answers_or_says_what_to_do(lambda: call(value))


CELLS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.floats(),
    st.text(max_size=5),
    st.lists(st.integers(), max_size=2),
    st.dates(),
)
SHAPES = st.one_of(
    st.none(),
    st.tuples(st.floats(), st.floats()).map(lambda xy: Point(*xy)),
    st.lists(st.tuples(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3)), min_size=3, max_size=6).map(
        Polygon
    ),
    st.just(Polygon()),
    st.just(GeometryCollection()),
)


@st.composite
def wild_frames(draw: Any) -> gpd.GeoDataFrame:
    """Any columns with any values and any geometry."""
    count = draw(st.integers(0, 4))
    names = ["grid_code", "community_code", "code", "households", "member_id", "roles", "flag"]
    chosen = draw(st.lists(st.sampled_from(names), unique=True))
    table = {
        name: pd.Series(draw(st.lists(CELLS, min_size=count, max_size=count)), dtype=object)
        for name in chosen
    }
    shapes = draw(st.lists(SHAPES, min_size=count, max_size=count))
    crs = draw(st.sampled_from([None, "EPSG:4326", "EPSG:32631"]))
    return gpd.GeoDataFrame(table, geometry=gpd.GeoSeries(shapes, crs=crs), crs=crs)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    wild_frames(),
    st.sampled_from(["assign, grids", "check", "repair", "Coverage", "measure, grids"]),
)
def test_wild_polygons(frame: gpd.GeoDataFrame, name: str) -> None:
    answers_or_says_what_to_do(lambda: CALLS[name][1](frame, Path()))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(wild_frames(), st.sampled_from(["assign, households", "staff, members", "map, members"]))
def test_wild_points(frame: gpd.GeoDataFrame, name: str) -> None:
    answers_or_says_what_to_do(lambda: CALLS[name][1](frame, Path()))


def test_texts_and_counts_and_numbers() -> None:
    table = pd.DataFrame({"code": ["a", "b"], "number": [1, 2], "count": ["3", "4"]})
    assert texts(table, "code", "things", unique=True).tolist() == ["a", "b"]
    assert texts(table, "number", "things").tolist() == ["1", "2"]
    assert counts(table, "count", "things").tolist() == [3, 4]
    assert counts(table, "absent", "things").tolist() == [1, 1]
    with pytest.raises(InputError, match="row 2, field 'code': the code 'a' occurs more than once"):
        texts(table.assign(code="a"), "code", "things", unique=True)
    with pytest.raises(InputError, match="row 1, field 'code': the code of one of the things is"):
        texts(table.assign(code=[None, "b"]), "code", "things")
    assert number(5, "n", whole=True) == 5.0
    with pytest.raises(InputError, match="field 'n': must be a whole number, from 2 to 9, not 1"):
        number(1, "n", least=2, most=9, whole=True)
    assert limits(400, 300, 500) == (400.0, 300.0, 500.0)
    with pytest.raises(InputError, match="0 < minimum <= target <= maximum"):
        limits(400, 450, 500)


def test_a_checked_frame_is_the_frame_itself_where_nothing_is_to_be_done() -> None:
    assert checked_frame(GRIDS, "grids", "grid_code", kinds=AREAS) is GRIDS
    assert checked_frame(HOUSEHOLDS, "households", kinds=POINTS) is HOUSEHOLDS
