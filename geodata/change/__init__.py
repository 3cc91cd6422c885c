"""A plan that changes: households come and go, grids are split and merged, codes stay.

plan      rebalance, split, merge          repair    which remedy, for which grid
transfer  a border moved, a region redrawn atoms     which blocks change hands
borders   new borders, the outline kept    board     a community at one moment
result    look-up and moves of any two     naming    which grid goes on with which code
posts     where the posts go               flags     why a grid is out of the ordinary
"""

from geodata.change.naming import keep_codes
from geodata.change.plan import merge, rebalance, split
from geodata.change.result import Change, compare

__all__ = ["Change", "compare", "keep_codes", "merge", "rebalance", "split"]
