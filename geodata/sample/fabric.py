"""Inside the superblocks: minor streets, plots and the places where buildings can stand.

Every pattern is laid out in a frame, a rectangle in metres inside one superblock: rows of plots
like courses of brick, so that side streets meet the rows at T-junctions. Frame -> superblock
(a turn about its centre that fades out at its sides) -> lattice -> ground.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import shapely
from numpy.typing import NDArray

from geodata.sample.ground import Blocks, Fabric, Plan, Zone
from geodata.sample.lattice import hashed
from geodata.sample.roads import BANK_M, Network, Way

__all__ = ["Fabrics", "Use", "build", "place"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Minor street names before they repeat; a superblock takes `NAMES_A_BLOCK` of them in turn.
NAMES_A_BLOCK = 13


class Use:
    """What a plot is used for."""

    TOWER, SLAB, LANE, VILLA, HOUSE, OPEN = range(6)


#: By fabric: depth and width of a plot in metres.
PLOT_M = {
    Fabric.TOWER: (165.0, 200.0),
    Fabric.SLAB: (105.0, 165.0),
    Fabric.LANE: (46.0, 105.0),
    Fabric.VILLA: (66.0, 180.0),
    Fabric.VILLAGE: (46.0, 85.0),
    Fabric.WORKS: (210.0, 280.0),
    Fabric.GREEN: (1e9, 1e9),
}

#: By fabric: share of plots by use (columns as in `Use`).
USES = {
    Fabric.TOWER: (0.70, 0.14, 0.0, 0.0, 0.0, 0.16),
    Fabric.SLAB: (0.06, 0.80, 0.0, 0.0, 0.0, 0.14),
    Fabric.LANE: (0.0, 0.05, 0.89, 0.0, 0.0, 0.06),
    Fabric.VILLA: (0.0, 0.0, 0.0, 0.92, 0.0, 0.08),
    Fabric.VILLAGE: (0.0, 0.0, 0.0, 0.0, 0.97, 0.03),
    Fabric.WORKS: (0.05, 0.30, 0.0, 0.0, 0.0, 0.65),
    Fabric.GREEN: (0.0, 0.0, 0.0, 0.0, 0.0, 1.0),
}

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
    hamlets: int


@dataclass
class _Draft:
    """Growing lists of one county: frames, plots and streets, in frame metres."""

    frames: list[tuple[float, ...]] = field(default_factory=list)
    plots: list[tuple[float, ...]] = field(default_factory=list)
    streets: list[tuple[float, ...]] = field(default_factory=list)
    hamlets: int = 0


def place(plan: Plan, blocks: Blocks, block: Ints, s: Floats, t: Floats) -> tuple[Floats, Floats]:
    """Unit square of a superblock -> metres on the ground.

    The middle of a built-up superblock is turned by up to half a right angle less than its
    sides, which stay where they are: inner streets bend and meet the avenues.
    """
    a, b = blocks.county
    n = blocks.cells
    key = (a * n + blocks.i, b * n + blocks.j)
    turn = 0.9 * (hashed(plan.seed, 8001, *key) - 0.5)
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
    draft, sides = _Draft(), network.sides(blocks)
    for k in range(len(blocks)):
        if blocks.fabric[k] == Fabric.VILLAGE:
            _village(rng, draft, blocks, k, int(households[k]), sides[k])
        elif blocks.fabric[k] != Fabric.GREEN:
            _quarter(rng, draft, plan, blocks, k, sides[k])
    return _lay_out(rng, plan, blocks, draft)


def _cuts(rng: np.random.Generator, length: float, step: float) -> Floats:
    """Uneven divisions of a length, from -length / 2 to length / 2."""
    count = max(1, round(length / step))
    parts = rng.uniform(0.72, 1.28, count)
    return (np.concatenate([[0.0], np.cumsum(parts)]) / parts.sum() - 0.5) * length


def _quarter(
    rng: np.random.Generator, draft: _Draft, plan: Plan, blocks: Blocks, k: int, sides: Ints
) -> None:
    """One built-up superblock: a single frame that fills it up to its avenues."""
    width, height = float(blocks.width_m[k]), float(blocks.height_m[k])
    margin = np.select(
        [sides == Way.RIVER, sides == Way.RAIL, sides == Way.TRUNK, sides == Way.NONE],
        [plan.river_m + BANK_M, 34.0, 24.0, 10.0],
        13.0,
    )
    margin = np.minimum(margin, 0.3 * np.array([width, width, height, height]))
    west, east, south, north = (float(value) for value in margin)
    w, h = width - west - east, height - south - north
    frame = len(draft.frames)
    draft.frames.append(
        (k, 0.5 + (west - east) / 2 / width, 0.5 + (south - north) / 2 / height, 0.0, w, h)
    )
    # streets run on to the avenue, but not into the river, over the rails or out of town
    reach = np.where(np.isin(sides, [Way.RIVER, Way.RAIL, Way.NONE]), 0.0, margin)
    depth, breadth = PLOT_M[Fabric(int(blocks.fabric[k]))]
    rows = _cuts(rng, h, depth)
    for y, side in ((rows[0], sides[2]), (rows[-1], sides[3])):
        if side in (Way.RIVER, Way.RAIL):
            draft.streets.append(
                (frame, -w / 2 - reach[0], y, w / 2 + reach[1], y, Way.TERTIARY, 12)
            )
    _courses(rng, draft, blocks, frame, rows, breadth, reach, (0, NAMES_A_BLOCK - 1))


def _courses(
    rng: np.random.Generator,
    draft: _Draft,
    blocks: Blocks,
    frame: int,
    rows: Floats,
    breadth: float,
    reach: Floats,
    naming: tuple[int, int],
) -> None:
    """Rows of plots; side streets go on straight or are staggered.

    ``naming`` is the first name slot of the frame and how many it may use.
    """
    k, w = int(draft.frames[frame][0]), draft.frames[frame][4]
    fabric = Fabric(int(blocks.fabric[k]))
    middle = len(rows) // 2 if len(rows) > 4 else -1
    for r in range(1, len(rows) - 1):
        kind = Way.TERTIARY if r == middle else _minor(fabric)
        y = rows[r]
        draft.streets.append(
            (frame, -w / 2 - reach[0], y, w / 2 + reach[1], y, kind, _slot(r, *naming))
        )
    cuts = _cuts(rng, w, breadth)
    for r in range(len(rows) - 1):
        if r and rng.random() < 0.55:
            cuts = _cuts(rng, w, breadth)
        bottom = rows[r] - (reach[2] if r == 0 else 0.0)
        top = rows[r + 1] + (reach[3] if r == len(rows) - 2 else 0.0)
        for c, x in enumerate(cuts[1:-1]):
            if rng.random() < 0.88:
                draft.streets.append(
                    (frame, x, bottom, x, top, _minor(fabric), _slot(c + 5, *naming))
                )
        uses = rng.choice(6, size=len(cuts) - 1, p=USES[fabric])
        for c in range(len(cuts) - 1):
            draft.plots.append(
                (frame, cuts[c], cuts[c + 1], rows[r], rows[r + 1], uses[c], r, *naming)
            )


def _minor(fabric: Fabric) -> int:
    return Way.LANE if fabric in (Fabric.LANE, Fabric.VILLAGE) else Way.RESIDENTIAL


def _village(
    rng: np.random.Generator, draft: _Draft, blocks: Blocks, k: int, households: int, sides: Ints
) -> None:
    """Hamlets of one rural superblock, each with a lane to the nearest road."""
    width, height = float(blocks.width_m[k]), float(blocks.height_m[k])
    count = 0 if households == 0 else 1 + min(3, households // 170)
    shares = rng.uniform(0.5, 1.5, max(count, 1))
    roads = [side for side in range(4) if Way.TRUNK <= sides[side] <= Way.TERTIARY]
    for hamlet in range(count):
        # about 560 m2 of village ground a household, and room for a ragged edge
        area = 720.0 * households * shares[hamlet] / shares.sum() + 6000.0
        w = min(np.sqrt(area * rng.uniform(0.8, 1.7)), 0.5 * width)
        h = min(area / w, 0.5 * height)
        half = np.hypot(w, h) / 2
        room_s, room_t = half / width + 0.02, half / height + 0.02
        quadrant = (hamlet + rng.integers(4)) % 4 if count > 1 else rng.integers(4)
        s = np.clip((0.3 + 0.4 * (quadrant % 2)) + rng.normal(0, 0.08), room_s, 1 - room_s)
        t = np.clip((0.3 + 0.4 * (quadrant // 2)) + rng.normal(0, 0.08), room_t, 1 - room_t)
        draft.frames.append((k, s, t, rng.uniform(-0.6, 0.6), w, h))
        frame = len(draft.frames) - 1
        _courses(
            rng, draft, blocks, frame, _cuts(rng, h, PLOT_M[Fabric.VILLAGE][0]),
            PLOT_M[Fabric.VILLAGE][1], np.zeros(4), (3 * hamlet, 3),
        )  # fmt: skip
        draft.hamlets += 1
        if roads:
            _village_road(draft, blocks, k, (float(s), float(t)), roads, hamlet)


def _village_road(
    draft: _Draft,
    blocks: Blocks,
    k: int,
    centre: tuple[float, float],
    roads: list[int],
    hamlet: int,
) -> None:
    """A road from the middle of a hamlet straight to the nearest side that is a road, with houses
    strung along it: a frame of two rows.
    """
    (s, t), width, height = centre, float(blocks.width_m[k]), float(blocks.height_m[k])
    away = {0: s * width, 1: (1 - s) * width, 2: t * height, 3: (1 - t) * height}
    side = min(roads, key=lambda number: away[number])
    length = away[side]
    angle = {0: np.pi, 1: 0.0, 2: -np.pi / 2, 3: np.pi / 2}[side]
    middle_s = s + (length / 2 / width) * round(float(np.cos(angle)))
    middle_t = t + (length / 2 / height) * round(float(np.sin(angle)))
    draft.frames.append((k, middle_s, middle_t, angle, length, 50.0))
    frame = len(draft.frames) - 1
    draft.streets.append(
        (frame, -length / 2, 0.0, length / 2, 0.0, Way.TERTIARY, NAMES_A_BLOCK - 1)
    )
    end = length / 2 - 20.0
    if end > -length / 2:
        for low, high in ((-26.0, 0.0), (0.0, 26.0)):
            draft.plots.append(
                (frame, -length / 2, end, low, high, Use.HOUSE, -1, NAMES_A_BLOCK - 1, hamlet + 1)
            )


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


def _lay_out(rng: np.random.Generator, plan: Plan, blocks: Blocks, draft: _Draft) -> Fabrics:
    """Draft -> streets on the ground and sites."""
    frames = np.array(draft.frames, dtype=np.float64).reshape(-1, 6)
    streets = np.array(draft.streets, dtype=np.float64).reshape(-1, 7)
    frame = streets[:, 0].astype(np.int64)
    step = np.linspace(0.0, 1.0, 7)
    x = streets[:, 1, None] + (streets[:, 3] - streets[:, 1])[:, None] * step
    y = streets[:, 2, None] + (streets[:, 4] - streets[:, 2])[:, None] * step
    each = np.repeat(frame[:, None], len(step), axis=1)
    s, t = _to_unit(frames, blocks, each, x, y)
    owner = frames[each, 0].astype(np.int64)
    s, t = np.clip(s, 0.0, 1.0), np.clip(t, 0.0, 1.0)
    xy = plan.lattice.degrees(*place(plan, blocks, owner, s, t))
    name = (frames[frame, 0].astype(np.int64) * NAMES_A_BLOCK) + streets[:, 6].astype(np.int64)
    sites = _sites(rng, blocks, frames, np.array(draft.plots, dtype=np.float64).reshape(-1, 9))
    return Fabrics(
        shapely.linestrings(xy), streets[:, 5].astype(np.int64), name, *sites, draft.hamlets
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
    owner = frames[frame[plot], 0].astype(np.int64)
    s, t = _to_unit(frames, blocks, frame[plot], x, y)
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
        np.concatenate([rank, np.full(len(blocks), 9.0)]),
    )


def _slot(line: int, base: int, slots: int) -> int:
    """Name slot of a frame's line: the names repeat when they run out."""
    return base + line % slots


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
