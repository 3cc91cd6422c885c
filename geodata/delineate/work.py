"""Many communities: handed out in batches to an executor, or worked on in turn."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Executor

from geodata import calls
from geodata.delineate.community import Solved, solve
from geodata.delineate.task import Task

__all__ = ["batches", "solve_batch", "work_off"]

#: Grids that a batch is expected to give: some tenths of a second of work, against the few
#: milliseconds that an executor spends on a call.
_BATCH_GRIDS = 16
#: Communities of a batch where they are small.
_BATCH_COMMUNITIES = 64


def work_off(
    tasks: Iterable[Task],
    executor: Executor | None = None,
    *,
    in_flight: int = calls.IN_FLIGHT,
    renew: Callable[[BrokenExecutor], Executor] | None = None,
) -> Iterator[Solved]:
    """Solve tasks; they come back as they are finished, in any order.

    Parameters
    ----------
    tasks : iterable of Task
        Taken only as fast as they are worked off.
    executor : concurrent.futures.Executor, optional
        Where the work is done; in this process without it.
    in_flight : int
        Batches that the executor has at once.
    renew : callable, optional
        Given the error of an executor whose workers have died, another executor; what the dead
        ones had is handed out again. Without it the error is raised.
    """
    if executor is None:
        yield from map(solve, tasks)
        return
    lots = ((None, batch) for batch in batches(tasks))
    package = "geodata.delineate"
    for _, solved in calls.work_off(
        lots, solve_batch, executor, package=package, in_flight=in_flight, renew=renew
    ):
        yield from solved


def batches(tasks: Iterable[Task]) -> Iterator[list[Task]]:
    """Tasks in lots of about equal work, in their order."""
    batch: list[Task] = []
    grids = 0.0
    for task in tasks:
        batch.append(task)
        grids += float(task.load.sum()) / task.limits.target
        if grids >= _BATCH_GRIDS or len(batch) == _BATCH_COMMUNITIES:
            yield batch
            batch, grids = [], 0.0
    if batch:
        yield batch


def solve_batch(batch: list[Task]) -> list[Solved]:
    """Solve tasks in turn."""
    return [solve(task) for task in batch]
