"""How fast does a staffing reach its certified optimum, and how does that grow?

A made-up province of grids and members (``_people.py``), seven roles and eight posts a grid, police
and doctors short. Every way runs in a process of its own:

- Gridward: ``gd.staff`` from frames to frames, and within it the solver alone: it finds the arcs,
  solves, prices what it left out until nothing is missing, and proves the optimum
- one call of OR-Tools' SimpleMinCostFlow (cost scaling) on the very arcs that Gridward ends with
- one call of pylmcf (the network simplex of LEMON) on the same arcs

Then county by county, and ``gridward staff`` on a database of its own.

All have to find the same cost. The peers are given the arcs and prove nothing beyond them.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

import geodata as gd
from benchmarks._people import TEAM, fill, made_up
from benchmarks._report import peak_mib, server_seconds, show
from benchmarks._svg import Line, chart
from geodata.staff.flow import optimum
from geodata.staff.inputs import read_request
from geodata.staff.network import build_network
from geodata.staff.problem import role_groups
from service.db.engine import Database
from service.flows.staff import staff
from service.settings import Settings

SIZES = (1_000, 3_000, 11_000, 33_000, 110_000)
PICTURE = Path(__file__).resolve().parents[1] / "docs" / "images" / "staffing.svg"
WHOLE, SOLVER = "gd.staff, frames to frames", "its solver alone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What one way took: seconds of the clock and of the processors, peak memory, what it found."""

    seconds: float
    cpu: float
    mib: float
    cost: int | None = None
    posts: int | None = None
    metres: int | None = None
    arcs: int | None = None


