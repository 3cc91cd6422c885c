"""Every rule that the database holds refuses what it should, and says which rule it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import URL, func, insert, select, text, update
from sqlalchemy.dialects.postgresql import Range
from sqlalchemy.orm import Session

from geodata.errors import GridwardError, PlanError
from service.db.engine import Database
from service.divisions.models import Dataset, Division
from service.errors import Conflict, Refused
from service.grids.models import CommunityPlan, Grid, GridPlan, GridVersion, PlanGrid
from service.households.models import Assignment, AssignmentHistory, Household
from service.imports.models import ImportBatch, ImportReject
from service.places.models import Barrier, Facility
from service.settings import Settings
from service.teams.models import Member, Post, TeamRequirement, VacancyReason

SQUARE = "MULTIPOLYGON(((0 0,1 0,1 1,0 1,0 0)))"
BOW_TIE = "MULTIPOLYGON(((0 0,1 1,1 0,0 1,0 0)))"
LEFT, RIGHT = "POLYGON((0 0,0.5 0,0.5 1,0 1,0 0))", "POLYGON((0.5 0,1 0,1 1,0.5 1,0.5 0))"


def wkt(shape: str, srid: int = 4326) -> Any:
    return func.ST_GeomFromText(shape, srid)


@pytest.fixture(scope="module")
def town_database(cluster: Any, database_template: URL) -> Iterator[Database]:
    """A database that holds the town, for tests that leave it as it is."""
    url = cluster.create(database_template.database)
    with Database(Settings(database_url=url)) as database:
        with database.session() as session:
            found_town(session)
        yield database
    cluster.drop(url)


@pytest.fixture
def town(town_database: Database) -> Iterator[Session]:
    """The town in a transaction that is rolled back; a commit only ends a savepoint."""
    with town_database.engine.connect() as connection:
        outer = connection.begin()
        with Session(connection, join_transaction_mode="create_savepoint") as session:
            yield session
        outer.rollback()


@pytest.fixture
def own_town(session: Session) -> Session:
    """The town in a database of the test's own."""
    found_town(session)
    session.commit()
    return session


def found_town(session: Session) -> None:
    """One community of two grids in a draft plan, two households, two members."""
    session.execute(insert(Dataset).values(id=1, name="town"))
    session.execute(
        insert(Division).values(
            code="C1", dataset_id=1, name="Old Town", level="community", geometry=wkt(SQUARE)
        )
    )
    session.execute(insert(GridPlan).values(id=1, name="first"))
    session.execute(insert(CommunityPlan).values(plan_id=1, community_code="C1"))
    for number, shape in enumerate((LEFT, RIGHT), start=1):
        code = f"C1{number:03}"
        values = {"id": number, "code": code, "community_code": "C1", "number": number}
        session.execute(insert(Grid).values(**values))
        session.execute(grid_version(grid_id=number, version=1, geometry=wkt(shape)))
        session.execute(insert(PlanGrid).values(plan_id=1, grid_id=number, version=1))
    for number, place in enumerate(("POINT(0.2 0.5)", "POINT(0.7 0.5)"), start=1):
        values = {"id": number, "dataset_id": 1, "reference": f"H{number}", "households": 10}
        session.execute(insert(Household).values(**values, geometry=wkt(place)))
    for number in (1, 2):
        values = {"id": number, "dataset_id": 1, "reference": f"M{number}"}
        session.execute(insert(Member).values(**values, roles=["doctor", "police"]))


def activate(session: Session, plan_id: int = 1, since: date | None = None) -> None:
    since = since or date.today()
    session.execute(update(GridPlan).where(GridPlan.id == plan_id).values(state="validated"))
    session.execute(
        update(GridPlan).where(GridPlan.id == plan_id).values(state="active", effective_from=since)
    )
    session.execute(
        update(CommunityPlan)
        .where(CommunityPlan.plan_id == plan_id)
        .values(active=Range(since, None))
    )
    session.commit()


def refused(
    session: Session, statement: Any, says: str, kind: type[GridwardError] = Refused
) -> None:
    """The statement is refused, the message names the rule, and nothing has changed."""
    with pytest.raises(kind, match=says), session.begin_nested():
        session.execute(statement)


