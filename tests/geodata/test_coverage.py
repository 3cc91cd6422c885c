"""Coverage.locate against GEOS, the fault report and the repair."""

from __future__ import annotations

import pickle

import geopandas as gpd
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from shapely import Polygon, box

from geodata.coverage import Coverage, check, repair
from geodata.coverage.crossing import UNDECIDED, locate_in_slabs
from geodata.coverage.overlaps import made_valid, overlapping_pairs
from geodata.coverage.slabs import build_index
from geodata.errors import InputError


def oracle(polygons: NDArray, x: NDArray, y: NDArray) -> tuple[NDArray, NDArray]:
    """The lowest polygon that GEOS says covers each point, and whether there are more."""
    covers = shapely.covers(np.asarray(polygons)[:, None], shapely.points(x, y)[None, :])
    count = covers.sum(axis=0)
    return np.where(count > 0, covers.argmax(axis=0), -1), count > 1


def by_slabs(polygons: NDArray, x: NDArray, y: NDArray) -> tuple[NDArray, NDArray, float]:
    """Answers by the slab index whatever the number of points, and the share left undecided."""
    polygons = np.asarray(polygons, dtype=object)
    found, shared = np.empty(len(x), np.int32), np.empty(len(x), np.bool_)
    locate_in_slabs(build_index(polygons), x, y, found, shared)
    left = found == UNDECIDED
    found[left], shared[left] = Coverage(polygons).locate(x[left], y[left])
    return found, shared, float(left.mean())


def adversarial_points(polygons: NDArray, rng: np.random.Generator) -> tuple[NDArray, NDArray]:
    """Points at random, on vertices, on edges, and off both by 1e-9 m and by one rounding."""
    lines = shapely.boundary(polygons)
    xy = shapely.get_coordinates(polygons)
    west, south, east, north = shapely.total_bounds(polygons)
    uniform = rng.uniform([west - 0.1, south - 0.1], [east + 0.1, north + 0.1], (300, 2))
    places = shapely.line_interpolate_point(lines, rng.random((8, len(lines))), normalized=True)
    on_edges = shapely.get_coordinates(places.ravel())
    middles = (xy[:-1] + xy[1:]) / 2
    near = np.vstack([xy, on_edges, middles])
    off = [near + d for d in ([1e-14, 0], [0, -1e-14], [1e-9, 1e-9], [-1e-9, 0])]
    rounded = [np.nextafter(near, np.inf), np.nextafter(near, -np.inf)]
    level = np.column_stack([rng.uniform(west, east, len(xy)), xy[:, 1]])
    points = np.vstack([uniform, near, *off, *rounded, level])
    return np.ascontiguousarray(points[:, 0]), np.ascontiguousarray(points[:, 1])


def voronoi(seed: int, count: int = 12, scale: float = 1.0) -> NDArray:
    """A valid coverage: Voronoi cells of a square."""
    rng = np.random.default_rng(seed)
    sites = shapely.multipoints(rng.random((count, 2)) * scale + [121.4, 31.2])
    square = box(121.4, 31.2, 121.4 + scale, 31.2 + scale)
    cells = shapely.get_parts(shapely.voronoi_polygons(sites, extend_to=square))
    return shapely.intersection(cells, square)


def messy(seed: int) -> NDArray:
    """Overlaps, gaps, holes, several parts, a missing one, edges along the axes."""
    rng = np.random.default_rng(seed)
    discs = shapely.buffer(
        shapely.points(rng.random((6, 2)) * 4), rng.uniform(0.1, 1.5, 6), quad_segs=3
    )
    rings = shapely.difference(discs, shapely.buffer(shapely.centroid(discs), 0.3, quad_segs=2))
    boxes = [box(i / 2, j / 2, i / 2 + 0.5, j / 2 + 0.5) for i in range(3) for j in range(3)]
    stars = []
    for _ in range(3):
        angle = np.sort(rng.uniform(0, 2 * np.pi, 9))
        radius = rng.uniform(0.05, 2, 9)
        star = Polygon(np.column_stack([radius * np.cos(angle), radius * np.sin(angle)]) + 2)
        stars.append(shapely.make_valid(star, method="structure"))
    several = shapely.union_all([box(5, 5, 6, 6), box(7, 7, 8, 8.5), box(5.25, 7, 5.5, 9)])
    found = [*rings, *boxes, *stars, several, None, Polygon()]
    return np.array([found[i] for i in rng.permutation(len(found))], dtype=object)


