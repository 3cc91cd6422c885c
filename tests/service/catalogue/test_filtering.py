"""CQL2: every form of the language finds what it should in a table of known rows."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import cql2
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlalchemy import URL, Text, create_engine, func, literal, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.engine import Connection

from service.catalogue.collection import Collection
from service.catalogue.crs import OFFERED
from service.catalogue.filtering import Filter, parse_filter
from service.catalogue.filtering.parsing import parse_text
from service.catalogue.filtering.terms import folded
from service.catalogue.published import COLLECTIONS
from service.catalogue.reflected import reflect_tables
from service.errors import InvalidParameter

#: id, name, floor, height, opened, closed, day, tags, lit, place
HOUSES = """
CREATE TABLE house (
    id integer PRIMARY KEY, name text, floor integer, height double precision,
    opened timestamptz, closed timestamptz, day date, tags text[], lit boolean,
    place geometry(Geometry, 4326)
);
INSERT INTO house VALUES
(1, 'Alder Court', 2, 6.5, '2020-01-01T00:00:00Z', '2020-06-01T00:00:00Z', '2020-01-01',
    '{old,brick}', true, ST_MakeEnvelope(0, 0, 10, 10, 4326)),
(2, 'alder house', 5, 15.0, '2020-06-01T00:00:00Z', NULL, '2020-06-01',
    '{new}', false, ST_MakeEnvelope(10, 0, 20, 10, 4326)),
(3, 'Straße 3', 12, 40.25, '2021-03-01T12:00:00Z', '2021-09-01T00:00:00Z', '2021-03-01',
    '{new,brick,tall}', true, ST_SetSRID(ST_MakePoint(5, 5), 4326)),
(4, '50%_off', NULL, NULL, NULL, NULL, NULL, '{}', NULL,
    ST_GeomFromText('LINESTRING(-5 5, 15 5)', 4326)),
(5, NULL, 1, 3.0, '2019-01-01T00:00:00Z', '2020-03-01T00:00:00Z', '2019-12-31',
    '{old}', false, NULL);
