"""The formats of the exports and their media types."""

from __future__ import annotations

from typing import Final

__all__ = ["FORMATS"]

#: suffix -> media type
FORMATS: Final = {
    "geojson": "application/geo+json",
    "geojsonl": "application/x-ndjson",
    "geojsonseq": "application/geo+json-seq",
    "csv": "text/csv; charset=utf-8",
    "gpkg": "application/geopackage+sqlite3",
    "parquet": "application/vnd.apache.parquet",
    "fgb": "application/vnd.flatgeobuf",
}
