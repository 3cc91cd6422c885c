"""Small gaps, overlaps and strays closed on an arrangement of polygons and their parents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components

from geodata.coverage.arrangement import (
    NEAR_M,
    Cells,
    arrange,
    edge_lines,
    edges_of,
    edges_shared,
)
from geodata.metric import MetricPlane

__all__ = ["ADJUSTMENTS", "Drawing", "close_faults"]

#: Columns of what was done: kind, who has the ground now (-1: nobody), who had it, and how much.
ADJUSTMENTS = ("kind", "owner", "losers", "area_m2", "moved_m", "geometry")


@dataclass(frozen=True, slots=True)
class Drawing:
    """What is to be fitted.

    Attributes
    ----------
    shapes : (n,) array of valid Polygon or MultiPolygon
    parents : (m,) array of the same
        They do not overlap.
    home : (n,) int64
        The parent of each polygon.
    rank : (n,) int64
        Who comes first where several may have the ground.
    plane : MetricPlane
    tolerance_m : float
        Above 0.
    """

    shapes: NDArray[Any]
    parents: NDArray[Any]
    home: NDArray[np.int64]
    rank: NDArray[np.int64]
    plane: MetricPlane
    tolerance_m: float


def close_faults(drawing: Drawing) -> tuple[NDArray[Any], pd.DataFrame]:
    """The polygons after closing, and what was done, with the columns ``ADJUSTMENTS``.

    A polygon of which nothing would be left stays as it is drawn.
    """
    lines, feet = edge_lines(drawing.shapes, drawing.parents, drawing.plane, drawing.tolerance_m)
    cells = arrange(lines, feet, drawing.shapes, drawing.parents, drawing.home, drawing.plane)
    beside = _adjacency(cells.shape)
    outside = drawing.home[cells.polygon] != cells.parent[cells.cell]
    far_out, cut = _strays(drawing, cells, beside, outside)
    settled = _settled(drawing, cells, beside, outside)
    claims = _claims(drawing, cells, settled)
    # ground that someone keeps beyond its parent is a fault as it is drawn: nobody takes it
    claims = claims[~claims["cell"].isin(cells.cell[far_out])]
    owner, moved = _grown(drawing, beside, settled, claims)

    nobody = owner < 0
    owner[nobody] = np.where(settled.sliver_of >= 0, settled.sliver_of, owner)[nobody]
    held = np.flatnonzero(owner >= 0)
    undecided = (owner[cells.cell] < 0) & ~outside  # an overlap that stays
    pairs = np.concatenate(
        [
            np.stack([held, owner[held]], axis=1),
            np.stack([cells.cell[undecided], cells.polygon[undecided]], axis=1),
            np.stack([cells.cell[far_out], cells.polygon[far_out]], axis=1),
        ]
    )
    shapes = drawing.shapes.copy()
    for polygon, rows in pd.Series(pairs[:, 0]).groupby(pairs[:, 1]).indices.items():
        shapes[polygon] = _united(cells.shape[pairs[rows, 0]])
    shapes = _without(shapes, feet, drawing.plane)
    closed = _closed(drawing, cells, outside, settled, owner, moved)
    return shapes, pd.concat([closed, cut], ignore_index=True)


@dataclass(frozen=True, slots=True)
class _Settled:
    """Who has each cell for sure (-1: in dispute), and whose splinter a cell in dispute is."""

    owner: NDArray[np.int64]
    sliver_of: NDArray[np.int64]


def _adjacency(shapes: NDArray[Any]) -> csr_array:
    """Cells beside each other, both ways."""
    one, other = edges_shared(shapes)
    ends = (np.concatenate([one, other]), np.concatenate([other, one]))
    return csr_array(
        coo_array((np.ones(len(ends[0]), dtype=np.int32), ends), shape=(len(shapes),) * 2)
    )


def _pieces(beside: csr_array, label: NDArray[np.int64]) -> NDArray[np.int64]:
    """Cells that hang together and have the same label have one number."""
    pairs = beside.tocoo()
    same = label[pairs.row] == label[pairs.col]
    links = coo_array((pairs.data[same], (pairs.row[same], pairs.col[same])), shape=beside.shape)
    return np.asarray(connected_components(links, directed=False)[1], dtype=np.int64)


def _strays(
    drawing: Drawing, cells: Cells, beside: csr_array, outside: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], pd.DataFrame]:
    """The pairs of cell and polygon outside its parent that stay, and what is cut off."""
    stays = np.zeros(len(outside), dtype=bool)
    rows: list[dict[str, Any]] = []
    metric = drawing.plane.to_metres(drawing.parents)
    reach = shapely.buffer(metric, drawing.tolerance_m)
    shapely.prepare(reach)
    for polygon, at in pd.Series(np.flatnonzero(outside)).groupby(cells.polygon[outside]):
        pairs = at.to_numpy()
        own = cells.cell[pairs]
        label = _pieces(beside[own][:, own], np.zeros(len(own), dtype=np.int64))
        home = drawing.home[polygon]
        for number in range(int(label.max()) + 1):
            piece = own[label == number]
            shapes = drawing.plane.to_metres(cells.shape[piece])
            if not shapely.covers(reach[home], shapes).all():
                stays[pairs[label == number]] = True
                continue
            corners = shapely.points(shapely.get_coordinates(shapes))
            far = float(shapely.distance(metric[home], corners).max())
            rows.append(_row(drawing, cells, piece, "stray", -1, (int(polygon),), far))
    return stays, pd.DataFrame(rows, columns=list(ADJUSTMENTS))


def _settled(
    drawing: Drawing, cells: Cells, beside: csr_array, outside: NDArray[np.bool_]
) -> _Settled:
    """Cells that one polygon alone has, but for splinters that are cut off from the rest of it."""
    owner = np.full(len(cells.shape), -1, dtype=np.int64)
    sure = ~outside & ~cells.disputed[cells.cell]
    owner[cells.cell[sure]] = cells.polygon[sure]
    sliver_of = np.full(len(owner), -1, dtype=np.int64)
    piece = _pieces(beside, owner)
    area = np.bincount(piece, weights=shapely.area(cells.shape))
    whose = np.full(len(area), -1, dtype=np.int64)
    whose[piece] = owner
    largest = pd.Series(area).groupby(whose).transform("max").to_numpy()
    for number in np.flatnonzero((whose >= 0) & (area < largest)):
        at = np.flatnonzero(piece == number)
        shape = drawing.plane.to_metres(_united(cells.shape[at]))
        if 2.0 * shape.area < drawing.tolerance_m * shape.length:
            sliver_of[at], owner[at] = owner[at], -1
    return _Settled(owner, sliver_of)


def _claims(drawing: Drawing, cells: Cells, settled: _Settled) -> pd.DataFrame:
    """Who may have a cell in dispute: cell, polygon, far (metres from its ground to a corner)."""
    disputed = np.flatnonzero((settled.owner < 0) & (cells.parent >= 0))
    held = np.flatnonzero(settled.owner >= 0)
    polygon, ground = [], []
    for each, rows in pd.Series(held).groupby(settled.owner[held]).indices.items():
        polygon.append(each)
        ground.append(_united(cells.shape[held[rows]]))
    metric = drawing.plane.to_metres(np.array(ground, dtype=object))
    shapes = drawing.plane.to_metres(cells.shape[disputed])
    # the whole cell must be near, not only its corners: a bay has them all on one shore
    reach = shapely.buffer(metric, drawing.tolerance_m)
    near, at = shapely.STRtree(shapes).query(reach, predicate="covers")
    xy, pair = shapely.get_coordinates(shapes[at], return_index=True)
    far = np.zeros(len(at))
    np.maximum.at(far, pair, shapely.distance(metric[near][pair], shapely.points(xy)))
    claims = pd.DataFrame(
        {"cell": disputed[at], "polygon": np.array(polygon, dtype=np.int64)[near], "far": far}
    )
    home = drawing.home[claims["polygon"]] == cells.parent[claims["cell"]]
    claims = claims[home]
    return claims[_entitled(drawing, cells, settled, claims)]


def _entitled(
    drawing: Drawing, cells: Cells, settled: _Settled, claims: pd.DataFrame
) -> NDArray[np.bool_]:
    """An overlap goes to one of those that cover it; a gap or a splinter to any neighbour."""
    own = drawing.home[cells.polygon] == cells.parent[cells.cell]
    covers = np.bincount(cells.cell[own], minlength=len(cells.shape))
    known = pd.MultiIndex.from_arrays([cells.cell[own], cells.polygon[own]])
    asked = pd.MultiIndex.from_frame(claims[["cell", "polygon"]])
    cell = claims["cell"].to_numpy()
    free = (covers[cell] == 0) | (settled.sliver_of[cell] >= 0)
    return np.asarray(free | asked.isin(known), dtype=bool)


def _grown(
    drawing: Drawing, beside: csr_array, settled: _Settled, claims: pd.DataFrame
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The owner of each cell once each polygon, by rank, took what hangs together with it."""
    owner = settled.owner.copy()
    moved = np.zeros(len(owner))
    start, neighbour = beside.indptr, beside.indices
    by_polygon = dict(list(claims.groupby("polygon")))
    for polygon in sorted(by_polygon, key=lambda each: drawing.rank[each]):
        rows = by_polygon[polygon]
        wanted = dict(zip(rows["cell"].tolist(), rows["far"].tolist(), strict=True))
        wanted = {cell: far for cell, far in wanted.items() if owner[cell] < 0}
        pending = [
            cell
            for cell in wanted
            if (owner[neighbour[start[cell] : start[cell + 1]]] == polygon).any()
        ]
        while pending:
            cell = pending.pop()
            if owner[cell] >= 0:
                continue
            owner[cell], moved[cell] = polygon, wanted[cell]
            pending += [
                other
                for other in neighbour[start[cell] : start[cell + 1]].tolist()
                if owner[other] < 0 and other in wanted
            ]
    return owner, moved


