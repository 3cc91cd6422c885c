"""New borders inside a region whose outline stays as it is, vertex for vertex.

Grids that do not change are shared by the old plan and the new one, so that not one bit of them may
differ, and a coverage is only exact when neighbours have the same vertices. A new border therefore
ends on a vertex that the outline has already: it runs up to the street that an unchanged grid
follows, and along it, within its width, to the nearest vertex. Only on the community's own boundary
may it end anywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from geodata.delineate.graph import shared_edges
from geodata.metric import MetricPlane

__all__ = ["Finish", "Outline", "finishes", "redraw"]

#: A vertex lies on an edge, or is another vertex, when it is this near.
_NEAR_M = 1e-4
#: A border that ends this near to a vertex of the outline ends on it: the width of a road.
_SNAP_M = 10.0
#: The same on the community's own boundary, where it may end anywhere.
_SNAP_OUTER_M = 1.0


@dataclass(frozen=True, slots=True)
class Finish:
    """How a border is drawn.

    Attributes
    ----------
    depth_m : float or None
        The distance from the outline at which a border turns towards the vertex that it ends on;
        None: from its last vertex but one.
    simplify_m : float
        Vertices that move a border by less are left out.
    """

    depth_m: float | None
    simplify_m: float


def finishes(along_barriers: bool) -> tuple[Finish, ...]:
    """Ways to draw a border, the most pleasing first: streets are kept, other cuts straightened."""
    exact = (Finish(4.0, 0.3), Finish(1.0, 0.0))
    if along_barriers:
        return exact
    return Finish(None, 40.0), Finish(None, 15.0), Finish(None, 5.0), *exact


@dataclass(frozen=True, slots=True)
class Outline:
    """The outline of a region, by its edges, in metres.

    Attributes
    ----------
    frame : Polygon or MultiPolygon in the units of the frame
    area : the same in metres
    start, end : (m, 2) float64
    fixed : (m,) bool
        Edges that an unchanged grid has as well: no vertex may be added to them.
    keys : (v,) complex128, sorted
        The vertices in metres, as x + 1j * y.
    vertices : (v, 2) float64
        The same in the units of the frame.
    """

    frame: Any
    area: Any
    start: NDArray[np.float64]
    end: NDArray[np.float64]
    fixed: NDArray[np.bool_]
    keys: NDArray[np.complex128]
    vertices: NDArray[np.float64]

    @classmethod
    def around(cls, grids: NDArray[Any], others: NDArray[Any], plane: MetricPlane) -> Outline:
        """The outline of ``grids`` amid the ``others`` of their community, in the frame's units."""
        union = united(grids)
        start, end = _segments(union)
        beside_start, beside_end = _segments(others)
        fixed = np.isin(_undirected(start, end), _undirected(beside_start, beside_end))
        vertices = np.unique(start, axis=0)
        key = _complex(plane.forward(vertices))
        order = np.argsort(key)
        return cls(
            frame=union,
            area=plane.to_metres(union),
            start=plane.forward(start),
            end=plane.forward(end),
            fixed=fixed,
            keys=key[order],
            vertices=vertices[order],
        )

    def back(self, polygon: Any, plane: MetricPlane) -> Any:
        """Metres -> the units of the frame; the outline's vertices come back bit for bit."""

        def place(xy: NDArray[np.float64]) -> NDArray[np.float64]:
            wanted = _complex(xy)
            at = np.minimum(np.searchsorted(self.keys, wanted), len(self.keys) - 1)
            own = self.keys[at] == wanted
            result = plane.inverse(xy)
            result[own] = self.vertices[at[own]]
            return result

        return shapely.transform(polygon, place)


def united(polygons: NDArray[Any]) -> Any:
    """The union of polygons that share their vertices; all vertices of its outline are kept."""
    if len(polygons) == 1:
        return polygons[0]
    union = shapely.coverage_union_all(polygons)
    parts = shapely.get_parts(union)
    return parts[0] if len(parts) == 1 else union


