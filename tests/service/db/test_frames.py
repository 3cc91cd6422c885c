"""Frames come out of PostGIS as they went in."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, select, text
from sqlalchemy.orm import Session

from service.db.columns import to_arrow, to_pandas
from service.db.csv_columns import Column, parse_csv
from service.db.engine import Database
from service.db.frames import copy_frame, read_arrays, read_frame, read_frames, read_table
from service.divisions.models import Dataset
from service.errors import Conflict, Refused
from service.households.models import Household

#: What breaks CSV: quotes, commas, ends of line, blanks, and text that looks like something else.
AWKWARD = ['a "b", c', "", " ", "NULL", "\\N", "t", "00123", "1e5", "x\ny", "x\r\ny", "\t"]
AWKWARD += ["网格", "😀"]
TEXTS = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=8)


@pytest.fixture
def stage(session: Session) -> Session:
    """A session with a temporary table of every type that is copied."""
    session.execute(
        text(
            "CREATE TEMPORARY TABLE stage (id int8, small int2, whole int4, ratio float8,"
            " flag boolean, words text, roles text[], document jsonb, day date, at timestamptz,"
            " geometry geometry(Geometry, 4326))"
        )
    )
    return session


def everything() -> gpd.GeoDataFrame:
    count = len(AWKWARD)
    shapes = [shapely.Point(1, 2), shapely.box(0, 0, 1, 1), None]
    return gpd.GeoDataFrame(
        {
            "id": np.arange(count) + 2**40,
            "small": np.arange(count, dtype="int16") - 3,
            "whole": [None if number % 3 == 0 else number for number in range(count)],
            "ratio": [0.1 + number if number % 4 else None for number in range(count)],
            "flag": [number % 2 == 0 for number in range(count)],
            "words": [word if number % 5 else None for number, word in enumerate(AWKWARD)],
            "roles": [["doctor", word] for word in AWKWARD],
            "document": [{"key": [1, None, word]} for word in AWKWARD],
            "day": pd.Timestamp("2026-11-23").date(),
            "at": pd.Timestamp("2026-11-23T01:02:03.000004Z"),
        },
        geometry=[shapes[number % 3] for number in range(count)],
        crs=4326,
    )


def test_every_type_survives_the_round_trip(stage: Session) -> None:
    given_frame = everything()
    assert copy_frame(stage, given_frame, "stage") == len(given_frame)
    found = read_frame(stage, text("SELECT * FROM stage ORDER BY id"))
    assert found.crs == "EPSG:4326"
    assert found["id"].tolist() == given_frame["id"].tolist()
    assert found["small"].tolist() == given_frame["small"].tolist()
    for column in ("whole", "ratio"):
        np.testing.assert_array_equal(
            found[column].astype(float), given_frame[column].astype(float)
        )
    assert found["flag"].tolist() == given_frame["flag"].tolist()
    missing = given_frame["words"].isna()
    assert found["words"].isna().tolist() == missing.tolist()
    assert found["words"][~missing].tolist() == given_frame["words"][~missing].tolist()
    assert found["roles"].tolist() == given_frame["roles"].tolist()
    assert found["document"].tolist() == given_frame["document"].tolist()
    assert found["at"].tolist() == given_frame["at"].tolist()
    assert found["day"].dt.date.tolist() == given_frame["day"].tolist()
    for here, there in zip(found.geometry, given_frame.geometry, strict=True):
        assert here is there is None or shapely.equals_exact(here, there)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.none() | TEXTS, st.none() | st.integers(-(2**31), 2**31 - 1)), max_size=6)
)
def test_csv_as_postgresql_writes_it_is_read_back(
    rows: list[tuple[str | None, int | None]],
) -> None:
    """The server quotes an empty text and leaves a null blank."""

    def written(value: str | int | None) -> str:
        if value is None:
            return ""
        return str(value) if isinstance(value, int) else '"' + value.replace('"', '""') + '"'

    body = "".join(f"{written(word)},{written(number)}\n" for word, number in rows)
    columns = [Column("word", "text", is_array=False), Column("number", "int4", is_array=False)]
    table = parse_csv(body.encode(), columns, None)
    assert table.column(0).to_pylist() == [word for word, _ in rows]
    assert table.column(1).to_pylist() == [number for _, number in rows]
    assert len(to_pandas(table.column(0), columns[0], None)) == len(rows)


def test_a_single_column_of_nulls_keeps_its_rows(session: Session) -> None:
    query = text("SELECT CAST(NULL AS text) AS a FROM generate_series(1, 3)")
    assert len(read_table(session, query)) == 3


def test_points_keep_every_bit(session: Session) -> None:
    rng = np.random.default_rng(1)
    lon, lat = rng.uniform(-180, 180, 500), rng.uniform(-90, 90, 500)
    session.execute(insert(Dataset).values(id=1, name="x"))
    frame = gpd.GeoDataFrame(
        {"reference": [f"H{n}" for n in range(500)], "dataset_id": 1},
        geometry=gpd.points_from_xy(lon, lat),
        crs=4326,
    )
    copy_frame(session, frame, "household")
    query = text("SELECT id, ST_X(geometry) AS x, ST_Y(geometry) AS y, households FROM household")
    arrays = read_arrays(session, query)
    assert list(arrays) == ["id", "x", "y", "households"]
    np.testing.assert_array_equal(arrays["x"], lon)
    np.testing.assert_array_equal(arrays["y"], lat)
    assert arrays["households"].dtype == np.int32
    assert (arrays["households"] == 1).all()
    orm = select(Household.reference, Household.geometry).order_by(Household.id)
    found = read_frame(session, orm)
    assert found.geometry.x.tolist() == lon.tolist()
    assert found["reference"].tolist() == frame["reference"].tolist()


def test_heights_are_dropped(stage: Session) -> None:
    frame = gpd.GeoDataFrame(
        {"id": [1, 2]},
        geometry=[shapely.Point(1, 2, 3), shapely.LineString([(0, 0, 1), (1, 1, 1)])],
    )
    copy_frame(stage, frame, "stage")
    found = read_frame(stage, text("SELECT geometry FROM stage ORDER BY id"))
    assert found.geometry.to_wkt().tolist() == ["POINT (1 2)", "LINESTRING (0 0, 1 1)"]


def test_nothing_is_a_frame_with_columns(stage: Session) -> None:
    assert copy_frame(stage, everything().iloc[:0], "stage") == 0
    found = read_frame(stage, text("SELECT id, words, geometry FROM stage"))
    assert list(found.columns) == ["id", "words", "geometry"]
    assert len(found) == 0
    assert found.crs == "EPSG:4326"
    assert len(read_arrays(stage, text("SELECT id FROM stage"))["id"]) == 0


def test_frames_come_in_pieces(stage: Session) -> None:
    copy_frame(stage, everything(), "stage")
    query = text("SELECT id, geometry FROM stage WHERE id >= :least ORDER BY id")
    pieces = list(read_frames(stage, query, {"least": 0}, rows=5))
    assert [len(piece) for piece in pieces] == [5, 5, 3]
    whole = pd.concat(pieces)["id"].tolist()
    assert whole == read_frame(stage, query, {"least": 0})["id"].tolist()
    assert [len(piece) for piece in read_frames(stage, query, {"least": 2**50})] == [0]


def test_a_reader_may_stop_half_way(stage: Session) -> None:
    copy_frame(stage, everything(), "stage")
    pieces = read_frames(stage, text("SELECT id, geometry FROM stage"), rows=2)
    assert len(next(pieces)) == 2
    pieces.close()
    stage.rollback()
    assert stage.scalar(text("SELECT 1")) == 1


def test_values_are_bound_whatever_they_hold(session: Session) -> None:
    awkward = "'; DROP TABLE household; -- %s %(x)s :x"
    query = "SELECT CAST(:a AS text) AS a, 'it''s 100 %' AS b WHERE 'x' = ANY(CAST(:c AS text[]))"
    found = read_table(session, text(query), {"a": awkward, "c": ["x", "y"]})
    assert found["a"].tolist() == [awkward]
    assert found["b"].tolist() == ["it's 100 %"]


def test_arrays_refuse_what_is_not_a_number(session: Session) -> None:
    with pytest.raises(ValueError, match="words is not a number"):
        read_arrays(session, text("SELECT 'a' AS words"))
    with pytest.raises(ValueError, match="a null"):
        read_arrays(session, text("SELECT CAST(NULL AS int) AS n"))
    with pytest.raises(ValueError, match="a null"):
        read_arrays(
            session,
            text("SELECT CAST(NULL AS float8) AS n, 1 AS m FROM generate_series(1, 2)"),
        )


def test_another_crs_is_refused(stage: Session) -> None:
    with pytest.raises(ValueError, match="EPSG:3857"):
        copy_frame(stage, everything().to_crs(3857), "stage")


@pytest.mark.parametrize(
    ("values", "kind"),
    [([2**31], "int4"), ([1.5], "int4"), (["x"], "float8"), ([1], "text"), ([["a"]], "text")],
)
def test_a_value_that_does_not_fit_is_named(values: list[object], kind: str) -> None:
    with pytest.raises(ValueError, match="column number"):
        to_arrow(pd.Series(values, dtype=object), Column("number", kind, is_array=False))


def test_a_rule_of_the_table_speaks_through_copy(database: Database) -> None:
    with database.session() as session:
        session.execute(insert(Dataset).values(id=1, name="x"))
    frame = gpd.GeoDataFrame(
        {"reference": ["H1", "H1"], "dataset_id": 1}, geometry=gpd.points_from_xy([0, 1], [0, 1])
    )
    with pytest.raises(Conflict, match="H1"), database.session() as session:
        copy_frame(session, frame, "household")
    frame["households"] = 0
    with pytest.raises(Refused, match="ck_household_households"), database.session() as session:
        copy_frame(session, frame, "household")
    with database.session() as session:
        assert session.scalar(text("SELECT count(*) FROM household")) == 0
