"""The same grids from any executor; digests that tell one input from another."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import (
    BrokenExecutor,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
)
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import shapely

from geodata.delineate import Plan, delineate, work
from geodata.delineate.community import Solved, solve
from geodata.delineate.digest import code_version, digest
from geodata.delineate.dissolve import restore
from geodata.delineate.inputs import community_tasks
from geodata.delineate.task import Limits, Task
from geodata.metric import MetricPlane

SIDE = 0.004
LIMITS = Limits(30.0, 22.0, 38.0)


def frames(seed: int = 1) -> tuple[gpd.GeoDataFrame, gpd.GeoDataFrame, gpd.GeoDataFrame]:
    """Twelve square communities, 80 households each, and streets; every third has no household."""
    rng = np.random.default_rng(seed)
    squares = [
        shapely.box(x * SIDE, 30 + y * SIDE, (x + 1) * SIDE, 30 + (y + 1) * SIDE)
        for y in range(3)
        for x in range(4)
    ]
    xy = rng.random((960, 2)) * [4 * SIDE, 3 * SIDE] + [0, 30]
    xy = xy[(xy[:, 0] // SIDE) % 3 != 2]
    lines = [shapely.LineString([(-1, 30 + k * 0.0009), (1, 30 + k * 0.0009)]) for k in range(14)]
    lines += [shapely.LineString([(k * 0.0011, 29), (k * 0.0011, 31)]) for k in range(16)]
    return (
        gpd.GeoDataFrame(
            {"code": [f"{number:02d}" for number in range(12)]}, geometry=squares, crs="EPSG:4326"
        ),
        gpd.GeoDataFrame(
            {"households": rng.integers(1, 3, len(xy))}, geometry=shapely.points(xy),
            crs="EPSG:4326",
        ),
        gpd.GeoDataFrame({"weight": 1.0}, geometry=lines, crs="EPSG:4326", index=range(len(lines))),
    )  # fmt: skip


def drawn(executor: Executor | None = None, mixed: int | None = None) -> Plan:
    inputs = frames()
    if mixed is not None:
        inputs = tuple(frame.sample(frac=1, random_state=mixed) for frame in inputs)  # type: ignore[assignment]
    return delineate(*inputs, target=30, minimum=22, maximum=38, executor=executor)


@pytest.fixture(scope="module")
def alone() -> Plan:
    """Drawn in this process."""
    return drawn()


@pytest.fixture(scope="module")
def dask_executor() -> Iterator[Executor]:
    """Two worker processes behind a Dask scheduler on loopback."""
    distributed = pytest.importorskip(
        "distributed", reason="Dask is not installed: pip install 'gridward[scale]'"
    )
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        yield client.get_executor()


def assert_same(plan: Plan, alone: Plan) -> None:
    assert plan.grids.to_wkb().equals(alone.grids.to_wkb())
    assert plan.membership.loc[alone.membership.index].equals(alone.membership)
    assert plan.report.drop(columns="seconds").equals(alone.report.drop(columns="seconds"))


@pytest.mark.parametrize("workers", [1, 2])
def test_a_process_pool_gives_the_same_bytes(alone: Plan, workers: int) -> None:
    with ProcessPoolExecutor(workers) as pool:
        assert_same(drawn(pool, mixed=7), alone)


def test_dask_gives_the_same_bytes(alone: Plan, dask_executor: Executor) -> None:
    assert_same(drawn(dask_executor), alone)
    assert_same(drawn(dask_executor, mixed=3), alone)


@pytest.fixture
def tasks() -> list[Task]:
    """One task a community, a place a household."""
    places, households, barriers = frames()
    xy = shapely.get_coordinates(households.geometry)
    home = (xy[:, 0] // SIDE + (xy[:, 1] - 30) // SIDE * 4).astype(int)
    load = households["households"].to_numpy()
    lines = barriers.geometry.to_numpy(), np.ones(len(barriers))

    def households_of(place: int) -> tuple[Any, Any]:
        return xy[home == place], load[home == place]

    return list(community_tasks(places, households_of, lines, LIMITS, 0))


def as_bytes(solved: list[Solved]) -> dict[str, bytes]:
    return {each.code: b"".join(shapely.to_wkb(each.grids)) for each in solved}


@pytest.mark.parametrize(("workers", "in_flight", "grids"), [(1, 1, 1), (3, 2, 1), (2, 64, 16)])
def test_batches_in_any_order_give_the_same_grids(
    tasks: list[Task], monkeypatch: pytest.MonkeyPatch, workers: int, in_flight: int, grids: int
) -> None:
    monkeypatch.setattr(work, "_BATCH_GRIDS", grids)
    with ThreadPoolExecutor(workers) as pool:
        found = list(work.work_off(reversed(tasks), pool, in_flight=in_flight))
    assert as_bytes(found) == as_bytes([solve(task) for task in tasks])


def test_few_tasks_are_out_at_once(tasks: list[Task], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "_BATCH_GRIDS", 0)  # every task is a batch
    taken, back, most = 0, 0, 0

    def counted() -> Iterator[Task]:
        nonlocal taken, most
        for task in tasks:
            taken += 1
            most = max(most, taken - back)
            yield task

    with ThreadPoolExecutor(2) as pool:
        for _ in work.work_off(counted(), pool, in_flight=3):
            back += 1
    assert (taken, back) == (12, 12)
    assert most <= 4  # three are out, and the one that is just counted


def test_small_communities_share_a_batch(tasks: list[Task]) -> None:
    sizes = [len(batch) for batch in work.batches(tasks * 20)]
    assert sum(sizes) == 240
    assert min(sizes[:-1]) > 1
    loads = [sum(task.load.sum() for task in batch) for batch in work.batches(tasks * 20)]
    heaviest = max(task.load.sum() for task in tasks)
    assert max(loads) < work._BATCH_GRIDS * LIMITS.target + heaviest
    empty = [task for task in tasks if len(task.load) == 0]
    assert len(empty) == 3
    assert [len(batch) for batch in work.batches(empty * 30)] == [64, 26]


class Mortal(Executor):
    """An executor that dies after some calls, and fails all that it still has."""

    def __init__(self, calls: int) -> None:
        self.left = calls
        self.dead = False

    def submit(self, function: Any, /, *arguments: Any, **named: Any) -> Future[Any]:
        if self.dead:
            raise BrokenProcessPool("dead")
        future: Future[Any] = Future()
        if self.left > 0:
            self.left -= 1
            future.set_result(function(*arguments, **named))
        else:
            self.dead = True
            future.set_exception(BrokenProcessPool("dead"))
        return future


def test_what_dead_workers_had_is_handed_out_again(
    tasks: list[Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "_BATCH_GRIDS", 1)
    renewed = []

    def renew(error: BrokenExecutor) -> Executor:
        renewed.append(error)
        return Mortal(2)

    found = list(work.work_off(tasks, Mortal(3), in_flight=4, renew=renew))
    assert as_bytes(found) == as_bytes([solve(task) for task in tasks])
    assert len(found) == 12
    assert len(renewed) >= 2


def test_without_another_executor_the_error_is_raised(tasks: list[Task]) -> None:
    with pytest.raises(BrokenProcessPool):
        list(work.work_off(tasks, Mortal(0)))


def test_an_error_of_the_work_is_raised(tasks: list[Task], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(task: Task) -> Solved:
        raise ZeroDivisionError(task.code)

    monkeypatch.setattr(work, "solve", fail)
    with ThreadPoolExecutor(1) as pool, pytest.raises(ZeroDivisionError, match="00"):
        list(work.work_off(tasks, pool))


def test_a_digest_changes_with_anything_that_the_grids_follow_from(tasks: list[Task]) -> None:
    task = tasks[0]
    assert task.barriers is not None
    assert task.price is not None
    moved = task.xy.copy()
    moved[3, 1] += 1e-12
    more = task.load.copy()
    more[0] += 1
    others = [
        replace(task, code="x"),
        replace(task, area=shapely.reverse(task.area)),
        replace(task, plane=replace(task.plane, x0=task.plane.x0 + 1e-12)),
        replace(task, xy=moved),
        replace(task, load=more),
        replace(task, xy=task.xy[:-1], load=task.load[:-1]),
        replace(task, barriers=task.barriers[1:], price=task.price[1:]),
        replace(task, price=task.price * 2),
        replace(task, barriers=None, price=None),
        replace(task, limits=Limits(31.0, 22.0, 38.0)),
        replace(task, seed=1),
    ]
    digests = {digest(each) for each in (task, *others)}
    assert len(digests) == 1 + len(others)
    assert digest(replace(task, xy=task.xy.copy())) == digest(task)
    assert all(len(each) == 32 for each in digests)


def test_the_version_of_the_code_is_the_same_in_another_process() -> None:
    with ProcessPoolExecutor(1) as pool:
        assert pool.submit(code_version).result() == code_version()


def test_a_grid_that_hangs_together_by_a_thread_is_parted() -> None:
    """A tongue into the neighbour, behind a neck of a third of a micrometre."""
    neck = 3e-7
    east = [(20, 0), (40, 0), (40, 40), (20, 40), (20, 20 + neck), (10, 25), (10, 15), (20, 20)]
    west = [(0, 0), (20, 0), (20, 20), (10, 15), (10, 25), (20, 20 + neck), (20, 40), (0, 40)]
    grids = np.array([shapely.Polygon(east), shapely.Polygon(west)], dtype=object)
    assert shapely.coverage_is_valid(grids)
    plane = MetricPlane.at(10.0, 50.0)
    area = plane.from_metres(shapely.box(0, 0, 40, 40))
    found = restore(grids, area, plane)
    assert shapely.coverage_is_valid(found)
    assert (shapely.get_type_id(found) == shapely.GeometryType.POLYGON).all()
    assert shapely.area(plane.to_metres(found)) == pytest.approx([800.0, 800.0], abs=1e-3)
    corners = {tuple(place) for place in shapely.get_coordinates(area)}
    assert corners <= {tuple(place) for place in shapely.get_coordinates(found)}
