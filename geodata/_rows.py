"""What the checks of ``geodata.validate`` share: rejections, numbers, texts and places."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import shapely
from numpy.typing import NDArray
from pyproj import CRS

from geodata.datum import BD09, GCJ02, to_wgs84
from geodata.notices import Notice
from geodata.read import REJECT_COLUMNS, RawBatch

__all__ = [
    "Rejections",
    "Texts",
    "geometry_of",
    "locate_points",
    "series",
    "whole_numbers",
]

_Mask = NDArray[np.bool_]
_Floats = NDArray[np.float64]

_NUMBER: Final = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?$"

_TEXT_DTYPE: Final = pd.StringDtype(storage="pyarrow", na_value=np.nan)


class Rejections:
    """Which rows of a batch are still good, and why the others are not.

    A row is rejected once, for the first reason that was found.
    """

    def __init__(self, batch: RawBatch) -> None:
        self.batch = batch
        self.good: _Mask = np.ones(len(batch), dtype=bool)
        self._places: list[NDArray[np.int64]] = []
        self._fields: list[list[str | None]] = []
        self._reasons: list[list[str]] = []

    def add(self, bad: _Mask, name: str | None, reason: str | Callable[[int], str]) -> None:
        """Reject the rows of a mask; ``reason`` may be made for each from its position."""
        places = np.flatnonzero(bad & self.good)
        if not len(places):
            return
        self.good[places] = False
        column = self.batch.source.columns.get(name, name) if name is not None else None
        self._places.append(places)
        self._fields.append([column] * len(places))
        self._reasons.append(
            [reason if isinstance(reason, str) else reason(int(at)) for at in places]
        )

    def frame(self) -> pd.DataFrame:
        """``row, field, reason, raw`` in the order of the file, malformed rows included."""
        malformed = self.batch.malformed[REJECT_COLUMNS]
        if not self._places:
            return malformed.reset_index(drop=True)
        places = np.concatenate(self._places)
        rejected = pd.DataFrame(
            {
                "row": self.batch.rows[places],
                "field": pd.Series(
                    [name for names in self._fields for name in names], dtype=object
                ),
                "reason": [reason for reasons in self._reasons for reason in reasons],
                "raw": self.batch.raw(places),
            }
        )
        parts = [malformed, rejected] if len(malformed) else [rejected]
        return pd.concat(parts).sort_values("row", kind="stable", ignore_index=True)


@dataclass(slots=True)
class Texts:
    """The text fields of a batch, freed of what no database stores, with warnings.

    Attributes
    ----------
    values : dict of str to pyarrow array
        Field -> trimmed text, null where blank or not mapped.
    warnings : list of Notice
    """

    batch: RawBatch
    values: dict[str, Any] = field(default_factory=dict)
    warnings: list[Notice] = field(default_factory=list)

    @classmethod
    def of(cls, batch: RawBatch, rejections: Rejections, key: str, others: Sequence[str]) -> Texts:
        """Read ``key``, whose text must be whole, and ``others``, where a fault is a warning."""
        texts = cls(batch)
        for name in (key, *others):
            texts.values[name] = texts._clean(name)
        garbled = _mask(pc.match_substring(texts.values[key], "\ufffd"))
        rejections.add(
            garbled,
            key,
            f"the text is not in {batch.info.encoding}: set encoding, or correct the character",
        )
        for name in others:
            texts._note_garbled(name)
        return texts

    def _clean(self, name: str) -> Any:
        text = self.batch.text(name)
        nul = pc.match_substring(text, "\0")
        if not pc.any(nul).as_py():
            return text
        self._warn(name, _mask(nul), "hold a NUL character, which is taken out")
        return pc.replace_substring(text, "\0", "")

    def _note_garbled(self, name: str) -> None:
        garbled = pc.match_substring(self.values[name], "\ufffd")
        if pc.any(garbled).as_py():
            encoding = self.batch.info.encoding
            self._warn(name, _mask(garbled), f"hold characters that are not in {encoding}")

    def _warn(self, name: str, mask: _Mask, what: str) -> None:
        column = self.batch.source.columns.get(name, name)
        rows = self.batch.rows[mask]
        self.warnings.append(
            Notice(
                self.batch.source.file.name,
                len(rows),
                "value",
                f"of '{column}' {what}",
                row=int(rows[0]),
            )
        )

    def __getitem__(self, name: str) -> Any:
        return self.values[name]

    def missing(self, name: str) -> _Mask:
        """Where a text is blank."""
        return _mask(pc.is_null(self.values[name]))


def series(values: Any) -> pd.Series:
    """A pyarrow text array -> Series of pandas' str."""
    return pd.Series(_TEXT_DTYPE.__from_arrow__(pa.chunked_array([values])))