@pytest.mark.parametrize("make", [voronoi, messy])
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_slab_index_equals_geos(make, seed):
    polygons = make(seed)
    keep = polygons[~shapely.is_missing(polygons) & ~shapely.is_empty(polygons)]
    x, y = adversarial_points(keep, np.random.default_rng(seed))
    expected, ties = oracle(polygons, x, y)
    found, shared, _ = by_slabs(polygons, x, y)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(shared, ties)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_tree_equals_geos(seed):
    polygons = messy(seed)
    keep = polygons[~shapely.is_missing(polygons) & ~shapely.is_empty(polygons)]
    x, y = adversarial_points(keep, np.random.default_rng(seed))
    expected, ties = oracle(polygons, x, y)
    found, shared = Coverage(polygons).locate(x, y)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(shared, ties)


@pytest.mark.parametrize("scale", [1e-7, 1e-12, 1e-3, 100.0])
def test_slab_index_at_any_scale(scale):
    polygons = voronoi(1, scale=scale)
    polygons = polygons[~shapely.is_empty(polygons)]
    x, y = adversarial_points(polygons, np.random.default_rng(1))
    expected, ties = oracle(polygons, x, y)
    found, shared, _ = by_slabs(polygons, x, y)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(shared, ties)


def test_slivers_and_long_edges():
    fan = [Polygon([(0, 0), (1000, k * 1e-7), (1000, (k + 1) * 1e-7)]) for k in range(20)]
    polygons = np.array(
        [*fan, box(-1, -1, 1000, 0), Polygon([(0, 0), (5, 5), (1e-9, 1e-9 + 1e-13)])]
    )
    x, y = adversarial_points(polygons, np.random.default_rng(2))
    expected, ties = oracle(polygons, x, y)
    found, shared, _ = by_slabs(polygons, x, y)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(shared, ties)


def test_metres_and_a_billionth_of_them():
    # a projected coverage far from its origin, where a coordinate is exact to 6e-11 m
    polygons = shapely.transform(voronoi(5, count=40), lambda xy: (xy - 121.4) * 9e3 + 3.5e6)
    polygons = polygons[~shapely.is_empty(polygons)]
    lines = shapely.boundary(polygons)
    places = shapely.line_interpolate_point(lines, np.linspace(0, 1, 40)[:, None], normalized=True)
    near = np.vstack([shapely.get_coordinates(places.ravel()), shapely.get_coordinates(polygons)])
    steps = 1e-9 * np.array([[0, 0], [1, 0], [-1, 0], [0, 1], [0, -1], [0.3, 0.7], [-0.6, 0.2]])
    points = (near[:, None, :] + steps).reshape(-1, 2)
    x, y = np.ascontiguousarray(points[:, 0]), np.ascontiguousarray(points[:, 1])
    expected, ties = oracle(polygons, x, y)
    assert 0 < ties.sum() < len(ties)
    assert {-1} < set(expected)
    found, shared, _ = by_slabs(polygons, x, y)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(shared, ties)


@pytest.mark.parametrize(
    "size", [(1e6, 1e-6), (1e-6, 1e6), (5e-324, 1), (1, 5e-324), (1e150, 1e150)]
)
def test_extents_of_any_shape(size):
    wide, high = size
    corners = [(0, 0), (wide / 2, 0), (0, high / 2), (wide / 2, high / 2)]
    polygons = np.array(
        [
            Polygon([(x, y), (x + wide / 2, y), (x + wide / 2, y + high / 2), (x, y + high / 2)])
            for x, y in corners
        ]
    )
    polygons = polygons[shapely.is_valid(polygons)]
    share = np.array([-0.1, 0, 0.1, 0.25, 0.5, 0.7, 1, 1.1])
    x, y = (each.ravel() for each in np.meshgrid(share * wide, share * high))
    expected, ties = oracle(polygons, x, y) if len(polygons) else (np.full(len(x), -1), x < -np.inf)
    found, shared = Coverage(polygons).locate(x, y)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(shared, ties)
    if len(polygons):
        found, shared, _ = by_slabs(polygons, x, y)
        np.testing.assert_array_equal(found, expected)
        np.testing.assert_array_equal(shared, ties)


