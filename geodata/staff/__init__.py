"""Members into posts: every grid gets its team as far as there are people for it."""

from geodata.staff.staffing import Staffing, staff

__all__ = ["Staffing", "staff"]
