"""The embedded cluster: a private PostgreSQL that starts when needed and stops with its last user.

It lives in ``GRIDWARD_HOME/pg``, listens on a Unix socket in a folder that only its account may
enter, and never on a network. Commands share it: each counts as a user while it runs, and the last
one to end stops the server, unless it was asked to stay.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import URL

from geodata.errors import UnavailableError
from service.db import server
from service.db.accounts import Account, server_account
from service.db.binaries import Binaries, find_binaries
from service.db.locks import UseCount, turn
from service.errors import Conflict

__all__ = ["ClusterStatus", "EmbeddedCluster"]

_SUPERUSER: Final = "gridward"
_INITDB: Final = ("--encoding=UTF8", "--locale=C", "--auth=trust", f"--username={_SUPERUSER}")


@dataclass(frozen=True, slots=True)
class ClusterStatus:
    """What there is of a cluster.

    Attributes
    ----------
    data : pathlib.Path
        The data folder.
    exists, running, stays : bool
        Whether it was ever made, runs now, and stays when its last user ends.
    major : int or None
        The release that made it.
    pid : int or None
        The server's process.
    socket : pathlib.Path or None
        The folder of its socket.
    """

    data: Path
    exists: bool
    running: bool
    stays: bool
    major: int | None
    pid: int | None
    socket: Path | None


class EmbeddedCluster:
    """The cluster of one ``GRIDWARD_HOME``.

    Parameters
    ----------
    home : path-like
        Its folder; made when needed.
    """

    def __init__(self, home: str | os.PathLike[str]) -> None:
        self._home = Path(home).expanduser().resolve()
        self._data = self._home / "pg"
        self._turn = self._home / "pg.lock"
        self._stay = self._home / "pg.stay"
        self._use = UseCount(self._home / "pg.users")

    @property
    def data(self) -> Path:
        """The data folder."""
        return self._data

    def ensure_running(self) -> None:
        """Make the cluster if there is none, start it if it does not run, and count as a user.

        Raises
        ------
        UnavailableError
            PostgreSQL or PostGIS is missing, or the folder cannot be written or is full.
        """
        try:
            self._home.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _unusable(self._home, error) from error
        with turn(self._turn):
            self._use.hold()
            try:
                if server.find(self._data) is None:
                    self._start()
            except BaseException:
                self._use.drop()
                raise

    def release(self) -> None:
        """No longer use the server; the last one stops it, unless it was asked to stay."""
        if not self._use.held:
            return
        with turn(self._turn):
            self._use.drop()
            running = server.find(self._data)
            if running is not None and not self._use.others() and not self._stays(running):
                server.stop(running, self._data)

    def start(self, *, stay: bool = True) -> ClusterStatus:
        """Start the server; with ``stay`` it outlives this command until :meth:`stop`."""
        self.ensure_running()
        if stay:
            with turn(self._turn):
                running = server.find(self._data)
                if running is not None:
                    self._stay.write_text(json.dumps(running.identity), encoding="ascii")
        return self.status()

    def stop(self, *, force: bool = False) -> bool:
        """Stop the server; false where none ran.

        Raises
        ------
        Conflict
            Other commands use it, and ``force`` is not given.
        """
        if not self._home.is_dir():
            return False
        with turn(self._turn):
            running = server.find(self._data)
            if running is not None and not force and self._use.others():
                raise Conflict("another gridward command uses the database; end it first")
            self._stay.unlink(missing_ok=True)
            if running is not None:
                server.stop(running, self._data)
            return running is not None

    def status(self) -> ClusterStatus:
        """What there is, without changing anything."""
        running = server.find(self._data, wait=False)
        return ClusterStatus(
            data=self._data,
            exists=self._data.is_dir(),
            running=running is not None,
            stays=running is not None and self._stays(running),
            major=self._major_release(),
            pid=running.pid if running else None,
            socket=running.socket if running else None,
        )

    def url(self, database: str) -> URL:
        """The address of one of its databases; the server must run."""
        return URL.create(
            "postgresql+psycopg",
            username=_SUPERUSER,
            database=database,
            query={"host": str(self._running().socket)},
        )

    def psql(self, database: str) -> list[str]:
        """The command line of ``psql`` for one of its databases; the server must run."""
        program = shutil.which("psql") or find_binaries(self._major_release()).program("psql")
        socket = str(self._running().socket)
        return [program, f"--host={socket}", f"--username={_SUPERUSER}", f"--dbname={database}"]

    def _running(self) -> server.Server:
        running = server.find(self._data)
        if running is None:
            raise UnavailableError(f"the database server of {self._home} does not run")
        return running

    def _stays(self, running: server.Server) -> bool:
        """Whether this very run of the server was asked to stay; a reboot ends the wish."""
        try:
            return bool(json.loads(self._stay.read_text(encoding="ascii")) == running.identity)
        except (OSError, ValueError):
            return False

    def _major_release(self) -> int | None:
        try:
            return int((self._data / "PG_VERSION").read_text(encoding="ascii"))
        except (OSError, ValueError):
            return None

    def _start(self) -> None:
        account = server_account(self._data)
        try:
            if not self._data.exists():
                self._make(account, find_binaries())
            server.start(self._data, account, find_binaries(self._major_release()))
        except OSError as error:
            raise _unusable(self._home, error) from error

    def _make(self, account: Account, binaries: Binaries) -> None:
        """Make the data folder beside its place and move it there, so it is whole or absent."""
        for left_over in self._home.glob("pg.new-*"):
            shutil.rmtree(left_over, ignore_errors=True)
        fresh = Path(tempfile.mkdtemp(prefix="pg.new-", dir=self._home))
        try:
            account.own(fresh)
            command = [binaries.program("initdb"), *_INITDB, f"--pgdata={fresh}"]
            made = account.run(command, inside=self._home)
            if made.returncode != 0:
                raise UnavailableError(
                    f"cannot make a database in {self._home}: {server.last_complaint(made.stdout)}"
                )
            fresh.rename(self._data)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)


def _unusable(path: Path, error: OSError) -> UnavailableError:
    return UnavailableError(
        f"cannot keep a database in {path}: {error.strerror or error}; "
        "set GRIDWARD_HOME to a folder that can be written"
    )