"""


@pytest.fixture(scope="module")
def houses(cluster: Any, database_template: URL) -> Iterator[tuple[Connection, Collection]]:
    url = cluster.create(database_template.database)
    engine = create_engine(url)
    with engine.connect() as connection:
        connection.execute(text(HOUSES))
        published = reflect_tables(connection, ["public.house"], taken={})  # type: ignore[arg-type]
        yield connection, published["house"]
    engine.dispose()
    cluster.drop(url)


def found(houses: tuple[Connection, Collection], wanted: Filter) -> set[int]:
    connection, collection = houses
    statement = select(collection.column("id")).where(wanted.condition(collection))
    return set(connection.scalars(statement))


CASES: list[tuple[str, set[int]]] = [
    # comparisons
    ("floor = 5", {2}),
    ("floor <> 5", {1, 3, 5}),
    ("floor < 5 AND height >= 3.0", {1, 5}),
    ("floor <= 2 OR floor > 5", {1, 3, 5}),
    ("NOT (floor = 5 OR floor = 2)", {3, 5}),
    ("height = 6.5", {1}),
    ("floor > 4.5", {2, 3}),
    ("floor = 4.5", set()),
    ("5 = floor", {2}),
    ("floor > -1", {1, 2, 3, 5}),
    ("name = 'Alder Court'", {1}),
    ("name = 'it''s'", set()),
    ("\"name\" = 'Alder Court'", {1}),
    ("lit = TRUE", {1, 3}),
    ("lit", {1, 3}),
    ("NOT lit", {2, 5}),
    ("lit > FALSE", {1, 3}),
    ("lit <= FALSE", {2, 5}),
    ("TRUE > lit", {2, 5}),
    ("TRUE = TRUE AND floor = 1", {5}),
    ("TRUE", {1, 2, 3, 4, 5}),
    ("FALSE OR floor = 1", {5}),
    ("floor IS NULL", {4}),
    ("name IS NOT NULL", {1, 2, 3, 4}),
    ("place IS NULL", {5}),
    # advanced comparison operators
    ("name LIKE 'Alder%'", {1}),
    ("name LIKE '_lder %'", {1, 2}),
    ("name NOT LIKE '%lder%'", {3, 4}),
    (r"name LIKE '50\%\_off'", {4}),
    ("floor BETWEEN 2 AND 5", {1, 2}),
    ("floor NOT BETWEEN 2 AND 5", {3, 5}),
    ("height BETWEEN floor AND floor * 4", {1, 2, 3, 5}),
    ("floor IN (1, 12)", {3, 5}),
    ("floor NOT IN (1, 12)", {1, 2}),
    ("name IN ('Alder Court', 'nobody')", {1}),
    ("name IN (name, 'nobody')", {1, 2, 3, 4}),
    ("floor IN (height, id + 1, 12)", {1, 3}),
    ("floor IN (id, 5)", {2}),
    ("height IN (height)", {1, 2, 3, 5}),
    ("opened IN (closed, TIMESTAMP('2020-01-01T00:00:00Z'))", {1}),
    ("day IN (day)", {1, 2, 3, 5}),
    ("'2020-06-01T02:00:00+02:00' IN (TIMESTAMP('2020-06-01T00:00:00Z'))", {1, 2, 3, 4, 5}),
    # case
    ("CASEI(name) LIKE CASEI('ALDER%')", {1, 2}),
    ("CASEI(name) = CASEI('STRAßE 3')", {3}),
    ("CASEI(name) IN (CASEI('ALDER COURT'), CASEI('ALDER HOUSE'))", {1, 2}),
    # two properties
    ("height > floor", {1, 2, 3, 5}),
    ("floor = id", {4} & {0}),
    ("closed > opened", {1, 3, 5}),
    # arithmetic
    ("floor + 1 = 6", {2}),
    ("height / floor = 3.25", {1}),
    ("height - floor * 3 > 0", {1, 3}),
    ("floor % 5 = 2", {1, 3}),
    ("floor div 5 = 2", {3}),
    ("floor ^ 2 = 25", {2}),
    ("1 / (floor - 5) < 0", {1, 5}),
    # functions
    ("length(name) > 10", {1, 2}),
    ("upper(name) = 'ALDER HOUSE'", {2}),
    ("floor(height) = 6 AND round(height) <> 5 AND abs(floor) = 2", {1}),
    ("area_m2(place) > 1e11", {1, 2}),
    ("distance_m(place, POINT(5 5)) < 1", {1, 3}),
    # spatial
    ("S_INTERSECTS(place, BBOX(0, 0, 9, 9))", {1, 3, 4}),
    ("S_INTERSECTS(BBOX(0, 0, 9, 9), place)", {1, 3, 4}),
    ("S_INTERSECTS(place, BBOX(179, 0, 1, 1))", {1}),
    ("S_INTERSECTS(place, POINT(15 5))", {2, 4}),
    ("S_INTERSECTS(place, POINT Z (15 5 100))", {2, 4}),
    ("S_WITHIN(place, POLYGON((1 1, 9 1, 9 9, 1 9, 1 1)))", {3}),
    ("S_CONTAINS(place, POINT(5 5))", {1, 3, 4}),
    ("S_DISJOINT(place, BBOX(0, 0, 9, 9))", {2}),
    ("S_EQUALS(place, POLYGON((0 0, 0 10, 10 10, 10 0, 0 0)))", {1}),
    ("S_TOUCHES(place, BBOX(10, 0, 20, 10))", {1}),
    ("S_OVERLAPS(place, BBOX(5, 5, 15, 15))", {1, 2}),
    ("S_CROSSES(place, BBOX(0, 0, 10, 10))", {4}),
    ("S_CROSSES(place, LINESTRING(5 -5, 5 15))", {1, 4}),
    ("S_INTERSECTS(place, MULTIPOINT((1 1), (15 5)))", {1, 2, 4}),
    ("S_INTERSECTS(place, MULTIPOLYGON(((11 1, 12 1, 12 2, 11 1))))", {2}),
    ("S_INTERSECTS(place, GEOMETRYCOLLECTION(POINT(1 1), LINESTRING(11 1, 12 2)))", {1, 2}),
    ("S_INTERSECTS(place, POLYGON((0 0, 10 10, 10 0, 0 10, 0 0)))", {1, 2, 3, 4}),
    ("NOT S_INTERSECTS(place, BBOX(0, 0, 9, 9)) AND floor = 5", {2}),
    # temporal
    ("opened = TIMESTAMP('2020-06-01T00:00:00Z')", {2}),
    ("opened > TIMESTAMP('2020-06-01T02:00:00+02:00')", {3}),
    ("opened = DATE('2021-03-01')", {3}),
    ("opened <= DATE('2021-03-01')", {1, 2, 3, 5}),
    ("opened < DATE('2021-03-01')", {1, 2, 5}),
    ("opened > DATE('2021-03-01')", set()),
    ("DATE('2021-03-01') <= opened", {3}),
    ("day = DATE('2021-03-01')", {3}),
    ("day BETWEEN DATE('2020-01-01') AND DATE('2020-06-01')", {1, 2}),
    ("opened < '2020-01-01'", {5}),
    ("T_AFTER(opened, DATE('2020-05-31'))", {2, 3}),
    ("T_BEFORE(closed, TIMESTAMP('2020-04-01T00:00:00Z'))", {5}),
    ("T_INTERSECTS(opened, INTERVAL('2020-01-01', '2020-12-31'))", {1, 2}),
    ("T_INTERSECTS(INTERVAL(opened, closed), INTERVAL('2020-02-01', '2020-02-28'))", {1, 4, 5}),
    ("T_INTERSECTS(INTERVAL(opened, closed), INTERVAL('2022-01-01', '..'))", {2, 4}),
    ("T_DISJOINT(INTERVAL(opened, closed), INTERVAL('..', '2020-01-31'))", {2, 3}),
    ("T_DURING(INTERVAL(opened, closed), INTERVAL('2021-01-01', '2021-12-31'))", {3}),
    ("T_CONTAINS(INTERVAL(opened, closed), INTERVAL('2020-02-01', '2020-02-02'))", {1, 4, 5}),
    ("T_EQUALS(opened, TIMESTAMP('2020-01-01T00:00:00Z'))", {1}),
    (
        "T_MEETS(INTERVAL(opened, closed), "
        "INTERVAL('2020-06-01T00:00:00Z', '2020-07-01T00:00:00Z'))",
        {1},
    ),
    (
        "T_METBY(INTERVAL(opened, closed), "
        "INTERVAL('2020-05-01T00:00:00Z', '2020-06-01T00:00:00Z'))",
        {2},
    ),
    (
        "T_OVERLAPS(INTERVAL(opened, closed), "
        "INTERVAL('2020-02-01T00:00:00Z', '2020-07-01T00:00:00Z'))",
        {1, 5},
    ),
    (
        "T_OVERLAPPEDBY(INTERVAL(opened, closed), "
        "INTERVAL('2019-06-01T00:00:00Z', '2020-02-01T00:00:00Z'))",
        {1},
    ),
    (
        "T_STARTS(INTERVAL(opened, closed), "
        "INTERVAL('2020-01-01T00:00:00Z', '2020-07-01T00:00:00Z'))",
        {1},
    ),
    (
        "T_STARTEDBY(INTERVAL(opened, closed), "
        "INTERVAL('2020-01-01T00:00:00Z', '2020-02-01T00:00:00Z'))",
        {1},
    ),
    (
        "T_FINISHES(INTERVAL(opened, closed), "
        "INTERVAL('2019-01-01T00:00:00Z', '2020-06-01T00:00:00Z'))",
        {1},
    ),
    (
        "T_FINISHEDBY(INTERVAL(opened, closed), "
        "INTERVAL('2020-02-01T00:00:00Z', '2020-06-01T00:00:00Z'))",
        {1},
    ),
    # arrays
    ("A_CONTAINS(tags, ('new', 'brick'))", {3}),
    ("A_CONTAINEDBY(tags, ('new', 'old'))", {2, 4, 5}),
    ("A_EQUALS(tags, ('brick', 'old'))", {1}),
    ("A_OVERLAPS(tags, ('tall', 'old'))", {1, 3, 5}),
]


@pytest.mark.parametrize(("filter_text", "expected"), CASES)
def test_text_and_json_find_the_same(
    houses: tuple[Connection, Collection], filter_text: str, expected: set[int]
) -> None:
    wanted = parse_filter(houses[1], filter_text)
    assert found(houses, wanted) == expected
    as_json = parse_filter(houses[1], json.dumps(wanted.tree), language="cql2-json")
    assert found(houses, as_json) == expected


def likened(node: Any) -> Any:
    """A tree without what readers may write in several ways: capitals of names, zones of times."""
    if isinstance(node, dict):
        return {
            key: each.lower()
            if key == "op"
            else datetime.fromisoformat(each)
            if key == "timestamp"
            else likened(each)
            for key, each in node.items()
        }
    return [likened(each) for each in node] if isinstance(node, list) else node


@pytest.mark.parametrize("filter_text", [each for each, _ in CASES])
def test_another_reader_reads_the_same(filter_text: str) -> None:
    theirs = cql2.parse_text(filter_text).to_json()
    assert likened(parse_text(filter_text)) == likened(theirs)


def test_case_is_folded_as_unicode_folds_it(houses: tuple[Connection, Collection]) -> None:
    """Two letters are the same where Python's full case folding says so, and nowhere else."""
    letters = [
        letter
        for letter in map(chr, range(1, sys.maxunicode + 1))
        if letter.casefold() != letter or letter.upper() != letter
    ]
    assert len(letters) > 2_500
    listed = func.unnest(literal(letters, ARRAY(Text))).column_valued("letter")
    ours: dict[str, set[str]] = {}
    theirs: dict[str, set[str]] = {}
    for letter, fold in houses[0].execute(select(listed, folded(listed))):
        ours.setdefault(fold, set()).add(letter)
        theirs.setdefault(letter.casefold(), set()).add(letter)
    assert sorted(map(sorted, ours.values())) == sorted(map(sorted, theirs.values()))


