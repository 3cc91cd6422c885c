"""Locks between the commands that share one embedded cluster.

Two files: who holds the first exclusively may start or stop the server; everyone who uses the
server holds the second shared. The kernel lets go of both when a process ends, however it ends, so
a killed command leaves nothing behind.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from geodata.errors import UnavailableError

__all__ = ["UseCount", "turn"]

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW


def _open(path: Path) -> int:
    try:
        descriptor = os.open(path, _FLAGS, 0o600)
    except OSError as error:
        raise UnavailableError(f"cannot open {path}: {error.strerror}") from error
    owner = path.parent.stat()
    if os.geteuid() == 0 and owner.st_uid != 0:
        os.fchown(descriptor, owner.st_uid, owner.st_gid)  # or its owner could not open it later
    return descriptor


def _lock(descriptor: int, operation: int, path: Path) -> bool:
    """Take a lock; false where it is held by someone else and waiting is not asked for."""
    try:
        fcntl.flock(descriptor, operation)
    except OSError as error:
        if error.errno in {errno.EWOULDBLOCK, errno.EAGAIN}:
            return False
        raise UnavailableError(
            f"the file system of {path} has no locks ({error.strerror}): "
            "set GRIDWARD_HOME to a local folder"
        ) from error
    return True


@contextmanager
def turn(path: Path) -> Iterator[None]:
    """Be the only one to start or stop the server."""
    descriptor = _open(path)
    try:
        _lock(descriptor, fcntl.LOCK_EX, path)
        yield
    finally:
        os.close(descriptor)


class UseCount:
    """Whether anyone uses the server, and that this process does."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None
        # a forked worker would share the lock, and keep it if this process is killed
        os.register_at_fork(after_in_child=self._forget)

    @property
    def held(self) -> bool:
        """Whether this object counts as a user."""
        return self._descriptor is not None

    def hold(self) -> None:
        """Count as a user until :meth:`drop`, or until the process ends."""
        if self._descriptor is None:
            descriptor = _open(self._path)
            _lock(descriptor, fcntl.LOCK_SH, self._path)
            self._descriptor = descriptor

    def drop(self) -> None:
        """No longer count as a user."""
        if self._descriptor is not None:
            # more than closing: a worker forked this instant may still share the descriptor
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        self._forget()

    def others(self) -> bool:
        """Whether someone else uses the server; ask only while holding the turn."""
        was_held = self.held
        self.drop()
        descriptor = _open(self._path)
        try:
            return not _lock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, self._path)
        finally:
            os.close(descriptor)
            if was_held:
                self.hold()

    def _forget(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
