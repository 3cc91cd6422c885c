"""``gridward plan`` and ``gridward rebalance`` as they are typed."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from service import cli
from service.settings import Settings

Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture
def gridward(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Cli:
    """Run ``gridward`` on the database of the test: status, stdout, stderr or the one line."""
    assert settings.database_url is not None
    url = settings.database_url.render_as_string(hide_password=False)
    monkeypatch.setenv("GRIDWARD_DATABASE_URL", url)
    monkeypatch.setenv("GRIDWARD_HOME", str(settings.home))
    monkeypatch.delenv("GRIDWARD_DEBUG", raising=False)

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["gridward", *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        code, printed = ended.value.code, capfd.readouterr()
        if isinstance(code, str):
            return 1, printed.out, code
        return int(code or 0), printed.out, printed.err

    return run


@pytest.fixture
def drawn(gridward: Cli, smallton: Any, tmp_path: Path) -> Any:
    """The small town, with grids in force."""
    loading = ("load", smallton.manifest, "--rejects", tmp_path / "rejects.csv")
    for command in (loading, ("delineate",), ("assign",)):
        status, _, err = gridward(*command)
        assert status == 0, err
    return smallton


def test_split_compare_and_merge(gridward: Cli, drawn: Any, tmp_path: Path) -> None:
    status, out, err = gridward("plan", "split", "101001")
    assert status == 0, err
    assert "101005" in out
    assert "a preview" in err
    status, out, _ = gridward("plan", "split", "101001", "--apply", "--json")
    told = json.loads(out)
    assert (status, told["plan"]["state"]) == (0, "active")
    new = told["plan"]["id"]

    files = tmp_path / "lookup.csv", tmp_path / "moves.csv"
    status, out, err = gridward("plan", "diff", 1, new, "-o", files[0], "--moves", files[1])
    assert status == 0, err
    assert "101006" in out
    lookup, moves = (file.read_text("utf-8-sig").splitlines() for file in files)
    assert lookup[0] == "old_code,new_code,kind,households_moved"
    assert sorted(line.split(",")[2] for line in lookup[1:]) == ["S", "S", "U", "U", "U"]
    assert moves[0] == "reference,old_code,new_code,households,lon,lat"
    assert len(moves) == 51

    assert gridward("plan", "merge", "101005", "101006", "--draft")[0] == 0
    listed = json.loads(gridward("plan", "list", "--json")[1])["plans"]
    assert [plan["state"] for plan in listed] == ["active", "active", "draft"]
    status, _, err = gridward("plan", "merge", "101005", "102001")
    assert (status, err.count("\n")) == (1, 0)
    assert "several communities" in err


def test_rebalance_with_nothing_to_do(gridward: Cli, drawn: Any) -> None:
    status, out, _ = gridward("rebalance", "--json")
    (told,) = json.loads(out)["datasets"]
    assert (status, told["changed"], told["plan"]) == (0, False, None)
    status, _, err = gridward("rebalance", "--preview")
    assert status == 0
    assert "nothing to do" in err


def test_retire_and_the_past(gridward: Cli, drawn: Any) -> None:
    status, _, err = gridward("plan", "retire", 1)
    assert status == 1
    assert "still rules 2 communities" in err
    status, out, _ = gridward("plan", "retire", 1, "--on", "2999-01-01", "--json")
    assert (status, json.loads(out)["ends"]) == (0, "2999-01-01")
    for day, count in (("2998-12-31", 1), ("2999-01-01", 0), ("2001-01-01", 0)):
        listed = json.loads(gridward("plan", "list", "--at", day, "--json")[1])["plans"]
        assert len(listed) == count
