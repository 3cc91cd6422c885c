"""Rows are counted exactly, whatever columns their conditions name."""

from __future__ import annotations

import pytest

from service.catalogue.filtering import parse_filter
from service.catalogue.published import COLLECTIONS
from service.catalogue.selection import Selection
from service.db.engine import Database
from service.exports.counting import count_rows
from service.settings import Settings


@pytest.mark.parametrize(
    ("name", "condition", "count"),
    [
        ("posts", "role = 'police'", 1),
        ("posts", "member = 'M1' AND S_WITHIN(geometry, BBOX(0, 0, 0.005, 0.01))", 1),
        ("vacancies", "reason IS NOT NULL", 1),
        ("vacancies", "S_INTERSECTS(geometry, BBOX(0, 0, 0.01, 0.01))", 3),
        ("households", "grid_code IS NULL", 1),
    ],
)
def test_filters_name_any_column(
    shared_town: Settings, name: str, condition: str, count: int
) -> None:
    collection = COLLECTIONS[name]
    selection = Selection(filter=parse_filter(collection, condition))
    with Database(shared_town) as database, database.session() as session:
        assert count_rows(session, collection, selection) == count
