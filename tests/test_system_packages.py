"""scripts/system-packages.sh on systems that lack something; their apt only takes notes."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "system-packages.sh"
TOOLS = ["bash", "cat", "chmod", "cut", "dirname", "env", "head", "sed", "sort", "uname"]


@dataclass
class System:
    """A machine whose commands are exactly those in one folder."""

    folder: Path

    def add(self, name: str, script: str) -> None:
        command = self.folder / name
        command.write_text(f"#!/usr/bin/env bash\n{script}\n", encoding="utf-8")
        command.chmod(0o755)

    def add_apt(self, *, installs: str = "") -> None:
        """apt-get that notes its arguments and, when it installs, adds a command."""
        notes = f'echo "apt-get $*" >> "{self.log}"'
        if installs:
            made = self.folder / installs
            notes += f'\n[[ $* != *install* ]] || {{ : > "{made}"; chmod +x "{made}"; }}'
        self.add("apt-get", notes)
        self.add("apt-cache", '[ "$*" = "show chromium" ]')

    @property
    def log(self) -> Path:
        return self.folder.parent / "log"

    @property
    def calls(self) -> list[str]:
        return self.log.read_text("utf-8").splitlines() if self.log.exists() else []

    def run(self, *needs: str, python: str = sys.executable) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.folder / "bash", SCRIPT, *needs],
            env={"PATH": str(self.folder), "PYTHON": python},
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def system(tmp_path: Path) -> System:
    if Path("/Applications").exists():
        pytest.skip("speaks of systems with apt")
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in TOOLS:
        (folder / tool).symlink_to(shutil.which(tool) or tool)
    system = System(folder)
    system.add("id", "echo 0")
    return system


def test_leaves_a_complete_system_alone(system: System) -> None:
    system.add_apt()
    system.add("google-chrome", "")
    assert system.run("python", "browser").returncode == 0
    assert system.calls == []


def test_installs_what_is_missing_and_nothing_more(system: System) -> None:
    system.add_apt(installs="chromium")
    result = system.run("python", "browser")
    assert result.returncode == 0, result.stderr
    update, install = system.calls
    assert update.endswith("update")
    assert install.endswith("install -y --no-install-recommends chromium")


def test_knows_the_name_that_ubuntu_uses(system: System) -> None:
    system.add_apt(installs="chromium-browser")
    system.add("apt-cache", "exit 100")
    assert system.run("browser").returncode == 0
    assert system.calls[-1].endswith(" chromium-browser")


def test_asks_sudo_as_an_ordinary_user(system: System) -> None:
    system.add_apt(installs="chromium")
    system.add("id", "echo 1000")
    system.add("sudo", f'echo "sudo $1" >> "{system.log}"; exec "$@"')
    assert system.run("browser").returncode == 0
    assert [call.split()[0] for call in system.calls] == ["sudo", "apt-get"] * 2


def test_says_so_without_sudo(system: System) -> None:
    system.add_apt()
    system.add("id", "echo 1000")
    result = system.run("browser")
    assert result.returncode == 1
    assert result.stderr == (
        "gridward: missing: browser. Run this command as root once, or install sudo\n"
    )
    assert system.calls == []


def test_says_what_to_install_without_apt(system: System) -> None:
    result = system.run("browser")
    assert result.returncode == 1
    assert "Chromium or Google Chrome" in result.stderr


def test_goes_on_when_one_source_of_apt_is_broken(system: System) -> None:
    system.add_apt(installs="chromium")
    apt = system.folder / "apt-get"
    apt.write_text(apt.read_text("utf-8") + "\n[[ $* != *update ]] || exit 100\n", encoding="utf-8")
    assert system.run("browser").returncode == 0


def test_does_not_believe_an_installation_that_brought_nothing(system: System) -> None:
    system.add_apt()
    result = system.run("browser")
    assert result.returncode == 1
    assert "still missing" in result.stderr


def test_refuses_an_old_python(system: System) -> None:
    system.add_apt()
    system.add("python3.9", '[ "$1" != --version ] || { echo Python 3.9.2; exit 0; }; exit 1')
    result = system.run("python", python="python3.9")
    assert result.returncode == 1
    assert "Python 3.9.2 is too old" in result.stderr
    assert "make PYTHON=python3.12" in result.stderr


def test_refuses_a_python_that_is_not_there(system: System) -> None:
    result = system.run("python", python="python3.99")
    assert result.returncode == 1
    assert "python3.99 is not there" in result.stderr


def test_refuses_an_unknown_need(system: System) -> None:
    assert system.run("postgres").returncode == 2
