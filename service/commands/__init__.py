"""The commands of ``gridward``, one module a family.

A command module declares options and turns a report into tables or JSON. It imports the flow that
it runs inside the command function: the flows bring geopandas, numba and OR-Tools (seconds of
import), and ``gridward --help`` must answer at once.
"""
