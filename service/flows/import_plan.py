"""A plan drawn by hand, in any vector file, as a draft."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from sqlalchemy.orm import Session

from geodata.assign import assign
from geodata.change import keep_codes
from geodata.change.flags import flagged
from geodata.coverage import Fitted, check, fit, repair
from geodata.coverage.faults import fault_frame
from geodata.coverage.overlaps import made_valid
from geodata.coverage.placing import place_in_parents
from geodata.datum import datum_name, parse_crs, to_storage
from geodata.delineate.inputs import checked_limits
from geodata.errors import InputError, UnreadableFile
from geodata.inputs import AREAS
from geodata.manifest import GivenSource, nearest
from geodata.metric import MetricPlane
from geodata.read import as_text, whole
from geodata.schema import FIT_TOLERANCE_M, STORAGE_CRS
from service.db.frames import read_frame
from service.db.statements import load_statements
from service.flows import plans
from service.flows.differences import area_values, read_households
from service.flows.scope import Area, find_areas

__all__ = ["Imported", "import_plan", "loaded"]

_SQL = load_statements("service.flows", "change.sql")

#: Faults that no grid in the database can have; others may wait in a draft.
_BLOCKING = ("invalid", "duplicate_code")


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What became of a file.

    Attributes
    ----------
    plan_id, state : int and str, or None
        None where a fault keeps the file from being a draft at all.
    polygons, communities : int
    faults : GeoDataFrame
        Those that are left, as :func:`geodata.coverage.check` tells them, in the codes of the file.
    repairs : GeoDataFrame or None
        What was repaired, as :func:`geodata.coverage.repair` tells it.
    fitted : Fitted
        What was moved to fit, as :func:`geodata.coverage.fit` tells it.
    tolerance_m : float
        How far at most.
    warnings : sequence of str
        How the file was taken where it does not say itself.
    """

    plan_id: int | None
    state: str | None
    polygons: int
    communities: int
    faults: gpd.GeoDataFrame
    repairs: gpd.GeoDataFrame | None
    fitted: Fitted
    tolerance_m: float
    warnings: Sequence[str] = field(default=())

    def as_dict(self) -> dict[str, Any]:
        """Figures as JSON; faults and repairs by kind."""
        return {
            "plan": self.plan_id,
            "state": self.state,
            "polygons": self.polygons,
            "communities": self.communities,
            "faults": _counts(self.faults),
            "repairs": {} if self.repairs is None else _counts(self.repairs),
            "fit": self._fit(),
            "warnings": list(self.warnings),
        }

    def _fit(self) -> dict[str, Any]:
        done, moved = self.fitted.adjustments, self.fitted.moved
        return {
            "tolerance_m": self.tolerance_m,
            "polygons_moved": len(moved),
            "moved_m_max": round(float(moved["moved_m"].max()), 3) if len(moved) else 0.0,
            "places": _counts(done),
            "area_m2": round(float(done["area_m2"].sum()), 1),
        }


