"""Rows of a query as Arrow batches."""

from __future__ import annotations

from datetime import UTC, date, datetime
from time import perf_counter
from typing import Any

import pyarrow as pa
import pytest
from sqlalchemy import Date, Integer, Text, bindparam, literal_column, text
from sqlalchemy.orm import Session

from service.db.arrow import reading_batches
from service.errors import Refused

AWKWARD = ['a "b", c', "", "NULL", "\\N", "x\r\ny", "100 %s", "网格", "😀", "'; DROP TABLE x; --"]


def read(session: Session, statement: Any) -> pa.Table:
    with reading_batches(session, statement) as (schema, batches):
        return pa.Table.from_batches(batches, schema)


def test_every_type_comes_as_it_is(session: Session):
    found = read(
        session,
        text(
            "SELECT * FROM (VALUES"
            " (true, CAST(-3 AS int2), CAST(7 AS int4), CAST(1 AS int8) << 62,"
            "  CAST(0.5 AS float4), CAST(0.1 AS float8), 12.25, CAST('v' AS varchar(3)),"
            "  CAST('\\x00ff' AS bytea), DATE '2024-02-29',"
            "  TIMESTAMPTZ '2026-01-31 08:00+08', TIMESTAMP '1969-12-31 23:59:59.999999',"
            "  ARRAY['a', NULL, 'b,c'], CAST('{\"a\": 1}' AS jsonb),"
            "  CAST('0b5c6d3e-1f0a-4c57-9d2b-6f6f5d1b7a10' AS uuid)),"
            " (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,"
            "  NULL)) AS made"
            ' (flag, small, whole, large, "half", ratio, exact, short, bytes, day, at, local,'
            "  list, document, number)"
        ),
    )
    assert found.to_pylist() == [
        {
            "flag": True,
            "small": -3,
            "whole": 7,
            "large": 2**62,
            "half": 0.5,
            "ratio": 0.1,
            "exact": 12.25,
            "short": "v",
            "bytes": b"\x00\xff",
            "day": date(2024, 2, 29),
            "at": datetime(2026, 1, 31, tzinfo=UTC),
            "local": datetime(1969, 12, 31, 23, 59, 59, 999_999),
            "list": '["a",null,"b,c"]',
            "document": '{"a": 1}',
            "number": "0b5c6d3e-1f0a-4c57-9d2b-6f6f5d1b7a10",
        },
        dict.fromkeys(found.column_names),
    ]
    assert all(each.metadata is None for each in found.schema)


@pytest.mark.parametrize("value", AWKWARD)
def test_values_are_bound_and_names_are_quoted(session: Session, value: str):
    named = 'odd "name", 100 %'
    statement = text("SELECT :value AS plain").bindparams(
        bindparam("value", value, Text, literal_execute=False)
    )
    found = read(session, statement.columns(literal_column("plain", Text)))
    assert found.to_pylist() == [{"plain": value}]
    quoted = named.replace('"', '""')
    found = read(
        session, text(f'SELECT CAST(:value AS text) AS "{quoted}"').bindparams(value=value)
    )
    assert found.to_pylist() == [{named: value}]


def test_no_rows_have_the_schema(session: Session):
    statement = text("SELECT 1 AS a, current_date AS b WHERE false").columns(a=Integer, b=Date)
    found = read(session, statement)
    assert found.num_rows == 0
    assert found.schema.types == [pa.int32(), pa.date32()]


def test_rows_come_in_order_and_in_pieces(session: Session):
    statement = text("SELECT n, repeat('x', 100) AS x FROM generate_series(1, 50000) n ORDER BY n")
    with reading_batches(session, statement) as (_, batches):
        numbers = [batch.column("n").to_pylist() for batch in batches]
    assert len(numbers) > 5
    assert [each for some in numbers for each in some] == list(range(1, 50_001))


def test_a_fault_on_the_way_is_told_without_the_statement(session: Session):
    statement = text("SELECT 1 / (40000 - n) AS n FROM generate_series(1, 50000) n")
    with pytest.raises(Refused) as caught:
        read(session, statement)
    assert str(caught.value) == "division by zero"


def _leave(session: Session, statement: Any) -> None:
    with reading_batches(session, statement) as (_, batches):
        next(batches)
        raise KeyError


def test_what_is_left_is_called_off(session: Session):
    statement = text("SELECT generate_series(1, 100000000) AS n, repeat('x', 100) AS tell")
    began = perf_counter()
    with reading_batches(session, statement) as (_, batches):
        next(batches)
    with pytest.raises(KeyError):
        _leave(session, statement)
    assert perf_counter() - began < 10  # all of it takes a minute
    running = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND query LIKE 'COPY%tell%'"
    )
    for _ in range(50):
        if session.scalar(running) == 0:
            break
        session.execute(text("SELECT pg_sleep(0.1)"))
    assert session.scalar(running) == 0