def division(**values: Any) -> Any:
    usual = {"code": "D", "dataset_id": 1, "name": "D", "level": "community"}
    return insert(Division).values(**{**usual, "geometry": wkt(SQUARE), **values})


def household(**values: Any) -> Any:
    usual = {"id": 99, "dataset_id": 1, "reference": "H9", "geometry": wkt("POINT(0 0)")}
    return insert(Household).values(**{**usual, **values})


def grid(**values: Any) -> Any:
    usual = {"id": 99, "code": "C1003", "community_code": "C1", "number": 3}
    return insert(Grid).values(**{**usual, **values})


def grid_version(**values: Any) -> Any:
    usual = {"grid_id": 1, "version": 2, "geometry": wkt(LEFT)}
    return insert(GridVersion).values(**{**usual, **values})


def plan_grid(**values: Any) -> Any:
    return insert(PlanGrid).values(**{"plan_id": 1, "grid_id": 3, "version": 1, **values})


def member(**values: Any) -> Any:
    usual = {"id": 99, "dataset_id": 1, "reference": "M9", "roles": ["doctor"]}
    return insert(Member).values(**{**usual, **values})


def dataset(**values: Any) -> Any:
    return insert(Dataset).values(**{"id": 99, "name": "other", **values})


def assignment(**values: Any) -> Any:
    return insert(Assignment).values(**{"household_id": 1, "method": "covers", **values})


def barrier(**values: Any) -> Any:
    usual = {"id": 99, "dataset_id": 1, "geometry": wkt("LINESTRING(0 0, 1 1)")}
    return insert(Barrier).values(**{**usual, **values})


def facility(**values: Any) -> Any:
    usual = {"id": 99, "dataset_id": 1, "reference": "F1", "geometry": wkt("POINT(0 0)")}
    return insert(Facility).values(**{**usual, **values})


def import_batch(**values: Any) -> Any:
    usual = {"id": 99, "dataset_id": 1, "source": "households", "file": "f.csv", "checksum": "c"}
    return insert(ImportBatch).values(**{**usual, **values})


