"""The migrations make, unmake and remake what the models say."""

from __future__ import annotations

import importlib
from concurrent.futures import ThreadPoolExecutor

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, create_engine, text

from geodata.errors import UnavailableError
from service.db.base import Base
from service.db.engine import Database
from service.db.migrations import HEAD, config_for
from service.settings import Settings

for noun in ("divisions", "places", "imports", "grids", "households", "teams"):
    importlib.import_module(f"service.{noun}.models")

#: Every object of the schema that is ours: not the extensions', not Alembic's own table.
_OBJECTS = text(
    """
    WITH ours AS (
        SELECT classid, objid FROM pg_depend WHERE deptype = 'e'
    )
    SELECT 'relation ' || relname FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind <> 'c'
      AND relname NOT LIKE 'alembic_version%'
      AND NOT EXISTS (
          SELECT FROM ours WHERE objid = pg_class.oid AND classid = 'pg_class'::regclass
      )
      AND NOT EXISTS (  -- indexes of the extensions' tables
          SELECT FROM pg_index JOIN ours ON ours.objid = indrelid WHERE indexrelid = pg_class.oid
      )
    UNION ALL
    SELECT 'function ' || proname FROM pg_proc
    WHERE pronamespace = 'public'::regnamespace
      AND NOT EXISTS (
          SELECT FROM ours WHERE objid = pg_proc.oid AND classid = 'pg_proc'::regclass
      )
    ORDER BY 1
    """
)

_CONSTRAINTS = text(
    """
    SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid)
    FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace
      AND conrelid::regclass::text NOT IN ('spatial_ref_sys', 'alembic_version')
      AND contype <> 't'
    ORDER BY 1, 2
    """
)

_INDEXES = text(
    """
    SELECT tablename, indexname, indexdef FROM pg_indexes
    WHERE schemaname = 'public' AND tablename NOT IN ('spatial_ref_sys', 'alembic_version')
    ORDER BY 1, 2
    """
)

_COLUMNS = text(
    """
    SELECT table_name, column_name, data_type, udt_name, is_nullable, column_default,
           is_identity, generation_expression, format_type(atttypid, atttypmod)
    FROM information_schema.columns
    JOIN pg_attribute
        ON attrelid = (quote_ident(table_schema) || '.' || quote_ident(table_name))::regclass
        AND attname = column_name
    JOIN information_schema.tables USING (table_schema, table_name)
    WHERE table_schema = 'public' AND table_type = 'BASE TABLE'
      AND table_name NOT IN ('spatial_ref_sys', 'alembic_version')
    ORDER BY 1, 2
    """
)


def _tables_of_models(connection: Connection) -> None:
    connection.execute(text("CREATE EXTENSION postgis"))
    connection.execute(text("CREATE EXTENSION btree_gist"))
    Base.metadata.create_all(connection)


def test_up_from_empty_down_and_up_again(empty_database_url: URL) -> None:
    engine = create_engine(empty_database_url)
    with engine.begin() as connection:
        command.upgrade(config_for(connection), "head")
        made = connection.scalars(_OBJECTS).all()
        assert {"relation household", "relation coverage", "function guard_post"} <= set(made)
    with engine.begin() as connection:
        command.downgrade(config_for(connection), "base")
        assert connection.scalars(_OBJECTS).all() == []
    with engine.begin() as connection:
        command.upgrade(config_for(connection), "head")
        assert connection.scalars(_OBJECTS).all() == made
    engine.dispose()


def test_the_ledger_and_its_past_survive_the_way_up_and_down(empty_database_url: URL) -> None:
    engine = create_engine(empty_database_url)
    ledger = text("SELECT household_id, method, reason FROM assignment ORDER BY 1")
    past = text("SELECT household_id, reason FROM assignment_history ORDER BY 1, valid_from, 2")
    waiting = text("SELECT household_id, reason FROM household_exception ORDER BY 1")

    def contents(connection: Connection) -> list[object]:
        return [connection.execute(each).all() for each in (ledger, past, waiting)]

    with engine.begin() as connection:
        command.upgrade(config_for(connection), "0001")
        for statement in (
            "INSERT INTO dataset (name) VALUES ('town')",
            "INSERT INTO household (dataset_id, reference, geometry) SELECT 1, 'H' || n, "
            "ST_SetSRID(ST_MakePoint(n, 1), 4326) FROM generate_series(1, 3) AS n",
            "INSERT INTO assignment (household_id, method, reason) SELECT id, 'exception', 'far' "
            "FROM household",
            "UPDATE assignment SET reason = 'farther' WHERE household_id > 1",
        ):
            connection.execute(text(statement))
        before = contents(connection)
    with engine.begin() as connection:
        command.upgrade(config_for(connection), "head")
        assert contents(connection) == before
        connection.execute(text("UPDATE assignment SET reason = 'near' WHERE household_id = 1"))
        like = "LIKE assignment INCLUDING DEFAULTS INCLUDING CONSTRAINTS"
        connection.execute(text(f"CREATE TABLE assignment_next ({like})"))
        connection.execute(text("SELECT replace_assignment()"))
        after = contents(connection)
        assert after[0] == []
        assert [tuple(row) for row in after[1]] == [
            (1, "far"), (1, "near"), (2, "far"), (2, "farther"), (3, "far"), (3, "farther")
        ]  # fmt: skip
    with engine.begin() as connection:
        command.downgrade(config_for(connection), "0001")
        assert contents(connection) == after
        connection.execute(text("DELETE FROM household"))
        assert contents(connection) == [[], [], []]
    engine.dispose()


def test_head_is_the_newest_revision(database: Database) -> None:
    with database.engine.connect() as connection:
        script = ScriptDirectory.from_config(config_for(connection))
    assert script.get_heads() == [HEAD]
    revisions = [each.revision for each in script.walk_revisions()]
    assert revisions == sorted(revisions, reverse=True)


def test_alembic_sees_no_difference_to_the_models(database: Database) -> None:
    def ours(object_: object, name: str | None, kind: str, *_: object) -> bool:
        # the part of the ledger is its own affair
        return not (kind == "table" and name in {"spatial_ref_sys", "assignment_current"})

    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"include_object": ours})
        assert compare_metadata(context, Base.metadata) == []


@pytest.mark.parametrize("catalogue", [_COLUMNS, _CONSTRAINTS, _INDEXES])
def test_models_and_migrations_make_the_same_tables(
    catalogue: object, database: Database, empty_database_url: URL
) -> None:
    engine = create_engine(empty_database_url)
    with engine.begin() as connection:
        _tables_of_models(connection)
        from_models = connection.execute(catalogue).all()  # type: ignore[call-overload]
    engine.dispose()
    with database.engine.connect() as connection:
        from_migrations = connection.execute(catalogue).all()  # type: ignore[call-overload]
    assert from_migrations
    assert from_migrations == from_models


def test_two_commands_may_migrate_at_once(empty_database_url: URL) -> None:
    settings = Settings(database_url=empty_database_url)

    def revision(_: int) -> str | None:
        with Database(settings) as database, database.session() as session:
            return session.scalar(text("SELECT version_num FROM alembic_version"))

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(revision, range(2))) == [HEAD, HEAD]


def test_old_tables_are_refused_where_migrating_is_switched_off(empty_database_url: URL) -> None:
    settings = Settings(database_url=empty_database_url, auto_migrate=False)
    with pytest.raises(UnavailableError, match="gridward db migrate"), Database(settings):
        pass


def test_tables_of_a_newer_gridward_are_refused(settings: Settings) -> None:
    with Database(settings) as database, database.session() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(UnavailableError, match="newer Gridward"), Database(settings):
        pass