def apart(work: Callable[..., Any], *arguments: object) -> Any:
    """Run in a process of its own, so that the peak of memory is its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(work, *arguments).result()


def staff_whole(grids: int, seed: int, limit: float | None, by: str | None) -> Figures:
    """``gd.staff`` from frames to frames."""
    _warm_up()
    frames = made_up(grids, seed)
    began, cpu = perf_counter(), process_time()
    found = gd.staff(*frames, TEAM, max_distance_m=limit, by=by, measure_loss=False)
    seconds, cpu = perf_counter() - began, process_time() - cpu
    assert found.total_distance_m == found.lower_bound_m, "not proved to be the optimum"
    return Figures(
        seconds=seconds, cpu=cpu, mib=peak_mib(), posts=len(found.posts),
        metres=found.total_distance_m,
    )  # fmt: skip


def staff_solver(grids: int, seed: int, limit: float | None, folder: Path) -> Figures:
    """The solver on the problem as arrays; its arcs go into a file a group of roles."""
    _warm_up()
    problem = read_request(*made_up(grids, seed), TEAM, max_distance_m=limit).problem
    parts = [problem.part(roles)[0] for roles in role_groups(problem.eligible)]
    began, cpu = perf_counter(), process_time()
    with ThreadPoolExecutor() as groups, ThreadPoolExecutor() as threads:
        solved = list(groups.map(lambda part: _solved(part, threads), parts))
    seconds, cpu = perf_counter() - began, process_time() - cpu
    peak = peak_mib()
    cost = arcs_in_all = 0
    for number, (network, arcs, state) in enumerate(solved):
        cost += int(arcs.flow.astype(np.int64) @ arcs.cost)
        cost += network.vacancy_cost * int(state.vacant.sum())
        arcs_in_all += len(arcs.pool)
        np.savez(
            folder / f"{number}.npz", pool=arcs.pool, slot=arcs.slot, cost=arcs.cost,
            limit=arcs.limit, capacity=network.capacity, demand=network.demand,
            vacancy_cost=network.vacancy_cost,
        )  # fmt: skip
    return Figures(seconds=seconds, cpu=cpu, mib=peak, cost=cost, arcs=arcs_in_all)


def _solved(part: Any, threads: Executor) -> Any:
    network, _ = build_network(part)
    arcs, state, _ = optimum(network, threads)
    return network, arcs, state


def peer(solve: Callable[..., int], folder: Path) -> Figures | str:
    """A peer on the arcs in the folder, one group of roles after the other."""
    seconds = cpu = 0.0
    cost = 0
    for file in sorted(folder.glob("*.npz")):
        with np.load(file) as data:
            network = _network(**{name: data[name] for name in data.files})
        began, cpu_began = perf_counter(), process_time()
        try:
            cost += solve(*network)
        except (ImportError, RuntimeError) as error:
            return str(error)
        seconds += perf_counter() - began
        cpu += process_time() - cpu_began
    return Figures(seconds=seconds, cpu=cpu, mib=peak_mib(), cost=cost)


Ints = NDArray[np.int64]


def _network(
    pool: Ints, slot: Ints, cost: Ints, limit: Ints, capacity: Ints, demand: Ints, vacancy_cost: int
) -> tuple[Ints, Ints, Ints, Ints, Ints]:
    """Starts, ends, capacities and costs of arcs from one source on, in order; the supplies."""
    pools, slots = len(capacity), len(demand)
    source = np.int64(pools + slots)
    start = np.concatenate([pool, np.full(pools + slots, source)])
    end = np.concatenate([pools + slot, np.arange(pools), pools + np.arange(slots)])
    room = np.concatenate([limit, capacity, demand]).astype(np.int64)
    price = np.concatenate(
        [cost, np.zeros(pools, np.int64), np.full(slots, vacancy_cost, np.int64)]
    )
    supply = np.concatenate([np.zeros(pools, np.int64), -demand, [demand.sum()]])
    order = np.lexsort((end, start))
    return start[order], end[order], room[order], price[order], supply


def or_tools(start: Ints, end: Ints, room: Ints, price: Ints, supply: Ints) -> int:
    """One call of SimpleMinCostFlow."""
    from ortools.graph.python import min_cost_flow

    flow = min_cost_flow.SimpleMinCostFlow()
    flow.add_arcs_with_capacity_and_unit_cost(start, end, room, price)
    flow.set_nodes_supplies(np.arange(len(supply)), supply)
    status = flow.solve()
    if status != flow.OPTIMAL:
        raise RuntimeError(f"the status is {status.name}")
    return int(flow.optimal_cost())


def pylmcf(start: Ints, end: Ints, room: Ints, price: Ints, supply: Ints) -> int:
    """One call of the network simplex."""
    from pylmcf import Graph

    graph = Graph(len(supply), start.astype(np.int32), end.astype(np.int32))
    graph.set_edge_capacities(room)
    graph.set_edge_costs(price)
    graph.set_node_supply(supply)
    graph.solve()
    return int(graph.total_cost())


PEERS = {"OR-Tools, one call on its arcs": or_tools, "pylmcf, one call on its arcs": pylmcf}


def _warm_up() -> None:
    """Compile what numba has not yet in its cache."""
    gd.staff(*made_up(200), TEAM)


def compare(grids: int, seed: int, limit: float | None, peers: Sequence[str]) -> dict[str, Figures]:
    """Run every way on one size, print the table."""
    console = Console(stderr=True)
    console.print(f"{grids:,} grids")
    found = {WHOLE: apart(staff_whole, grids, seed, limit, None)}
    with tempfile.TemporaryDirectory(prefix="gridward-bench-") as folder:
        found[SOLVER] = own = apart(staff_solver, grids, seed, limit, Path(folder))
        for name in peers:
            console.print(name)
            figures = apart(peer, PEERS[name], Path(folder))
            if isinstance(figures, str):
                console.print(f"left out: {name}, since it does not run here: {figures}")
                continue
            assert figures.cost == own.cost, f"{name} finds another cost"
            found[name] = figures
    whole = found[WHOLE]
    show(
        f"{grids:,} grids, {11 * grids:,} members, {8 * grids:,} posts"
        f"{'' if limit is None else f' within {limit:g} m'}: {whole.posts:,} filled, "
        f"{(whole.metres or 0) / 1000:,.0f} km, proved; {own.arcs:,} arcs, equal cost",
        ("way", "s", "processor s", "times the solver", "peak MiB"),
        (
            (name, each.seconds, each.cpu, each.cpu / own.cpu, each.mib)
            for name, each in found.items()
        ),
    )
    return found


def by_county(grids: int, seed: int, limit: float | None) -> None:
    """What it costs to staff county by county."""
    ways = {"all at once": None, "county by county": "county"}
    found = {name: apart(staff_whole, grids, seed, limit, by) for name, by in ways.items()}
    show(
        f"{grids:,} grids, part by part",
        ("way", "s", "processor s", "posts filled", "km", "peak MiB"),
        (
            (name, each.seconds, each.cpu, each.posts, each.metres / 1000, each.mib)
            for name, each in found.items()
        ),
    )


def in_the_database(grids: int, seed: int, limit: float | None) -> None:
    """``gridward staff`` with all grids and members in PostGIS: first, again, and by county."""
    rows = []
    with tempfile.TemporaryDirectory(prefix="gridward-bench-") as folder:
        home = Path(folder) / "home"
        with Database(Settings(database_url=None, home=home)) as database:
            Console(stderr=True).print(f"filling a database with {grids:,} grids")
            fill(database, *made_up(grids, seed))
            for name, by in (("first time", None), ("again", None), ("by county", "county")):
                served = server_seconds(home / "pg")
                own: Figures = apart(staff_flow, home, limit, by)
                served = server_seconds(home / "pg") - served
                rows.append(
                    (f"gridward staff, {name}", own.seconds, own.cpu, served, own.posts, own.mib)
                )
    show(
        f"{grids:,} grids and {11 * grids:,} members in PostGIS",
        ("way", "s", "processor s", "of the server", "posts that changed", "peak MiB"),
        rows,
    )


def staff_flow(home: Path, limit: float | None, by: str | None) -> Figures:
    """The flow behind ``gridward staff``, committed."""
    _warm_up()
    with Database(Settings(database_url=None, home=home)) as database:
        began, cpu = perf_counter(), process_time()
        with database.session() as session:
            report = staff(session, max_distance_m=limit, by=by)
        assert report.total_distance_m == report.lower_bound_m, "not proved to be the optimum"
        return Figures(
            seconds=perf_counter() - began, cpu=process_time() - cpu, mib=peak_mib(),
            posts=report.opened + report.closed, metres=report.total_distance_m,
        )  # fmt: skip


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--grids", type=int, nargs="+", default=SIZES, help="sizes, ascending")
    parser.add_argument("--limit", type=float, help="largest distance in metres")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--peers-to", type=int, default=10**9, help="no peers above this size")
    parser.add_argument("--no-database", action="store_true", help="leave gridward staff out")
    parser.add_argument("--picture", type=Path, help=f"SVG to write, e.g. {PICTURE.name}")
    arguments = parser.parse_args()
    lines: dict[str, list[tuple[float, float]]] = {}
    for grids in arguments.grids:
        peers = list(PEERS) if grids <= arguments.peers_to else []
        for name, each in compare(grids, arguments.seed, arguments.limit, peers).items():
            lines.setdefault(name, []).append((float(grids), each.cpu))
    by_county(arguments.grids[-1], arguments.seed, arguments.limit)
    if not arguments.no_database:
        in_the_database(arguments.grids[-1], arguments.seed, arguments.limit)
    if arguments.picture is not None:
        text = chart(
            [Line(name, points) for name, points in lines.items()], x="grids", y="processor seconds"
        )
        arguments.picture.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
