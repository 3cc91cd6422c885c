"""Selections are read strictly and never fail in another way than by InvalidParameter."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from starlette.datastructures import QueryParams

from service.catalogue.published import COLLECTIONS
from service.catalogue.selection import PARAMETERS, Selection, parse_bbox, parse_datetime
from service.errors import InvalidParameter
from service.ogc.paging import Position, parse_sortby
from service.ogc.parameters import Limits, negotiate, parse_limit, parse_offset

LIMITS = Limits(default=10, maximum=100)
longitudes = st.floats(-180, 180)
latitudes = st.floats(-90, 90)


@given(longitudes, latitudes, longitudes, latitudes)
def test_a_box_is_one_or_two_boxes_on_the_globe(
    west: float, south: float, east: float, north: float
) -> None:
    text = f"{west!r},{south!r},{east!r},{north!r}"
    if south > north:
        with pytest.raises(InvalidParameter):
            parse_bbox(text)
        return
    boxes = parse_bbox(text)
    if west <= east:
        assert boxes == ((west, south, east, north),)
    else:
        assert boxes == ((west, south, 180.0, north), (-180.0, south, east, north))


@given(st.lists(st.floats(-1e6, 1e6), min_size=6, max_size=6))
def test_heights_do_not_matter(numbers: list[float]) -> None:
    west, south, low, east, north, high = numbers
    flat, tall = f"{west!r},{south!r},{east!r},{north!r}", ",".join(map(repr, numbers))
    try:
        expected = parse_bbox(flat)
    except InvalidParameter:
        with pytest.raises(InvalidParameter):
            parse_bbox(tall)
        return
    if low > high:
        with pytest.raises(InvalidParameter):
            parse_bbox(tall)
    else:
        assert parse_bbox(tall) == expected


@given(st.text(max_size=40) | st.text("0123456789.,-+eE ", max_size=40))
@example("1,2,3,4")
@example("1_0,2,3,4")
@example("١,2,3,4")
@example("nan,nan,nan,nan")
@example("1e999,0,1,1")
def test_any_text_is_a_box_or_refused(text: str) -> None:
    try:
        boxes = parse_bbox(text)
    except InvalidParameter:
        return
    assert 1 <= len(boxes) <= 2
    assert text.count(",") in (3, 5)
    assert "_" not in text


@given(st.text(max_size=25) | st.integers().map(str))
@example("10")
@example("٣")
def test_any_text_is_a_limit_or_refused(text: str) -> None:
    try:
        limit = parse_limit(text, LIMITS)
    except InvalidParameter:
        return
    assert limit == min(int(text), 100)
    assert limit >= 1
    assert text.isascii()


@given(st.integers(-(10**30), 10**30))
def test_offsets(number: int) -> None:
    if 0 <= number < 2**63:
        assert parse_offset(str(number)) == number
    else:
        with pytest.raises(InvalidParameter):
            parse_offset(str(number))


@given(st.text(max_size=40) | st.text("0123456789-:TZ./+ ", max_size=40))
@example("2026-01-01")
@example("9999-12-31T23:59:59-12:00")
@example("0001-01-01T00:00:00+12:00")
@example("2026-01-01T24:00:00Z")
@example("/")
def test_any_text_is_a_time_or_refused(text: str) -> None:
    try:
        interval = parse_datetime(text)
    except InvalidParameter:
        return
    assert interval is not None
    start, end = interval
    if start is not None and end is not None:
        assert start <= end


def test_a_day_is_whole() -> None:
    assert parse_datetime("2026-02-28") == (
        datetime(2026, 2, 28, tzinfo=UTC),
        datetime(2026, 2, 28, 23, 59, 59, 999999, tzinfo=UTC),
    )
    assert parse_datetime("2026-02-28T08:00:00+08:00/..") == (
        datetime(2026, 2, 28, tzinfo=UTC),
        None,
    )


@given(
    st.none() | st.integers(0, 2**62),
    st.text(st.characters(exclude_characters="\x00", exclude_categories=("Cs",)), max_size=40),
    st.text("abc_", max_size=10),
    st.none() | st.datetimes(timezones=st.just(UTC)),
)
def test_a_token_leads_back(
    matched: int | None, code: str, role: str, since: datetime | None
) -> None:
    vacancies, posts = COLLECTIONS["vacancies"], COLLECTIONS["posts"]
    position = Position((code, role), matched)
    token = position.token()
    assert Position.parse(token, collection=vacancies) == position
    assert token.replace("-", "").replace("_", "").isalnum()
    for other in (posts, COLLECTIONS["grids"]):
        with pytest.raises(InvalidParameter):
            Position.parse(token, collection=other)
    orders = parse_sortby(posts, "-valid_from,role")
    position = Position((since, role, 7), matched)
    token = position.token(orders)
    assert Position.parse(token, collection=posts, orders=orders) == position
    with pytest.raises(InvalidParameter):
        Position.parse(token, collection=posts, orders=parse_sortby(posts, "valid_from,role"))


@given(st.text(max_size=60) | st.binary(max_size=60).map(lambda raw: raw.decode("latin-1")))
@example("W3RydWUsIiIsMV0")  # [true,"",1]
@example("Wy0xLCIiLDFd")  # [-1,"",1]
@example("WzEsIiIsMWUxMF0")  # [1,"",1e10]
@example("WzEsIiIsbnVsbF0")  # [1,"",null]
@example("W" * 6000)
def test_any_text_is_a_token_or_refused(text: str) -> None:
    try:
        position = Position.parse(text, collection=COLLECTIONS["posts"])
    except InvalidParameter:
        return
    assert type(position.values[0]) is int


@pytest.mark.parametrize(
    ("text", "orders"),
    [
        ("grid_code", [("grid_code", False)]),
        ("+grid_code,-vacancies", [("grid_code", False), ("vacancies", True)]),
        (" grid_code", [("grid_code", False)]),
    ],
)
def test_an_order_is_read(text: str, orders: list[tuple[str, bool]]) -> None:
    assert list(parse_sortby(COLLECTIONS["grids"], text)) == orders


@pytest.mark.parametrize("text", ["", "-", "nothing", "kind,kind", "kind,", "geometry", "a" * 90])
def test_an_order_of_what_is_no_sortable_is_refused(text: str) -> None:
    with pytest.raises(InvalidParameter):
        parse_sortby(COLLECTIONS["grids"], text)


@given(st.dictionaries(st.text(max_size=10), st.text(max_size=20), max_size=3))
def test_unknown_names_are_refused(parameters: dict[str, str]) -> None:
    collection = COLLECTIONS["grids"]
    unknown = set(parameters) - {*PARAMETERS, *collection.filters}
    if not unknown:
        return
    with pytest.raises(InvalidParameter) as refused:
        Selection.parse(collection, QueryParams(parameters), known=())
    assert refused.value.name in unknown


@given(st.text(max_size=60))
def test_any_accept_header_is_answered(accept: str) -> None:
    assert negotiate(QueryParams(""), accept) in ("json", "html")


def test_declarations_are_sound() -> None:
    reserved = {"f", "limit", "offset", "token", "sortby", "crs", *PARAMETERS}
    for name, collection in COLLECTIONS.items():
        assert collection.name == name
        names = [each.name for each in collection.properties]
        assert len(set(names)) == len(names)
        assert not reserved & set(names)
        for column in (*collection.key, *names, collection.geometry, collection.search):
            assert column in collection.source.c
        if collection.light is not None:
            light = set(collection.light.c.keys())
            assert {collection.search, *collection.key} <= light
            # a stand-in of that name would be compared for what is published
            assert (collection.geometry in light) == (collection.search == collection.geometry)
