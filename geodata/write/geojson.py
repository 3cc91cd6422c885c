"""GeoJSON by RFC 7946, and sequences of features, one a line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from geodata.schema import STORAGE_CRS
from geodata.write.cells import json_value

__all__ = ["features", "write_geojson", "write_geojson_lines"]


def write_geojson(frame: pd.DataFrame, path: Path) -> None:
    """Write a FeatureCollection with one feature a line: the same frame, the same bytes."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write('{"type": "FeatureCollection", "features": [')
        for number, feature in enumerate(features(frame)):
            file.write(("," if number else "") + "\n" + feature)
        file.write("\n]}\n")


def write_geojson_lines(frame: pd.DataFrame, path: Path, *, separator: str = "") -> None:
    """Write a feature a line; RFC 8142 puts a record separator (0x1E) before each."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for feature in features(frame):
            file.write(separator + feature + "\n")


def features(frame: pd.DataFrame) -> Iterator[str]:
    """Features as text: longitude and latitude, shells counter-clockwise, holes clockwise.

    Coordinates keep as many digits as it takes to read back the same doubles, so that vertices
    that polygons share stay shared. A frame without geometry gives features without a place.
    """
    table, shapes = _table_and_shapes(frame)
    names = [json.dumps(str(name), ensure_ascii=False) for name in table.columns]
    columns = [table[name].tolist() for name in table.columns]
    rows = zip(*columns, strict=True) if columns else ((),) * len(table)
    for row, shape in zip(rows, shapes, strict=True):
        properties = ", ".join(
            f"{name}: {json.dumps(json_value(value), ensure_ascii=False)}"
            for name, value in zip(names, row, strict=True)
        )
        yield (
            f'{{"type": "Feature", "properties": {{{properties}}}, '
            f'"geometry": {"null" if shape is None else shape}}}'
        )


def _table_and_shapes(frame: pd.DataFrame) -> tuple[pd.DataFrame, Any]:
    """Attributes, and geometries as GeoJSON text."""
    if not isinstance(frame, gpd.GeoDataFrame):
        return frame, np.full(len(frame), None, dtype=object)
    if frame.crs is not None and frame.crs != STORAGE_CRS:
        frame = frame.to_crs(STORAGE_CRS)
    shapes = shapely.orient_polygons(np.array(frame.geometry, dtype=object))
    shapes[shapely.is_empty(shapes)] = None
    table = pd.DataFrame(frame.drop(columns=frame.geometry.name))
    return table, shapely.to_geojson(shapes)
