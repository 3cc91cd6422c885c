"""Errors of the driver arrive as plain exceptions with one line."""

from __future__ import annotations

import socket

import psycopg
import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import DBAPIError

from geodata.errors import UnavailableError
from service.db.engine import Database
from service.db.failures import translate
from service.errors import Conflict, Refused
from service.settings import Settings


def test_an_unreachable_server_is_named_without_the_password() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"postgresql://someone:hush-hush@127.0.0.1:{port}/town"
    with pytest.raises(UnavailableError) as caught, Database(Settings(database_url=url)):
        pass
    message = str(caught.value)
    assert "\n" not in message
    assert "127.0.0.1" in message
    assert str(port) in message
    assert "GRIDWARD_DATABASE_URL" in message
    assert "hush" not in message


def test_a_missing_database_is_named(settings: Settings) -> None:
    assert settings.database_url is not None
    missing = Settings(database_url=settings.database_url.set(database="nowhere_at_all"))
    with pytest.raises(UnavailableError, match="nowhere_at_all"), Database(missing):
        pass


@pytest.mark.parametrize(
    ("sqlstate", "kind", "says"),
    [
        ("53100", UnavailableError, "the disk of the database is full"),
        ("25006", UnavailableError, "read-only"),
        ("53300", UnavailableError, "no more connections"),
        ("57P01", UnavailableError, "speaks"),
        ("40P01", Conflict, "try again"),
        ("23505", Conflict, "speaks"),
        ("23514", Refused, "speaks"),
        ("22003", Refused, "speaks"),
    ],
)
def test_states_have_their_exceptions(
    database: Database, sqlstate: str, kind: type[Exception], says: str
) -> None:
    statement = text(
        "DO $$ BEGIN RAISE EXCEPTION 'the server speaks' USING ERRCODE = '" + sqlstate + "'; END $$"
    )
    with pytest.raises(kind, match=says) as caught, database.session() as session:
        session.execute(statement)
    assert "the server speaks" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_defect_keeps_its_traceback(database: Database) -> None:
    with pytest.raises(DBAPIError), database.session() as session:
        session.execute(text("SELECT no_such_column"))
    assert translate(psycopg.errors.SyntaxError("x")) is None


def test_a_broken_connection_is_replaced(database: Database) -> None:
    with database.session() as session:
        pid = session.scalar(text("SELECT pg_backend_pid()"))
    with database.engine.connect() as one, database.engine.connect() as other:
        killed = one.scalar(text("SELECT pg_backend_pid()"))
        other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": killed})
        with pytest.raises(UnavailableError):
            one.execute(text("SELECT 1"))
    with database.session() as session:
        assert session.scalar(text("SELECT 1")) == 1
    assert pid is not None


def test_a_failure_rolls_the_whole_session_back(database: Database) -> None:
    def stop_half_way() -> None:
        with database.session() as session:
            session.execute(text("INSERT INTO dataset (name) VALUES ('x')"))
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        stop_half_way()
    with database.session() as session:
        assert session.scalar(text("SELECT count(*) FROM dataset")) == 0
        session.execute(text("INSERT INTO dataset (name) VALUES ('x')"))
    with database.session() as session:
        assert session.scalar(text("SELECT count(*) FROM dataset")) == 1


def test_a_closed_database_says_so() -> None:
    database = Database(Settings(database_url=make_url("postgresql://nowhere/x")))
    with pytest.raises(RuntimeError, match="not open"), database.session():
        pass
    with pytest.raises(RuntimeError, match="not open"):
        _ = database.engine
