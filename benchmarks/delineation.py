"""How good are the grids, and how fast do they come, beside other ways on the same data?

On real data (``--data``, by default the folder shared/data beside the project): Cambridge with its
roads, rail and water, the grids that people drew there, Tainan without any barrier, a piece of
Kathmandu. Without the data, on a made-up city. Every plan is measured by ``gd.quality.measure``,
and by the same communities, households and barriers.

- k-means-constrained: clusters of bounded size, then the Voronoi cells of the places, clipped
- GerryChain: ReCom on census blocks
- area-splitter: tasks of about so many buildings
- people: the census block groups and the patrol grids of Cambridge
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, process_time

import geopandas as gpd
import numpy as np
import pandas as pd
from rich.console import Console

import geodata as gd
from benchmarks._peers import (
    TARGET,
    counted,
    k_means_voronoi,
    recombined_blocks,
    split_by_buildings,
)
from benchmarks._report import show
from benchmarks._svg import Layer, Map, deviation_colours, sheet
from geodata.metric import MetricPlane

PROJECT = Path(__file__).resolve().parents[1]
DATA = PROJECT.parent / "shared" / "data"
PICTURE = PROJECT / "docs" / "images" / "delineation-peers.svg"

#: Every so many villages of Tainan are a piece of it that k-means can be asked to divide.
PIECE = 20
#: Buildings a grid in Kathmandu, which has too few for grids of 400.
BUILDINGS = 50

FIGURES = (
    "grids", "deviation mean, %", "deviation p95, %", "deviation max, %", "within range, %",
    "Polsby-Popper, median", "on barriers, %", "in several parts", "flagged", "seconds",
    "processor seconds", "grids/s", "time a grid, ratio",
)  # fmt: skip

#: Households of one community, to see how the time grows.
SIZES = (6_000, 12_500, 25_000, 50_000)


@dataclass(frozen=True, slots=True)
class Place:
    """Data to divide; ``barriers`` also measure plans that were drawn without them."""

    communities: gpd.GeoDataFrame
    households: gpd.GeoDataFrame
    barriers: gpd.GeoDataFrame | None


@dataclass(frozen=True, slots=True)
class Result:
    """Grids, what they measure, and the seconds that they took (None: they were there)."""

    way: str
    grids: gpd.GeoDataFrame
    figures: pd.Series
    seconds: float | None = None
    cpu: float | None = None

    def column(self, first: Result) -> list[object]:
        """What stands for each of ``FIGURES``; ``first`` is what the time is compared with."""
        figures, count = self.figures, len(self.grids)
        time = self.cpu or self.seconds
        own = first.cpu or first.seconds
        ratio = time / count / (own / len(first.grids)) if time and own else None
        return [
            count,
            *(_share(figures[f"deviation_{name}"]) for name in ("mean", "p95", "max")),
            _share(figures["within_range"]),
            f"{figures['polsby_popper_median']:.3f}",
            _share(figures["on_barriers"]),
            int(figures["noncontiguous"]),
            sum(figures["flags"].values()),
            self.seconds,
            self.cpu,
            count / time if time else None,
            ratio,
        ]


def _share(value: float) -> str | None:
    return None if np.isnan(value) else f"{100 * value:.1f}"


def place_of(folder: Path) -> Place:
    """The valid rows of a data set in memory."""
    frames = gd.read_frames(gd.read_manifest(folder / "dataset.toml"))
    return Place(frames.communities, frames.households, frames.barriers)


def timed(
    way: str, run: Callable[[], gpd.GeoDataFrame], place: Place, repeats: int, **limits: int
) -> Result:
    """Run a way so many times; the medians of its wall clock and of its own processor time."""
    wall, cpu = [], []
    for _ in range(repeats):
        began, worked = perf_counter(), process_time()
        grids = run()
        wall.append(perf_counter() - began)
        cpu.append(process_time() - worked)
    figures = gd.quality.measure(grids, place.communities, place.barriers, **limits)
    return Result(way, grids, figures, statistics.median(wall), statistics.median(cpu))


def gridward(place: Place, barriers: gpd.GeoDataFrame | None, **limits: int) -> gpd.GeoDataFrame:
    return gd.delineate(place.communities, place.households, barriers, **limits).grids


def drawn_by_people(way: str, polygons: gpd.GeoDataFrame, place: Place) -> Result:
    """Measure polygons that do not nest in the communities as a division of the city in one."""
    city = gpd.GeoDataFrame(
        {"code": ["city"]}, geometry=[polygons.union_all()], crs=polygons.crs
    )  # fmt: skip
    grids = counted(polygons[["geometry"]], place.households).assign(community_code="city")
    return Result(way, grids, gd.quality.measure(grids, city, place.barriers))


def cambridge(data: Path, repeats: int, steps: int, console: Console) -> list[Result]:
    place = place_of(data / "cambridge")
    case = data / "cambridge" / "cambridge_case.gpkg"
    results = _with_and_without(place, repeats)
    results += _k_means(place, console)
    blocks = gpd.read_file(case, layer="census_blocks_2020")[["geometry"]]
    try:
        epsilons: list[float | None] = []

        def recom() -> gpd.GeoDataFrame:
            grids, found = recombined_blocks(
                place.communities, place.households, blocks, steps=steps
            )
            epsilons[:] = found
            return grids

        results.append(timed("GerryChain ReCom", recom, place, 1))
        console.print(
            f"GerryChain: {steps} steps a community; a first plan within "
            + ", ".join(_chains(epsilons))
        )
    except ImportError as error:
        _left_out(console, "GerryChain", error)
    for way, layer in (
        ("census block groups", "census_block_groups_2020"),
        ("patrol grids", "existing_patrol_grids"),
    ):
        polygons = gpd.read_file(case, layer=layer).to_crs(place.communities.crs)
        results.append(drawn_by_people(way, polygons, place))
    return results


def _chains(epsilons: Sequence[float | None]) -> list[str]:
    texts = []
    for epsilon in sorted(set(epsilons), key=lambda each: each or 1.0):
        name = f"{100 * epsilon:g} %" if epsilon else "none of these (left whole)"
        texts.append(f"{name}: {epsilons.count(epsilon)} communities")
    return texts


def _with_and_without(place: Place, repeats: int) -> list[Result]:
    results = []
    if place.barriers is not None:
        results.append(timed("Gridward", lambda: gridward(place, place.barriers), place, repeats))
    results.append(timed("Gridward, no barriers", lambda: gridward(place, None), place, repeats))
    return results


def _k_means(place: Place, console: Console) -> list[Result]:
    def run() -> gpd.GeoDataFrame:
        return k_means_voronoi(place.communities, place.households)

    try:
        return [timed("k-means-constrained", run, place, 1)]
    except ImportError as error:
        _left_out(console, "k-means-constrained", error)
        return []


def tainan(data: Path, repeats: int, console: Console) -> tuple[list[Result], list[Result]]:
    """All of it by Gridward; a piece of it by Gridward and by k-means."""
    place = place_of(data / "tainan")
    whole = _with_and_without(place, repeats)
    villages = place.communities.sort_values("code").iloc[::PIECE].reset_index(drop=True)
    near = gpd.sjoin(place.households[["geometry"]], villages[["geometry"]]).index.unique()
    piece = Place(villages, place.households.loc[near].reset_index(drop=True), None)
    return whole, [*_with_and_without(piece, repeats), *_k_means(piece, console)]


def kathmandu(data: Path, repeats: int, console: Console) -> list[Result]:
    """667 buildings in 16 ha: area-splitter's own example."""
    folder = data / "kathmandu"
    area, extract = folder / "kathmandu.geojson", folder / "kathmandu_extract.geojson"
    features = gpd.read_file(extract)[["geometry"]]
    houses = features[features.geom_type == "Polygon"].representative_point()
    place = Place(
        gpd.read_file(area)[["geometry"]].assign(code="area"),
        gpd.GeoDataFrame({"households": 1}, index=houses.index, geometry=houses),
        features[features.geom_type == "LineString"].reset_index(drop=True),
    )
    limits = {
        "target": BUILDINGS, "minimum": BUILDINGS * 3 // 4, "maximum": BUILDINGS * 5 // 4
    }  # fmt: skip
    results = [
        timed("Gridward", lambda: gridward(place, place.barriers, **limits), place,
              repeats, **limits)
    ]  # fmt: skip
    try:
        tasks, seconds = split_by_buildings(area, extract, BUILDINGS)
    except (RuntimeError, OSError) as error:
        _left_out(console, "area-splitter", error)
        return results
    tasks = counted(tasks, place.households)
    figures = gd.quality.measure(tasks, place.communities, place.barriers, **limits)
    return [*results, Result("area-splitter", tasks, figures, seconds)]


