"""Many calls of one function: handed to an executor a few at a time, or made in turn."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import (
    ALL_COMPLETED,
    FIRST_COMPLETED,
    BrokenExecutor,
    Executor,
    Future,
    wait,
)
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Final, Generic, TypeVar

import shapely

from geodata.errors import PlanError

__all__ = ["IN_FLIGHT", "call", "code_version", "work_off"]

#: Calls an executor has at once; enough to keep dozens of workers busy, few enough that the input
#: of all of them never stands in memory together.
IN_FLIGHT: Final = 64

#: What else takes part in the arithmetic.
_LIBRARIES: Final = ("numba", "numpy", "scipy", "shapely")

K = TypeVar("K")
A = TypeVar("A")
R = TypeVar("R")


def work_off(
    inputs: Iterable[tuple[K, A]],
    work: Callable[[A], R],
    executor: Executor | None = None,
    *,
    package: str,
    in_flight: int = IN_FLIGHT,
    renew: Callable[[BrokenExecutor], Executor] | None = None,
) -> Iterator[tuple[K, R]]:
    """Make a call for each input; what they give comes as they are finished, in any order.

    Parameters
    ----------
    inputs : iterable of (key, argument)
        The keys stay here. Taken only as fast as the calls are made.
    work : callable
        Given an argument; importable by its name, where workers are other processes.
    executor : concurrent.futures.Executor, optional
        Where the calls are made; in turn in this process without it.
    package : str
        Code that the answer depends on: a worker that has another release of it is refused.
    in_flight : int
        Calls that the executor has at once.
    renew : callable, optional
        Given the error of an executor whose workers have died, another executor; what the dead
        ones had is handed out again. Without it the error is raised.
    """
    if executor is None:
        for key, argument in inputs:
            yield key, work(argument)
        return
    hand = _Hand(iter(inputs), work, package)
    try:
        while True:
            broken = hand.fill(executor, in_flight)
            if broken is None and not hand.out:
                return
            if broken is not None and renew is None:
                raise broken
            # a broken executor fails at once whatever it still has
            until = FIRST_COMPLETED if broken is None else ALL_COMPLETED
            for future in wait(hand.out, return_when=until).done:
                key, argument = hand.out.pop(future)
                if isinstance(future.exception(), BrokenExecutor):
                    hand.again.append((key, argument))
                else:
                    yield key, future.result()
            if broken is not None and renew is not None:
                executor = renew(broken)
    finally:
        for future in hand.out:
            future.cancel()


class _Hand(Generic[K, A, R]):
    """What is out, what was lost and goes out again, and what has not been out yet."""

    def __init__(self, source: Iterator[tuple[K, A]], work: Callable[[A], R], package: str) -> None:
        self.out: dict[Future[R], tuple[K, A]] = {}
        self.again: list[tuple[K, A]] = []
        self._source, self._work, self._package = source, work, package

    def fill(self, executor: Executor, in_flight: int) -> BrokenExecutor | None:
        """Fill an executor up; its error where it takes no more."""
        while len(self.out) < in_flight:
            item = self.again.pop() if self.again else next(self._source, None)
            if item is None:
                break
            package = self._package
            try:
                future = executor.submit(call, self._work, item[1], package, code_version(package))
            except BrokenExecutor as error:
                self.again.append(item)
                return error
            self.out[future] = item
        return None


def call(work: Callable[[A], R], argument: A, package: str, release: str) -> R:
    """Call a function, on whatever machine this is.

    Raises
    ------
    PlanError
        This machine has another release of the package, or of a library under it, than the one
        that asks: the answer might differ.
    """
    if release != code_version(package):
        raise PlanError(
            "a worker runs another release of Gridward, or of a library under it, than the "
            "command that gave it work: install the same on both"
        )
    return work(argument)


@cache
def code_version(package: str) -> str:
    """SHA-256 of the code of a package and of the libraries under it."""
    sha = hashlib.sha256()
    for name in _LIBRARIES:
        sha.update(f"{name} {version(name)}\n".encode())
    sha.update(f"geos {shapely.geos_version_string}\n".encode())
    root = Path(str(files(package)))
    for source in sorted(root.rglob("*.py")):
        sha.update(f"{source.relative_to(root).as_posix()}\n".encode() + source.read_bytes())
    sha.update(files("geodata").joinpath("metric.py").read_bytes())
    return sha.hexdigest()
