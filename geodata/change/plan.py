"""Changes of a plan: rebalanced after households came or went, split and merged by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from geodata.assign import assign
from geodata.change.board import Board, Site
from geodata.change.naming import last_numbers
from geodata.change.repair import Repaired, in_trouble, repair
from geodata.change.result import Change, changed, checked_grids, checked_households
from geodata.change.transfer import divide, follow, unite
from geodata.delineate.inputs import barrier_lines, household_points
from geodata.delineate.task import Limits
from geodata.errors import InputError, PlanError
from geodata.inputs import (
    ANY,
    AREAS,
    checked_frame,
    listed,
    number,
    optional_frame,
    texts,
)
from geodata.inputs import limits as checked_sizes
from geodata.metric import MetricPlane

__all__ = ["merge", "rebalance", "split"]

Progress = Callable[[int, int], None]

_ACTS = {
    "shed": "shed the overload of {code}",
    "split": "split {code}",
    "pull": "pulled households to {code}",
    "merge": "merged {code}",
    "exchange": "exchanged buildings of {code}",
    "neighbours": "drew {code} and those around it anew",
    "community": "drew the community anew because of {code}",
}


def rebalance(
    grids: gpd.GeoDataFrame,
    communities: gpd.GeoDataFrame,
    households: gpd.GeoDataFrame,
    barriers: gpd.GeoDataFrame | None = None,
    *,
    target: float = 400,
    minimum: float = 300,
    maximum: float = 500,
    seed: int = 0,
    snap_tolerance_m: float = 50,
    used_codes: Iterable[str] = (),
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> Change:
    """Bring the grids that households overloaded or left back into range, moving few.

    Grids in range stay as they are, bit for bit, unless a neighbour needs their room or their
    surplus; see ``docs/change.md`` for what moves and why.

    Parameters
    ----------
    grids : GeoDataFrame
        The grids as they are: grid_code, community_code, geometry; they tile their communities.
        With columns ``flag`` and ``households``, a flagged grid that was out of range when the
        plan was drawn is left alone unless it got further out.
    communities : GeoDataFrame
        code, geometry. Those without grids are passed over.
    households : GeoDataFrame of Point
        The households as they are now, with ``households`` (default 1) at each.
    barriers : GeoDataFrame, optional
        Lines or polygons that borders follow, with ``weight``; without them cuts are straight.
    target, minimum, maximum : float
        Households a grid should hold, and the range it must keep.
    seed : int
        Of the search where a grid is split or drawn anew.
    snap_tolerance_m : float
        A household this near outside every grid belongs to the nearest one.
    used_codes : iterable of str
        Codes that grids had in the past. A new grid takes the next number after the highest of
        these and of ``grids``: codes are never used again.
    executor : concurrent.futures.Executor, optional
        Where the communities with grids out of range are worked on; in turn without it.
    progress : callable(done, total), optional
        Told after each community with grids out of range.

    Returns
    -------
    Change

    Raises
    ------
    InputError
        Columns missing, codes twice, limits that contradict each other, a grid of a community
        that is not given.
    """
    limits = Limits(*checked_sizes(target, minimum, maximum))
    tidy, households = checked_grids(grids), checked_households(households)
    barriers = optional_frame(barriers, "barriers", kinds=ANY)
    places = checked_frame(communities, "communities", "code", kinds=AREAS)
    known = set(texts(places, "code", "communities", unique=True))
    strange = tidy.loc[~tidy["community_code"].isin(known), ["grid_code", "community_code"]]
    if len(strange):
        code, community = strange.iloc[0]
        raise InputError(f"grid '{code}' is of community '{community}', which is not given")
    if tidy.empty:
        raise InputError("there are no grids to rebalance: delineate draws some")
    boards = _boards(
        tidy, households, barriers, limits, seed, snap_tolerance_m, used_codes,
        settled=_settled(tidy, limits),
    )  # fmt: skip
    troubled = [board for board in boards if in_trouble(board)]
    repaired: list[Repaired] = []
    for each in (executor.map if executor is not None else map)(repair, troubled):
        repaired.append(each)
        if progress is not None:
            progress(len(repaired), len(troubled))
    notes = {each.board.site.code: _note(each) for each in repaired if each.steps}
    after = _after(tidy, [each.board for each in repaired])
    return changed(tidy, after, households, limits, snap_tolerance_m, notes, accepted=True)


def split(
    grids: gpd.GeoDataFrame,
    grid_code: str,
    households: gpd.GeoDataFrame,
    barriers: gpd.GeoDataFrame | None = None,
    *,
    parts: int = 2,
    along: Any = None,
    target: float = 400,
    minimum: float = 300,
    maximum: float = 500,
    seed: int = 0,
    snap_tolerance_m: float = 50,
    used_codes: Iterable[str] = (),
) -> Change:
    """Preview a grid split by hand; the part that keeps most households keeps the code.

    Parameters
    ----------
    grids, households, barriers, target, minimum, maximum, seed, snap_tolerance_m, used_codes
        As for :func:`rebalance`.
    grid_code : str
        The grid to split.
    parts : int
        Into how many, of about equal load. The range does not matter: the preview says how the
        parts lie in it.
    along : LineString, optional
        The line to split along, in the CRS of the grids, instead of one that is sought; its ends
        are led to vertices of the neighbouring grids.

    Returns
    -------
    Change
        ``sides`` has the parts: households, deviation, compactness.

    Raises
    ------
    InputError
        There is no such grid, or the line does not cut it into two.
    PlanError
        Its households all stand on one place, or no border between them can be drawn.
    """
    limits = Limits(*checked_sizes(target, minimum, maximum))
    tidy, households = checked_grids(grids), checked_households(households)
    barriers = optional_frame(barriers, "barriers", kinds=ANY)
    number(parts, "parts", least=2, whole=True)
    if along is not None:
        _check_line(along, parts)
    board = _board_of(
        tidy,
        listed([grid_code], "grid_code"),
        households,
        barriers,
        limits,
        seed,
        snap_tolerance_m,
        used_codes,
    )
    if along is not None:
        after = follow(board, grid_code, along)
        if after is None:
            raise InputError(
                f"the line does not cut grid '{grid_code}' into two: draw it once across"
            )
    else:
        after = _split_evenly(board, grid_code, parts)
    return changed(tidy, _after(tidy, [after]), households, limits, snap_tolerance_m)


def _check_line(along: Any, parts: int) -> None:
    if not isinstance(along, shapely.LineString) or along.is_empty:
        raise InputError("must be a shapely LineString in the CRS of the grids", field="along")
    if not np.isfinite(shapely.get_coordinates(along)).all():
        raise InputError("a coordinate of the line is not finite", field="along")
    if parts != 2:
        raise InputError(f"a line splits a grid in two, not in {parts}", field="parts")


def _split_evenly(board: Board, grid_code: str, parts: int) -> Board:
    load, places = board.load(grid_code), len(board.places(grid_code))
    if places < parts:
        raise PlanError(
            f"the {load} households of grid '{grid_code}' stand on {places} places and cannot be "
            f"split into {parts} parts"
        )
    share = load / parts
    after = divide(board, [grid_code], Limits(share, 0.8 * share, 1.2 * share))
    made = 0 if after is None else len(after.codes) - len(board.codes) + 1
    if after is None or made != parts:
        raise PlanError(
            f"grid '{grid_code}' cannot be split into {parts} parts of about {share:.0f} "
            f"households; ask for fewer, or give a line to split along"
        )
    return after


def merge(
    grids: gpd.GeoDataFrame,
    codes: Sequence[str],
    households: gpd.GeoDataFrame,
    *,
    target: float = 400,
    minimum: float = 300,
    maximum: float = 500,
    snap_tolerance_m: float = 50,
) -> Change:
    """Preview grids merged by hand; the one with most households keeps its code.

    Parameters
    ----------
    grids, households, target, minimum, maximum, snap_tolerance_m
        As for :func:`rebalance`.
    codes : sequence of str
        Two or more grids of one community that hang together.

    Raises
    ------
    InputError
        Fewer than two grids, an unknown one, grids of several communities or ones that do not
        hang together.
    """
    limits = Limits(*checked_sizes(target, minimum, maximum))
    tidy, households = checked_grids(grids), checked_households(households)
    wanted = sorted(set(listed(codes, "codes")))
    if len(wanted) < 2:
        raise InputError("name two grids or more to merge", field="codes")
    board = _board_of(tidy, wanted, households, None, limits, 0, snap_tolerance_m, ())
    apart = _unreachable(board, wanted)
    if apart:
        raise InputError(
            f"grid '{apart[0]}' has no common border with the others; merge only grids that hang "
            "together",
            field="codes",
        )
    return changed(tidy, _after(tidy, [unite(board, wanted)]), households, limits, snap_tolerance_m)


def _unreachable(board: Board, codes: list[str]) -> list[str]:
    """The grids that cannot be reached from the first through the others."""
    reached, pending = {codes[0]}, [codes[0]]
    while pending:
        beside = set(board.neighbours[pending.pop()]) & set(codes) - reached
        reached |= beside
        pending += sorted(beside)
    return sorted(set(codes) - reached)


def _board_of(
    grids: gpd.GeoDataFrame,
    codes: list[str],
    households: gpd.GeoDataFrame,
    barriers: gpd.GeoDataFrame | None,
    limits: Limits,
    seed: int,
    snap_tolerance_m: float,
    used_codes: Iterable[str],
) -> Board:
    """The board of the one community that some grids are of."""
    community = grids.set_index("grid_code")["community_code"]
    for code in codes:
        if code not in community.index:
            raise InputError(f"there is no grid '{code}'", field="grid_code")
    homes = sorted(set(community[codes]))
    if len(homes) > 1:
        raise InputError(
            f"grids of several communities ({', '.join(homes)}) cannot be merged", field="codes"
        )
    # snapping must know the grids of other communities too
    return next(
        board
        for board in _boards(
            grids, households, barriers, limits, seed, snap_tolerance_m, used_codes, only=homes[0]
        )
    )


def _boards(
    grids: gpd.GeoDataFrame,
    households: gpd.GeoDataFrame,
    barriers: gpd.GeoDataFrame | None,
    limits: Limits,
    seed: int,
    snap_tolerance_m: float,
    used_codes: Iterable[str],
    only: str | None = None,
    settled: Mapping[str, float] | None = None,
) -> Iterator[Board]:
    """The board of each community, in the order of their codes."""
    points, load = household_points(households, grids.crs)
    member = assign(grids, households, snap_tolerance_m)["grid_code"]
    home = member.map(grids.set_index("grid_code")["community_code"]).to_numpy(dtype=object)
    rows_of = pd.Series(np.arange(len(home))).groupby(home).indices
    lines, price = barrier_lines(barriers, grids.crs)
    tree = shapely.STRtree(lines) if lines is not None else None
    used = listed(used_codes, "used_codes")
    last = last_numbers(grids["community_code"], [*grids["grid_code"], *used])
    for code, group in grids.groupby("community_code", sort=True):
        if only is not None and code != only:
            continue
        rows = rows_of.get(code, np.empty(0, dtype=np.int64))
        box = shapely.box(*group.total_bounds)
        near = np.sort(tree.query(box, predicate="intersects")) if tree is not None else None
        site = Site(
            code=code,
            plane=MetricPlane.of_bounds(group.total_bounds, grids.crs),
            limits=limits,
            xy=shapely.get_coordinates(points[rows]).reshape(-1, 2),
            load=load[rows],
            barriers=lines[near] if lines is not None else None,
            price=price[near] if lines is not None else None,
            seed=seed,
            settled=settled or {},
        )
        if not shapely.coverage_is_valid(group.geometry.to_numpy()):
            raise InputError(
                f"the grids of community '{code}' overlap, or do not share every vertex where they "
                "meet: geodata.fit(grids, communities) makes them fit"
            )
        shapes = dict(zip(group["grid_code"], group.geometry, strict=True))
        yield Board.of(site, shapes, last[code])


def _settled(grids: gpd.GeoDataFrame, limits: Limits) -> dict[str, float]:
    """How far out of range flagged grids were when the plan was drawn, by code."""
    if "flag" not in grids or "households" not in grids:
        return {}
    known = grids[grids["flag"].notna()]
    load = known["households"].to_numpy(dtype=float)
    beyond = np.maximum(load - limits.maximum, 0.0) + np.maximum(limits.minimum - load, 0.0)
    return dict(zip(known["grid_code"], beyond.tolist(), strict=True))


def _after(before: gpd.GeoDataFrame, boards: list[Board]) -> gpd.GeoDataFrame:
    """The grids with those of some communities as the boards have them; unchanged rows stay."""
    changed_codes = {board.site.code for board in boards}
    kept = before[~before["community_code"].isin(changed_codes)]
    fresh = gpd.GeoDataFrame(
        {
            "grid_code": [code for board in boards for code in board.codes],
            "community_code": [board.site.code for board in boards for _ in board.codes],
        },
        geometry=[shape for board in boards for shape in board.polygons],
        crs=before.crs,
    )
    others = before.drop(columns=["community_code", before.geometry.name])
    fresh = fresh.merge(others, on="grid_code", how="left")
    geometry = before.geometry.name
    if geometry != "geometry":
        fresh = fresh.rename_geometry(geometry)
    both = pd.concat([kept, fresh], ignore_index=True) if len(kept) else fresh
    return both.sort_values("grid_code", ignore_index=True)


def _note(repaired: Repaired) -> tuple[str, str | None]:
    """The steps of a repair in words, and what was drawn anew."""
    acts = [step.act for step in repaired.steps]
    redone = next((act for act in ("community", "neighbours") if act in acts), None)
    words = [
        f"{_ACTS[step.act].format(code=step.code)} ({step.moved} households)"
        for step in repaired.steps
    ]
    return "; ".join(words), redone