REFUSED = [
    ("pg_sleep(10) = 1", "pg_sleep"),
    ("pg_read_file('/etc/passwd') = 'x'", "pg_read_file"),
    ("current_setting('x') = 'x'", "current_setting"),
    ("nothing = 1", "nothing"),
    ('"floor; DROP TABLE house" = 1', "no queryable"),
    ("floor = 'five'", "kind number"),
    ("name = 5", "kind text"),
    ("place = 1", "geometry"),
    ("tags = 'old'", "array"),
    ("floor", "no condition"),
    ("floor + 1", "no condition"),
    ("floor LIKE 'a%'", "LIKE"),
    ("name LIKE name", "literal"),
    ("name LIKE 'a\\'", "backslash"),
    ("opened = 'yesterday'", "yesterday"),
    ("opened = DATE('2020-02-30')", "calendar"),
    ("T_DURING(opened, INTERVAL('2021-01-01', '2020-01-01'))", "after its end"),
    ("T_AFTER(name, DATE('2020-01-01'))", "text"),
    ("S_INTERSECTS(place, name)", "S_INTERSECTS"),
    ("S_INTERSECTS(place, LINESTRING(1 1))", None),
    ("S_INTERSECTS(place, POLYGON((0 0, 1 0, 1 1, 0 1)))", "closed"),
    ("S_INTERSECTS(place, POINT(5 95))", "latitude"),
    ("S_INTERSECTS(place, BBOX(0, 5, 1, 4))", "lower corner"),
    (
        "S_WITHIN(GEOMETRYCOLLECTION(POINT(1 1)), GEOMETRYCOLLECTION(POINT(1 1)))",
        "two GEOMETRYCOLLECTIONs",
    ),
    ("S_BEYOND(place, POINT(1 1))", "S_BEYOND"),
    ("A_CONTAINS(tags, ('old', ('new', 'tall')))", "kind array"),
    ("A_CONTAINS(tags, 'old')", "kind text"),
    ("ACCENTI(name) = ACCENTI('a')", "accent-insensitive-comparison"),
    ("floor =", "character"),
    ("", None),
    ("floor = 1 AND", None),
    ("abs(name) = 1", "takes"),
    ("abs(1, 2) = 1", "takes"),
    ("floor > 1e400", "large"),
    ("(" * 5000 + "floor = 1" + ")" * 5000, "deeply"),
    ("NOT " * 9000 + "lit", "longer"),
    ("NOT " * 3000 + "lit", "deeply"),
    ("floor = " + "1+" * 3000 + "1", "deeply"),
    ("floor = " + "-" * 3000 + "1", None),
    ("name = '\x00'", "character"),
]


