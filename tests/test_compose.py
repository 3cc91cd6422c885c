"""docker-compose.yml and the Dockerfile: valid, closed to the outside, and true to the code."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import typer.main
from ruamel.yaml import YAML

from service import cli

ROOT = Path(__file__).resolve().parents[1]
COMPOSE = ROOT / "docker-compose.yml"


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return YAML(typ="safe").load(COMPOSE)


@pytest.fixture(scope="module")
def ours(compose: dict[str, Any]) -> dict[str, Any]:
    """The services that run Gridward itself."""
    return {name: service for name, service in compose["services"].items() if name != "db"}


def check_schema(path: Path) -> subprocess.CompletedProcess[str]:
    """Check a file against the Compose specification's own schema."""
    return subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", path],
        capture_output=True,
        text=True,
        check=False,
    )


def environments(node: Any) -> Iterator[tuple[str, str]]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "environment":
                yield from ((name, str(text)) for name, text in value.items())
            else:
                yield from environments(value)


def test_follows_the_compose_specification() -> None:
    result = check_schema(COMPOSE)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_schema_check_can_fail(tmp_path: Path) -> None:
    wrong = tmp_path / "docker-compose.yml"
    wrong.write_text(COMPOSE.read_text().replace("healthcheck:", "healthchek:"))
    assert check_schema(wrong).returncode != 0


def test_has_database_migration_and_web(compose: dict[str, Any]) -> None:
    assert {"db", "migrate", "web"} <= compose["services"].keys()


def test_ports_are_published_on_this_machine_only(compose: dict[str, Any]) -> None:
    ports = [port for service in compose["services"].values() for port in service.get("ports", [])]
    assert ports
    for port in ports:
        address = port.get("host_ip") if isinstance(port, dict) else port.rsplit(":", 2)[0]
        assert address == "127.0.0.1", port


def test_the_database_is_not_published(compose: dict[str, Any]) -> None:
    assert "ports" not in compose["services"]["db"]


def test_every_process_runs_the_same_image(ours: dict[str, Any]) -> None:
    assert len({(service["image"], str(service["build"])) for service in ours.values()}) == 1


def test_nothing_starts_before_a_healthy_database(
    compose: dict[str, Any], ours: dict[str, Any]
) -> None:
    assert "healthcheck" in compose["services"]["db"]
    for name, service in ours.items():
        assert service["depends_on"]["db"]["condition"] == "service_healthy", name
        if name != "migrate":
            migrated = service["depends_on"]["migrate"]["condition"]
            assert migrated == "service_completed_successfully", name


def test_passwords_come_from_outside(compose: dict[str, Any]) -> None:
    """Required from the environment, or empty: no default that one forgets to change."""
    values = dict(environments(compose))
    secret = {name: text for name, text in values.items() if re.search("PASS|SECRET|TOKEN", name)}
    assert secret
    for name, text in secret.items():
        assert re.fullmatch(r"\$\{\w+:(\?[^}]+|-)\}", text), name
    assert not any(re.search(r"://[^/@]*:[^/@]*@", text) for text in values.values())


@pytest.mark.parametrize("name", ["migrate", "web"])
def test_commands_exist(name: str, ours: dict[str, Any]) -> None:
    """Parsed by the command line itself, without running it."""
    words = list(ours[name]["command"])
    command: click.Command = typer.main.get_command(cli.app)
    while isinstance(command, click.Group):
        group, word = command, words.pop(0)
        found = group.get_command(click.Context(group), word)
        assert found is not None, word
        command = found
    command.make_context(name, words)


def test_the_image_copies_what_is_there() -> None:
    """Each path exists and .dockerignore lets it through."""
    let_through = {
        line.removeprefix("!")
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    copies = re.findall(r"(?m)^COPY (?!--from)(.+)$", (ROOT / "Dockerfile").read_text())
    sources = {source.removeprefix("./") for copy in copies for source in copy.split()[:-1]}
    assert sources
    assert {source for source in sources if not (ROOT / source).exists()} == set()
    assert sources - let_through == set()


def test_the_image_runs_as_an_ordinary_user_and_is_watched() -> None:
    last_stage = (ROOT / "Dockerfile").read_text().rsplit("\nFROM ", 1)[1]
    users = re.findall(r"(?m)^USER (\S+)$", last_stage)
    assert users
    assert users[-1] not in ("root", "0")
    assert re.search(r"HEALTHCHECK[^\n]*\\\n[^\n]*/health\b", last_stage)
