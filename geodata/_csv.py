"""CSV in any encoding, streamed: every value text, bad rows set aside with their row number."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import csv as arrow_csv

from geodata.encodings import Utf8Stream, detect_file, plain, widest
from geodata.errors import UnreadableFile
from geodata.manifest import Source

__all__ = ["CsvReader", "Part", "is_csv", "no_rejects"]

_SUFFIXES: Final = frozenset({".csv", ".tsv", ".txt"})

#: Bytes parsed at a time. One row must fit, and Arrow reads up to 32 of them ahead: 128 MiB.
_BLOCK_BYTES: Final = 1 << 22

_UNCLOSED: Final = (
    "a quotation mark is opened in this row and not closed, so that {} lines run together: close "
    "or remove it and load the file again"
)

_DELIMITERS: Final = ",;\t|"


@dataclass(frozen=True, slots=True)
class Part:
    """Rows in the order of the file; see ``geodata.read.RawBatch`` for the attributes."""

    rows: NDArray[np.int64]
    table: pa.Table
    geometry: NDArray[np.object_] | None
    malformed: pd.DataFrame
    done: float | None


def is_csv(path: Path) -> bool:
    """Whether a file is read as CSV, by its name; ``.csv.gz`` counts."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in {".gz", ".bz2", ".zst"}:
        suffixes.pop()
    return bool(suffixes) and suffixes[-1] in _SUFFIXES