REFUSED: list[tuple[Callable[..., Any], dict[str, Any], str]] = [
    (dataset, {"name": ""}, "ck_dataset_name"),
    (dataset, {"minimum": 0}, "ck_dataset_sizes"),
    (dataset, {"target": 600}, "ck_dataset_sizes"),
    (dataset, {"snap_tolerance_m": -1}, "ck_dataset_snap_tolerance"),
    (dataset, {"snap_tolerance_m": float("nan")}, "ck_dataset_snap_tolerance"),
    (division, {"code": "a b"}, "ck_division_code"),
    (division, {"code": "x/../y"}, "ck_division_code"),
    (division, {"code": ""}, "ck_division_code"),
    (division, {"code": "x" * 41}, "ck_division_code"),
    (division, {"level": "village"}, "division"),
    (division, {"dataset_id": 2}, "dataset"),
    (division, {"geometry": wkt(BOW_TIE)}, "ck_division_geometry"),
    (division, {"geometry": wkt("MULTIPOLYGON EMPTY")}, "ck_division_geometry"),
    (division, {"geometry": wkt(LEFT)}, "Geometry type"),
    (division, {"geometry": wkt(SQUARE, 3857)}, "SRID"),
    (division, {"geometry": None}, "null value"),
    (division, {"parent": "nowhere", "parent_rank": 4}, "division"),
    (division, {"parent": "C1"}, "MATCH FULL"),
    (division, {"parent": "C1", "parent_rank": 5}, "ck_division_parent_above"),
    (division, {"parent": "C1", "parent_rank": 4}, "division"),
    (barrier, {"weight": 0}, "ck_barrier_weight"),
    (barrier, {"weight": float("nan")}, "ck_barrier_weight"),
    (barrier, {"weight": float("inf")}, "ck_barrier_weight"),
    (barrier, {"geometry": wkt("POINT(0 0)")}, "ck_barrier_geometry"),
    (barrier, {"geometry": wkt("LINESTRING EMPTY")}, "ck_barrier_geometry"),
    (facility, {"reference": ""}, "ck_facility_reference"),
    (facility, {"geometry": wkt("POINT(0 91)")}, "ck_facility_geometry"),
    (import_batch, {"rows": 1, "loaded": 1, "rejected": 1}, "ck_import_batch_counts"),
    (import_batch, {"loaded": -1}, "ck_import_batch_counts"),
    (household, {"reference": ""}, "ck_household_reference"),
    (household, {"households": 0}, "ck_household_households"),
    (household, {"geometry": wkt("POINT EMPTY")}, "ck_household_geometry"),
    (household, {"geometry": wkt("POINT(NaN NaN)")}, "ck_household_geometry"),
    (household, {"geometry": wkt("POINT(500000 4500000)")}, "ck_household_geometry"),
    (household, {"geometry": wkt("LINESTRING(0 0, 1 1)")}, "Geometry type"),
    (household, {"dataset_id": 2}, "dataset"),
    (household, {"batch_id": 7}, "import_batch"),
    (grid, {"code": "C13"}, "ck_grid_code"),
    (grid, {"code": "C1004"}, "ck_grid_code"),
    (grid, {"code": "C1-01", "number": -1}, "ck_grid"),
    (grid, {"code": "C1000", "number": 0}, "ck_grid_number"),
    (grid, {"community_code": "C9", "code": "C9003"}, "division"),
    (grid_version, {"grid_id": 9}, "grid"),
    (grid_version, {"version": 0}, "ck_grid_version_version"),
    (grid_version, {"kind": "large"}, "ck_grid_version_kind"),
    (grid_version, {"reason": "because"}, "ck_grid_version_reason"),
    (grid_version, {"households": -1}, "ck_grid_version_households"),
    (grid_version, {"geometry": wkt(BOW_TIE)}, "ck_grid_version_geometry"),
    (grid_version, {"geometry": wkt("POLYGON EMPTY")}, "ck_grid_version_geometry"),
    (grid_version, {"geometry": wkt("LINESTRING(0 0, 1 1)")}, "ck_grid_version_geometry"),
    (plan_grid, {"version": 2}, "grid_version"),
    (assignment, {}, "ck_assignment_grid"),
    (assignment, {"grid_id": 1, "method": "guessed"}, "ck_assignment_method"),
    (assignment, {"grid_id": 9}, "grid"),
    (assignment, {"household_id": 9, "grid_id": 1}, "household"),
    (assignment, {"method": "exception"}, "ck_assignment_reason"),
    (assignment, {"method": "exception", "reason": ""}, "ck_assignment_reason"),
    (assignment, {"method": "exception", "reason": "far", "grid_id": 1}, "ck_assignment_grid"),
    (assignment, {"grid_id": 1, "distance_m": -1.0}, "ck_assignment_distance"),
    (assignment, {"grid_id": 1, "distance_m": float("nan")}, "ck_assignment_distance"),
    (member, {"roles": []}, "ck_member_roles"),
    (member, {"roles": ["doctor", None]}, "ck_member_roles"),
    (member, {"roles": ["Doctor"]}, "ck_member_roles"),
    (member, {"roles": ["doctor;police"]}, "ck_member_roles"),
    (member, {"max_posts": -1}, "ck_member_max_posts"),
    (member, {"geometry": wkt("POINT(200 0)")}, "ck_member_geometry"),
]


@pytest.mark.parametrize(("make", "values", "says"), REFUSED)
def test_a_wrong_row_is_refused(
    town: Session, make: Callable[..., Any], values: dict[str, Any], says: str
) -> None:
    refused(town, make(**values), says)


@pytest.mark.parametrize(
    ("make", "values"),
    [
        (division, {"code": "110101001001"}),
        (division, {"code": "cam-01.x_y"}),
        (household, {}),
        (household, {"geometry": wkt("POINT(-180 90)")}),
        (grid, {}),
        (grid, {"number": 1234, "code": "C11234"}),
        (grid_version, {}),
        (grid_version, {"geometry": wkt(SQUARE), "flag": "oversize", "reason": "a tower"}),
        (assignment, {"grid_id": 1}),
        (assignment, {"method": "exception", "reason": "300 m from the nearest grid"}),
        (member, {"geometry": None}),
        (barrier, {"geometry": wkt(BOW_TIE)}),
        (facility, {}),
        (import_batch, {"rows": 3, "loaded": 1, "rejected": 1}),
    ],
)
def test_a_right_row_is_taken(
    town: Session, make: Callable[..., Any], values: dict[str, Any]
) -> None:
    before = town.scalar(text(f"SELECT count(*) FROM {make.__name__}"))  # noqa: S608
    town.execute(make(**values))
    assert town.scalar(text(f"SELECT count(*) FROM {make.__name__}")) == before + 1  # noqa: S608


