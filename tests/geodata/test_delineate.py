"""Delineation: the invariants on random communities, and the figures on real ones."""

from __future__ import annotations

import itertools
from concurrent.futures import ProcessPoolExecutor

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from geodata.coverage import repair
from geodata.delineate import delineate
from geodata.delineate.balance import near_share, never_balanced, no_division
from geodata.delineate.counting import grid_count
from geodata.errors import InputError
from geodata.metric import MetricPlane
from geodata.quality import measure

PLACE = (120.0, 30.0)


def community(*polygons: shapely.Geometry, code: str = "7") -> gpd.GeoDataFrame:
    """One community drawn in metres about a place in degrees."""
    plane = MetricPlane.at(*PLACE)
    shape = polygons[0] if len(polygons) == 1 else shapely.MultiPolygon(list(polygons))
    return gpd.GeoDataFrame({"code": [code]}, geometry=[plane.from_metres(shape)], crs="EPSG:4326")


def people(xy: np.ndarray, load: np.ndarray | int = 1) -> gpd.GeoDataFrame:
    places = MetricPlane.at(*PLACE).inverse(np.asarray(xy, float).reshape(-1, 2))
    return gpd.GeoDataFrame(
        {"households": np.broadcast_to(load, len(places))},
        geometry=shapely.points(places),
        crs="EPSG:4326",
    )


def streets(spacing: float, extent: float) -> gpd.GeoDataFrame:
    plane = MetricPlane.at(*PLACE)
    places = np.arange(-extent, extent + 1, spacing)
    lines = [shapely.LineString([(-extent, p), (extent, p)]) for p in places]
    lines += [shapely.LineString([(p, -extent), (p, extent)]) for p in places]
    return gpd.GeoDataFrame(geometry=plane.from_metres(np.array(lines)), crs="EPSG:4326")


def assert_tiles(plan, communities: gpd.GeoDataFrame) -> None:
    """The grids of each community cover it, do not overlap, and share their vertices."""
    plane = MetricPlane.of_frame(communities)
    for code, shape in communities.set_index("code").geometry.items():
        grids = plan.grids[plan.grids.community_code == code].geometry.to_numpy()
        assert shapely.is_valid(grids).all()
        assert shapely.coverage_is_valid(grids)
        union = shapely.union_all(grids)
        unit = plane.square_metres_per_unit
        assert shapely.symmetric_difference(union, shape).area * unit < 0.01
        assert abs(shapely.area(grids).sum() - union.area) * unit < 0.001


def assert_counts(plan, communities: gpd.GeoDataFrame, households: gpd.GeoDataFrame) -> None:
    """Every household inside is in the one grid that covers it; the grids' loads add up."""
    member = plan.membership
    assert list(member.index) == list(households.index)
    inside = member.notna()
    loads = households["households"][inside].groupby(member[inside]).sum()
    by_code = plan.grids.set_index("grid_code").households
    assert (by_code == loads.reindex(by_code.index, fill_value=0)).all()
    points = households.geometry.to_numpy()
    covered = shapely.covers(shapely.union_all(communities.geometry), points)
    assert inside[covered].all()
    shapes = plan.grids.set_index("grid_code").geometry
    own = shapes.loc[member[covered]].to_numpy()
    assert shapely.distance(own, points[covered]).max(initial=0.0) < 1e-9


def assert_within(plan, minimum: float = 300, maximum: float = 500) -> None:
    ordinary = plan.grids[plan.grids.flag.isna()]
    assert ordinary.households.between(minimum, maximum).all()
    assert (ordinary.parts == 1).all()
    flagged = plan.grids[plan.grids.flag.notna()]
    assert flagged.reason.notna().all()


@pytest.mark.parametrize(
    ("load", "expected"),
    [(0, 1), (386, 1), (550, 2), (800, 2), (2287, 6), (5491, 14), (299, 1), (501, 1), (599, 2)],
)
def test_the_number_of_grids_is_nearest_the_target_within_the_range(load, expected):
    assert grid_count(load, 400, 300, 500) == expected


def blob(rng, radius: float, x: float = 0.0, y: float = 0.0) -> shapely.Polygon:
    """A ragged polygon about a place, with spikes and bays."""
    angle = np.sort(rng.random(40)) * 2 * np.pi
    reach = radius * (1 - 0.8 * rng.random(40))
    ring = np.stack([x + reach * np.cos(angle), y + reach * np.sin(angle)], axis=1)
    parts = shapely.get_parts(shapely.make_valid(shapely.Polygon(ring)))
    return max(parts, key=lambda part: part.area)