def import_plan(
    session: Session,
    *,
    file: Path,
    name: str | None = None,
    layer: str | None = None,
    code_column: str | None = None,
    community_column: str | None = None,
    dataset: str | None = None,
    crs: str | None = None,
    repaired: bool = False,
    tolerance_m: float = FIT_TOLERANCE_M,
) -> Imported:
    """Save the polygons of a file as a draft plan, fitted to their communities; list its faults.

    Parameters
    ----------
    session : Session
        Nothing is committed.
    file : Path
    name : str, optional
        Of the plan; the name of the file by default.
    layer : str, optional
        Of a file that holds several.
    code_column : str, optional
        What the faults call the polygons; their row number by default. The grids get codes of
        their own, unless a polygon is one that its community had already.
    community_column : str, optional
        Codes of communities; by default a polygon is put to the one that holds most of it.
    dataset : str, optional
        Only communities of this data set.
    crs : str, optional
        Of the file, also ``gcj02`` and ``bd09``; by default what it says itself, else EPSG:4326.
    repaired : bool
        Repair what is invalid and what overlaps, however much, by the stated rule; every repair is
        told.
    tolerance_m : float
        Gaps, overlaps and strays that are no wider, in metres, are closed; every one is told. 0
        leaves the polygons as they are drawn.

    Raises
    ------
    InputError
        A file, a column or a CRS that is not there, no polygon, an unknown community, no polygon
        in any, polygons of several data sets.
    """
    areas = find_areas(session, dataset=dataset)
    source = GivenSource(file=file, layer=layer, crs=_known_crs(crs))
    drawing, taken_as, warnings = _read(source, code_column, community_column)
    sound = _polygonal(drawing, file)
    polygons, unfit = drawing[sound], drawing[~sound]
    repairs = None
    if repaired:
        polygons, repairs = repair(polygons)
    communities = gpd.GeoDataFrame(
        pd.concat(
            [read_frame(session, _SQL["communities"], area_values(area)) for area in areas],
            ignore_index=True,
        )
    )
    polygons["community_code"] = _communities_of(polygons, communities, file, community_column)
    homeless = polygons["community_code"].isna()
    nowhere, polygons = polygons[homeless], polygons[~homeless]
    area = _one_area(session, sorted(set(polygons["community_code"])), source, taken_as)
    ruled = communities[communities["code"].isin(area.communities)]
    fitted = fit(polygons, ruled, tolerance_m=tolerance_m)
    faults = check(fitted.polygons, ruled)
    outcome = {
        "polygons": len(polygons) + len(nowhere) + len(unfit),
        "communities": len(area.communities),
        "faults": _all_faults(faults, nowhere, unfit),
        "repairs": repairs,
        "fitted": fitted,
        "tolerance_m": tolerance_m,
        "warnings": warnings,
    }
    if faults["kind"].isin(_BLOCKING).any() or len(nowhere) or len(unfit):
        return Imported(plan_id=None, state=None, **outcome)
    found = Imported(plan_id=None, state=None, **outcome).as_dict()
    saved = plans.save(
        session,
        name=name or file.stem,
        communities=area.communities,
        grids=loaded(session, area, fitted.polygons),
        parameters={"file": file.name, "layer": layer, "repaired": repaired},
        report={key: found[key] for key in ("faults", "repairs", "fit")},
    )
    return Imported(plan_id=saved.plan_id, state=saved.state, **outcome)


def _known_crs(crs: str | None) -> str | None:
    try:
        return None if crs is None else parse_crs(crs)
    except ValueError as error:
        raise InputError(str(error), field="crs") from None


def _read(
    source: GivenSource, code_column: str | None, community_column: str | None
) -> tuple[gpd.GeoDataFrame, str, list[str]]:
    """grid_code (of the file, or the row number), row, declared, geometry; its CRS; warnings."""
    file = source.file
    if not file.exists():
        raise UnreadableFile("there is no such file", file=file)
    batch = whole(source)
    if batch.geometry is None or not len(batch):
        raise UnreadableFile("it holds no polygon", file=file)
    texts: dict[str, Any] = {}
    for column in (code_column, community_column):
        if column is None:
            continue
        if column not in batch.table.column_names:
            known = nearest(column, batch.table.column_names)
            raise InputError(f"there is no such column: {known}", file=file, field=column)
        texts[column] = as_text(batch.table.column(column)).to_pylist()
    rows = [f"row {row}" for row in batch.rows]
    given = texts.get(code_column or "", rows)
    drawing = gpd.GeoDataFrame(
        {
            "grid_code": [code or row for code, row in zip(given, rows, strict=True)],
            "row": batch.rows,
            "declared": texts.get(community_column or ""),
        },
        geometry=list(to_storage(batch.geometry, batch.crs)),
        crs=STORAGE_CRS,
    )
    return drawing, batch.crs, batch.warnings


