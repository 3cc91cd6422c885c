"""Polygon coverages: which polygon a point is in, what is wrong with a coverage, how it is repaired.

A coverage is a set of polygons that is meant to tile its area: no gap, no overlap.
"""

from geodata.coverage.faults import check
from geodata.coverage.locate import Coverage
from geodata.coverage.repairs import repair

__all__ = ["Coverage", "check", "repair"]
