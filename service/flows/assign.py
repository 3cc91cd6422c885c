"""Households into grids: what changed is looked at again, or everything; the ledger follows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import nullcontext
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Row
from sqlalchemy.orm import Session

from geodata.errors import PlanError
from geodata.schema import METHODS
from service.db.arrays import read_arrays_of
from service.db.statements import load_statements
from service.flows.ahead import ahead
from service.flows.ledger import Beside, InPlace, Ledger, Placed
from service.flows.pages import (
    Grids,
    Page,
    read_grids,
    read_pages,
    reader_beside,
    settle,
)
from service.flows.pieces import settle_by_workers
from service.flows.scope import Area, Progress, find_areas, silent

__all__ = ["AssignReport", "assign"]

_SQL = load_statements("service.flows", "assign.sql")

#: method in the ledger -> key of the report
_KEYS: Final = {
    "covers": "covers",
    "boundary": "boundary",
    "snapped": "snapped",
    "manual": "manual",
    "exception": "exceptions",
}

#: Of so few households the grids nearby are read, of more all of them.
_FEW: Final = 5_000
#: The share of the communities that changed their plan from which on everything is placed anew.
_MUCH: Final = 0.3
#: A ledger of fewer records is changed in place: there a few seconds are not to be had.
_FEWEST_BESIDE: Final = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignReport:
    """Households and records by method, and how many records changed their place.

    The households of all methods and the exceptions add up to all households of the data sets, or
    of the communities that were asked for.
    """

    households: Mapping[str, int]
    records: Mapping[str, int]
    changed: int
    warnings: Sequence[str] = field(default=())
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON: the households by method, then the rest."""
        return {
            **self.households,
            "records": dict(self.records),
            "changed": self.changed,
            "seconds": self.seconds,
        }


@dataclass(slots=True)
class _Tally:
    """Records and households by method, in the order of ``METHODS``."""

    records: NDArray[np.int64] = field(default_factory=lambda: np.zeros(len(METHODS), np.int64))
    households: NDArray[np.int64] = field(default_factory=lambda: np.zeros(len(METHODS), np.int64))
    changed: int = 0

    def add(self, placed: Placed) -> None:
        count = len(METHODS)
        self.records += np.bincount(placed.method, minlength=count)
        self.households += np.bincount(placed.method, placed.weight, count).astype(np.int64)

    def include(self, other: _Tally) -> None:
        self.records += other.records
        self.households += other.households
        self.changed += other.changed


def assign(
    session: Session,
    *,
    dataset: str | None = None,
    communities: Sequence[str] | None = None,
    snap_tolerance_m: float | None = None,
    full: bool = False,
    executor: Executor | None = None,
    progress: Progress = silent,
) -> AssignReport:
    """Put every household into one grid of its data set, or among the exceptions with the reason.

    Looked at are the households that came or moved since the last time, and those in or near
    grids that changed; everything the first time, and where much changed. A choice made by hand
    stays while its grid is in force. Whoever writes households or assignments waits until the
    end; readers see the state of before until this is committed.

    Parameters
    ----------
    session : Session
        Nothing is committed.
    dataset : str, optional
        Only this data set.
    communities : sequence of str, optional
        Only households in, near or assigned to these communities, whether they changed or not.
    snap_tolerance_m : float, optional
        Metres within which a household outside every grid joins the nearest; what the data set
        says by default.
    full : bool
        Look at every household again.
    executor : concurrent.futures.Executor, optional
        Where households are placed; in this process without it.
    progress : callable, optional
        Called with the step, the records looked at and their number.

    Raises
    ------
    InputError
        An unknown data set or community.
    PlanError
        Nothing is loaded, or no plan is active.
    """
    began = perf_counter()
    areas = find_areas(session, dataset=dataset, communities=communities)
    session.execute(_SQL["hold"])
    written = session.execute(_SQL["has_written"]).scalar_one()
    runs = [_Run(session, area, snap_tolerance_m, full, executor, progress) for area in areas]
    tally = _Tally()
    whole = [run for run in runs if run.whole]
    if whole:
        ledger, expected = _ledger_for(session, whole)
        with reader_beside(session, written) as reader:
            for run in whole:
                tally.include(run.place_all(ledger, reader, expected))
        tally.changed += ledger.finish()
    for run in runs:
        if not run.whole:
            tally.include(run.place_some())
    return AssignReport(
        households={_KEYS[name]: int(tally.households[k]) for k, name in enumerate(METHODS)},
        records={_KEYS[name]: int(tally.records[k]) for k, name in enumerate(METHODS)},
        changed=tally.changed,
        seconds=round(perf_counter() - began, 3),
    )


def _ledger_for(session: Session, runs: Sequence[_Run]) -> tuple[Ledger, int | None]:
    """A new ledger where most of the rows will be other ones, the present one where few.

    With it, about how many records the one data set has that was never looked at.
    """
    size = session.execute(_SQL["records"]).one()
    known = sum(run.state.records for run in runs if run.state is not None)
    # of data sets never looked at only their sum is known
    fresh = max(size.estimated - size.known, 0) if any(run.state is None for run in runs) else 0
    much = fresh + sum(
        run.state.records for run in runs if run.state is not None and run.stale_share > _MUCH
    )
    expected = fresh if len([run for run in runs if run.state is None]) == 1 else None
    if much >= _FEWEST_BESIDE and much >= _MUCH * max(size.estimated, known + fresh):
        return Beside(session, [run.area.dataset_id for run in runs]), expected
    return InPlace(session), expected


