"""The way from settings to sessions: one object that opens the database and closes it again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Final

import anyio.to_thread
import psycopg
from alembic import command
from sqlalchemy import DDL, URL, Connection, Engine, NullPool, create_engine, event, text
from sqlalchemy.orm import Session, sessionmaker

from geodata.errors import UnavailableError
from service.db import failures
from service.db.binaries import OLDEST_MAJOR
from service.db.embedded import EmbeddedCluster
from service.db.migrations import HEAD, config_for
from service.db.reader import Reader
from service.errors import Conflict
from service.settings import Settings

__all__ = ["DATABASE_NAME", "Database"]

#: The database in the embedded cluster.
DATABASE_NAME: Final = "gridward"

_OLDEST_POSTGIS: Final = (3, 3)
_CONNECT_LIMIT_S: Final = 10
#: How a connection that reads is opened.
_READS: Final[dict[str, Any]] = {"autocommit": True, "prepare_threshold": 2}
#: Making a plan takes longer than finding a feature, compiling one longer than a page; and what a
#: stranger asks for shall end.
_READ_SETTINGS: Final = (
    "SET plan_cache_mode = force_generic_plan",
    "SET jit = off",
    "SET statement_timeout = '60s'",
)
#: Two commands that migrate at once take turns on this advisory lock ("grid" in ASCII).
_MIGRATION_LOCK: Final = 0x67726964


class Database:
    """An open database: external, or embedded where no address is set.

    Use it in a ``with`` statement. Opening starts the embedded server if need be, makes its
    database, checks the releases and brings the tables up to date; it raises
    :class:`~geodata.errors.UnavailableError` with one line that says what is missing.

    Parameters
    ----------
    settings : Settings
        Where the database is.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._cluster = EmbeddedCluster(settings.home) if settings.is_embedded else None
        self._engine: Engine | None = None
        self._sessions: sessionmaker[Session] | None = None
        self._reader: Reader | None = None

    def __enter__(self) -> Database:
        self.open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def engine(self) -> Engine:
        """The engine; the database must be open."""
        if self._engine is None:
            raise RuntimeError("the database is not open")
        return self._engine

    @property
    def url(self) -> URL:
        """The address in use, for libraries that connect by themselves."""
        return self.engine.url

    def open(self) -> None:
        """Connect, check and migrate; on failure nothing stays open."""
        try:
            if self._cluster is not None:
                self._cluster.ensure_running()
                _make_database(self._cluster.url("postgres"))
            self._engine = self._connecting()
            self._reader = Reader(self._connecting(reads=True))
            self._sessions = sessionmaker(self._engine, expire_on_commit=False)
            self._check()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close every connection; the last user of the embedded server stops it."""
        if self._reader is not None:
            self._reader.close()
        if self._engine is not None:
            self._engine.dispose()
        self._engine = self._sessions = self._reader = None
        if self._cluster is not None:
            self._cluster.release()

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A session with one commit, at its end; an exception rolls everything back."""
        if self._sessions is None:
            raise RuntimeError("the database is not open")
        with self._sessions.begin() as session:
            yield session

    @property
    def read(self) -> Reader:
        """What runs single statements that only read; the database must be open."""
        if self._reader is None:
            raise RuntimeError("the database is not open")
        return self._reader

    def migrate(self) -> None:
        """Bring the tables up to date; safe when several commands do it at once."""
        with self.engine.begin() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
            if _revision(connection) != HEAD:
                command.upgrade(config_for(connection), "head")

    async def connect_to_read(self) -> psycopg.AsyncConnection[Any]:
        """Open a connection for an :class:`~service.db.asking.AsyncReader`."""
        if self._cluster is not None:
            await anyio.to_thread.run_sync(self._cluster.ensure_running)
        url = self.engine.url
        words, options = self.engine.dialect.create_connect_args(url)
        connection = await psycopg.AsyncConnection.connect(
            *words, **{**_options(url), **_READS, **options}
        )
        for setting in _READ_SETTINGS:
            await connection.execute(setting)
        return connection

    def _connecting(self, *, reads: bool = False) -> Engine:
        if self._cluster is None:
            return _engine(self._settings.database_url, reads=reads)
        return _embedded_engine(self._cluster, reads=reads)

    def _check(self) -> None:
        place = _place(self.engine.url)
        try:
            connection = self.engine.connect()
        except UnavailableError as error:
            where = "" if self._cluster else "; correct GRIDWARD_DATABASE_URL or start the server"
            raise UnavailableError(f"no connection to {place}: {error}{where}") from error
        with connection:
            _check_releases(connection, place)
            revision = _revision(connection)
        if revision == HEAD:
            return
        if revision is not None and revision > HEAD:
            raise UnavailableError(f"{place} was made by a newer Gridward (revision {revision})")
        if not self._settings.auto_migrate:
            raise UnavailableError(f"the tables in {place} are not up to date: gridward db migrate")
        self.migrate()