def _closed(
    drawing: Drawing,
    cells: Cells,
    outside: NDArray[np.bool_],
    settled: _Settled,
    owner: NDArray[np.int64],
    moved: NDArray[np.float64],
) -> pd.DataFrame:
    """What was done to the cells that were in dispute, one row a face and owner."""
    taken = np.flatnonzero((settled.owner < 0) & (owner >= 0) & (owner != settled.sliver_of))
    own = pd.Series(cells.polygon[~outside]).groupby(cells.cell[~outside]).agg(tuple)
    rows = []
    for (_, now), at in pd.Series(taken).groupby([cells.face[taken], owner[taken]]):
        piece = at.to_numpy()
        had = own.get(piece[0], ())
        losers = tuple(int(each) for each in had if each != now)
        kind = "overlap" if len(had) > 1 else "sliver" if losers else "gap"
        rows.append(_row(drawing, cells, piece, kind, int(now), losers, float(moved[piece].max())))
    return pd.DataFrame(rows, columns=list(ADJUSTMENTS))


def _united(cells: NDArray[Any]) -> Any:
    """The union of cells; all their vertices are kept."""
    try:
        return shapely.coverage_union_all(cells)
    except shapely.errors.GEOSException:  # rounding made two without width lie over each other
        return shapely.union_all(cells)


