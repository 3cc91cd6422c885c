"""A made-up province for staffing: square grids, small in town and wide in the country.

Counties of a thousand grids each lie side by side. Members are as many by role as in
``gd.sample``; most of the police work at stations, doctors at clinics, teachers at schools, cadres
at service centres, and some counties have fewer people than others.
"""

from __future__ import annotations

from typing import Any

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from sqlalchemy import text

from geodata.sample.people import PER_GRID, SECOND_ROLE, TEAM
from service.db.engine import Database
from service.db.frames import copy_frame

__all__ = ["TEAM", "fill", "made_up"]

Floats = NDArray[np.float64]

#: Grids along one side of a county, and its metres.
ACROSS, WIDTH = 32, 28_000

#: Role -> share that works at a place of the kind, and grids for each such place.
WORKPLACES = {
    "police": (0.9, 45),
    "doctor": (0.8, 12),
    "teacher": (0.75, 18),
    "cadre": (0.6, 9),
}

_DEGREE = 111_000.0


def made_up(count: int, seed: int = 0) -> tuple[gpd.GeoDataFrame, gpd.GeoDataFrame]:
    """So many grids, and about eleven members for each.

    Returns
    -------
    grids : GeoDataFrame
        ``grid_code``, ``county``, a square; EPSG:4326.
    members : GeoDataFrame
        ``member_id``, ``roles`` (text), ``max_posts``, a point.
    """
    rng = np.random.default_rng(seed)
    number = np.arange(count)
    county, cell = np.divmod(number, ACROSS * ACROSS)
    # neighbouring counties lie side by side in a square
    across = int(np.ceil(np.sqrt(county[-1] + 1)))
    corner = np.column_stack(np.divmod(county, across)) * WIDTH
    edges = np.linspace(-1, 1, ACROSS + 1)
    edges = np.sign(edges) * np.abs(edges) ** 1.6 * WIDTH / 2
    column, row = np.divmod(cell, ACROSS)
    low = corner + np.column_stack([edges[column], edges[row]])
    high = corner + np.column_stack([edges[column + 1], edges[row + 1]])
    grids = gpd.GeoDataFrame(
        {
            "grid_code": [f"{c:03}{k:04}" for c, k in zip(county, cell, strict=True)],
            "county": [f"{c:03}" for c in county],
        },
        geometry=shapely.box(*_degrees(low).T, *_degrees(high).T),
        crs="EPSG:4326",
    )
    plenty = rng.lognormal(0, 0.15, county[-1] + 1)
    xy, roles, limits = [], [], []
    for role, per_grid in PER_GRID.items():
        weight = plenty[county] / plenty[county].sum()
        home = rng.choice(count, round(per_grid * count), p=weight)
        place = low[home] + rng.random((len(home), 2)) * (high - low)[home]
        if role in WORKPLACES:
            share, served = WORKPLACES[role]
            sites = rng.choice(count, max(count // served, 1), replace=False)
            site = (low[sites] + high[sites]) / 2
            goes = rng.random(len(home)) < share
            place[goes] = site[cKDTree(site).query(place[goes])[1]]
        second, share = SECOND_ROLE.get(role, ("", 0.0))
        both = rng.random(len(home)) < share
        roles.append(np.where(both, f"{role};{second}", role))
        limits.append(np.where(rng.random(len(home)) < 0.15, 1, 2))
        xy.append(place)
    together = np.concatenate(roles)
    members = gpd.GeoDataFrame(
        {
            "member_id": [f"M{k:07}" for k in range(len(together))],
            "roles": together,
            "max_posts": np.concatenate(limits),
        },
        geometry=shapely.points(_degrees(np.vstack(xy))),
        crs="EPSG:4326",
    )
    return grids, members.astype({"roles": "str", "member_id": "str"})


def _degrees(xy: Floats) -> Floats:
    return np.array([111.0, 24.0]) + xy / _DEGREE


def fill(database: Database, grids: gpd.GeoDataFrame, members: gpd.GeoDataFrame) -> None:
    """Put grids and members into an empty database: eight grids a community, all in force."""
    place = grids.groupby("county").cumcount().to_numpy()
    community = grids["county"] + np.char.zfill((place // 8).astype(str), 4)
    drawn = grids.assign(community_code=community, number=place % 8 + 1)
    drawn["grid_code"] = community + np.char.zfill(drawn["number"].to_numpy().astype(str), 3)
    frames = [
        drawn.dissolve(column).geometry.reset_index().assign(level=level)
        for column, level in (("county", "county"), ("community_code", "community"))
    ]
    counties, communities = (
        frame.rename(columns={frame.columns[0]: "code"}).set_geometry(
            [shapely.multipolygons(shapely.get_parts(shape)) for shape in frame.geometry]
        )
        for frame in frames
    )
    communities = communities.assign(parent=communities["code"].str[:3], parent_rank=3)
    with database.session() as session:
        session.execute(text("INSERT INTO dataset (id, name) VALUES (1, 'made up')"))
        for frame in (counties, communities):
            copy_frame(session, frame.assign(dataset_id=1, name=frame["code"]), "division")
        rows = drawn.rename(columns={"grid_code": "code"})
        copy_frame(session, rows[["code", "community_code", "number"]], "grid")
        ids = session.execute(text("SELECT id FROM grid ORDER BY id")).scalars().all()
        versions = rows[["geometry"]].assign(grid_id=ids, version=1)
        copy_frame(session, versions, "grid_version")
        people = members.assign(dataset_id=1, roles=members["roles"].str.split(";"))
        people = people.rename(columns={"member_id": "reference"})
        copy_frame(session, people, "member")
        need: list[dict[str, Any]] = [{"role": role, "posts": n} for role, n in TEAM.items()]
        session.execute(text("INSERT INTO team_requirement VALUES (1, :role, :posts)"), need)
        for statement in (
            "INSERT INTO grid_plan (id, name) VALUES (1, 'drawn')",
            "INSERT INTO plan_grid SELECT 1, id, 1 FROM grid",
            "INSERT INTO community_plan SELECT DISTINCT 1, community_code, "
            "daterange(CURRENT_DATE, NULL) FROM grid",
            "UPDATE grid_plan SET state = 'validated'",
            "UPDATE grid_plan SET state = 'active', effective_from = CURRENT_DATE",
        ):
            session.execute(text(statement))
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))
