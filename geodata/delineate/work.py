"""Many communities: handed out in batches to an executor, or worked on in turn."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import (
    ALL_COMPLETED,
    FIRST_COMPLETED,
    BrokenExecutor,
    Executor,
    Future,
    wait,
)

from geodata.delineate.community import Solved, solve
from geodata.delineate.digest import code_version
from geodata.delineate.task import Task
from geodata.errors import PlanError

__all__ = ["IN_FLIGHT", "batches", "solve_batch", "work_off"]

#: Batches an executor is handed at once; enough to keep dozens of workers busy, few enough that
#: the tasks of a province never stand in memory together.
IN_FLIGHT = 64

#: Grids that a batch is expected to give: some tenths of a second of work, against the few
#: milliseconds that an executor spends on a call.
_BATCH_GRIDS = 16
#: Communities of a batch where they are small.
_BATCH_COMMUNITIES = 64


def work_off(
    tasks: Iterable[Task],
    executor: Executor | None = None,
    *,
    in_flight: int = IN_FLIGHT,
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
    source, again = batches(tasks), list[list[Task]]()
    waiting: dict[Future[list[Solved]], list[Task]] = {}
    try:
        while True:
            broken = _hand_out(source, again, waiting, executor, in_flight)
            if broken is None and not waiting:
                return
            if broken is not None and renew is None:
                raise broken
            # a broken executor fails at once whatever it still has
            until = FIRST_COMPLETED if broken is None else ALL_COMPLETED
            for future in wait(waiting, return_when=until).done:
                batch = waiting.pop(future)
                if isinstance(future.exception(), BrokenExecutor):
                    again.append(batch)
                else:
                    yield from future.result()
            if broken is not None and renew is not None:
                executor = renew(broken)
    finally:
        for future in waiting:
            future.cancel()


def _hand_out(
    source: Iterator[list[Task]],
    again: list[list[Task]],
    waiting: dict[Future[list[Solved]], list[Task]],
    executor: Executor,
    in_flight: int,
) -> BrokenExecutor | None:
    """Fill an executor up, with what was lost first; its error where it takes no more."""
    while len(waiting) < in_flight:
        batch = again.pop() if again else next(source, None)
        if batch is None:
            break
        try:
            waiting[executor.submit(solve_batch, batch, code_version())] = batch
        except BrokenExecutor as error:
            again.append(batch)
            return error
    return None


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


def solve_batch(batch: list[Task], version: str) -> list[Solved]:
    """Solve tasks in turn, on whatever machine this is.

    Raises
    ------
    PlanError
        This machine draws grids by other code, or with other libraries, than the one that asks:
        their grids might differ.
    """
    if version != code_version():
        raise PlanError(
            "a worker runs another release of Gridward, or of a library under it, than the "
            "command that gave it work: install the same on both"
        )
    return [solve(task) for task in batch]
