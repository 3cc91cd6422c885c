"""Arrow batches -> a file, a batch at a time: what is written never has to be in memory."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet
import pyogrio
import shapely
from pyproj import CRS

from geodata.errors import UnavailableError
from geodata.schema import STORAGE_CRS

__all__ = ["BATCH_SUFFIXES", "write_batches"]

_DRIVERS: Final = {".gpkg": "GPKG", ".fgb": "FlatGeobuf"}

#: Suffixes of the formats that batches can be written to.
BATCH_SUFFIXES: Final = (*_DRIVERS, ".parquet")

#: Rows that Parquet holds back until it writes them, and a reader skips or reads together.
_ROW_GROUP: Final = 20_000
#: Bytes that GDAL takes to build the index of a GeoPackage, beyond which it goes on in SQLite.
_INDEX_BYTES: Final = str(4 * 1024 * 1024)
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
        ``Point``, ``MultiPolygon`` and so on, of every geometry.
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
    options = {}
    if path.suffix == ".fgb":
        options["SPATIAL_INDEX"] = "YES" if index else "NO"
    pyogrio.set_gdal_config_options({"OGR_GPKG_MAX_RAM_USAGE_RTREE": _INDEX_BYTES})
    marked = _marked(schema, geometry)
    reader = pa.RecordBatchReader.from_batches(marked, (each.cast(marked) for each in batches))
    try:
        pyogrio.write_arrow(
            reader,
            path,
            layer=layer,
            driver=_DRIVERS[path.suffix],
            geometry_name=geometry,
            geometry_type=geometry_type,
            crs=STORAGE_CRS,
            **options,
        )
    except pyogrio.errors.DataSourceError as error:
        raise UnavailableError(f"{path.name} cannot be written: {error}") from error


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
            "geometry_types": [geometry_type],
            "crs": CRS.from_user_input(STORAGE_CRS).to_json_dict(),
        }
        if box is not None:
            column["bbox"] = list(box)
        about = {"version": "1.1.0", "primary_column": geometry, "columns": {geometry: column}}
        file.add_key_value_metadata({"geo": json.dumps(about)})


def _around(
    box: tuple[float, float, float, float] | None, shapes: pa.Array
) -> tuple[float, float, float, float] | None:
    found = shapely.total_bounds(shapely.from_wkb(shapes.to_numpy(zero_copy_only=False)))
    west, south, east, north = (float(edge) for edge in found)
    if west != west:  # nothing has a place here
        return box
    if box is None:
        return west, south, east, north
    return min(box[0], west), min(box[1], south), max(box[2], east), max(box[3], north)
