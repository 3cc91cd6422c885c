"""What lies in the repository: only our own work, pinned, and with links that lead somewhere."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from geodata.manifest import read_manifest
from service.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
EVERYTHING = ROOT / "requirements.lock"
SERVICE = ROOT / "requirements-service.lock"
PEERS = ROOT / "requirements-bench.lock"
SET_UP = re.compile(
    r"(^|/)(Makefile|Dockerfile|docker-compose\.yml|\.npmrc|package(-lock)?\.json|pyproject\.toml)$"
    r"|\.(lock|sh)$|^\.ci/"
)


@pytest.fixture(scope="module")
def tracked() -> list[str]:
    """Paths of the files in the repository, relative to its root."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a clone: git cannot tell which files belong to it")
    listed = subprocess.run(
        ["git", "-C", ROOT, "-c", f"safe.directory={ROOT}", "ls-files", "-z"],
        capture_output=True,
        text=True,
        check=True,
    )
    return [path for path in listed.stdout.split("\0") if path and (ROOT / path).is_file()]


def pins(lock: Path) -> dict[str, str]:
    """Name -> its whole entry (version, markers, hashes)."""
    entries = re.split(r"(?m)^(?=[a-z0-9])", lock.read_text("utf-8"))[1:]
    return {canonicalize_name(entry.split("==")[0]): entry for entry in entries}


def versions(lock: Path) -> dict[str, Version]:
    return {
        name: Version(re.split(r"[\s;\\]", entry.split("==")[1], maxsplit=1)[0])
        for name, entry in pins(lock).items()
    }


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def requirements(*groups: list[str]) -> list[Requirement]:
    return [Requirement(text) for group in groups for text in group]


def unpinned(wanted: list[Requirement], lock: Path) -> list[str]:
    pinned = versions(lock)
    return [
        str(requirement)
        for requirement in wanted
        if (name := canonicalize_name(requirement.name)) not in pinned
        or pinned[name] not in requirement.specifier
    ]


def test_every_python_dependency_is_pinned(project: dict[str, Any]) -> None:
    extras = project["optional-dependencies"]
    wanted = requirements(project["dependencies"], extras["setup"], extras["test"])
    assert unpinned(wanted, EVERYTHING) == []
    assert unpinned(requirements(project["dependencies"]), SERVICE) == []


def third_party(folder: Path) -> set[str]:
    """Top names of what the files of a package import, bar the standard library and our own."""
    trees = [ast.parse(path.read_text("utf-8")) for path in folder.rglob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
    own = {"geodata", "service"}
    return {name.split(".")[0] for name in names} - set(sys.stdlib_module_names) - own


def test_what_is_imported_is_declared(project: dict[str, Any]) -> None:
    """An image without the packages of the tests must still run."""
    declared = {canonicalize_name(each.name) for each in requirements(project["dependencies"])}
    # each comes with a declared package and is part of its face
    # asked for by name, and only then imported
    declared |= {
        canonicalize_name(each.name)
        for each in requirements(project["optional-dependencies"]["scale"])
    }
    declared |= {"branca", "click", "markupsafe", "starlette"}
    makers = packages_distributions()
    undeclared = {
        name
        for folder in ("geodata", "service")
        for name in third_party(ROOT / folder)
        if not {canonicalize_name(maker) for maker in makers.get(name, [])} & declared
    }
    assert undeclared == set()


def test_every_peer_is_pinned() -> None:
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["dependency-groups"]
    assert unpinned(requirements(groups["bench"]), PEERS) == []


def test_every_pin_carries_hashes() -> None:
    for lock in (EVERYTHING, SERVICE, PEERS):
        assert [name for name, entry in pins(lock).items() if "--hash=sha256:" not in entry] == []


def test_the_service_runs_on_what_is_tested() -> None:
    tested, run = versions(EVERYTHING), versions(SERVICE)
    assert {name: version for name, version in run.items() if tested.get(name) != version} == {}


def test_web_assets_are_pinned() -> None:
    wanted = json.loads((ROOT / "package.json").read_text("utf-8"))["dependencies"]
    locked = json.loads((ROOT / "package-lock.json").read_text("utf-8"))["packages"]
    assert wanted
    assert {name: locked[f"node_modules/{name}"]["version"] for name in wanted} == wanted
    assert all("integrity" in entry for path, entry in locked.items() if path)


def test_no_package_registry_is_named(tracked: list[str]) -> None:
    """Where packages come from is the business of the machine, not of the project."""
    naming = re.compile(
        r'(?m)(?<!no-emit-)\b(?:index-url|find-links)\b|^\s*registry\s*=|"resolved":|trusted-host'
    )
    set_up = [path for path in tracked if SET_UP.search(path)]
    assert {"Makefile", "requirements.lock", "package-lock.json"} <= set(set_up)
    assert [path for path in set_up if naming.search((ROOT / path).read_text("utf-8"))] == []


def test_only_our_own_work_is_tracked(tracked: list[str]) -> None:
    foreign = re.compile(
        r"(^|/)(node_modules|vendor|\.venv)/|\.min\.(js|css)$|\.(map|whl|gpkg|pbf|shp)$"
    )
    assert [path for path in tracked if foreign.search(path)] == []


def test_no_script_is_minified(tracked: list[str]) -> None:
    long = {
        path: longest
        for path in tracked
        if path.endswith((".js", ".css", ".html", ".svg"))
        and (longest := max(map(len, (ROOT / path).read_text("utf-8").splitlines()), default=0))
        > 500
    }
    assert long == {}


def test_no_file_is_large(tracked: list[str]) -> None:
    sizes = {path: (ROOT / path).stat().st_size for path in tracked}
    assert {path: size for path, size in sizes.items() if size > 600_000} == {}


def without_code(text: str) -> str:
    return re.sub(r"(?ms)^```.*?^```|^(?: {4}|\t).*?$|`[^`\n]*`", "", text)


def anchors(page: Path) -> set[str]:
    """What a heading is called in a link: small letters, hyphens for blanks."""
    headings = re.findall(r"(?m)^#{1,6} +(.+?) *$", page.read_text("utf-8"))
    return {
        re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower()).replace(" ", "-")
        for heading in headings
    }


