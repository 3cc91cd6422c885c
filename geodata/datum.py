"""Datums: GCJ-02, BD-09 and every CRS that PROJ knows -> EPSG:4326, and which one fits best.

Source: the EPSG registry through PROJ; ``geodata._gcj02`` for the datums of Chinese web maps.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import ArrayLike, NDArray
from pyproj import CRS, Transformer
from pyproj.enums import TransformDirection
from pyproj.exceptions import CRSError, ProjError

from geodata._gcj02 import CHINA, gcj02_to_bd09, invert, wgs84_to_gcj02
from geodata.schema import STORAGE_CRS

__all__ = [
    "BD09",
    "GCJ02",
    "DatumFit",
    "best_datum",
    "datum_name",
    "from_wgs84",
    "is_ballpark",
    "parse_crs",
    "same_crs",
    "to_storage",
    "to_wgs84",
]

GCJ02: Final = "gcj02"
BD09: Final = "bd09"

#: Shifts to WGS84 in metres (position = old + shift, geocentric) for datums that PROJ cannot
#: convert. TWD67: the parameters in public use in Taiwan, good to a few metres.
_SHIFTS: Final = {3821: (-752.0, -358.0, -179.0)}

#: Geodetic CRSs that data still come in by mistake: the datum before the present one.
_OLDER_CRS: Final = (
    4301,  # Tokyo
    3821,  # TWD67
    4214,  # Beijing 1954
    4610,  # Xian 1980
    4162,  # Korean 1985
    4253,  # Luzon 1911
    4240,  # Indian 1975
    4239,  # Indian 1954
    4244,  # Kandawala
    4245,  # Kertau 1968
    4211,  # Batavia
    4202,  # AGD66
    4272,  # NZGD49
    4222,  # Cape
    4230,  # ED50
    4277,  # OSGB36
    4313,  # BD72
    4314,  # DHDN
    4289,  # Amersfoort
    4149,  # CH1903
    4265,  # Monte Mario
    4275,  # NTF
    4207,  # Lisbon
    4156,  # S-JTSK
    4284,  # Pulkovo 1942
    4225,  # Corrego Alegre
    4618,  # SAD69
    4267,  # NAD27
)

_Array = NDArray[np.float64]


def parse_crs(value: str | int) -> str:
    """A CRS as people write it -> ``gcj02``, ``bd09``, ``EPSG:n`` or the text that PROJ takes.

    Raises
    ------
    ValueError
        Nobody knows such a CRS.
    """
    folded = re.sub(r"[^a-z0-9]", "", str(value).lower())
    if folded in {GCJ02, BD09}:
        return folded
    try:
        crs = CRS.from_user_input(int(value) if str(value).strip().isdigit() else value)
    except CRSError:
        raise ValueError(
            f'is no known CRS: {value!r}; give an EPSG code such as "EPSG:4326", "gcj02" or "bd09"'
        ) from None
    code = crs.to_epsg(min_confidence=100)
    return f"EPSG:{code}" if code is not None else str(value).strip()


def same_crs(one: str, other: str) -> bool:
    """Whether two CRSs name the same coordinates (longitude first in both)."""
    if one == other:
        return True
    if {one, other} & {GCJ02, BD09}:
        return False
    return bool(CRS(one).equals(CRS(other), ignore_axis_order=True))


# -- conversions ----------------------------------------------------------------------------------


def to_wgs84(x: ArrayLike, y: ArrayLike, crs: str) -> tuple[_Array, _Array]:
    """Coordinates in ``crs`` -> longitude and latitude in EPSG:4326.

    Parameters
    ----------
    x, y : array_like of float, shape (n,)
        Longitude or easting first, whatever the axis order of the authority.
    crs : str
        ``gcj02``, ``bd09`` or anything that PROJ takes.

    Returns
    -------
    tuple of ndarray
        Longitude and latitude in degrees; what cannot be converted is not finite.

    Notes
    -----
    GCJ-02 is WGS84 itself outside 72.004-137.8347 E, 0.8293-55.8271 N, the rectangle that its
    implementations share. The inverses iterate until they stand still within 1 mm.
    """
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if crs == BD09:
        x, y = invert(gcj02_to_bd09, x, y)
    if crs in {GCJ02, BD09}:
        return invert(wgs84_to_gcj02, x, y)
    return _through(_steps(crs), x, y, TransformDirection.FORWARD)


def from_wgs84(lon: ArrayLike, lat: ArrayLike, crs: str) -> tuple[_Array, _Array]:
    """Longitude and latitude in EPSG:4326 -> coordinates in ``crs``; see :func:`to_wgs84`."""
    x, y = np.asarray(lon, dtype=np.float64), np.asarray(lat, dtype=np.float64)
    if crs in {GCJ02, BD09}:
        x, y = wgs84_to_gcj02(x, y)
        return gcj02_to_bd09(x, y) if crs == BD09 else (x, y)
    return _through(_steps(crs), x, y, TransformDirection.INVERSE)


def to_storage(shapes: NDArray[np.object_], crs: str) -> NDArray[np.object_]:
    """Geometries in ``crs`` -> EPSG:4326."""

    def convert(xy: _Array) -> _Array:
        return np.column_stack(to_wgs84(xy[:, 0], xy[:, 1], crs))

    return np.asarray(shapely.transform(shapes, convert), dtype=object)


def is_ballpark(crs: str, x: float, y: float) -> bool:
    """Whether PROJ knows no real conversion of a datum of old there, so that metres are lost.

    Datums on the ellipsoids of satellite times (GRS80, WGS84, CGCS2000) differ by decimetres and
    do not count.
    """
    if crs in {GCJ02, BD09}:
        return False
    geodetic = CRS(crs).geodetic_crs
    if geodetic is None or geodetic.ellipsoid is None or geodetic.to_epsg() in _SHIFTS:
        return False
    if abs(geodetic.ellipsoid.semi_major_metre - 6378137.0) < 0.5:
        return False
    try:
        exact = Transformer.from_crs(crs, STORAGE_CRS, always_xy=True, allow_ballpark=False)
    except ProjError:  # there is none
        return True
    return not np.all(np.isfinite(exact.transform(x, y)))


@lru_cache(maxsize=64)
def _steps(crs: str) -> tuple[Transformer, ...]:
    """Transformers that lead one after the other to EPSG:4326; none where nothing changes."""
    if same_crs(crs, STORAGE_CRS):
        return ()
    parsed = CRS(crs)
    geodetic = parsed.geodetic_crs
    shift = _SHIFTS.get(geodetic.to_epsg() or 0) if geodetic is not None else None
    if shift is None or geodetic is None or geodetic.ellipsoid is None:
        return (Transformer.from_crs(parsed, STORAGE_CRS, always_xy=True),)
    ellipsoid = geodetic.ellipsoid
    shifted = Transformer.from_pipeline(
        "+proj=pipeline +step +proj=unitconvert +xy_in=deg +xy_out=rad "
        f"+step +proj=cart +a={ellipsoid.semi_major_metre} +rf={ellipsoid.inverse_flattening} "
        "+step +proj=helmert +x={} +y={} +z={} ".format(*shift)
        + "+step +inv +proj=cart +ellps=WGS84 +step +proj=unitconvert +xy_in=rad +xy_out=deg"
    )
    return Transformer.from_crs(parsed, geodetic, always_xy=True), shifted


def _through(
    steps: tuple[Transformer, ...], x: _Array, y: _Array, direction: TransformDirection
) -> tuple[_Array, _Array]:
    if not steps:
        return x.copy(), y.copy()
    backwards = direction == TransformDirection.INVERSE
    for step in reversed(steps) if backwards else steps:
        x, y = step.transform(x, y, direction=direction)
    return np.asarray(x), np.asarray(y)


# -- which datum fits best ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DatumFit:
    """How well points fall into their communities under the declared datum and under others.

    Attributes
    ----------
    declared, best : str
        CRS as declared, and the one with the largest share.
    shares : dict of str to float
        CRS -> share of the points, 0 to 1, that it puts where they belong.
    basis : str
        ``declared community``: into their own one; ``any community``: no point declares one.
    points : int
        Points compared.
    better : bool
        The best one is so much better than the declared one that chance does not explain it.
    """

    declared: str
    best: str
    shares: dict[str, float]
    basis: str
    points: int
    better: bool

    @property
    def declared_share(self) -> float:
        """Share under the declared datum."""
        return self.shares[self.declared]

    @property
    def best_share(self) -> float:
        """Share under the best datum."""
        return self.shares[self.best]

    @property
    def warning(self) -> str | None:
        """One sentence that names both datums and their shares; None where all is well."""
        if not self.better:
            return None
        where = "their declared community" if self.basis == "declared community" else "a community"
        return (
            f"under {datum_name(self.best)} {self.best_share:.1%} of the points fall into {where}, "
            f"under {datum_name(self.declared)}, as declared, {self.declared_share:.1%}: "
            f'if the data are in {datum_name(self.best)}, set crs = "{self.best}"'
        )


def datum_name(crs: str) -> str:
    """``EPSG:4301 (Tokyo)``, ``gcj02 (GCJ-02)``: a CRS as a person reads it."""
    names = {GCJ02: "GCJ-02", BD09: "BD-09"}
    if crs in names:
        return f"{crs} ({names[crs]})"
    # a CRS without a code is known by its name alone: its definition would fill a page
    return f"{crs} ({CRS(crs).name})" if len(crs) < 40 else str(CRS(crs).name)


def best_datum(
    x: ArrayLike,
    y: ArrayLike,
    declared_communities: Sequence[str | None] | pd.Series | None,
    communities: gpd.GeoDataFrame,
    declared_crs: str,
    *,
    prefix: str = "",
    sample: int = 20_000,
) -> DatumFit:
    """Compare the share of points inside their declared community under several datums.

    Parameters
    ----------
    x, y : array_like of float, shape (n,)
        Coordinates as given, in ``declared_crs``.
    declared_communities : sequence of str or None
        Code (with or without ``prefix``) or name of the community of each point. Where none names
        a known community, a point counts when it falls into any.
    communities : GeoDataFrame
        Columns ``code``, ``name``, geometry in EPSG:4326.
    declared_crs : str
        ``gcj02``, ``bd09`` or what PROJ takes.
    prefix : str
        The prefix of the data set's codes.
    sample : int
        Points compared at most, spread evenly over the rows.

    Notes
    -----
    Candidates are the declared datum, EPSG:4326, GCJ-02, BD-09 and older geodetic CRSs whose area
    of use holds the data. Another datum is called better when its share is larger by 5 points or
    more and McNemar's test on the points that change sides gives z >= 4.
    """
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    usable = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
    own, pairs = _declared(declared_communities, communities, prefix, len(x))
    by_declared = bool((own[usable] >= 0).any())
    if by_declared:
        usable = usable[own[usable] >= 0]
    if len(usable) > sample:
        usable = usable[np.linspace(0, len(usable) - 1, sample).astype(np.int64)]
    x, y, own = x[usable], y[usable], own[usable]
    tree = shapely.STRtree(np.asarray(communities.geometry.array))
    hits = {
        crs: _inside(lon, lat, tree, own, pairs if by_declared else None)
        for crs, (lon, lat) in _readings(x, y, declared_crs).items()
    }
    shares = {crs: float(hit.mean()) if len(hit) else 0.0 for crs, hit in hits.items()}
    best = max(shares, key=lambda crs: (shares[crs], crs == declared_crs))
    gained = int((hits[best] & ~hits[declared_crs]).sum())
    lost = int((hits[declared_crs] & ~hits[best]).sum())
    significant = gained - lost >= 4.0 * np.sqrt(gained + lost) if gained else False
    better = bool(significant and shares[best] - shares[declared_crs] >= 0.05)
    basis = "declared community" if by_declared else "any community"
    return DatumFit(declared_crs, best, shares, basis, len(usable), better)


def _declared(
    declared: Sequence[str | None] | pd.Series | None,
    communities: gpd.GeoDataFrame,
    prefix: str,
    count: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """What the points declare.

    Returns the number of the declared text of each point (-1 where it names no community), and
    the matches of texts with polygons as ``number * len(communities) + polygon``: a name may
    belong to several communities.
    """
    if declared is None:
        return np.full(count, -1, dtype=np.int64), np.empty(0, dtype=np.int64)
    numbers, texts = pd.factorize(pd.Series(declared, dtype="object").to_numpy())
    codes = communities["code"].astype("object").to_numpy()
    short = [str(code).removeprefix(prefix) for code in codes]
    names = communities["name"].astype("object").to_numpy()
    polygons = np.arange(len(communities))
    known = pd.DataFrame(
        {"text": np.concatenate([codes, short, names]), "polygon": np.tile(polygons, 3)}
    ).dropna()
    given = pd.DataFrame({"text": np.asarray(texts, dtype=object), "number": range(len(texts))})
    matches = given.merge(known, on="text")
    found = np.zeros(len(texts) + 1, dtype=bool)
    found[matches["number"].to_numpy()] = True
    pairs = matches["number"].to_numpy() * len(communities) + matches["polygon"].to_numpy()
    return np.where(found[numbers], numbers, -1), np.unique(pairs)


def _readings(x: _Array, y: _Array, declared: str) -> dict[str, tuple[_Array, _Array]]:
    """Candidate CRS -> longitude and latitude of the points, were they in it.

    Projected coordinates are first turned into degrees of their own datum, which are then read
    as degrees of each candidate. A candidate that is within a metre of one before it is left out.
    """
    readings = {declared: to_wgs84(x, y, declared)}
    if not len(x):
        return readings
    if declared not in {GCJ02, BD09}:
        crs = CRS(declared)
        if not crs.is_geographic and crs.geodetic_crs is not None:
            degrees = Transformer.from_crs(crs, crs.geodetic_crs, always_xy=True)
            x, y = degrees.transform(x, y)
    middle = float(np.median(x)), float(np.median(y))
    west, south, east, north = CHINA
    chinese = west <= middle[0] <= east and south <= middle[1] <= north
    older = [f"EPSG:{code}" for code in _OLDER_CRS if _holds(CRS(code), *middle)]
    for crs_name in (STORAGE_CRS, *((GCJ02, BD09) if chinese else ()), *older):
        lon, lat = to_wgs84(x, y, crs_name)
        if all(_metres_apart(lon, lat, *other) > 1.0 for other in readings.values()):
            readings[crs_name] = lon, lat
    return readings


def _holds(crs: CRS, lon: float, lat: float) -> bool:
    area = crs.area_of_use
    if area is None or not area.south <= lat <= area.north:
        return False
    if area.west <= area.east:
        return bool(area.west <= lon <= area.east)
    return bool(lon >= area.west or lon <= area.east)  # across the antimeridian


def _metres_apart(lon: _Array, lat: _Array, other_lon: _Array, other_lat: _Array) -> float:
    """Largest distance between two readings of the same points, roughly."""
    east = (lon - other_lon) * np.cos(np.radians(lat))
    with np.errstate(invalid="ignore"):
        apart = np.hypot(east, lat - other_lat) * 111_320.0
    return float(np.nanmax(np.where(np.isfinite(apart), apart, 0.0)))


def _inside(
    lon: _Array,
    lat: _Array,
    tree: shapely.STRtree,
    own: NDArray[np.int64],
    pairs: NDArray[np.int64] | None,
) -> NDArray[np.bool_]:
    """Whether each point is covered by a community that it declares (``pairs``), or by any."""
    hit = np.zeros(len(lon), dtype=bool)
    finite = np.flatnonzero(np.isfinite(lon) & np.isfinite(lat))
    which, polygon = tree.query(shapely.points(lon[finite], lat[finite]), predicate="intersects")
    which = finite[which]
    if pairs is not None:
        which = which[np.isin(own[which] * len(tree) + polygon, pairs)]
    hit[which] = True
    return hit
