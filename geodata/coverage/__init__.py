"""Polygon coverages: which polygon holds a point, what is wrong with them, how to mend them.

A coverage is a set of polygons that is meant to tile its area: no gap, no overlap.
"""

from geodata.coverage.faults import check
from geodata.coverage.fit import Fitted, fit
from geodata.coverage.locate import Coverage
from geodata.coverage.repairs import repair

__all__ = ["Coverage", "Fitted", "check", "fit", "repair"]
