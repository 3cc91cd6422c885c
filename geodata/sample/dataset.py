"""A whole data set on disk, streamed patch by patch."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import shapely

from geodata.errors import InputError
from geodata.inputs import checked_path, number
from geodata.sample.county import Patch, make_plan, patches
from geodata.sample.dirt import spoil
from geodata.sample.files import (
    BARRIER_FILES,
    LEVEL_FILES,
    CsvFile,
    GeoJsonFile,
    GeoParquetFile,
    manifest_text,
)
from geodata.sample.frames import division_rows, household_table
from geodata.sample.ground import Plan
from geodata.sample.names import local_street_names, local_street_names_zh
from geodata.sample.people import TEAM

__all__ = ["HOUSEHOLDS", "LIMITS", "checked_plan", "write_sample"]

#: Kind -> households unless asked otherwise.
HOUSEHOLDS: Final = {"town": 6_000, "city": 60_000, "province": 2_000_000}

#: Kind -> fewest and most households.
LIMITS: Final = {
    "town": (50, 40_000),
    "city": (2_000, 1_000_000),
    "province": (10_000, 20_000_000),
}

FORMATS: Final = ("csv", "geoparquet")

#: Rows of the copy in GB18030 with Chinese headers.
CHINESE_ROWS: Final = 1_000

_HOUSEHOLD_COLUMNS: Final = (
    ("id", "household_id"),
    ("address", "address"),
    ("building", "building"),
    ("unit", "unit"),
    ("community", "community_code"),
)

_CHINESE_COLUMNS: Final = {
    "household_id": "户编号",
    "address": "详细地址",
    "building": "楼栋",
    "unit": "室号",
    "community_code": "社区代码",
    "lon": "经度",
    "lat": "纬度",
}


def checked_plan(kind: str, households: int | None, seed: int) -> Plan:
    """The plan of a sample, once its size is known to be sensible.

    Raises
    ------
    InputError
        An unknown kind, too few or too many households, or a negative seed.
    """
    if not isinstance(kind, str) or kind not in HOUSEHOLDS:
        raise InputError(f"'{kind}' is no kind of sample; choose town, city or province")
    wanted = HOUSEHOLDS[kind] if households is None else households
    count = int(number(wanted, "households", whole=True))
    seed = int(number(seed, "seed", whole=True, most=2**31 - 1))
    low, high = LIMITS[kind]
    if not low <= count <= high:
        raise InputError(f"a {kind} has {low:,} to {high:,} households, not {count:,}")
    return make_plan(kind, count, seed)


def write_sample(
    kind: str,
    directory: str | Path,
    *,
    households: int | None = None,
    seed: int = 0,
    format: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Write a synthetic town, city or province with its dataset.toml.

    Equal arguments give equal files, byte for byte. Memory does not grow with the number of
    households: one county is held at a time.

    Parameters
    ----------
    kind : {"town", "city", "province"}
        What to make.
    directory : str or Path
        Folder to write to; made if need be. Files of an earlier sample are overwritten.
    households : int, optional
        Good household rows, met exactly; by default 6,000, 60,000 and 2,000,000.
    seed : int
        Decides everything else.
    format : {"csv", "geoparquet"}, optional
        Households as CSV and the layers as GeoJSON, or all as GeoParquet. By default CSV for a
        town or a city and GeoParquet for a province.
    progress : callable, optional
        Called with the households written so far and in all.

    Returns
    -------
    dict
        ``kind``, ``seed``, ``households`` (good rows), ``records`` (all rows), ``dirty`` (bad
        rows by kind), ``divisions`` (by level), ``barriers``, ``members``, ``facilities`` and
        ``paths`` (what the file is -> where, as text; ``manifest`` is the dataset.toml).

    Raises
    ------
    InputError
        Arguments out of range, or a folder that cannot be written.
    """
    plan = checked_plan(kind, households, seed)
    form = format or ("geoparquet" if kind == "province" else "csv")
    if not isinstance(form, str) or form not in FORMATS:
        raise InputError(f"'{form}' is no format of a sample; choose csv or geoparquet")
    folder = checked_path(directory)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return _write(plan, folder, form, progress)
    except OSError as error:
        raise InputError(
            f"cannot be written ({error.strerror or error}); name another folder", file=folder
        ) from error


