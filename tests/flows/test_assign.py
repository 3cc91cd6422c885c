"""The ledger: one place a household, what was before, choices by hand."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from geodata.errors import PlanError
from service.db.engine import Database
from service.flows.assign import assign
from service.flows.delineate import delineate
from service.flows.load import load_dataset


@pytest.fixture(params=["in place", "beside"], autouse=True)
def _way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A ledger that is placed anew is changed row by row, or replaced as a whole."""
    if request.param == "beside":
        monkeypatch.setattr("service.flows.assign._FEWEST_BESIDE", 0)


@pytest.fixture
def drawn(database: Database, smallton: Any) -> Database:
    """A small town with grids in force; one record of three stands 30 m outside, one 1 km."""
    smallton.households[0] |= {"count": "3", "lon": "-0.000420", "lat": "50.005000"}
    smallton.households[1] |= {"count": "2", "lon": "-0.014000", "lat": "50.005000"}
    smallton.write()
    load_dataset(database.session, smallton.manifest)
    with database.session() as session:
        delineate(session)
    return database


def rows(session: Session, statement: str) -> list[Any]:
    return [tuple(row) for row in session.execute(text(statement))]


def households(report: dict[str, Any]) -> int:
    return sum(report[key] for key in ("covers", "boundary", "snapped", "manual", "exceptions"))


def test_every_household_has_a_grid_or_a_reason(drawn: Database) -> None:
    with drawn.session() as session:
        report = assign(session).as_dict()

    assert households(report) == 803
    assert report["snapped"] == 3
    assert report["exceptions"] == 2
    assert report["records"]["exceptions"] == 1
    assert report["changed"] == 800
    with drawn.session() as session:
        ((reference, reason),) = rows(session, "SELECT reference, reason FROM household_exception")
        assert reference == "H0001"
        assert "m" in reason
        assert rows(session, "SELECT sum(households) FROM coverage") == [(801,)]
        outside = rows(
            session,
            "SELECT count(*) FROM assignment JOIN household ON household.id = household_id "
            "JOIN current_grid ON current_grid.id = grid_id "
            "WHERE method = 'covers' AND NOT ST_Covers(current_grid.geometry, household.geometry)",
        )
        assert outside == [(0,)]


def test_a_second_time_changes_nothing(drawn: Database) -> None:
    with drawn.session() as session:
        first = assign(session).as_dict()
    with drawn.session() as session:
        before = rows(session, "SELECT assignment::text FROM assignment ORDER BY 1")
        second = assign(session).as_dict()
        assert rows(session, "SELECT assignment::text FROM assignment ORDER BY 1") == before
        assert rows(session, "SELECT count(*) FROM assignment_history") == [(0,)]
    assert second.pop("changed") == 0
    first.pop("changed")
    first.pop("seconds"), second.pop("seconds")
    assert second == first


def test_the_tolerance_is_that_of_the_data_set_or_of_the_call(drawn: Database) -> None:
    with drawn.session() as session:
        session.execute(text("UPDATE dataset SET snap_tolerance_m = 5"))
        assert assign(session).as_dict()["exceptions"] == 5
        assert assign(session, snap_tolerance_m=5000).as_dict()["exceptions"] == 0


def test_a_choice_by_hand_stays_while_its_grid_is_in_force(drawn: Database) -> None:
    with drawn.session() as session:
        assign(session)
    with drawn.session() as session:
        session.execute(
            text(
                "UPDATE assignment SET method = 'manual', at = now(), "
                "grid_id = (SELECT id FROM grid WHERE code = '102001') "
                "WHERE household_id = (SELECT id FROM household WHERE reference = 'H0001')"
            )
        )
    with drawn.session() as session:
        report = assign(session).as_dict()
        assert (report["manual"], report["exceptions"], report["changed"]) == (2, 0, 0)
        # another polygon is the same grid; one that ends takes the choice along
        delineate(session, target=200, minimum=150, maximum=250)
        kept = rows(session, "SELECT count(*) FROM current_grid WHERE code = '102001'")[0][0]
        report = assign(session).as_dict()
        assert (report["manual"], report["exceptions"]) == (2 * kept, 2 - 2 * kept)


def test_history_has_the_size_of_the_change(drawn: Database) -> None:
    with drawn.session() as session:
        assign(session)
    with drawn.session() as session:
        # two grids of 100 join the two others
        delineate(session, communities=["102"], target=200, minimum=150, maximum=250)
        assert rows(session, "SELECT count(*) FROM assignment_history") == [(200,)]
        assert assign(session).changed == 0


def test_one_community_alone(drawn: Database) -> None:
    with drawn.session() as session:
        report = assign(session, communities=["102"]).as_dict()
        assert households(report) == 400
        assert rows(session, "SELECT count(*) FROM assignment") == [(400,)]
        # what the others lack is still told
        assert rows(session, "SELECT count(*) FROM household_exception") == [(400,)]


def test_grids_are_needed(database: Database, smallton: Any) -> None:
    load_dataset(database.session, smallton.manifest)
    with database.session() as session, pytest.raises(PlanError, match="gridward delineate"):
        assign(session)
