"""Loading: what is written, what is refused, what a second time changes."""

from __future__ import annotations

import csv
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from geodata.datum import from_wgs84
from geodata.errors import GridwardError, InputError, ManifestError
from geodata.read import batches
from service.db.engine import Database
from service.errors import Conflict
from service.flows.assign import assign
from service.flows.delineate import delineate
from service.flows.load import LoadReport, load_dataset

TABLES = (
    "dataset",
    "division",
    "barrier",
    "facility",
    "household",
    "member",
    "team_requirement",
    "import_batch",
    "import_reject",
)


def load(database: Database, manifest: Path, **options: Any) -> LoadReport:
    return load_dataset(database.session, manifest, **options)


def contents(database: Database) -> dict[str, list[Any]]:
    """Every row of every table that loading writes, as PostgreSQL prints it."""
    with database.session() as session:
        return {
            table: list(session.scalars(text(f"SELECT t::text FROM {table} t ORDER BY 1")))  # noqa: S608
            for table in TABLES
        }


def scalar(database: Database, statement: str, **values: Any) -> Any:
    with database.session() as session:
        return session.execute(text(statement), values).scalar()


def test_everything_arrives(database: Database, smallton: Any) -> None:
    report = load(database, smallton.manifest)

    assert report.dataset == "Smallton"
    assert report.divisions == 2
    assert report.households == {"records": 800, "households": 800, "rejected": 0}
    assert report.members == 16
    assert report.warnings == ()
    assert [file.state for file in report.files] == ["loaded"] * 3
    assert scalar(database, "SELECT name FROM division WHERE code = '102'") == "河东社区"
    assert scalar(database, "SELECT target FROM dataset") == 100
    assert scalar(database, "SELECT sum(posts) FROM team_requirement") == 2
    assert scalar(database, "SELECT max_posts FROM member WHERE reference = 'M03'") == 2
    assert (
        scalar(database, "SELECT ST_AsText(geometry) FROM household WHERE reference = 'H0000'")
        == "POINT(0.00025 50.0002)"
    )


