"""One PostgreSQL server process over one data folder: find, start, stop.

A process is taken for the server of a data folder only if its command line or its working folder
says so; a process number alone may have passed to someone else since a crash.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from geodata.errors import UnavailableError
from service.db.accounts import Account
from service.db.binaries import Binaries

__all__ = ["Server", "find", "last_complaint", "start", "stop"]

_PROC: Final = Path("/proc")
_LOG: Final = "server.log"
_LOG_LIMIT_BYTES: Final = 8 * 1024**2
_SOCKET_NAME: Final = ".s.PGSQL.5432"
#: Linux takes 107 bytes and macOS 103; a comma or a blank would need quoting in the settings.
_LONGEST_SOCKET_PATH: Final = 103
_PLAIN_PATH: Final = re.compile(r"[A-Za-z0-9_./+-]+")
_SHORT_PLACE: Final = Path("/tmp")  # noqa: S108 - the folder made in it is private and checked
#: Recovery after a crash can take minutes; a server that cannot start ends at once.
_START_LIMIT_S: Final = 900
_STOP_LIMIT_S: Final = 300.0
_CRASH_PATIENCE_S: Final = 20.0
_ORPHAN_PATIENCE_S: Final = 3.0


@dataclass(frozen=True, slots=True)
class Server:
    """A running server, as its ``postmaster.pid`` tells.

    Attributes
    ----------
    pid : int
        The process.
    started : int
        When, in seconds since 1970.
    socket : pathlib.Path
        The folder of its socket.
    state : str
        ``ready``, ``starting`` or ``stopping``.
    """

    pid: int
    started: int
    socket: Path
    state: str

    @property
    def identity(self) -> list[int]:
        """What tells this run of the server from every other."""
        return [self.pid, self.started]


def find(data: Path, *, wait: bool = True) -> Server | None:
    """The server that runs over a data folder.

    Parameters
    ----------
    data : pathlib.Path
        The data folder.
    wait : bool
        Wait until one that starts is ready, and one that stops is gone.
    """
    limit = time.monotonic() + _START_LIMIT_S
    while True:
        found = _read(data)
        if found is None or not _is_server(found.pid, data):
            return None
        if not wait or found.state == "ready" or time.monotonic() > limit:
            return found
        time.sleep(0.02)


def start(data: Path, account: Account, binaries: Binaries) -> None:
    """Start the server over a data folder, and wait until it is ready; no other may run over it.

    Raises
    ------
    UnavailableError
        It did not start; the message is its own.
    """
    socket = _socket_folder(data, account)
    log = data / _LOG
    _turn_over(log)
    limit = time.monotonic() + _CRASH_PATIENCE_S
    while True:
        _forget_dead(data, socket)
        begin = log.stat().st_size if log.exists() else 0
        if _launch(data, account, [binaries.program("postgres"), *_options(socket)], log):
            return
        said = _tail(log, begin)
        if "pre-existing shared memory block" not in said or time.monotonic() > limit:
            raise UnavailableError(
                f"the database server of {data.parent} does not start: {last_complaint(said)} "
                f"(see {log})"
            )
        # the server was killed, and some of its processes are still at work
        if time.monotonic() > limit - _CRASH_PATIENCE_S + _ORPHAN_PATIENCE_S:
            _end_orphans(data)
        time.sleep(0.1)


def _launch(data: Path, account: Account, command: list[str], log: Path) -> bool:
    """Run the server in the background, not as a child of ours; whether it became ready.

    ``pg_ctl`` would paste the paths into a command line of the shell, which breaks on quotes.
    """
    script = 'log=$1; shift; "$@" >>"$log" 2>&1 & echo $!'
    words = ["/bin/sh", "-c", script, "sh", str(log), *command, "-D", str(data)]
    launched = account.run(words, inside=data)
    try:
        pid = int(launched.stdout)
    except ValueError:
        raise UnavailableError(
            f"the database server does not start: {last_complaint(launched.stdout)}"
        ) from None
    limit = time.monotonic() + _START_LIMIT_S
    while time.monotonic() < limit:
        if _command_line(pid) is None:
            return False
        found = _read(data)
        if found is not None and found.pid == pid and found.state == "ready":
            return True
        time.sleep(0.01)
    return False


def stop(running: Server, data: Path) -> None:
    """Stop a server: sessions are ended, everything is written, nothing is left to recover.

    Raises
    ------
    UnavailableError
        It did not stop in time.
    """
    if not _signal(running.pid, signal.SIGINT):
        return
    if not _until(lambda: not _is_server(running.pid, data), _STOP_LIMIT_S):
        raise UnavailableError(f"the database server (process {running.pid}) does not stop")
    socket = running.socket
    if socket != data:
        with contextlib.suppress(OSError):
            socket.rmdir()


def last_complaint(output: str) -> str:
    """The line of the output of a PostgreSQL program that says why it ended."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    graver = [line for line in lines if re.search(r"\b(FATAL|PANIC|error):", line)]
    chosen = (graver or lines or ["it said nothing"])[0]
    return re.sub(r"^.*?\b(?:FATAL|PANIC|error):\s*", "", chosen)


def _read(data: Path) -> Server | None:
    """What ``postmaster.pid`` says; its lines are written one by one while the server starts."""
    try:
        lines = (data / "postmaster.pid").read_text(errors="replace").splitlines()
        lines += [""] * (8 - len(lines))
        return Server(
            pid=int(lines[0]),
            started=int(lines[2]),
            socket=Path(lines[4] or data),
            state=lines[7].strip() or "starting",
        )
    except (OSError, ValueError):
        return None


