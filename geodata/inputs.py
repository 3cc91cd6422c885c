"""What a caller hands over, looked at before the work begins: a frame, its columns, its CRS.

Each check returns what it was given, ready to use, or raises an InputError that says what to do.
"""

from __future__ import annotations

from collections.abc import Iterable
from os import PathLike
from pathlib import Path
from typing import Any, Final

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from shapely import GeometryType

from geodata._values import nearest
from geodata.errors import InputError
from geodata.schema import STORAGE_CRS

__all__ = [
    "ANY",
    "AREAS",
    "POINTS",
    "checked_frame",
    "checked_path",
    "checked_table",
    "counts",
    "geometries",
    "limits",
    "listed",
    "number",
    "optional_frame",
    "placed",
    "shown",
    "texts",
    "with_places",
]

#: Kinds of geometry; None and empty geometries are of every kind.
POINTS: Final = frozenset({GeometryType.POINT})
AREAS: Final = frozenset({GeometryType.POLYGON, GeometryType.MULTIPOLYGON})
ANY: Final = frozenset(GeometryType)

_SAID: Final = {POINTS: "a point", AREAS: "a polygon"}
_FROM_COLUMNS: Final = (
    "geopandas.GeoDataFrame(frame, geometry=geopandas.points_from_xy(frame.lon, frame.lat), "
    "crs=4326)"
)
_FROM_TEXT: Final = (
    "geopandas.GeoDataFrame(frame, geometry=geopandas.GeoSeries.from_wkt(frame.wkt), crs=4326)"
)
#: The exactness of degrees: a map may touch the date line and the poles.
_DEGREES: Final = np.array([180.0, 90.0, 180.0, 90.0]) + 1e-6


def checked_frame(
    value: Any, what: str, *columns: str, kinds: frozenset[GeometryType] | None = None
) -> gpd.GeoDataFrame:
    """A frame with geometry and the columns that are needed, and with a CRS.

    Parameters
    ----------
    value : object
        What was given; hopefully a GeoDataFrame. Without a CRS it counts as longitude and latitude.
    what : str
        What to call it, in the plural: ``grids``.
    *columns : str
        Columns that must be there.
    kinds : frozenset of GeometryType, optional
        ``POINTS``, ``AREAS`` or ``ANY``; with the latter two, coordinates must be finite.

    Raises
    ------
    InputError
        No GeoDataFrame, no active geometry, a column that is missing or stands twice, geometry of
        another kind, coordinates that are no degrees without a CRS.
    """
    if not isinstance(value, gpd.GeoDataFrame):
        raise InputError(_no_frame(value, what, columns, kinds))
    _refuse_missing(value, what, columns)
    if _geometry_name(value) not in value.columns:
        shapes = [str(c) for c in value.columns if value[c].dtype == "geometry"]
        hint = f"frame.set_geometry('{shapes[0]}')" if shapes else _from(kinds)
        raise InputError(f"the {what} have no active geometry: {hint} gives them one")
    if kinds is not None:
        _refuse_other_kinds(value, what, kinds)
    return _with_crs(value, what)


def optional_frame(
    value: Any, what: str, *columns: str, kinds: frozenset[GeometryType] | None = None
) -> gpd.GeoDataFrame | None:
    """As :func:`checked_frame`, but None stays None."""
    return None if value is None else checked_frame(value, what, *columns, kinds=kinds)


def checked_table(value: Any, what: str, *columns: str) -> pd.DataFrame:
    """A frame with the columns that are needed, with geometry or without.

    Raises
    ------
    InputError
        No DataFrame, or a column that is missing or stands twice.
    """
    if not isinstance(value, pd.DataFrame):
        raise InputError(f"the {what} must be a DataFrame, not {shown(value)}")
    _refuse_missing(value, what, columns)
    return value


def texts(
    value: pd.DataFrame, name: str, what: str, *, unique: bool = False
) -> NDArray[np.object_]:
    """A column of codes as text: given as text or as whole numbers, none missing.

    Raises
    ------
    InputError
        A missing one, another type (a number with a fraction has lost its leading zeros), or, with
        ``unique``, one that occurs twice.
    """
    column = value[name].astype(object).to_numpy()
    given = np.array([isinstance(each, str | int | np.integer) for each in column], dtype=bool)
    given &= np.array([not isinstance(each, bool | np.bool_) for each in column], dtype=bool)
    if not given.all():
        row = int(np.argmin(given))
        wrong = column[row]
        missing = not isinstance(wrong, list | tuple | np.ndarray) and pd.isna(wrong)
        said = "is missing" if missing else f"must be text, not {shown(wrong)}"
        raise InputError(f"the {name} of one of the {what} {said}", row=row + 1, field=name)
    codes = np.array([str(each) for each in column], dtype=object)
    if unique:
        twice = np.flatnonzero(pd.Series(codes, dtype=object).duplicated())
        if len(twice):
            code = codes[twice[0]]
            raise InputError(
                f"the {name} '{code}' occurs more than once among the {what}",
                row=int(twice[0]) + 1,
                field=name,
            )
    return codes


