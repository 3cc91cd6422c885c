"""The ledger: only what changed is looked at; replaced, it is history; a kill changes nothing."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from service.db.engine import Database
from service.flows import assign as flow
from service.flows.assign import assign
from service.flows.delineate import delineate
from service.flows.load import load_dataset
from service.tiles.prepare import prepare

FINE = {"target": 50, "minimum": 35, "maximum": 65}


@pytest.fixture(autouse=True)
def _small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.flows.pages._PAGE_ROWS", 97)


@pytest.fixture
def beside(monkeypatch: pytest.MonkeyPatch) -> None:
    """However small, a ledger that mostly changes is replaced as a whole."""
    monkeypatch.setattr("service.flows.assign._FEWEST_BESIDE", 0)


@pytest.fixture
def drawn(database: Database, smallton: Any) -> Database:
    """A small town with grids in force; some records stand 30 m and 1 km outside."""
    smallton.households[0] |= {"count": "3", "lon": "-0.000420", "lat": "50.005000"}
    smallton.households[1] |= {"count": "2", "lon": "-0.014000", "lat": "50.005000"}
    smallton.households[2] |= {"lon": "0.020300", "lat": "50.005000"}
    smallton.write()
    load_dataset(database.session, smallton.manifest)
    with database.session() as session:
        delineate(session)
    return database


def rows(session: Session, statement: str, **values: Any) -> list[Any]:
    return [tuple(row) for row in session.execute(text(statement), values)]


def overnight(session: Session, **options: Any) -> None:
    """Delineate; the plan rules, but the ledger does not know: its day has come overnight."""
    later = SimpleNamespace(changed=0)
    with mock.patch("service.flows.plans.assign", return_value=later):
        delineate(session, **options)


def run(database: Database, **options: Any) -> dict[str, Any]:
    with database.session() as session:
        report = assign(session, **options).as_dict()
    report.pop("seconds")
    return report


LEDGER = (
    "SELECT household_id, grid_id, method, reason, round(distance_m) FROM assignment ORDER BY 1"
)
HISTORY = (
    "SELECT household_id, grid_id, method, reason, round(distance_m) FROM assignment_history "
    "ORDER BY 1, valid_from, 2"
)


# -- what changed, and no more -------------------------------------------------------------------


def add(session: Session, random_: random.Random) -> None:
    for number in range(random_.randint(1, 5)):
        session.execute(
            text(
                "INSERT INTO household (dataset_id, reference, households, geometry) VALUES "
                "(1, :reference, :households, ST_SetSRID(ST_MakePoint(:x, :y), 4326))"
            ),
            {
                "reference": f"N{number}-{random_.random()}",
                "households": random_.randint(1, 9),
                "x": random_.uniform(-0.002, 0.043),
                "y": random_.uniform(49.999, 50.011),
            },
        )


def move(session: Session, random_: random.Random) -> None:
    session.execute(
        text(
            "UPDATE household SET geometry = ST_Translate(geometry, :dx, :dy), "
            "households = households + 1 WHERE id % 97 = :rest"
        ),
        {
            "dx": random_.uniform(-0.01, 0.01),
            "dy": random_.uniform(-0.003, 0.003),
            "rest": random_.randrange(97),
        },
    )


def remove(session: Session, random_: random.Random) -> None:
    rest = {"rest": random_.randrange(89)}
    session.execute(text("DELETE FROM household WHERE id % 89 = :rest"), rest)


def forget(session: Session, random_: random.Random) -> None:
    rest = {"rest": random_.randrange(83)}
    session.execute(text("DELETE FROM assignment WHERE household_id % 83 = :rest"), rest)


def choose(session: Session, random_: random.Random) -> None:
    session.execute(
        text(
            "UPDATE assignment SET method = 'manual', reason = 'asked', at = now(), "
            "grid_id = (SELECT max(id) FROM current_grid) WHERE household_id % 79 = :rest"
        ),
        {"rest": random_.randrange(79)},
    )


def redraw(session: Session, random_: random.Random) -> None:
    target = random_.choice([60, 80, 100, 130])
    delineate(
        session,
        communities=[random_.choice(["101", "102"])],
        target=target,
        minimum=target * 3 // 4,
        maximum=target * 5 // 4,
    )


def loosen(session: Session, random_: random.Random) -> None:
    metres = {"metres": random_.choice([5, 50, 400])}
    session.execute(text("UPDATE dataset SET snap_tolerance_m = :metres"), metres)


def assign_one(session: Session, random_: random.Random) -> None:
    code = random_.choice(["101", "102"])
    assign(session, communities=[code], snap_tolerance_m=random_.choice([None, 300.0]))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("much", [0.3, 2.0], ids=["as it comes", "never all"])
def test_looking_at_what_changed_is_as_good_as_looking_at_everything(
    drawn: Database, seed: int, much: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.flows.assign._MUCH", much)
    random_ = random.Random(seed)  # noqa: S311 - chance, no secret
    run(drawn)
    for _ in range(6):
        for change in random_.sample(
            [add, move, remove, forget, choose, redraw, loosen, assign_one], 2
        ):
            with drawn.session() as session:
                change(session, random_)
        report = run(drawn)
        again = run(drawn, full=True)
        assert again.pop("changed") == 0
        report.pop("changed")
        assert report == again
        with drawn.session() as session:
            assert rows(session, "SELECT count(*) FROM assignment_queue") == [(0,)]
            assert rows(
                session,
                "SELECT count(*) FROM household FULL JOIN assignment ON household_id = id "
                "WHERE id IS NULL OR household_id IS NULL",
            ) == [(0,)]


def test_only_what_changed_is_looked_at(drawn: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    run(drawn)
    looked: list[int] = []

    def counting(page: Any, *others: Any, settle: Any = flow.settle) -> Any:
        looked.append(len(page.household))
        return settle(page, *others)

    monkeypatch.setattr("service.flows.assign.settle", counting)
    run(drawn)
    assert looked == []
    with drawn.session() as session:
        session.execute(text("DELETE FROM household WHERE id < 20"))
    run(drawn)
    assert looked == []
    with drawn.session() as session:
        # the same place written again is no move
        session.execute(text("UPDATE household SET geometry = geometry, address = 'x'"))
        moving = "UPDATE household SET geometry = ST_Translate(geometry, 1e-4, 0) "
        session.execute(text(moving + "WHERE id BETWEEN 100 AND 110"))
    run(drawn)
    assert looked == [11]


def test_a_plan_of_another_day_is_noticed_on_that_day(drawn: Database) -> None:
    def change_over(days: int) -> None:
        """As if the second plan had been drawn up in advance, for so many days from now."""
        with drawn.session() as session:
            session.execute(text("ALTER TABLE community_plan DISABLE TRIGGER USER"))
            session.execute(text("UPDATE community_plan SET active = NULL WHERE "
                                 "community_code = '102'"))  # fmt: skip
            day = "CURRENT_DATE + :days"
            for plan, period in ((2, f"{day}, NULL"), (1, f"NULL, {day}")):
                session.execute(
                    text(
                        f"UPDATE community_plan SET active = daterange({period}) "  # noqa: S608
                        "WHERE community_code = '102' AND plan_id = :plan"
                    ),
                    {"days": days, "plan": plan},
                )
            session.execute(text("ALTER TABLE community_plan ENABLE TRIGGER USER"))

    run(drawn)
    with drawn.session() as session:
        overnight(session, communities=["102"], **FINE)
    change_over(1)
    assert run(drawn)["changed"] == 0
    change_over(0)
    assert run(drawn)["changed"] >= 150
    assert run(drawn)["changed"] == 0


def test_until_everything_was_looked_at_nothing_is_noted(drawn: Database) -> None:
    random_ = random.Random(0)  # noqa: S311
    with drawn.session() as session:
        add(session, random_)
        move(session, random_)
        assign_one(session, random_)
        assert rows(session, "SELECT count(*) FROM household_change") == [(0,)]
        assert rows(session, "SELECT count(*) FROM assignment_queue") == [(0,)]
    run(drawn)
    with drawn.session() as session:
        assert rows(session, "SELECT count(*) FROM household_exception WHERE reason LIKE 'not%'") \
            == [(0,)]  # fmt: skip
        session.execute(text("TRUNCATE assignment"))
        assert rows(session, "SELECT count(*) FROM assignment_state") == [(0,)]
    assert run(drawn)["changed"] > 700


# -- replaced as a whole ---------------------------------------------------------------------------


def chosen_by_hand(database: Database) -> None:
    with database.session() as session:
        choose(session, random.Random(3))  # noqa: S311


def test_both_ways_write_the_same_ledger_and_history(
    drawn: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for way in (10**9, 0):
        monkeypatch.setattr("service.flows.assign._FEWEST_BESIDE", way)
        with drawn.session() as session:
            session.execute(text("TRUNCATE assignment, assignment_history"))
            rows(session, "SELECT setval('grid_id_seq', 1000)")
        reports = [run(drawn)]
        chosen_by_hand(drawn)
        with drawn.session() as session:
            overnight(session, **FINE)
            reports.append(assign(session).as_dict())
            reports[-1].pop("seconds")
            found.append((reports, rows(session, LEDGER), rows(session, HISTORY)))
            session.rollback()
    assert found[0][0] == found[1][0]
    assert found[0] == found[1]
    assert len(found[0][2]) > found[0][0][1]["changed"] > 350


def test_a_replaced_ledger_is_history_and_may_be_replaced_again(
    drawn: Database, beside: None
) -> None:
    run(drawn)
    for target in (50, 100, 50):
        with drawn.session() as session:
            before = dict(rows(session, "SELECT household_id, at FROM assignment"))
            past = rows(session, "SELECT count(*) FROM assignment_history")[0][0]
            overnight(session, target=target, minimum=target * 3 // 4, maximum=target * 5 // 4)
        changed = run(drawn)["changed"]
        assert changed > 350
        with drawn.session() as session:
            assert rows(session, "SELECT count(*) FROM assignment_history") == [(past + changed,)]
            assert rows(session, "SELECT count(*) FROM assignment") == [(800,)]
            # a new ledger has other defaults only while it is filled
            assert rows(
                session,
                "SELECT column_name FROM information_schema.columns "
                "WHERE table_name = 'assignment_current' AND column_default IS NOT NULL",
            ) == [("at",)]
            since = dict(rows(session, "SELECT household_id, at FROM assignment"))
            assert sum(since[each] != before[each] for each in since) == changed
            gaps = rows(
                session,
                "SELECT count(*) FROM (SELECT household_id, valid_to, lead(valid_from, 1, at) "
                "OVER (PARTITION BY household_id ORDER BY valid_from) AS next "
                "FROM assignment_history JOIN assignment USING (household_id)) AS period "
                "WHERE valid_to <> next",
            )
            assert gaps == [(0,)]
    with drawn.session() as session:
        # the right to be forgotten reaches every part of the past
        session.execute(text("DELETE FROM household WHERE id <= 10"))
        assert rows(session, "SELECT count(*) FROM assignment_history WHERE household_id <= 10") \
            == [(0,)]  # fmt: skip
        # what holds for the ledger holds for its new part
        ties = rows(
            session,
            "SELECT contype, count(*) FROM pg_constraint WHERE conrelid = 'assignment_current'"
            "::regclass AND (conparentid <> 0 OR coninhcount > 0) GROUP BY 1 ORDER BY 1",
        )
        assert ties == [("c", 4), ("f", 2), ("p", 1)]
        assert rows(
            session,
            "SELECT count(*) FROM pg_inherits WHERE inhparent IN "
            "('ix_assignment_grid_id'::regclass, 'ix_assignment_method'::regclass)",
        ) == [(2,)]


def test_a_replaced_ledger_is_known_to_loads_and_tiles(drawn: Database, beside: None) -> None:
    """No trigger sees it; the loads are counted in advance, and the tiles are told."""
    for target in (100, 50):
        with drawn.session() as session:
            overnight(session, target=target, minimum=target * 3 // 4, maximum=target * 5 // 4)
            prepare(session, wait=True)
            assert rows(session, "SELECT * FROM tile.change") == []
        run(drawn)
        with drawn.session() as session:
            assert rows(session, "SELECT DISTINCT kind FROM tile.change") == [("everything",)]
            assert_loads_are_known(session)


def assert_loads_are_known(session: Session) -> None:
    known = rows(
        session,
        "SELECT code, coalesce(load.records, 0), coalesce(load.households, 0) FROM current_grid "
        "LEFT JOIN grid_load AS load ON grid_id = id AND ledger = present_ledger()",
    )
    counted = rows(
        session,
        "SELECT grid.code, count(household.id), coalesce(sum(household.households), 0) "
        "FROM current_grid AS grid LEFT JOIN assignment ON grid_id = grid.id "
        "LEFT JOIN household ON household.id = household_id GROUP BY grid.code",
    )
    assert sorted(known) == sorted(counted)
    assert len(known) > 5
    assert any(count for _, count, _ in known)


def test_places_by_hand_count_in_the_loads_of_a_replaced_ledger(
    drawn: Database, beside: None
) -> None:
    run(drawn)
    chosen_by_hand(drawn)
    with drawn.session() as session:
        ledger = rows(session, LEDGER)
        past = rows(session, HISTORY)
        assert sum(row[2] == "manual" for row in ledger) > 5
        session.execute(text("DELETE FROM assignment_state"))
    part = "SELECT CAST(present_ledger() AS bigint)"
    with drawn.session() as session:
        before = rows(session, part)
    run(drawn)
    with drawn.session() as session:
        assert rows(session, part) != before
        assert rows(session, LEDGER) == ledger
        assert rows(session, HISTORY) == past
        assert_loads_are_known(session)


def test_a_plan_that_begins_replaces_the_ledger(drawn: Database, beside: None) -> None:
    run(drawn)
    with drawn.session() as session:
        delineate(session, **FINE)
        moved = rows(session, "SELECT count(*) FROM assignment_history")[0][0]
        assert 350 < moved < 450
        assert rows(session, "SELECT count(*) FROM pg_inherits WHERE inhparent = "
                             "'assignment_history'::regclass") == [(1,)]  # fmt: skip
    assert run(drawn)["changed"] == 0
    assert run(drawn, full=True)["changed"] == 0


def test_the_rows_of_another_data_set_are_taken_over(
    drawn: Database, smallton: Any, beside: None
) -> None:
    run(drawn)
    smallton.name, smallton.prefix, smallton.south = "Otherton", "o-", 51.0
    for household in smallton.households:
        household["lat"] = str(float(household["lat"]) + 1)
    smallton.write()
    load_dataset(drawn.session, smallton.manifest)
    with drawn.session() as session:
        delineate(session, dataset="Otherton")
        mine = "SELECT * FROM assignment WHERE household_id <= 800 ORDER BY 1"
        before = rows(session, mine)
    assert run(drawn, dataset="Otherton")["changed"] == 800
    with drawn.session() as session:
        assert rows(session, mine) == before
        assert rows(session, "SELECT count(*) FROM assignment") == [(1600,)]
        assert rows(session, "SELECT count(*) FROM assignment_history") == [(0,)]
        assert_loads_are_known(session)
    assert run(drawn, full=True)["changed"] == 0


# -- beside others -------------------------------------------------------------------------------


def test_who_reads_for_long_is_not_disturbed(
    drawn: Database, beside: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.flows.ledger._PATIENCE_S", 0.3)
    run(drawn)
    with drawn.session() as session:
        overnight(session, **FINE)
    with drawn.session() as reader:
        reader.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
        before = rows(reader, LEDGER)
        changed = run(drawn)["changed"]
        assert rows(reader, LEDGER) == before
    with drawn.session() as session:
        assert rows(session, LEDGER) != before
        assert rows(session, "SELECT count(*) FROM assignment_history") == [(changed,)]
        assert rows(session, "SELECT to_regclass('assignment_next')") == [(None,)]
    assert run(drawn, full=True)["changed"] == 0


def test_readers_see_the_state_of_before_or_of_after(drawn: Database, beside: None) -> None:
    run(drawn)
    with drawn.session() as session:
        overnight(session, **FINE)
    seen: set[Any] = set()
    over = threading.Event()

    def read() -> None:
        # the grids of before, or those of after, of all households
        while not over.is_set():
            with drawn.session() as session:
                seen.update(
                    rows(
                        session,
                        "SELECT count(*), count(*) FILTER (WHERE grid_id <= 8) FROM assignment",
                    )
                )

    reader = threading.Thread(target=read)
    reader.start()
    try:
        run(drawn)
    finally:
        over.set()
        reader.join()
    assert {count for count, _ in seen} == {800}
    with drawn.session() as session:
        (kept,) = rows(session, "SELECT count(*) FROM assignment WHERE grid_id <= 8")[0]
    assert kept < 799
    assert {old for _, old in seen} <= {799, kept}


#: Runs the flow until so many statements are sent, says so, and waits to be killed.
VICTIM = """
import sys, time
from sqlalchemy import event
import service.flows.assign
from service.db.engine import Database
from service.settings import Settings
limit, count = int(sys.argv[1]), 0
service.flows.assign._FEWEST_BESIDE = 0
with Database(Settings()) as database:
    def counting(*_):
        global count
        count += 1
        if count == limit:
            print("now", flush=True)
            time.sleep(120)
    event.listen(database.engine, "before_cursor_execute", counting)
    with database.session() as session:
        service.flows.assign.assign(session)
        event.remove(database.engine, "before_cursor_execute", counting)
        print("done", count, flush=True)
        if limit == 0:
            time.sleep(120)