def _polygonal(drawing: gpd.GeoDataFrame, file: Path) -> np.ndarray[Any, Any]:
    """Which rows are polygons; at least one is."""
    shapes = drawing.geometry.to_numpy()
    sound = np.isin(shapely.get_type_id(shapes), list(AREAS)) & ~shapely.is_empty(shapes)
    if not sound.any():
        kinds = sorted({shape.geom_type for shape in shapes if shape is not None})
        only = f", only {' and '.join(kinds)}" if kinds else ""
        raise InputError(f"it holds no polygon{only}", file=file)
    return np.asarray(sound)


def _communities_of(
    polygons: gpd.GeoDataFrame,
    communities: gpd.GeoDataFrame,
    file: Path,
    community_column: str | None,
) -> np.ndarray[Any, Any]:
    """The community of each polygon: as declared, or the one that holds most of it, or None."""
    if community_column is None:
        return place_in_parents(polygons, communities)
    known = set(communities["code"])
    for row, code in zip(polygons["row"], polygons["declared"], strict=True):
        if code not in known:
            raise InputError(
                f"there is no community '{code}': {nearest(str(code), sorted(known))}",
                file=file,
                row=int(row),
                field=community_column,
            )
    return polygons["declared"].to_numpy(dtype=object)


def _all_faults(
    faults: gpd.GeoDataFrame, nowhere: gpd.GeoDataFrame, unfit: gpd.GeoDataFrame
) -> gpd.GeoDataFrame:
    """The faults, each polygon that lies in no community, and each row that is no polygon."""
    found = [faults]
    if len(nowhere):
        found.append(_homeless(nowhere))
    if len(unfit):
        told = check(unfit)
        found.append(told[told["kind"] == "invalid"])
    if len(found) == 1:
        return faults
    return gpd.GeoDataFrame(pd.concat(found, ignore_index=True), crs=faults.crs)


def _homeless(nowhere: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    plane = MetricPlane.of_frame(nowhere)
    shapes = made_valid(nowhere.geometry.to_numpy())
    area = shapely.area(shapes) * plane.square_metres_per_unit
    rows = [
        ("stray", (code,), float(size), "it lies in no community", shape)
        for code, size, shape in zip(nowhere["grid_code"], area, shapes, strict=True)
    ]
    return fault_frame(rows, nowhere.crs)


def _one_area(session: Session, codes: Sequence[str], source: GivenSource, crs: str) -> Area:
    file = source.file
    if not codes:
        raise InputError(
            f"none of its polygons lies in a community: it is taken as {datum_name(crs)}, "
            "longitude before latitude; if it is in another CRS, say in which (crs)",
            file=file,
        )
    areas = find_areas(session, communities=codes)
    if len(areas) > 1:
        names = ", ".join(f"'{area.dataset}'" for area in areas)
        raise InputError(f"its polygons lie in several data sets ({names}): import one", file=file)
    return areas[0]


def loaded(
    session: Session, area: Area, polygons: gpd.GeoDataFrame, codes: Sequence[str] | None = None
) -> gpd.GeoDataFrame:
    """The polygons as grids with their loads, and a flag where a load is forced out of range.

    Without codes, each takes that of the grid it goes on from.
    """
    households = read_households(session, area)
    member = assign(polygons, households, area.snap_tolerance_m)["grid_code"].to_numpy(dtype=object)
    load = households["households"].groupby(member).sum()
    if codes is None:
        codes = keep_codes(
            plans.last_grids(session, communities=area.communities),
            polygons,
            households,
            used_codes=plans.used_codes(session, communities=area.communities),
            snap_tolerance_m=area.snap_tolerance_m,
        ).tolist()
    grids = polygons.assign(
        households=polygons["grid_code"].map(load).fillna(0).astype(np.int64),
        parts=shapely.get_num_geometries(polygons.geometry.to_numpy()).astype(np.int32),
    )
    limits = checked_limits(area.target, area.minimum, area.maximum)
    return flagged(grids, households, member, limits).assign(grid_code=codes)


def _counts(faults: gpd.GeoDataFrame) -> dict[str, int]:
    return {str(kind): int(count) for kind, count in faults.groupby("kind").size().items()}
