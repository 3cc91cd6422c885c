"""Under which account the embedded server runs, and how to start a program as that account.

PostgreSQL refuses to run as root. Started by root, the server runs as the owner of the data folder,
or as the system user ``postgres`` where there is none yet; started by anyone else, as that user.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from geodata.errors import UnavailableError

__all__ = ["Account", "server_account"]

_SYSTEM_USER: Final = "postgres"
#: Letting the server pass through folders that only root may enter; the lesser one first.
_CAPABILITIES: Final = ((2, "dac_read_search"), (1, "dac_override"))
_UMASK: Final = 0o077


@dataclass(frozen=True, slots=True)
class Account:
    """The user that the server runs as."""

    name: str
    uid: int
    gid: int

    @property
    def is_me(self) -> bool:
        """Whether this process already runs as that user."""
        return self.uid == os.geteuid()

    def own(self, path: Path) -> None:
        """Give a folder or file of ours to the account."""
        if not self.is_me:
            os.chown(path, self.uid, self.gid)

    def run(self, argv: Sequence[str], *, inside: Path) -> subprocess.CompletedProcess[str]:
        """Run a program as the account, in a session of its own, so that Ctrl-C does not reach it.

        Parameters
        ----------
        argv : sequence of str
            Program and arguments.
        inside : pathlib.Path
            The folder that the program must be able to enter.

        Raises
        ------
        UnavailableError
            The account cannot enter the folder, and there is no way to let it.
        """
        options: dict[str, Any] = {}
        command = list(argv)
        if not self.is_me:
            groups = os.getgrouplist(self.name, self.gid)
            options = {"user": self.uid, "group": self.gid, "extra_groups": groups}
            if not self._can_enter(inside, options):
                command, options = self._with_capability(command, inside), {}
        return subprocess.run(  # noqa: S603 - programs of the system, arguments are ours
            command,
            cwd="/",
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            umask=_UMASK,
            start_new_session=True,
            check=False,
            **options,
        )

    def _can_enter(self, folder: Path, options: dict[str, Any]) -> bool:
        test = shutil.which("test") or "/usr/bin/test"
        tried = subprocess.run(  # noqa: S603 - a fixed question to a program of the system
            [test, "-x", str(folder)], cwd="/", check=False, **options
        )
        return tried.returncode == 0

    def _with_capability(self, command: list[str], folder: Path) -> list[str]:
        setpriv, held = shutil.which("setpriv"), _held_capabilities()
        for number, name in _CAPABILITIES:
            if setpriv and held >> number & 1:
                return [
                    setpriv,
                    f"--reuid={self.uid}",
                    f"--regid={self.gid}",
                    "--init-groups",
                    f"--inh-caps=+{name}",
                    f"--ambient-caps=+{name}",
                    "--",
                    *command,
                ]
        raise UnavailableError(
            f"the database server runs as user {self.name}, which may not enter {folder}: "
            "set GRIDWARD_HOME to a folder that it may enter, or chmod o+x the folders above"
        )


def server_account(data: Path) -> Account:
    """The account for the cluster in ``data`` (which need not be there yet).

    Raises
    ------
    UnavailableError
        The data belong to someone else, or root has no user to run the server as.
    """
    me = os.geteuid()
    owner = data.stat().st_uid if data.exists() else None
    if me != 0:
        if owner is not None and owner != me:
            raise UnavailableError(
                f"{data} belongs to user {_named(owner)}: run as that user or as root, or set "
                "GRIDWARD_HOME to a folder of your own"
            )
        return _account(me)
    if owner:
        return _account(owner)
    if owner == 0:
        raise UnavailableError(
            f"{data} belongs to root, as which PostgreSQL does not run: chown -R {_SYSTEM_USER} "
            "it, or set GRIDWARD_HOME elsewhere"
        )
    try:
        entry = pwd.getpwnam(_SYSTEM_USER)
    except KeyError:
        raise UnavailableError(
            f"PostgreSQL does not run as root, and there is no system user {_SYSTEM_USER}: run as "
            "an ordinary user, or set GRIDWARD_DATABASE_URL"
        ) from None
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def _account(uid: int) -> Account:
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:  # a container started with a bare number as its user
        return Account(str(uid), uid, os.getegid())
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def _named(uid: int) -> str:
    return _account(uid).name


def _environment() -> dict[str, str]:
    """The environment without what would redirect the server or change its messages."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_"))}
    return {**kept, "LC_ALL": "C"}


def _held_capabilities() -> int:
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0
    return next(
        (int(line.split()[1], 16) for line in status.splitlines() if line.startswith("CapEff:")), 0
    )
