"""A sample as files: dataset.toml, divisions, barriers, households, members, facilities.

Everything is written patch by patch; only the divisions are held until the end, because the
upper levels are unions of the lower ones. Equal arguments give equal bytes.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute
import pyarrow.csv
import pyarrow.parquet
import shapely
from numpy.typing import NDArray
from pyproj import CRS

from geodata.schema import STORAGE_CRS

__all__ = ["CsvFile", "GeoJsonFile", "GeoParquetFile", "manifest_text", "point_wkb"]

#: Rows of a Parquet row group.
ROW_GROUP: Final = 131_072


class CsvFile:
    """A CSV that grows table by table; text is quoted only where it must be."""

    def __init__(self, path: Path, *, encoding: str = "utf-8") -> None:
        self._stream = path.open("wb")
        self._encoding = encoding
        self._begun = False

    def write(self, table: pa.Table) -> None:
        """Append rows; the first call writes the header too."""
        sink = io.BytesIO()
        options = pa.csv.WriteOptions(include_header=False, quoting_style="none")
        pa.csv.write_csv(table, sink, options)
        body = sink.getvalue()
        if not self._begun:
            body = ",".join(table.column_names).encode() + b"\n" + body
            self._begun = True
        if self._encoding != "utf-8":
            body = body.decode("utf-8").encode(self._encoding)
        self._stream.write(body)

    def close(self) -> None:
        """Finish the file."""
        self._stream.close()


def point_wkb(lonlat: NDArray[np.float64]) -> pa.Array:
    """Points of shape (n, 2) as WKB; NaN becomes null."""
    count = len(lonlat)
    record = np.empty(
        count, dtype=np.dtype([("order", "u1"), ("type", "<u4"), ("x", "<f8"), ("y", "<f8")])
    )
    record["order"], record["type"] = 1, 1
    record["x"], record["y"] = lonlat[:, 0], lonlat[:, 1]
    offsets = np.arange(count + 1, dtype=np.int32) * record.dtype.itemsize
    wkb = pa.BinaryArray.from_buffers(
        pa.binary(), count, [None, pa.py_buffer(offsets), pa.py_buffer(record.tobytes())]
    )
    missing = np.isnan(lonlat).any(axis=1)
    if missing.any():
        return pa.compute.if_else(pa.array(missing), pa.scalar(None, pa.binary()), wkb)
    return wkb


class GeoParquetFile:
    """A GeoParquet 1.1 file that grows table by table, in row groups.

    The last column is ``geometry`` as WKB.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer: pa.parquet.ParquetWriter | None = None
        self._types: set[str] = set()
        self._bounds = np.array([np.inf, np.inf, -np.inf, -np.inf])

    def write(self, columns: pa.Table, geometry: Any) -> None:
        """Append rows. ``geometry``: an array of shapely geometries, or (n, 2) points."""
        if geometry.dtype == object:
            wkb = pa.array(shapely.to_wkb(geometry), pa.binary())
            self._types.update(part.geom_type for part in geometry if part is not None)
            bounds = shapely.total_bounds(geometry)
        else:
            wkb = point_wkb(geometry)
            self._types.add("Point")
            bounds = [*np.nanmin(geometry, axis=0), *np.nanmax(geometry, axis=0)]
        self._bounds = np.concatenate(
            [np.fmin(self._bounds[:2], bounds[:2]), np.fmax(self._bounds[2:], bounds[2:])]
        )
        table = columns.append_column("geometry", wkb)
        if self._writer is None:
            self._writer = pa.parquet.ParquetWriter(
                self._path, table.schema, compression="zstd", write_statistics=True
            )
        self._writer.write_table(table, row_group_size=ROW_GROUP)

    def close(self) -> None:
        """Write the metadata and finish the file."""
        if self._writer is None:
            return
        geo = {
            "version": "1.1.0",
            "primary_column": "geometry",
            "columns": {
                "geometry": {
                    "encoding": "WKB",
                    "geometry_types": sorted(self._types),
                    "crs": CRS.from_user_input(STORAGE_CRS).to_json_dict(),
                    "bbox": self._bounds.tolist(),
                }
            },
        }
        self._writer.add_key_value_metadata({"geo": json.dumps(geo, sort_keys=True)})
        self._writer.close()


class GeoJsonFile:
    """A GeoJSON feature collection (RFC 7946) that grows table by table."""

    def __init__(self, path: Path) -> None:
        self._stream = path.open("w", encoding="utf-8", newline="\n")
        self._stream.write('{"type": "FeatureCollection", "features": [')
        self._gap = "\n"

    def write(self, columns: pa.Table, geometry: Any) -> None:
        """Append features. ``geometry``: an array of shapely geometries, or (n, 2) points."""
        shapes = geometry if geometry.dtype == object else shapely.points(geometry)
        # RFC 7946 wants outer rings counter-clockwise
        shapes = shapely.orient_polygons(shapes)
        for properties, shape in zip(columns.to_pylist(), shapely.to_geojson(shapes), strict=True):
            text = json.dumps(properties, ensure_ascii=False)
            self._stream.write(
                f'{self._gap}{{"type": "Feature", "properties": {text}, "geometry": {shape}}}'
            )
            self._gap = ",\n"

    def close(self) -> None:
        """Finish the file."""
        self._stream.write("\n]}\n")
        self._stream.close()


def manifest_text(
    *,
    name: str,
    suffix: str,
    households: str,
    household_columns: Sequence[tuple[str, str]],
    target: int,
    team: dict[str, int],
    encoding: str | None = None,
) -> str:
    """The text of dataset.toml for files as `geodata.sample.write_sample` names them."""
    lines = ["[dataset]", f'name = "{name}"', f'crs = "{STORAGE_CRS}"']
    lines += ['licence = "CC0 1.0: invented data"', ""]
    for level, file in LEVEL_FILES.items():
        lines += ["[[divisions]]", f'level = "{level}"', f'file = "{file}{suffix}"']
        lines += ['code = "code"', 'name = "name"']
        lines += ([] if level == "province" else ['parent = "parent"']) + [""]
    lines += ["[households]", f'file = "{households}"']
    lines += [f'encoding = "{encoding}"'] if encoding else []
    lines += [f'{key} = "{column}"' for key, column in household_columns] + [""]
    for file in BARRIER_FILES:
        lines += ["[[barriers]]", f'file = "{file}{suffix}"', 'kind = "kind"']
        lines += ['weight = "weight"', ""]
    lines += ["[members]", 'file = "members.csv"', 'id = "member_id"', 'name = "name"']
    lines += ['roles = "roles"', 'max_posts = "max_posts"', 'lon = "lon"', 'lat = "lat"', ""]
    lines += ["[facilities]", f'file = "facilities{suffix}"', 'id = "facility_id"']
    lines += ['name = "name"', 'kind = "kind"', ""]
    lines += ["[grid]", f"target = {target}", f"minimum = {round(0.75 * target)}"]
    lines += [f"maximum = {round(1.25 * target)}", "", "[team]"]
    lines += [f"{role} = {posts}" for role, posts in team.items()]
    return "\n".join(lines) + "\n"


#: Level -> file name without suffix.
LEVEL_FILES: Final = {
    "province": "provinces",
    "city": "cities",
    "county": "counties",
    "street": "streets",
    "community": "communities",
}

BARRIER_FILES: Final = ("roads", "water")