@pytest.mark.parametrize(
    ("make", "values"),
    [
        (dataset, {"name": "town"}),
        (division, {"code": "C1"}),
        (household, {"reference": "H1"}),
        (member, {"reference": "M1"}),
        (grid, {"code": "C1001", "number": 1}),
        (grid_version, {"version": 1}),
        (plan_grid, {"grid_id": 1}),
    ],
)
def test_a_second_of_the_same_is_a_conflict(
    town: Session, make: Callable[..., Any], values: dict[str, Any]
) -> None:
    refused(town, make(**values), "already exists", Conflict)


def test_a_code_can_be_read_in_one_way_only(town: Session) -> None:
    """Community C1 with number 1001 and community C11 with number 1 would share C11001."""
    town.execute(division(code="C11"))
    town.execute(grid(community_code="C11", code="C11001", number=1))
    refused(town, grid(code="C11001", number=1001), "already exists", Conflict)


def test_reject_needs_a_reason_and_goes_with_its_batch(town: Session) -> None:
    town.execute(import_batch(id=5, rows=1, rejected=1))
    refused(
        town, insert(ImportReject).values(batch_id=5, row=1, reason=""), "ck_import_reject_reason"
    )
    town.execute(insert(ImportReject).values(batch_id=5, row=1, reason="no place", raw={"a": "1"}))
    town.execute(text("DELETE FROM import_batch WHERE id = 5"))
    assert town.scalar(select(func.count()).select_from(ImportReject)) == 0


def test_a_household_outlives_its_batch(town: Session) -> None:
    town.execute(import_batch(id=5, rows=1, loaded=1))
    town.execute(household(batch_id=5))
    town.execute(text("DELETE FROM import_batch WHERE id = 5"))
    assert town.scalar(select(Household.batch_id).where(Household.id == 99)) is None


def test_the_tree_of_divisions_has_no_cycle(town: Session) -> None:
    town.execute(division(code="S", level="street"))
    town.execute(division(code="T", level="street"))
    above = update(Division).where(Division.code == "C1").values(parent="S", parent_rank=4)
    town.execute(above)
    refused(
        town,
        update(Division).where(Division.code == "S").values(parent="C1", parent_rank=5),
        "ck_division_parent_above",
    )
    refused(
        town,
        update(Division).where(Division.code == "S").values(parent="T", parent_rank=4),
        "ck_division_parent_above",
    )
    # a street that becomes a county takes its children's parent_rank along
    town.execute(update(Division).where(Division.code == "S").values(level="county"))
    assert town.scalar(select(Division.parent_rank).where(Division.code == "C1")) == 3
    refused(town, text("DELETE FROM division WHERE code = 'S'"), "still referenced")


def test_parents_may_come_after_their_children(town: Session) -> None:
    town.execute(text("SET CONSTRAINTS ALL DEFERRED"))
    town.execute(division(code="CH", parent="PA", parent_rank=4))
    town.execute(division(code="PA", level="street"))
    town.commit()
    assert town.scalar(select(Division.parent).where(Division.code == "CH")) == "PA"


def test_a_community_has_one_plan_a_day(town: Session) -> None:
    today = date.today()
    activate(town, since=today - timedelta(days=10))
    town.execute(insert(GridPlan).values(id=2, name="second"))
    town.execute(insert(CommunityPlan).values(plan_id=2, community_code="C1"))
    second = update(CommunityPlan).where(CommunityPlan.plan_id == 2)
    refused(town, second.values(active=Range(today, None)), "ex_community_plan_active", Conflict)
    town.execute(
        update(CommunityPlan)
        .where(CommunityPlan.plan_id == 1)
        .values(active=Range(today - timedelta(days=10), today))
    )
    town.execute(second.values(active=Range(today, None)))
    town.commit()


