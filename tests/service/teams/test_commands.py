"""``gridward staff`` as it is typed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture
def drawn(gridward: Cli, smallton: Any, tmp_path: Path) -> Any:
    """The small town with grids in force, and no doctor for the two that each of them needs."""
    smallton.extra = "doctor = 2"
    smallton.write()
    loading = ("load", smallton.manifest, "--rejects", tmp_path / "rejects.csv")
    for command in (loading, ("delineate",)):
        status, _, err = gridward(*command)
        assert status == 0, err
    return smallton


def test_staff_explains_itself(gridward: Cli, drawn: Any) -> None:
    status, out, err = gridward("staff", "--explain", "--max-distance", 300)
    assert status == 0, err
    for words in ("Short of people", "from farther away", "doctor", "101", "Would come if"):
        assert words in out
    status, out, _ = gridward("staff", "--explain", "--max-distance", 300, "--json")
    told = json.loads(out)
    assert status == 0
    assert {row["role"] for row in told["shortages"]} == {"doctor", "police"}
    assert told["relief"][0].keys() == {
        "role", "division", "grid_code", "member_id", "distance_m", "dataset"
    }  # fmt: skip
    assert (told["opened"], told["closed"], told["moved"]) == (0, 0, 0)


def test_stability_and_parts(gridward: Cli, drawn: Any) -> None:
    status, out, err = gridward("staff", "--by", "community")
    assert status == 0, err
    assert "part by part: 0 posts fewer" in err
    assert "Short of people" not in out
    status, _, err = gridward("staff", "--stability", 250)
    assert status == 0, err
    assert "lower bound" in err
    assert "part by part" not in err


def test_the_map_of_a_staffing(gridward: Cli, drawn: Any, tmp_path: Path) -> None:
    page = tmp_path / "new" / "staffing.html"
    status, out, err = gridward(
        "staff", "--explain", "--max-distance", 300, "--map", page, "--json"
    )  # fmt: skip
    assert status == 0, err
    assert json.loads(out)["map"] == str(page)
    text = page.read_text("utf-8")
    assert "Staffing of Smallton" in text
    data = json.loads(re.search(r'id="gridward-data">(.*?)</script>', text)[1])
    assert data["meta"]["relieved"] == len(json.loads(out)["relief"])
    assert data["meta"]["posts"] == json.loads(out)["posts"]
    assert len(data["payload"]["grids"]["code"]) == 8


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("--map", "staffing.pdf"), 1, "written as .html, not as '.pdf'"),
        (("--by", "county"), 1, "lies in no county"),
        (("--explain", "--level", "street"), 1, "lies in no street"),
        (("--by", "village"), 2, "'village' is not one of"),
        (("--stability", "-1"), 2, "--stability"),
    ],
)
def test_wrong_use_is_told_in_words(
    gridward: Cli, drawn: Any, arguments: tuple[str, ...], status: int, words: str
) -> None:
    ended, _, err = gridward("staff", *arguments)
    assert ended == status
    assert words in err
