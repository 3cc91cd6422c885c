"""The command line: reports, exit status, one clear line, and nothing else on stdout."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import geopandas as gpd
import pytest
from sqlalchemy import text

from service import cli
from service.db.engine import Database
from service.settings import Settings

COMMANDS = (
    "run",
    "load",
    "delineate",
    "rebalance",
    "assign",
    "staff",
    "map",
    "export",
    "check",
    "plan",
    "serve",
    "sample",
    "db",
)

Cli = Callable[..., "Result"]


class Result:
    """What a command left behind."""

    def __init__(self, status: int, out: str, err: str) -> None:
        self.status, self.out, self.err = status, out, err

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def environment(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Commands find the database of the test, in a working folder of their own."""
    monkeypatch.chdir(tmp_path_factory.mktemp("work"))
    assert settings.database_url is not None
    url = settings.database_url.render_as_string(hide_password=False)
    monkeypatch.setenv("GRIDWARD_DATABASE_URL", url)
    monkeypatch.setenv("GRIDWARD_HOME", str(settings.home))
    monkeypatch.delenv("GRIDWARD_DEBUG", raising=False)


@pytest.fixture
def gridward(
    environment: None, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Cli:
    """Run ``gridward`` in this process, as the console script does."""

    def run(*arguments: object) -> Result:
        monkeypatch.setattr(sys, "argv", ["gridward", *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        code = ended.value.code
        if isinstance(code, str):  # sys.exit writes it to stderr when the interpreter ends
            print(code, file=sys.stderr)  # noqa: T201
            code = 1
        captured = capfd.readouterr()
        return Result(int(code or 0), captured.out, captured.err)

    return run


def is_one_line(result: Result) -> bool:
    return result.err.startswith("gridward: ") and result.err.count("\n") == 1


@pytest.mark.parametrize(
    "command",
    ["", *COMMANDS],
)
def test_help_answers(command: str, gridward: Cli) -> None:
    result = gridward(*command.split(), "--help")
    assert result.status == 0
    assert "Usage" in result.out


def test_help_needs_nothing_heavy() -> None:
    """``gridward --help`` answers at once: none of the slow libraries is imported."""
    code = "import sys, service.cli; print(*sorted(sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    slow = {"geopandas", "pandas", "numpy", "numba", "ortools", "sqlalchemy", "fastapi", "folium"}
    assert slow.isdisjoint(loaded.stdout.split())


def test_version(gridward: Cli) -> None:
    assert gridward("--version").out.startswith("gridward 0.")


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["load"], ["assign", "--json=maybe"], ["serve", "--port", "70000"]]
)
def test_wrong_usage_is_status_2(arguments: list[str], gridward: Cli) -> None:
    result = gridward(*arguments)
    assert result.status == 2
    assert result.out == ""


def test_run_goes_the_whole_way(gridward: Cli, smallton: Any, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = gridward("run", smallton.manifest, "--out", out, "--json")

    assert result.status == 0, result.err
    report = result.json
    assert set(report) == {"load", "delineate", "assign", "staff", "outputs"}
    assert report["load"]["households"] == {"records": 800, "households": 800, "rejected": 0}
    assert report["delineate"]["grids"] == 8
    places = ("covers", "boundary", "snapped", "exceptions")
    assert sum(report["assign"][key] for key in places) == 800
    assert report["staff"]["vacancies"] == {}
    assert report["staff"]["total_distance_m"] == report["staff"]["lower_bound_m"]
    assert {Path(path).name for path in report["outputs"].values()} == {
        "assignments.csv",
        "coverage.csv",
        "coverage.html",
        "divisions.geojson",
        "grids.geojson",
        "households.geojson",
        "members.geojson",
        "posts.csv",
        "rejects.csv",
        "vacancies.csv",
    }
    assert all(Path(path).is_file() for path in report["outputs"].values())
    grids = gpd.read_file(out / "grids.geojson")
    assert grids["households"].tolist() == [100] * 8 or grids["households"].between(75, 125).all()
    assert (out / "posts.csv").read_bytes().startswith(b"\xef\xbb\xbf")


def test_run_says_how_far_each_step_is(
    gridward: Cli, smallton: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: dict[str, tuple[int, int | None]] = {}

    @contextmanager
    def noted() -> Iterator[Callable[..., None]]:
        yield lambda step, done, total=None: steps.update({step: (done, total)})

    monkeypatch.setattr("service.commands.run.progress_bar", noted)
    result = gridward("run", smallton.manifest, "--out", tmp_path, "--json")
    assert result.status == 0, result.err
    for step in (
        "load households",
        "index households",
        "delineate Smallton",
        "assign",
        "staff",
        "write households.geojson",
        "draw coverage.html",
    ):
        assert step in steps
    assert steps["staff"] == (3, 3)
    # a line a feature, and those before and after them
    assert 800 <= steps["write households.geojson"][0] <= 803
    assert steps["draw coverage.html"] == (1, 1)


def test_run_twice_gives_the_same_bytes(gridward: Cli, smallton: Any, tmp_path: Path) -> None:
    for folder in ("one", "two"):
        assert gridward("run", smallton.manifest, "--out", tmp_path / folder, "--json").status == 0
    for name in ("grids.geojson", "households.geojson", "posts.csv", "coverage.html"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_run_shows_one_table_a_step(gridward: Cli, smallton: Any, tmp_path: Path) -> None:
    result = gridward("run", smallton.manifest, "--out", tmp_path / "out")
    assert result.status == 0
    for title in ("Loaded Smallton in", "Delineated in", "Assigned in", "Staffed in", "Written in"):
        assert title in result.out
    assert result.out.index("Loaded") < result.out.index("Delineated") < result.out.index("Staffed")


@pytest.mark.parametrize("steps", [["load", "delineate", "assign", "staff"]])
def test_json_is_all_there_is_on_stdout(steps: list[str], gridward: Cli, smallton: Any) -> None:
    for step in steps:
        arguments = [smallton.manifest] if step == "load" else []
        result = gridward(step, *arguments, "--json")
        assert result.status == 0, result.err
        assert isinstance(result.json, dict)
        assert "seconds" in result.json
    for arguments in (["plan", "list"], ["plan", "show", "1"], ["check", "--plan", "1"]):
        assert isinstance(gridward(*arguments, "--json").json, dict)


def test_a_draft_is_validated_and_activated_by_hand(gridward: Cli, smallton: Any) -> None:
    gridward("load", smallton.manifest)
    assert gridward("delineate", "--draft", "--json").json["plans"][0]["state"] == "draft"
    refused = gridward("plan", "activate", "1")
    assert refused.status == 1
    assert "gridward plan validate 1" in refused.err
    assert gridward("plan", "validate", "1", "--json").json["state"] == "validated"
    assert gridward("plan", "activate", "1", "--json").json["state"] == "active"


@pytest.mark.parametrize("suffix", ["geojson", "csv", "gpkg", "parquet", "fgb"])
def test_exports_by_suffix(suffix: str, gridward: Cli, smallton: Any, tmp_path: Path) -> None:
    gridward("run", smallton.manifest, "--out", tmp_path / "out")
    path = tmp_path / "more" / f"grids.{suffix}"
    result = gridward("export", "grids", "-o", path, "--json")
    assert result.status == 0, result.err
    read = gpd.read_parquet if suffix == "parquet" else gpd.read_file
    assert len(read(path)) == 8


def test_exports_that_cannot_be(gridward: Cli, smallton: Any, tmp_path: Path) -> None:
    for arguments, said in (
        (["grids", "-o", tmp_path / "grids.doc"], ".geojson"),
        (["people", "-o", tmp_path / "people.csv"], "households"),
        (["grids", "-o", "/proc/no/grids.csv"], "cannot write"),
    ):
        result = gridward("export", *arguments)
        assert result.status == 1
        assert said in result.err
        assert is_one_line(result)


def test_check_of_a_file(gridward: Cli, smallton: Any) -> None:
    shapes = smallton.folder / "communities.geojson"
    assert gridward("check", shapes).status == 0
    frame = gpd.read_file(shapes)
    frame.loc[1, "geometry"] = frame.loc[0, "geometry"]
    frame.to_file(shapes, driver="GeoJSON")
    result = gridward("check", shapes, "--json")
    assert result.status == 0
    assert result.json["counts"] == {"overlap": 1}
    assert result.json["faults"][0]["codes"] == ["101", "102"]
    assert gridward("check", shapes, "--strict").status == 1


def test_check_of_a_plan(gridward: Cli, smallton: Any, tmp_path: Path) -> None:
    gridward("run", smallton.manifest, "--out", tmp_path / "out")
    gridward("delineate", "--target", "200", "--min", "150", "--max", "250", "--draft")
    page = tmp_path / "report" / "quality.html"
    shapes = smallton.folder / "communities.geojson"

    result = gridward(
        "check", "--plan", "2", "--html", page, "--yardstick", f"{shapes}:communities", "--json"
    )
    assert result.status == 0, result.err
    report = result.json
    assert report["faults"] == []
    assert list(report["quality"]) == ["plan 2", "plan 1", "communities"]
    assert report["quality"]["plan 1"]["grids"] == 8
    everyone = {figures["households"] for figures in report["quality"].values()}
    assert len(everyone) == 1
    assert report["html"] == str(page)
    text = page.read_text("utf-8")
    assert "quality of plan 2" in text
    assert "target 200 households" in text
    assert "Plan 1" in text

    table = gridward("check", "--plan", "1")
    assert table.status == 0
    assert "Compactness, median" in table.out
    assert "no fault" in table.err


def test_two_plans_on_one_map(gridward: Cli, smallton: Any, tmp_path: Path) -> None:
    gridward("run", smallton.manifest, "--out", tmp_path / "out")
    gridward("delineate", "--target", "200", "--min", "150", "--max", "250", "--draft")
    page = tmp_path / "comparison.html"
    result = gridward("plan", "compare", "1", "2", "-o", page, "--json")
    assert result.status == 0, result.err
    assert result.json["map"] == str(page)
    assert result.json["households_moved"] > 0
    assert ": plans 1 and 2" in page.read_text("utf-8")
    refused = gridward("plan", "compare", "1", "5", "-o", page)
    assert refused.status == 1
    assert "there is no plan 5" in refused.err


def test_checks_that_cannot_be(gridward: Cli, smallton: Any, tmp_path: Path) -> None:
    gridward("run", smallton.manifest, "--out", tmp_path / "out")
    for arguments, said in (
        (["--plan", "1", "--html", tmp_path / "x.pdf"], "written as .html"),
        (["--plan", "1", "--yardstick", tmp_path / "none.gpkg"], "there is no such file"),
        (["--plan", "1", "--before", "7"], "there is no plan 7"),
        (["--plan", "9"], "there is no plan 9"),
    ):
        result = gridward("check", *arguments)
        assert result.status == 1
        assert said in result.err
        assert is_one_line(result)
    shapes = smallton.folder / "communities.geojson"
    assert gridward("check", shapes, "--html", tmp_path / "x.html").status == 2


def wrong_key(smallton: Any) -> Path:
    smallton.manifest.write_text(
        smallton.manifest.read_text("utf-8").replace("count", "cuont", 1), "utf-8"
    )
    return Path(smallton.manifest)


def unknown_key(smallton: Any) -> Path:
    smallton.extra = "[grid.more]\nsize = 3"
    return Path(smallton.write())


def missing_manifest(smallton: Any) -> Path:
    return Path(smallton.folder / "nothing.toml")


def missing_file(smallton: Any) -> Path:
    (smallton.folder / "households.csv").unlink()
    return Path(smallton.manifest)


def broken_geojson(smallton: Any) -> Path:
    (smallton.folder / "communities.geojson").write_text("{", "utf-8")
    return Path(smallton.manifest)


@pytest.mark.parametrize(
    "spoil", [wrong_key, unknown_key, missing_manifest, missing_file, broken_geojson]
)
@pytest.mark.parametrize("command", ["load", "run"])
def test_wrong_input_is_one_line_and_changes_nothing(
    command: str, spoil: Callable[[Any], Path], gridward: Cli, smallton: Any, settings: Settings
) -> None:
    result = gridward(command, spoil(smallton), "--json")
    assert result.status == 1
    assert result.out == ""
    assert is_one_line(result), result.err
    with Database(settings) as database, database.session() as session:
        assert session.execute(text("SELECT count(*) FROM dataset")).scalar() == 0
        assert session.execute(text("SELECT count(*) FROM division")).scalar() == 0


def test_an_unreachable_database(
    gridward: Cli, smallton: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRIDWARD_DATABASE_URL", "postgresql://nobody:secret@127.0.0.1:1/none")
    result = gridward("load", smallton.manifest)
    assert result.status == 1
    assert is_one_line(result), result.err
    assert "secret" not in result.err


def test_a_busy_port(gridward: Cli) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        port = held.getsockname()[1]
        result = gridward("serve", "--port", port)
    assert result.status == 1
    assert is_one_line(result)
    assert f"port {port}" in result.err
    assert "--port" in result.err


def test_what_nobody_foresaw_is_one_line(gridward: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("first\nsecond")

    monkeypatch.setattr("service.flows.plans.list_plans", fail)
    result = gridward("plan", "list")
    assert result.status == 1
    assert result.err == "gridward: RuntimeError: first (GRIDWARD_DEBUG=1 shows the traceback)\n"
    monkeypatch.setenv("GRIDWARD_DEBUG", "1")
    monkeypatch.setattr(sys, "argv", ["gridward", "plan", "list"])
    with pytest.raises(RuntimeError):
        cli.main()


@pytest.mark.parametrize("workers", [1, 2])
def test_an_interruption_is_quiet(environment: None, workers: int) -> None:
    code = (
        "import sys; from service.cli import main; sys.argv = ['gridward', *sys.argv[1:]]; main()"
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-c", code, "serve", "--port", str(port), "--workers", str(workers)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ.copy(),
    )
    try:
        _wait_for(port)
        assert len(_children(process.pid)) >= (workers if workers > 1 else 0)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode in (0, 130)
    assert out == ""
    assert "Traceback" not in err


def _children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                probe.sendall(b"GET /health HTTP/1.0\r\n\r\n")
                probe.settimeout(20)
                if probe.recv(12):
                    return
        time.sleep(0.1)
    raise AssertionError("the service did not start")


@pytest.mark.parametrize("command", [("export", "grids"), ("map",)])
def test_an_unknown_data_set_writes_nothing(
    gridward: Cli, smallton: Any, tmp_path: Path, command: tuple[str, ...]
) -> None:
    assert gridward("load", smallton.manifest).status == 0
    out = tmp_path / ("none.csv" if command[0] == "export" else "none.html")
    result = gridward(*command, "-o", out, "--dataset", "Nope")
    assert result.status == 1
    assert "there is no data set 'Nope'" in result.err
    assert not out.exists()
