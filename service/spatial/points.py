"""Many points located at once: CSV or GeoJSON in, the same with their grids out."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from geodata.errors import InputError
from service.catalogue.values import parse_number

__all__ = [
    "LOCATED",
    "MOST_POINTS",
    "Points",
    "parse_csv",
    "parse_geojson",
    "write_csv",
    "write_geojson",
]

MOST_POINTS: Final = 100_000
#: What is told of each point.
LOCATED: Final = ("grid_code", "community_code", "on_boundary", "nearest_code", "distance_m")

# what a spreadsheet takes for a formula
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Points:
    """Points as they came.

    Attributes
    ----------
    lon, lat : list of float
        Degrees.
    rows : list of mapping
        What came with each of them.
    columns : tuple of str
        The names in a row, for CSV.
    """

    lon: list[float] = field(default_factory=list)
    lat: list[float] = field(default_factory=list)
    rows: list[Mapping[str, Any]] = field(default_factory=list)
    columns: tuple[str, ...] = ()

    def add(self, lon: float, lat: float, row: Mapping[str, Any], where: str) -> None:
        """Take a point; ``where`` is what to call it.

        Raises
        ------
        InputError
            It lies beyond the earth, or is one too many.
        """
        if not (abs(lon) <= 180.0 and abs(lat) <= 90.0):
            raise InputError(f"{where}: {lon}, {lat} is no longitude and latitude in degrees.")
        if len(self.rows) >= MOST_POINTS:
            raise InputError(f"There are more than {MOST_POINTS:,} points: send them in parts.")
        self.lon.append(lon)
        self.lat.append(lat)
        self.rows.append(row)


def parse_csv(body: bytes) -> Points:
    """Rows with the columns ``lon`` and ``lat``, in UTF-8.

    Raises
    ------
    InputError
        A column is missing or there twice, or a row has no numbers there, or more cells than the
        heading; the message names the row.
    """
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError("The CSV is not in UTF-8.") from error
    # strictly, or a quotation mark that is not closed takes all further rows into its cell
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        columns = tuple(_headings(reader))
        points = Points(columns=columns)
        for number, row in enumerate(reader, start=1):
            if any(row.pop(None, ())):  # in empty cells nothing is lost
                raise InputError(f"Row {number} has more cells than the heading.")
            lon, lat = (_number(row, name, number) for name in ("lon", "lat"))
            points.add(lon, lat, row, f"Row {number}")
    except csv.Error as error:
        raise InputError(f"The CSV cannot be read: {error}.") from error
    return points


def _headings(reader: csv.DictReader[str]) -> Sequence[str]:
    columns = list(reader.fieldnames or ())
    while columns and not columns[-1]:  # commas at the end of the line
        columns.pop()
    reader.fieldnames = columns
    missing = [name for name in ("lon", "lat") if name not in columns]
    if missing:
        raise InputError(f"The CSV has no column '{missing[0]}'; it needs lon and lat.")
    twice = [name for name, times in Counter(columns).items() if times > 1]
    if twice:
        raise InputError(f"The CSV has more than one column '{twice[0]}'.")
    return columns


def _number(row: Mapping[str, Any], name: str, number: int) -> float:
    try:
        return parse_number((row.get(name) or "").strip())
    except ValueError as error:
        raise InputError(f"Row {number}: {name} is no number.") from error


def parse_geojson(document: Mapping[str, Any]) -> Points:
    """A feature collection of points.

    Raises
    ------
    InputError
        It is none, or a feature is no point; the message names its place.
    """
    features = document.get("features")
    if document.get("type") != "FeatureCollection" or not isinstance(features, list):
        raise InputError("The body is no GeoJSON feature collection.")
    points = Points()
    for number, feature in enumerate(features, start=1):
        geometry = feature.get("geometry") if isinstance(feature, dict) else None
        if not isinstance(geometry, dict) or geometry.get("type") != "Point":
            raise InputError(f"Feature {number} is no point.")
        position = geometry.get("coordinates")
        numbers = isinstance(position, list) and len(position) in (2, 3) and position[:2]
        if not numbers or not all(type(each) in (int, float) for each in numbers):
            raise InputError(f"Feature {number} has no longitude and latitude.")
        points.add(float(numbers[0]), float(numbers[1]), feature, f"Feature {number}")
    return points


def write_csv(points: Points, found: Sequence[Mapping[str, Any]]) -> str:
    """The rows as they came, with what was found behind; a column of the same name gives way."""
    kept = [name for name in points.columns if name not in LOCATED]
    text = io.StringIO(newline="")
    table = csv.writer(text)
    table.writerow([*map(_cell, kept), *LOCATED])
    for row, told in zip(points.rows, found, strict=True):
        table.writerow([*(_cell(row.get(name)) for name in kept), *_told(told)])
    return text.getvalue()


def _cell(value: Any) -> Any:
    """A cell as it came, unless a spreadsheet would run it: then with an apostrophe before it."""
    if isinstance(value, str) and value.startswith(_FORMULA):
        try:
            parse_number(value)
        except ValueError:
            return f"'{value}"
    return value


def _told(told: Mapping[str, Any]) -> Iterable[Any]:
    for name in LOCATED:
        value = told[name]
        yield str(value).lower() if isinstance(value, bool) else value


def write_geojson(points: Points, found: Sequence[Mapping[str, Any]]) -> str:
    """The features as they came, with what was found among their properties."""
    features = []
    for feature, told in zip(points.rows, found, strict=True):
        own = feature.get("properties")
        properties = {**(own if isinstance(own, dict) else {}), **told}
        features.append({**feature, "type": "Feature", "properties": properties})
    collection = {"type": "FeatureCollection", "features": features}
    return json.dumps(collection, ensure_ascii=False, separators=(",", ":"))
