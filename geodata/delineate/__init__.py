"""Communities, households and barriers -> grids.

The way of one community, each step in a room of its own:

    task       metres, canonical order, buildings merged        counting   how many grids
    faces      what the barriers cut                            atoms      heavy faces cut
    graph      shared edges                                     tiling     faces + atoms + graph
    power      balanced seeds                                   refine     flips, recombinations
    partition  atoms -> grids, towers and islands apart         cells      straight cuts
    dissolve   polygons that tile exactly                       codes      numbers along a curve
    community  the whole way                                    plan       many communities
    stitch     neighbours share their vertices
"""

from geodata.delineate.plan import Plan, delineate

__all__ = ["Plan", "delineate"]
