"""Where the system keeps PostgreSQL: the newest release that has PostGIS."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from geodata.errors import UnavailableError

__all__ = ["OLDEST_MAJOR", "Binaries", "find_binaries"]

OLDEST_MAJOR: Final = 14

_PLACES: Final = (
    "/usr/lib/postgresql/*/bin",  # Debian, Ubuntu
    "/usr/pgsql-*/bin",  # the PostgreSQL project's own packages for Red Hat
    "/opt/homebrew/opt/postgresql@*/bin",  # Homebrew on Apple silicon
    "/usr/local/opt/postgresql@*/bin",  # Homebrew on Intel, FreeBSD
    "/Applications/Postgres.app/Contents/Versions/*/bin",
)
_PROGRAMS: Final = ("initdb", "pg_ctl", "postgres")


@dataclass(frozen=True, slots=True)
class Binaries:
    """One installation of the PostgreSQL server.

    Attributes
    ----------
    directory : pathlib.Path
        Holds ``initdb``, ``pg_ctl`` and ``postgres``.
    major : int
        The major release, as 15.
    """

    directory: Path
    major: int

    def program(self, name: str) -> str:
        """The full path of one of its programs."""
        return str(self.directory / name)

    @property
    def has_postgis(self) -> bool:
        """Whether the PostGIS extension is installed for this release."""
        shared = [
            Path(f"/usr/share/postgresql/{self.major}"),
            self.directory.parent / "share",
            self.directory.parent / "share" / "postgresql",
            self.directory.parent / "share" / f"postgresql@{self.major}",
        ]
        told = _output(self.program("pg_config"), "--sharedir")
        shared += [Path(told)] if told else []
        return any((folder / "extension" / "postgis.control").is_file() for folder in shared)


def find_binaries(major: int | None = None) -> Binaries:
    """The newest PostgreSQL server on this machine that has PostGIS.

    Parameters
    ----------
    major : int, optional
        Only this release will do: data files are bound to the release that made them.

    Raises
    ------
    UnavailableError
        There is none; the message names what to install.
    """
    found = sorted(set(_installations()), key=lambda each: each.major, reverse=True)
    if major is not None:
        found = [each for each in found if each.major == major]
        if not found:
            raise UnavailableError(
                f"the data were made by PostgreSQL {major}, which is not installed: "
                + _how_to_install(major)
            )
    recent = [each for each in found if each.major >= OLDEST_MAJOR]
    if not recent:
        raise UnavailableError(
            f"no PostgreSQL server of release {OLDEST_MAJOR} or later is installed: "
            + _how_to_install(None)
        )
    for each in recent:
        if each.has_postgis:
            return each
    raise UnavailableError(
        f"PostgreSQL {recent[0].major} is installed, but PostGIS is not: "
        + _how_to_install(recent[0].major)
    )


def _how_to_install(major: int | None) -> str:
    if sys.platform == "darwin":
        return "brew install postgresql@17 postgis, or set GRIDWARD_DATABASE_URL"
    packages = f"postgresql-{major} postgresql-{major}-postgis-3" if major else "postgresql-postgis"
    return f"apt install {packages}, or set GRIDWARD_DATABASE_URL"


def _installations() -> Iterator[Binaries]:
    for directory in _directories():
        if all(os.access(directory / program, os.X_OK) for program in _PROGRAMS):
            major = _major_release(directory)
            if major is not None:
                yield Binaries(directory, major)


def _directories() -> Iterator[Path]:
    for pattern in _PLACES:
        yield from Path("/").glob(pattern.removeprefix("/"))
    told = _output("pg_config", "--bindir")
    if told:
        yield Path(told)
    on_path = shutil.which("postgres")
    if on_path:
        yield Path(on_path).resolve().parent


def _major_release(directory: Path) -> int | None:
    said = re.search(r"(\d+)", _output(str(directory / "postgres"), "--version") or "")
    return int(said.group(1)) if said else None


def _output(program: str, option: str) -> str | None:
    """What a program says on standard output; None where it is missing or fails."""
    try:
        run = subprocess.run(  # noqa: S603 - a fixed option of a program of the system
            [program, option], capture_output=True, text=True, timeout=30, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return run.stdout.strip() or None
