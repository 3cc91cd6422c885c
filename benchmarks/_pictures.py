"""The steps of a delineation as pictures, drawn by the code itself: ``make pictures``.

The place is made up (``gd.sample.city``), so the pictures are the same everywhere.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

import geodata as gd
from benchmarks._svg import BLUE, GREY, INK, LIGHT, Layer, Map, categories, sheet
from geodata.delineate.energy import Weights
from geodata.delineate.faces import as_lines
from geodata.delineate.partition import partition
from geodata.delineate.power import balanced_labels, bisection_centres
from geodata.delineate.search import Effort, whole
from geodata.delineate.task import Items, Limits, merge_items, metric_area
from geodata.delineate.tiling import Tiling, tile
from geodata.metric import MetricPlane

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "images"
LIMITS = Limits(400.0, 300.0, 500.0)
QUARTER = "980101001004"


def _place() -> tuple[Any, Items, NDArray[Any], Any]:
    """Area, items and barriers of a quarter of the made-up city, and its grids without barriers."""
    city = gd.sample.city(seed=7)
    community = city.communities[city.communities["code"] == QUARTER]
    shape = community.geometry.iloc[0]
    inside = shapely.intersects(city.households.geometry.to_numpy(), shape)
    homes = city.households[inside]
    plane = MetricPlane.of_bounds(shape.bounds)
    items = merge_items(
        plane.forward(shapely.get_coordinates(homes.geometry.to_numpy())),
        homes["households"].to_numpy(),
    )
    area = metric_area(shape, plane)
    lines = plane.to_metres(as_lines(city.barriers.geometry.to_numpy())[0])
    straight = gd.delineate(community, homes, snap_tolerance_m=0).grids
    cells = plane.to_metres(straight.geometry.to_numpy())
    return area, items, lines[shapely.intersects(lines, area)], (cells, straight["households"])


def _borders(tiling: Tiling, labels: NDArray[np.int64]) -> NDArray[Any]:
    return np.array(
        [shapely.coverage_union_all(tiling.pieces[labels == c]) for c in np.unique(labels)],
        dtype=object,
    )


def steps() -> str:
    """Households and barriers, faces, atoms, seeds, the search's grids, grids without barriers."""
    area, items, lines, (cells, cell_loads) = _place()
    fair = area.area / (items.load.sum() / LIMITS.target)
    tiling = tile(
        area, items, lines, np.ones(len(lines)),
        coarse=0.06 * 400, fine=0.02 * 400, area_cap=0.3 * fair, cut_cost=Weights().cut_cost,
    )  # fmt: skip
    faces = tile(
        area, items, lines, np.ones(len(lines)),
        coarse=np.inf, fine=np.inf, area_cap=np.inf, cut_cost=1.0,
    ).pieces  # fmt: skip
    graph = tiling.coarse.graph
    count = round(items.load.sum() / LIMITS.target)
    share = np.full(count, items.load.sum() / count)
    seeds, _, _ = balanced_labels(
        graph.xy, graph.load, bisection_centres(graph.xy, graph.load, count), share
    )
    seeds = whole(graph, np.unique(seeds, return_inverse=True)[1].astype(np.int64))
    found = partition(tiling, LIMITS, weights=Weights(), effort=Effort(), seed=1)
    atoms = _borders(tiling, tiling.coarse.atom)
    outline = Layer(np.array([area]), LIGHT, INK, 1.0)
    homes = Layer(shapely.points(items.xy), INK, width=0.9)
    roads = Layer(shapely.intersection(lines, area), "none", BLUE, 1.0)
    colours = categories(count)
    fine = np.empty(len(tiling.fine.graph.load), dtype=np.int64)
    fine[tiling.fine.atom] = found
    loads = (
        np.bincount(seeds, graph.load, count),
        np.bincount(fine, tiling.fine.graph.load, count),
    )
    maps = [
        Map("1 Input", [outline, roads, homes], [f"{items.load.sum():.0f} households"]),
        Map("2 Faces", [Layer(faces, LIGHT, BLUE, 0.8)], [f"{len(faces)} faces of the barriers"]),
        Map("3 Atoms", [Layer(atoms, LIGHT, GREY, 0.6), roads], [f"{len(atoms)} coarse atoms"]),
        _grids("4 Seeds", _borders(tiling, seeds[tiling.coarse.atom]), colours, roads, loads[0]),
        _grids("5 Searched", _borders(tiling, found), colours, roads, loads[1]),
        _grids("Without barriers", cells, colours, homes, cell_loads.to_numpy()),
    ]
    return sheet(maps, columns=3, bounds=area.bounds)


def _grids(
    title: str, grids: NDArray[Any], colours: list[str], above: Layer, loads: NDArray[Any]
) -> Map:
    text = ", ".join(f"{load:.0f}" for load in np.sort(loads))
    return Map(title, [Layer(grids, colours, INK, 1.2), above], [text])


def main() -> None:
    """Draw all pictures."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / "delineation-steps.svg").write_text(steps(), encoding="utf-8")


if __name__ == "__main__":
    main()