def test_a_plan_goes_its_way_step_by_step(town: Session) -> None:
    def step(state: str) -> Any:
        return update(GridPlan).where(GridPlan.id == 1).values(state=state, effective_from=today)

    today = date.today()
    refused(town, step("active"), "cannot go from draft to active", PlanError)
    refused(town, step("retired"), "cannot go from draft to retired", PlanError)
    refused(town, step("gone"), "cannot go from draft to gone", PlanError)
    for state in ("validated", "draft", "validated"):
        town.execute(step(state))
    refused(
        town,
        update(GridPlan).where(GridPlan.id == 1).values(state="active", effective_from=None),
        "ck_grid_plan_effective",
    )
    town.execute(step("active"))
    refused(town, step("draft"), "cannot go from active to draft", PlanError)
    refused(town, text("DELETE FROM grid_plan WHERE id = 1"), "cannot be deleted", Conflict)
    town.execute(step("retired"))
    refused(town, step("active"), "cannot go from retired to active", PlanError)
    refused(town, text("DELETE FROM grid_plan WHERE id = 1"), "cannot be deleted", Conflict)


@pytest.mark.parametrize("state", ["active", "retired"])
def test_what_was_active_is_frozen(town: Session, state: str) -> None:
    activate(town)
    if state == "retired":
        town.execute(update(GridPlan).values(state=state))
    town.execute(grid())
    town.execute(grid_version(grid_id=99, version=1))  # in no plan
    town.execute(division(code="C2"))
    for statement in (
        "UPDATE grid_version SET households = 1 WHERE grid_id = 1",
        "DELETE FROM grid_version WHERE grid_id = 1",
        "DELETE FROM grid WHERE id = 1",
        "DELETE FROM plan_grid WHERE grid_id = 1",
        "UPDATE plan_grid SET plan_id = 1 WHERE grid_id = 1",
        "INSERT INTO plan_grid VALUES (1, 99, 1)",
        "INSERT INTO community_plan VALUES (1, 'C2')",
        "DELETE FROM community_plan WHERE plan_id = 1",
        "UPDATE community_plan SET active = daterange(lower(active) - 1, NULL)",
        "UPDATE community_plan SET active = NULL",
        "UPDATE community_plan SET community_code = 'C2'",
    ):
        refused(town, text(statement), f"it is {state}|, is {state}", Conflict)
    # its last day may be set, and a grid of no plan may still change
    town.execute(text("UPDATE community_plan SET active = daterange(lower(active), CURRENT_DATE)"))
    town.execute(text("UPDATE grid_version SET households = 1 WHERE grid_id = 99"))
    town.execute(text("DELETE FROM grid WHERE id = 99"))


def test_a_grid_keeps_its_code_and_its_community(town: Session) -> None:
    town.execute(grid())
    for change in ("code = 'C1004', number = 4", "number = 4", "id = 100", "community_code = 'C2'"):
        statement = text(f"UPDATE grid SET {change} WHERE id = 99")  # noqa: S608
        refused(town, statement, "grid C1003 keeps its code", Conflict)
    # a lock or a write of the same is no change
    town.execute(text("UPDATE grid SET number = number"))


def test_the_same_grid_has_one_version_a_plan_and_another_in_the_next(town: Session) -> None:
    activate(town, since=date.today() - timedelta(days=3))
    town.execute(insert(GridPlan).values(id=2, name="second"))
    town.execute(insert(CommunityPlan).values(plan_id=2, community_code="C1"))
    town.execute(grid_version(grid_id=1, version=2, geometry=wkt(SQUARE), households=7))
    town.execute(plan_grid(plan_id=2, grid_id=1, version=2))
    refused(town, plan_grid(plan_id=2, grid_id=1, version=1), "already exists", Conflict)
    town.execute(text("UPDATE grid_version SET households = 8 WHERE version = 2"))
    current = text("SELECT code, version, households_drawn, ST_Area(geometry) FROM current_grid")
    assert town.execute(current).first() == ("C1001", 1, 0, 0.5)
    end(town, plan_id=1)
    activate(town, plan_id=2)
    assert town.execute(current).all() == [("C1001", 2, 8, 1.0)]


