"""The frames that travel between the steps: columns, dtypes, units, CRS.

Every frame is a ``geopandas.GeoDataFrame`` in EPSG:4326 with longitude first, unless a function
says otherwise. ``None`` stands for "not given" in text columns. Codes and references are text:
leading zeros matter.
"""

from __future__ import annotations

from typing import Final

__all__ = [
    "BARRIERS",
    "CODE_PATTERN",
    "DIVISIONS",
    "FACILITIES",
    "FIT_TOLERANCE_M",
    "GRIDS",
    "HOUSEHOLDS",
    "LEVELS",
    "MEMBERS",
    "METHODS",
    "ROLE_PATTERN",
    "STORAGE_CRS",
]

STORAGE_CRS: Final = "EPSG:4326"

#: Metres that a plan drawn by hand may miss its community by: half a millimetre at 1:2000.
FIT_TOLERANCE_M: Final = 1.0

#: Administrative levels from the top; the position is the rank (1 = province ... 5 = community).
LEVELS: Final = ("province", "city", "county", "street", "community")

#: A division code, prefix included: text, no blanks, fit for a URL.
CODE_PATTERN: Final = r"^[0-9A-Za-z](?:[0-9A-Za-z._-]{0,38}[0-9A-Za-z])?$"

#: A role: lower case, fit for a column name in an export.
ROLE_PATTERN: Final = r"^[a-z][a-z0-9_]{0,39}$"

#: How a household came to its grid. ``exception`` has no grid and a reason.
METHODS: Final = ("covers", "boundary", "snapped", "manual", "exception")

#: column -> dtype; geometry is (Multi)Polygon
DIVISIONS: Final = {"code": "str", "name": "str", "level": "str", "parent": "str"}

#: geometry is Point; ``source_x``/``source_y`` are the coordinates as given, in ``datum``;
#: ``community`` is the declared one (code or name as given); ``row`` is the row in the file from 1
HOUSEHOLDS: Final = {
    "reference": "str",
    "address": "str",
    "building": "str",
    "unit": "str",
    "households": "int32",
    "community": "str",
    "source_x": "float64",
    "source_y": "float64",
    "datum": "str",
    "row": "int64",
}

#: geometry is a line or a polygon whose edges are good cuts; a river weighs more than an alley
BARRIERS: Final = {"kind": "str", "weight": "float64"}

#: ``roles`` is a list of eligible roles; geometry is Point or None where the place is unknown
MEMBERS: Final = {"member_id": "str", "name": "str", "roles": "object", "max_posts": "int16"}

#: geometry is Point
FACILITIES: Final = {"facility_id": "str", "name": "str", "kind": "str"}

#: geometry is Polygon or MultiPolygon
GRIDS: Final = {
    "grid_code": "str",
    "community_code": "str",
    "households": "int64",
    "parts": "int32",
    "flag": "str",
}
