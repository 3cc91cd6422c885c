"""Single statements that only read: no transaction around them, no object a row.

A page of features is one statement and one row that PostgreSQL has written out. Beside that, taking
a session, beginning and committing would take as long again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import psycopg
from sqlalchemy import ClauseElement, Dialect, Engine
from sqlalchemy.dialects.postgresql.psycopg import dialect as psycopg_dialect
from sqlalchemy.orm import Session

from service.db.failures import translating

__all__ = [
    "Reader",
    "Run",
    "Statement",
    "Template",
    "compiled",
    "is_gone",
    "running_in",
    "template",
]

_PLACE: Final = re.compile(r"\$(\w+)\$")
_DIALECT: Final[Dialect] = psycopg_dialect(paramstyle="pyformat")


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement as the driver takes it.

    Attributes
    ----------
    text : str
        What is bound has its place by name: ``%(name)s``.
    values : mapping
        What is bound, by the names in the text.
    """

    text: str
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Template:
    """A statement with places for parts.

    Attributes
    ----------
    pieces : tuple of str
        Text and names of places by turns.
    """

    pieces: tuple[str, ...]

    def fill(self, **parts: str) -> str:
        """The text with its parts, which are SQL themselves: numbers, or what was compiled."""
        pieces = list(self.pieces)
        pieces[1::2] = [parts[name] for name in pieces[1::2]]
        return "".join(pieces)


#: Runs a statement and gives its rows.
Run = Callable[[Statement], list[tuple[Any, ...]]]


class Reader:
    """Runs statements that read, each for itself, on connections of its own.

    Parameters
    ----------
    engine : Engine
        Its connections commit by themselves.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __call__(self, statement: Statement) -> list[tuple[Any, ...]]:
        """Run a statement; the rows.

        Raises
        ------
        GridwardError
            As the database says.
        """
        with translating():
            try:
                return self._run(statement)
            except psycopg.OperationalError as error:
                if not is_gone(error):
                    raise
                self._engine.dispose()
                return self._run(statement)

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    def _run(self, statement: Statement) -> list[tuple[Any, ...]]:
        pooled = self._engine.raw_connection()
        try:
            return _fetch(pooled.driver_connection, statement)
        except psycopg.OperationalError as error:
            pooled.invalidate(error)
            raise
        finally:
            pooled.close()


def is_gone(error: psycopg.OperationalError) -> bool:
    """Whether the server was stopped or started anew, so that none of the connections holds."""
    return error.sqlstate is None or error.sqlstate.startswith(("57P", "08"))


def running_in(session: Session) -> Run:
    """Run statements in the transaction of a session, to see what it has written."""

    def run(statement: Statement) -> list[tuple[Any, ...]]:
        session.flush()
        connection = session.connection().connection.driver_connection
        with translating():
            return _fetch(connection, statement)

    return run


def _fetch(connection: Any, statement: Statement) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement.text.encode(), statement.values)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


def compiled(expression: ClauseElement) -> Statement:
    """A statement, or a part of one, with its values bound."""
    found = expression.compile(dialect=_DIALECT, compile_kwargs={"render_postcompile": True})
    return Statement(str(found), found.params)


def template(expression: ClauseElement) -> Template:
    """A statement to which parts are added: written once, and kept.

    Its own values are written into it, so they have to be declarations, never of a request. What
    is added has its place by name, as ``literal_column("$name$")``.
    """
    text = str(expression.compile(dialect=_DIALECT, compile_kwargs={"literal_binds": True}))
    return Template(tuple(_PLACE.split(text)))
