"""The servers that are measured side by side, each with two processes on the same PostGIS.

The peers get an environment of their own, since their pins do not agree with ours; it is made once,
under ``.gridward/``.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from rich.console import Console
from sqlalchemy import URL

__all__ = ["PEERS", "Server", "gridward", "peers_python", "pygeoapi", "tipg"]

PEERS = (
    "tipg==1.6.1",
    "pygeoapi==0.21.*",
    "geoalchemy2",
    "psycopg2-binary",
    "uvicorn",
    "httptools",
    "uvloop",
)
PROCESSES = 2
_PLACE = Path(".gridward/peers-api")
_START_S = 90


@dataclass(frozen=True, slots=True)
class Server:
    """A server that answers.

    Attributes
    ----------
    name : str
    port : int
    process : subprocess.Popen
        The parent of its processes.
    """

    name: str
    port: int
    process: subprocess.Popen[bytes]

    def seconds(self) -> float:
        """Processor seconds of its processes so far."""
        return sum(map(_seconds, _family(self.process.pid)))

    def peak_mib(self) -> float:
        """Largest resident memory of any of its processes so far, MiB."""
        peaks = [_peak(pid) for pid in _family(self.process.pid)]
        return max(peaks, default=0.0)


def peers_python() -> Path | None:
    """The interpreter of the peers' environment, made if need be; None where it cannot be."""
    python = _PLACE / "bin" / "python"
    done = _PLACE / ".installed"
    if not done.exists():
        Console(stderr=True).print("installing the peers")
        subprocess.run([sys.executable, "-m", "venv", str(_PLACE)], check=True)
        install = [str(python), "-m", "pip", "install", "-q", *PEERS]
        if subprocess.run(install, check=False).returncode:
            return None
        done.touch()
    return python


@contextlib.contextmanager
def gridward(url: URL, folder: Path) -> Iterator[Server]:
    """Gridward itself."""
    environment = {"GRIDWARD_DATABASE_URL": url.render_as_string(hide_password=False)}
    environment["GRIDWARD_HOME"] = str(folder / "home")
    arguments = ["-m", "uvicorn", "service.app:create_app", "--factory", "--no-access-log"]
    with _serving("gridward", sys.executable, arguments, environment, folder) as server:
        yield server


@contextlib.contextmanager
def tipg(python: Path, url: URL, folder: Path) -> Iterator[Server]:
    """Serve the tables of the schema ``peer`` with tipg."""
    environment = {
        "DATABASE_URL": _plain(url),
        "TIPG_DB_SCHEMAS": json.dumps(["peer"]),
        "TIPG_DEFAULT_FEATURES_LIMIT": "10",
        "TIPG_MAX_FEATURES_PER_QUERY": "10000",
    }
    arguments = ["-m", "uvicorn", "tipg.main:app", "--no-access-log"]
    with _serving("tipg", str(python), arguments, environment, folder) as server:
        yield server


@contextlib.contextmanager
def pygeoapi(python: Path, url: URL, folder: Path) -> Iterator[Server]:
    """Serve the same tables with pygeoapi."""
    config, openapi = folder / "pygeoapi.yml", folder / "openapi.yml"
    config.write_text(json.dumps(_pygeoapi_config(url)), "utf-8")
    environment = {"PYGEOAPI_CONFIG": str(config), "PYGEOAPI_OPENAPI": str(openapi)}
    generate = [str(python.parent / "pygeoapi"), "openapi", "generate", str(config)]
    with openapi.open("wb") as file:
        subprocess.run(
            generate, check=True, stdout=file, stderr=subprocess.DEVNULL,
            env={**os.environ, **environment},
        )  # fmt: skip
    arguments = ["-m", "uvicorn", "pygeoapi.starlette_app:APP", "--no-access-log"]
    with _serving("pygeoapi", str(python), arguments, environment, folder) as server:
        yield server


def _plain(url: URL) -> str:
    """The address with its host where every driver looks for it, a folder of a socket as well."""
    host = quote(str(url.host or url.query.get("host")), safe="")
    port = f":{url.port}" if url.port else ""
    password = f":{quote(url.password, safe='')}" if url.password else ""
    return f"postgresql://{url.username}{password}@{host}{port}/{url.database}"


def _pygeoapi_config(url: URL) -> dict[str, object]:
    words = {"en": "benchmark"}

    def resource(table: str, key: str) -> dict[str, object]:
        data = {
            "host": url.host or url.query.get("host"),
            "dbname": url.database,
            "user": url.username,
            "password": url.password or "",
            "search_path": ["peer", "public"],
        }
        if url.port:
            data["port"] = url.port
        return {
            "type": "collection",
            "title": words,
            "description": words,
            "keywords": {"en": ["benchmark"]},
            "links": [],
            "extents": {"spatial": {"bbox": [-180, -90, 180, 90]}},
            "providers": [
                {
                    "type": "feature",
                    "name": "PostgreSQL",
                    "data": data,
                    "id_field": key,
                    "table": table,
                    "geom_field": "geometry",
                }
            ],
        }

    contact = {"name": "benchmark", "url": "http://127.0.0.1"}
    return {
        "server": {
            "bind": {"host": "127.0.0.1", "port": 5000},
            "url": "http://127.0.0.1:5000",
            "mimetype": "application/json; charset=UTF-8",
            "encoding": "utf-8",
            "gzip": False,
            "languages": ["en-US"],
            "limits": {"default_items": 10, "max_items": 10000},
            "map": {"url": "http://127.0.0.1/{z}/{x}/{y}.png", "attribution": ""},
        },
        "logging": {"level": "ERROR"},
        "metadata": {
            "identification": {
                "title": words, "description": words, "keywords": {"en": ["benchmark"]},
                "keywords_type": "theme", "terms_of_service": "", "url": "http://127.0.0.1",
            },
            "license": {"name": "none", "url": "http://127.0.0.1"},
            "provider": contact,
            "contact": contact,
        },
        "resources": {
            "grids": resource("grids", "id"),
            "households": resource("households", "id"),
        },
    }  # fmt: skip


@contextlib.contextmanager
def _serving(
    name: str, python: str, arguments: list[str], environment: Mapping[str, str], folder: Path
) -> Iterator[Server]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [python, *arguments, "--host", "127.0.0.1", "--port", str(port)]
    command += ["--workers", str(PROCESSES), "--log-level", "error"]
    log = (folder / f"{name}.log").open("wb")
    process = subprocess.Popen(
        command, stdout=log, stderr=log, env={**os.environ, **environment}, start_new_session=True
    )
    try:
        deadline = time.monotonic() + _START_S
        while not _answers(port):
            if time.monotonic() > deadline or process.poll() is not None:
                raise RuntimeError(f"{name} did not start: {(folder / f'{name}.log').read_text()}")
            time.sleep(0.2)
        yield Server(name, port, process)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=15)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        log.close()


def _answers(port: int) -> bool:
    with (
        contextlib.suppress(OSError),
        socket.create_connection(("127.0.0.1", port), timeout=5) as s,
    ):
        s.settimeout(10)
        s.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        return s.recv(12).startswith(b"HTTP/1.1 ")
    return False


def _family(pid: int) -> list[int]:
    found = [pid]
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError):
            fields = path.read_text().rsplit(")", 1)[1].split()
            if int(fields[1]) == pid:
                found += _family(int(path.parent.name))
    return found


def _seconds(pid: int) -> float:
    with contextlib.suppress(OSError, ValueError):
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return 0.0


def _peak(pid: int) -> float:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024.0
    return 0.0
