"""GDAL vector formats and (Geo)Parquet, streamed as Arrow."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyogrio
import shapely
from numpy.typing import NDArray
from pyarrow import parquet
from pyogrio.errors import DataLayerError, DataSourceError, FieldError

from geodata._csv import Part, no_rejects
from geodata.datum import parse_crs
from geodata.encodings import detect_dbf, plain, widest
from geodata.errors import InputError, UnreadableFile
from geodata.manifest import Source, nearest

__all__ = ["ParquetReader", "VectorReader", "is_parquet"]

#: Formats that hold a table without geometry: every cell is wanted as text.
_SHEETS: Final = frozenset({".xlsx", ".ods"})

#: Names by which iconv, which GDAL decodes with, knows the encodings.
_ICONV: Final = {"big5hkscs": "CP950", "utf-8-sig": "UTF-8"}


def is_parquet(path: Path) -> bool:
    """Whether a file is read as Parquet, by its name."""
    return path.suffix.lower() in {".parquet", ".geoparquet"}


class VectorReader:
    """One layer of a file that GDAL reads; attributes as those of ``CsvReader``."""

    ambiguous: tuple[str, ...] = ()

    def __init__(self, source: Source) -> None:
        self.source = source
        self.warnings: list[str] = []
        self._layer = self._find_layer()
        self._options: dict[str, Any] = {}
        if source.file.suffix.lower() in _SHEETS:
            self._options = {"HEADERS": "FORCE", "FIELD_TYPES": "STRING"}
        self.encoding = "utf-8"
        encoding = self._find_encoding()
        if encoding is not None:
            self.encoding = encoding
            self._options["encoding"] = _ICONV.get(encoding, encoding)
        try:
            info = pyogrio.read_info(source.file, layer=self._layer, **self._options)
        except (DataSourceError, DataLayerError, ValueError) as error:
            raise self._unreadable(error) from None
        self.columns = [str(name) for name in info["fields"]]
        self.has_geometry = info["geometry_type"] is not None
        self.crs = _own_crs(info["crs"]) if self.has_geometry else None
        count = int(info["features"])
        self.size = count if count >= 0 else None

    def parts(self, rows: int) -> Iterator[Part]:
        """The features, at most ``rows`` at a time; at least one part."""
        skip, number = self.source.header_rows - 1, 0
        arguments: dict[str, Any] = {"layer": self._layer, "batch_size": rows, **self._options}
        try:
            with pyogrio.open_arrow(self.source.file, use_pyarrow=True, **arguments) as (meta, got):
                name = meta["geometry_name"] or "wkb_geometry"
                for batch in got:
                    table = self._checked(pa.Table.from_batches([batch]))
                    if skip:
                        table, skip = table.slice(skip), max(skip - len(table), 0)
                    if len(table):
                        yield self._part(table, name, number)
                        number += len(table)
                if not number:
                    yield self._part(self._checked(got.schema.empty_table()), name, 0)
        except (DataSourceError, DataLayerError, FieldError, pa.ArrowException) as error:
            raise self._unreadable(error) from None

    def _part(self, table: pa.Table, geometry: str, number: int) -> Part:
        shapes = None
        if geometry in table.column_names:
            if self.has_geometry:
                shapes = self._geometries(table.column(geometry), number)
            table = table.drop_columns([geometry])
        rows = np.arange(number + 1, number + len(table) + 1, dtype=np.int64)
        done = min((number + len(table)) / self.size, 1.0) if self.size else None
        return Part(rows, table, shapes, no_rejects(), done)

    def _geometries(self, column: Any, number: int) -> NDArray[np.object_]:
        """The geometries of the rows after ``number``; arcs as lines, as GDAL draws them."""
        try:
            return _shapes(column)
        except NotImplementedError:
            wanted: dict[str, Any] = {"layer": self._layer, **self._options}
            _, _, straight, _ = pyogrio.raw.read(
                self.source.file, skip_features=number, max_features=len(column), **wanted
            )
            return np.asarray(shapely.from_wkb(straight, on_invalid="ignore"), dtype=object)

    def _checked(self, table: pa.Table) -> pa.Table:
        """The table, if its text is text."""
        try:
            table.validate(full=True)
        except pa.ArrowInvalid:
            raise UnreadableFile(
                f"the text is not in {plain(self.encoding)}: {self.source.advice('encoding')} or "
                "save the file as UTF-8",
                file=self.source.file,
            ) from None
        return table

    def _find_layer(self) -> str | None:
        path, wanted = self.source.file, self.source.layer
        try:
            layers = [(str(name), kind) for name, kind in pyogrio.list_layers(path)]
        except DataSourceError as error:
            raise self._unreadable(error) from None
        names = [name for name, _ in layers]
        if wanted is not None and wanted not in names:
            raise InputError(f"there is no layer '{wanted}': {nearest(wanted, names)}", file=path)
        if wanted is None and len(layers) > 1:
            listed = ", ".join(f"{name} ({kind or 'no geometry'})" for name, kind in layers)
            raise InputError(
                f"the file holds {len(layers)} layers: {self.source.advice('layer')}: {listed}",
                file=path,
            )
        return wanted

    def _find_encoding(self) -> str | None:
        """The encoding to ask of GDAL; None where the format or the file says what it is."""
        path = self.source.file
        if self.source.encoding is not None:
            return widest(self.source.encoding)
        table = path.with_suffix(".dbf") if path.suffix.lower() == ".shp" else path
        if table.suffix.lower() != ".dbf" or not table.exists():
            return None
        if path.with_suffix(".cpg").exists():
            return None
        found = detect_dbf(table)
        if found.guessed:
            name = plain(found.encoding)
            self.warnings.append(
                f"{path.name}: there is no .cpg file to state the encoding and the text is read as "
                f'{name} by its look; set encoding = "{name}", or another, to be sure'
            )
        return found.encoding

    def _unreadable(self, error: Exception) -> UnreadableFile:
        what = _recognise(self.source.file)
        message = what or f"GDAL cannot read it: {str(error).split(';')[0]}"
        return UnreadableFile(message, file=self.source.file)


class ParquetReader:
    """One Parquet file, with or without the metadata of GeoParquet; as ``VectorReader``."""

    encoding = "utf-8"
    ambiguous: tuple[str, ...] = ()

    def __init__(self, source: Source) -> None:
        self.source = source
        self.warnings: list[str] = []
        try:
            # buffered ahead, every row group that was read would stay in memory until the end
            self._file = parquet.ParquetFile(source.file, pre_buffer=False)
        except (pa.ArrowException, OSError) as error:
            raise UnreadableFile(f"this is no Parquet: {error}", file=source.file) from None
        schema = self._file.schema_arrow
        self._geometry, self._kind, self.crs = self._geo(self._file.metadata.metadata or {})
        self.has_geometry = self._geometry is not None
        self.columns = [name for name in schema.names if name not in (self._geometry, "bbox")]
        self.size = self._file.metadata.num_rows

    def parts(self, rows: int) -> Iterator[Part]:
        """The rows, at most ``rows`` at a time; at least one part."""
        number = 0
        wanted = [*self.columns, *([self._geometry] if self._geometry else [])]
        schema = pa.schema([self._file.schema_arrow.field(name) for name in wanted])
        try:
            for batch in self._file.iter_batches(batch_size=rows, columns=wanted):
                yield self._part(pa.Table.from_batches([batch]), number)
                number += len(batch)
        except (pa.ArrowException, OSError) as error:
            raise UnreadableFile(
                f"it breaks off after row {number}: {error}", file=self.source.file
            ) from None
        if not number:
            yield self._part(schema.empty_table(), 0)

    def _part(self, table: pa.Table, number: int) -> Part:
        shapes = None
        if self._geometry is not None:
            column = table.column(self._geometry)
            shapes = _shapes(column) if self._kind == "WKB" else _points(column)
            table = table.drop_columns([self._geometry])
        rows = np.arange(number + 1, number + len(table) + 1, dtype=np.int64)
        done = (number + len(table)) / self.size if self.size else 1.0
        return Part(rows, table, shapes, no_rejects(), done)

    def _geo(self, metadata: dict[bytes, bytes]) -> tuple[str | None, str, str | None]:
        """Primary geometry column, its encoding and its CRS, after the GeoParquet metadata."""
        if b"geo" not in metadata:
            return None, "", None
        try:
            geo = json.loads(metadata[b"geo"])
            name = str(geo["primary_column"])
            column = geo["columns"][name]
            kind = str(column["encoding"])
        except (ValueError, KeyError, TypeError):
            raise UnreadableFile(
                "its GeoParquet metadata are damaged", file=self.source.file
            ) from None
        if kind not in {"WKB", "point"}:
            raise UnreadableFile(
                f"geometry encoding '{kind}' is not read: write it as WKB", file=self.source.file
            )
        # the standard: no key means longitude and latitude on WGS84, null means unknown
        crs = column.get("crs", "OGC:CRS84")
        return name, kind, _own_crs(json.dumps(crs) if isinstance(crs, dict) else crs)


def _own_crs(text: str | None) -> str | None:
    if not text:
        return None
    try:
        return parse_crs(text)
    except ValueError:
        return None


def _shapes(column: Any) -> NDArray[np.object_]:
    """WKB -> geometries; None where there is none or it is damaged."""
    values = column.to_numpy()
    return np.asarray(shapely.from_wkb(values, on_invalid="ignore"), dtype=object)


def _points(column: Any) -> NDArray[np.object_]:
    flat = column.combine_chunks()
    if isinstance(flat, pa.ChunkedArray):
        flat = pa.concat_arrays(flat.chunks)
    x, y = (flat.field(axis).to_numpy(zero_copy_only=False) for axis in ("x", "y"))
    return np.asarray(shapely.points(x, y), dtype=object)


def _recognise(path: Path) -> str | None:
    """What a file is that GDAL does not take, by its first bytes."""
    try:
        with path.open("rb") as file:
            head = file.read(4096)
    except OSError as error:
        return f"it cannot be read: {error.strerror}"
    text = head.decode("utf-8", errors="replace").lstrip("\ufeff \r\n\t")
    if not text:
        return "the file is empty"
    script = re.match(r"(?:(?:var|let|const)\s+)?([\w$.]+)\s*=\s*[\[{]", text)
    if script:
        return (
            f"this is JavaScript that assigns GeoJSON to '{script[1]}', not GeoJSON: keep only "
            "what follows '=' (without a last ';'), turn single quotes into double ones, and save "
            "it as .geojson"
        )
    if re.match(r"<(?:!doctype\s+)?html", text, re.IGNORECASE):
        return "this is a web page, not data: download the file itself"
    if text.startswith(("{", "[")):
        return "this looks like JSON but is no valid GeoJSON: check it with a JSON validator"
    return None