def redraw(
    outline: Outline, pieces: NDArray[Any], label: NDArray[np.int64], finish: Finish
) -> NDArray[Any] | None:
    """The polygons of a labelling, inside an outline that keeps its vertices.

    Parameters
    ----------
    outline : Outline
    pieces : array of Polygon or MultiPolygon, metres
        A coverage of the outline's area, to a hundredth of a millimetre.
    label : (len(pieces),) int64
        Numbered from 0, none left out.
    finish : Finish

    Returns
    -------
    (k,) array of Polygon or MultiPolygon, metres, or None
        None where borders drawn in this way would cross.
    """
    drawn = [_finished(outline, path, finish) for path in _borders(pieces, label, outline)]
    paths = [path for path in drawn if path is not None]
    edges = _outline_lines(outline, paths)
    if not _meet_in_ends_only(edges, paths):
        return None
    faces = shapely.get_parts(shapely.polygonize(np.concatenate([edges, _pair_lines(paths)])))
    shapely.prepare(outline.area)
    inside = shapely.contains_properly(outline.area, shapely.point_on_surface(faces))
    return _gathered(faces[inside], pieces, label)


def _gathered(faces: NDArray[Any], pieces: NDArray[Any], label: NDArray[np.int64]) -> Any:
    """Faces by the label whose pieces cover most of each."""
    count = int(label.max()) + 1
    shared = np.zeros((len(faces), count))
    face, piece = shapely.STRtree(pieces).query(faces, predicate="intersects")
    common = shapely.area(shapely.intersection(faces[face], pieces[piece]))
    np.add.at(shared, (face, label[piece]), common)
    owner = shared.argmax(axis=1)
    if len(np.unique(owner)) < count:
        return None
    polygons = np.array([united(faces[owner == number]) for number in range(count)], dtype=object)
    return polygons if shapely.is_valid(polygons).all() else None


def _borders(
    pieces: NDArray[Any], label: NDArray[np.int64], outline: Outline
) -> Iterator[NDArray[np.float64]]:
    """The borders between labels as paths (m, 2) that meet, and meet the outline, in their ends."""
    parts, owner = shapely.get_parts(pieces, return_index=True)
    label = label[owner]
    edges = shared_edges(parts)
    between = (edges.right >= 0) & (label[edges.left] != label[edges.right])
    if not between.any():
        return
    merged = shapely.line_merge(shapely.multilinestrings(shapely.linestrings(edges.ends[between])))
    for line in shapely.get_parts(merged):
        xy = shapely.get_coordinates(line)
        on_outline = shapely.dwithin(shapely.boundary(outline.area), shapely.points(xy), _NEAR_M)
        on_outline[[0, -1]] = False
        places = [0, *np.flatnonzero(on_outline).tolist(), len(xy) - 1]
        for a, b in pairwise(places):
            yield xy[a : b + 1]


def _finished(
    outline: Outline, path: NDArray[np.float64], finish: Finish
) -> NDArray[np.float64] | None:
    """A border whose ends on the outline lie on vertices where they must; None if none is left."""
    path = _ended(outline, _ended(outline, path, finish)[::-1], finish)[::-1]
    line = shapely.simplify(shapely.LineString(path), finish.simplify_m) if len(path) > 2 else None
    xy = path if line is None else shapely.get_coordinates(line)
    keep = np.ones(len(xy), dtype=bool)
    keep[1:] = (xy[1:] != xy[:-1]).any(axis=1)
    xy = xy[keep]
    return xy if len(xy) > 1 else None


