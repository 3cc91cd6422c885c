"""Staffing: posts, vacancies with reasons, fixed posts, changes alone."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from geodata.errors import InputError, PlanError
from service.db.engine import Database
from service.flows.delineate import delineate
from service.flows.load import load_dataset
from service.flows.staff import staff


@pytest.fixture
def drawn(database: Database, smallton: Any) -> Database:
    """A small town with 8 grids in force; 16 leaders, 4 of them police as well, and no doctor."""
    smallton.extra = "doctor = 2"
    smallton.write()
    load_dataset(database.session, smallton.manifest)
    with database.session() as session:
        delineate(session)
    return database


def rows(session: Session, statement: str) -> list[Any]:
    return [tuple(row) for row in session.execute(text(statement))]


CURRENT = (
    "SELECT member.reference, grid.code, post.role FROM post JOIN member ON member.id = member_id "
    "JOIN grid ON grid.id = grid_id WHERE valid_to IS NULL ORDER BY 2, 3, 1"
)


def test_every_post_is_held_or_vacant_with_a_reason(drawn: Database) -> None:
    with drawn.session() as session:
        report = staff(session)
        assert report.required == {"doctor": 16, "leader": 8, "police": 8}
        assert report.vacancies == {"doctor": 16}
        assert report.posts == report.opened == 16
        assert report.total_distance_m == report.lower_bound_m > 0
        lacking = rows(session, "SELECT role, sum(missing), count(reason) FROM vacancy GROUP BY 1")
        assert lacking == [("doctor", 16, 8)]
        held = rows(
            session, "SELECT max(n) FROM (SELECT count(*) n FROM post GROUP BY member_id) s"
        )
        assert held == [(2,)]


def test_a_second_time_changes_nothing(drawn: Database) -> None:
    with drawn.session() as session:
        staff(session)
    with drawn.session() as session:
        before = rows(session, "SELECT post::text FROM post ORDER BY 1")
        report = staff(session)
        assert (report.opened, report.closed) == (0, 0)
        assert rows(session, "SELECT post::text FROM post ORDER BY 1") == before


def test_fixed_posts_stay_and_count(drawn: Database) -> None:
    """The member who lives farthest away is fixed; the others fill the rest at the least cost."""
    with drawn.session() as session:
        session.execute(
            text(
                "INSERT INTO post (member_id, grid_id, role, fixed) SELECT member.id, grid.id, "
                "'police', true FROM member, grid WHERE reference = 'M12' AND code = '101001'"
            )
        )
        report = staff(session)
        current = rows(session, CURRENT)
    assert report.fixed == 1
    assert ("M12", "101001", "police") in current
    assert len([row for row in current if row[1:] == ("101001", "police")]) == 1
    assert len([row for row in current if row[0] == "M12"]) <= 2
    assert report.vacancies == {"doctor": 16}
    assert all("\x1f" not in row[0] for row in current)


def test_posts_of_grids_that_are_gone_end(drawn: Database) -> None:
    with drawn.session() as session:
        staff(session)
    with drawn.session() as session:
        delineate(session, target=200, minimum=150, maximum=250)
        report = staff(session)
        stale = rows(
            session,
            "SELECT count(*) FROM post LEFT JOIN current_grid ON current_grid.id = grid_id "
            "WHERE valid_to IS NULL AND current_grid.id IS NULL",
        )
        assert stale == [(0,)]
        # the switch ended those of the four grids that are gone
        assert rows(session, "SELECT count(*) FROM post WHERE valid_to IS NOT NULL")[0][0] >= 8
        assert report.posts == 8


def test_one_community_alone_leaves_the_posts_elsewhere(drawn: Database) -> None:
    with drawn.session() as session:
        staff(session, communities=["101"])
        first = rows(session, CURRENT)
        assert {row[1][:3] for row in first} == {"101"}
    with drawn.session() as session:
        staff(session, communities=["102"])
        assert [row for row in rows(session, CURRENT) if row[1][:3] == "101"] == first
        most = rows(
            session, "SELECT max(n) FROM (SELECT count(*) n FROM post GROUP BY member_id) s"
        )
        assert most == [(2,)]


def test_a_limit_of_distance_leaves_posts_vacant(drawn: Database) -> None:
    with drawn.session() as session:
        report = staff(session, max_distance_m=10)
        assert report.posts < 16
        assert sum(report.vacancies.values()) == 32 - report.posts


def test_grids_are_needed(database: Database, smallton: Any) -> None:
    load_dataset(database.session, smallton.manifest)
    with database.session() as session, pytest.raises(PlanError, match="gridward delineate"):
        staff(session)


def test_a_post_changes_hands_only_for_a_gain_above_the_threshold(drawn: Database) -> None:
    with drawn.session() as session:
        staff(session)
        held = rows(session, CURRENT)
        assert ("M00", "101001", "leader") not in held
        # M00 now lives at the very place of a grid that someone else leads
        session.execute(text(
            "UPDATE member SET geometry = (SELECT ST_Centroid(geometry) FROM current_grid "
            "WHERE code = '102004') WHERE reference = 'M00'"
        ))  # fmt: skip
    with drawn.session() as session:
        report = staff(session, stability_m=100_000)
        assert (report.opened, report.closed, report.moved) == (0, 0, 0)
        assert report.total_distance_m == report.lower_bound_m
        assert rows(session, CURRENT) == held
    with drawn.session() as session:
        report = staff(session)
        assert report.moved > 0
        assert ("M00", "102004") in {row[:2] for row in rows(session, CURRENT)}


def test_part_by_part_the_loss_is_told(drawn: Database) -> None:
    with drawn.session() as session:
        whole = staff(session)
    with drawn.session() as session:
        session.execute(text("UPDATE post SET valid_to = now()"))
        report = staff(session, by="community")
        assert report.loss_posts == whole.posts - report.posts >= 0
        assert report.loss_m == report.total_distance_m - whole.total_distance_m
        assert "loss_posts" in report.as_dict()
        assert "loss_posts" not in whole.as_dict()
    with drawn.session() as session, pytest.raises(InputError, match="'101' lies in no county"):
        staff(session, by="county")


def test_shortages_are_explained_and_kept_until_the_next_staffing(drawn: Database) -> None:
    with drawn.session() as session:
        report = staff(session, explain="community", max_distance_m=300)
        told = report.as_dict()
        short = {(row["role"], row["division"]): row for row in told["shortages"]}
        assert set(short) >= {("doctor", "101"), ("doctor", "102"), ("police", "101")}
        for row in short.values():
            assert row["needed"] == row["filled"] + row["missing"]
        assert short["doctor", "101"]["eligible"] == short["doctor", "101"]["relieved"] == 0
        assert sum(row["missing"] for row in short.values()) == sum(report.vacancies.values())
        police = [row for row in told["relief"] if row["role"] == "police"]
        assert police
        assert all(row["distance_m"] > 300 for row in police)
        saved = rows(session, "SELECT role, division_code, missing, relieved FROM shortage")
        assert sorted(saved) == sorted(
            (*key, row["missing"], row["relieved"]) for key, row in short.items()
        )
        assert rows(session, "SELECT count(*) FROM relief") == [(len(told["relief"]),)]
        staff(session, max_distance_m=300)
        assert rows(session, "SELECT count(*) FROM shortage") == [(0,)]
        assert rows(session, "SELECT count(*) FROM relief") == [(0,)]


def test_reasons_are_written_where_they_change(drawn: Database) -> None:
    reasons = "SELECT grid_id, role, reason, xmin::text FROM vacancy_reason ORDER BY 1, 2"
    with drawn.session() as session:
        staff(session)
        before = rows(session, reasons)
    with drawn.session() as session:
        staff(session)
        assert rows(session, reasons) == before
        session.execute(text("UPDATE team_requirement SET posts = 0 WHERE role = 'doctor'"))
        staff(session)
        assert rows(session, reasons) == []


def test_without_a_requirement_only_fixed_posts_stay(drawn: Database) -> None:
    with drawn.session() as session:
        staff(session)
        session.execute(text("UPDATE post SET fixed = true WHERE role = 'police'"))
        session.execute(text("UPDATE team_requirement SET posts = 0"))
        report = staff(session)
        assert (report.posts, report.fixed, report.closed) == (8, 8, 8)
        assert {row[2] for row in rows(session, CURRENT)} == {"police"}