def end(session: Session, plan_id: int, on: date | None = None) -> None:
    plan = update(CommunityPlan).where(CommunityPlan.plan_id == plan_id)
    days = func.daterange(func.lower(CommunityPlan.active), on or date.today())
    session.execute(plan.values(active=days))


def test_a_grid_that_ended_does_not_come_back(town: Session) -> None:
    """The plans hold grids 1 and 2, then 1, then 1 and 2 or only 1."""
    today = date.today()
    activate(town, since=today - timedelta(days=9))
    for plan_id, held in ((2, (1,)), (3, (1, 2)), (4, (1,))):
        town.execute(insert(GridPlan).values(id=plan_id, name="next"))
        town.execute(insert(CommunityPlan).values(plan_id=plan_id, community_code="C1"))
        for number in held:
            town.execute(plan_grid(plan_id=plan_id, grid_id=number, version=1))
    end(town, 1, today - timedelta(days=6))
    activate(town, plan_id=2, since=today - timedelta(days=6))
    end(town, 2, today - timedelta(days=3))
    third = update(CommunityPlan).where(CommunityPlan.plan_id == 3)
    coming = third.values(active=Range(today - timedelta(days=2), None))
    refused(town, coming, "grid C1002 of plan 3 ended on .*, and a code never comes", PlanError)
    again = text("INSERT INTO community_plan VALUES (3, 'C1', daterange(CURRENT_DATE, NULL))")
    town.execute(text("DELETE FROM community_plan WHERE plan_id = 3"))
    refused(town, again, "grid C1002 of plan 3 ended", PlanError)
    # a day without a plan is no end: the grid that the last plan held goes on
    activate(town, plan_id=4, since=today - timedelta(days=2))


def test_a_grid_of_the_plan_right_before_goes_on_though_another_day_was_planned(
    town: Session,
) -> None:
    today = date.today()
    activate(town, since=today - timedelta(days=9))
    for plan_id, held in ((2, (1,)), (3, (1, 2))):
        town.execute(insert(GridPlan).values(id=plan_id, name="next"))
        town.execute(insert(CommunityPlan).values(plan_id=plan_id, community_code="C1"))
        for number in held:
            town.execute(plan_grid(plan_id=plan_id, grid_id=number, version=1))
    end(town, 1, today + timedelta(days=6))
    activate(town, plan_id=2, since=today + timedelta(days=6))
    # the third begins before the second, which then never rules
    town.execute(
        update(CommunityPlan).where(CommunityPlan.plan_id == 2).values(active=Range(empty=True))
    )
    end(town, 1, today + timedelta(days=3))
    activate(town, plan_id=3, since=today + timedelta(days=3))


def test_a_grid_shared_with_a_draft_stays_frozen(town: Session) -> None:
    activate(town)
    town.execute(insert(GridPlan).values(id=2, name="second"))
    town.execute(plan_grid(plan_id=2, grid_id=1))
    statement = text("UPDATE grid_version SET flag = 'x' WHERE grid_id = 1")
    refused(town, statement, "grid C1001 cannot change: plan 1", Conflict)
    town.execute(text("DELETE FROM grid_plan WHERE id = 2"))
    assert town.scalar(text("SELECT count(*) FROM plan_grid WHERE grid_id = 1")) == 1


def test_a_draft_can_be_thrown_away(town: Session) -> None:
    town.execute(text("DELETE FROM grid_plan WHERE id = 1"))
    town.execute(text("DELETE FROM grid"))
    town.commit()
    assert town.scalar(text("SELECT count(*) FROM plan_grid")) == 0


def post(*places: tuple[int, int, str]) -> Any:
    return insert(Post).values(
        [{"member_id": who, "grid_id": where, "role": role} for who, where, role in places]
    )


def test_a_member_holds_two_posts_at_most(town: Session) -> None:
    town.execute(post((1, 1, "doctor"), (1, 2, "doctor")))
    refused(town, post((1, 1, "police")), "member M1 would hold 3 posts, at most 2")
    refused(town, post((2, 1, "police"), (1, 1, "police")), "member M1")
    town.execute(text("UPDATE member SET max_posts = 3 WHERE id = 1"))
    town.execute(post((1, 1, "police")))


