"""The figures behind a quality report: one row a grid, and one column a set of grids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from geodata.coverage.faults import code_column
from geodata.coverage.overlaps import made_valid
from geodata.errors import InputError
from geodata.metric import MetricPlane
from geodata.quality import count_parts, flag_names, measure, polsby_popper, signed_deviation

__all__ = ["Drawn", "Sizes", "as_yardstick", "drawn_grids", "held_by", "set_figures", "worst"]

#: A grid this far from its community's own target is as bad as one of this compactness.
_FAR: Final = 0.10
_RAGGED: Final = 0.30


@dataclass(frozen=True, slots=True)
class Sizes:
    """Households a grid should have, at least and at most."""

    target: int
    minimum: int
    maximum: int


@dataclass(frozen=True, slots=True)
class Drawn:
    """A set of grids as the report draws it.

    ``table`` has grid_code, community_code, community (name), households, flags (list of text),
    reason, deviation (signed share of the community's own target; NaN where flagged),
    compactness, parts; sorted by code. ``shapes`` are in metres of ``plane``, in the same order.
    """

    table: pd.DataFrame
    shapes: NDArray[Any]
    plane: MetricPlane


def drawn_grids(
    grids: gpd.GeoDataFrame,
    communities: gpd.GeoDataFrame,
    plane: MetricPlane,
    sizes: Sizes,
) -> Drawn:
    """The grids with the figures of each; ``grids`` in the CRS of ``communities``.

    Raises
    ------
    InputError
        A column is missing, or a code occurs twice.
    """
    for column in ("grid_code", "community_code", "households"):
        if column not in grids.columns:
            raise InputError(f"the grids have no column '{column}'", field=column)
    if (twice := grids["grid_code"].duplicated()).any():
        code = grids.loc[twice, "grid_code"].iloc[0]
        raise InputError(f"grid code '{code}' occurs more than once", field="grid_code")
    grids = grids.sort_values("grid_code", kind="stable").reset_index(drop=True)
    shapes = made_valid(plane.to_metres(np.array(grids.geometry, dtype=object)))
    flags = flag_names(grids)
    plain = np.array([not names for names in flags], dtype=bool)
    households = grids["households"].to_numpy(dtype=np.float64)
    owner = grids["community_code"].astype(object).to_numpy()
    deviation = np.full(len(grids), np.nan)
    deviation[plain] = signed_deviation(households[plain], owner[plain], sizes.target)
    names = _names(communities)
    table = pd.DataFrame(
        {
            "grid_code": grids["grid_code"].astype(str),
            "community_code": [str(code) for code in owner],
            "community": [names.get(str(code), "") for code in owner],
            "households": households.astype(np.int64),
            "flags": pd.Series(flags, dtype=object),
            "reason": _texts(grids, "reason"),
            "deviation": deviation,
            "compactness": polsby_popper(grids),
            "parts": count_parts(shapes),
        }
    )
    return Drawn(table, shapes, plane)


def _names(communities: gpd.GeoDataFrame) -> dict[str, str]:
    codes = communities[code_column(communities)].astype(str)
    return dict(zip(codes, _texts(communities, "name"), strict=True))


def _texts(frame: pd.DataFrame, column: str) -> list[str]:
    if column not in frame.columns:
        return [""] * len(frame)
    return ["" if pd.isna(value) else str(value) for value in frame[column]]


def worst(table: pd.DataFrame, sizes: Sizes, count: int) -> list[tuple[int, list[str]]]:
    """Positions of the grids that most want a second look, with what is wrong with each.

    Grids in several parts or out of range come first; then by the larger of the deviation over
    10 % and 0.30 over the compactness. Flagged grids are left out, since the input forces them.
    """
    plain = table[[not names for names in table["flags"]]]
    broken = (
        (plain["parts"] > 1)
        | (plain["households"] < sizes.minimum)
        | (plain["households"] > sizes.maximum)
    )
    badness = np.fmax(plain["deviation"].abs() / _FAR, _RAGGED / plain["compactness"])
    order = np.lexsort((plain["grid_code"], -badness.to_numpy(), ~broken.to_numpy()))[:count]
    return [(int(plain.index[k]), _complaints(plain.iloc[k], sizes)) for k in order]


def _complaints(row: pd.Series, sizes: Sizes) -> list[str]:
    said = []
    if row.parts > 1:
        said.append(f"in {row.parts} separate parts")
    if row.households < sizes.minimum:
        said.append(f"under the minimum of {sizes.minimum:,}")
    if row.households > sizes.maximum:
        said.append(f"over the maximum of {sizes.maximum:,}")
    side = "above" if row.deviation > 0 else "below"
    said.append(f"{100 * abs(row.deviation):.1f} % {side} its community's mean")
    said.append(f"compactness {row.compactness:.2f}")
    return said


def as_yardstick(
    polygons: gpd.GeoDataFrame,
    communities: gpd.GeoDataFrame,
    households: gpd.GeoDataFrame | None,
) -> tuple[gpd.GeoDataFrame, int]:
    """Any polygons as grids of one area, and how many lie outside the communities.

    Those outside are left out. Where there is no column ``households``, the points inside each
    polygon are summed; one on a common boundary counts for the first polygon.

    Raises
    ------
    InputError
        The polygons have no households and there are no points to sum, or none is inside.
    """
    if polygons.crs is not None and communities.crs is not None:
        polygons = polygons.to_crs(communities.crs)
    shapes = np.array(polygons.geometry, dtype=object)
    area = np.isin(shapely.get_type_id(shapes), (3, 6)) & ~shapely.is_empty(shapes)
    if not area.all():
        raise InputError(f"the yardstick has {int((~area).sum()):,} rows that are not polygons")
    shapes = made_valid(shapes)
    ground = shapely.union_all(made_valid(np.array(communities.geometry, dtype=object)))
    shapely.prepare(ground)
    inside = shapely.intersects(ground, shapely.point_on_surface(shapes))
    if not inside.any():
        raise InputError("no polygon of the yardstick lies in the communities")
    frame = gpd.GeoDataFrame(
        {"grid_code": [f"{k + 1}" for k in range(len(shapes))], "community_code": "all"},
        geometry=shapes,
        crs=communities.crs,
    )
    if "households" in polygons.columns:
        frame["households"] = _whole_numbers(polygons["households"])
    elif households is not None:
        frame["households"] = _sums(shapes, households, communities.crs)
    else:
        raise InputError("the yardstick has no column 'households'", field="households")
    return frame[inside].reset_index(drop=True), int((~inside).sum())


def _whole_numbers(values: pd.Series) -> NDArray[np.int64]:
    numbers = pd.to_numeric(values, errors="coerce").to_numpy(dtype=np.float64)
    if not np.isfinite(numbers).all() or (numbers < 0).any():
        row = int(np.flatnonzero(~(numbers >= 0) | ~np.isfinite(numbers))[0])
        raise InputError(
            f"row {row + 1} of the yardstick: '{values.iloc[row]}' is no number of households",
            field="households",
        )
    return np.rint(numbers).astype(np.int64)


def _sums(shapes: NDArray[Any], households: gpd.GeoDataFrame, crs: Any) -> NDArray[np.int64]:
    """Households inside each polygon."""
    if households.crs is not None and crs is not None:
        households = households.to_crs(crs)
    points = np.array(households.geometry, dtype=object)
    weight = (
        households["households"].to_numpy(dtype=np.int64)
        if "households" in households.columns
        else np.ones(len(points), dtype=np.int64)
    )
    point, polygon = shapely.STRtree(shapes).query(points, predicate="intersects")
    first = np.full(len(points), len(shapes), dtype=np.int64)
    np.minimum.at(first, point, polygon)
    found = first < len(shapes)
    sums = np.bincount(first[found], weight[found], minlength=len(shapes))
    return np.asarray(sums.astype(np.int64))


def held_by(communities: gpd.GeoDataFrame, grids: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """The communities that have some of the grids: an earlier plan may have been for a part."""
    held = set(grids["community_code"].astype(str))
    return communities[communities[code_column(communities)].astype(str).isin(held)]


def set_figures(
    grids: gpd.GeoDataFrame,
    communities: gpd.GeoDataFrame,
    barriers: gpd.GeoDataFrame | None,
    sizes: Sizes,
    *,
    one_area: bool = False,
) -> dict[str, Any]:
    """The figures of :func:`geodata.quality.measure`; ``one_area`` takes all communities as one."""
    if one_area:
        ground = shapely.union_all(made_valid(np.array(communities.geometry, dtype=object)))
        communities = gpd.GeoDataFrame({"code": ["all"]}, geometry=[ground], crs=communities.crs)
    codes: Sequence[Any] = communities[code_column(communities)]
    own = grids[grids["community_code"].isin(set(codes))]
    row = measure(own, communities, barriers, sizes.target, sizes.minimum, sizes.maximum)
    return {str(name): row[name] for name in row.index}