def _write(
    plan: Plan, folder: Path, form: str, progress: Callable[[int, int], None] | None
) -> dict[str, Any]:
    suffix = ".geojson" if form == "csv" else ".parquet"
    layer = GeoJsonFile if form == "csv" else GeoParquetFile
    household_path = folder / ("households.csv" if form == "csv" else "households.parquet")
    counts = {"barriers": 0, "members": 0, "facilities": 0}
    dirty: dict[str, int] = {}
    done = 0
    lands = []
    with ExitStack() as stack:
        homes = stack.enter_context(
            closing(CsvFile(household_path) if form == "csv" else GeoParquetFile(household_path))
        )
        layers = {
            name: stack.enter_context(closing(layer(folder / f"{name}{suffix}")))
            for name in (*BARRIER_FILES, "facilities")
        }
        people = stack.enter_context(closing(CsvFile(folder / "members.csv")))
        for number, patch in enumerate(patches(plan)):
            dirty |= _write_households(plan, homes, patch, spoiled=number == 0)
            if number == 0 and form == "csv":
                _write_chinese(plan, folder, patch)
            _write_barriers(layers, patch)
            _write_facilities(layers["facilities"], patch)
            people.write(_member_table(patch))
            counts["barriers"] += len(patch.barriers.kind)
            counts["members"] += len(patch.members.name)
            counts["facilities"] += len(patch.facilities.name)
            done += len(patch.homes)
            lands.append(patch.territory)
            if progress:
                progress(done, plan.households)
    levels = division_rows(plan, lands)
    for level, (rows, polygons) in levels.items():
        with closing(layer(folder / f"{LEVEL_FILES[level]}{suffix}")) as file:
            table = {
                "code": [row.code for row in rows],
                "name": [row.name for row in rows],
                "name_zh": [row.name_zh for row in rows],
                "parent": pa.array([row.parent or None for row in rows], pa.string()),
            }
            file.write(pa.table(table), polygons)
    title = levels["city" if plan.kind == "city" else "province"][0][0].name
    if plan.kind == "town":
        title = levels["county"][0][0].name
    paths = _write_manifests(plan, folder, form, suffix, household_path.name, title)
    return {
        "kind": plan.kind,
        "seed": plan.seed,
        "households": done,
        "records": done + sum(dirty.values()),
        "dirty": dirty,
        "divisions": {level: len(rows) for level, (rows, _) in levels.items()},
        **counts,
        "paths": paths,
    }


def _write_households(
    plan: Plan, file: CsvFile | GeoParquetFile, patch: Patch, *, spoiled: bool
) -> dict[str, int]:
    """Append one patch; the first of a sample carries the bad rows."""
    table, lonlat = household_table(patch.homes), patch.homes.lonlat
    dirty: dict[str, int] = {}
    if spoiled:
        rows = table.to_pandas().assign(lon=lonlat[:, 0], lat=lonlat[:, 1])
        outline = shapely.coverage_union_all(patch.territory.polygons)
        rows, dirty = spoil(plan, rows, outline, text=isinstance(file, CsvFile))
        if isinstance(file, CsvFile):
            file.write(_arrow(rows))
            return dirty
        table = _arrow(rows[table.column_names])
        lonlat = rows[["lon", "lat"]].to_numpy(dtype=np.float64)
    if isinstance(file, CsvFile):
        table = table.append_column("lon", pa.array(lonlat[:, 0]))
        file.write(table.append_column("lat", pa.array(lonlat[:, 1])))
    else:
        file.write(table, lonlat)
    return dirty


def _arrow(rows: pd.DataFrame) -> pa.Table:
    schema = pa.schema([(name, pa.string()) for name in rows.columns])
    return pa.Table.from_pandas(rows, schema=schema, preserve_index=False).replace_schema_metadata()