def shape_of(kind: str, width: float, height: float, rng) -> shapely.Geometry:
    """A community of some kind within a box, or beside it."""
    whole = shapely.box(0, 0, width, height)
    inner = shapely.box(0.2 * width, 0.2 * height, 0.8 * width, 0.8 * height)
    if kind == "hole":
        return whole.difference(shapely.box(0.3 * width, 0.3 * height, 0.6 * width, 0.7 * height))
    if kind == "holes":
        spots = rng.random((5, 2)) * (width, height)
        holes = [blob(rng, 0.15 * min(width, height), x, y) for x, y in spots]
        left = shapely.get_parts(whole.difference(shapely.union_all(holes)))
        return max(left, key=lambda part: part.area)
    if kind == "hole on the shell":
        return whole.difference(shapely.Polygon([(0, height / 2), (width / 3, height / 3),
                                                 (width / 3, height / 2)]))  # fmt: skip
    if kind == "island":
        beside = shapely.box(width + 50, 0, width + 50 + 0.4 * width, 0.5 * height)
        return shapely.MultiPolygon([whole, beside])
    if kind == "islands":
        spots = rng.random((6, 2)) * (3 * width, 3 * height)
        return shapely.union_all([blob(rng, 0.4 * min(width, height), x, y) for x, y in spots])
    if kind == "island in a hole":
        middle = shapely.box(0.4 * width, 0.4 * height, 0.6 * width, 0.6 * height)
        return shapely.MultiPolygon([whole.difference(inner), middle])
    if kind == "parts that touch":
        beside = shapely.box(width, height, 1.5 * width, 1.5 * height)
        return shapely.MultiPolygon([whole, beside])
    if kind == "ring":
        return whole.difference(inner)
    if kind == "bay":
        return whole.difference(shapely.box(0.45 * width, 0.1 * height, 0.55 * width, height))
    if kind == "comb":
        teeth = [
            shapely.box(width * k / 10, 0, width * k / 10 + 0.04 * width, height) for k in range(10)
        ]
        return shapely.union_all([shapely.box(0, 0, width, 0.1 * height), *teeth])
    if kind == "sliver":
        return shapely.box(0, 0, width * 2, 15)
    if kind == "snake":
        along = np.linspace(0, 4 * np.pi, 50)
        bends = np.stack([along * width / 12, 0.4 * height * np.sin(along)], axis=1)
        return shapely.LineString(bends).buffer(0.05 * min(width, height) + 5)
    return blob(rng, width) if kind == "ragged" else whole


KINDS = [
    *("box", "hole", "holes", "hole on the shell", "island", "islands", "island in a hole", "ring"),
    *("parts that touch", "bay", "comb", "sliver", "snake", "ragged"),
]