def _row(
    drawing: Drawing,
    cells: Cells,
    piece: NDArray[np.int64],
    kind: str,
    owner: int,
    losers: tuple[int, ...],
    moved_m: float,
) -> dict[str, Any]:
    shape = _united(cells.shape[piece])
    area = shape.area * drawing.plane.square_metres_per_unit
    return dict(zip(ADJUSTMENTS, (kind, owner, losers, area, moved_m, shape), strict=True))


def _without(shapes: NDArray[Any], feet: NDArray[np.float64], plane: MetricPlane) -> NDArray[Any]:
    """The polygons without those of some vertices at which no border ends or turns."""
    ends, _ = edges_of(shapes)
    places, vertex = np.unique(ends.reshape(-1, 2), axis=0, return_inverse=True)
    edges = np.unique(np.sort(vertex.reshape(-1, 2), axis=1), axis=0)
    one, other = np.concatenate([edges, edges[:, ::-1]]).T
    order = np.lexsort((other, one))
    other, start = other[order], np.searchsorted(one[order], np.arange(len(places)))
    lone = np.isin(_key(places), _key(feet)) & (np.bincount(one, minlength=len(places)) == 2)
    at = np.flatnonzero(lone)
    metric = plane.forward(places)
    before, after = metric[other[start[at]]] - metric[at], metric[other[start[at] + 1]] - metric[at]
    across = np.abs(before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0])
    turns = across > NEAR_M * np.hypot(*(after - before).T)
    needless = places[at[~turns]]
    gone = set(_key(needless).tolist())

    def thinned(ring: Any) -> Any:
        xy = shapely.get_coordinates(ring)[:-1]
        kept = xy[[key not in gone for key in _key(xy).tolist()]]
        return shapely.linearrings(kept) if 3 <= len(kept) < len(xy) else ring

    result = shapes.copy()
    touched = shapely.STRtree(shapes).query(shapely.points(needless), predicate="intersects")[1]
    for number in np.unique(touched):
        parts = [
            shapely.Polygon(thinned(part.exterior), [thinned(ring) for ring in part.interiors])
            for part in shapely.get_parts(shapes[number])
        ]
        result[number] = parts[0] if len(parts) == 1 else shapely.MultiPolygon(parts)
    return result


def _key(xy: NDArray[np.float64]) -> NDArray[np.complex128]:
    return np.asarray(xy[:, 0] + 1j * xy[:, 1])