def with_places(points: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """The frame with None for every point that is empty or has no finite coordinates."""
    shapes = points.geometry.to_numpy()
    known = placed(shapes)
    if (known | shapely.is_missing(shapes)).all():
        return points
    shapes = shapes.copy()
    shapes[~known] = None
    return points.set_geometry(gpd.GeoSeries(shapes, points.index, crs=points.crs))


def placed(points: NDArray[Any]) -> NDArray[np.bool_]:
    """Which of some points have finite coordinates."""
    some = points.copy()
    some[shapely.is_empty(points)] = None  # an empty one has no x to ask for
    return np.asarray(np.isfinite(shapely.get_x(some)) & np.isfinite(shapely.get_y(some)))


def counts(value: pd.DataFrame, name: str, what: str, default: int = 1) -> NDArray[np.int64]:
    """A column of whole numbers from 0 up; ``default`` everywhere where there is no such column.

    Raises
    ------
    InputError
        A value that is missing, negative, fractional, too large or no number.
    """
    if name not in value.columns:
        return np.full(len(value), default, dtype=np.int64)
    column = value[name]
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        numbers = column.to_numpy(dtype=np.float64, na_value=np.nan)
    else:
        plain = [each if isinstance(each, str | int | float) else np.nan for each in column]
        numbers = pd.to_numeric(pd.Series(plain, dtype=object), errors="coerce").to_numpy(float)
    with np.errstate(invalid="ignore"):
        good = (numbers >= 0) & (numbers < 2**31) & (numbers == np.floor(numbers))
    if not good.all():
        row = int(np.argmin(good))
        raise InputError(
            f"the {name} of the {what} must be whole numbers, 0 or more, "
            f"not {shown(column.iloc[row])}",
            row=row + 1,
            field=name,
        )
    return numbers.astype(np.int64)


def geometries(value: Any, what: str) -> NDArray[np.object_]:
    """The geometries of a GeoDataFrame, a GeoSeries or an array of them, as an array.

    Raises
    ------
    InputError
        Something else.
    """
    if isinstance(value, gpd.GeoDataFrame):
        value = checked_frame(value, what).geometry
    if isinstance(value, pd.DataFrame):
        raise InputError(_no_frame(value, what, (), None))
    try:
        found = np.array(value, dtype=object).reshape(-1)
    except ValueError:
        found = np.array([value], dtype=object)
    known = shapely.is_geometry(found) | shapely.is_missing(found) & ~_is_value(found)
    if not known.all():
        wrong = found[int(np.argmin(known))]
        raise InputError(
            f"the {what} must be a GeoDataFrame, a GeoSeries or shapely geometries, "
            f"not {shown(wrong)}"
        )
    return found


def _is_value(found: NDArray[np.object_]) -> NDArray[np.bool_]:
    return np.array([each is not None and each == each for each in found], dtype=bool)


def number(
    value: Any,
    name: str,
    *,
    least: float = 0.0,
    most: float = np.inf,
    whole: bool = False,
    unit: str = "",
) -> float:
    """A finite number in a range, ends included; ``most`` may be infinite.

    Raises
    ------
    InputError
        Something else; the message names ``name``.
    """
    real = isinstance(value, int | float | np.integer | np.floating)
    if real and not isinstance(value, bool) and abs(value) < 1e300 and least <= value <= most:
        plain = float(value)
        if not whole or plain.is_integer():
            return plain
    span = f"{least:g}{unit} or more" if least == 0 else f"at least {least:g}{unit}"
    if np.isfinite(most):
        span = f"from {least:g}{unit} to {most:,.0f}{unit}"
    kind = "a whole number, " if whole else ""
    raise InputError(f"must be {kind}{span}, not {shown(value)}", field=name)


def limits(target: Any, minimum: Any, maximum: Any) -> tuple[float, float, float]:
    """The households that a grid should hold, and the range it must keep.

    Raises
    ------
    InputError
        They are no numbers above 0, or contradict each other.
    """
    given = {"target": target, "minimum": minimum, "maximum": maximum}
    wanted = {name: number(value, name) for name, value in given.items()}
    if not 0 < wanted["minimum"] <= wanted["target"] <= wanted["maximum"]:
        raise InputError(
            f"a grid needs 0 < minimum <= target <= maximum households, not minimum {minimum}, "
            f"target {target}, maximum {maximum}"
        )
    return wanted["target"], wanted["minimum"], wanted["maximum"]


def listed(value: Any, name: str) -> list[str]:
    """Texts in a list or another iterable, as a list.

    Raises
    ------
    InputError
        A single text, or nothing that holds texts.
    """
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        raise InputError(f"must be a list of texts, not {shown(value)}", field=name)
    found = list(value)
    if not all(isinstance(each, str) for each in found):
        raise InputError("must be a list of texts", field=name)
    return found


def checked_path(value: Any) -> Path:
    """The path of a file.

    Raises
    ------
    InputError
        Something that is no path.
    """
    if isinstance(value, str | PathLike) and str(value).strip():
        return Path(value)
    raise InputError(f"the path of a file is needed, not {shown(value)}")


def shown(value: Any) -> str:
    """A value as far as it helps to find it."""
    if isinstance(value, pd.Series | pd.DataFrame | pd.Index | np.ndarray):
        return f"a {type(value).__name__}"
    plain = value.item() if isinstance(value, np.generic) else value
    text = " ".join(repr(plain).split())
    return text if len(text) <= 40 else f"{text[:37]}..."


def _geometry_name(value: gpd.GeoDataFrame) -> Any:
    return value._geometry_column_name


def _from(kinds: frozenset[GeometryType] | None) -> str:
    return _FROM_COLUMNS if kinds == POINTS else _FROM_TEXT


def _no_frame(
    value: Any, what: str, columns: tuple[str, ...], kinds: frozenset[GeometryType] | None
) -> str:
    named = f" with the columns {', '.join(columns)}" if columns else ""
    if isinstance(value, gpd.GeoSeries):
        more = "".join(f", '{name}': ..." for name in columns).removeprefix(", ")
        return (
            f"the {what} are a GeoSeries, and a GeoDataFrame{named} is needed: "
            f"geopandas.GeoDataFrame({{{more}}}, geometry=series) makes one"
        )
    if isinstance(value, pd.DataFrame):
        return f"the {what} are a DataFrame without geometry: {_from(kinds)} gives it one"
    if isinstance(value, str | PathLike):
        return f"the {what} must be a GeoDataFrame{named}: geopandas.read_file reads a file"
    return f"the {what} must be a GeoDataFrame{named}, not {shown(value)}"


def _refuse_missing(value: pd.DataFrame, what: str, columns: tuple[str, ...]) -> None:
    if value.columns.has_duplicates:
        twice = value.columns[value.columns.duplicated()][0]
        raise InputError(f"two columns of the {what} are called '{twice}'", field=str(twice))
    for name in columns:
        if name not in value.columns:
            shape = getattr(value, "_geometry_column_name", None)
            known = [str(each) for each in value.columns if each != shape]
            raise InputError(
                f"the {what} have no column '{name}': {nearest(name, known)}; "
                "frame.rename(columns={...}) renames one",
                field=name,
            )


def _refuse_other_kinds(value: gpd.GeoDataFrame, what: str, kinds: frozenset[GeometryType]) -> None:
    shapes = value.geometry.to_numpy()
    found = shapely.get_type_id(shapes)
    wrong = (found >= 0) & ~np.isin(found, list(kinds))
    if wrong.any():
        wrong &= ~shapely.is_empty(shapes)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise InputError(
            f"each of the {what} must be {_SAID[kinds]}, not a {shapes[row].geom_type}",
            row=row + 1,
            field=str(_geometry_name(value)),
        )
    if kinds == POINTS:
        return  # one without finite coordinates has no place, which is told in its row
    xy, owner = shapely.get_coordinates(shapes, return_index=True)
    endless = ~np.isfinite(xy).all(axis=1)
    if endless.any():
        raise InputError(
            f"a coordinate of the {what} is not finite",
            row=int(owner[np.argmax(endless)]) + 1,
            field=str(_geometry_name(value)),
        )


def _with_crs(value: gpd.GeoDataFrame, what: str) -> gpd.GeoDataFrame:
    if value.crs is not None:
        return value
    bounds = value.total_bounds
    if len(value) and np.isfinite(bounds).all() and (np.abs(bounds) > _DEGREES).any():
        west, south, east, north = bounds
        raise InputError(
            f"the {what} have no CRS, and their coordinates (x {west:.6g} to {east:.6g}, y "
            f"{south:.6g} to {north:.6g}) are no degrees: frame.set_crs('EPSG:...') says what they "
            "are"
        )
    return value.set_crs(STORAGE_CRS)
