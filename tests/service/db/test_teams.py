"""The posts held in grids are what a count of the posts says, whatever writes them, or how many."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from service.db.engine import Database
from service.settings import Settings

WRONG = text(
    """
    SELECT coverage.grid_code, coverage.posts_required, coverage.posts_filled, counted.*
    FROM coverage
    CROSS JOIN LATERAL (
        SELECT
            coalesce(sum(requirement.posts), 0) AS required,
            coalesce(sum(least(requirement.posts, held.posts)), 0) AS filled
        FROM team_requirement AS requirement
        CROSS JOIN LATERAL (
            SELECT count(*) AS posts
            FROM post
            WHERE post.grid_id = coverage.grid_id
                AND post.role = requirement.role
                AND post.valid_to IS NULL
        ) AS held
        WHERE requirement.dataset_id = coverage.dataset_id
    ) AS counted
    WHERE (coverage.posts_required, coverage.posts_filled) <> (counted.required, counted.filled)
    """
)
FILLED = text("SELECT sum(posts_filled) FROM coverage")

STEPS = [
    "INSERT INTO member (dataset_id, reference, roles, max_posts) "
    "SELECT 1, 'N' || n, '{leader,police,doctor}', 9 FROM generate_series(1, 6) AS n",
    "UPDATE team_requirement SET posts = 2",
    "INSERT INTO post (member_id, grid_id, role) SELECT member.id, grid.id, 'leader' "
    "FROM member CROSS JOIN grid WHERE member.reference IN ('N1', 'N2')",
    "INSERT INTO team_requirement VALUES (1, 'doctor', 6)",
    "INSERT INTO post (member_id, grid_id, role) SELECT id, 2, 'doctor' FROM member "
    "WHERE reference LIKE 'N%'",
    "UPDATE team_requirement SET posts = 4 WHERE role = 'doctor'",
    "UPDATE post SET grid_id = 3 WHERE role = 'doctor' AND member_id % 2 = 0",
    "UPDATE post SET valid_to = now() WHERE member_id % 3 = 0",
    "UPDATE post SET valid_to = NULL WHERE member_id % 3 = 0",
    "DELETE FROM team_requirement WHERE role = 'leader'",
    "DELETE FROM post WHERE grid_id = 3",
    "INSERT INTO team_requirement VALUES (1, 'leader', 3)",
    "TRUNCATE post",
]


def wrong(session: Session) -> list[Row[tuple[object, ...]]]:
    return list(session.execute(WRONG).all())


@pytest.fixture
def opened(town: Settings) -> Iterator[Database]:
    with Database(town) as database:
        yield database


def test_teams_follow_every_change(opened: Database) -> None:
    seen = set()
    with opened.session() as session:
        assert wrong(session) == []
        for step in STEPS:
            session.execute(text(step))
            assert wrong(session) == [], step
            seen.add(session.scalar(FILLED))
    assert len(seen) > 5
    assert 0 in seen


def test_many_writers_at_once(town: Settings) -> None:
    """Each puts a member of its own into the grid that all want, or takes it away."""
    barrier = Barrier(6)

    def serve(number: int, database: Database) -> None:
        barrier.wait()
        for _ in range(5):
            for statement in (
                "INSERT INTO post (member_id, grid_id, role) SELECT id, 1, 'doctor' FROM member "
                "WHERE reference = :name",
                "DELETE FROM post WHERE grid_id = 1 AND member_id = "
                "(SELECT id FROM member WHERE reference = :name)",
                "INSERT INTO post (member_id, grid_id, role) SELECT id, 1, 'doctor' FROM member "
                "WHERE reference = :name",
                "UPDATE post SET valid_to = now() WHERE grid_id = 1 AND valid_to IS NULL AND "
                "member_id = (SELECT id FROM member WHERE reference = :name)",
            ):
                with database.session() as session:
                    session.execute(text(statement), {"name": f"N{number}"})

    with Database(town) as database:
        with database.session() as session:
            session.execute(text(STEPS[0]))
            session.execute(text("INSERT INTO team_requirement VALUES (1, 'doctor', 6)"))
        with ThreadPoolExecutor(6) as pool:
            list(pool.map(lambda number: serve(number, database), range(1, 7)))
        with database.session() as session:
            assert wrong(session) == []
            held = "INSERT INTO post (member_id, grid_id, role) SELECT id, 1, 'doctor' FROM member "
            session.execute(text(held + "WHERE reference IN ('N1', 'N2', 'N3')"))
            assert wrong(session) == []