def test_the_size_of_a_batch_changes_nothing(
    database: Database, smallton: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = smallton.members
    rows += [dict(rows[0]), dict(rows[9]), {**rows[1], "id": "M77", "lon": "", "lat": ""}]
    rows += [{**rows[2], "id": "M78", "roles": "stranger"}, {**rows[3], "id": "M79", "lon": "x"}]
    smallton.write()
    load(database, smallton.manifest)
    whole = {name: contents(database)[name] for name in ("member", "import_reject")}
    said = load(database, smallton.manifest).warnings
    assert scalar(database, "SELECT count(*) FROM import_reject") == 3

    with database.session() as session:
        session.execute(text("TRUNCATE dataset, division RESTART IDENTITY CASCADE"))
    small = partial(batches, rows=5)
    monkeypatch.setattr("service.flows.sources.batches", small)
    report = load(database, smallton.manifest)

    assert {name: contents(database)[name] for name in whole} == whole
    assert report.warnings == said
    assert report.members == 18


RULES = """
    SELECT conname AS name, pg_get_constraintdef(oid) AS rule
    FROM pg_constraint WHERE conrelid = 'household'::regclass
    UNION ALL
    SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'household'
    ORDER BY name, rule
"""


def test_the_first_load_leaves_every_rule_in_place(database: Database, smallton: Any) -> None:
    with database.session() as session:
        before = session.execute(text(RULES)).all()
    load(database, smallton.manifest)
    with database.session() as session:
        assert session.execute(text(RULES)).all() == before
    assert len(before) >= 10


def test_the_same_files_again_change_nothing(database: Database, smallton: Any) -> None:
    first = load(database, smallton.manifest)
    before = contents(database)
    second = load(database, smallton.manifest)

    assert contents(database) == before
    assert [file.state for file in second.files] == ["unchanged"] * 3
    assert second.households == first.households


def test_a_changed_file_updates_by_reference(database: Database, smallton: Any) -> None:
    load(database, smallton.manifest)
    with database.session() as session:
        delineate(session)
        assign(session)
    kept = scalar(database, "SELECT id FROM household WHERE reference = 'H0001'")
    smallton.households[1]["address"] = "9 Oak Lane"
    smallton.households[2]["lon"], smallton.households[2]["lat"] = "0.030000", "50.009000"
    smallton.households[3]["id"] = "NEW1"
    smallton.write()

    report = load(database, smallton.manifest)

    states = {file.source: file.state for file in report.files}
    assert states == {"divisions": "unchanged", "households": "loaded", "members": "unchanged"}
    assert scalar(database, "SELECT id FROM household WHERE address = '9 Oak Lane'") == kept
    assert scalar(database, "SELECT count(*) FROM household WHERE reference = 'NEW1'") == 1
    # only the changed and the new row carry the new batch
    batch = next(file.batch for file in report.files if file.source == "households")
    changed = scalar(database, "SELECT count(*) FROM household WHERE batch_id = :b", b=batch)
    assert changed == 3
    # the moved household waits for its new grid, and its old one is history
    waiting = scalar(
        database, "SELECT string_agg(reference, ',' ORDER BY reference) FROM household_exception"
    )
    assert waiting == "H0002,NEW1"
    assert scalar(database, "SELECT count(*) FROM assignment_history") == 1
    # H0003 is no longer in the file: kept, and said
    assert scalar(database, "SELECT count(*) FROM household WHERE reference = 'H0003'") == 1
    assert any("1 households of before" in warning for warning in report.warnings)


def test_prune_removes_what_the_file_no_longer_holds(database: Database, smallton: Any) -> None:
    load(database, smallton.manifest)
    del smallton.households[10:]
    del smallton.members[1:]
    smallton.write()

    report = load(database, smallton.manifest, prune=True)

    assert report.households["records"] == 10
    assert report.members == 1
    assert report.warnings == ()


def test_a_mapping_that_changes_reads_the_same_file_again(
    database: Database, smallton: Any
) -> None:
    load(database, smallton.manifest)
    manifest = smallton.manifest.read_text("utf-8")
    smallton.manifest.write_text(manifest.replace('address = "address"\n', ""), "utf-8")

    report = load(database, smallton.manifest)

    assert [file.state for file in report.files] == ["unchanged", "loaded", "unchanged"]
    assert scalar(database, "SELECT count(address) FROM household") == 0


def test_bad_rows_are_rejected_and_good_rows_load(
    database: Database, smallton: Any, tmp_path: Path
) -> None:
    smallton.households[4]["lon"] = "far away"
    smallton.households[5]["count"] = "0"
    smallton.households[6]["id"] = "H0000"
    smallton.households[7]["id"] = ""
    smallton.write()

    report = load(database, smallton.manifest, rejects=tmp_path / "rejects.csv")

    assert report.households == {"records": 796, "households": 796, "rejected": 4}
    with (tmp_path / "rejects.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["row"], row["field"]) for row in rows] == [
        ("5", "lon"),
        ("6", "count"),
        ("7", "id"),
        ("8", "id"),
    ]
    assert "far away" in rows[0]["reason"]
    assert "row 1" in rows[2]["reason"]
    assert '"H0000"' in rows[2]["raw"]
    assert scalar(database, "SELECT count(*) FROM import_reject WHERE raw IS NOT NULL") == 4
    # and once more from the ledger of imports
    again = load(database, smallton.manifest, rejects=tmp_path / "again.csv")
    assert again.households["rejected"] == 4
    assert (tmp_path / "again.csv").read_bytes() == (tmp_path / "rejects.csv").read_bytes()


def test_a_takeover_is_refused(database: Database, smallton: Any) -> None:
    load(database, smallton.manifest)
    before = contents(database)
    smallton.name = "Otherville"
    smallton.write()

    with pytest.raises(Conflict, match=r"'101' belongs to the data set 'Smallton'.*prefix"):
        load(database, smallton.manifest)
    assert contents(database) == before

    smallton.prefix = "x-"
    smallton.write()
    assert load(database, smallton.manifest).divisions == 2
    assert scalar(database, "SELECT count(*) FROM division WHERE code LIKE 'x-10_'") == 2


def test_two_data_sets_may_use_the_same_references(database: Database, smallton: Any) -> None:
    load(database, smallton.manifest)
    smallton.name, smallton.prefix = "Otherville", "x-"
    smallton.write()
    load(database, smallton.manifest)

    assert scalar(database, "SELECT count(*) FROM household") == 1600


def test_a_first_load_wipes_nobody_elses_rows(database: Database, smallton: Any) -> None:
    """The table is empty when the load looks, and no longer when it holds it."""
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'household'::regclass"
    with ThreadPoolExecutor(1) as other:
        with database.session() as session:
            session.execute(text("INSERT INTO dataset (name) VALUES ('Elsewhere')"))
            session.execute(
                text(
                    "INSERT INTO household (dataset_id, reference, geometry) "
                    "SELECT id, 'theirs', ST_SetSRID(ST_MakePoint(1, 1), 4326) FROM dataset"
                )
            )
            loading = other.submit(load, database, smallton.manifest)
            deadline = time.monotonic() + 30
            while not session.execute(text(waiting)).scalar() and time.monotonic() < deadline:
                time.sleep(0.05)
        assert loading.result(timeout=60).households["records"] == 800
    assert scalar(database, "SELECT count(*) FROM household") == 801
    assert scalar(database, "SELECT count(*) FROM household WHERE reference = 'theirs'") == 1


def test_a_better_datum_is_named(database: Database, smallton: Any) -> None:
    """Households in GCJ-02, some 500 m off, that the manifest declares as WGS84."""
    smallton.west, smallton.south = 120.0, 30.0
    for row in smallton.households:
        lon, lat = from_wgs84([float(row["lon"]) + 120.0], [float(row["lat"]) - 20.0], "gcj02")
        row["lon"], row["lat"] = f"{lon[0]:.7f}", f"{lat[0]:.7f}"
    smallton.write()

    report = load(database, smallton.manifest)

    assert any('crs = "gcj02"' in warning for warning in report.warnings), report.warnings


def test_barriers_are_replaced_together(database: Database, smallton: Any) -> None:
    road = smallton.folder / "roads.geojson"
    rail = smallton.folder / "rail.geojson"
    _write_lines(road, 3)
    _write_lines(rail, 2)
    smallton.extra = "\n".join(f'[[barriers]]\nfile = "{path.name}"\n' for path in (road, rail))
    smallton.write()
    assert load(database, smallton.manifest).barriers == 5
    before = contents(database)
    assert load(database, smallton.manifest).barriers == 5
    assert contents(database) == before

    _write_lines(rail, 4)
    assert load(database, smallton.manifest).barriers == 7

    smallton.extra = '[[barriers]]\nfile = "roads.geojson"\n'
    smallton.write()
    assert load(database, smallton.manifest).barriers == 3
    smallton.extra = ""
    smallton.write()
    assert load(database, smallton.manifest).barriers == 0


def _write_lines(path: Path, count: int) -> None:
    lines = ",".join(
        f'{{"type": "Feature", "properties": {{}}, "geometry": {{"type": "LineString", '
        f'"coordinates": [[0.001, 50.00{number}], [0.02, 50.00{number}]]}}}}'
        for number in range(1, count + 1)
    )
    path.write_text(f'{{"type": "FeatureCollection", "features": [{lines}]}}', "utf-8")


def test_a_wrong_file_leaves_the_database_as_it_was(database: Database, smallton: Any) -> None:
    load(database, smallton.manifest)
    before = contents(database)
    manifest = smallton.manifest.read_text("utf-8")
    wrong = {
        "an unknown key": (manifest + "\n[grids]\n", ManifestError),
        "a missing file": (manifest.replace("members.csv", "nobody.csv"), ManifestError),
        "a missing column": (manifest.replace('lon = "lon"', 'lon = "east"'), InputError),
    }
    for what, (content, kind) in wrong.items():
        # what comes first in the order of loading changed as well, and must not be written
        smallton.manifest.write_text(content.replace('name = "name"', "", 1), "utf-8")
        with pytest.raises(kind):
            load(database, smallton.manifest)
        assert contents(database) == before, what


def test_nothing_remains_where_no_community_is_left(database: Database, smallton: Any) -> None:
    smallton.communities = {"": "nameless", " ": "as well"}
    smallton.write()

    with pytest.raises(InputError, match="none of its 2 rows is a community"):
        load(database, smallton.manifest)
    assert all(rows == [] for rows in contents(database).values())


@pytest.mark.parametrize(
    ("name", "mapping", "expected"),
    [
        (
            "tainan_units_10512_BIG5_two_header_rows.csv",
            'id = "CODEBASE"\nheader_rows = 2',
            "no geometry",
        ),
        ("geojson_in_javascript.js", 'id = "id"', "not"),
        ("nodes_only_no_ways.osm.pbf", 'id = "osm_id"\nlayer = "roads"', "no layer"),
    ],
)
def test_a_file_that_cannot_be_read_says_so(
    name: str, mapping: str, expected: str, database: Database, smallton: Any, shared_data: Path
) -> None:
    manifest = _with_households(smallton, shared_data / "quirks" / name, mapping)
    with pytest.raises(GridwardError, match=expected) as caught:
        load(database, manifest)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)
    assert all(rows == [] for rows in contents(database).values())