@st.composite
def random_communities(draw):
    """Shapes with holes, islands, bays; loads with towers, stacks, ones and zeros."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    width, height = draw(st.integers(40, 2500)), draw(st.integers(40, 2500))
    shape = shape_of(draw(st.sampled_from(KINDS)), width, height, rng)
    count = draw(st.sampled_from([0, 1, 2, 30, 300, 1500]))
    low, low_y, high, high_y = shape.bounds
    xy = rng.random((count, 2)) * (high - low, high_y - low_y) + (low, low_y)
    where = draw(st.sampled_from(["anywhere", "half on a point", "on corners", "in rows"]))
    if count and where == "half on a point":
        xy[: count // 2] = xy[0]
    elif where == "on corners":
        xy = rng.choice(shapely.get_coordinates(shape), count)
    elif where == "in rows":
        xy = np.round(xy / 50) * 50
    heaviest = draw(st.sampled_from([2, 3, 40, 700, 2000]))
    load = rng.integers(0, min(heaviest, 60_000 // max(count, 1)), count)
    barriers = None
    if draw(st.booleans()):
        barriers = streets(draw(st.sampled_from([60.0, 150.0, 900.0])), max(width, height) * 1.1)
    limits = draw(st.sampled_from([(400, 300, 500), (400, 400, 400), (60, 50, 70), (90, 1, 1000)]))
    if load.sum() > 40 * limits[0]:
        load = load * 40 * limits[0] // load.sum()
    return community(shape), people(xy, load), barriers, limits


@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(random_communities())
def test_any_community_is_tiled_and_every_household_counted(case):
    communities, households, barriers, (target, minimum, maximum) = case
    plan = delineate(
        communities, households, barriers, target=target, minimum=minimum, maximum=maximum
    )
    assert_tiles(plan, communities)
    assert_counts(plan, communities, households)
    assert_within(plan, minimum, maximum)


@settings(max_examples=5, deadline=None, derandomize=True)
@given(st.integers(0, 2**16), st.booleans())
def test_input_order_does_not_matter(seed, with_barriers):
    rng = np.random.default_rng(seed)
    communities = pd.concat(
        [community(shapely.box(i * 900, 0, (i + 1) * 900, 700), code=f"1{i}") for i in range(2)],
        ignore_index=True,
    )
    households = people(rng.random((900, 2)) * (1800, 700), rng.integers(1, 5, 900))
    barriers = streets(100.0, 2000.0) if with_barriers else None
    first = delineate(communities, households, barriers)
    mixed = households.sample(frac=1, random_state=seed)
    second = delineate(
        communities.iloc[::-1],
        mixed,
        barriers.sample(frac=1, random_state=seed) if barriers is not None else None,
    )
    assert first.grids.to_wkb().equals(second.grids.to_wkb())
    assert first.membership.equals(second.membership.loc[first.membership.index])


@st.composite
def dirty_barriers(draw):
    """Streets with dangles, overshoots, duplicates, divided roads, a river as polygon, weights."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    plane = MetricPlane.at(*PLACE)
    ends = rng.random((draw(st.integers(1, 40)), 2, 2)) * 1400 - 200
    lines = list(shapely.linestrings(ends))
    lines += lines[: len(lines) // 3]
    lines += [line.parallel_offset(0.4) for line in lines[::4]]
    lines += [line.reverse() for line in lines[::5]]
    lines += [lines[0].buffer(15.0), shapely.LineString(), shapely.Point(3, 3)]
    if draw(st.booleans()):
        spots = rng.random((4, 2)) * 1000
        lakes = [blob(rng, 200.0, x, y) for x, y in spots]
        bow = shapely.Polygon([(0, 0), (900, 900), (900, 0), (0, 900)])
        lines += [*lakes, shapely.MultiPolygon([lakes[0], shapely.box(-9, -9, -5, -5)])]
        lines += [bow, shapely.box(-100, -100, 1100, 1100), None]
        lines += [shapely.GeometryCollection([lines[0], lakes[1]]), lakes[0].boundary]
    frame = gpd.GeoDataFrame(geometry=plane.from_metres(np.array(lines)), crs="EPSG:4326")
    if draw(st.booleans()):
        frame["weight"] = rng.choice([0.2, 1.0, 5.0], len(frame))
    return frame


@settings(max_examples=10, deadline=None, derandomize=True)
@given(dirty_barriers(), st.integers(0, 2**16), st.sampled_from([1, 30, 2000]))
def test_dirty_barriers_and_loads_up_to_2000_leave_a_tiling(barriers, seed, heaviest):
    rng = np.random.default_rng(seed)
    communities = community(shapely.box(0, 0, 1000, 1000))
    count = {1: 2000, 30: 120, 2000: 40}[heaviest]
    households = people(rng.random((count, 2)) * 1000, rng.integers(1, heaviest + 1, count))
    plan = delineate(communities, households, barriers)
    assert_tiles(plan, communities)
    assert_counts(plan, communities, households)
    assert_within(plan)


def test_minimum_may_equal_maximum():
    rng = np.random.default_rng(13)
    communities = community(shapely.box(0, 0, 900, 900))
    households = people(rng.random((1200, 2)) * 900, 1)
    plan = delineate(communities, households, target=400, minimum=400, maximum=400)
    assert_tiles(plan, communities)
    assert_counts(plan, communities, households)
    assert_within(plan, 400, 400)
    assert len(plan.grids) == 3


@pytest.mark.parametrize(("load", "flags"), [(450, [None]), (900, ["oversize"])])
def test_all_on_one_point_is_one_grid(load, flags):
    communities = community(shapely.box(0, 0, 500, 500))
    households = people(np.full((load, 2), 250.0), 1)
    plan = delineate(communities, households, streets(100, 500))
    assert_tiles(plan, communities)
    assert plan.grids.flag[plan.grids.households > 0].tolist() == flags
    assert plan.grids.households.sum() == load


def test_a_border_across_a_spike_costs_no_land():
    """Where it crosses, the two sides of the spike are a quarter of a millimetre apart."""
    spike = [(1000, 500), (3000, 500.025), (1000, 500.05)]
    town = community(shapely.Polygon([(0, 0), (1000, 0), *spike, (1000, 1000), (0, 1000)]))
    tip = np.stack([np.linspace(2985, 2999, 300), np.full(300, 500.025)], axis=1)
    households = people(np.concatenate([np.random.default_rng(1).random((300, 2)) * 1000, tip]))
    road = gpd.GeoDataFrame(
        geometry=[MetricPlane.at(*PLACE).from_metres(shapely.LineString([(2980, 0), (2980, 900)]))],
        crs="EPSG:4326",
    )
    plan = delineate(town, households, road, target=300, minimum=200, maximum=400)
    assert plan.grids.households.between(200, 400).tolist() == [True, True]
    assert_tiles(plan, town)


def test_no_more_grids_are_looked_for_than_there_are_places():
    xy = np.random.default_rng(2).random((9, 2)) * 900
    plan = delineate(
        community(shapely.box(0, 0, 900, 900)), people(xy, 60), target=1, minimum=1, maximum=1
    )
    # one each, and what land they leave
    assert plan.grids.flag.tolist().count("oversize") == 9
    assert len(plan.grids) <= 10


def test_a_grid_is_lumpy_only_where_its_places_force_it():
    xy = [[100.0 * i, 100.0] for i in range(1, 6)]
    plan = delineate(community(shapely.box(0, 0, 600, 200)), people(xy, 160))
    assert sorted(plan.grids.households) == [320, 480]
    assert plan.grids.flag.tolist() == ["lumpy", "lumpy"]
    assert plan.grids.reason.str.contains("160 households").all()


def test_places_that_never_balance_are_those_without_a_fitting_company():
    stuck = never_balanced(np.array([489, 100, 90, 200]), near_share(375.0))
    assert stuck.tolist() == [True, False, False, False]
    assert not never_balanced(np.array([200, 175, 300, 60]), near_share(375.0)).any()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 400), min_size=2, max_size=8), st.integers(2, 4))
