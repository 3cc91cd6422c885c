"""The writer of each suffix, and the file that appears whole or not at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import shapely
from shapely import GeometryType

from geodata.errors import InputError, UnavailableError
from geodata.inputs import checked_path, shown
from geodata.schema import STORAGE_CRS
from geodata.write.cells import guarded, plain_columns
from geodata.write.geojson import write_geojson, write_geojson_lines

__all__ = ["SUFFIXES", "write"]

# Decimals with which a double reads back as itself; trailing zeros are left out.
_ALL_DIGITS: Final = 20


def write(frame: pd.DataFrame | pd.Series, path: str | Path, *, layer: str | None = None) -> Path:
    """Write a frame to a file whose suffix says the format.

    Parameters
    ----------
    frame : GeoDataFrame, DataFrame or Series
        An index with a name is written as a column, another one is not. Lists become text
        with ``;`` between the items.
    path : str or Path
        ``.geojson`` or ``.json`` (RFC 7946), ``.geojsonl`` (a feature a line), ``.geojsonseq``
        (RFC 8142), ``.gpkg``, ``.parquet`` (GeoParquet), ``.fgb``, ``.csv``. The folder is made
        if need be.
    layer : str, optional
        Layer of a GeoPackage, the name of the file by default. With it, the other layers of a
        GeoPackage that exists stay.

    Returns
    -------
    Path

    Raises
    ------
    InputError
        A suffix that is not known; a frame that the format cannot hold.
    UnavailableError
        The folder cannot be written, or the disk is full.

    Notes
    -----
    The file is written beside its place and then moved there: whoever reads it sees the old one
    or the new one. GeoJSON and CSV are in EPSG:4326, the other formats in the CRS of the frame.

    CSV is UTF-8 with BOM, for Excel. Points become the columns ``lon`` and ``lat``, other
    geometry the column ``geometry`` (WKT), both with all digits. Text that a spreadsheet would
    run as a formula (it starts with ``= + - @``, tab or return and is not a number) gets an
    apostrophe in front.
    """
    target = checked_path(path)
    writer = SUFFIXES.get(target.suffix.lower())
    if writer is None:
        raise InputError(
            f"the suffix '{target.suffix}' is not known: use one of {', '.join(SUFFIXES)}",
            file=path,
        )
    if not isinstance(frame, pd.DataFrame | pd.Series):
        raise InputError(f"a DataFrame, GeoDataFrame or Series is written, not {shown(frame)}")
    frame = _with_index(frame)
    if frame.columns.has_duplicates:
        twice = frame.columns[frame.columns.duplicated()][0]
        raise InputError(f"two columns are called '{twice}'", field=str(twice))
    if isinstance(frame, gpd.GeoDataFrame) and frame._geometry_column_name not in frame.columns:
        frame = pd.DataFrame(frame)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".writing-") as folder:
            draft = Path(folder) / target.name
            if layer is not None and target.suffix.lower() == ".gpkg" and target.exists():
                shutil.copyfile(target, draft)
            writer(plain_columns(frame), draft, layer or target.stem)
            draft.replace(target)
    except OSError as error:
        raise UnavailableError(f"{target} cannot be written: {error.strerror or error}") from error
    except pyogrio.errors.DataSourceError as error:
        raise UnavailableError(f"{target} cannot be written: {error}") from error
    except (
        pyogrio.errors.FieldError,
        pyogrio.errors.FeatureError,
        pyogrio.errors.GeometryError,
        ValueError,  # of several types in one column, or of no column at all
        TypeError,
    ) as error:
        raise InputError(f"the format cannot hold this: {error}", file=path) from error
    return target


def _with_index(frame: pd.DataFrame | pd.Series) -> pd.DataFrame:
    """A frame whose named index levels are its first columns; a series becomes a frame."""
    if isinstance(frame, pd.Series):
        frame = frame.to_frame(frame.name if frame.name is not None else "value")
    named = [name for name in frame.index.names if name is not None and name not in frame.columns]
    return frame.reset_index(level=named) if named else frame


def _geojson(frame: pd.DataFrame, path: Path, layer: str) -> None:
    write_geojson(frame, path)


def _geojson_lines(frame: pd.DataFrame, path: Path, layer: str) -> None:
    write_geojson_lines(frame, path)


def _geojson_sequence(frame: pd.DataFrame, path: Path, layer: str) -> None:
    write_geojson_lines(frame, path, separator="\x1e")


def _geopackage(frame: pd.DataFrame, path: Path, layer: str) -> None:
    _by_gdal(frame, path, layer, "GPKG")


def _flatgeobuf(frame: pd.DataFrame, path: Path, layer: str) -> None:
    if not isinstance(frame, gpd.GeoDataFrame):
        raise InputError("FlatGeobuf holds geometry only: use .csv, .parquet or .gpkg", file=path)
    # its index cannot hold a feature without a place
    placeless = bool(frame.geometry.isna().any() or frame.geometry.is_empty.any())
    _by_gdal(frame, path, layer, "FlatGeobuf", SPATIAL_INDEX="NO" if placeless else "YES")


def _by_gdal(frame: pd.DataFrame, path: Path, layer: str, driver: str, **options: str) -> None:
    table = frame.reset_index(drop=True)
    shapes = table.geometry if isinstance(table, gpd.GeoDataFrame) else None
    kinds = set() if shapes is None else set(shapes.dropna().geom_type)
    pyogrio.write_dataframe(
        table,
        path,
        layer=layer,
        driver=driver,
        promote_to_multi=kinds == {"Polygon", "MultiPolygon"},
        **options,
    )


def _parquet(frame: pd.DataFrame, path: Path, layer: str) -> None:
    frame.to_parquet(path, index=False)


def _csv(frame: pd.DataFrame, path: Path, layer: str) -> None:
    table = _with_places(frame) if isinstance(frame, gpd.GeoDataFrame) else frame
    text = [name for name in table.columns if _is_text(table[name])]
    table = table.assign(**{name: table[name].map(guarded) for name in text})
    table.columns = [guarded(str(name)) for name in table.columns]
    table.to_csv(path, index=False, encoding="utf-8-sig", lineterminator="\n")


def _is_text(column: pd.Series) -> bool:
    return bool(column.dtype == object or pd.api.types.is_string_dtype(column.dtype))


def _with_places(frame: gpd.GeoDataFrame) -> pd.DataFrame:
    """Geometry as longitude and latitude where all are points, otherwise as WKT."""
    if frame.crs is not None and frame.crs != STORAGE_CRS:
        frame = frame.to_crs(STORAGE_CRS)
    shapes = np.array(frame.geometry, dtype=object)
    table = pd.DataFrame(frame.drop(columns=frame.geometry.name))
    points = np.isin(shapely.get_type_id(shapes), [GeometryType.MISSING, GeometryType.POINT])
    if len(shapes) and points.all() and not {"lon", "lat"} & set(table.columns):
        shapes[shapely.is_empty(shapes)] = None
        return table.assign(lon=shapely.get_x(shapes), lat=shapely.get_y(shapes))
    text = shapely.to_wkt(shapes, rounding_precision=_ALL_DIGITS)
    return table.assign(geometry=pd.Series(text, index=table.index, dtype=object))


#: Writer by suffix.
SUFFIXES: Final[dict[str, Callable[[pd.DataFrame, Path, str], None]]] = {
    ".geojson": _geojson,
    ".json": _geojson,
    ".geojsonl": _geojson_lines,
    ".geojsonseq": _geojson_sequence,
    ".gpkg": _geopackage,
    ".parquet": _parquet,
    ".fgb": _flatgeobuf,
    ".csv": _csv,
}
