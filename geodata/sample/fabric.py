"""Inside the superblocks: minor streets, plots and the places where buildings can stand.

Patterns are drawn in frames (``patterns.py``) and carried to the ground: frame -> superblock (a
turn about its centre that fades out at its sides) -> lattice -> metres.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from geodata.sample.ground import Blocks, Fabric, Plan, Zone
from geodata.sample.lattice import hashed
from geodata.sample.patterns import NAMES_A_BLOCK, Draft, Use, quarter, village
from geodata.sample.roads import Network

__all__ = ["LAST_RANK", "Fabrics", "Use", "build", "place"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Rank of the site in the middle of a superblock, which is built on only when no other is left.
LAST_RANK = 9.0


#: By use: spacing along the street and across it, inset from the plot's edge, jitter; metres.
SPACING_M = np.array(
    [
        [58.0, 52.0, 20.0, 4.0],
        [62.0, 36.0, 14.0, 1.5],
        [11.0, 0.0, 10.0, 1.0],
        [26.0, 0.0, 17.0, 3.5],
        [17.0, 0.0, 12.0, 2.5],
        [80.0, 80.0, 20.0, 10.0],
    ]
)


@dataclass
class Fabrics:
    """The minor streets, plots and sites of one county.

    A site is a place for a building, a plot a piece of ground between streets.

    Attributes
    ----------
    lines, line_kind, line_name
        Minor streets in degrees, their `Way` and the number of their name.
    block : integer array
        Superblock of each site.
    s, t : float arrays
        Position of each site in its superblock's unit square, before `place`.
    use, plot : integer arrays
        Use and plot of each site.
    name, number : integer arrays
        Street name and house number of each site.
    rank : float array
        Sites are built on in ascending rank within their superblock.
    """

    lines: NDArray[np.object_]
    line_kind: Ints
    line_name: Ints
    block: Ints
    s: Floats
    t: Floats
    use: Ints
    plot: Ints
    name: Ints
    number: Ints
    rank: Floats


def place(plan: Plan, blocks: Blocks, block: Ints, s: Floats, t: Floats) -> tuple[Floats, Floats]:
    """Unit square of a superblock -> metres on the ground.

    The middle of a built-up superblock is turned by up to half a right angle less than its
    sides, which stay where they are: inner streets bend and meet the avenues.
    """
    a, b = blocks.county
    n = blocks.cells
    key = (a * n + blocks.i, b * n + blocks.j)
    turn = 0.8 * (hashed(plan.seed, 8001, *key) - 0.5)
    turn[blocks.zone == Zone.RURAL] = 0.0
    bump = 16.0 * s * (1.0 - s) * t * (1.0 - t)
    angle = turn[block] * bump
    cosine, sine = np.cos(angle), np.sin(angle)
    x, y = s - 0.5, t - 0.5
    i = blocks.i[block] + 0.5 + x * cosine - y * sine
    j = blocks.j[block] + 0.5 + x * sine + y * cosine
    return plan.lattice.metres(blocks.county, i, j)


def build(plan: Plan, blocks: Blocks, network: Network, households: Ints) -> Fabrics:
    """Lay out minor streets, plots and sites of one county.

    Parameters
    ----------
    plan, blocks, network
        The county's superblocks and the kinds of its lattice edges.
    households : integer array
        Households of each superblock; villages are drawn as large as they need.
    """
    a, b = blocks.county
    rng = plan.generator(42, a + 500, b + 500)
    draft, sides = Draft(), network.sides(blocks)
    for k in range(len(blocks)):
        if blocks.fabric[k] == Fabric.VILLAGE:
            village(rng, draft, blocks, k, int(households[k]), sides[k])
        elif blocks.fabric[k] != Fabric.GREEN:
            quarter(rng, draft, plan, blocks, k, sides[k])
    return _lay_out(rng, plan, blocks, draft)


def _to_unit(
    frames: Floats, blocks: Blocks, frame: Ints, x: Floats, y: Floats
) -> tuple[Floats, Floats]:
    """Frame metres -> unit square of the frame's superblock."""
    block = frames[frame, 0].astype(np.int64)
    angle = frames[frame, 3]
    cosine, sine = np.cos(angle), np.sin(angle)
    s = frames[frame, 1] + (x * cosine - y * sine) / blocks.width_m[block]
    t = frames[frame, 2] + (x * sine + y * cosine) / blocks.height_m[block]
    return s, t


def _lay_out(rng: np.random.Generator, plan: Plan, blocks: Blocks, draft: Draft) -> Fabrics:
    """Draft -> streets on the ground and sites."""
    frames = np.array(draft.frames, dtype=np.float64).reshape(-1, 6)
    streets = np.array(draft.streets, dtype=np.float64).reshape(-1, 7)
    frame = streets[:, 0].astype(np.int64)
    step = np.linspace(0.0, 1.0, 11)
    x = streets[:, 1, None] + (streets[:, 3] - streets[:, 1])[:, None] * step
    y = streets[:, 2, None] + (streets[:, 4] - streets[:, 2])[:, None] * step
    each = np.repeat(frame[:, None], len(step), axis=1)
    s, t = _to_unit(frames, blocks, each, x, y)
    owner = frames[each, 0].astype(np.int64)
    s, t = np.clip(s, 0.0, 1.0), np.clip(t, 0.0, 1.0)
    xy = plan.lattice.degrees(*place(plan, blocks, owner, s, t))
    name = (frames[frame, 0].astype(np.int64) * NAMES_A_BLOCK) + streets[:, 6].astype(np.int64)
    # in a very small place some streets come to nothing
    real = np.ptp(xy, axis=1).max(axis=1) > 1e-6
    sites = _sites(rng, blocks, frames, np.array(draft.plots, dtype=np.float64).reshape(-1, 9))
    return Fabrics(
        shapely.linestrings(xy[real]),
        streets[real, 5].astype(np.int64),
        name[real],
        *sites,
    )