def test_no_division_is_found_where_going_through_all_finds_none(loads, count):
    load = np.array(loads)
    share = load.sum() / count
    divisions = itertools.product(range(count), repeat=len(loads))
    totals = (np.bincount(each, load, count) for each in divisions)
    some = any((np.abs(total / share - 1) <= 0.1 + 1e-9).all() for total in totals)
    assert no_division(load, count, near_share(share)) == (not some)
    if some:
        assert not never_balanced(load, near_share(share)).any()


def test_an_executor_gives_the_same_bytes():
    rng = np.random.default_rng(3)
    communities = pd.concat(
        [community(shapely.box(i * 900, 0, (i + 1) * 900, 700), code=f"1{i}") for i in range(3)],
        ignore_index=True,
    )
    households = people(rng.random((2000, 2)) * (2700, 700), 1)
    told: list[tuple[int, int]] = []
    alone = delineate(communities, households, streets(90.0, 3000.0))
    with ProcessPoolExecutor(2) as pool:
        together = delineate(
            communities,
            households,
            streets(90.0, 3000.0),
            executor=pool,
            progress=lambda done, total: told.append((done, total)),
        )
    assert alone.grids.to_wkb().equals(together.grids.to_wkb())
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_neighbours_share_the_vertices_of_their_common_boundary():
    rng = np.random.default_rng(5)
    communities = pd.concat(
        [community(shapely.box(i * 900, 0, (i + 1) * 900, 1300), code=f"1{i}") for i in range(2)],
        ignore_index=True,
    )
    households = people(rng.random((3000, 2)) * (1800, 1300), 1)
    for barriers in (None, streets(70.0, 2000.0)):
        plan = delineate(communities, households, barriers)
        assert shapely.coverage_is_valid(plan.grids.geometry.to_numpy())


def test_a_tower_above_the_maximum_is_a_grid_of_its_own():
    rng = np.random.default_rng(7)
    xy = np.concatenate([rng.random((800, 2)) * 1000, [[512.0, 487.0]]])
    load = np.append(np.ones(800, dtype=int), 900)
    plan = delineate(community(shapely.box(0, 0, 1000, 1000)), people(xy, load), streets(100, 1000))
    oversize = plan.grids[plan.grids.flag == "oversize"]
    assert len(oversize) == 1
    assert oversize.households.iloc[0] < 900 + 60
    assert "900 households" in oversize.reason.iloc[0]
    assert plan.grids[plan.grids.flag.isna()].households.between(300, 500).all()


