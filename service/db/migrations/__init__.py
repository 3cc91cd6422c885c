"""The history of the schema, run from Python: there is no alembic.ini."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from alembic.config import Config
from sqlalchemy import Connection

__all__ = ["HEAD", "config_for", "run_file"]

#: The newest revision; known here so that an up-to-date database is seen without Alembic's scan.
HEAD = "0011"


def config_for(connection: Connection) -> Config:
    """Alembic's configuration for migrations over an open connection."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def run_file(connection: Connection, name: str) -> None:
    """Run a file of ``sql/`` as it stands: several statements, nothing bound."""
    statements = files(__package__).joinpath("sql", name).read_text(encoding="utf-8")
    connection.execution_options(no_parameters=True).exec_driver_sql(statements)
