"""Plans that change: compared, rebalanced, split and merged."""

from __future__ import annotations

from datetime import date
from typing import Any

import geopandas as gpd
import pytest
from shapely import box
from sqlalchemy import text
from sqlalchemy.orm import Session

from geodata.errors import InputError, PlanError
from service.db.engine import Database
from service.errors import NotFound
from service.flows import plans
from service.flows.assign import assign
from service.flows.change import merge, rebalance, split
from service.flows.delineate import delineate
from service.flows.differences import diff
from service.flows.load import load_dataset
from service.flows.staff import staff


@pytest.fixture
def drawn(database: Database, smallton: Any) -> Database:
    """The small town with a plan of eight grids of 100 households, its people and their posts."""
    load_dataset(database.session, smallton.manifest)
    with database.session() as session:
        delineate(session)
        assign(session)
        staff(session)
    return database


def rows(session: Session, statement: str, **values: Any) -> list[Any]:
    return [tuple(row) for row in session.execute(text(statement), values)]


def codes_in_force(session: Session, community: str = "101") -> list[str]:
    found = rows(
        session, "SELECT code FROM current_grid WHERE community_code = :c ORDER BY 1", c=community
    )
    return [code for (code,) in found]


def crowd(session: Session, code: str, count: int) -> None:
    """Let households move into the middle of a grid."""
    session.execute(
        text("""
            INSERT INTO household (dataset_id, reference, households, geometry)
            SELECT 1, 'N' || number, 1,
                ST_SetSRID(ST_MakePoint(
                    ST_X(centre) + 0.00001 * (number / 10), ST_Y(centre) + 0.00001 * (number % 10)
                ), 4326)
            FROM generate_series(1, :count) AS number,
                LATERAL (
                    SELECT ST_Centroid(geometry) AS centre FROM current_grid WHERE code = :code
                ) AS at
        """),
        {"code": code, "count": count},
    )


def test_a_preview_shows_what_apply_does_and_leaves_nothing(drawn: Database) -> None:
    with drawn.session() as session:
        seen = split(session, code="101001").as_dict()
        assert seen["plan"] is None
        assert rows(session, "SELECT count(*) FROM grid_plan") == [(1,)]
        assert rows(session, "SELECT count(*) FROM grid") == [(8,)]
    with drawn.session() as session:
        done = split(session, code="101001", keep="active").as_dict()
        assert done["plan"] == {
            "id": rows(session, "SELECT max(id) FROM grid_plan")[0][0],
            "state": "active",
            "effective_from": date.today().isoformat(),
        }
    for name in ("lookup", "sides", "households_moved", "posts_required"):
        assert done[name] == seen[name]
    parts = [row["new_code"] for row in done["lookup"] if row["kind"] == "S"]
    assert parts == ["101001", "101005"]
    assert [row["households"] for row in done["sides"]] == [50, 50]
    assert done["households_moved"] == 50
    with drawn.session() as session:
        assert codes_in_force(session) == ["101001", "101002", "101003", "101004", "101005"]
        # only those of the new grid were assigned again
        assert rows(session, "SELECT count(*) FROM assignment_history") == [(50,)]
        for code in parts:
            held = "SELECT count(*) FROM assignment JOIN grid ON grid.id = grid_id WHERE code = :c"
            assert rows(session, held, c=code) == [(50,)]


def test_the_preview_tells_the_posts_on_each_side(drawn: Database) -> None:
    with drawn.session() as session:
        before = rows(
            session,
            "SELECT role, count(*) FROM post JOIN grid ON grid.id = grid_id"
            " WHERE code = '101002' GROUP BY role ORDER BY role",
        )
        seen = split(session, code="101002").as_dict()
    assert seen["posts_required"] == {"leader": 1, "police": 1}
    together: dict[str, int] = {}
    for side in seen["sides"]:
        for role, count in side["posts"].items():
            together[role] = together.get(role, 0) + count
    assert before
    assert together == dict(before)


def test_merged_grids_are_one_and_the_larger_has_the_heir(drawn: Database) -> None:
    with drawn.session() as session:
        done = split(session, code="102001", parts=2, keep="active").as_dict()
        one, two = (row["new_code"] for row in done["lookup"] if row["kind"] == "S")
        back = merge(session, codes=[one, two], keep="active").as_dict()
        assert back["kinds"]["M"] == 2
        # the first polygon is known, and comes back with its code
        assert {row["new_code"] for row in back["lookup"] if row["kind"] == "M"} == {"102001"}
        assert back["households_moved"] == 50
        assert len(codes_in_force(session, "102")) == 4


