"""The abstract tests of CQL2 (OGC 21-065r2, Annex A), one function a test, on every collection.

Each test names the test that it holds; the ones that need the standard's own data are held by
test_cql2.py on data of our own.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from service.catalogue.published import COLLECTIONS

NAMES = list(COLLECTIONS)
OPERATORS = ("=", "<>", ">", "<", ">=", "<=")
#: type of a queryable -> the value that the tests compare it with
VALUES = {
    "string": "'foo'",
    "boolean": "true",
    "number": "3.14",
    "integer": "1",
    "date-time": "TIMESTAMP('2022-04-14T14:48:46Z')",
    "date": "DATE('2022-04-14')",
}
SCALARS = tuple(VALUES)
WORLD = "POLYGON((-180 -90,180 -90,180 90,-180 90,-180 -90))"
#: Predicates on a geometry; S_CROSSES only of points and lines.
SPATIAL = {
    "S_INTERSECTS": (
        "BBOX(-180,-90,180,90)",
        WORLD,
        "LINESTRING(7 50,10 51)",
        "POINT(7.02 49.92)",
    ),
    "S_DISJOINT": ("BBOX(-180,-90,180,90)", WORLD, "LINESTRING(7 50,10 51)", "POINT(7.02 49.92)"),
    "S_EQUALS": (WORLD, "LINESTRING(7 50,10 51)", "POINT(7.02 49.92)"),
    "S_TOUCHES": ("BBOX(-180,-90,180,90)", WORLD, "LINESTRING(7 50,10 51)"),
    "S_CROSSES": ("BBOX(-180,-90,180,90)", WORLD, "LINESTRING(7 50,10 51)"),
    "S_WITHIN": (
        *("BBOX(-180,-90,180,90)", WORLD, "LINESTRING(7 50,10 51)", "MULTIPOINT(7 50,10 51)"),
        "MULTIPOINT((7 50),(10 51))",
    ),
    "S_CONTAINS": (
        *("BBOX(-180,-90,180,90)", WORLD, "LINESTRING(7 50,10 51)", "MULTIPOINT(7 50,10 51)"),
        "MULTIPOINT((7 50),(10 51))",
    ),
    "S_OVERLAPS": ("MULTIPOINT(7 50,10 51)", "LINESTRING(7 50,10 51)", WORLD),
}
TEMPORAL = ("T_AFTER", "T_BEFORE", "T_DISJOINT", "T_EQUALS", "T_INTERSECTS")
INTERVALS = (
    *("T_CONTAINS", "T_DURING", "T_FINISHEDBY", "T_FINISHES", "T_MEETS", "T_METBY"),
    *("T_OVERLAPPEDBY", "T_OVERLAPS", "T_STARTEDBY", "T_STARTS"),
)
YEAR = "INTERVAL('2021-01-01T00:00:00Z','2021-12-31T23:59:59Z')"


def matched(client: TestClient, name: str, condition: str) -> frozenset[Any]:
    response = client.get(f"/collections/{name}/items", params={"filter": condition})
    assert response.status_code == 200, (condition, response.json()["detail"])
    document = response.json()
    assert document["numberMatched"] == len(document["features"])
    return frozenset(each["id"] for each in document["features"])


def queryables(name: str, *types: str) -> Iterator[tuple[str, str]]:
    """Name and type of the queryables of these types."""
    for each in COLLECTIONS[name].queryables.values():
        if each.type in types:
            yield each.name, each.type


@pytest.fixture
def everything(reader: TestClient, name: str) -> frozenset[Any]:
    features = reader.get(f"/collections/{name}/items").json()["features"]
    return frozenset(each["id"] for each in features)


def check_opposites(results: dict[str, frozenset[Any]]) -> None:
    for one, other in (("=", "<>"), (">", "<="), ("<", ">=")):
        assert not results[one] & results[other]


@pytest.mark.parametrize("name", NAMES)
def test_basic_cql2_comparison(reader: TestClient, name: str) -> None:
    """/conf/basic-cql2/basic-test, /conf/basic-cql2/comparison"""
    found = list(queryables(name, *SCALARS))
    assert found
    for queryable, kind in found:
        check_opposites(
            {
                sign: matched(reader, name, f"{queryable} {sign} {VALUES[kind]}")
                for sign in OPERATORS
            }
        )


@pytest.mark.parametrize("name", NAMES)
def test_basic_cql2_is_null_and_boolean(
    reader: TestClient, name: str, everything: frozenset[Any]
) -> None:
    """/conf/basic-cql2/is-null, /conf/basic-cql2/boolean"""
    for queryable in [*COLLECTIONS[name].queryables, COLLECTIONS[name].geometry]:
        missing = matched(reader, name, f"{queryable} IS NULL")
        assert missing ^ matched(reader, name, f"{queryable} is not null") == everything
    assert matched(reader, name, "true") == everything
    assert not matched(reader, name, "false")


@pytest.mark.parametrize("name", NAMES)
def test_advanced_comparison_operators(
    reader: TestClient, name: str, everything: frozenset[Any]
) -> None:
    """/conf/advanced-comparison-operators/like, /between, /in"""
    for queryable, _ in queryables(name, "string"):
        there = matched(reader, name, f"{queryable} IS NOT NULL")
        assert matched(reader, name, f"{queryable} LIKE '%'") == there
        assert matched(reader, name, f"{queryable} like '%%'") == there
        empty = matched(reader, name, f"{queryable} like ''")
        assert matched(reader, name, f"{queryable} like '_%'") == there - empty
        assert not matched(reader, name, rf"{queryable} like '\%\_'")
        assert not matched(reader, name, f"{queryable} in ('foo', 'bar')")
    for queryable, _ in queryables(name, "number", "integer"):
        matched(reader, name, f"{queryable} BETWEEN 0 AND 100")
        assert not matched(reader, name, f"{queryable} between 100.0 and 1.0")
        matched(reader, name, f"{queryable} IN (1, 2, 3)")
    for queryable, _ in queryables(name, "boolean"):
        held = matched(reader, name, f"{queryable} in (true)")
        assert held == matched(reader, name, f"{queryable} = true")
    for queryable, _ in queryables(name, "date-time"):
        asked = f"{queryable} in ('2022-04-14T14:52:56Z', '2022-04-14T15:52:56Z')"
        assert not matched(reader, name, asked)


@pytest.mark.parametrize("name", NAMES)
def test_case_insensitive_comparison(reader: TestClient, name: str) -> None:
    """/conf/case-insensitive-comparison/casei, /casei-like"""
    for queryable, _ in queryables(name, "string"):
        equal = matched(reader, name, f"CASEI({queryable}) = casei('foo')")
        assert not equal & matched(reader, name, f"CASEI({queryable}) <> casei('FOO')")
        small = matched(reader, name, f"CASEI({queryable}) LIKE casei('c%')")
        assert small == matched(reader, name, f"CASEI({queryable}) LIKE casei('C%')")


@pytest.mark.parametrize("name", NAMES)
def test_spatial_functions(reader: TestClient, name: str, everything: frozenset[Any]) -> None:
    """/conf/basic-spatial-functions/s_intersects, /conf/spatial-functions/s_intersects to
    s_overlaps"""
    own = COLLECTIONS[name].geometry
    results = {
        (predicate, shape): matched(reader, name, f"{predicate}({own},{shape})")
        for predicate, shapes in SPATIAL.items()
        for shape in shapes
    }
    placed = matched(reader, name, f"{own} IS NOT NULL")
    box = "BBOX(-180,-90,180,90)"
    for predicate in ("S_INTERSECTS", "S_WITHIN"):
        assert results[predicate, box] == results[predicate, WORLD] == placed
    for predicate in ("S_DISJOINT", "S_CONTAINS"):
        assert results[predicate, box] == results[predicate, WORLD] == frozenset()
    for shape in SPATIAL["S_DISJOINT"]:
        disjoint, met = results["S_DISJOINT", shape], results["S_INTERSECTS", shape]
        assert disjoint | met == placed
        assert not disjoint & met
    for predicate in ("S_INTERSECTS", "S_DISJOINT"):
        response = reader.get(
            f"/collections/{name}/items", params={"filter": f"{predicate}({own},POINT(90 180))"}
        )
        assert response.status_code == 400
    assert placed <= everything


@pytest.mark.parametrize("name", NAMES)
def test_temporal_functions(reader: TestClient, name: str) -> None:
    """/conf/temporal-functions/temporal-functions-1 and -2"""
    found = [each for each, _ in queryables(name, "date-time")]
    for queryable in found:
        for literal in ("TIMESTAMP('2022-04-24T07:59:57Z')", YEAR):
            after, before, disjoint, equal, met = (
                matched(reader, name, f"{each}({queryable},{literal})") for each in TEMPORAL
            )
            assert disjoint == after | before
            assert equal <= met
            assert not met & disjoint
    for first, last in itertools.product(found, repeat=2):
        for each in (*TEMPORAL, *INTERVALS):
            matched(reader, name, f"{each}(INTERVAL({first},{last}),{YEAR})")


@pytest.mark.parametrize("name", NAMES)
def test_array_functions(reader: TestClient, name: str) -> None:
    """/conf/array-functions/array-predicates"""
    for queryable, _ in queryables(name, "strings"):
        for each in ("A_CONTAINS", "A_CONTAINEDBY", "A_EQUALS", "A_OVERLAPS"):
            assert not matched(reader, name, f"{each}({queryable},('foo','bar'))")
            matched(reader, name, f"{each}(('police','leader'),{queryable})")


def test_array_functions_have_an_array() -> None:
    assert list(queryables("members", "strings"))


@pytest.mark.parametrize("name", NAMES)
def test_property_property(reader: TestClient, name: str, everything: frozenset[Any]) -> None:
    """/conf/property-property/comparison-value-property to comparison-value-value"""
    for queryable, kind in queryables(name, *SCALARS):
        check_opposites(
            {
                sign: matched(reader, name, f"{VALUES[kind]} {sign} {queryable}")
                for sign in OPERATORS
            }
        )
        there = matched(reader, name, f"{queryable} IS NOT NULL")
        for sign in OPERATORS:
            expected = there if "=" in sign else frozenset()
            assert matched(reader, name, f"{queryable} {sign} {queryable}") == expected
    for sign, value in itertools.product(OPERATORS, VALUES.values()):
        expected = everything if "=" in sign else frozenset()
        assert matched(reader, name, f"{value} {sign} {value}") == expected


@pytest.mark.parametrize("name", NAMES)
def test_arithmetic(reader: TestClient, name: str) -> None:
    """/conf/arithmetic/arithmetic"""
    for queryable, _ in queryables(name, "integer", "number"):
        there = matched(reader, name, f"{queryable} IS NOT NULL")
        assert matched(reader, name, f"{queryable} + 8 - 2*4 = {queryable}") == there
        assert matched(reader, name, f"{queryable} >= {queryable} - 5%2") == there
        assert not matched(reader, name, f"{queryable} > {queryable} + 21 div 10 - 2^0")
        matched(reader, name, f"{queryable} not between 4/4 and (3*(9+1))")


@pytest.mark.parametrize("name", NAMES)
def test_logical(reader: TestClient, name: str, everything: frozenset[Any]) -> None:
    """/conf/*/logical: combinations of predicates, by the truth table of the standard"""
    own = COLLECTIONS[name].geometry
    predicates = [
        f"S_INTERSECTS({own},BBOX(0,0,0.01,0.01))",
        *(f"{queryable} > {VALUES[kind]}" for queryable, kind in queryables(name, *SCALARS)),
        *(f"{queryable} IS NULL" for queryable in COLLECTIONS[name].queryables),
    ]
    held = {each: matched(reader, name, each) for each in predicates}
    failed = {each: matched(reader, name, f"NOT ({each})") for each in predicates}
    combinations = [*itertools.permutations(predicates, 4)]
    for p1, p2, p3, p4 in combinations[:: max(len(combinations) // 10, 1)]:
        asked = f"((NOT ({p1}) AND {p2}) OR ({p3} and NOT {p4}) or not ({p1} AND {p4}))"
        expected = (failed[p1] & held[p2]) | (held[p3] & failed[p4]) | failed[p1] | failed[p4]
        assert matched(reader, name, asked) == expected, asked
        assert not matched(reader, name, f"({asked}) AND NOT ({asked})")
    assert matched(reader, name, "true OR false AND false") == everything


@pytest.mark.parametrize(
    "name", [each.name for each in COLLECTIONS.values() if each.search != each.geometry]
)
def test_computed_geometries_are_compared_as_they_are_published(
    reader: TestClient, name: str
) -> None:
    """What is quicker to look at, the grid around the point, answers for boxes alone."""
    features = reader.get(f"/collections/{name}/items").json()["features"]
    assert features
    for x, y in {tuple(each["geometry"]["coordinates"]) for each in features}:
        around = f"BBOX({x - 1e-6},{y - 1e-6},{x + 1e-6},{y + 1e-6})"
        there = {each["id"] for each in features if each["geometry"]["coordinates"] == [x, y]}
        assert matched(reader, name, f"S_WITHIN(geometry,{around})") == there
        elsewhere = {each["id"] for each in features} - there
        assert matched(reader, name, f"NOT S_INTERSECTS(geometry,{around})") == elsewhere
        assert matched(reader, name, f"S_DISJOINT(geometry,{around})") == elsewhere
        assert matched(reader, name, f"S_CONTAINS({around},geometry)") == there