def _ended(outline: Outline, path: NDArray[np.float64], finish: Finish) -> NDArray[np.float64]:
    """A path whose last point, if on the outline, ends on a vertex of it, or on an open edge."""
    last = path[-1]
    along = outline.end - outline.start
    square = np.maximum((along**2).sum(axis=1), np.finfo(float).tiny)
    share = np.clip(((last - outline.start) * along).sum(axis=1) / square, 0.0, 1.0)
    foot = outline.start + share[:, None] * along
    distance = np.hypot(*(foot - last).T)
    edge = int(np.argmin(distance))
    if distance[edge] > _NEAR_M:
        return path  # it ends where three borders meet
    ends = np.stack([outline.start[edge], outline.end[edge]])
    gap = np.hypot(*(ends - last).T)
    vertex, reach = ends[int(np.argmin(gap))], float(gap.min())
    if not outline.fixed[edge] and reach > _SNAP_OUTER_M:
        return np.concatenate([path[:-1], foot[edge][None]])
    if reach <= _SNAP_M or (finish.depth_m is None and len(path) > 2):
        return np.concatenate([path[:-1], vertex[None]])
    back = path[-2] - last
    length = float(np.hypot(*back))
    depth = min(finish.depth_m or 4.0, length / 3.0)
    turn = last + back / length * depth
    return np.concatenate([path[:-1], turn[None], vertex[None]])


def _outline_lines(outline: Outline, paths: list[NDArray[np.float64]]) -> NDArray[Any]:
    """The outline's edges, parted where borders end on them."""
    ends = np.array([xy for path in paths for xy in (path[0], path[-1])]).reshape(-1, 2)
    known = np.isin(_complex(ends), outline.keys)
    fresh = np.unique(ends[~known], axis=0)
    plain = np.ones(len(outline.start), dtype=bool)
    extra = []
    lines = shapely.linestrings(np.stack([outline.start, outline.end], axis=1))
    point, edge = shapely.STRtree(lines).query(
        shapely.points(fresh), predicate="dwithin", distance=_NEAR_M
    )
    for number in np.unique(edge).tolist():
        a, b = outline.start[number], outline.end[number]
        places = fresh[point[edge == number]]
        order = np.argsort(((places - a) * (b - a)).sum(axis=1))
        chain = np.concatenate([a[None], places[order], b[None]])
        extra.append(shapely.linestrings(np.stack([chain[:-1], chain[1:]], axis=1)))
        plain[number] = False
    return np.concatenate([lines[plain], *extra])


def _pair_lines(paths: list[NDArray[np.float64]]) -> NDArray[Any]:
    if not paths:
        return np.empty(0, dtype=object)
    pairs = [np.stack([path[:-1], path[1:]], axis=1) for path in paths]
    return shapely.linestrings(np.concatenate(pairs))


def _meet_in_ends_only(edges: NDArray[Any], paths: list[NDArray[np.float64]]) -> bool:
    """Whether borders touch the outline, each other and themselves in their ends alone."""
    if not paths:
        return True
    lines = np.array([shapely.LineString(path) for path in paths], dtype=object)
    one, other = shapely.STRtree(lines).query(lines, predicate="intersects")
    one, other = one[one < other], other[one < other]
    edge, line = shapely.STRtree(lines).query(edges, predicate="intersects")
    return bool(
        shapely.is_simple(lines).all()
        and not shapely.relate_pattern(lines[one], lines[other], "T********").any()
        and not shapely.relate_pattern(lines[line], edges[edge], "T********").any()
        and not shapely.relate_pattern(lines[line], edges[edge], "*T*******").any()
    )


def _segments(shapes: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The edges of polygons: starts and ends."""
    rings = shapely.get_rings(shapely.get_parts(shapes))
    xy, ring = shapely.get_coordinates(rings, return_index=True)
    inside = ring[1:] == ring[:-1]
    return xy[:-1][inside], xy[1:][inside]


def _complex(xy: NDArray[np.float64]) -> NDArray[np.complex128]:
    return np.asarray(xy[:, 0] + 1j * xy[:, 1])


def _undirected(start: NDArray[np.float64], end: NDArray[np.float64]) -> NDArray[Any]:
    """Edges as comparable records, whichever way they run."""
    one, other = _complex(start), _complex(end)
    swap = (one.real > other.real) | ((one.real == other.real) & (one.imag > other.imag))
    ends = np.stack([np.where(swap, other, one), np.where(swap, one, other)], axis=1)
    return np.ascontiguousarray(ends).view([("one", complex), ("other", complex)]).ravel()
