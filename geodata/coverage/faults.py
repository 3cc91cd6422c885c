"""The fault report of a coverage: each fault with its place and its area."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any, Final

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from geodata.coverage.overlaps import joined, left_of, made_valid, overlapping_pairs
from geodata.errors import InputError
from geodata.inputs import AREAS, checked_frame, number, optional_frame
from geodata.metric import MetricPlane

__all__ = ["AREA_TOLERANCE_M2", "FAULT_KINDS", "check", "code_column", "codes_of", "fault_frame"]

#: Faults of a smaller area are the rounding of coordinates: 1 cm across over 10 cm.
AREA_TOLERANCE_M2: Final = 1e-3

FAULT_KINDS: Final = ("invalid", "duplicate_code", "overlap", "gap", "stray")

_PLACE = re.compile(r"\[(\S+) (\S+)\]")

#: kind, codes, area in square metres, detail, geometry
Fault = tuple[str, tuple[str, ...], float, str, Any]


def check(
    polygons: gpd.GeoDataFrame,
    parents: gpd.GeoDataFrame | None = None,
    *,
    tolerance_m2: float = AREA_TOLERANCE_M2,
) -> gpd.GeoDataFrame:
    """List what keeps polygons from being a coverage.

    Parameters
    ----------
    polygons : GeoDataFrame of Polygon or MultiPolygon
        With a code in ``grid_code``, ``code``, ``community_code`` or else the first text column.
    parents : GeoDataFrame, optional
        What the polygons should tile, with a code in the same way; linked by ``community_code``
        or ``parent`` of ``polygons``. Without such a column the union of all parents counts.
    tolerance_m2 : float
        Overlaps, gaps and strays up to this area (square metres) are passed over.

    Returns
    -------
    GeoDataFrame
        One row a fault, in the CRS of ``polygons``; empty if all is well. ``kind``; ``codes``, a
        tuple; ``area_m2`` (metres of the plane about the centre of the polygons); ``detail``;
        ``geometry``, the place.

        - ``invalid``: no geometry, not a polygon, or a ring that is wrong; the place is where,
          the area what making it valid changes. The checks below take its valid shape.
        - ``duplicate_code``: all polygons that share a code, or have none.
        - ``overlap``: what two polygons both cover.
        - ``gap``: a part of the parent that no polygon covers. Without parents: a hole that two
          or more polygons enclose.
        - ``stray``: a part of a polygon outside its parent, or a polygon whose parent is unknown.

    Raises
    ------
    InputError
        No column that could be a code.
    """
    polygons = checked_frame(polygons, "polygons")
    parents = optional_frame(parents, "parents", kinds=AREAS)
    number(tolerance_m2, "tolerance_m2")
    codes = codes_of(polygons, code_column(polygons))
    plane = MetricPlane.of_frame(polygons)
    geometries = np.array(polygons.geometry, dtype=object)
    shapes = made_valid(geometries)
    unit = plane.square_metres_per_unit
    faults: list[Fault] = [
        *_invalid(geometries, shapes, codes, unit),
        *_duplicates(shapes, codes, unit),
    ]

    first, second, shared = overlapping_pairs(shapes, tolerance_m2 / unit)
    for i, j, place in zip(first, second, shared, strict=True):
        faults.append(("overlap", (codes[i], codes[j]), place.area * unit, "", place))

    if parents is None:
        faults += _enclosed_gaps(shapes, codes, unit, tolerance_m2)
    else:
        parents = parents.to_crs(polygons.crs)
        link = next((c for c in ("community_code", "parent") if c in polygons.columns), None)
        own = code_column(polygons)
        named = codes_of(polygons, link) if link and link != own else None
        faults += _against_parents(shapes, codes, named, parents, unit, tolerance_m2)
    return fault_frame(faults, polygons.crs)


def code_column(frame: pd.DataFrame) -> str:
    """Name the column that holds the code of each row."""
    for name in ("grid_code", "code", "community_code"):
        if name in frame.columns:
            return name
    for name in frame.columns:
        if name != getattr(frame, "_geometry_column_name", None) and (
            pd.api.types.is_string_dtype(frame[name].dtype)
        ):
            return str(name)
    raise InputError(
        "no column with a code: name one 'grid_code' or 'code', or have a column of text"
    )


def fault_frame(faults: Iterable[Fault], crs: Any) -> gpd.GeoDataFrame:
    """Faults as a frame of a fixed shape, even when there are none."""
    rows = list(faults)
    frame = pd.DataFrame(
        {
            "kind": pd.Series([row[0] for row in rows], dtype="str"),
            "codes": pd.Series([row[1] for row in rows], dtype=object),
            "area_m2": pd.Series([row[2] for row in rows], dtype="float64"),
            "detail": pd.Series([row[3] for row in rows], dtype="str"),
        }
    )
    return gpd.GeoDataFrame(frame, geometry=[row[4] for row in rows], crs=crs)


def codes_of(frame: pd.DataFrame, column: str) -> list[str]:
    """Codes as text; a missing one as empty text."""
    missing = frame[column].isna().to_numpy()
    return ["" if gone else str(code) for code, gone in zip(frame[column], missing, strict=True)]


def _invalid(
    geometries: NDArray[Any], shapes: NDArray[Any], codes: list[str], unit: float
) -> Iterator[Fault]:
    for geometry, shape, code in zip(geometries, shapes, codes, strict=True):
        if geometry is None or geometry.is_empty:
            yield "invalid", (code,), 0.0, "no geometry", None
        elif geometry.geom_type not in ("Polygon", "MultiPolygon"):
            yield "invalid", (code,), 0.0, f"a {geometry.geom_type}, not a polygon", geometry
        elif not geometry.is_valid:
            reason = shapely.is_valid_reason(geometry)
            found = _PLACE.search(reason)
            place = (
                geometry.representative_point()
                if found is None
                else shapely.Point(float(found[1]), float(found[2]))
            )
            change = abs(shape.area - geometry.area) * unit
            yield "invalid", (code,), change, _PLACE.sub("", reason).strip(), place


def _duplicates(shapes: NDArray[Any], codes: list[str], unit: float) -> Iterator[Fault]:
    groups: dict[str, list[int]] = {}
    for position, code in enumerate(codes):
        groups.setdefault(code, []).append(position)
    for code, positions in sorted(groups.items()):
        if code and len(positions) == 1:
            continue
        place = shapely.union_all(shapes[positions])
        many = "polygon" if len(positions) == 1 else "polygons"
        detail = f"{len(positions)} {many} {'share this code' if code else 'without a code'}"
        yield "duplicate_code", (code,), place.area * unit, detail, place


def _enclosed_gaps(
    shapes: NDArray[Any], codes: list[str], unit: float, tolerance_m2: float
) -> Iterator[Fault]:
    """Find holes of the union, save those that are a hole of one polygon alone."""
    holes = _holes(shapely.union_all(shapes))
    holes = holes[shapely.area(holes) * unit > tolerance_m2]
    own = _holes(shapes)
    hole_at, own_at = shapely.STRtree(own).query(
        shapely.point_on_surface(holes), predicate="intersects"
    )
    alike = abs(shapely.area(own[own_at]) - shapely.area(holes[hole_at])) * unit <= tolerance_m2
    holes = np.delete(holes, hole_at[alike])
    hole_at, polygon_at = shapely.STRtree(shapes).query(holes, predicate="intersects")
    for k, hole in enumerate(holes):
        around = tuple(sorted({codes[i] for i in polygon_at[hole_at == k]}))
        yield "gap", around, hole.area * unit, "a hole between these polygons", hole


def _holes(geometries: Any) -> NDArray[Any]:
    """Interior rings as polygons."""
    parts = shapely.get_parts(geometries)
    rings = [shapely.Polygon(ring) for part in parts for ring in part.interiors]
    return np.array(rings, dtype=object)


def _against_parents(
    shapes: NDArray[Any],
    codes: list[str],
    named: list[str] | None,
    parents: gpd.GeoDataFrame,
    unit: float,
    tolerance_m2: float,
) -> Iterator[Fault]:
    """Find gaps in the parents and strays outside them."""
    areas = made_valid(np.array(parents.geometry, dtype=object))
    parent_codes = codes_of(parents, code_column(parents))
    if named is None:
        areas = np.array([shapely.union_all(areas)], dtype=object)
        owner = np.zeros(len(shapes), dtype=np.int64)
    else:
        position = {code: k for k, code in enumerate(parent_codes)}
        owner = np.array([position.get(name, -1) for name in named], dtype=np.int64)

    order = np.argsort(owner, kind="stable")
    bounds = np.searchsorted(owner[order], np.arange(len(areas) + 1))
    children = [order[begin:end] for begin, end in pairwise(bounds)]
    unions = np.array([joined(shapes[own]) for own in children], dtype=object)
    gaps, parent = shapely.get_parts(left_of(areas, unions, unit, tolerance_m2), return_index=True)
    for part, k in zip(gaps, parent, strict=True):
        if part.area * unit > tolerance_m2:
            name = () if named is None else (parent_codes[k],)
            detail = "" if len(children[k]) else "no polygon is inside"
            yield "gap", name, part.area * unit, detail, part

    # what no union has outside, none of its polygons has
    strayed = shapely.area(left_of(unions, areas, unit, tolerance_m2)) * unit > tolerance_m2
    known = np.flatnonzero(np.append(strayed, False)[owner])
    outside, child = shapely.get_parts(
        shapely.difference(shapes[known], areas[owner[known]]), return_index=True
    )
    for part, i in zip(outside, known[child], strict=True):
        if part.area * unit > tolerance_m2:
            yield "stray", (codes[i],), part.area * unit, "", part
    for i in np.flatnonzero(owner < 0):
        detail = f"its parent '{named[i] if named else ''}' is not known"
        yield "stray", (codes[i],), shapely.area(shapes[i]) * unit, detail, shapes[i]
