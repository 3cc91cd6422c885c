"""Plans: drawn, validated, switched; codes that never come back."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from itertools import pairwise
from threading import Event
from typing import Any

import geopandas as gpd
import pytest
from shapely import affinity, box
from sqlalchemy import text
from sqlalchemy.orm import Session

from geodata.change import keep_codes
from geodata.errors import InputError, PlanError
from geodata.report import Sizes, held_by, set_figures
from service.db.engine import Database
from service.errors import NotFound
from service.flows import plans
from service.flows.assign import assign
from service.flows.delineate import delineate
from service.flows.load import load_dataset
from service.flows.plan_quality import plan_frames
from service.flows.staff import staff

#: Codes are handed on by land where nobody lives.
NOBODY = gpd.GeoDataFrame(geometry=[], crs="EPSG:4326")


@pytest.fixture
def loaded(database: Database, smallton: Any) -> Database:
    """A database that holds the small town."""
    load_dataset(database.session, smallton.manifest)
    return database


def rows(session: Session, statement: str, **values: Any) -> list[Any]:
    return [tuple(row) for row in session.execute(text(statement), values)]


def save(session: Session, shapes: list[Any], *, community: str = "101") -> plans.Saved:
    """Grids of one community as a plan."""
    grids = gpd.GeoDataFrame(
        {"community_code": community, "households": 0, "flag": None},
        geometry=shapes,
        crs="EPSG:4326",
        index=range(len(shapes)),
    )
    grids["grid_code"] = keep_codes(
        plans.last_grids(session, communities=[community]),
        grids,
        NOBODY,
        used_codes=plans.used_codes(session, communities=[community]),
    )
    return plans.save(
        session, name="by hand", communities=[community], grids=grids, parameters={}, report={}
    )


def halves(cut: float) -> list[Any]:
    """The first community in two, cut at a share of its width."""
    middle = 0.0203 * cut
    return [box(0.0, 50.0, middle, 50.01), box(middle, 50.0, 0.0203, 50.01)]


def switch(session: Session, saved: plans.Saved, on: date | None = None) -> None:
    plans.validate(session, plan_id=saved.plan_id)
    plans.activate(session, plan_id=saved.plan_id, on=on)


def test_delineate_draws_balanced_grids_and_switches_to_them(loaded: Database) -> None:
    with loaded.session() as session:
        report = delineate(session)

    assert (report.grids, report.communities) == (8, 2)
    assert report.within_range == 1.0
    assert report.noncontiguous == 0
    assert report.gap_m2 == pytest.approx(0, abs=0.1)
    assert report.overlap_m2 == pytest.approx(0, abs=0.1)
    assert report.on_barriers is None
    with loaded.session() as session:
        assert rows(session, "SELECT state, effective_from = CURRENT_DATE FROM grid_plan") == [
            ("active", True)
        ]
        codes = rows(session, "SELECT code FROM current_grid ORDER BY code")
        assert codes == [(f"10{c}00{n}",) for c in (1, 2) for n in (1, 2, 3, 4)]


APART = """
    SELECT sum(ST_Area(ST_SymDifference(
        ST_Transform(division.geometry, :srid),
        (SELECT ST_Union(ST_Transform(geometry, :srid)) FROM current_grid
         WHERE community_code = division.code)
    )))
    FROM division
    WHERE level = 'community'