def _is_server(pid: int, data: Path) -> bool:
    if pid <= 0:
        return False
    command = _command_line(pid)
    if command is None or not re.search("postgres|postmaster", command[0]):
        return False
    return str(data) in command or _works_in(pid, data)


def _command_line(pid: int) -> list[str] | None:
    """The words of a process's command line; None where there is no such process."""
    if (_PROC / "self" / "cmdline").exists():
        try:
            words = (_PROC / str(pid) / "cmdline").read_bytes().split(b"\0")
        except OSError:
            return None
        return [os.fsdecode(word) for word in words if word] or None  # a zombie has none
    told = subprocess.run(  # noqa: S603 - a fixed question to a program of the system
        ["/bin/ps", "-ww", "-o", "command=", "-p", str(pid)],
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    # without /proc there are only words between blanks; a path may hold some
    before, found, path = told.strip().partition(" -D ")
    return [before, "-D", path.strip()] if found else (told.split() or None)


def _works_in(pid: int, data: Path) -> bool:
    try:
        return (_PROC / str(pid) / "cwd").samefile(data)
    except OSError:
        return False


def _forget_dead(data: Path, socket: Path) -> None:
    """Remove the lock files of a server that was killed.

    PostgreSQL does so by itself where the number of the process is free; not where it went to
    someone else, nor where the dead process waits to be reaped, as in a container without init.
    """
    for lock in (data / "postmaster.pid", socket / f"{_SOCKET_NAME}.lock"):
        if not lock.exists():
            continue
        words = lock.read_text(errors="replace").split(maxsplit=1)
        # empty: the machine went down before the file was on disk
        if not words or not words[0].isdigit() or not _is_server(int(words[0]), data):
            lock.unlink(missing_ok=True)


def _end_orphans(data: Path) -> None:
    """End the processes of a server that was killed; their clients have lost them anyway."""
    for pid in _processes():
        if _works_in(pid, data):
            command = _command_line(pid)
            if command and command[0].startswith("postgres"):
                _signal(pid, signal.SIGQUIT)


def _processes() -> Iterator[int]:
    if _PROC.is_dir():
        yield from (int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit())


def _signal(pid: int, number: signal.Signals) -> bool:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def _until(condition: Callable[[], bool], limit_s: float) -> bool:
    limit = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > limit:
            return False
        time.sleep(0.01)
    return True


def _socket_folder(data: Path, account: Account) -> Path:
    """The data folder, or a short private one where that would be too long a path for a socket."""
    if len(os.fsencode(data / _SOCKET_NAME)) <= _LONGEST_SOCKET_PATH and _PLAIN_PATH.fullmatch(
        str(data)
    ):
        return data
    digest = hashlib.sha256(os.fsencode(data)).hexdigest()[:16]
    folder = _SHORT_PLACE / f"gridward-{account.uid}-{digest}"
    try:
        folder.mkdir(mode=0o700)
        account.own(folder)
    except FileExistsError:
        found = folder.lstat()
        private = stat.S_ISDIR(found.st_mode) and not found.st_mode & 0o077
        if not private or found.st_uid != account.uid:
            raise UnavailableError(
                f"{folder} is not a private folder of user {account.name}: remove it, or set "
                "GRIDWARD_HOME to a shorter path"
            ) from None
    return folder


def _options(socket: Path) -> list[str]:
    """Settings for loading in bulk and for geometry; a commit is still safe on disk."""
    memory = _memory_bytes()
    shared = max(64, min(512, memory // 8 // 1024**2))
    settings = {
        "listen_addresses": "",
        "unix_socket_directories": str(socket),
        "unix_socket_permissions": "0700",
        "port": "5432",
        "max_connections": "100",
        "shared_buffers": f"{shared}MB",
        "effective_cache_size": f"{max(128, memory // 2 // 1024**2)}MB",
        "work_mem": "32MB",
        "maintenance_work_mem": f"{max(64, min(256, shared))}MB",
        # without replicas, rows copied into a table made in the same transaction need no log
        "wal_level": "minimal",
        "max_wal_senders": "0",
        "max_wal_size": "4GB",
        "checkpoint_timeout": "15min",
        "random_page_cost": "1.1",
        # compiling costs more than it gains: PostGIS predicates look expensive to the planner
        "jit": "off",
        "logging_collector": "off",
        "log_min_messages": "warning",
    }
    if sys.platform == "linux":  # release 14 refuses it elsewhere
        # a statement whose program was killed ends as well
        settings["client_connection_check_interval"] = "2s"
    return [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]


def _memory_bytes() -> int:
    """The memory of this machine, or of this container where that is less."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii").strip()
    except OSError:
        return memory
    return min(memory, int(limit)) if limit.isdigit() else memory


def _turn_over(log: Path) -> None:
    """Keep the log of the run before, and no more."""
    if log.exists() and log.stat().st_size > _LOG_LIMIT_BYTES:
        log.replace(log.with_suffix(".log.1"))


def _tail(log: Path, begin: int) -> str:
    try:
        with log.open("rb") as stream:
            stream.seek(begin)
            return stream.read(64 * 1024).decode(errors="replace")
    except OSError:
        return ""