def _write_barriers(layers: dict[str, Any], patch: Patch) -> None:
    part = patch.barriers
    wet = np.isin(part.kind, ["river", "lake", "stream"])
    for name, chosen in (("roads", ~wet), ("water", wet)):
        if chosen.any():
            columns = {
                "name": pa.array(part.name[chosen], pa.string()),
                "kind": pa.array(part.kind[chosen], pa.string()),
                "weight": pa.array(part.weight[chosen]),
            }
            layers[name].write(pa.table(columns), part.geometry[chosen])


def _write_facilities(file: GeoJsonFile | GeoParquetFile, patch: Patch) -> None:
    part = patch.facilities
    columns = {"facility_id": part.reference, "name": part.name, "kind": part.kind}
    file.write(pa.table(columns), part.lonlat)


def _member_table(patch: Patch) -> pa.Table:
    part = patch.members
    missing = np.isnan(part.lonlat[:, 0])
    return pa.table(
        {
            "member_id": pa.array(part.reference, pa.string()),
            "name": pa.array(part.name, pa.string()),
            "roles": pa.array(part.roles, pa.string()),
            "max_posts": pa.array(part.max_posts),
            "affiliation": pa.array(part.affiliation, pa.string()),
            "lon": pa.array(part.lonlat[:, 0], mask=missing),
            "lat": pa.array(part.lonlat[:, 1], mask=missing),
        }
    )


def _write_chinese(plan: Plan, folder: Path, patch: Patch) -> None:
    """The first good households once more, in Chinese and GB18030 as a spreadsheet saves them."""
    homes, count = patch.homes, min(CHINESE_ROWS, len(patch.homes))
    shuffled = patch.street_names
    chinese = dict(
        zip(local_street_names().tolist(), local_street_names_zh().tolist(), strict=True)
    )
    building = homes.building_of[:count]
    streets, numbers = shuffled[homes.name[building]], homes.number[building]
    table = household_table(homes).slice(0, count)
    table = table.set_column(
        1,
        "address",
        pa.array([f"{chinese[s]}{n}号" for s, n in zip(streets, numbers, strict=True)]),
    )
    table = table.append_column("lon", pa.array(homes.lonlat[:count, 0]))
    table = table.append_column("lat", pa.array(homes.lonlat[:count, 1]))
    table = table.rename_columns([_CHINESE_COLUMNS[name] for name in table.column_names])
    with closing(CsvFile(folder / "households_gb18030.csv", encoding="gb18030")) as file:
        file.write(table)


def _write_manifests(
    plan: Plan, folder: Path, form: str, suffix: str, households: str, title: str
) -> dict[str, str]:
    """dataset.toml, and beside a CSV the manifest of its Chinese copy."""
    place = (("lon", "lon"), ("lat", "lat")) if form == "csv" else ()
    paths = {"manifest": folder / "dataset.toml", "households": folder / households}
    paths["members"] = folder / "members.csv"
    layers = (*LEVEL_FILES.values(), *BARRIER_FILES, "facilities")
    paths |= {name: folder / f"{name}{suffix}" for name in layers}
    common: dict[str, Any] = {"suffix": suffix, "target": plan.target, "team": TEAM}
    text = manifest_text(
        name=title,
        households=households,
        household_columns=(*_HOUSEHOLD_COLUMNS, *place),
        **common,
    )
    paths["manifest"].write_text(text, encoding="utf-8", newline="\n")
    if form == "csv":
        paths["manifest_gb18030"] = folder / "dataset_gb18030.toml"
        paths["households_gb18030"] = folder / "households_gb18030.csv"
        columns = [(key, _CHINESE_COLUMNS[column]) for key, column in (*_HOUSEHOLD_COLUMNS, *place)]
        text = manifest_text(
            name=f"{title} (GB18030)",
            households="households_gb18030.csv",
            household_columns=columns,
            encoding="gb18030",
            **common,
        )
        paths["manifest_gb18030"].write_text(text, encoding="utf-8", newline="\n")
    return {name: str(path) for name, path in paths.items()}