def test_links_between_pages_lead_somewhere(tracked: list[str]) -> None:
    pages = [path for path in tracked if path.endswith(".md")]
    assert "README.md" in pages
    folders = {str(parent) for path in tracked for parent in Path(path).parents}
    broken = []
    for page in pages:
        text = without_code((ROOT / page).read_text("utf-8"))
        for target in re.findall(r"\]\(<?([^)\s>]+)>?(?: \"[^\"]*\")?\)", text):
            if re.match(r"[a-z][a-z0-9+.-]*:", target):
                continue
            path, _, anchor = unquote(target).partition("#")
            goal = ((ROOT / page).parent / path).resolve() if path else ROOT / page
            kept = os.path.relpath(goal, ROOT) in folders.union(tracked)
            if not kept or (anchor and anchor not in anchors(goal)):
                broken.append(f"{page}: {target}")
    assert broken == []


def test_every_page_is_reached_from_the_index(tracked: list[str]) -> None:
    index = (ROOT / "docs" / "README.md").read_text("utf-8")
    linked = set(re.findall(r"\]\(([^)#]+\.md)\)", index))
    pages = {
        path.removeprefix("docs/")
        for path in tracked
        if path.startswith("docs/") and path.endswith(".md") and path != "docs/README.md"
    }
    assert pages - linked == set()


def test_the_readme_shows_both_commands() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    for command in ("make demo", "make test"):
        assert re.search(rf"(?m)^ *{command}\b", readme), command


def test_the_readme_names_targets_that_exist() -> None:
    targets = set(re.findall(r"(?m)^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8")))
    named = re.findall(r"(?:^ *|`)make ([a-z-]+)", (ROOT / "README.md").read_text("utf-8"), re.M)
    assert named
    assert set(named) - targets == set()


def test_the_readme_shows_a_manifest_that_reads(tmp_path: Path) -> None:
    shown = re.search(r"(?ms)^```toml\n(.*?)^```", (ROOT / "README.md").read_text("utf-8"))
    assert shown
    manifest = tmp_path / "dataset.toml"
    manifest.write_text(shown[1], encoding="utf-8")
    for file in re.findall(r'(?m)^file = "(.+)"', shown[1]):
        (tmp_path / file).write_text("present", encoding="utf-8")
    assert read_manifest(manifest).grid.target == 400


def test_every_setting_is_explained() -> None:
    page = (ROOT / "docs" / "operating.md").read_text("utf-8")
    told = set(re.findall(r"(?<=`)GRIDWARD_[A-Z_]+", page))
    of_commands = {"GRIDWARD_DEBUG", "GRIDWARD_WORKERS"}
    there = {f"GRIDWARD_{name.upper()}" for name in Settings.model_fields} | of_commands
    assert told == there


def test_the_command_line_is_installed_under_its_name(project: dict[str, Any]) -> None:
    assert project["scripts"] == {"gridward": "service.cli:main"}


def test_ci_runs_the_tests(tracked: list[str]) -> None:
    script = ROOT / ".ci" / "run"
    assert ".ci/run" in tracked
    assert script.stat().st_mode & 0o111
    lines = script.read_text("utf-8").splitlines()
    assert "make test" in lines
    assert "set -euo pipefail" in lines
