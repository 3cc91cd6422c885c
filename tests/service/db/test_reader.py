"""Connections that only read: they go on when the server ended them, and keep what is whole."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import Integer, bindparam, column, literal_column, select, text

from geodata.errors import UnavailableError
from service.db.asking import AsyncReader
from service.db.engine import Database
from service.db.reader import Statement, compiled, running_in, template
from service.errors import Refused
from service.settings import Settings

NUMBER = Statement("SELECT %(number)s + 1", {"number": 1})
WHO = Statement("SELECT pg_backend_pid()", {})
DIVIDE = Statement("SELECT 1 / %(number)s", {"number": 0})
OTHERS = text(
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


def _run(work: Coroutine[Any, Any, Any]) -> Any:
    # in a thread: the browser's tests leave an event loop that runs in this one
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


@pytest.fixture
def opened(town: Settings) -> Iterator[Database]:
    with Database(town) as database:
        yield database


def test_ended_connections_are_replaced(opened: Database) -> None:
    (first,) = opened.read(WHO)
    assert opened.read(WHO) == [first]
    with opened.session() as session:
        assert session.scalar(OTHERS) >= 1
    (second,) = opened.read(WHO)
    assert second != first
    assert opened.read(NUMBER) == [(2,)]


def test_a_refused_statement_leaves_the_connection_whole(opened: Database) -> None:
    before = opened.read(WHO)
    with pytest.raises(Refused, match="division by zero"):
        opened.read(DIVIDE)
    assert opened.read(WHO) == before


def test_what_takes_too_long_ends(opened: Database) -> None:
    limit = Statement("SELECT current_setting('statement_timeout')", {})
    assert opened.read(limit) == [("1min",)]

    async def ask() -> list[tuple[object, ...]]:
        reader = AsyncReader(opened.connect_to_read)
        found = await reader(limit)
        await reader.close()
        return found

    assert _run(ask()) == [("1min",)]
    late = Statement("SELECT pg_sleep(10)", {})
    opened.read(Statement("SELECT set_config('statement_timeout', '20ms', false)", {}))
    with pytest.raises(UnavailableError, match="not done in time"):
        opened.read(late)


def test_the_same_from_an_event_loop(opened: Database) -> None:
    async def ask() -> None:
        reader = AsyncReader(opened.connect_to_read)
        (first,) = await reader(WHO)
        with pytest.raises(Refused, match="division by zero"):
            await reader(DIVIDE)
        assert await reader(WHO) == [first]
        with opened.session() as session:
            assert session.scalar(OTHERS) >= 1
        (second,) = await reader(WHO)
        assert second != first
        found = await asyncio.gather(*(reader(NUMBER) for _ in range(40)))
        assert found == [[(2,)]] * 40
        slow = asyncio.create_task(reader(Statement("SELECT pg_sleep(30)", {})))
        await asyncio.sleep(0.2)
        slow.cancel()
        with pytest.raises(asyncio.CancelledError):
            await slow
        assert await reader(NUMBER) == [(2,)]
        await reader.close()

    _run(ask())


def test_a_session_shows_what_it_wrote(opened: Database) -> None:
    names = Statement("SELECT name FROM dataset ORDER BY id", {})
    with opened.session() as session:
        session.execute(text("UPDATE dataset SET name = 'Renamed'"))
        assert running_in(session)(names) == [("Renamed",)]
        assert opened.read(names) != [("Renamed",)]
        session.rollback()


def test_values_are_bound_and_parts_added() -> None:
    part = compiled(column("a") == bindparam("b", "x'; DROP TABLE post; --"))
    assert part.values == {"b": "x'; DROP TABLE post; --"}
    assert "DROP" not in part.text
    frame = template(select(literal_column("'{}'"), literal_column("$size$", Integer)))
    assert frame.fill(size="3") == "SELECT '{}', 3"