"""


@pytest.fixture
def victim(drawn: Database, tmp_path: Path) -> Any:
    """Starts the flow in a process of its own, kills it at a statement; what it said."""
    url = drawn.url.render_as_string(hide_password=False)
    environment = os.environ | {"GRIDWARD_DATABASE_URL": url, "GRIDWARD_HOME": str(tmp_path)}

    def kill_at(statement: int) -> str:
        with subprocess.Popen(
            [sys.executable, "-c", VICTIM, str(statement)],
            env=environment, stdout=subprocess.PIPE, text=True,
        ) as process:  # fmt: skip
            assert process.stdout is not None
            said = process.stdout.readline()
            process.send_signal(signal.SIGKILL)
            process.wait()
        return said

    return kill_at


def test_killed_at_any_moment_it_leaves_the_old_state(drawn: Database, victim: Any) -> None:
    run(drawn)
    with drawn.session() as session:
        overnight(session, **FINE)
        tables = ("assignment", "assignment_history", "assignment_state", "assignment_plan")
        whole = " UNION ALL ".join(
            f"SELECT '{table}' || {table}::text FROM {table}"  # noqa: S608 - names from above
            for table in tables
        )
        before = sorted(rows(session, whole))
    # just before the commit, when the new ledger is in its place already
    _, statements = victim(0).split()
    assert int(statements) > 20
    moments = [*range(5, int(statements), int(statements) // 5), int(statements)]
    for moment in moments:
        assert victim(moment).strip() == "now", moment
        with drawn.session() as session:
            assert sorted(rows(session, whole)) == before
            assert rows(session, "SELECT to_regclass('assignment_next')") == [(None,)]
    assert run(drawn)["changed"] > 350
