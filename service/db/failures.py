"""The seam where driver errors become plain exceptions.

Every statement that goes through the engine is covered by :func:`install`; work on the driver's
own connection (COPY) goes inside :func:`translating`. What is not listed here is a defect of
Gridward and keeps its traceback.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

import psycopg
from sqlalchemy import Engine, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError

from geodata.errors import GridwardError, InputError, PlanError, UnavailableError
from service.errors import Conflict, Refused

__all__ = ["install", "translate", "translating"]

#: SQLSTATE, or the first characters of it -> the exception; the longest match wins.
_KINDS: dict[str, type[GridwardError]] = {
    "08": UnavailableError,  # connection exceptions
    "22": Refused,  # data exceptions: out of range, malformed
    "23": Refused,  # integrity constraints: check, not null, foreign key
    "23505": Conflict,  # unique
    "23P01": Conflict,  # exclusion
    "25006": UnavailableError,  # read-only transaction
    "28": UnavailableError,  # wrong user or password
    "3D": UnavailableError,  # no such database
    "40": Conflict,  # serialization failure, deadlock
    "42P04": Conflict,  # the database is there already
    "42501": UnavailableError,  # insufficient privilege
    "53": UnavailableError,  # disk full, out of memory, too many connections
    "55P03": Conflict,  # lock not available
    "57014": UnavailableError,  # it took longer than the limit, or was called off
    "57P": UnavailableError,  # the server is stopping or starting
    "58": UnavailableError,  # system errors: input and output
    "GW001": Conflict,  # frozen by an active or retired plan
    "GW002": PlanError,  # not a step in the life of a plan
    "GW003": Refused,  # not eligible for the role
    "GW004": Refused,  # more posts than a member may hold
    "GW005": Refused,  # more posts than a grid needs
}

_WHAT_TO_DO = {
    "25006": "the database is read-only",
    "53100": "the disk of the database is full",
    "53200": "the database is out of memory",
    "53300": "the database takes no more connections",
    "57014": "the database was not done in time; ask for less at once",
    "40": "someone else changed the same rows at the same time; try again",
    "55P03": "the rows are locked by someone else; try again",
}


_Value = TypeVar("_Value")


def _lookup(table: Mapping[str, _Value], sqlstate: str) -> _Value | None:
    starts = (sqlstate[:length] for length in range(len(sqlstate), 1, -1))
    return next((table[start] for start in starts if start in table), None)


def translate(error: psycopg.Error) -> GridwardError | None:
    """The plain exception for an error of the driver; None where there is none."""
    sqlstate = error.sqlstate or ""
    kind = _lookup(_KINDS, sqlstate)
    if kind is None and isinstance(error, psycopg.OperationalError) and not sqlstate:
        kind = UnavailableError  # the connection broke: the server had no time to say why
    if kind is None and isinstance(error, psycopg.DataError) and not sqlstate:
        kind = InputError  # the driver could not send it: text with a NUL
    if kind is None:
        return None
    advice = _lookup(_WHAT_TO_DO, sqlstate)
    said = [error.diag.message_primary, error.diag.message_detail, error.diag.message_hint]
    parts = [part.strip().rstrip(".") for part in said if part] or [_first_line(error)]
    return kind(": ".join(filter(None, [advice, ". ".join(parts)])))


def _first_line(error: psycopg.Error) -> str:
    said = str(error).strip().removeprefix("connection failed: ")
    return (said or type(error).__name__).splitlines()[0]


@contextmanager
def translating() -> Iterator[None]:
    """Raise plain exceptions instead of the driver's, and of SQLAlchemy's around them."""
    try:
        yield
    except psycopg.Error as error:
        plain = translate(error)
        if plain is None:
            raise
        raise plain from error
    except DBAPIError as error:
        plain = translate(error.orig) if isinstance(error.orig, psycopg.Error) else None
        if plain is None:
            raise
        raise plain from error


def install(engine: Engine) -> None:
    """Translate every error of every statement of this engine."""

    @event.listens_for(engine, "handle_error", retval=True)
    def _translate(context: ExceptionContext) -> BaseException | None:
        original = context.original_exception
        # the pool recognises a broken connection by the driver's own error, and replaces it
        if context.is_pre_ping or not isinstance(original, psycopg.Error):
            return None
        return translate(original)
