"""Rows of COPY, as many as have come: whole, in order, and given up half way."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql

from service.db.copying import copy_out
from service.db.engine import Database
from service.settings import Settings

ROWS = sql.SQL("COPY (SELECT n FROM generate_series(1, %(last)s) AS n) TO STDOUT").format()
BROKEN = sql.SQL(
    "COPY (SELECT 1 / (%(last)s - n) FROM generate_series(1, %(last)s) AS n) TO STDOUT"
).format()


@pytest.fixture
def connection(town: Settings) -> Iterator[psycopg.Connection[object]]:
    with Database(town) as database, database.session() as session:
        found = session.connection().connection.driver_connection
        assert isinstance(found, psycopg.Connection)
        yield found
        session.rollback()


@pytest.mark.parametrize("last", [0, 1, 999, 1_000, 1_001, 50_000])
def test_every_row_comes_once_and_in_order(
    connection: psycopg.Connection[object], last: int
) -> None:
    lists = list(copy_out(connection, ROWS, {"last": last}))
    assert all(lists)
    assert [int(bytes(row)) for rows in lists for row in rows] == list(range(1, last + 1))
    assert connection.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize("last", [1, 1_001, 200_000])
def test_given_up_half_way_the_connection_is_free(
    connection: psycopg.Connection[object], last: int
) -> None:
    rows = copy_out(connection, ROWS, {"last": last})
    assert bytes(next(rows)[0]) == b"1\n"
    rows.close()
    connection.rollback()
    assert connection.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize("last", [1, 20_000])
def test_an_error_at_its_start_or_its_end_is_raised(
    connection: psycopg.Connection[object], last: int
) -> None:
    with pytest.raises(psycopg.errors.DivisionByZero):
        list(copy_out(connection, BROKEN, {"last": last}))
    connection.rollback()
    with pytest.raises(psycopg.errors.UndefinedTable):
        list(copy_out(connection, sql.SQL("COPY missing TO STDOUT").format(), {}))
    connection.rollback()
    assert connection.execute("SELECT 1").fetchone() == (1,)
