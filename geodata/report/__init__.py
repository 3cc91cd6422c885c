"""A set of grids -> a report of its quality as one page: figures, pictures, the worst grids, flags.

The page needs no network and no script, prints, and is the same for the same input.
"""

from geodata.report.figures import Sizes, as_yardstick, held_by, set_figures
from geodata.report.page import quality_report
from geodata.report.tables import compared

__all__ = ["Sizes", "as_yardstick", "compared", "held_by", "quality_report", "set_figures"]
