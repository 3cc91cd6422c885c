"""Other ways to divide communities, as the benchmark of delineation runs them.

Each takes communities and households and gives grids as Gridward does: ``community_code``,
``households`` and polygons. A library that is not installed raises ``ImportError`` only when its
way is called.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from geodata.delineate.counting import grid_count
from geodata.metric import MetricPlane
from service.db.engine import Database
from service.settings import Settings

__all__ = ["TARGET", "counted", "k_means_voronoi", "recombined_blocks", "split_by_buildings"]

TARGET, MINIMUM, MAXIMUM = 400, 300, 500

#: Deviations that GerryChain is asked for in turn, until it finds a first plan.
EPSILONS = (0.05, 0.1, 0.2, 0.4)
#: Spanning trees it may draw for one cut of the first plan. Its own 100,000 take hours to give up.
TREES = 300


def counted(polygons: gpd.GeoDataFrame, households: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """The polygons with the ``households`` that stand in each; on a common edge in the first."""
    points = households.geometry.to_numpy()
    polygon, point = shapely.STRtree(points).query(
        polygons.geometry.to_numpy(), predicate="intersects"
    )
    found = np.full(len(points), len(polygons))
    np.minimum.at(found, point, polygon)
    totals = np.bincount(found, households["households"], len(polygons) + 1)[:-1]
    return polygons.assign(households=totals.astype(np.int64))


def _each(
    communities: gpd.GeoDataFrame, households: gpd.GeoDataFrame
) -> Iterator[tuple[str, Any, MetricPlane, NDArray[np.float64], NDArray[np.int64]]]:
    """Code, shape, plane, places in metres and loads of each community; both merged by place."""
    tree = shapely.STRtree(households.geometry.to_numpy())
    load = households["households"].to_numpy()
    for code, shape in zip(communities["code"], communities.geometry, strict=True):
        plane = MetricPlane.of_bounds(shape.bounds)
        inside = tree.query(shape, predicate="intersects")
        xy = plane.forward(shapely.get_coordinates(households.geometry.to_numpy()[inside]))
        places, which = np.unique(xy.round(2), axis=0, return_inverse=True)
        total = np.bincount(which.ravel(), load[inside], len(places)).astype(np.int64)
        yield code, shape, plane, places[total > 0], total[total > 0]


def k_means_voronoi(
    communities: gpd.GeoDataFrame, households: gpd.GeoDataFrame, *, seed: int = 0
) -> gpd.GeoDataFrame:
    """k-means with sizes bounded to within 2 %, then the Voronoi cells of the places.

    The clusters know nothing of stacked households, so a place goes with most of its own; its
    Voronoi cell, clipped to the community, is its share of the polygon.
    """
    from k_means_constrained import KMeansConstrained

    frames = []
    for code, shape, plane, places, load in _each(communities, households):
        k = grid_count(float(load.sum()), TARGET, MINIMUM, MAXIMUM)
        area = plane.to_metres(shape)
        polygons = np.array([area], dtype=object)
        if 1 < k <= len(places):
            share = load.sum() / k
            model = KMeansConstrained(
                k, size_min=int(0.98 * share), size_max=int(1.02 * share) + 1,
                n_init=1, random_state=seed,
            )  # fmt: skip
            single = np.repeat(np.arange(len(load)), load)
            votes = np.zeros((len(load), k))
            np.add.at(votes, (single, model.fit_predict(places[single])), 1)
            label = np.argmax(votes, axis=1)
            cells = shapely.get_parts(
                shapely.voronoi_polygons(shapely.multipoints(places), extend_to=area, ordered=True)
            )
            unions = [shapely.union_all(cells[label == c]) for c in np.unique(label)]
            polygons = shapely.intersection(np.array(unions, dtype=object), area)
        frames.append(
            gpd.GeoDataFrame(
                {"community_code": code}, index=range(len(polygons)),
                geometry=plane.from_metres(polygons), crs=communities.crs,
            )
        )  # fmt: skip
    return counted(pd.concat(frames, ignore_index=True), households)


def recombined_blocks(
    communities: gpd.GeoDataFrame,
    households: gpd.GeoDataFrame,
    blocks: gpd.GeoDataFrame,
    *,
    steps: int,
    seed: int = 0,
) -> tuple[gpd.GeoDataFrame, list[float | None]]:
    """GerryChain's ReCom on census blocks: a chain a community, short bursts for few cut edges.

    Returns
    -------
    grids : GeoDataFrame
    epsilons : list of float or None
        The deviation at which each community that wants several grids got a first plan; None
        where it got none and stays whole.
    """
    import gerrychain

    blocks = counted(blocks, households)
    inside = blocks.representative_point()
    home = gpd.sjoin(
        gpd.GeoDataFrame(geometry=inside, crs=blocks.crs), communities[["code", "geometry"]]
    )["code"]
    home = home[~home.index.duplicated()]
    parts, epsilons = [], []
    for code in communities["code"]:
        own = blocks.loc[home.index[home == code]].reset_index(drop=True)
        k = grid_count(float(own["households"].sum()), TARGET, MINIMUM, MAXIMUM)
        label = np.zeros(len(own), dtype=np.int64)
        if k > 1:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                graph = gerrychain.Graph.from_networkx(_block_graph(own))
                label, epsilon = _chain(graph, len(own), k, steps, seed)
            epsilons.append(epsilon)
        grids = own.assign(community_code=code).dissolve(label, aggfunc={"households": "sum"})
        parts.append(grids.assign(community_code=code))
    return pd.concat(parts, ignore_index=True), epsilons


def _block_graph(blocks: gpd.GeoDataFrame) -> Any:
    """Blocks that share an edge; pieces apart are tied at their nearest blocks."""
    import networkx

    shapes = blocks.geometry.to_numpy()
    one, other = shapely.STRtree(shapes).query(shapes, predicate="intersects")
    pairs = one < other
    one, other = one[pairs], other[pairs]
    shared = shapely.length(shapely.intersection(shapes[one], shapes[other])) > 0
    graph = networkx.Graph()
    graph.add_nodes_from(
        (i, {"households": int(load)}) for i, load in enumerate(blocks["households"])
    )
    graph.add_edges_from(zip(one[shared].tolist(), other[shared].tolist(), strict=True))
    while len(pieces := [sorted(piece) for piece in networkx.connected_components(graph)]) > 1:
        rest = [i for piece in pieces[1:] for i in piece]
        near, _ = shapely.STRtree(shapes[rest]).query_nearest(
            shapely.union_all(shapes[pieces[0]]), return_distance=True, all_matches=False
        )
        block = rest[int(near[0])]
        nearest = int(np.argmin(shapely.distance(shapes[pieces[0]], shapes[block])))
        graph.add_edge(pieces[0][nearest], block)
    return graph


def _chain(
    graph: Any, blocks: int, k: int, steps: int, seed: int
) -> tuple[NDArray[np.int64], float | None]:
    """The district of each block, and the deviation that a first plan was found at."""
    from gerrychain import Partition
    from gerrychain.optimization import SingleMetricOptimizer
    from gerrychain.partition.initial_partition_generators import recursive_tree_part
    from gerrychain.proposals import recom
    from gerrychain.tree import bipartition_tree
    from gerrychain.updaters import Tally, cut_edges

    cut = partial(bipartition_tree, max_attempts=TREES)
    share = sum(graph.node_data(node)["households"] for node in graph) / k
    for epsilon in EPSILONS:
        try:
            first = Partition.from_random_assignment(
                graph, k, epsilon, "households", rng=seed,
                updaters={"cut_edges": cut_edges, "households": Tally("households")},
                partition_fn=partial(recursive_tree_part, bipartition_tree_fn=cut),
            )  # fmt: skip
        except Exception:  # each release raises another one when it gives up
            continue
        proposal = partial(
            recom, pop_col="households", pop_target=share, epsilon=epsilon, bipartition_tree_fn=cut
        )
        best = SingleMetricOptimizer(
            proposal, [], first, lambda plan: len(plan["cut_edges"]), maximize=False, rng=seed
        )
        try:
            for _ in best.short_bursts(10, max(steps // 10, 1)):
                pass
        except Exception:  # a pair that it cannot part ends its search
            pass
        plan = best.best_part or first
        label = np.zeros(blocks, dtype=np.int64)
        for district, nodes in plan.parts.items():
            for node in nodes:
                label[graph.original_nx_node_id_for_internal_node_id(node)] = district
        return label, epsilon
    return np.zeros(blocks, dtype=np.int64), None


def split_by_buildings(area: Path, extract: Path, buildings: int) -> tuple[gpd.GeoDataFrame, float]:
    """area-splitter's tasks of about so many buildings, and the seconds it took.

    It runs as a program of its own (its licence is the GPL), on a PostGIS of its own.
    """
    with tempfile.TemporaryDirectory(prefix="gridward-bench-") as folder:
        out = Path(folder) / "tasks.geojson"
        with Database(Settings(database_url=None, home=Path(folder) / "home")) as database:
            url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
            began = perf_counter()
            run = subprocess.run(
                [sys.executable, "-m", "area_splitter.splitter", "-b", area, "-e", extract,
                 "-number", str(buildings), "-db", url, "-o", out],
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            seconds = perf_counter() - began
        if run.returncode or not out.is_file():
            last = (run.stderr.strip().splitlines() or ["it wrote nothing"])[-1]
            raise RuntimeError(last)
        features = json.loads(out.read_text("utf-8"))["features"]
    tasks = gpd.GeoDataFrame.from_features(features, crs="EPSG:4326")[["geometry"]]
    return tasks.assign(community_code="area"), seconds