def test_an_ended_post_does_not_count_and_cannot_come_back(town: Session) -> None:
    town.execute(post((1, 1, "doctor"), (1, 2, "doctor")))
    town.execute(text("UPDATE post SET valid_to = now() WHERE grid_id = 1"))
    town.execute(post((1, 1, "police")))
    refused(
        town, text("UPDATE post SET valid_to = NULL WHERE role = 'doctor'"), "would hold 3 posts"
    )


def test_moving_a_post_to_another_member_counts_there(town: Session) -> None:
    town.execute(post((1, 1, "doctor"), (1, 2, "doctor"), (2, 1, "police")))
    refused(town, text("UPDATE post SET member_id = 1 WHERE member_id = 2"), "member M1 would hold")


def test_a_role_that_the_member_lacks_is_refused(town: Session) -> None:
    refused(town, post((1, 1, "teacher")), "member M1 is not eligible for the role teacher")
    town.execute(post((1, 1, "doctor")))
    refused(town, text("UPDATE post SET role = 'teacher'"), "not eligible")
    # who loses a role may still be released from it
    town.execute(text("UPDATE member SET roles = ARRAY['police']"))
    town.execute(text("UPDATE post SET valid_to = now()"))


def test_the_same_post_twice_is_a_conflict(town: Session) -> None:
    town.execute(post((1, 1, "doctor")))
    refused(town, post((1, 1, "doctor")), "already exists", Conflict)
    refused(
        town,
        text("UPDATE post SET valid_to = valid_from - interval '1 day'"),
        "ck_post_period",
    )


def test_two_writers_at_once_cannot_give_a_third_post(
    own_town: Session, database: Database
) -> None:
    own_town.execute(post((1, 1, "doctor")))
    own_town.commit()

    def take(place: tuple[int, int, str]) -> str:
        try:
            with database.session() as session:
                session.execute(post(place))
                session.execute(text("SELECT pg_sleep(0.3)"))
        except Refused:
            return "refused"
        return "taken"

    with ThreadPoolExecutor(2) as pool:
        outcome = sorted(pool.map(take, [(1, 2, "doctor"), (1, 1, "police")]))
    assert outcome == ["refused", "taken"]


def test_requirement_and_reason_are_checked(town: Session) -> None:
    refused(
        town,
        insert(TeamRequirement).values(dataset_id=1, role="Leader", posts=1),
        "ck_team_requirement_role",
    )
    refused(
        town,
        insert(TeamRequirement).values(dataset_id=1, role="leader", posts=-1),
        "ck_team_requirement_posts",
    )
    refused(town, insert(VacancyReason).values(grid_id=9, role="leader", reason="no one"), "grid")


def requirement(**posts: int) -> Any:
    return insert(TeamRequirement).values(
        [{"dataset_id": 1, "role": role, "posts": count} for role, count in posts.items()]
    )


def test_a_grid_holds_no_more_posts_than_it_needs(town: Session) -> None:
    town.execute(post((1, 1, "doctor"), (2, 1, "doctor")))  # no team is required yet
    town.execute(requirement(doctor=1))
    # what is there stays, and may change but for its place
    town.execute(text("UPDATE post SET fixed = true"))
    town.execute(text("UPDATE post SET valid_to = now() WHERE member_id = 2"))
    again = text("UPDATE post SET valid_to = NULL WHERE member_id = 2")
    refused(town, again, "grid C1001 would have 2 posts of the role doctor, its team needs 1")
    refused(town, post((2, 1, "doctor")), "grid C1001 would have 2 posts of the role doctor")
    refused(town, post((2, 1, "police")), "would have 1 posts of the role police, its team needs 0")
    town.execute(post((2, 2, "doctor")))
    moved = text("UPDATE post SET grid_id = 1 WHERE member_id = 2 AND valid_to IS NULL")
    refused(town, moved, "grid C1001 would have 2 posts")
    town.execute(text("UPDATE team_requirement SET posts = 2"))
    town.execute(moved)