def _concat(one: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([each for each in (one, other) if len(each)], ignore_index=True)


def no_rejects() -> pd.DataFrame:
    """An empty frame of rejected rows."""
    return pd.DataFrame({"row": pd.Series(dtype="int64"), "field": [], "reason": [], "raw": []})


class CsvReader:
    """One CSV file.

    Attributes
    ----------
    columns, ambiguous : list of str
        Names of the columns, and those of them that the header names more than once.
    encoding : str
        How the text is decoded.
    """

    crs: str | None = None
    has_geometry = False
    size: int | None = None

    def __init__(self, source: Source) -> None:
        self.source = source
        self.warnings: list[str] = []
        if source.file.is_dir():
            raise UnreadableFile("this is a folder, not a CSV file", file=source.file)
        try:
            self.encoding = self._find_encoding()
            header = self._header()
        except OSError as error:
            raise UnreadableFile(f"it cannot be read: {error}", file=source.file) from None
        self.columns, self.ambiguous = _distinct(header)

    def parts(self, rows: int) -> Iterator[Part]:
        """The rows, at most ``rows`` at a time; at least one part."""
        bad: list[Any] = []
        stream = _open(self.source.file)
        total = self.source.file.stat().st_size
        reader = self._reader(stream, bad)
        numbering = _Numbering(self.source.header_rows)
        empty = True
        while True:
            try:
                batch = reader.read_next_batch()
            except StopIteration:
                break
            except pa.ArrowInvalid as error:
                raise UnreadableFile(
                    f"the text after row {numbering.last} cannot be taken apart: a quotation mark "
                    f"is opened and never closed, or the file is no CSV ({error})",
                    file=self.source.file,
                ) from None
            done = min(_told(stream) / total, 1.0) if total else 1.0
            for start in range(0, len(batch), rows):
                piece = batch.slice(start, rows)
                yield self._part(piece, numbering, bad, done)
                empty = False
        if bad or empty:
            yield self._part(None, numbering, bad, 1.0)

    def _part(self, batch: Any, numbering: _Numbering, bad: list[Any], done: float) -> Part:
        malformed = self._malformed(bad, numbering)
        bad.clear()
        if batch is None:
            table = pa.table({name: pa.array([], pa.string()) for name in self.columns})
            return Part(np.empty(0, dtype=np.int64), table, None, malformed, done)
        table = pa.table([_decoded(column) for column in batch.columns], names=self.columns)
        rows = numbering.next(len(batch))
        blank = _blank_rows(table)
        swallowed = _swallowed_rows(table, self.delimiter)
        if swallowed.any():
            malformed = _concat(malformed, self._run_together(table, rows, swallowed))
        out = blank | swallowed
        if out.any():
            table, rows = table.filter(pa.array(~out)), rows[~out]
        return Part(rows, table, None, malformed, done)

    def _run_together(
        self, table: pa.Table, rows: NDArray[np.int64], swallowed: NDArray[np.bool_]
    ) -> pd.DataFrame:
        raw = table.filter(pa.array(swallowed)).to_pylist()
        reasons = [
            _UNCLOSED.format(sum(str(value).count("\n") for value in row.values()) + 1)
            for row in raw
        ]
        return pd.DataFrame({"row": rows[swallowed], "field": None, "reason": reasons, "raw": raw})

    def _malformed(self, bad: list[Any], numbering: _Numbering) -> pd.DataFrame:
        if not bad:
            return no_rejects()
        numbers = numbering.skip([row.number for row in bad])
        reasons = [
            _UNCLOSED.format(row.text.count("\n") + 1)
            if row.text.count("\n") > 1
            else f"{row.actual_columns} values where the header names {row.expected_columns} "
            "columns: look for a delimiter or a quotation mark inside a value"
            for row in bad
        ]
        raw = [{"text": row.text} for row in bad]
        return pd.DataFrame({"row": numbers, "field": None, "reason": reasons, "raw": raw})

    def _reader(self, stream: Any, bad: list[Any]) -> Any:
        def set_aside(row: Any) -> str:
            bad.append(row)
            return "skip"

        utf8 = self.encoding in {"utf-8", "utf-8-sig", "ascii"}
        binary = {name: pa.binary() for name in self.columns}
        try:
            return arrow_csv.open_csv(
                stream if utf8 else Utf8Stream(stream, self.encoding),
                read_options=arrow_csv.ReadOptions(
                    use_threads=False,  # else bad rows carry no number
                    block_size=_BLOCK_BYTES,
                    column_names=self.columns,
                    skip_rows_after_names=self.source.header_rows,
                ),
                parse_options=arrow_csv.ParseOptions(
                    delimiter=self.delimiter,
                    newlines_in_values=True,
                    ignore_empty_lines=False,
                    invalid_row_handler=set_aside,
                ),
                convert_options=arrow_csv.ConvertOptions(
                    column_types=binary, strings_can_be_null=False
                ),
            )
        except pa.ArrowInvalid as error:
            raise UnreadableFile(f"this is no CSV: {error}", file=self.source.file) from None

    def _find_encoding(self) -> str:
        if self.source.encoding is not None:
            return widest(self.source.encoding)
        with _open(self.source.file) as stream:
            found = detect_file(stream)
        if found.guessed:
            name = plain(found.encoding)
            self.warnings.append(
                f"{self.source.file.name}: the text is not UTF-8 and is read as {name} by its "
                f'look; set encoding = "{name}", or another, to be sure'
            )
        return found.encoding

    def _header(self) -> list[str]:
        with _open(self.source.file) as stream:
            head = Utf8Stream(stream, self.encoding).read(1 << 18).decode("utf-8", "replace")
        head = head.removeprefix("\ufeff")
        if not head.strip():
            raise UnreadableFile("the file is empty", file=self.source.file)
        if "\0" in head.partition("\n")[0]:
            raise UnreadableFile(
                "this is no text: it holds NUL characters (UTF-16 without a mark? then set "
                'encoding = "utf-16-le")',
                file=self.source.file,
            )
        self.delimiter = self.source.delimiter or _likeliest_delimiter(head, self.source.file)
        try:
            header = next(csv.reader(io.StringIO(head), delimiter=self.delimiter))
        except (csv.Error, StopIteration) as error:
            raise UnreadableFile(f"it has no header: {error}", file=self.source.file) from None
        return [name.strip() for name in header]


class _Numbering:
    """Row numbers of the good rows, given the numbers of the bad ones among them.

    Bad row ``j`` (from 0) with number ``b`` has ``b - j`` good rows before it; pyarrow reports the
    bad rows of a block before it hands out the good ones.
    """

    def __init__(self, header_rows: int) -> None:
        self.header_rows = header_rows
        self.good = 0
        self.good_before_bad = np.empty(0, dtype=np.int64)
        self.skipped = 0

    @property
    def last(self) -> int:
        """The number of the last good row handed out."""
        return self.good + self.skipped

    def skip(self, physical: list[int]) -> NDArray[np.int64]:
        """Take note of bad rows by their number among all rows; return it without the header."""
        numbers = np.asarray(physical, dtype=np.int64) - self.header_rows
        earlier = self.skipped + len(self.good_before_bad)
        good_before = numbers - 1 - np.arange(earlier, earlier + len(numbers))
        self.good_before_bad = np.concatenate([self.good_before_bad, good_before])
        return numbers

    def next(self, count: int) -> NDArray[np.int64]:
        """Numbers of the next ``count`` good rows."""
        positions = np.arange(self.good, self.good + count)
        skipped = np.searchsorted(self.good_before_bad, positions, side="right")
        numbers = positions + self.skipped + skipped + 1
        self.good += count
        passed = int(np.searchsorted(self.good_before_bad, self.good - 1, side="right"))
        self.good_before_bad = self.good_before_bad[passed:]
        self.skipped += passed
        return numbers


def _open(path: Path) -> Any:
    """A binary stream, unpacked where the name says that it is packed."""
    return pa.input_stream(str(path), compression="detect")


def _told(stream: Any) -> int:
    try:
        return int(stream.tell())
    except (OSError, ValueError, pa.ArrowException):
        return 0


def _likeliest_delimiter(head: str, path: Path) -> str:
    """The delimiter that takes the first line apart into most columns."""
    if path.suffix.lower() == ".tsv":
        return "\t"
    line = head.splitlines()[0]
    return max(_DELIMITERS, key=lambda each: (line.count(each), each == ","))


def _distinct(header: list[str]) -> tuple[list[str], list[str]]:
    """Names that differ from each other, and those that were given more than once."""
    names: list[str] = []
    repeated: list[str] = []
    for position, given in enumerate(header, start=1):
        name = given or f"column {position}"
        if name in names:
            repeated.append(name)
            name = f"{name} (column {position})"
        names.append(name)
    return names, repeated


def _decoded(column: Any) -> Any:
    """Bytes -> text; bytes that are no UTF-8 become U+FFFD."""
    try:
        return column.cast(pa.string())
    except pa.ArrowInvalid:
        values = column.to_pylist()
        return pa.array([value.decode("utf-8", errors="replace") for value in values], pa.string())


def _blank_rows(table: pa.Table) -> NDArray[np.bool_]:
    """Rows without any value: empty lines, and lines of delimiters alone."""
    blank: Any = None
    for column in table.columns:
        empty = pc.equal(pc.binary_length(column), 0)
        blank = empty if blank is None else pc.and_(blank, empty)
        if not pc.any(blank).as_py():
            return np.zeros(len(table), dtype=bool)
    return np.asarray(blank.combine_chunks().to_numpy(zero_copy_only=False), dtype=bool)


def _swallowed_rows(table: pa.Table, delimiter: str) -> NDArray[np.bool_]:
    """Rows of which one value holds whole lines of the file: its quotation mark is never closed."""
    swallowed = np.zeros(len(table), dtype=bool)
    for column in table.columns:
        broken = pc.match_substring(column, "\n")
        if not pc.any(broken).as_py():
            continue
        for at in np.flatnonzero(np.asarray(broken.combine_chunks())):
            lines = column[int(at)].as_py().splitlines()[1:]
            swallowed[at] |= any(line.count(delimiter) == len(table.columns) - 1 for line in lines)
    return swallowed