def _engine(url: URL | None, *, reads: bool) -> Engine:
    """An engine whose errors are plain exceptions, and that survives a restart of the server.

    One that reads looks at no connection before it is used and ends no transaction after.
    """
    if url is None:
        raise ValueError("an external database needs an address")
    options = _options(url)
    if reads:
        engine = create_engine(
            url,
            hide_parameters=True,
            connect_args={**options, **_READS},
            pool_reset_on_return=None,
            pool_use_lifo=True,  # few connections, which have their statements prepared
        )

        @event.listens_for(engine, "connect")
        def _set_up(connection: Any, _: object) -> None:
            for setting in _READ_SETTINGS:
                connection.execute(setting)

    else:
        engine = create_engine(url, pool_pre_ping=True, hide_parameters=True, connect_args=options)
    failures.install(engine)
    return engine


def _options(url: URL) -> dict[str, Any]:
    options: dict[str, Any] = {"application_name": "gridward"}
    if "connect_timeout" not in url.query:
        options["connect_timeout"] = _CONNECT_LIMIT_S
    return options


def _embedded_engine(cluster: EmbeddedCluster, *, reads: bool) -> Engine:
    engine = _engine(cluster.url(DATABASE_NAME), reads=reads)

    @event.listens_for(engine, "do_connect")
    def _revive(*_: object) -> None:
        # the server may have been killed since; a long-running service starts it again
        cluster.ensure_running()

    return engine


def _make_database(maintenance: URL) -> None:
    """Make the database of the embedded cluster where it is missing."""
    engine = create_engine(maintenance, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    there = text("SELECT EXISTS (SELECT FROM pg_database WHERE datname = :name)")
    try:
        with failures.translating(), engine.connect() as connection:
            if not connection.scalar(there, {"name": DATABASE_NAME}):
                connection.execute(DDL(f"CREATE DATABASE {DATABASE_NAME}"))
    except Conflict:
        pass  # another command was faster
    finally:
        engine.dispose()


def _check_releases(connection: Connection, place: str) -> None:
    """Refuse a server that is too old or has no PostGIS."""
    server = connection.scalar(text("SELECT CAST(current_setting('server_version_num') AS int)"))
    if server // 10_000 < OLDEST_MAJOR:
        raise UnavailableError(
            f"{place} is PostgreSQL {server // 10_000}; {OLDEST_MAJOR} or later is needed"
        )
    installed = text("SELECT extversion FROM pg_extension WHERE extname = 'postgis'")
    available = text("SELECT default_version FROM pg_available_extensions WHERE name = 'postgis'")
    postgis = connection.scalar(installed) or connection.scalar(available)
    if postgis is None:
        raise UnavailableError(f"{place} has no PostGIS: install it on the server")
    if tuple(int(part) for part in re.findall(r"\d+", postgis)[:2]) < _OLDEST_POSTGIS:
        raise UnavailableError(f"{place} has PostGIS {postgis}; 3.3 or later is needed")


def _revision(connection: Connection) -> str | None:
    """The revision of the tables; None where there are none."""
    if connection.scalar(text("SELECT to_regclass('alembic_version')")) is None:
        return None
    revision: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return revision


def _place(url: URL) -> str:
    """A database in words, without the password."""
    host = url.host or url.query.get("host") or "the local socket"
    return f"database {url.database or ''} at {host}" + (f":{url.port}" if url.port else "")