def test_a_crowd_of_small_polygons_beside_a_huge_one():
    small = shapely.transform(voronoi(9, count=200, scale=1e-3), lambda xy: xy - [121.4, 31.2])
    ring = box(-500, -500, 500, 500) - box(0, 0, 1e-3, 1e-3)
    polygons = np.array([ring, *small[~shapely.is_empty(small)]])
    x, y = adversarial_points(polygons, np.random.default_rng(9))
    expected, ties = oracle(polygons, x, y)
    found, shared, _ = by_slabs(polygons, x, y)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(shared, ties)


def test_many_points_take_the_index_and_agree_with_the_tree():
    polygons = voronoi(7, count=60)
    rng = np.random.default_rng(7)
    x, y = rng.uniform(121.3, 122.5, 600_000), rng.uniform(31.1, 32.3, 600_000)
    x[:3], y[3:6] = [np.nan, np.inf, -np.inf], [np.nan, np.inf, -np.inf]
    cover = Coverage(polygons)
    found, shared = cover.locate(x, y, threads=2)
    assert cover._slabs is not None
    assert found.dtype == np.int32
    assert shared.dtype == np.bool_
    assert (found[:6] == -1).all()
    sample = rng.choice(len(x), 5_000, replace=False)
    few, few_shared = Coverage(polygons).locate(x[sample], y[sample])
    np.testing.assert_array_equal(found[sample], few)
    np.testing.assert_array_equal(shared[sample], few_shared)


def test_hardly_any_point_is_left_to_geos():
    polygons = voronoi(3, count=60)
    rng = np.random.default_rng(3)
    *_, undecided = by_slabs(
        polygons, *rng.uniform([[121.4], [31.2]], [[122.4], [32.2]], (2, 50_000))
    )
    assert undecided < 1e-3


def test_ties_go_to_the_lowest_position_and_the_outer_boundary_is_no_tie():
    cover = Coverage(gpd.GeoSeries([box(0, 0, 1, 1), box(1, 0, 2, 1), box(0, 1, 2, 2)]))
    index, on_boundary = cover.locate([0, 1, 1, 1.5, 2, 3], [0.5, 0.5, 1, 1, 0.5, 3])
    assert index.tolist() == [0, 0, 0, 1, 1, -1]
    assert on_boundary.tolist() == [False, True, True, True, False, False]


def test_nothing_covers_nothing():
    for polygons in ([], [None, Polygon()]):
        index, on_boundary = Coverage(polygons).locate([1.0, np.nan], [2.0, 0.0])
        assert index.tolist() == [-1, -1]
        assert not on_boundary.any()


def test_a_line_is_refused_with_its_position():
    with pytest.raises(InputError, match="position 1 holds a LineString"):
        Coverage([box(0, 0, 1, 1), shapely.LineString([(0, 0), (1, 1)])])


def test_travels_to_another_process():
    cover = pickle.loads(pickle.dumps(Coverage([box(0, 0, 1, 1)])))  # noqa: S301
    assert cover.locate([0.5], [0.5])[0].tolist() == [0]


# -- check ------------------------------------------------------------------------------------

DEGREE = 1e-3  # a side of about 100 m


def frame(*shapes, crs="EPSG:4326", **columns) -> gpd.GeoDataFrame:
    """Polygons in units of a thousandth of a degree, coded A, B, C..."""
    columns = columns or {"code": [chr(65 + k) for k in range(len(shapes))]}
    scaled = shapely.transform(np.array(shapes, dtype=object), lambda xy: xy * DEGREE)
    return gpd.GeoDataFrame(columns, geometry=scaled, crs=crs)


def test_a_coverage_has_no_fault():
    faults = check(frame(box(0, 0, 1, 1), box(1, 0, 2, 1), box(0, 1, 2, 2)))
    assert faults.empty
    assert list(faults.columns) == ["kind", "codes", "area_m2", "detail", "geometry"]
    assert faults.crs == "EPSG:4326"