def test_small_and_empty_communities_are_one_flagged_grid():
    box = shapely.box(0, 0, 500, 500)
    small = delineate(community(box), people([[100, 100], [200, 200]], 40))
    assert small.grids.flag.tolist() == ["undersize"]
    empty = delineate(community(box), people(np.empty((0, 2))))
    assert empty.grids.flag.tolist() == ["empty"]
    assert empty.grids.households.tolist() == [0]


def test_a_household_just_outside_counts_for_the_nearest_community():
    xy = [[100.0, 100.0], [-20.0, 50.0], [-200.0, 50.0]]
    plan = delineate(community(shapely.box(0, 0, 500, 500)), people(xy, 100))
    assert plan.membership.tolist() == ["7001", "7001", None]
    assert plan.grids.households.tolist() == [200]


def test_a_projected_frame_stays_in_its_units():
    rng = np.random.default_rng(11)
    communities = gpd.GeoDataFrame(
        {"code": ["1"]}, geometry=[shapely.box(700_000, 2_900_000, 706_000, 2_904_000)],
        crs="EPSG:2249",
    )  # fmt: skip
    xy = rng.random((1600, 2)) * (6000, 4000) + (700_000, 2_900_000)
    households = gpd.GeoDataFrame(geometry=shapely.points(xy), crs="EPSG:2249")
    plan = delineate(communities, households)
    assert plan.grids.crs == communities.crs
    assert len(plan.grids) == 4
    union = shapely.union_all(plan.grids.geometry)
    assert union.symmetric_difference(communities.geometry.iloc[0]).area < 0.1


@pytest.mark.parametrize(
    ("limits", "words"),
    [({"minimum": 450}, "minimum <= target"), ({"maximum": float("nan")}, "target <= maximum")],
)
def test_contradicting_limits_are_refused(limits, words):
    with pytest.raises(InputError, match=words):
        delineate(community(shapely.box(0, 0, 9, 9)), people([[1, 1]]), **limits)


def test_a_code_that_stands_twice_is_refused():
    both = pd.concat([community(shapely.box(0, 0, 9, 9))] * 2)
    with pytest.raises(InputError, match="'7' stands twice"):
        delineate(both, people([[1, 1]]))


def test_cambridge_reaches_the_figures(shared_data):
    folder = shared_data / "cambridge"
    communities = gpd.read_file(folder / "communities.geojson").rename(
        columns={"community_code": "code"}
    )
    table = pd.read_csv(folder / "households_by_record.csv")
    households = gpd.GeoDataFrame(
        {"households": table.HH_CNT},
        geometry=gpd.points_from_xy(table.LNG, table.LAT),
        crs="EPSG:4326",
    )
    barriers = pd.concat(
        [
            gpd.read_file(folder / "cambridge_case.gpkg", layer=layer)[["geometry"]]
            for layer in ("roads", "rail", "water")
        ],
        ignore_index=True,
    )
    plan = delineate(communities, households, barriers)
    assert_tiles(plan, communities)
    assert_within(plan)
    assert plan.grids.flag.isna().all()
    share = plan.grids.groupby("community_code").households.transform("mean")
    deviation = (plan.grids.households / share - 1).abs()
    assert deviation.mean() <= 0.02
    assert deviation.quantile(0.95) <= 0.05
    metric = MetricPlane.of_frame(communities).to_metres(plan.grids.geometry.to_numpy())
    compactness = 4 * np.pi * shapely.area(metric) / shapely.length(metric) ** 2
    assert np.median(compactness) >= 0.57
    figures = measure(plan.grids, communities, barriers, target=400, minimum=300, maximum=500)
    assert figures.on_barriers >= 0.9
    assert figures.deviation_max <= 0.1


def test_tainan_is_one_exact_coverage(shared_data):
    """Villages of several parts, crossings found twice: all vertices meet."""
    source = shared_data / "tainan" / "tainan_case.gpkg"
    villages = gpd.read_file(source, layer="villages").rename(columns={"VILLCODE": "code"})
    repaired, _ = repair(villages)
    points = gpd.read_file(source, layer="stat_unit_points")
    points["households"] = points.households_10606.fillna(0).astype(int)
    plan = delineate(repaired, points)
    assert shapely.coverage_is_valid(plan.grids.geometry.to_numpy())
    assert_within(plan)