def _mask(values: Any) -> _Mask:
    filled = pc.fill_null(values, False)
    return np.asarray(filled.to_numpy(zero_copy_only=False), dtype=bool)


# -- numbers --------------------------------------------------------------------------------------


def numbers(text: Any) -> tuple[_Floats, _Mask, _Mask]:
    """Text -> float64 (NaN where there is none), where it is blank, where it is no number."""
    blank = _mask(pc.is_null(text))
    try:
        values = pc.cast(text, pa.float64())
        unreadable = np.zeros(len(blank), dtype=bool)
    except pa.ArrowInvalid:
        readable = pc.match_substring_regex(text, _NUMBER)
        values = pc.cast(pc.if_else(readable, text, pa.scalar(None, pa.string())), pa.float64())
        unreadable = ~_mask(readable) & ~blank
    found = np.array(values.to_numpy(zero_copy_only=False), dtype=np.float64)
    unreadable |= ~np.isfinite(found) & ~blank
    found[unreadable] = np.nan
    return found, blank, unreadable


def whole_numbers(
    rejections: Rejections, name: str, *, least: int, most: int, what: str, blank_is_bad: bool
) -> _Floats:
    """Whole numbers of one field; rows with anything else are rejected, NaN marks a blank."""
    text = rejections.batch.text(name)
    values, blank, unreadable = numbers(text)
    rejections.add(unreadable, name, lambda at: f"{text[at].as_py()!r} is not {what}")
    if blank_is_bad:
        rejections.add(blank, name, f"it is blank: give {what}, or leave the row out")
    with np.errstate(invalid="ignore"):
        odd = ~blank & ((values != np.round(values)) | (values < least) | (values > most))
    rejections.add(odd, name, lambda at: f"{text[at].as_py()} is not {what}")
    return values


# -- places ---------------------------------------------------------------------------------------


@dataclass(slots=True)
class Points:
    """Places of a batch.

    Attributes
    ----------
    x, y : ndarray of float64
        As given, NaN where a row has none.
    lon, lat : ndarray of float64
        In EPSG:4326.
    missing : ndarray of bool
        Rows that state no place at all.
    warnings : list of Notice
    """

    x: _Floats
    y: _Floats
    lon: _Floats
    lat: _Floats
    missing: _Mask
    warnings: list[Notice]


def locate_points(
    rejections: Rejections,
    *,
    extent: tuple[float, float, float, float] | None,
    required: bool,
) -> Points:
    """One point a row; rows whose place is damaged or impossible are rejected.

    Parameters
    ----------
    rejections : Rejections
        Of the batch; it receives the bad rows.
    extent : (west, south, east, north) or None
        Where the communities are; a point outside it that would be inside with its coordinates
        swapped is rejected as swapped.
    required : bool
        Rows without a place are rejected too.
    """
    batch = rejections.batch
    warnings: list[Notice] = []
    if "lon" in batch.source.columns:
        x, y, missing = _from_columns(rejections)
        names = ("lon", "lat")
    else:
        x, y, missing = _from_geometry(rejections, warnings)
        names = ("geometry", "geometry")
    if required:
        rejections.add(missing, names[0], "there is no place: give its coordinates")
    zero = (x == 0.0) & (y == 0.0)
    rejections.add(zero, names[0], "0, 0 is no real place: give the coordinates, or none at all")
    swapped = _look_swapped(x, y, batch.crs, extent)
    rejections.add(
        swapped,
        names[0],
        lambda at: f"longitude and latitude look swapped ({x[at]:g}, {y[at]:g}): swap the columns",
    )
    lon, lat = _converted(rejections, x, y, names)
    return Points(x, y, lon, lat, missing, warnings)


def _from_columns(rejections: Rejections) -> tuple[_Floats, _Floats, _Mask]:
    x, no_x = _coordinate(rejections, "lon")
    y, no_y = _coordinate(rejections, "lat")
    for name, blank, other in (("lon", no_x, no_y), ("lat", no_y, no_x)):
        rejections.add(blank & ~other, name, "it is blank while the other coordinate is given")
    return x, y, no_x & no_y


def _coordinate(rejections: Rejections, name: str) -> tuple[_Floats, _Mask]:
    text = rejections.batch.text(name)
    values, blank, unreadable = numbers(text)
    rejections.add(
        unreadable,
        name,
        lambda at: f"{text[at].as_py()!r} is not a number: write it like 116.397",
    )
    return values, blank