def test_each_fault_is_named_with_codes_area_and_place():
    bow = Polygon([(5, 5), (6, 6), (6, 5), (5, 6)])
    polygons = frame(
        box(0, 0, 1, 1), box(0.9, 0, 2, 1), bow, None, box(8, 0, 9, 1),
        code=["A", "B", "C", "D", "A"],
    )  # fmt: skip
    faults = check(polygons).set_index("kind")
    assert set(faults.index) == {"invalid", "overlap", "duplicate_code"}
    overlap = faults.loc["overlap"]
    assert overlap.codes == ("A", "B")
    # 0.1 by 1 thousandth of a degree at the equator: 11.1 m by 110.6 m
    assert overlap.area_m2 == pytest.approx(11.13 * 110.57, rel=1e-3)
    assert overlap.geometry.symmetric_difference(box(0.0009, 0, 0.001, 0.001)).area < 1e-18
    assert faults.loc["duplicate_code"].codes == ("A",)
    invalid = faults.loc["invalid"].set_index("codes")
    assert invalid.loc[[("C",)]].geometry.iloc[0].distance(shapely.Point(0.0055, 0.0055)) < 1e-9
    assert invalid.loc[[("D",)]].detail.iloc[0] == "no geometry"


def test_gaps_and_strays_against_parents():
    parents = frame(box(0, 0, 2, 2), box(2, 0, 4, 2), code=["P", "Q"])
    grids = frame(
        box(0, 0, 2, 1), box(0, 1, 2.5, 1.5), box(2, 0, 4, 2), box(9, 9, 10, 10),
        grid_code=["P001", "P002", "Q001", "R001"], community_code=["P", "P", "Q", "R"],
    )  # fmt: skip
    faults = check(grids, parents)
    found = {(kind, codes): round(area, -1) for kind, codes, area in faults.iloc[:, :3].values}
    unit = 111.3 * 110.6
    assert found == {
        ("gap", ("P",)): round(unit, -1),
        ("stray", ("P002",)): pytest.approx(0.25 * unit, rel=1e-2),
        ("stray", ("R001",)): pytest.approx(unit, rel=1e-2),
        ("overlap", ("P002", "Q001")): pytest.approx(0.25 * unit, rel=1e-2),
    }
    assert "'R' is not known" in faults[faults.codes == ("R001",)].detail.iloc[0]


def test_parents_in_another_crs_and_without_a_link():
    parents = frame(box(0, 0, 2, 1)).to_crs("EPSG:3857")
    assert check(frame(box(0, 0, 1, 1), box(1, 0, 2, 1)), parents).empty
    gap = check(frame(box(0, 0, 1, 1)), parents)
    assert gap.kind.tolist() == ["gap"]


def test_a_hole_between_polygons_is_a_gap_and_a_courtyard_is_none():
    courtyard = box(0, 0, 3, 3) - box(1, 1, 2, 2)
    assert check(frame(courtyard)).empty
    around = [box(0, 0, 3, 1), box(0, 2, 3, 3), box(0, 1, 1, 2), box(2, 1, 3, 2)]
    gaps = check(frame(*around))
    assert gaps.kind.tolist() == ["gap"]
    assert gaps.codes.iloc[0] == ("A", "B", "C", "D")


def test_codes_are_needed():
    with pytest.raises(InputError, match="no column with a code"):
        check(frame(box(0, 0, 1, 1), size=[1]))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_every_overlap_is_found(seed):
    polygons = messy(seed)
    first, second, shared = overlapping_pairs(polygons)
    area = np.array([[0 if a is None or b is None else a.intersection(b).area
                      for b in polygons] for a in polygons])  # fmt: skip
    expected = np.argwhere(np.triu(area, 1) > 0)
    np.testing.assert_array_equal(np.column_stack([first, second]), expected)
    np.testing.assert_allclose(shapely.area(shared), area[first, second])


# -- repair -----------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_repair_is_a_coverage_and_loses_nothing(seed):
    polygons = frame(*messy(seed))
    repaired, faults = repair(polygons)
    shapes = np.array(repaired.geometry, dtype=object)
    assert shapely.is_valid(shapes).all()
    assert shapely.coverage_is_valid(shapes)
    pairs = shapely.intersection(shapes[:, None], shapes[None, :])
    assert shapely.area(pairs)[np.triu_indices(len(shapes), 1)].sum() == 0
    before = shapely.union_all(made_valid(np.array(polygons.geometry, dtype=object)))
    lost = shapely.symmetric_difference(before, shapely.union_all(shapes))
    assert lost.area * 111.3e3**2 < 1e-3
    missing = sorted(set(polygons.code) - set(repaired.code))
    assert missing == sorted(c for codes in faults[faults.kind == "vanished"].codes for c in codes)


