"""Polygons drawn by hand, fitted to what they should tile: small faults closed, larger ones left.

Who draws by hand misses the boundary, and the neighbour, by centimetres or metres. Ground in
dispute that is nearer than a tolerance to a polygon is given to it; what is farther away stays a
fault, to be drawn again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from geodata.coverage.closing import ADJUSTMENTS, Drawing, close_faults
from geodata.coverage.faults import AREA_TOLERANCE_M2, check, code_column, codes_of
from geodata.coverage.overlaps import made_valid, polygonal
from geodata.errors import InputError
from geodata.inputs import AREAS, checked_frame, number
from geodata.metric import MetricPlane
from geodata.schema import FIT_TOLERANCE_M

__all__ = ["Fitted", "fit"]


@dataclass(frozen=True, slots=True)
class Fitted:
    """Polygons after fitting.

    Attributes
    ----------
    polygons : GeoDataFrame
        The same rows in the same order.
    adjustments : GeoDataFrame
        One row a place larger than the rounding of coordinates: ``kind``, ``codes`` (who has the
        ground now, then who had it), ``area_m2``, ``moved_m`` (the farthest that a border moved
        there, metres), ``geometry``. The kinds are ``gap`` (filled), ``overlap`` (parted),
        ``stray`` (cut off), ``sliver`` (a splinter that went to its neighbour) and ``invalid``
        (mended).
    moved : DataFrame
        One row a polygon that changed: ``code``, ``moved_m``, ``gained_m2``, ``lost_m2``.
    """

    polygons: gpd.GeoDataFrame
    adjustments: gpd.GeoDataFrame
    moved: pd.DataFrame


def fit(
    polygons: gpd.GeoDataFrame,
    parents: gpd.GeoDataFrame,
    *,
    tolerance_m: float = FIT_TOLERANCE_M,
) -> Fitted:
    """Close the small gaps, overlaps and strays of polygons; larger ones stay as they are drawn.

    No border moves by more than the tolerance. Where two polygons may have the ground, the one
    with the lower code gets it. Afterwards the polygons share every vertex with each other where
    they meet, and the boundary of their parent is where it was.

    1. An invalid polygon is mended if what is wrong with it is narrower than the tolerance.
    2. What reaches out of the parent is cut off, unless some point of it is farther out.
    3. Ground of nobody, or of several, is cut into triangles. A polygon gets those that hang
       together with the ground that is its alone and have no corner farther from it. So does a
       neighbour with a splinter that step 2 or a crossing of lines left behind.
    4. A parent with a polygon that could not be mended, and with larger faults than before, stays
       as it is drawn.

    Parameters
    ----------
    polygons : GeoDataFrame of Polygon or MultiPolygon
        With a code as for :func:`geodata.coverage.check`, and the code of the parent in
        ``community_code`` or ``parent``.
    parents : GeoDataFrame
        What the polygons should tile: a code in the same way; they do not overlap.
    tolerance_m : float
        Metres; 0 changes nothing.

    Returns
    -------
    Fitted

    Raises
    ------
    InputError
        A tolerance below 0, no column with a code, a parent that is not known.
    """
    number(tolerance_m, "tolerance_m", unit=" m")
    polygons = checked_frame(polygons, "polygons")
    parents = checked_frame(parents, "parents", kinds=AREAS).to_crs(polygons.crs)
    codes = np.array(codes_of(polygons, code_column(polygons)), dtype=object)
    home = _homes(polygons, parents)
    plane = MetricPlane.of_frame(parents if len(parents) else polygons)
    given = np.array(polygons.geometry, dtype=object)
    shapes, mended = _mended(given, plane, tolerance_m)
    sound = np.flatnonzero(_sound(shapes))
    done = mended
    if tolerance_m > 0 and len(sound):
        rank = np.argsort(np.argsort(codes[sound], kind="stable"), kind="stable")
        areas = made_valid(np.array(parents.geometry, dtype=object))
        drawing = Drawing(shapes[sound], areas, home[sound], rank, plane, tolerance_m)
        as_drawn = shapes.copy()
        shapes[sound], closed = close_faults(drawing)
        # positions among the sound ones -> positions in the frame; -1 stays nobody
        position = np.append(sound, -1)
        closed["owner"] = position[closed["owner"].to_numpy(dtype=np.int64)]
        closed["losers"] = [tuple(position[at] for at in each) for each in closed["losers"]]
        worse = _worse(polygons, parents, home, sound, as_drawn, shapes)
        shapes[worse] = as_drawn[worse]
        places = zip(closed["owner"], closed["losers"], strict=True)
        kept = [not any(worse[at] for at in (own, *others) if at >= 0) for own, others in places]
        closed = closed[np.array(kept, dtype=bool) & (closed["area_m2"] > AREA_TOLERANCE_M2)]
        closed = closed.reset_index(drop=True)
        done = pd.concat([mended, closed], ignore_index=True) if len(mended) else closed
    return Fitted(
        polygons=polygons.set_geometry(gpd.GeoSeries(shapes, polygons.index, crs=polygons.crs)),
        adjustments=_told(done, codes, polygons.crs),
        moved=_moved(done, codes),
    )


def _homes(polygons: gpd.GeoDataFrame, parents: gpd.GeoDataFrame) -> NDArray[np.int64]:
    """The position of the parent of each polygon."""
    link = next((c for c in ("community_code", "parent") if c in polygons.columns), None)
    if link is None:
        raise InputError("the polygons have no column 'community_code'", field="community_code")
    known = {str(code): at for at, code in enumerate(parents[code_column(parents)])}
    home = np.array([known.get(str(code), -1) for code in polygons[link]], dtype=np.int64)
    if (home < 0).any():
        strange = polygons[link].iloc[int(np.argmin(home))]
        raise InputError(f"there is no parent '{strange}'", field=link)
    return home


def _worse(
    polygons: gpd.GeoDataFrame,
    parents: gpd.GeoDataFrame,
    home: NDArray[np.int64],
    sound: NDArray[np.int64],
    before: NDArray[Any],
    after: NDArray[Any],
) -> NDArray[np.bool_]:
    """Polygons of a parent that has more to mend now: they stay as they are drawn.

    That may be only beside a polygon that could not be made valid: its ground counts for nobody's
    while faults are closed, and a neighbour may have taken of it.
    """
    found = np.zeros(len(polygons), dtype=bool)
    for parent in np.unique(np.delete(home, sound)):
        own = home == parent
        loss = []
        for shapes in (before, after):
            drawn = polygons[own].set_geometry(gpd.GeoSeries(shapes[own], polygons.index[own]))
            faults = check(drawn.set_crs(polygons.crs), parents.iloc[[parent]])
            loss.append(faults.loc[faults["kind"] != "invalid", "area_m2"].sum())
        found |= own & (loss[1] > loss[0])
    return found


def _sound(shapes: NDArray[Any]) -> NDArray[np.bool_]:
    kinds = np.isin(shapely.get_type_id(shapes), (3, 6))
    return np.asarray(kinds & shapely.is_valid(shapes) & ~shapely.is_empty(shapes), dtype=bool)


def _mended(
    given: NDArray[Any], plane: MetricPlane, tolerance_m: float
) -> tuple[NDArray[Any], pd.DataFrame]:
    """Polygons of which a narrow part was wrong, made valid; and what changed."""
    shapes = shapely.force_2d(given)
    rows = []
    for at in np.flatnonzero(np.isin(shapely.get_type_id(shapes), (3, 6)) & ~_sound(shapes)):
        if shapely.is_empty(shapes[at]) or tolerance_m == 0:
            continue
        whole, even_odd = (
            polygonal(np.array([shapely.make_valid(shapes[at], **how)], dtype=object))[0]
            for how in ({"method": "structure", "keep_collapsed": False}, {"method": "linework"})
        )
        parts = shapely.get_parts(whole)
        wide = parts[[not _narrow(plane.to_metres(part), tolerance_m) for part in parts]]
        doubt = shapely.symmetric_difference(whole, even_odd)
        if not 0 < len(wide) <= shapely.get_num_geometries(shapes[at]) or not _narrow(
            plane.to_metres(doubt), tolerance_m
        ):
            continue
        kept = wide[0] if len(wide) == 1 else shapely.MultiPolygon(list(wide))
        change = shapely.symmetric_difference(even_odd, kept)
        area = change.area * plane.square_metres_per_unit
        place = change if area else shapely.boundary(kept)
        rows.append(("invalid", at, (), area, tolerance_m if area else 0.0, place))
        shapes[at] = kept
    return shapes, pd.DataFrame(rows, columns=list(ADJUSTMENTS))


def _narrow(shape: Any, width_m: float) -> bool:
    """Whether no disc of that diameter has room in a shape in metres."""
    return bool(shapely.is_empty(shapely.buffer(shape, -width_m / 2.0)))


def _told(done: pd.DataFrame, codes: NDArray[np.object_], crs: Any) -> gpd.GeoDataFrame:
    named = [
        tuple(str(codes[at]) for at in ((owner,) if owner >= 0 else ()) + tuple(losers))
        for owner, losers in zip(done["owner"], done["losers"], strict=True)
    ]
    frame = pd.DataFrame(
        {
            "kind": done["kind"].astype("str"),
            "codes": pd.Series(named, dtype=object),
            "area_m2": done["area_m2"].astype("float64"),
            "moved_m": done["moved_m"].astype("float64"),
        }
    )
    return gpd.GeoDataFrame(frame, geometry=list(done["geometry"]), crs=crs)


def _moved(done: pd.DataFrame, codes: NDArray[np.object_]) -> pd.DataFrame:
    """What each polygon gained and lost, and the farthest that its border moved."""
    rows = [
        (codes[at], row.moved_m, row.area_m2 * gained, row.area_m2 * (not gained))
        for row in done.itertuples()
        for at, gained in [(row.owner, True), *((loser, False) for loser in row.losers)]
        if at >= 0
    ]
    frame = pd.DataFrame(rows, columns=["code", "moved_m", "gained_m2", "lost_m2"])
    frame = frame.astype({"moved_m": float, "gained_m2": float, "lost_m2": float})
    return frame.groupby("code", as_index=False).agg(
        {"moved_m": "max", "gained_m2": "sum", "lost_m2": "sum"}
    )