def test_two_writers_at_once_cannot_fill_the_same_need(
    own_town: Session, database: Database
) -> None:
    own_town.execute(requirement(doctor=1))
    own_town.commit()

    def take(member: int) -> str:
        try:
            with database.session() as session:
                session.execute(post((member, 1, "doctor")))
                session.execute(text("SELECT pg_sleep(0.3)"))
        except Refused:
            return "refused"
        return "taken"

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(take, [1, 2])) == ["refused", "taken"]


def history(session: Session) -> list[tuple[int, int | None, str]]:
    rows = select(
        AssignmentHistory.household_id, AssignmentHistory.grid_id, AssignmentHistory.method
    ).order_by(AssignmentHistory.id)
    return [tuple(row) for row in session.execute(rows)]


def test_a_household_has_one_current_assignment_and_its_past(own_town: Session) -> None:
    own_town.execute(assignment(grid_id=1))
    refused(own_town, assignment(grid_id=2), "already exists", Conflict)
    own_town.commit()
    again = update(Assignment).values(grid_id=1, method="covers", at=func.now())
    own_town.execute(again)
    assert history(own_town) == []
    own_town.execute(update(Assignment).values(grid_id=2, method="manual", at=func.now()))
    own_town.commit()
    own_town.execute(text("DELETE FROM assignment"))
    assert history(own_town) == [(1, 1, "covers"), (1, 2, "manual")]
    periods = own_town.execute(
        text("SELECT valid_to = lead(valid_from) OVER (ORDER BY id) FROM assignment_history")
    ).scalars()
    assert list(periods) == [True, None]


def test_a_deleted_household_leaves_no_trace(town: Session) -> None:
    town.execute(assignment(grid_id=1))
    town.execute(update(Assignment).values(grid_id=2))
    town.execute(text("DELETE FROM household WHERE id = 1"))
    town.commit()
    assert history(town) == []


def test_views_follow_the_plan_in_force(town: Session) -> None:
    today = date.today()
    count = text("SELECT count(*) FROM current_grid")
    assert town.scalar(count) == 0
    activate(town, since=today + timedelta(days=1))
    assert town.scalar(count) == 0
    refused(
        town,
        update(CommunityPlan).values(active=Range(today, None)),
        "communities of plan 1",
        Conflict,
    )


def test_views_answer_who_is_covered(town: Session) -> None:
    activate(town)
    town.execute(assignment(grid_id=1))
    # one post more than needed, from before the need fell, does not make up for another role
    town.execute(post((1, 1, "doctor"), (2, 1, "doctor"), (1, 1, "police")))
    town.execute(requirement(doctor=1, police=2))
    town.execute(insert(VacancyReason).values(grid_id=1, role="police", reason="none is near"))
    coverage = town.execute(
        text(
            "SELECT grid_code, community_name, records, households, target,"
            " posts_required, posts_filled, vacancies FROM coverage ORDER BY grid_code"
        )
    ).all()
    assert coverage == [
        ("C1001", "Old Town", 1, 10, 400, 3, 2, 1),
        ("C1002", "Old Town", 0, 0, 400, 3, 0, 3),
    ]
    vacancies = town.execute(
        text(
            "SELECT grid_code, role, required, filled, missing, reason FROM vacancy"
            " ORDER BY grid_code, role"
        )
    ).all()
    assert vacancies == [
        ("C1001", "police", 2, 1, 1, "none is near"),
        ("C1002", "doctor", 1, 0, 1, None),
        ("C1002", "police", 2, 0, 2, None),
    ]
    exceptions = text("SELECT reference, reason FROM household_exception ORDER BY reference")
    assert town.execute(exceptions).all() == [("H2", "not yet assigned")]
    town.execute(assignment(household_id=2, method="exception", reason="too far"))
    assert town.execute(exceptions).all() == [("H2", "too far")]


def test_households_of_a_grid_out_of_force_are_exceptions(town: Session) -> None:
    activate(town, since=date.today() - timedelta(days=3))
    town.execute(assignment(grid_id=1))
    town.execute(assignment(household_id=2, grid_id=2))
    exceptions = text("SELECT count(*) FROM household_exception")
    assert town.scalar(exceptions) == 0
    town.execute(text("UPDATE community_plan SET active = daterange(lower(active), CURRENT_DATE)"))
    assert town.scalar(exceptions) == 2
    assert town.scalar(text("SELECT count(*) FROM coverage")) == 0