class _Run:
    """One data set, or some of its communities, on the way through the flow."""

    def __init__(
        self,
        session: Session,
        area: Area,
        snap_tolerance_m: float | None,
        full: bool,
        executor: Executor | None,
        progress: Progress,
    ) -> None:
        self.area = area
        self._session = session
        self._tolerance_m = area.snap_tolerance_m if snap_tolerance_m is None else snap_tolerance_m
        self._executor = executor
        self._progress = progress
        self._draw_plans()
        self.state = self._execute("state").one_or_none()
        self.whole = area.whole and (full or self.state is None or self.stale_share > _MUCH)

    @property
    def stale_share(self) -> float:
        """The share of the communities whose plan is not the one that the ledger follows."""
        state: Row[Any] | None = self.state
        return state.stale / state.communities if state is not None and state.communities else 0.0

    def place_all(self, ledger: Ledger, reader: Session, expected: int | None) -> _Tally:
        """Place every household of the data set; ``expected`` ones if it was never looked at."""
        self._draw_plans()
        total = expected if self.state is None else self.state.records
        tally = self._place(ledger, reader, ("page", "standing"), total)
        self._execute(
            "save_state",
            records=int(tally.records.sum()),
            households=int(tally.households.sum()),
        )
        self._execute("forget_changes")
        self._execute("forget_queue")
        self._follow(None)
        return tally

    def place_some(self) -> _Tally:
        """Place the households of some communities, or those that changed."""
        self._draw_plans()
        scoped = not self.area.whole
        if scoped:
            self._execute("look_at_communities", codes=list(self.area.communities))
        else:
            changed = self.state is not None and self._tolerance_m != self.state.snap_tolerance_m
            self._execute("changed_grids")
            self._execute("look_at_changes", tolerance_changed=changed)
        self._execute("index_looked")
        self._execute("analyze_looked")
        ledger = InPlace(self._session)
        looked = self._execute("count_looked").scalar_one()
        if looked <= _FEW:
            tally = self._place_few(ledger)
        else:
            blocks = ("looked_page", "looked_standing")
            tally = self._place(ledger, self._session, blocks, looked)
        tally.changed = ledger.finish()
        if not scoped:
            return self._all_told(tally.changed)
        if self.state is not None:
            self._execute("forget_looked")
            self._follow(list(self.area.communities))
            if self._tolerance_m != self.state.snap_tolerance_m:
                self._execute("queue_outside")
        return tally

    def _execute(self, block: str, **values: Any) -> Any:
        given = {
            "dataset_id": self.area.dataset_id,
            "margin_m": self._tolerance_m,
            "tolerance_m": self._tolerance_m,
            **values,
        }
        return self._session.execute(_SQL[block], given)

    def _draw_plans(self) -> None:
        self._execute("drop_ruling")
        self._execute("ruling")

    def _follow(self, codes: list[str] | None) -> None:
        self._execute("forget_plans", codes=codes)
        self._execute("follow_plans", codes=codes)

    def _grids(self, block: str) -> Grids:
        """The grids of a block, ready to place households."""
        grids = read_grids(self._session, block, self._tolerance_m)
        if not len(grids.ids) and block == "grids":
            raise PlanError(
                f"no plan of the data set '{self.area.dataset}' is active: "
                "run 'gridward delineate' first"
            )
        return grids

    def _place(
        self, ledger: Ledger, reader: Session, blocks: tuple[str, str], total: int | None
    ) -> _Tally:
        """Place page after page: one is written, the next placed, the one after it read."""
        tally = _Tally()
        grids, now = self._grids("grids"), self._now()
        self._progress("assign", 0, total)
        # two may not use one connection at a time
        beside: Callable[[Any], Any] = nullcontext if reader is self._session else ahead
        with (
            beside(read_pages(reader, self.area.dataset_id, *blocks)) as pages,
            beside(self._settled(pages, grids, now)) as settled,
        ):
            for placed in settled:
                tally.add(placed)
                ledger.write(placed)
                self._progress("assign", int(tally.records.sum()), total)
        return tally

    def _settled(self, pages: Iterable[Page], grids: Grids, now: int) -> Iterator[Placed]:
        if self._executor is None:
            return (settle(page, grids, now) for page in pages)
        return settle_by_workers(self._executor, pages, grids, now)

    def _place_few(self, ledger: Ledger) -> _Tally:
        """Place one page by the grids nearby; by all of them where somebody is outside."""
        tally = _Tally()
        blocks = ("looked_page", "looked_standing")
        for page in read_pages(self._session, self.area.dataset_id, *blocks):
            placed = settle(page, self._grids("grids_near"), self._now())
            if placed.reasons:
                placed = settle(page, self._grids("grids"), self._now())
            tally.add(placed)
            ledger.write(placed)
        return tally

    def _now(self) -> int:
        """When this transaction began, in microseconds since 2000."""
        (now,) = read_arrays_of(self._session, _SQL["now"], {})
        return int(now[0])

    def _all_told(self, changed: int) -> _Tally:
        """What the whole data set holds, told by what came and went."""
        count = self._execute("count_changes").one()
        self._execute("forget_changes")
        self._execute("forget_looked")
        self._follow(None)
        tally = _Tally(changed=changed)
        for row in self._execute("totals"):
            tally.records[METHODS.index(row.method)] = row.records
            tally.households[METHODS.index(row.method)] = row.households
        covers = METHODS.index("covers")
        tally.records[covers] = count.records - tally.records.sum()
        tally.households[covers] = count.households - tally.households.sum()
        return tally
