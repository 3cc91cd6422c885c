"""Clients that ask a server as fast as it answers, over connections that stay open.

They are as light as they can be, for they run on the machine that they measure.
"""

from __future__ import annotations

import itertools
import socket
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from time import perf_counter, sleep
from typing import Final

__all__ = ["Rate", "ask", "ask_all"]


#: Pause between the arrivals of clients.
_ONE_BY_ONE_S: Final = 0.02


@dataclass(frozen=True, slots=True)
class Rate:
    """What came of a load.

    Attributes
    ----------
    requests : int
        Answered within the time.
    seconds : float
        Wall clock.
    bytes : int
        Bodies, as sent, of all answers.
    slowest : float
        Seconds of the slowest answer.
    """

    requests: int
    seconds: float
    bytes: int
    slowest: float

    @property
    def per_second(self) -> float:
        """Answers a second."""
        return self.requests / self.seconds if self.seconds else 0.0

    @property
    def milliseconds(self) -> float:
        """Mean wall clock of an answer of one client."""
        return 1000.0 * self.seconds / max(self.requests, 1)


class Connection:
    """One HTTP/1.1 connection."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.settimeout(120)
        self._file = self._socket.makefile("rb", 1 << 16)

    def get(self, path: str, headers: str = "") -> tuple[int, bytes]:
        """Status and body, as sent."""
        head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: */*\r\n{headers}\r\n"
        self._socket.sendall(head.encode())
        status = int(self._file.readline().split()[1])
        length, chunked = 0, False
        while (line := self._file.readline()) not in (b"\r\n", b""):
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
            elif name.lower() == b"transfer-encoding":
                chunked = b"chunked" in value
        return status, b"".join(self._chunks()) if chunked else self._file.read(length)

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self._file.readline().split(b";")[0], 16):
            yield self._file.read(size)
            self._file.readline()
        self._file.readline()

    def close(self) -> None:
        """End it."""
        self._file.close()
        self._socket.close()


def ask(
    port: int, paths: Iterable[str], *, clients: int, seconds: float, packed: bool = True
) -> Rate:
    """Ask for the paths, round and round, until the time is over; plain if not ``packed``."""
    return _run(port, itertools.cycle(list(paths)), clients, seconds, packed=packed)


def ask_all(port: int, paths: Iterable[str], *, clients: int, seconds: float) -> Rate:
    """Ask for each path once, or until the time is over."""
    return _run(port, iter(list(paths)), clients, seconds)


def _run(
    port: int, paths: Iterator[str], clients: int, seconds: float, *, packed: bool = True
) -> Rate:
    headers = "Accept-Encoding: gzip\r\n" if packed else ""
    lock = threading.Lock()
    counts: list[tuple[int, int, float]] = []
    failures: list[str] = []
    began = perf_counter()

    def client() -> None:
        connection = Connection(port)
        requests, size, slowest = 0, 0, 0.0
        while (start := perf_counter()) - began < seconds:
            with lock:
                path = next(paths, None)
            if path is None:
                break
            status, body = connection.get(path, headers)
            if status not in (200, 204):
                failures.append(f"{status} {path} {body[:200]!r}")
                break
            requests, size = requests + 1, size + len(body)
            slowest = max(slowest, perf_counter() - start)
        connection.close()
        with lock:
            counts.append((requests, size, slowest))

    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
        # all at once they would all be taken in by the process that wakes first
        sleep(_ONE_BY_ONE_S)
    for thread in threads:
        thread.join()
    elapsed = perf_counter() - began
    if failures:
        raise RuntimeError(failures[0])
    return Rate(
        sum(each[0] for each in counts),
        elapsed,
        sum(each[1] for each in counts),
        max((each[2] for each in counts), default=0.0),
    )