def _from_geometry(
    rejections: Rejections, warnings: list[Notice]
) -> tuple[_Floats, _Floats, _Mask]:
    batch = rejections.batch
    if "geometry" in batch.source.columns:
        text = batch.text("geometry")
        shapes = _from_wkt(text)
        missing = _mask(pc.is_null(text))
        rejections.add(shapely.is_missing(shapes) & ~missing, "geometry", "this is no WKT")
    else:
        shapes = geometry_of(batch)
        missing = shapely.is_missing(shapes)
    missing = missing | shapely.is_empty(shapes)
    shapes = shapes.copy()
    shapes[missing] = None  # an empty point has no coordinate to ask for
    kind = shapely.get_type_id(shapes)
    area = np.isin(kind, (3, 6)) | ((kind == 4) & (shapely.get_num_geometries(shapes) > 1))
    single = (kind == 4) & ~area
    rejections.add(
        ~missing & ~np.isin(kind, (0, 3, 4, 6)),
        "geometry",
        lambda at: f"a {shapes[at].geom_type} is no place: give a point or a polygon",
    )
    if area.any() or single.any():
        shapes[single] = shapely.get_geometry(shapes[single], 0)
        shapes[area] = shapely.point_on_surface(shapes[area])
    if area.any():
        warnings.append(
            Notice(
                batch.source.file.name,
                int(area.sum()),
                "place",
                "given as polygons or several points: a point inside stands for them",
                row=int(batch.rows[area][0]),
            )
        )
    return shapely.get_x(shapes), shapely.get_y(shapes), missing


def geometry_of(batch: RawBatch) -> NDArray[np.object_]:
    """The geometry of a batch, None throughout where the file has none."""
    if batch.geometry is not None:
        return batch.geometry
    return np.full(len(batch), None, dtype=object)


def _from_wkt(text: Any) -> NDArray[np.object_]:
    shapes = shapely.from_wkt(text.to_numpy(zero_copy_only=False), on_invalid="ignore")
    return np.asarray(shapely.force_2d(shapes), dtype=object)


def _is_degrees(crs: str) -> bool:
    return crs in {GCJ02, BD09} or bool(CRS(crs).is_geographic)


def _look_swapped(
    x: _Floats, y: _Floats, crs: str, extent: tuple[float, float, float, float] | None
) -> _Mask:
    """Latitudes beyond the poles, and points that are in the extent only when turned round."""
    if not _is_degrees(crs):
        return np.zeros(len(x), dtype=bool)
    with np.errstate(invalid="ignore"):
        swapped = (np.abs(y) > 90.0) & (np.abs(y) <= 180.0) & (np.abs(x) <= 90.0)
    if extent is None:
        return swapped
    west, south, east, north = extent
    # wider than any difference of datums, and at least as wide as the data again
    margin_x, margin_y = max(east - west, 0.1), max(north - south, 0.1)

    def within(lon: _Floats, lat: _Floats) -> _Mask:
        with np.errstate(invalid="ignore"):
            return (
                (lon > west - margin_x)
                & (lon < east + margin_x)
                & (lat > south - margin_y)
                & (lat < north + margin_y)
            )

    return swapped | (~within(x, y) & within(y, x))


def _converted(
    rejections: Rejections, x: _Floats, y: _Floats, names: tuple[str, str]
) -> tuple[_Floats, _Floats]:
    """Longitude and latitude; what is out of range or cannot be converted is rejected."""
    crs = rejections.batch.crs
    if _is_degrees(crs):
        _reject_outside(rejections, x, names[0], "longitude", 180.0)
        _reject_outside(rejections, y, names[1], "latitude", 90.0)
    usable = rejections.good & np.isfinite(x) & np.isfinite(y)
    lon, lat = np.full(len(x), np.nan), np.full(len(x), np.nan)
    lon[usable], lat[usable] = to_wgs84(x[usable], y[usable], crs)
    with np.errstate(invalid="ignore"):
        placed = (np.abs(lon) <= 180.0) & (np.abs(lat) <= 90.0)
    rejections.add(
        usable & ~placed,
        names[0],
        lambda at: f"{x[at]:g}, {y[at]:g} is no place in {crs}: is that the right CRS?",
    )
    return lon, lat


def _reject_outside(
    rejections: Rejections, values: _Floats, name: str, what: str, limit: float
) -> None:
    with np.errstate(invalid="ignore"):
        outside = np.abs(values) > limit
    rejections.add(
        outside,
        name,
        lambda at: (
            f"{what} {values[at]:g} is out of range (-{limit:g} to {limit:g}): are these "
            f"degrees in {rejections.batch.crs}?"
        ),
    )