def test_a_layer_without_rows_is_told(database: Database, smallton: Any, shared_data: Path) -> None:
    name = "nodes_only_no_ways.osm.pbf"
    manifest = _with_households(
        smallton, shared_data / "quirks" / name, 'id = "osm_id"\nlayer = "lines"'
    )
    report = load(database, manifest)
    assert f"{name}:lines: none of its 0 rows could be loaded" in report.warnings


def test_gb18030_and_chinese_headers(database: Database, smallton: Any, shared_data: Path) -> None:
    manifest = _with_households(
        smallton,
        shared_data / "cambridge/households_first6000_gb18030.csv",
        'id = "户编号"\naddress = "详细地址"\nlon = "经度"\nlat = "纬度"',
    )
    report = load(database, manifest)
    assert report.households == {"records": 6000, "households": 6000, "rejected": 0}
    first = "SELECT address FROM household WHERE reference = 'CAM000001-001'"
    assert scalar(database, first) == "106-108 SECOND ST"


def test_both_tokyo_datums_come_to_the_same_place(
    database: Database, smallton: Any, shared_data: Path
) -> None:
    """The same shops in two datums, 450 m apart if the datum were ignored."""
    places = []
    for name in ("tokyo_shops_jgd2000", "tokyo_shops_tokyo"):
        for part in (shared_data / "quirks").glob(f"{name}.*"):
            shutil.copy(part, smallton.folder / part.name)
        source = shared_data / "quirks" / f"{name}.shp"
        report = load(database, _with_households(smallton, source, 'id = "name"'))
        figures = report.files[1]
        assert (figures.rows, figures.loaded + figures.rejected) == (3853, 3853)
        with database.session() as session:
            query = "SELECT reference, ST_X(geometry), ST_Y(geometry) FROM household ORDER BY 1"
            places.append({row[0]: row[1:] for row in session.execute(text(query))})
    assert len(places[0]) > 200
    apart = [
        abs(one[axis] - places[1][name][axis]) for name, one in places[0].items() for axis in (0, 1)
    ]
    assert max(apart) < 1e-4


