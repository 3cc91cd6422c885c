"""Who does the work of a flow: this process, processes of its own, or those of a Dask scheduler."""

from __future__ import annotations

import logging
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, CancelledError, Executor, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from geodata.errors import UnavailableError

__all__ = ["Workers", "find_workers"]

#: How often a pool of processes is made anew when one of them was killed.
_RENEWALS: Final = 3
#: Seconds for a scheduler to answer, and for its first worker to come.
_ANSWER_S: Final = 10
_FIRST_WORKER_S: Final = 30


@dataclass(frozen=True, slots=True)
class Workers:
    """Workers for the time of a ``with`` statement.

    Attributes
    ----------
    executor : Executor or None
        Takes calls; None where the work is done in this process.
    count : int
        Calls that are worked on at the same time.
    renew : callable or None
        Given the error of an executor whose workers have died, another one, or an error.
    """

    executor: Executor | None
    count: int
    renew: Callable[[BrokenExecutor], Executor] | None = None


@contextmanager
def find_workers(count: int | None = None, *, scheduler: str | None = None) -> Iterator[Workers]:
    """Workers to hand calls to.

    Parameters
    ----------
    count : int, optional
        Processes on this machine, one a processor by default; with 1 no process is started.
    scheduler : str, optional
        Address of a Dask scheduler (``tcp://host:8786``), whose workers are taken in their place.

    Raises
    ------
    UnavailableError
        The scheduler does not answer or has no worker; the workers died again and again.
    """
    if scheduler is not None:
        with _dask(scheduler) as workers:
            yield workers
        return
    count = count or os.cpu_count() or 1
    if count <= 1:
        yield Workers(None, 1)
        return
    pool = _Pool(count)
    try:
        yield Workers(pool.executor, count, pool.renew)
    finally:
        pool.close()


class _Pool:
    """Processes that are replaced when they die."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._renewals = 0
        self.executor = self._start()

    def _start(self) -> ProcessPoolExecutor:
        # spawned, not forked: the parent holds a database connection and threads
        context = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(self._count, mp_context=context, initializer=_end_with_parent)

    def renew(self, error: BrokenExecutor) -> Executor:
        """Another pool; an error when that has not helped before."""
        self.close()
        if self._renewals == _RENEWALS:
            raise UnavailableError(
                f"the worker processes were killed {_RENEWALS + 1} times; if memory is short, "
                "use fewer of them (--workers). What is finished is kept: run the command again"
            ) from error
        self._renewals += 1
        self.executor = self._start()
        return self.executor

    def close(self) -> None:
        """End the processes once they have finished what they are at."""
        self.executor.shutdown(cancel_futures=True)


def _end_with_parent() -> None:
    """Let a worker end when the process that it works for is killed."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def _dask(address: str) -> Iterator[Workers]:
    """The workers of a Dask scheduler."""
    try:
        from distributed import Client, KilledWorker
    except ImportError as error:
        raise UnavailableError(
            "--scheduler needs Dask, which is not installed: pip install 'gridward[scale]'"
        ) from error
    # what becomes of the calls is told below, in one line
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    try:
        client = Client(address, timeout=_ANSWER_S, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise UnavailableError(f"no Dask scheduler answers at {address}") from error
    with client:
        try:
            client.wait_for_workers(1, timeout=_FIRST_WORKER_S)
        except TimeoutError as error:
            raise UnavailableError(
                f"the Dask scheduler at {address} has no worker: start one with "
                f"'dask worker {address}'"
            ) from error
        threads = sum(client.nthreads().values())
        try:
            yield Workers(client.get_executor(pure=False), threads)
        except KilledWorker as error:
            raise UnavailableError(
                f"workers of {address} died again and again at the same work; if memory is "
                "short, give each fewer threads. What is finished is kept: run the command again"
            ) from error
        except CancelledError as error:
            raise UnavailableError(
                f"the Dask scheduler at {address} has gone. What is finished is kept: run the "
                "command again"
            ) from error