def test_an_overlap_goes_to_the_lower_code_whatever_the_order():
    polygons = frame(box(0.9, 0, 2, 1), box(0, 0, 1, 1), box(5, 0, 6, 1), code=["2", "1", "3"])
    repaired, faults = repair(polygons)
    assert repaired.code.tolist() == ["2", "1", "3"]
    assert repaired.geometry.iloc[1].equals(polygons.geometry.iloc[1])
    assert repaired.geometry.iloc[0].area == pytest.approx(1e-6)
    assert repaired.geometry.iloc[2].equals_exact(polygons.geometry.iloc[2], 0)
    assert faults.kind.tolist() == ["overlap"]
    assert faults.codes.iloc[0] == ("1", "2")
    assert faults.area_m2.iloc[0] == pytest.approx(11.13 * 110.57, rel=1e-3)
    backwards, _ = repair(polygons.iloc[::-1])
    for code in "123":
        one = repaired.set_index("code").geometry[code]
        assert one.equals_exact(backwards.set_index("code").geometry[code], 0)


def test_a_polygon_that_vanishes_is_an_error():
    repaired, faults = repair(frame(box(0, 0, 2, 2), box(0.5, 0.5, 1, 1), None))
    assert repaired.code.tolist() == ["A"]
    vanished = faults[faults.kind == "vanished"]
    assert vanished.codes.tolist() == [("B",), ("C",)]
    assert vanished.area_m2.iloc[0] > 0


def test_a_sliver_goes_to_its_neighbour():
    # B crosses A and comes out 1 mm on the other side, beside C
    polygons = frame(box(0, 0, 1, 1), box(-1, 0, 1 + 1e-5, 0.01), box(1 + 1e-5, 0, 2, 1))
    repaired, faults = repair(polygons)
    assert faults.kind.tolist() == ["overlap", "sliver"]
    assert faults.codes.iloc[1] in {("A", "B"), ("C", "B")}
    assert repaired.geometry.geom_type.tolist() == ["Polygon"] * 3


def test_tainan_villages(shared_data):
    villages = gpd.read_file(shared_data / "tainan" / "tainan_case.gpkg", layer="villages")
    repaired, faults = repair(villages)
    count = faults.kind.value_counts()
    assert count["invalid"] == 1
    assert count["overlap"] == 1254  # of 1,257; three are below a thousandth of a square metre
    overlap = faults.loc[faults.kind == "overlap", "area_m2"]
    assert overlap.sum() == pytest.approx(54_157, rel=5e-3)
    assert "vanished" not in count
    assert len(repaired) == 752
    shapes = np.array(repaired.geometry, dtype=object)
    assert shapely.coverage_is_valid(shapes)
    assert len(overlapping_pairs(shapes)[0]) == 0
    before = shapely.union_all(made_valid(np.array(villages.geometry, dtype=object)))
    lost = shapely.symmetric_difference(before, shapely.union_all(shapes))
    assert lost.area * 111.3e3**2 < 1e-3


def test_edges_a_nanometre_apart_are_no_gap():
    """GEOS finds a strip of 29 m2 between these two, which differ by a hundredth of a mm2."""
    outline = [
        (118.6149225, 31.0815676), (118.6446009, 31.0744701), (118.6444607, 31.0740186),
        (118.6157354, 31.0645747), (118.6157192, 31.065848), (118.61503, 31.0805777),
    ]  # fmt: skip
    grid = [
        (118.61503, 31.0805777), (118.6149225176501, 31.08156743747132),
        (118.61492250438678, 31.08156755960489), (118.6149225, 31.0815676),
        (118.6446009, 31.0744701), (118.64458654189085, 31.07442386115347),
        (118.6445798602763, 31.07440234368579), (118.64450764909404, 31.074169794835672),
        (118.6444607, 31.0740186), (118.6157354, 31.0645747),
        (118.61572536919141, 31.065363109171965), (118.6157192, 31.065848),
    ]  # fmt: skip
    parent = gpd.GeoDataFrame({"code": ["C"]}, geometry=[shapely.Polygon(outline)], crs="EPSG:4326")
    drawn = gpd.GeoDataFrame(
        {"grid_code": ["C001"], "community_code": ["C"]},
        geometry=[shapely.Polygon(grid)],
        crs="EPSG:4326",
    )
    assert check(drawn, parent).empty
    holed = drawn.assign(geometry=drawn.difference(shapely.box(118.62, 31.07, 118.6201, 31.0701)))
    found = check(holed, parent)
    assert list(found["kind"]) == ["gap"]
    assert found["area_m2"].iloc[0] == pytest.approx(105.8, abs=1.0)
