"""Text that is kept of features says what would be written of them anew, whatever changed them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from service.catalogue.collection import Collection
from service.catalogue.crs import DEFAULT_CRS
from service.catalogue.features import feature_text
from service.catalogue.published import COLLECTIONS
from service.db.engine import Database
from service.db.reader import running_in
from service.flows.change import merge, rebalance, split
from service.ogc.statements import page_statement
from service.settings import Settings

KEPT = [name for name, each in COLLECTIONS.items() if each.written or each.outline]
#: What a text of a table may hold.
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)


def page(session: Session, collection: Collection) -> list[dict[str, Any]]:
    """The features as a page has them."""
    statement = page_statement(
        collection,
        collection.cheapest(collection.key),
        crs=DEFAULT_CRS,
        orders=(),
        conditions=[],
        limit=1000,
        offset=0,
    )
    return [json.loads(row[0]) for row in running_in(session)(statement)]


def anew(session: Session, collection: Collection) -> list[dict[str, Any]]:
    """The features with every part written now."""
    plain = replace(collection, written={}, outline=None)
    statement = select(feature_text(plain)).order_by(*plain.key_columns)
    return [json.loads(each) for each in session.scalars(statement)]


def check(session: Session) -> dict[str, list[dict[str, Any]]]:
    """Hold every page against what is written anew; the pages."""
    pages = {}
    for name in KEPT:
        pages[name] = page(session, COLLECTIONS[name])
        assert pages[name], name
        assert pages[name] == anew(session, COLLECTIONS[name]), name
        for each in pages[name]:
            wanted = [one.name for one in COLLECTIONS[name].properties]
            assert list(each["properties"]) == wanted
    return pages


def test_grids_coverage_and_households_are_kept() -> None:
    assert set(KEPT) == {"grids", "coverage", "households"}


def lowest(session: Session) -> str:
    return session.scalars(text("SELECT min(code) FROM current_grid")).one()


def neighbours(session: Session) -> list[str]:
    codes = session.scalars(text("SELECT code FROM current_grid ORDER BY code LIMIT 2"))
    return list(codes)


CHANGES: list[Callable[[Session], object]] = [
    lambda session: rebalance(session, keep="active"),
    lambda session: split(session, code=lowest(session), parts=2, keep="active"),
    lambda session: merge(session, codes=neighbours(session), keep="active"),
    lambda session: split(session, code=lowest(session), parts=2, keep="draft"),
    lambda session: session.execute(text("DELETE FROM grid_plan WHERE state = 'draft'")),
    lambda session: session.execute(text("UPDATE division SET name = '\"' || name || '\\n'")),
    lambda session: session.execute(text("UPDATE dataset SET name = 'a \"{b}\"'")),
    lambda session: session.execute(text("UPDATE household SET households = 40 WHERE id < 4")),
    lambda session: session.execute(text("DELETE FROM household WHERE id % 2 = 0")),
    lambda session: session.execute(text("DELETE FROM assignment WHERE household_id = 1")),
]


def test_pages_follow_every_change(town: Settings) -> None:
    seen = []
    with Database(town) as database, database.session() as session:
        seen.append(check(session))
        for change in CHANGES:
            change(session)
            seen.append(check(session))
    codes = {tuple(each["id"] for each in pages["grids"]) for pages in seen}
    assert len(codes) >= 3, "the plans did change"


def test_pages_follow_what_is_written_over_http(writer: TestClient, town: Settings) -> None:
    def box(west: float, east: float) -> dict[str, Any]:
        ring = [[west, 0], [east, 0], [east, 0.01], [west, 0.01], [west, 0]]
        return {"type": "Polygon", "coordinates": [ring]}

    features = [
        {"type": "Feature", "id": "C1001", "geometry": box(0, 0.004), "properties": {}},
        {
            "type": "Feature",
            "id": "C1002",
            "geometry": box(0.004, 0.01),
            "properties": {"kind": "micro"},
        },
    ]
    versions = [
        writer.get(f"/collections/grids/items/{each['id']}").headers["etag"] for each in features
    ]
    changed = writer.patch(
        "/collections/grids/items",
        json={"type": "FeatureCollection", "features": features},
        headers={"Content-Type": "application/geo+json", "If-Match": ", ".join(versions)},
    )
    assert changed.status_code == 200, changed.text
    with Database(town) as database, database.session() as session:
        grids = check(session)["grids"]
    assert "micro" in {each["properties"]["kind"] for each in grids}
    assert [each["id"] for each in changed.json()["features"]] == [
        each["id"] for each in grids if each["id"].startswith("C1")
    ]


@pytest.fixture(scope="module")
def drawing(shared_town: Settings) -> Any:
    with Database(shared_town) as database:
        yield database


@settings(max_examples=60, deadline=None)
@given(flag=TEXTS, reason=st.none() | TEXTS, parts=st.integers(1, 3), clockwise=st.booleans())
def test_any_text_is_kept_as_it_is(
    drawing: Database, flag: str, reason: str | None, parts: int, clockwise: bool
) -> None:
    turned = "ST_ForcePolygonCW" if clockwise else "ST_ForcePolygonCCW"
    boxes = ", ".join(f"ST_MakeEnvelope({n}, 0, {n}.3, 1.1, 4326)" for n in range(parts))
    with drawing.engine.connect() as connection:
        row = connection.execute(
            text(
                "INSERT INTO grid_version (grid_id, version, flag, reason, geometry) "  # noqa: S608
                f"VALUES (3, 7, :flag, :reason, {turned}(ST_Collect(ARRAY[{boxes}]))) "
                "RETURNING described, outline, "
                "ST_AsGeoJSON(ST_ForcePolygonCCW(geometry), 15, 0) AS anew"
            ),
            {"flag": flag, "reason": reason},
        ).one()
        connection.rollback()
    assert json.loads("{" + row.described + "}") == {
        "kind": "basic",
        "flag": flag,
        "reason": reason,
        "parts": parts,
    }
    assert row.outline == row.anew


def test_a_plan_cannot_call_a_grid_by_another_name(drawing: Database) -> None:
    for code, community in (("C1002", "C1"), ("C1001", "C2")):
        with drawing.engine.connect() as connection:
            connection.execute(text("INSERT INTO grid_plan (name) VALUES ('other')"))
            with pytest.raises(Exception, match="fk_plan_grid_grid_id_code_community_code"):
                connection.execute(
                    text(
                        "INSERT INTO plan_grid (plan_id, grid_id, version, code, community_code) "
                        "SELECT max(id), 1, 1, :code, :community FROM grid_plan"
                    ),
                    {"code": code, "community": community},
                )
