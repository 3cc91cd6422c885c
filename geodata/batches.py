"""Arrow batches -> a file, a batch at a time: what is written never has to be in memory.

GDAL writes in a process of its own, ``python -m geodata.batches``, which the batches reach through
a pipe. It works beside the one that reads them, and what it takes is given back at the end; without
the libraries of frames, which its bindings bring along, it is half as large.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet
import shapely
from pyproj import CRS

from geodata.errors import UnavailableError
from geodata.labels import free_name
from geodata.schema import STORAGE_CRS

__all__ = ["BATCH_SUFFIXES", "write_batches"]

_DRIVERS: Final = {".gpkg": "GPKG", ".fgb": "FlatGeobuf"}

#: Suffixes of the formats that batches can be written to.
BATCH_SUFFIXES: Final = (*_DRIVERS, ".parquet")

#: Rows that Parquet holds back until it writes them, and a reader skips or reads together.
_ROW_GROUP: Final = 20_000
#: Room between the two processes, so that neither waits for the other at each batch.
_PIPE_BYTES: Final = 1 << 20
_GDAL_OPTIONS: Final = {
    # bytes to build the index of a GeoPackage in, beyond which it goes on in SQLite
    "OGR_GPKG_MAX_RAM_USAGE_RTREE": str(64 * 1024 * 1024),
    # no one looks at the file before it is whole, so it need not survive a crash on the way
    "OGR_SQLITE_SYNCHRONOUS": "OFF",
    "OGR_SQLITE_JOURNAL": "OFF",
}
_GEO: Final = b"ARROW:extension:name"


def write_batches(
    schema: pa.Schema,
    batches: Iterator[pa.RecordBatch],
    path: Path,
    *,
    geometry: str,
    geometry_type: str,
    layer: str,
    index: bool = True,
) -> None:
    """Write record batches to a GeoPackage, a FlatGeobuf or a GeoParquet file.

    Parameters
    ----------
    schema : pyarrow.Schema
        Of every batch.
    batches : iterator of pyarrow.RecordBatch
        Geometry as WKB, in EPSG:4326, longitude first.
    path : Path
        The file to write; its suffix is one of :data:`BATCH_SUFFIXES`. It is there from the first
        batch on, and whole only when this returns.
    geometry : str
        The geometry column.
    geometry_type : str
        ``Point``, ``MultiPolygon`` and so on, of every geometry; ``Unknown`` where they differ.
    layer : str
        Layer of a GeoPackage or FlatGeobuf.
    index : bool
        Whether FlatGeobuf gets its spatial index, which cannot hold a feature without a place.

    Raises
    ------
    UnavailableError
        The file cannot be written.
    """
    if path.suffix == ".parquet":
        _write_parquet(schema, batches, path, geometry=geometry, geometry_type=geometry_type)
        return
    options = {
        "layer": layer,
        "driver": _DRIVERS[path.suffix],
        "geometry_name": geometry,
        "geometry_type": geometry_type,
        "crs": STORAGE_CRS,
    }
    if path.suffix == ".fgb":
        options["SPATIAL_INDEX"] = "YES" if index else "NO"
    else:
        options["FID"] = free_name("fid", schema.names)
    command = [sys.executable, "-m", "geodata.batches", str(path), json.dumps(options)]
    process = subprocess.Popen(  # noqa: S603 - our own program; the path is no command
        command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, pipesize=_PIPE_BYTES
    )
    try:
        _send(_marked(schema, geometry), batches, process)
        _, said = process.communicate()
    finally:
        process.kill()  # nothing where it has ended
        process.wait()
    if process.returncode:
        lines = said.decode(errors="replace").strip().splitlines() or ["the writer was ended"]
        raise UnavailableError(f"{path.name} cannot be written: {lines[-1]}")


def _send(
    schema: pa.Schema, batches: Iterator[pa.RecordBatch], process: subprocess.Popen[bytes]
) -> None:
    if process.stdin is None:
        raise ValueError("the writer takes no input")
    try:
        with pa.ipc.new_stream(process.stdin, schema) as stream:
            for batch in batches:
                stream.write_batch(batch.cast(schema))
    except BrokenPipeError:
        pass  # it says why itself


def _write_from_pipe(path: str, options: dict[str, str]) -> None:
    """Write what comes in through the pipe; the process that does this does nothing else."""
    # the bindings take them for missing
    for name in ("geopandas", "pandas"):
        sys.modules[name] = None  # type: ignore[assignment]
    import pyogrio

    pyogrio.set_gdal_config_options(_GDAL_OPTIONS)
    # Arrow's own pool keeps what it took
    pa.set_memory_pool(pa.system_memory_pool())
    with pa.ipc.open_stream(sys.stdin.buffer) as reader:
        pyogrio.write_arrow(reader, path, **options)


def _marked(schema: pa.Schema, geometry: str) -> pa.Schema:
    """The schema with its geometry named as such, for GDAL."""
    at = schema.get_field_index(geometry)
    return schema.set(at, schema.field(at).with_metadata({_GEO: b"geoarrow.wkb"}))


def _write_parquet(
    schema: pa.Schema,
    batches: Iterator[pa.RecordBatch],
    path: Path,
    *,
    geometry: str,
    geometry_type: str,
) -> None:
    """GeoParquet 1.1; the box of the whole is known at the end, where the metadata stand."""
    box: tuple[float, float, float, float] | None = None
    with pyarrow.parquet.ParquetWriter(path, schema) as file:
        for batch in batches:
            file.write_batch(batch, row_group_size=_ROW_GROUP)
            box = _around(box, batch.column(geometry))
        column: dict[str, Any] = {
            "encoding": "WKB",
            "geometry_types": [] if geometry_type == "Unknown" else [geometry_type],
            "crs": CRS.from_user_input(STORAGE_CRS).to_json_dict(),
        }
        if box is not None and all(map(math.isfinite, box)):
            column["bbox"] = list(box)
        about = {"version": "1.1.0", "primary_column": geometry, "columns": {geometry: column}}
        file.add_key_value_metadata({"geo": json.dumps(about)})


def _around(
    box: tuple[float, float, float, float] | None, shapes: pa.Array
) -> tuple[float, float, float, float] | None:
    # an array of NumPy's would load pandas, fifty megabytes
    found = shapely.total_bounds(shapely.from_wkb(shapes.to_pylist()))
    west, south, east, north = (float(edge) for edge in found)
    if west != west:  # nothing has a place here
        return box
    if box is None:
        return west, south, east, north
    return min(box[0], west), min(box[1], south), max(box[2], east), max(box[3], north)


if __name__ == "__main__":
    _write_from_pipe(sys.argv[1], json.loads(sys.argv[2]))
