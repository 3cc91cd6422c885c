"""Members into posts: every grid gets its team as far as there are people for it."""

from geodata.staff.shortage import Shortages
from geodata.staff.staffing import Loss, Staffing, staff

__all__ = ["Loss", "Shortages", "Staffing", "staff"]
