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

from geodata.coverage import Coverage
from geodata.coverage.cells import UNDECIDED, build_index, locate_in_cells
from geodata.errors import InputError


def oracle(polygons: NDArray, x: NDArray, y: NDArray) -> tuple[NDArray, NDArray]:
    """The lowest polygon that GEOS says covers each point, and whether there are more."""
    covers = shapely.intersects(np.asarray(polygons)[:, None], shapely.points(x, y)[None, :])
    count = covers.sum(axis=0)
    return np.where(count > 0, covers.argmax(axis=0), -1), count > 1


def by_cells(polygons: NDArray, x: NDArray, y: NDArray) -> tuple[NDArray, NDArray, float]:
    """Answers by the cell index whatever the number of points, and the share left undecided."""
    polygons = np.asarray(polygons, dtype=object)
    found, shared = np.empty(len(x), np.int32), np.empty(len(x), np.bool_)
    locate_in_cells(build_index(polygons), x, y, found, shared)
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
def test_cell_index_equals_geos(make, seed):
    polygons = make(seed)
    keep = polygons[~shapely.is_missing(polygons) & ~shapely.is_empty(polygons)]
    x, y = adversarial_points(keep, np.random.default_rng(seed))
    expected, ties = oracle(polygons, x, y)
    found, shared, _ = by_cells(polygons, x, y)
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
def test_cell_index_at_any_scale(scale):
    polygons = voronoi(1, scale=scale)
    polygons = polygons[~shapely.is_empty(polygons)]
    x, y = adversarial_points(polygons, np.random.default_rng(1))
    expected, ties = oracle(polygons, x, y)
    found, shared, _ = by_cells(polygons, x, y)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(shared, ties)


def test_slivers_and_long_edges():
    fan = [Polygon([(0, 0), (1000, k * 1e-7), (1000, (k + 1) * 1e-7)]) for k in range(20)]
    polygons = np.array(
        [*fan, box(-1, -1, 1000, 0), Polygon([(0, 0), (5, 5), (1e-9, 1e-9 + 1e-13)])]
    )
    x, y = adversarial_points(polygons, np.random.default_rng(2))
    expected, ties = oracle(polygons, x, y)
    found, shared, _ = by_cells(polygons, x, y)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(shared, ties)


def test_many_points_take_the_index_and_agree_with_the_tree():
    polygons = voronoi(7, count=60)
    rng = np.random.default_rng(7)
    x, y = rng.uniform(121.3, 122.5, 600_000), rng.uniform(31.1, 32.3, 600_000)
    x[:3], y[3:6] = [np.nan, np.inf, -np.inf], [np.nan, np.inf, -np.inf]
    cover = Coverage(polygons)
    found, shared = cover.locate(x, y, threads=2)
    assert cover._cells is not None
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
    *_, undecided = by_cells(
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