def _with_households(smallton: Any, source: Path, mapping: str) -> Path:
    """A manifest whose households are another file."""
    shutil.copy(source, smallton.folder / source.name)
    smallton.manifest.write_text(
        "[[divisions]]\nlevel = 'community'\nfile = 'communities.geojson'\ncode = 'code'\n"
        f"[households]\nfile = '{source.name}'\n{mapping}\n",
        "utf-8",
    )
    return smallton.manifest


def test_singapore_loses_nothing(database: Database, smallton: Any, shared_data: Path) -> None:
    """374 features of 332 codes, 6 of them invalid: merged, repaired and told."""
    shutil.copy(shared_data / "quirks/singapore_subzones_invalid.geojson", smallton.folder)
    manifest = smallton.manifest.read_text("utf-8")
    manifest = manifest.replace("communities.geojson", "singapore_subzones_invalid.geojson")
    smallton.manifest.write_text(
        manifest.replace('code = "code"\nname = "name"', 'code = "SUBZONE_C"'), "utf-8"
    )
    report = load(database, smallton.manifest)

    batch = report.files[0]
    assert (batch.rows, batch.rejected) == (374, 0)
    assert report.divisions == 332
    assert report.warnings
    valid = scalar(database, "SELECT bool_and(ST_IsValid(geometry)) FROM division")
    assert valid
