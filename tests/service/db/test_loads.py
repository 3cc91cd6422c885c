"""The loads of grids are what a count of the ledger says, whatever writes it, or how many."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from service.db.engine import Database
from service.settings import Settings

WRONG = text(
    """
    SELECT coverage.grid_code, coverage.records, coverage.households, counted.*
    FROM coverage
    CROSS JOIN LATERAL (
        SELECT count(household.id) AS records, coalesce(sum(household.households), 0) AS households
        FROM assignment
        JOIN household ON household.id = assignment.household_id
        WHERE assignment.grid_id = coverage.grid_id
    ) AS counted
    WHERE (coverage.records, coverage.households) <> (counted.records, counted.households)
    """
)
KNOWN = text("SELECT count(*) FROM grid_load WHERE ledger = present_ledger()")


def wrong(session: Session) -> list[Row[tuple[object, ...]]]:
    return list(session.execute(WRONG).all())


@pytest.fixture
def opened(town: Settings) -> Database:
    with Database(town) as database:
        yield database


STEPS = [
    "UPDATE assignment SET grid_id = 2 WHERE household_id = 1",
    "UPDATE assignment SET grid_id = 3, method = 'covers' WHERE household_id IN (1, 2, 3, 11)",
    "UPDATE assignment SET grid_id = NULL, method = 'exception', reason = 'x' WHERE grid_id = 2",
    "UPDATE household SET households = 7 WHERE id IN (1, 5)",
    "UPDATE household SET households = 2",
    "DELETE FROM assignment WHERE household_id = 6",
    "DELETE FROM household WHERE id IN (1, 7, 8)",
    "INSERT INTO assignment (household_id, grid_id, method) VALUES (6, 1, 'manual')",
    "UPDATE assignment SET reason = 'as before'",
    "DELETE FROM assignment",
    "INSERT INTO assignment (household_id, grid_id, method) SELECT id, 2, 'covers' FROM household",
    "TRUNCATE assignment",
    "INSERT INTO assignment (household_id, grid_id, method) SELECT id, 3, 'covers' FROM household",
]


def test_loads_follow_every_change(opened: Database) -> None:
    with opened.session() as session:
        assert session.scalar(KNOWN) == 3
        for step in STEPS:
            session.execute(text(step))
            assert wrong(session) == [], step


def test_a_ledger_replaced_as_a_whole_makes_the_loads_unknown(opened: Database) -> None:
    """Its rows go without a trigger; what was counted in another table is counted anew."""
    with opened.session() as session:
        session.execute(text("UPDATE grid_load SET records = 99, households = 99, ledger = 1"))
        assert session.scalar(KNOWN) == 0
        assert wrong(session) == []
        session.execute(text("UPDATE assignment SET grid_id = 2 WHERE household_id = 1"))
        assert session.scalar(KNOWN) == 2
        assert wrong(session) == []


def test_many_writers_at_once(town: Settings) -> None:
    """Each moves a household of its own into the grid that all want, or takes it away."""
    barrier = Barrier(6)

    def move(household: int, database: Database) -> None:
        barrier.wait()
        for _ in range(5):
            for statement in (
                "UPDATE assignment SET grid_id = 1 WHERE household_id = :id",
                "UPDATE household SET households = households + 1 WHERE id = :id",
                "DELETE FROM assignment WHERE household_id = :id",
                "INSERT INTO assignment (household_id, grid_id, method) VALUES (:id, 1, 'covers')",
            ):
                with database.session() as session:
                    session.execute(text(statement), {"id": household})

    with Database(town) as database:
        with ThreadPoolExecutor(6) as pool:
            list(pool.map(lambda household: move(household, database), range(1, 7)))
        with database.session() as session:
            assert wrong(session) == []
            assert session.scalar(text("SELECT records FROM coverage WHERE grid_id = 1")) == 6
            assert session.scalar(KNOWN) >= 1
