"""What `make` would do, told by its dry run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


STAMPS = (".venv/.installed", "node_modules/.installed")


def plan(*arguments: str, settled: bool = True) -> str:
    """The commands that make would run; ``settled`` where all is taken as set up already."""
    options = [f"--old-file={stamp}" for stamp in STAMPS] if settled else []
    # a make that runs these tests passes its own options on in MAKEFLAGS
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("MAKE", "MFLAGS", "GRIDWARD_"))
        and name not in ("DATA", "OUT", "PORT", "SERVE", "TESTS", "WORKERS", "SEARCH")
    }
    return subprocess.run(
        ["make", "--dry-run", *options, *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def test_demo_goes_the_whole_way_and_serves() -> None:
    commands = plan("demo")
    assert 'gridward run ".gridward/demo/dataset.toml" --out "out"' in commands
    assert "gridward serve --port 8000" in commands


def test_demo_stops_before_it_serves() -> None:
    commands = plan("demo", "SERVE=0")
    assert "gridward run" in commands
    assert "gridward serve" not in commands


def test_demo_takes_ones_own_data_and_makes_up_none() -> None:
    commands = plan("demo", "DATA=mine/dataset.toml", "PORT=9000")
    assert 'gridward run "mine/dataset.toml"' in commands
    assert "gridward serve --port 9000" in commands
    assert "gridward sample" not in commands


def test_tests_need_a_browser_and_a_server() -> None:
    assert re.search(
        r"system-packages\.sh postgis browser driver\n(?s:.*)pytest .* tests\n", plan("test")
    )


def test_an_address_of_a_database_stands_for_a_server() -> None:
    """The demo then installs none; the tests of the embedded one still need it."""
    assert '[ -n "${GRIDWARD_DATABASE_URL:-}" ] || echo postgis' in plan("setup")


def test_nothing_removes_data_but_what_says_so() -> None:
    assert not re.search(r"rm .*\.gridward\b(?!/demo)", plan("clean"))
    assert re.search(r"rm -rf \.gridward$", plan("clean-data"), re.MULTILINE)


@pytest.mark.skipif(
    not all((ROOT / stamp).exists() for stamp in STAMPS), reason="not set up by make"
)
@pytest.mark.parametrize(
    ("changed", "command"),
    [("requirements.lock", "--requirement requirements.lock"), ("package-lock.json", "npm ci")],
)
def test_a_changed_lock_file_installs_again(changed: str, command: str) -> None:
    assert command in plan("setup", f"--what-if={changed}", settled=False)


def test_help_tells_of_every_target() -> None:
    rules = re.findall(r"(?m)^\.PHONY: ([a-z-]+)$", (ROOT / "Makefile").read_text("utf-8"))
    told = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    untold = {rule for rule in rules if not re.search(rf"(?m)^  make {rule} ", told.stdout)}
    assert untold == {"browser", "system"}
