"""The published collections.

Only the columns named here ever leave the service: what is not named (coordinates as given, import
batches, any category of a household) is not published.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    DateTime,
    FromClause,
    Integer,
    Select,
    SQLColumnExpression,
    cast,
    func,
    null,
    select,
    true,
)

from geodata.schema import LEVELS, METHODS
from service.catalogue import rows
from service.catalogue.collection import ACTIONS, Catalogue, Collection, Property
from service.divisions.models import Dataset, Division
from service.errors import NotFound
from service.grids.models import KINDS, Grid
from service.grids.views import CURRENT_GRID
from service.households.models import Assignment, Household
from service.places.models import Facility
from service.teams.models import Member, Post, TeamRequirement, VacancyReason

__all__ = ["COLLECTIONS", "find_collection"]

_DATASET: Final = Property(
    "dataset", "Data set that it came with; the only one, where there is one", writable=True
)
_OWN_DATASET: Final = Property("dataset", "Data set that it came with")
_POINT_DIGITS: Final = 7  # about a centimetre
_LONG_TEXT: Final = 500
_WRITTEN_OF_GRIDS: Final = {
    "named": ("grid_code", "community_code"),
    "described": ("kind", "flag", "reason", "parts"),
}
_WRITTEN_OF_HOUSEHOLDS: Final = {"served_by": ("grid_code",), "belongs_to": ("dataset",)}
_LIGHT_GRIDS: Final = select(CURRENT_GRID, CURRENT_GRID.c.code.label("grid_code")).subquery(
    "light_grids"
)


def find_collection(name: str, catalogue: Catalogue | None = None) -> Collection:
    """The collection of that name, in a catalogue or among Gridward's own.

    Raises
    ------
    NotFound
        There is none.
    """
    known = COLLECTIONS if catalogue is None else catalogue
    if name not in known:
        raise NotFound(f"There is no collection '{name}'; there are: {', '.join(known)}.")
    return known[name]


def _with_dataset(
    statement: Select[tuple[object, ...]], dataset_id: SQLColumnExpression[int], name: str
) -> FromClause:
    return (
        statement.add_columns(Dataset.name.label("dataset"))
        .join(Dataset, Dataset.id == dataset_id)
        .subquery(name)
    )


def _divisions() -> Collection:
    columns = (Division.code, Division.name, Division.level, Division.parent, Division.geometry)
    return Collection(
        name="divisions",
        title="Divisions",
        description="Administrative divisions from the province down to the community.",
        source=_with_dataset(select(*columns), Division.dataset_id, "divisions"),
        key=("code",),
        properties=(
            Property(
                "code",
                "Division code, data set prefix included",
                writable=True,
                required=True,
                role="id",
            ),
            Property("name", "Name", writable=True, required=True),
            Property(
                "level",
                "province, city, county, street or community",
                writable=True,
                required=True,
                choices=LEVELS,
            ),
            Property("parent", "Code of the division above", writable=True),
            _DATASET,
        ),
        geometry_type="MultiPolygon",
        light=Division.__table__,
        actions=ACTIONS,
    )


def _grids() -> Collection:
    return Collection(
        name="grids",
        title="Grids",
        description="The service grids in force today, with their load and their team.",
        source=rows.grids(_LIGHT_GRIDS),
        details=rows.grids,
        key=("grid_code",),
        properties=(
            Property("grid_code", "Grid code: community code and number, never reused", role="id"),
            Property(
                "community_code",
                "Code of the community that it lies in; of most of it, if left out",
                writable=True,
            ),
            Property("community_name", "Name of that community"),
            Property("kind", "basic, dedicated or micro", writable=True, choices=KINDS),
            Property("flag", "What is out of the ordinary: oversize, undersize, empty, ..."),
            Property("reason", "Why it is"),
            Property("parts", "Polygons that it consists of", "integer"),
            Property("records", "Household records assigned", "integer"),
            Property("households", "Households assigned: the load", "integer"),
            Property("target", "Households that a grid should have", "integer"),
            Property("posts_required", "Posts that the team needs", "integer"),
            Property("posts_filled", "Of these, filled", "integer"),
            Property("vacancies", "Of these, vacant", "integer"),
            _OWN_DATASET,
        ),
        geometry_type="Polygon or MultiPolygon",
        outline="outline",
        written=_WRITTEN_OF_GRIDS,
        light=_LIGHT_GRIDS,
        actions=ACTIONS,
        in_groups=True,
    )


def _coverage() -> Collection:
    return Collection(
        name="coverage",
        title="Coverage",
        description="One row a grid in force: load against target, posts against need.",
        source=rows.grids(_LIGHT_GRIDS),
        details=rows.grids,
        key=("grid_code",),
        properties=(
            Property("grid_code", "Grid code", role="id"),
            Property("community_code", "Code of its community"),
            Property("records", "Household records assigned", "integer"),
            Property("households", "Households assigned: the load", "integer"),
            Property("target", "Households that a grid should have", "integer"),
            Property("minimum", "Fewest households that a grid should have", "integer"),
            Property("maximum", "Most households that a grid should have", "integer"),
            Property("load_share", "Load divided by target", "number"),
            Property("posts_required", "Posts that the team needs", "integer"),
            Property("posts_filled", "Of these, filled", "integer"),
            Property("vacancies", "Of these, vacant", "integer"),
            Property("flag", "Why the grid is out of the ordinary"),
            _OWN_DATASET,
        ),
        geometry_type="Polygon or MultiPolygon",
        outline="outline",
        written=_WRITTEN_OF_GRIDS,
        light=_LIGHT_GRIDS,
    )


def _households() -> Collection:
    return Collection(
        name="households",
        title="Households",
        description="Household records: where they are and the grid in force that serves them.",
        source=rows.households(Household.__table__),
        details=rows.households_of_a_page,
        written=_WRITTEN_OF_HOUSEHOLDS,
        key=("id",),
        properties=(
            Property("reference", "Reference in its data set", writable=True, required=True),
            Property("address", "Address", writable=True, longest=_LONG_TEXT),
            Property("building", "Building", writable=True),
            Property("unit", "Unit", writable=True),
            Property(
                "households", "Households that the record stands for", "integer", writable=True
            ),
            Property("community", "Community as declared", writable=True),
            Property("grid_code", "Grid in force that serves it; null for an exception"),
            Property("method", "How it came there: covers, boundary, ...", choices=METHODS),
            _DATASET,
        ),
        geometry_type="Point",
        digits=_POINT_DIGITS,
        light=Household.__table__,
        actions=ACTIONS,
    )


def _assignments() -> Collection:
    statement = (
        select(
            Assignment.household_id,
            Household.reference.label("household"),
            Grid.code.label("grid_code"),
            Assignment.method,
            Assignment.distance_m,
            Assignment.at,
            cast(null(), DateTime(timezone=True)).label("until"),
            Assignment.reason,
            Household.geometry,
        )
        .join(Household, Household.id == Assignment.household_id)
        .outerjoin(Grid, Grid.id == Assignment.grid_id)
    )
    return Collection(
        name="assignments",
        title="Assignments",
        description="The ledger: the grid of every household, how it came there or why not.",
        source=_with_dataset(statement, Household.dataset_id, "assignments"),
        key=("household_id",),
        properties=(
            Property(
                "household_id",
                "Identifier of the household",
                "integer",
                writable=True,
                required=True,
                role="id",
            ),
            Property("household", "Reference of the household"),
            Property(
                "grid_code",
                "Grid that it is assigned to; written as null, the one that covers it",
                writable=True,
            ),
            Property("method", "How it came there: covers, boundary, ...", choices=METHODS),
            Property("distance_m", "Distance to the grid in metres", "number", unit="m"),
            Property("at", "When it was assigned", "date-time", role="primary-interval-start"),
            Property(
                "reason",
                "Why, for an exception or a manual assignment",
                writable=True,
                longest=_LONG_TEXT,
            ),
            _OWN_DATASET,
        ),
        geometry_type="Point",
        digits=_POINT_DIGITS,
        temporal=("at", "until"),
        light=select(Assignment.household_id, Assignment.method, Household.geometry)
        .join(Household, Household.id == Assignment.household_id)
        .subquery("light_assignments"),
        actions=ACTIONS,
    )


def _members() -> Collection:
    columns = (Member.id, Member.reference, Member.name, Member.roles, Member.max_posts)
    return Collection(
        name="members",
        title="Members",
        description="Members of the service teams: their roles, and where they are.",
        source=_with_dataset(select(*columns, Member.geometry), Member.dataset_id, "members"),
        key=("id",),
        properties=(
            Property("reference", "Reference in its data set", writable=True, required=True),
            Property("name", "Name", writable=True),
            Property(
                "roles",
                "Roles that the member can take",
                "strings",
                writable=True,
                required=True,
            ),
            Property(
                "max_posts", "Posts that the member can hold at most", "integer", writable=True
            ),
            _DATASET,
        ),
        geometry_type="Point",
        digits=_POINT_DIGITS,
        light=Member.__table__,
        actions=ACTIONS,
    )


def _facilities() -> Collection:
    columns = (Facility.id, Facility.reference, Facility.name, Facility.kind, Facility.geometry)
    return Collection(
        name="facilities",
        title="Facilities",
        description="Service centres and other places.",
        source=_with_dataset(select(*columns), Facility.dataset_id, "facilities"),
        key=("id",),
        properties=(
            Property("reference", "Reference in its data set", writable=True, required=True),
            Property("name", "Name", writable=True),
            Property("kind", "Kind of place", writable=True),
            _DATASET,
        ),
        geometry_type="Point",
        digits=_POINT_DIGITS,
        light=Facility.__table__,
        actions=ACTIONS,
    )


def _posts() -> Collection:
    grids = CURRENT_GRID.c
    statement = (
        select(
            Post.id,
            Member.reference.label("member"),
            Member.name.label("member_name"),
            grids.code.label("grid_code"),
            Post.role,
            Post.valid_from,
            Post.valid_to,
            Post.fixed,
            func.ST_PointOnSurface(grids.geometry).label("geometry"),
            grids.geometry.label("area"),
        )
        .join(Member, Member.id == Post.member_id)
        .join(CURRENT_GRID, grids.id == Post.grid_id)
        .where(Post.valid_to.is_(None))
    )
    # without the point, which is costly: extents and boxes are of the grids themselves
    light = (
        select(
            Post.id,
            Post.role,
            Post.valid_from,
            Post.valid_to,
            Post.fixed,
            grids.code.label("grid_code"),
            grids.geometry.label("area"),
        )
        .join(CURRENT_GRID, grids.id == Post.grid_id)
        .where(Post.valid_to.is_(None))
        .subquery("light_posts")
    )
    return Collection(
        name="posts",
        title="Posts",
        description="Who holds which post in which grid now; the point lies within the grid.",
        source=_with_dataset(statement, Member.dataset_id, "posts"),
        key=("id",),
        properties=(
            Property("member", "Reference of the member", writable=True, required=True),
            Property("member_name", "Name of the member"),
            Property("grid_code", "Grid that the post belongs to", writable=True, required=True),
            Property("role", "Role in the team", writable=True, required=True),
            Property("valid_from", "Held since", "date-time", role="primary-interval-start"),
            Property("fixed", "Kept by the next staffing as it is", "boolean", writable=True),
            _OWN_DATASET,
        ),
        geometry_type="Point",
        search="area",
        digits=_POINT_DIGITS,
        temporal=("valid_from", "valid_to"),
        light=light,
        actions=ACTIONS,
    )


def _vacancies() -> Collection:
    grids = CURRENT_GRID.c
    held = (
        select(func.count().label("posts"))
        .where(Post.grid_id == grids.id, Post.role == TeamRequirement.role, Post.valid_to.is_(None))
        .lateral("held")
    )
    missing = TeamRequirement.posts - held.c.posts
    # the view of the vacancies itself has no place: joined to it, every grid is looked up twice
    lacking = (
        select(
            grids.id.label("grid_id"),
            grids.code.label("grid_code"),
            grids.community_code,
            grids.dataset_id,
            TeamRequirement.role,
            TeamRequirement.posts.label("required"),
            cast(held.c.posts, Integer).label("filled"),
            cast(missing, Integer).label("missing"),
            grids.geometry.label("area"),
        )
        .join(TeamRequirement, TeamRequirement.dataset_id == grids.dataset_id)
        .join(held, true())
        .where(held.c.posts < TeamRequirement.posts)
        .subquery("lacking")
    )
    statement = select(
        lacking, VacancyReason.reason, func.ST_PointOnSurface(lacking.c.area).label("geometry")
    ).outerjoin(
        VacancyReason,
        (VacancyReason.grid_id == lacking.c.grid_id) & (VacancyReason.role == lacking.c.role),
    )
    return Collection(
        name="vacancies",
        title="Vacancies",
        description="Posts that nobody holds, by grid and role; the point lies within the grid.",
        source=_with_dataset(statement, lacking.c.dataset_id, "vacancies"),
        key=("grid_code", "role"),
        properties=(
            Property("grid_code", "Grid that lacks the post"),
            Property("community_code", "Code of its community"),
            Property("role", "Role that is lacking"),
            Property("required", "Posts that the team needs", "integer"),
            Property("filled", "Of these, filled", "integer"),
            Property("missing", "Of these, vacant", "integer"),
            Property("reason", "Why, as far as the staffing could tell"),
            _OWN_DATASET,
        ),
        geometry_type="Point",
        search="area",
        digits=_POINT_DIGITS,
        light=lacking,
    )


#: Every published collection by name, in the order of the list.
COLLECTIONS: Final[dict[str, Collection]] = {
    each.name: each
    for each in (
        _divisions(),
        _grids(),
        _households(),
        _members(),
        _facilities(),
        _posts(),
        _assignments(),
        _vacancies(),
        _coverage(),
    )
}
