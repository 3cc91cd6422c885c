"""What is near and within, held against a search through everything on the ellipsoid.

The places lie where degrees mislead: on both sides of the antimeridian, near the poles, far north.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

import pytest
import shapely
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from pyproj import Geod
from shapely.affinity import translate
from sqlalchemy import URL, Select, insert, select, text
from sqlalchemy.orm import Session

from service.db.engine import Database
from service.db.spatial import nearest, point
from service.divisions.models import Dataset
from service.households.models import Household
from service.places.models import Facility
from service.settings import Settings
from service.spatial.areas import Circle, parse_area, what_lies_within
from service.spatial.queries import list_nearest_facilities
from service.teams.models import Member
from service.teams.queries import list_nearest_members

GEOD = Geod(ellps="WGS84")
MIDDLES = [
    (180.0, -17.0),
    (-179.999, 65.0),
    (179.999, 0.0),
    (119.3, 31.2),
    (0.0, 0.0),
    (30.0, 89.9),
    (-120.0, -89.5),
    (0.0, 90.0),
]
Place = tuple[float, float]
UNITS = st.floats(-1, 1, allow_subnormal=False)
FEW = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module")
def empty(cluster: Any, database_template: URL, tmp_path_factory: Any) -> Iterator[Session]:
    """A session on a database with one data set and nothing in it; tests undo what they add."""
    url = cluster.create(database_template.database)
    made = Settings(database_url=url, home=tmp_path_factory.mktemp("home"))
    with Database(made) as database, Session(database.engine) as session:
        session.add(Dataset(id=1, name="Nowhere"))
        session.commit()
        yield session
        session.rollback()
    cluster.drop(url)


@pytest.fixture
def session(empty: Session) -> Iterator[Session]:
    yield empty
    empty.rollback()


def wrapped(lon: float) -> float:
    return lon if -180 <= lon <= 180 else (lon + 180) % 360 - 180


@st.composite
def crowds(draw: st.DrawFn) -> tuple[Place, list[Place]]:
    """A place, and some around it, a few metres or some hundred kilometres away."""
    lon, lat = draw(st.sampled_from(MIDDLES))
    spread = draw(st.sampled_from([0.0005, 0.05, 3.0]))
    wide = spread / max(math.cos(math.radians(lat)), 0.01)
    drawn = draw(st.lists(st.tuples(UNITS, UNITS), min_size=1, max_size=12))
    places = [(wrapped(lon + wide * x), max(-90.0, min(90.0, lat + spread * y))) for x, y in drawn]
    return (lon, lat), places


def metres(place: Place, places: list[Place]) -> list[float]:
    return [GEOD.inv(*place, *each)[2] for each in places]


def add(session: Session, model: type[Any], places: list[Place], **values: Any) -> None:
    rows = [
        {"dataset_id": 1, "reference": f"N{n}", "geometry": f"SRID=4326;POINT({x!r} {y!r})"}
        for n, (x, y) in enumerate(places)
    ]
    session.execute(insert(model), [{**row, **values} for row in rows])


@FEW
@given(crowd=crowds(), limit=st.integers(1, 6))
def test_the_nearest_are_the_nearest_of_all(
    session: Session, crowd: tuple[Place, list[Place]], limit: int
) -> None:
    (lon, lat), places = crowd
    told = sorted(metres((lon, lat), places))[:limit]
    with session.begin_nested() as undone:
        add(session, Member, places, roles=["guide"])
        add(session, Facility, places, kind="clinic")
        members = list_nearest_members(session, lon=lon, lat=lat, role="guide", limit=limit)
        clinics = list_nearest_facilities(session, lon=lon, lat=lat, kind="clinic", limit=limit)
        undone.rollback()
    for found in (members, clinics):
        assert [each.distance_m for each in found.rows] == pytest.approx(told, abs=1e-4)
        assert found.matched == len(places)


@FEW
@given(crowd=crowds(), share=st.floats(0.01, 1.5))
def test_within_a_radius_is_what_is_no_farther(
    session: Session, crowd: tuple[Place, list[Place]], share: float
) -> None:
    (lon, lat), places = crowd
    away = metres((lon, lat), places)
    radius = min(max(away) * share, 100_000.0)
    assume(radius > 0 and all(abs(each - radius) > 1e-3 for each in away))
    expected = sum(each < radius for each in away)
    with session.begin_nested() as undone:
        add(session, Household, places)
        add(session, Member, places, roles=["guide"])
        found = what_lies_within(session, area=Circle(lon, lat, radius), limit=3)
        undone.rollback()
    assert found["counts"] == {
        "records": expected, "households": expected, "members": expected,
        "facilities": 0, "grids": 0,
    }  # fmt: skip
    listed = min(expected, 3)
    assert found["numberReturned"] == {"records": listed, "members": listed, "facilities": 0}
    assert len(found["households"]) == len(found["members"]) == listed


@FEW
@given(
    west=st.sampled_from([179.0, 179.5, 180.0, 178.0]),
    corners=st.lists(st.tuples(UNITS, UNITS), min_size=3, max_size=6),
    drawn=st.lists(st.tuples(UNITS, UNITS), min_size=1, max_size=12),
)
def test_within_a_polygon_cut_at_the_antimeridian(
    session: Session, west: float, corners: list[Place], drawn: list[Place]
) -> None:
    """The same as in one piece on a plane that goes on beyond 180 degrees."""
    whole = shapely.MultiPoint([(west + 1 + x, -17 + y) for x, y in corners]).convex_hull
    places = [(west + 1 + x, -17 + y) for x, y in drawn]
    assume(whole.area > 1e-6)
    assume(all(whole.boundary.distance(shapely.Point(each)) > 1e-9 for each in places))
    sides = (shapely.box(-180, -90, 180, 90), shapely.box(180, -90, 540, 90))
    parts = [
        translate(whole.intersection(side), -360 * n)
        for n, side in enumerate(sides)
        if whole.intersection(side).area
    ]
    area = json.loads(json.dumps(shapely.geometry.mapping(shapely.MultiPolygon(parts))))
    with session.begin_nested() as undone:
        add(session, Household, [(wrapped(x), y) for x, y in places])
        found = what_lies_within(session, area=parse_area(area), limit=0)
        undone.rollback()
    assert found["counts"]["records"] == sum(whole.covers(shapely.Point(each)) for each in places)
    fine = whole.segmentize(0.001)
    square_metres = abs(GEOD.geometry_area_perimeter(fine)[0])
    assert found["area_m2"] == pytest.approx(square_metres, rel=1e-5, abs=10)


def test_the_antimeridian_is_one_line_with_two_numbers(session: Session) -> None:
    add(session, Facility, [(180.0, -17.0), (-180.0, -17.5)])
    for west, east in ((179.0, 180.0), (-180.0, -179.0)):
        ring = [[west, -18], [east, -18], [east, -16], [west, -16], [west, -18]]
        area = parse_area({"type": "Polygon", "coordinates": [ring]})
        assert what_lies_within(session, area=area, limit=0)["counts"]["facilities"] == 2


def plan_of(session: Session, statement: Select[Any]) -> str:
    written = statement.compile(dialect=session.get_bind().dialect)
    rows = session.connection().exec_driver_sql(f"EXPLAIN {written}", written.params)
    return "\n".join(line for (line,) in rows)


@pytest.mark.parametrize(("lon", "lat"), [(119.31, 31.2), (179.9999, -17.0), (-179.9999, 60.0)])
def test_what_is_near_is_found_by_an_index(session: Session, lon: float, lat: float) -> None:
    for table, more in (("member", ", roles"), ("household", "")):
        session.execute(
            text(
                f"INSERT INTO {table} (dataset_id, reference, geometry{more})"  # noqa: S608
                " SELECT 1, n, ST_SetSRID(ST_MakePoint(n % 360 - 180, n / 360 / 3.0 - 60), 4326)"
                f"{', ARRAY[:role]' if more else ''} FROM generate_series(1, 100000) AS n"
            ),
            {"role": "guide"} if more else {},
        )
        session.execute(text(f"ANALYZE {table}"))
    rows = select(Member.id).where(Member.geometry.is_not(None))
    found = plan_of(session, nearest(rows, Member.geometry, point(lon, lat), limit=5))
    assert found.count("Index Scan using ix_member_geometry") == 2, found
    assert found.count("Bitmap Index Scan on ix_member_geometry") == 2, found
    assert "Seq Scan" not in found
    within = select(Household.id).where(Circle(lon, lat, 500.0).holds(Household.geometry))
    found = plan_of(session, within)
    assert found.count("ix_household_geometry") == (2 if abs(lon) > 179 else 1), found
    assert "Seq Scan" not in found
