"""A whole data set in memory, for notebooks and tests; a service loads it batch by batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import geopandas as gpd
import pandas as pd

from geodata import read, validate
from geodata.datum import best_datum, is_ballpark
from geodata.errors import InputError
from geodata.inputs import shown
from geodata.manifest import HouseholdSource, Manifest, Source
from geodata.notices import Notices

__all__ = ["Frames", "read_frames"]

#: Called with the table of the manifest and the rows of it read so far.
Progress = Callable[[str, int], None]


@dataclass(frozen=True, slots=True)
class Frames:
    """The valid rows of a data set, in EPSG:4326, with what was rejected and why.

    Attributes
    ----------
    divisions : GeoDataFrame
        ``code, name, level, parent, geometry`` of every level.
    communities : GeoDataFrame
        ``code, name, geometry`` of the lowest level: what grids are drawn in.
    households : GeoDataFrame
    barriers, members, facilities : GeoDataFrame or None
        None where the manifest names none.
    rejects : DataFrame
        ``file, source`` (the table of the manifest)``, row, field, reason, raw``.
    warnings : list of str
    """

    divisions: gpd.GeoDataFrame
    communities: gpd.GeoDataFrame
    households: gpd.GeoDataFrame
    barriers: gpd.GeoDataFrame | None
    members: gpd.GeoDataFrame | None
    facilities: gpd.GeoDataFrame | None
    rejects: pd.DataFrame
    warnings: list[str]


@dataclass(slots=True)
class _Collected:
    """Rejected rows and warnings of all sources, each warning once."""

    progress: Progress | None
    rejects: list[pd.DataFrame] = field(default_factory=list)
    notices: Notices = field(default_factory=Notices)

    def take(self, source: Source, checked: validate.Checked, rows: int) -> gpd.GeoDataFrame:
        rejected = checked.rejected
        if len(rejected):
            named = rejected.assign(file=source.file.name, source=source.table)
            self.rejects.append(named)
        self.notices.add(checked.notices)
        if self.progress is not None:
            self.progress(source.table, rows)
        return checked.valid

    def reject_frame(self) -> pd.DataFrame:
        columns = ["file", "source", "row", "field", "reason", "raw"]
        if not self.rejects:
            return pd.DataFrame(columns=columns)
        return pd.concat(self.rejects, ignore_index=True)[columns]


def read_frames(manifest: Manifest, progress: Progress | None = None) -> Frames:
    """Read and check every source of a manifest.

    Parameters
    ----------
    manifest : Manifest
    progress : callable, optional
        Called with a table's name and the rows of it read so far.

    Raises
    ------
    InputError
        A file cannot be read, lacks a column, or no community is left.
    """
    if not isinstance(manifest, Manifest):
        raise InputError(
            f"a manifest is needed, not {shown(manifest)}: read_manifest('dataset.toml') reads one"
        )
    collected = _Collected(progress)
    for source in manifest.sources:
        read.inspect(source)  # every file and column, before the first long read
    divisions = _divisions(manifest, collected)
    is_community = divisions["level"] == "community"
    communities = divisions.loc[is_community, ["code", "name", "geometry"]]
    communities = communities.reset_index(drop=True)
    if communities.empty:
        raise InputError(
            "no community is left: every one was rejected, so there is nothing to draw grids in",
            file=manifest.path,
        )
    households = _households(manifest.households, communities, manifest.prefix, collected)
    barriers = [
        collected.take(source, validate.barriers(batch), len(batch))
        for source in manifest.barriers
        for batch in [read.whole(source)]
    ]
    members = facilities = None
    if manifest.members is not None:
        batch = read.whole(manifest.members)
        checked = validate.members(batch, roles=manifest.team)
        members = collected.take(manifest.members, checked, len(batch))
    if manifest.facilities is not None:
        batch = read.whole(manifest.facilities)
        facilities = collected.take(manifest.facilities, validate.facilities(batch), len(batch))
    return Frames(
        divisions=divisions,
        communities=communities,
        households=households,
        barriers=_joined(barriers) if barriers else None,
        members=members,
        facilities=facilities,
        rejects=collected.reject_frame(),
        warnings=collected.notices.sentences(),
    )


def _divisions(manifest: Manifest, collected: _Collected) -> gpd.GeoDataFrame:
    taken: dict[str, str] = {}
    frames = []
    for source in manifest.divisions:
        batch = read.whole(source)
        checked = validate.divisions(batch, prefix=manifest.prefix, taken=taken)
        frame = collected.take(source, checked, len(batch))
        taken |= dict(zip(frame["code"], frame["level"], strict=True))
        frames.append(frame)
    return _joined(frames)


def _households(
    source: HouseholdSource,
    communities: gpd.GeoDataFrame,
    prefix: str,
    collected: _Collected,
) -> gpd.GeoDataFrame:
    seen = validate.DuplicateTracker()
    west, south, east, north = (float(edge) for edge in communities.total_bounds)
    frames, rows = [], 0
    for batch in read.batches(source):
        checked = validate.households(batch, seen=seen, extent=(west, south, east, north))
        rows += len(batch)
        frames.append(collected.take(source, checked, rows))
    households = _joined(frames)
    if len(households):
        collected.notices.add(datum_warnings(source, households, communities, prefix))
    return households


def datum_warnings(
    source: Source, households: gpd.GeoDataFrame, communities: gpd.GeoDataFrame, prefix: str = ""
) -> list[str]:
    """What the places of valid households say about their datum.

    Parameters
    ----------
    source : Source
        For the name of the file.
    households : GeoDataFrame
        At least one row, with the columns of ``schema.HOUSEHOLDS``; a sample of them will do.
    communities : GeoDataFrame
        ``code``, ``name``, geometry in EPSG:4326.
    prefix : str
        Of the data set's codes.
    """
    crs = str(households["datum"].iloc[0])
    x, y = households["source_x"].to_numpy(), households["source_y"].to_numpy()
    fit = best_datum(x, y, households["community"], communities, crs, prefix=prefix)
    found = []
    if is_ballpark(crs, float(x[0]), float(y[0])):
        found.append(
            f"no conversion from {crs} to WGS84 is known for this place: positions may be "
            "hundreds of metres off"
        )
    if fit.warning is not None:
        found.append(fit.warning)
    return [f"{source.file.name}: {each}" for each in found]


def _joined(frames: list[gpd.GeoDataFrame]) -> gpd.GeoDataFrame:
    if len(frames) == 1:
        return frames[0]
    filled = [frame for frame in frames if len(frame)]
    if not filled:
        return frames[0]
    return gpd.GeoDataFrame(pd.concat(filled, ignore_index=True), crs=frames[0].crs)
