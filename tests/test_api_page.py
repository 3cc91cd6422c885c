"""Every recipe of docs/api.md works as it stands there, on the city that it speaks of."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import URL

from geodata.sample import write_sample
from service.db.engine import Database
from service.flows.assign import assign
from service.flows.delineate import delineate
from service.flows.load import load_dataset
from service.flows.staff import staff
from service.settings import Settings

PAGE = Path(__file__).parents[1] / "docs" / "api.md"
HERE = "http://127.0.0.1:8000"
#: Fewer than in the city of `make demo`, in the same place with the same codes.
HOUSEHOLDS = 3_000


def recipes() -> list[str]:
    """The indented blocks of the page, each command with the lines that continue it."""
    found: list[str] = []
    for block in re.findall(r"(?m)(?:^ {4}\S.*\n(?: {4}.*\n)*)", PAGE.read_text("utf-8")):
        lines = [line[4:] for line in block.splitlines()]
        if lines[0].startswith(("import ", "from ")):
            found.append("\n".join(lines))
            continue
        for line in lines:
            if line.startswith(" ") and found:
                found[-1] += "\n" + line
            else:
                found.append(line)
    return found


RECIPES = recipes()


@pytest.fixture(scope="module")
def city(
    cluster: Any, database_template: URL, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The service over the city, in a process of its own; its address."""
    folder = tmp_path_factory.mktemp("city")
    sample = write_sample("city", folder, households=HOUSEHOLDS, seed=7)
    url = cluster.create(database_template.database)
    with Database(Settings(database_url=url, home=folder / "home")) as database:
        load_dataset(
            database.session, Path(sample["paths"]["manifest"]), rejects=folder / "rejects.csv"
        )
        for flow in (delineate, assign, staff):
            with database.session() as session:
                flow(session)
    environment = {"GRIDWARD_DATABASE_URL": url.render_as_string(hide_password=False)}
    with socket.create_server(("127.0.0.1", 0)) as listener:
        command = [sys.executable, "-m", "uvicorn", "--factory", "service.app:create_app"]
        server = subprocess.Popen(
            [*command, "--fd", str(listener.fileno()), "--log-level", "warning"],
            env={**os.environ, **environment},
            pass_fds=[listener.fileno()],
        )
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        try:
            httpx.get(f"{address}/health", timeout=60).raise_for_status()
            yield address
        finally:
            server.terminate()
            server.wait(timeout=30)
    cluster.drop(url)


def test_the_page_has_recipes_of_every_kind() -> None:
    text = "\n".join(RECIPES)
    for word in ("curl", "ogrinfo", "ogr2ogr", "geopandas.read_file", "Features(", "tag=$("):
        assert word in text
    assert len(RECIPES) >= 30


def test_every_recipe_works(city: str, tmp_path: Path) -> None:
    """In the order of the page, in one shell where one recipe uses what another found out."""
    said = ""
    for recipe in RECIPES:
        source = recipe.replace(HERE, city)
        if source.startswith(("import ", "from ")):
            command = [sys.executable, "-c", source]
        elif source.startswith("tag=$("):
            said = source + "\n"
            continue
        else:
            if not shutil.which(source.split()[0]):
                continue  # the programs of GDAL are not everywhere
            command = ["bash", "-c", f"set -euo pipefail; {said}{source}"]
        done = subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, (recipe, done.stdout[-300:], done.stderr[-600:])
        if "curl" in source and "-O" not in source and "-sfO" not in source:
            answer = done.stdout
            assert answer, recipe
            if answer.startswith("{"):
                document = json.loads(answer)
                assert document.get("features") != [], recipe


def test_what_the_recipes_leave_behind(city: str) -> None:
    """The household was added and assigned, the facility renamed, the assignment given back."""
    found = httpx.get(f"{city}/collections/households/items?reference=N-1").json()["features"]
    assert found[0]["properties"]["method"] in ("covers", "boundary", "snapped", "exception")
    facility = httpx.get(f"{city}/collections/facilities/items/1").json()
    assert facility["properties"]["name"] == "Old clinic"
    state = httpx.get(f"{city}/households/980101001001-00001/assignment").json()
    assert state["method"] != "manual"
    assert "asked for it" in {each["reason"] for each in state["history"]}
