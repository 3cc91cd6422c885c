"""The reference systems of coordinates that come and go, with the authority's axis order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from service.errors import InvalidParameter

__all__ = ["CRS84", "DEFAULT_CRS", "OFFERED", "OF_THE_EARTH", "Crs", "crs_of_srid", "parse_crs"]

CRS84: Final = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
_EPSG: Final = "http://www.opengis.net/def/crs/EPSG/0/"
#: Boxes of longer sides, or nearer to a pole, are not brought to the system of a table: few reach
#: so far. Degrees, and metres.
_WIDE: Final = 5.0
_WIDE_M: Final = 500_000.0
_POLAR: Final = 85.0


@dataclass(frozen=True, slots=True)
class Crs:
    """A reference system.

    Attributes
    ----------
    uri : str
        Its name.
    srid : int
        Its number in PostGIS.
    north_first : bool
        Whether the authority puts latitude or northing before longitude or easting.
    in_degrees : bool
        Whether its units are degrees.
    """

    uri: str
    srid: int
    north_first: bool
    in_degrees: bool

    @property
    def code(self) -> str:
        """Its short name, as ``CRS84`` or ``3857``."""
        return self.uri.rsplit("/", 1)[1]

    def is_wide(self, box: tuple[float, float, float, float]) -> bool:
        """Whether a box in it, longitude or easting first, is more than other systems may reach."""
        west, south, east, north = box
        longest = max(east - west, north - south)
        if not self.in_degrees:
            return longest > _WIDE_M
        return longest > _WIDE or max(abs(south), abs(north)) > _POLAR


DEFAULT_CRS: Final = Crs(CRS84, 4326, north_first=False, in_degrees=True)


def _epsg(code: int, *, north_first: bool, in_degrees: bool = False) -> Crs:
    return Crs(f"{_EPSG}{code}", code, north_first=north_first, in_degrees=in_degrees)


#: uri -> reference system: WGS 84, Web Mercator, ETRS89, CGCS2000 and its zones of three degrees.
OFFERED: Final[dict[str, Crs]] = {
    each.uri: each
    for each in (
        DEFAULT_CRS,
        _epsg(4326, north_first=True, in_degrees=True),
        _epsg(3857, north_first=False),
        _epsg(4258, north_first=True, in_degrees=True),
        _epsg(4490, north_first=True, in_degrees=True),
        # 75 to 135 degrees east, without the zone in the easting: x runs north, y east
        *(_epsg(code, north_first=True) for code in range(4534, 4555)),
    )
}

#: Numbers of systems that take any place on the earth, the poles too.
OF_THE_EARTH: Final = frozenset(
    {3857, *(each.srid for each in OFFERED.values() if each.in_degrees)}
)


def parse_crs(name: str, text: str | None) -> Crs:
    """The reference system that a parameter names; longitude and latitude if it is absent.

    Raises
    ------
    InvalidParameter
        It is not offered.
    """
    if text is None:
        return DEFAULT_CRS
    found = OFFERED.get(text)
    if found is None:
        raise InvalidParameter(name, "names no reference system of the list at /collections")
    return found


def crs_of_srid(srid: int) -> str:
    """The name of the reference system in which a table of this SRID keeps its coordinates.

    EPSG's name for WGS 84, not OGC's: programs know it better, and put its axes right themselves.
    """
    return f"{_EPSG}{srid}"
