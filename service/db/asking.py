"""Statements that read, asked from an event loop by way of libpq itself.

A look-up takes PostgreSQL a fifth of a millisecond. A cursor, a thread, and a text that is decoded
only to be encoded again would each take longer: here a statement is prepared when it is asked a
second time, and what comes back is handed on as the bytes that came.
"""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from functools import lru_cache
from typing import Any, Final

import psycopg
from psycopg import abc
from psycopg.adapt import PyFormat, Transformer
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGresult

from service.db.failures import translating
from service.db.reader import Statement, is_gone

__all__ = ["Answer", "AsyncReader"]

_MOST_CONNECTIONS: Final = 10
#: Statements that a connection keeps prepared.
_MOST_PREPARED: Final = 100
_MARK: Final = re.compile(r"%(?:%|\((\w+)\)s)")
_WHOLE: Final = (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK)


class Answer:
    """The rows of a statement as they came."""

    __slots__ = ("_columns", "_result")

    def __init__(self, result: PGresult, columns: abc.Transformer) -> None:
        self._result = result
        self._columns = columns

    def __len__(self) -> int:
        return self._result.ntuples

    def first_column(self, most: int | None = None) -> list[bytes | None]:
        """The first column of the rows, or of so many of them, as PostgreSQL wrote it, in UTF-8."""
        rows = len(self) if most is None else min(most, len(self))
        value = self._result.get_value
        return [value(number, 0) for number in range(rows)]

    def last_column(self, most: int) -> list[bytes]:
        """The last column of so many rows as PostgreSQL wrote it; none of its values is null."""
        value, last = self._result.get_value, self._result.nfields - 1
        found = (value(number, last) for number in range(min(most, len(self))))
        return [each for each in found if each is not None]

    def row(self, number: int) -> tuple[Any, ...]:
        """One row, its values as Python has them."""
        self._columns.set_pgresult(self._result)
        return self._columns.load_rows(number, number + 1, tuple)[0]

    def rows(self) -> list[tuple[Any, ...]]:
        """All rows, their values as Python has them."""
        self._columns.set_pgresult(self._result)
        return self._columns.load_rows(0, len(self), tuple)


class AsyncReader:
    """Runs statements that read, each for itself, on connections of its own.

    Parameters
    ----------
    connect : callable
        Opens a connection that commits by itself.
    """

    def __init__(self, connect: Callable[[], Awaitable[psycopg.AsyncConnection[Any]]]) -> None:
        self._connect = connect
        self._idle: list[_Line] = []
        self._room = asyncio.Semaphore(_MOST_CONNECTIONS)

    async def __call__(self, statement: Statement) -> list[tuple[Any, ...]]:
        """Run a statement; the rows.

        Raises
        ------
        GridwardError
            As the database says.
        """
        return (await self.ask(statement)).rows()

    async def ask(self, statement: Statement) -> Answer:
        """Run a statement; what it answers.

        Raises
        ------
        GridwardError
            As the database says.
        """
        with translating():
            try:
                return await self._run(statement)
            except psycopg.OperationalError as error:
                if not is_gone(error):
                    raise
                await self.close()
                return await self._run(statement)

    async def close(self) -> None:
        """Close the connections that are not in use."""
        idle, self._idle = self._idle, []
        for line in idle:
            await line.close()

    async def _run(self, statement: Statement) -> Answer:
        async with self._room:
            line = self._idle.pop() if self._idle else _Line(await self._connect())
            try:
                answer = await line.ask(statement)
            finally:
                if line.is_whole:
                    self._idle.append(line)
                else:  # broken, or left in the middle
                    await line.close()
            return answer


class _Line:
    """One connection, which answers one statement at a time."""

    def __init__(self, connection: psycopg.AsyncConnection[Any]) -> None:
        self._connection = connection
        self._libpq = connection.pgconn
        self._socket = self._libpq.socket
        self._loop = asyncio.get_running_loop()
        self._results: list[PGresult] = []
        self._answered: asyncio.Future[None] | None = None
        #: Text and types of a statement -> the name that it is prepared under, empty at first.
        self._known: OrderedDict[tuple[bytes, tuple[int, ...]], bytes] = OrderedDict()
        self._named = 0
        self._loop.add_reader(self._socket, self._read)

    @property
    def is_whole(self) -> bool:
        """Whether another statement can be asked."""
        return self._answered is None and not self._connection.closed

    async def ask(self, statement: Statement) -> Answer:
        """Run a statement."""
        text, names = _numbered(statement.text)
        adapter = Transformer(self._connection)
        values = [statement.values[name] for name in names]
        bound = adapter.dump_sequence(values, [PyFormat.AUTO] * len(values))
        types, formats = adapter.types or (), adapter.formats or []
        name = await self._prepared(text, types)
        if name:
            self._libpq.send_query_prepared(name, bound, formats)
        else:
            self._libpq.send_query_params(text, bound, types, formats)
        return Answer(await self._answer(), Transformer(self._connection))

    async def close(self) -> None:
        """Hang up."""
        self._loop.remove_reader(self._socket)
        self._loop.remove_writer(self._socket)
        await self._connection.close()

    async def _prepared(self, text: bytes, types: tuple[int, ...]) -> bytes:
        """The name of a prepared statement; none where it is asked for the first time."""
        key = (text, types)
        name = self._known.get(key)
        if name is None:
            self._known[key] = b""
            if len(self._known) > _MOST_PREPARED:
                _, oldest = self._known.popitem(last=False)
                if oldest:
                    self._libpq.send_query(b"DEALLOCATE " + oldest)
                    await self._answer()
            return b""
        self._known.move_to_end(key)
        if not name:
            self._named += 1
            name = b"read_%d" % self._named
            self._libpq.send_prepare(name, text, types)
            await self._answer()
            self._known[key] = name
        return name

    async def _answer(self) -> PGresult:
        """Wait for what was asked."""
        self._answered = self._loop.create_future()
        self._write()
        await self._answered
        self._answered = None
        results, self._results = self._results, []
        for result in results:
            if result.status not in _WHOLE:
                raise error_from_result(result)
        return results[-1]

    def _write(self) -> None:
        """Send on what the socket did not take at once."""
        if self._libpq.flush():
            self._loop.add_writer(self._socket, self._write)
        else:
            self._loop.remove_writer(self._socket)

    def _read(self) -> None:
        try:
            self._libpq.consume_input()
            if self._answered is None or self._answered.done():
                return  # a notice, or nobody waits any more
            while not self._libpq.is_busy():
                result = self._libpq.get_result()
                if result is None:
                    self._answered.set_result(None)
                    return
                self._results.append(result)
        except psycopg.Error as error:
            self._loop.remove_reader(self._socket)
            if self._answered is not None and not self._answered.done():
                self._answered.set_exception(error)


@lru_cache(512)
def _numbered(text: str) -> tuple[bytes, Sequence[str]]:
    """A text with places by name -> the same with numbers, and the names in their order."""
    names: dict[str, int] = {}

    def number(found: re.Match[str]) -> str:
        name = found.group(1)
        return "%" if name is None else f"${names.setdefault(name, len(names) + 1)}"

    return _MARK.sub(number, text).encode(), tuple(names)