@pytest.mark.parametrize(("filter_text", "says"), REFUSED)
def test_what_is_not_understood_is_refused(
    houses: tuple[Connection, Collection], filter_text: str, says: str | None
) -> None:
    with pytest.raises(InvalidParameter, match=says) as refused:
        parse_filter(houses[1], filter_text)
    assert refused.value.name == "filter"


@pytest.mark.parametrize(
    "tree",
    [
        None,
        [],
        {},
        {"op": "and", "args": []},
        {"op": "and"},
        {"op": 5, "args": [1]},
        {"op": "=", "args": [{"property": "floor"}]},
        {"op": "=", "args": [{"property": "floor"}, None]},
        {"op": "=", "args": [{"property": ["floor"]}, 1]},
        {"op": "=", "args": [{"function": "pg_sleep"}, 1]},
        {"op": "in", "args": [{"property": "floor"}, []]},
        {"op": "in", "args": [{"property": "floor"}, 1]},
        {"op": "like", "args": [{"property": "name"}]},
        {"op": "t_after", "args": [{"property": "opened"}, {"interval": ["2020-01-01"]}]},
        {"op": "t_after", "args": [{"property": "opened"}, {"timestamp": 5}]},
        {"op": "s_intersects", "args": [{"property": "place"}, {"type": "Point"}]},
        {"op": "s_intersects", "args": [{"property": "place"}, {"bbox": [1, 2, 3]}]},
        {"op": "s_intersects", "args": [{"property": "place"}, {"bbox": "1,2,3,4"}]},
        {
            "op": "s_intersects",
            "args": [{"property": "place"}, {"type": "Circle", "coordinates": [1, 2]}],
        },
        {
            "op": "s_intersects",
            "args": [{"property": "place"}, {"type": "Point", "coordinates": [1, True]}],
        },
    ],
)
def test_json_that_does_not_fit_is_refused(
    houses: tuple[Connection, Collection], tree: object
) -> None:
    with pytest.raises(InvalidParameter):
        parse_filter(houses[1], json.dumps(tree), language="cql2-json")