def made_up(repeats: int, console: Console) -> list[Result]:
    sample = gd.sample.city(seed=7)
    place = Place(sample.communities, sample.households, sample.barriers)
    return [*_with_and_without(place, repeats), *_k_means(place, console)]


def _left_out(console: Console, peer: str, error: Exception) -> None:
    console.print(f"left out: {peer}, since it does not run here: {error}")


def picture(results: Sequence[Result], place: Place) -> str:
    """The plans as maps, coloured by how far a grid is from its fair share."""
    plane = MetricPlane.of_frame(place.communities)
    maps = []
    for result in results:
        grids = result.grids
        shapes = plane.to_metres(grids.geometry.to_numpy())
        share = grids.groupby("community_code")["households"].transform("mean").clip(lower=1)
        figures = result.figures
        maps.append(
            Map(
                result.way,
                [Layer(shapes, deviation_colours(grids["households"], share), "#444", 0.5)],
                [
                    f"deviation {_share(figures['deviation_mean'])} %, "
                    f"in range {_share(figures['within_range'])} %",
                    f"compactness {figures['polsby_popper_median']:.2f}, "
                    f"on barriers {_share(figures['on_barriers'])} %",
                ],
            )
        )
    foot = "blue: too few households; orange: too many; from 5, 10 and 25 % of the fair share on"
    bounds = plane.to_metres(place.communities.union_all()).bounds
    return sheet(maps, columns=3, bounds=bounds, foot=foot)