def test_what_cannot_be_split_or_merged_is_told(drawn: Database) -> None:
    with drawn.session() as session:
        with pytest.raises(NotFound, match="no grid '101099' in force"):
            split(session, code="101099")
        with pytest.raises(InputError, match="several communities"):
            merge(session, codes=["101001", "102001"])
        with pytest.raises(PlanError, match="cannot be split"):
            split(session, code="101001", parts=150)
        assert rows(session, "SELECT count(*) FROM grid_plan") == [(1,)]


def test_rebalance_moves_few_and_only_there(drawn: Database) -> None:
    with drawn.session() as session:
        (nothing,) = rebalance(session)
        assert nothing.difference is None
        assert nothing.as_dict()["changed"] is False
        crowd(session, "101002", 40)
        still = codes_in_force(session, "102")
        (report,) = rebalance(session)
        told = report.as_dict()
        assert told["out_of_range_before"] == 15
        assert told["out_of_range"] == 0
        assert 15 <= told["households_moved"] <= 80
        assert told["communities"] == 1
        assert told["steps"][0]["community_code"] == "101"
        assert codes_in_force(session, "102") == still
        loads = rows(
            session,
            "SELECT sum(households) FROM assignment JOIN household ON household.id = household_id"
            " JOIN current_grid ON current_grid.id = grid_id GROUP BY current_grid.id",
        )
        assert all(75 <= load <= 125 for (load,) in loads)
        assert sum(load for (load,) in loads) == 840


def test_a_draft_waits(drawn: Database) -> None:
    with drawn.session() as session:
        crowd(session, "101002", 40)
        before = codes_in_force(session)
        (report,) = rebalance(session, keep="draft")
        assert report.plan is not None
        assert report.plan["state"] == "draft"
        assert codes_in_force(session) == before
        plans.validate(session, plan_id=report.plan["id"])
        plans.activate(session, plan_id=report.plan["id"])
        found = diff(session, first=1, second=report.plan["id"])
        assert found.communities == ("101",)
        assert found.moves["households"].sum() == report.as_dict()["households_moved"]


def test_diff_counts_those_who_leave_the_heir_of_their_grid(drawn: Database) -> None:
    with drawn.session() as session:
        done = split(session, code="101001", keep="active").as_dict()
        found = diff(session, first=1, second=done["plan"]["id"])
        told = found.as_dict()
        assert told["kinds"] == {"U": 3, "S": 2, "M": 0, "X": 0}
        assert told["households_moved"] == len(found.moves) == 50
        assert set(found.moves["old_code"]) == {"101001"}
        assert len(set(found.moves["new_code"])) == 1
        assert list(found.moves.columns) == [
            "reference",
            "old_code",
            "new_code",
            "households",
            "geometry",
        ]
        back = diff(session, first=done["plan"]["id"], second=1).as_dict()
        assert back["kinds"] == {"U": 3, "S": 0, "M": 2, "X": 0}
        assert back["households_moved"] == 50
        same = diff(session, first=1, second=1).as_dict()
        assert same["kinds"] == {"U": 8, "S": 0, "M": 0, "X": 0}
        assert same["households_moved"] == 0


def test_plans_of_other_communities_are_not_compared(drawn: Database) -> None:
    with drawn.session() as session:
        saved = []
        for number, community in enumerate(("101", "102")):
            west = 0.0203 * number
            grids = gpd.GeoDataFrame(
                {
                    "grid_code": [f"{community}009"],
                    "community_code": community,
                    "households": 0,
                    "flag": None,
                },
                geometry=[box(west, 50.0, west + 0.0203, 50.01)],
                crs="EPSG:4326",
            )
            saved.append(
                plans.save(
                    session,
                    name="one",
                    communities=[community],
                    grids=grids,
                    parameters={},
                    report={},
                )
            )
        with pytest.raises(InputError, match="no community in common"):
            diff(session, first=saved[0].plan_id, second=saved[1].plan_id)
        with pytest.raises(NotFound):
            diff(session, first=1, second=99)
