"""A set of grids -> a report of its quality as one page: figures, pictures, the worst grids, flags.

The page needs no network and no script, prints, and is the same for the same input.
"""

from geodata.report.page import quality_report

__all__ = ["quality_report"]
