"""The grids of an area, drawn from what is in PostGIS, a few communities in memory at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from geodata.change import keep_codes
from geodata.delineate.digest import digest
from geodata.delineate.drawn import Drawn, grid_frame
from geodata.delineate.homes import Homes
from geodata.delineate.inputs import barrier_lines, checked_communities, community_tasks
from geodata.delineate.task import Limits, Task
from geodata.delineate.work import work_off
from geodata.metric import MetricPlane
from service.db.frames import read_frame, read_packed
from service.db.statements import load_statements
from service.flows import plans
from service.flows.borders import Borders
from service.flows.kept import Kept
from service.flows.scope import Area, Progress
from service.flows.spool import Spool
from service.flows.workers import find_workers

__all__ = ["Search", "draw", "units"]

_SQL = load_statements("service.flows", "delineate.sql")

#: Ids of households that one query looks through.
_IDS_AT_ONCE: Final = 1_000_000
#: A unit of communities, whose barriers are read together, holds about so much.
_UNIT_HOUSEHOLDS: Final = 100_000
_UNIT_COMMUNITIES: Final = 500
#: Batches of work that are out at least, so that workers do not wait while the next unit is read.
_LEAST_IN_FLIGHT: Final = 16
#: Households from which the start of worker processes (about 3 s) pays off.
_WORTH_WORKERS: Final = 200_000

_PLACE: Final = np.dtype([("x", ">f8"), ("y", ">f8"), ("households", ">i8")])


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """How grids are looked for, and who does it.

    Attributes
    ----------
    limits : Limits
    seed : int
    workers : int or None
        Processes on this machine; by default one a processor, for data that is worth it.
    scheduler : str or None
        Address of a Dask scheduler whose workers take their place.
    """

    limits: Limits
    seed: int = 0
    workers: int | None = None
    scheduler: str | None = None


def draw(
    session: Session, area: Area, search: Search, progress: Progress
) -> tuple[gpd.GeoDataFrame, gpd.GeoDataFrame, float | None]:
    """Draw the grids of an area.

    What a run before this one has drawn of the same input is not drawn again.

    Parameters
    ----------
    session : Session
        Only read from.
    area : Area
    search : Search
    progress : callable
        Called with the step, the communities done and their number.

    Returns
    -------
    communities : GeoDataFrame
        code, geometry of the communities of the area, by code.
    grids : GeoDataFrame
        As ``geodata.delineate.Plan`` has them; a grid that goes on from one that was there before
        has its code.
    on_barriers : float or None
        The share of the boundary between grids that lies on barriers; None where there are none.
    """
    # the neighbours are there for the households outside all communities: they may be nearer
    statement = _SQL["communities" if area.whole else "communities_near"]
    ground = checked_communities(read_frame(session, statement, _values(area)))
    places = ground[ground["code"].isin(area.communities)]
    run = _Run(session, area, search, places, progress)
    with Spool(len(ground)) as spool:
        _fill(session, area, ground, spool)
        count = _worker_count(search, len(places), int(spool.households.sum()))
        with find_workers(count, scheduler=search.scheduler) as workers, Kept(session) as kept:
            results = work_off(
                run.tasks(spool, kept),
                workers.executor,
                in_flight=max(_LEAST_IN_FLIGHT, 4 * workers.count),
                renew=workers.renew,
            )
            for solved in results:
                run.keep(Drawn.of(solved), kept)
        grids = grid_frame(
            _outlines(session, area, places), [run.drawn[code] for code in places["code"]]
        )
        grids["grid_code"] = _hand_on(session, area, places, grids, spool)
    return places.reset_index(drop=True), grids, run.borders.share_on_barriers


class _Run:
    """What has been drawn of an area, and what is still to be."""

    def __init__(
        self,
        session: Session,
        area: Area,
        search: Search,
        places: gpd.GeoDataFrame,
        progress: Progress,
    ) -> None:
        self.drawn: dict[str, Drawn] = {}
        self.borders = Borders(MetricPlane.of_frame(places))
        self._digests: dict[str, bytes] = {}
        self._session, self._area, self._search = session, area, search
        self._places, self._progress = places, progress
        self._tell()

    def tasks(self, spool: Spool, kept: Kept) -> Iterator[Task]:
        """The tasks of all communities whose grids are not kept from an earlier run."""
        for unit in units(self._places, spool.households):
            found = _read_barriers(self._session, self._area, unit)
            self.borders.expect(unit["code"].tolist(), found)
            barriers = barrier_lines(found, unit.crs)
            tasks = {
                task.code: task
                for task in community_tasks(
                    unit, spool.read, barriers, self._search.limits, self._search.seed
                )
            }
            digests = {code: digest(task) for code, task in tasks.items()}
            for known in kept.find(digests):
                self._take(known)
            self._tell()
            for code, task in tasks.items():
                if code not in self.drawn:
                    self._digests[code] = digests[code]
                    yield task

    def keep(self, drawn: Drawn, kept: Kept) -> None:
        """Take the grids of a community in, and keep them for a run after this one."""
        self._take(drawn)
        kept.put(self._digests.pop(drawn.code), drawn)
        self._tell()

    def _take(self, drawn: Drawn) -> None:
        self.drawn[drawn.code] = drawn
        self.borders.add(drawn)

    def _tell(self) -> None:
        self._progress(f"delineate {self._area.dataset}", len(self.drawn), len(self._places))


def _hand_on(
    session: Session,
    area: Area,
    places: gpd.GeoDataFrame,
    grids: gpd.GeoDataFrame,
    spool: Spool,
) -> NDArray[np.object_]:
    """The codes of grids, of which those that go on from earlier ones have the code of these."""
    codes = grids["grid_code"].to_numpy(dtype=object).copy()
    rows = pd.Series(np.arange(len(grids))).groupby(grids["community_code"].to_numpy()).indices
    for unit in units(places, spool.households):
        used = plans.used_codes(session, communities=unit["code"].tolist())
        if not used:
            continue
        own = np.concatenate([rows[code] for code in unit["code"]])
        homes = [spool.read(label) for label in unit.index]
        xy = np.concatenate([each for each, _ in homes])
        codes[own] = keep_codes(
            plans.last_grids(session, communities=unit["code"].tolist()),
            grids.iloc[own].drop(columns="grid_code"),
            gpd.GeoDataFrame(
                {"households": np.concatenate([load for _, load in homes])},
                geometry=shapely.points(xy),
                crs=places.crs,
            ),
            used_codes=used,
            snap_tolerance_m=area.snap_tolerance_m,
        )
    return codes


def _outlines(session: Session, area: Area, communities: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """The communities with the vertices that their grids must have on the boundary.

    Where the neighbours are not drawn anew, theirs are in force and stay: with the vertices at
    which their borders end, an unchanged grid is the same again to the last bit.
    """
    if area.whole:
        return communities
    return checked_communities(read_frame(session, _SQL["outlines"], _values(area)))


def units(places: gpd.GeoDataFrame, households: NDArray[np.int64]) -> Iterator[gpd.GeoDataFrame]:
    """Communities in their order, cut where enough of them are together.

    ``households`` holds those of each community by its label in the index of ``places``.
    """
    begin, load = 0, 0
    for end, label in enumerate(places.index, start=1):
        load += int(households[label])
        if load >= _UNIT_HOUSEHOLDS or end - begin == _UNIT_COMMUNITIES or end == len(places):
            yield places.iloc[begin:end]
            begin, load = end, 0


def _fill(session: Session, area: Area, ground: gpd.GeoDataFrame, spool: Spool) -> None:
    """Read the households of an area, or those in and about its communities, into the spool."""
    homes = Homes(ground, area.snap_tolerance_m)
    statement = _SQL["households" if area.whole else "households_near"]
    for ids in _id_ranges(session, area):
        packed = read_packed(session, statement, {**_values(area), **ids}, _PLACE)
        xy = np.stack([packed["x"], packed["y"]], axis=1).astype(np.float64)
        home, landed = homes.find(xy)
        spool.add(home, landed, packed["households"].astype(np.int64))


def _id_ranges(session: Session, area: Area) -> Iterator[dict[str, int | None]]:
    """Ranges of household ids that together hold all of a data set; one where few are wanted."""
    if not area.whole:
        yield {}
        return
    first, last = session.execute(_SQL["household_ids"], _values(area)).one()
    if first is not None:
        for begin in range(first, last + 1, _IDS_AT_ONCE):
            yield {"first": begin, "last": begin + _IDS_AT_ONCE - 1}


def _read_barriers(session: Session, area: Area, unit: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    values = {"dataset_id": area.dataset_id, "codes": unit["code"].tolist()}
    return read_frame(session, _SQL["barriers"], values)


def _worker_count(search: Search, communities: int, households: int) -> int:
    if search.workers is None and households < _WORTH_WORKERS:
        return 1
    return min(search.workers or os.cpu_count() or 1, communities)


def _values(area: Area) -> dict[str, Any]:
    return {
        "dataset_id": area.dataset_id,
        "codes": list(area.communities),
        "margin_m": area.snap_tolerance_m,
    }
