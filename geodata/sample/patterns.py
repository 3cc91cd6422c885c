"""Patterns of streets and plots: town quarters, hamlets and the roads that lead to them.

Every pattern is laid out in a frame, a rectangle in metres inside one superblock: rows of plots
like courses of brick, so that side streets meet the rows at T-junctions.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from geodata.sample.ground import Blocks, Fabric, Plan
from geodata.sample.roads import BANK_M, Way

__all__ = ["NAMES_A_BLOCK", "Draft", "Use", "quarter", "village"]

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
    Fabric.TOWER: (0.48, 0.36, 0.0, 0.0, 0.0, 0.16),
    Fabric.SLAB: (0.06, 0.80, 0.0, 0.0, 0.0, 0.14),
    Fabric.LANE: (0.0, 0.05, 0.89, 0.0, 0.0, 0.06),
    Fabric.VILLA: (0.0, 0.0, 0.0, 0.92, 0.0, 0.08),
    Fabric.VILLAGE: (0.0, 0.0, 0.0, 0.0, 0.97, 0.03),
    Fabric.WORKS: (0.05, 0.30, 0.0, 0.0, 0.0, 0.65),
    Fabric.GREEN: (0.0, 0.0, 0.0, 0.0, 0.0, 1.0),
}


@dataclass
class Draft:
    """Growing lists of one county: frames, plots and streets, in frame metres."""

    frames: list[tuple[float, ...]] = field(default_factory=list)
    plots: list[tuple[float, ...]] = field(default_factory=list)
    streets: list[tuple[float, ...]] = field(default_factory=list)


def _cuts(rng: np.random.Generator, length: float, step: float) -> Floats:
    """Uneven divisions of a length, from -length / 2 to length / 2."""
    count = max(1, round(length / step))
    parts = rng.uniform(0.72, 1.28, count)
    return (np.concatenate([[0.0], np.cumsum(parts)]) / parts.sum() - 0.5) * length


def quarter(
    rng: np.random.Generator, draft: Draft, plan: Plan, blocks: Blocks, k: int, sides: Ints
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
    draft: Draft,
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


def village(
    rng: np.random.Generator, draft: Draft, blocks: Blocks, k: int, households: int, sides: Ints
) -> None:
    """Hamlets of one rural superblock, each with a lane to the nearest road."""
    width, height = float(blocks.width_m[k]), float(blocks.height_m[k])
    count = 0 if households == 0 else 1 + min(3, households // 170)
    shares = rng.uniform(0.5, 1.5, max(count, 1))
    roads = [side for side in range(4) if Way.TRUNK <= sides[side] <= Way.TERTIARY]
    corner = int(rng.integers(4))
    _tracks(rng, draft, k, (width, height), sides)
    for hamlet in range(count):
        # about 560 m2 of village ground a household, and room for a ragged edge
        area = 720.0 * households * shares[hamlet] / shares.sum() + 6000.0
        w = min(np.sqrt(area * rng.uniform(0.8, 1.7)), 0.4 * width)
        h = min(area / w, 0.4 * height)
        half = np.hypot(w, h) / 2
        room_s, room_t = (half + 45.0) / width, (half + 45.0) / height
        quadrant = (corner + 3 * hamlet) % 4
        s = np.clip((0.3 + 0.4 * (quadrant % 2)) + rng.normal(0, 0.08), room_s, 1 - room_s)
        t = np.clip((0.3 + 0.4 * (quadrant // 2)) + rng.normal(0, 0.08), room_t, 1 - room_t)
        draft.frames.append((k, s, t, rng.uniform(-0.6, 0.6), w, h))
        frame = len(draft.frames) - 1
        _courses(
            rng, draft, blocks, frame, _cuts(rng, h, PLOT_M[Fabric.VILLAGE][0]),
            PLOT_M[Fabric.VILLAGE][1], np.zeros(4), (3 * hamlet, 3),
        )  # fmt: skip
        if roads:
            _village_road(draft, blocks, k, (float(s), float(t)), roads, hamlet)


def _tracks(
    rng: np.random.Generator, draft: Draft, k: int, size: tuple[float, float], sides: Ints
) -> None:
    """Field tracks across a rural superblock, between its hamlets; they end before a river."""
    width, height = size
    draft.frames.append((k, 0.5, 0.5, 0.0, width, height))
    frame = len(draft.frames) - 1
    west, east, south, north = np.where(sides == Way.RIVER, 0.6, 1.0) / 2
    bend = rng.uniform(-0.05, 0.05, 4)
    if rng.random() < 0.8:
        y0, y1 = bend[0] * height, bend[1] * height
        draft.streets.append((frame, -west * width, y0, east * width, y1, Way.TRACK, 10))
    if rng.random() < 0.8:
        x0, x1 = bend[2] * width, bend[3] * width
        draft.streets.append((frame, x0, -south * height, x1, north * height, Way.TRACK, 11))


def _village_road(
    draft: Draft,
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


def _slot(line: int, base: int, slots: int) -> int:
    """Name slot of a frame's line: the names repeat when they run out."""
    return base + line % slots