def compare(data: Path, repeats: int, steps: int, file: Path | None) -> None:
    """Run every way that can run here, print the tables, draw the picture."""
    console = Console(stderr=True)
    if not (data / "cambridge" / "dataset.toml").is_file():
        console.print(f"{data} is not there: a made-up city takes the place of the real data")
        _warm_up()
        _table("a made-up city of 60,000 households", made_up(repeats, console))
        growth(repeats)
        return
    _warm_up()
    city = cambridge(data, repeats, steps, console)
    _table(f"Cambridge, grids of about {TARGET}", city)
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(picture(city, place_of(data / "cambridge")), encoding="utf-8")
        console.print(f"wrote {file}")
    whole, piece = tainan(data, repeats, console)
    _table("Tainan, 752 villages without barriers", whole)
    _table(f"Tainan, every {PIECE}th village", piece)
    if (data / "kathmandu").is_dir():
        _table(f"Kathmandu, {BUILDINGS} buildings a grid", kathmandu(data, repeats, console))
    growth(repeats)


def _warm_up() -> None:
    """Compile what numba has not yet in its cache."""
    town = gd.sample.town(3_000)
    for barriers in (None, town.barriers):
        gd.delineate(town.communities, town.households, barriers)


def _table(title: str, results: Sequence[Result]) -> None:
    columns = zip(*(result.column(results[0]) for result in results), strict=True)
    rows = ([name, *values] for name, values in zip(FIGURES, columns, strict=True))
    show(title, ("figure", *(result.way for result in results)), rows)


def growth(repeats: int) -> None:
    """How the time grows with the households of one community: a made-up city without parts."""
    rows = []
    for size in SIZES:
        sample = gd.sample.city(size, seed=7)
        whole = gpd.GeoDataFrame(
            {"code": ["1"]}, geometry=[sample.communities.union_all()], crs=sample.communities.crs
        )
        place = Place(whole, sample.households, sample.barriers)
        results = _with_and_without(place, repeats)
        rows.append(
            [f"{size:,}", len(results[0].grids)]
            + [value for each in results for value in (each.seconds, each.cpu)]
        )
    show(
        "one community of ever more households",
        ("households", "grids", "barriers: s", "processor s", "none: s", "processor s"),
        rows,
    )


def main() -> None:
    """Read the arguments and compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the real data")
    parser.add_argument("--repeats", type=int, default=3, help="runs of Gridward; peers run once")
    parser.add_argument("--steps", type=int, default=200, help="ReCom steps a community")
    parser.add_argument("--picture", type=Path, help=f"SVG to write, e.g. {PICTURE.name}")
    arguments = parser.parse_args()
    compare(arguments.data, arguments.repeats, arguments.steps, arguments.picture)


if __name__ == "__main__":
    main()