@pytest.mark.parametrize("source", ["{", "NaN", '{"a": Infinity}', "[" * 100_00])
def test_what_is_no_json_is_refused(houses: tuple[Connection, Collection], source: str) -> None:
    with pytest.raises(InvalidParameter):
        parse_filter(houses[1], source, language="cql2-json")


def test_geometries_come_in_any_reference_system(
    houses: tuple[Connection, Collection],
) -> None:
    uri = "http://www.opengis.net/def/crs/EPSG/0/"
    north_first = parse_filter(
        houses[1], "S_INTERSECTS(place, BBOX(0, 11, 10, 14))", crs=OFFERED[f"{uri}4326"]
    )
    assert found(houses, north_first) == {2, 4}
    metric = parse_filter(
        houses[1],
        "S_INTERSECTS(place, BBOX(1669000, 557000, 1670000, 558000))",
        crs=OFFERED[f"{uri}3857"],
    )
    assert found(houses, metric) == {2, 4}


def test_values_are_bound_and_names_come_from_declarations(
    houses: tuple[Connection, Collection],
) -> None:
    """Whatever stands in the texts of a filter, the statement is the same."""
    statements = {
        str(select(1).where(parse_filter(houses[1], f"name = '{value}'").condition(houses[1])))
        for value in ("a", "''; DROP TABLE house; --", "%(x)s", ":x")
    }
    assert len(statements) == 1
    assert "DROP" not in statements.pop()


def refusal(collection: Collection, given_text: str, language: str) -> str | None:
    """The parameter that is refused; any other failure comes through."""
    try:
        parse_filter(collection, given_text, language=language)
    except InvalidParameter as refused:
        return refused.name
    return None


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60) | st.from_regex(r"[a-z_]{1,8} ?[=<>]{1,2} ?[0-9a-z'.()]{0,12}"))
@example("a" * 10)
def test_any_text_is_a_filter_or_refused(filter_text: str) -> None:
    collection = COLLECTIONS["households"]
    assert refusal(collection, filter_text, "cql2-text") in (None, "filter")


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["op", "args", "property", "date", "interval", "bbox", "type"])
            | st.text(max_size=4),
            inner | st.sampled_from(["=", "and", "s_intersects", "t_after", "in", "like", "name"]),
            max_size=3,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(_JSON)
def test_any_json_is_a_filter_or_refused(tree: object) -> None:
    assert refusal(COLLECTIONS["members"], json.dumps(tree), "cql2-json") in (None, "filter")