def _sites(
    rng: np.random.Generator, blocks: Blocks, frames: Floats, plots: Floats
) -> tuple[Ints, Floats, Floats, Ints, Ints, Ints, Ints, Floats]:
    """All sites on all plots: block, s, t, use, plot, name, number, rank."""
    frame, use = plots[:, 0].astype(np.int64), plots[:, 5].astype(np.int64)
    x0, x1, y0, y1 = plots[:, 1], plots[:, 2], plots[:, 3], plots[:, 4]
    along, across, inset, jitter = SPACING_M[use].T
    ribbon = plots[:, 6] < 0
    along = np.where(ribbon, 3.0 * along, along)
    wide, deep = x1 - x0 - 2 * inset, y1 - y0 - 2 * inset
    two_rows = across == 0.0
    columns = np.maximum(np.floor(wide / along), np.where(wide > -inset, 1, 0)).astype(np.int64)
    rows = np.where(
        two_rows,
        np.where((deep > 2.0) & ~ribbon, 2, 1),
        np.maximum(np.floor(deep / np.maximum(across, 1.0)), np.where(deep > -inset, 1, 0)),
    ).astype(np.int64)
    plot = np.repeat(np.arange(len(plots)), columns * rows)
    serial = np.arange(len(plot)) - np.repeat(
        np.cumsum(columns * rows) - columns * rows, columns * rows
    )
    column, row = serial % columns[plot], serial // columns[plot]
    x = x0[plot] + inset[plot] + (column + 0.5) / columns[plot] * wide[plot]
    share = np.where(two_rows[plot], row, (row + 0.5) / rows[plot])
    share = np.where(rows[plot] == 1, 0.5, share)
    y = y0[plot] + inset[plot] + share * deep[plot]
    x = x + rng.uniform(-1, 1, len(x)) * jitter[plot]
    y = y + rng.uniform(-1, 1, len(y)) * jitter[plot]
    s, t = _to_unit(frames, blocks, frame[plot], x, y)
    # a hamlet ends before the boundary of its superblock
    keep = (np.maximum(np.abs(s - 0.5), np.abs(t - 0.5)) < 0.45) | (
        blocks.fabric[frames[frame[plot], 0].astype(np.int64)] != Fabric.VILLAGE
    )
    plot, row, x, y, s, t = (values[keep] for values in (plot, row, x, y, s, t))
    owner = frames[frame[plot], 0].astype(np.int64)
    north = (two_rows[plot] & (row == 1)).astype(np.int64)
    name, number = _house_numbers(plots[plot], x + frames[frame[plot], 4] / 2, north)
    name = owner * NAMES_A_BLOCK + name
    rank = _rank(rng, blocks, frames, frame, plot, owner, x, y, ribbon)
    # one site in the middle of every superblock, so that none is without
    every = np.arange(len(blocks))
    half, last = np.full(len(blocks), 0.5), np.full(len(blocks), NAMES_A_BLOCK - 1)
    return (
        np.concatenate([owner, every]),
        np.concatenate([s, half]),
        np.concatenate([t, half]),
        np.concatenate([use[plot], np.full(len(blocks), Use.OPEN)]),
        np.concatenate([plot, len(plots) + every]),
        np.concatenate([name, every * NAMES_A_BLOCK + last]),
        np.concatenate([number, np.full(len(blocks), 9001)]),
        np.concatenate([rank, np.full(len(blocks), LAST_RANK)]),
    )


def _house_numbers(plots: Floats, along: Floats, north: Ints) -> tuple[Ints, Ints]:
    """Name slot and house number by the distance ``along`` the street: odd on one side, even on
    the other; where a name serves a second line, its numbers go on in the next thousand.
    """
    line, base, slots = (plots[:, column].astype(np.int64) for column in (6, 7, 8))
    ribbon = line < 0
    line = np.where(ribbon, 0, line + north)
    slot = np.where(ribbon, base, base + line % slots)
    run = np.where(ribbon, slots, line // slots)
    upper = (plots[:, 3] >= 0.0) & ribbon
    number = 2 * np.maximum(along // 9.0, 0).astype(np.int64) + 1 + np.where(ribbon, upper, north)
    return slot, number + 1000 * run


def _rank(
    rng: np.random.Generator,
    blocks: Blocks,
    frames: Floats,
    frame: Ints,
    plot: Ints,
    owner: Ints,
    x: Floats,
    y: Floats,
    ribbon: NDArray[np.bool_],
) -> Floats:
    """In which order sites are built on: town plots fill one after the other, hamlets from their
    middle outwards, and the houses along a village road last but not least.
    """
    by_plot = rng.random(len(frame))[plot] + 0.12 * rng.random(len(plot))
    w, h = frames[frame[plot], 4], frames[frame[plot], 5]
    outward = np.hypot(x / (w / 2), y / (h / 2)) / 1.4 + 0.3 * rng.random(len(plot))
    outward = np.where(ribbon[plot], 1.1 * rng.random(len(plot)) + 0.35, outward)
    return np.where(blocks.fabric[owner] == Fabric.VILLAGE, outward, by_plot)
