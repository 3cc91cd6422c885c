"""Ways to find the polygon of each point, as the benchmark of assignment runs them.

Each way is a function that makes its own copy of the data ready and gives the work to be timed,
which returns how many points it found a polygon for. A library that is not installed raises
``ImportError`` only when its way is called.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from benchmarks._lattice import cells, households
from benchmarks._report import forget_peak, own_mib
from geodata.coverage import Coverage
from geodata.coverage.slabs import build_index

__all__ = ["WAYS", "Located", "locate"]

Points = NDArray[np.float64]
Polygons = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Located:
    """What a way took; MiB is the most that its work took beyond the data that was ready."""

    found: int
    seconds: float
    cpu: float
    mib: float
    build_seconds: float | None = None


def locate(way: str, count: int, across: int) -> Located | str:
    """Run one way in a process of its own; why not, if it does not run here."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        try:
            return pool.submit(_measure, way, count, across).result()
        except ImportError as error:
            return str(error)


def _measure(way: str, count: int, across: int) -> Located:
    polygons, xy = cells(across), households(count, across)
    work = WAYS[way](polygons, xy)
    forget_peak()
    before = own_mib("VmRSS")
    began, worked = perf_counter(), process_time()
    found = work()
    seconds, cpu = perf_counter() - began, process_time() - worked
    added = own_mib("VmHWM") - before
    build = None
    if way == "gd.Coverage":
        began = perf_counter()
        build_index(polygons)
        build = perf_counter() - began
    return Located(found, seconds, cpu, added, build)


def _gridward(polygons: Polygons, xy: Points) -> Callable[[], int]:
    x, y = np.ascontiguousarray(xy[:, 0]), np.ascontiguousarray(xy[:, 1])
    # compile what numba has not yet in its cache
    Coverage(polygons[:9]).locate(x[:50_000], y[:50_000])

    def work() -> int:
        index, _ = Coverage(polygons).locate(x, y)
        return int((index >= 0).sum())

    return work


def _geopandas(polygons: Polygons, xy: Points) -> Callable[[], int]:
    import geopandas as gpd

    grids = gpd.GeoDataFrame(geometry=polygons, crs="EPSG:4326")
    points = gpd.GeoDataFrame(geometry=gpd.points_from_xy(xy[:, 0], xy[:, 1]), crs="EPSG:4326")
    # for a point, "intersects" is "is covered by", and the quicker predicate
    return lambda: len(gpd.sjoin(points, grids, predicate="intersects"))


def _sedonadb(polygons: Polygons, xy: Points) -> Callable[[], int]:
    import geoarrow.pyarrow  # noqa: F401 - it needs the types, and does not ask for them
    import geopandas as gpd
    import sedonadb

    engine = sedonadb.connect()
    frames = {
        "grids": gpd.GeoDataFrame(
            {"grid": np.arange(len(polygons))}, geometry=polygons, crs="EPSG:4326"
        ),
        "points": gpd.GeoDataFrame(
            {"point": np.arange(len(xy))},
            geometry=gpd.points_from_xy(xy[:, 0], xy[:, 1]),
            crs="EPSG:4326",
        ),
    }
    for name, frame in frames.items():
        engine.create_data_frame(frame).to_view(name)
    join = engine.sql(
        "SELECT point, grid FROM points "
        "JOIN grids ON ST_Intersects(grids.geometry, points.geometry)"
    )
    return lambda: len(join.to_arrow_table())


def _duckdb(polygons: Polygons, xy: Points) -> Callable[[], int]:
    import duckdb
    import duckdb_extension_spatial
    import pyarrow as pa

    # the extension comes as a Python package: nothing is downloaded
    folder = Path(duckdb_extension_spatial.__file__).parent
    engine = duckdb.connect(config={"allow_unsigned_extensions": True})
    engine.execute(f"LOAD '{next(folder.rglob('*.duckdb_extension'))}'")
    packed = pa.table({"grid": np.arange(len(polygons)), "wkb": shapely.to_wkb(polygons)})
    places = pa.table({"point": np.arange(len(xy)), "x": xy[:, 0], "y": xy[:, 1]})
    engine.register("packed", packed)
    engine.register("places", places)
    engine.execute("CREATE TABLE grids AS SELECT grid, ST_GeomFromWKB(wkb) AS shape FROM packed")
    engine.execute("CREATE TABLE points AS SELECT point, ST_Point(x, y) AS place FROM places")
    join = "SELECT point, grid FROM points JOIN grids ON ST_Intersects(shape, place)"
    return lambda: len(engine.execute(join).fetch_arrow_table())


WAYS: dict[str, Callable[[Polygons, Points], Callable[[], int]]] = {
    "gd.Coverage": _gridward,
    "geopandas sjoin": _geopandas,
    "sedonadb": _sedonadb,
    "DuckDB spatial": _duckdb,
}