"""


@pytest.mark.parametrize("srid", [4326, 3857, 32631])
def test_the_grids_tile_their_community_in_any_projection(loaded: Database, srid: int) -> None:
    """Vertex for vertex: a projection bends what is straight in degrees."""
    with loaded.session() as session:
        delineate(session)
        assert rows(session, APART, srid=srid)[0][0] < 1e-4
        # as it was delivered, for the next plan and the next file
        before = "SELECT sum(ST_NPoints(geometry) - ST_NPoints(outline)) FROM division"
        assert rows(session, before)[0][0] > 0


def test_the_same_plan_is_not_saved_again(loaded: Database) -> None:
    with loaded.session() as session:
        first = delineate(session)
    with loaded.session() as session:
        second = delineate(session)
        assert rows(session, "SELECT count(*) FROM grid_plan") == [(1,)]
        assert rows(session, "SELECT count(*) FROM grid") == [(8,)]
    assert [plan["new"] for plan in (*first.plans, *second.plans)] == [True, False]
    assert second.plans[0]["id"] == first.plans[0]["id"]


def test_a_draft_rules_nothing(loaded: Database) -> None:
    with loaded.session() as session:
        report = delineate(session, activate=False)
        assert report.plans[0]["state"] == "draft"
        assert rows(session, "SELECT count(*) FROM current_grid") == [(0,)]


def test_one_community_alone_leaves_the_others(loaded: Database) -> None:
    with loaded.session() as session:
        delineate(session)
        before = rows(session, "SELECT code FROM current_grid WHERE community_code = '102'")
        report = delineate(session, communities=["101"], target=200, minimum=150, maximum=250)
        assert report.grids == 2
        after = rows(session, "SELECT code FROM current_grid WHERE community_code = '102'")
        assert after == before
        # the first plan still rules the second community
        assert rows(session, "SELECT state FROM grid_plan ORDER BY id") == [
            ("active",),
            ("active",),
        ]


def codes(session: Session, community: str = "101") -> list[tuple[str, int]]:
    return rows(
        session,
        "SELECT code, version FROM current_grid WHERE community_code = :community ORDER BY 1",
        community=community,
    )


def test_grids_keep_their_codes_and_those_that_ended_never_return(loaded: Database) -> None:
    with loaded.session() as session:
        switch(session, save(session, halves(0.5)))
        assert codes(session) == [("101001", 1), ("101002", 1)]
        # a border that moves makes new versions of both
        switch(session, save(session, halves(0.4)))
        assert codes(session) == [("101001", 2), ("101002", 2)]
        # the larger part keeps the code
        west, east = halves(0.5)
        cut = 0.0203 * 0.7
        parts = [box(0.0203 * 0.5, 50.0, cut, 50.01), box(cut, 50.0, 0.0203, 50.01)]
        switch(session, save(session, [west, *parts]))
        assert codes(session) == [("101001", 1), ("101002", 3), ("101003", 1)]
        # merged again: the polygon is known, the code of the smaller part ends
        switch(session, save(session, [west, east]))
        assert codes(session) == [("101001", 1), ("101002", 1)]
        # and it does not come back with the very same polygon
        switch(session, save(session, [west, *parts]))
        assert codes(session) == [("101001", 1), ("101002", 3), ("101004", 1)]
        states = [state for (state,) in rows(session, "SELECT state FROM grid_plan ORDER BY id")]
        assert states == ["retired"] * 4 + ["active"]


def test_a_draft_drawn_again_has_the_same_grids(loaded: Database) -> None:
    with loaded.session() as session:
        first, second = save(session, halves(0.5)), save(session, halves(0.5))
        third = save(session, halves(0.4))
        held = [
            list(plans.plan_grids(session, plan_id=each.plan_id)["grid_code"])
            for each in (first, second, third)
        ]
        assert held == [["101001", "101002"], ["101001", "101002"], ["101003", "101004"]]
        switch(session, second)
        assert codes(session) == [("101001", 1), ("101002", 1)]


def test_a_plan_with_grids_that_ended_meanwhile_is_refused(loaded: Database) -> None:
    with loaded.session() as session:
        thirds = [
            box(0.0203 * west, 50.0, 0.0203 * east, 50.01)
            for west, east in pairwise([0.0, 0.3, 0.5, 1.0])
        ]
        switch(session, save(session, thirds))
        late = save(
            session, [*halves(0.4)[:1], box(0.0203 * 0.4, 50, 0.0203 * 0.5, 50.01), thirds[2]]
        )
        (today,) = rows(session, "SELECT CURRENT_DATE")[0]
        switch(session, save(session, halves(0.5)), on=today + timedelta(days=3))
        plans.validate(session, plan_id=late.plan_id)
        refused = r"1 grids that another plan has ended .* 101002 first"
        with pytest.raises(PlanError, match=refused):
            plans.activate(session, plan_id=late.plan_id, on=today + timedelta(days=5))
        # before that day it is not too late
        plans.activate(session, plan_id=late.plan_id, on=today + timedelta(days=2))


def test_what_changed_since_validation_is_looked_at_again(loaded: Database) -> None:
    with loaded.session() as session:
        saved = save(session, halves(0.5))
        plans.validate(session, plan_id=saved.plan_id)
        # the vertices that a plan gives its community are no change, nor is the same outline again
        other = save(session, halves(0.4))
        switch(session, other)
        longer = "ST_Multi(ST_MakeEnvelope(-0.001, 50, 0.0203, 50.01, 4326))"
        with session.begin_nested() as savepoint:
            session.execute(
                text(f"UPDATE division SET outline = NULL, geometry = {longer} WHERE code = '101'")  # noqa: S608
            )
            with pytest.raises(PlanError, match=r"changed since it was validated: .* 1 fault, gap"):
                plans.activate(session, plan_id=saved.plan_id)
            savepoint.rollback()
        done = plans.activate(session, plan_id=saved.plan_id).as_dict()
        assert done["state"] == "active"
        assert (done["reassigned"], done["out_of_range"]) == (0, [])


def test_the_ledger_follows_a_plan_that_begins_today(loaded: Database) -> None:
    with loaded.session() as session:
        delineate(session)
        assign(session)
        staff(session)
        saved = save(session, [box(0.0, 50.0, 0.0203, 50.01)])
        plans.validate(session, plan_id=saved.plan_id)
        done = plans.activate(session, plan_id=saved.plan_id)
        # three grids of 100 join the fourth, and their posts end
        assert (done.reassigned, done.posts_ended) == (300, 6)
        (stray,) = done.out_of_range
        assert (stray["households"], stray["households_drawn"]) == (400, 0)
        assert rows(session, "SELECT count(*) FROM household_exception") == [(0,)]
        assert assign(session).changed == 0


@pytest.mark.parametrize(
    ("shapes", "fault"),
    [
        (halves(0.5)[:1], "gap"),
        ([halves(0.5)[0], box(0.005, 50.0, 0.0203, 50.01)], "overlap"),
        (
            [halves(0.5)[0], affinity.scale(halves(0.5)[1], 1.1, 1.0, origin=(0.01015, 50.0))],
            "stray",
        ),
    ],
)
def test_faults_keep_a_plan_from_being_validated(
    loaded: Database, shapes: list[Any], fault: str
) -> None:
    with loaded.session() as session:
        saved = save(session, shapes)
        assert set(plans.faults(session, plan_id=saved.plan_id)["kind"]) == {fault}
        with pytest.raises(PlanError, match=f"has 1 fault, {fault} at"):
            plans.validate(session, plan_id=saved.plan_id)
        with pytest.raises(PlanError, match="is draft, not validated"):
            plans.activate(session, plan_id=saved.plan_id)


def test_plans_follow_each_other_on_a_day_to_come(loaded: Database) -> None:
    with loaded.session() as session:
        (today,) = rows(session, "SELECT CURRENT_DATE")[0]
        coming = today + timedelta(days=30)
        switch(session, save(session, halves(0.5)))
        switch(session, save(session, halves(0.4)), on=coming)
        held = rows(
            session, "SELECT plan_id, lower(active), upper(active) FROM community_plan ORDER BY 1"
        )
        assert held == [(1, today, coming), (2, coming, None)]
        # a third one at once takes the place of both
        switch(session, save(session, halves(0.3)))
        held = rows(session, "SELECT plan_id, isempty(active) FROM community_plan ORDER BY 1")
        assert held == [(1, True), (2, True), (3, False)]
        with pytest.raises(PlanError, match="that day is past"):
            switch(session, save(session, halves(0.2)), on=today - timedelta(days=1))


def test_a_plan_that_rules_ends_only_on_a_day_that_is_named(loaded: Database) -> None:
    with loaded.session() as session:
        (today,) = rows(session, "SELECT CURRENT_DATE")[0]
        saved = save(session, halves(0.5))
        with pytest.raises(PlanError, match="is draft, not active"):
            plans.retire(session, plan_id=saved.plan_id)
        switch(session, saved)
        with pytest.raises(PlanError, match="still rules 1 communities, 101 first"):
            plans.retire(session, plan_id=saved.plan_id)
        with pytest.raises(PlanError, match="that day is past"):
            plans.retire(session, plan_id=saved.plan_id, on=today - timedelta(days=1))
        end = today + timedelta(days=3)
        ended = plans.retire(session, plan_id=saved.plan_id, on=end)
        assert ended == {"plan": saved.plan_id, "state": "retired", "ends": end.isoformat()}
        held = rows(session, "SELECT lower(active), upper(active) FROM community_plan")
        assert held == [(today, end)]
        # the last days are still ruled, and answerable
        assert rows(session, "SELECT count(*) FROM current_grid") == [(2,)]
        with pytest.raises(PlanError, match="it is retired already"):
            plans.retire(session, plan_id=saved.plan_id)


def test_which_plan_rules_on_a_day(loaded: Database) -> None:
    with loaded.session() as session:
        (today,) = rows(session, "SELECT CURRENT_DATE")[0]
        coming = today + timedelta(days=30)
        switch(session, save(session, halves(0.5)))
        switch(session, save(session, [box(0.0203, 50.0, 0.0406, 50.01)], community="102"))
        switch(session, save(session, [box(0.0, 50.0, 0.0203, 50.01)]), on=coming)

        def ruling(day: date) -> list[tuple[int, int, int]]:
            listed = plans.list_plans(session, at=day)
            return [(each["id"], each["communities"], each["grids"]) for each in listed]

        assert ruling(today - timedelta(days=1)) == []
        assert ruling(today) == [(1, 1, 2), (2, 1, 1)]
        assert ruling(coming) == [(2, 1, 1), (3, 1, 1)]
        assert len(plans.list_plans(session)) == 3
        assert len(plans.plan_grids(session, plan_id=1)) == 2
        assert len(plans.plan_grids(session, plan_id=1, at=today)) == 2
        assert len(plans.plan_grids(session, plan_id=1, at=coming)) == 0


def test_what_there_is_not_is_told(loaded: Database) -> None:
    with loaded.session() as session:
        with pytest.raises(NotFound, match="no plan 99"):
            plans.validate(session, plan_id=99)
        with pytest.raises(NotFound, match="no plan 99"):
            plans.show(session, plan_id=99)
        with pytest.raises(InputError, match="no community '999'"):
            delineate(session, communities=["101", "999"])
        with pytest.raises(InputError, match="did you mean 'Smallton'"):
            delineate(session, dataset="Smalton")
        with pytest.raises(InputError, match="minimum"):
            delineate(session, minimum=400)


def test_nothing_is_drawn_without_data(database: Database) -> None:
    with database.session() as session, pytest.raises(PlanError, match="nothing is loaded"):
        delineate(session)


def test_a_plan_for_a_later_day_that_is_overtaken_is_told(loaded: Database) -> None:
    with loaded.session() as session:
        delineate(session)
        later = date.today() + timedelta(days=30)
        ids = [
            delineate(
                session, target=size, minimum=size // 2, maximum=2 * size, activate=False
            ).plans[0]["id"]
            for size in (50, 60)
        ]
        for plan_id in ids:
            plans.validate(session, plan_id=plan_id)
        assert plans.activate(session, plan_id=ids[0], on=later).never_began == []
        assert plans.activate(session, plan_id=ids[1]).never_began == [ids[0]]
        assert plans.show(session, plan_id=ids[0])["state"] == "retired"
        frames = plan_frames(session, plan_id=ids[1])
        assert frames.before_id == 1


def test_an_earlier_plan_of_some_communities_is_measured_there(loaded: Database) -> None:
    with loaded.session() as session:
        delineate(session)
        part = delineate(session, communities=["102"], target=50, minimum=35, maximum=65)
        whole = delineate(session, target=60, minimum=30, maximum=120, activate=False)
        named = {"plan_id": whole.plans[0]["id"], "before": part.plans[0]["id"]}
        assert plan_frames(session, plan_id=named["plan_id"]).before_id == 1
        frames = plan_frames(session, **named)
        assert frames.before is not None
        assert set(frames.before["community_code"]) == {"102"}
        ground = held_by(frames.communities, frames.before)
        row = set_figures(frames.before, ground, None, Sizes(50, 35, 65))
        assert row["gap_m2"] < 1
        inside = frames.grids[frames.grids["community_code"] == "102"]["households"].sum()
        assert row["households"] == inside


def test_two_who_switch_at_once_take_turns(loaded: Database) -> None:
    """The second waits for the first, and then ends what the first began."""
    with loaded.session() as session:
        delineate(session)
        assign(session)
    with loaded.session() as session:
        first, second = save(session, halves(0.3)), save(session, halves(0.6))
        for saved in (first, second):
            plans.validate(session, plan_id=saved.plan_id)
    began = Event()

    def switch_too() -> plans.Activation:
        with loaded.session() as session:
            began.set()
            return plans.activate(session, plan_id=second.plan_id)

    with ThreadPoolExecutor(1) as other:
        with loaded.session() as session:
            plans.activate(session, plan_id=first.plan_id)
            later = other.submit(switch_too)
            began.wait()
            with pytest.raises(TimeoutError):
                later.result(timeout=1)
        assert later.result(timeout=60).state == "active"
    with loaded.session() as session:
        ruling = "SELECT community_code, plan_id FROM community_plan WHERE active @> CURRENT_DATE"
        assert sorted(rows(session, ruling)) == [("101", second.plan_id), ("102", 1)]
        assert plans.show(session, plan_id=first.plan_id)["state"] == "retired"
        astray = """
            SELECT count(*) FROM assignment
            JOIN household ON household.id = assignment.household_id
            LEFT JOIN current_grid ON current_grid.id = assignment.grid_id
            WHERE assignment.method = 'covers'
                AND ST_Covers(current_grid.geometry, household.geometry) IS NOT TRUE
        """
        assert rows(session, astray) == [(0,)]
