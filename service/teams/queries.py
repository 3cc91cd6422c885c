"""Teams: who holds which post, what is vacant, who is near."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from sqlalchemy import cast, func, or_, select, update
from sqlalchemy.dialects.postgresql import array
from sqlalchemy.orm import Session, aliased

from geodata.errors import InputError
from service.db.listing import Listing, list_some
from service.db.rows import AnyRow
from service.db.spatial import nearest, point
from service.divisions.models import Dataset, Division
from service.errors import Conflict, NotFound
from service.grids.models import Grid
from service.teams.models import Member, Post, Relief, Shortage
from service.teams.views import COVERAGE, VACANCY

__all__ = [
    "add_post",
    "end_post",
    "get_coverage",
    "list_nearest_members",
    "list_posts",
    "list_relief",
    "list_shortages",
    "list_vacancies",
]


def list_posts(session: Session, *, grid_id: int, at: date | None = None) -> Sequence[AnyRow]:
    """The posts of a grid and who holds them, now or at the end of a day."""
    statement = (
        select(
            Post.id,
            Member.reference.label("member"),
            Member.name,
            Post.role,
            Post.valid_from,
            Post.fixed,
        )
        .join(Member, Member.id == Post.member_id)
        .where(Post.grid_id == grid_id)
        .order_by(Post.role, Post.id)
    )
    if at is None:
        return session.execute(statement.where(Post.valid_to.is_(None))).all()
    next_day = at + timedelta(days=1) if at < date.max else at
    held = (Post.valid_from < next_day, or_(Post.valid_to.is_(None), Post.valid_to >= next_day))
    return session.execute(statement.where(*held)).all()


def list_vacancies(session: Session, *, grid_id: int) -> Sequence[AnyRow]:
    """What the team of a grid lacks: role, required, filled, missing, reason."""
    lacking = VACANCY.c
    return session.execute(
        select(lacking.role, lacking.required, lacking.filled, lacking.missing, lacking.reason)
        .where(lacking.grid_id == grid_id)
        .order_by(lacking.role)
    ).all()


def get_coverage(session: Session, *, grid_id: int) -> AnyRow:
    """The figures of a grid in force, without its geometry."""
    figures = [column for column in COVERAGE.c if column.name != "geometry"]
    return session.execute(select(*figures).where(COVERAGE.c.grid_id == grid_id)).one()


def list_nearest_members(
    session: Session, *, lon: float, lat: float, role: str | None, limit: int
) -> Listing:
    """The members nearest to a point in degrees, of a role if given, with distance_m in metres."""
    held = aliased(Post)
    posts = (
        select(func.count())
        .where(held.member_id == Member.id, held.valid_to.is_(None))
        .scalar_subquery()
    )
    rows = select(
        Member.id,
        Member.reference.label("member"),
        Member.name,
        Member.roles,
        posts.label("posts"),
        Member.max_posts,
        func.ST_X(Member.geometry).label("lon"),
        func.ST_Y(Member.geometry).label("lat"),
    ).where(Member.geometry.is_not(None))
    if role is not None:
        rows = rows.where(Member.roles.bool_op("@>")(cast(array([role]), Member.roles.type)))
    ordered = nearest(rows, Member.geometry, point(lon, lat), limit=limit).order_by(Member.id)
    return list_some(session, ordered, among=rows, limit=limit)


def list_shortages(
    session: Session,
    *,
    dataset: str | None,
    role: str | None,
    division: str | None,
    limit: int,
) -> Listing:
    """What the last explained staffing found short, by role and division, most missing first."""
    rows = (
        select(
            Dataset.name.label("dataset"),
            Shortage.role,
            Shortage.division_code.label("division"),
            Division.name,
            Division.level,
            Shortage.needed,
            Shortage.eligible,
            Shortage.in_reach,
            Shortage.filled,
            Shortage.missing,
            Shortage.relieved,
            Shortage.at,
        )
        .join(Dataset, Dataset.id == Shortage.dataset_id)
        .join(Division, Division.code == Shortage.division_code)
        .order_by(Shortage.missing.desc(), Shortage.role, Shortage.division_code)
    )
    if dataset is not None:
        rows = rows.where(Dataset.name == dataset)
    if role is not None:
        rows = rows.where(Shortage.role == role)
    if division is not None:
        rows = rows.where(Shortage.division_code == division)
    return list_some(session, rows.limit(limit), among=rows, limit=limit)


def list_relief(session: Session, *, role: str | None, grid: str | None, limit: int) -> Listing:
    """Who would take vacant posts if they were not too far away, the nearest first."""
    rows = (
        select(
            Relief.role,
            Grid.code.label("grid"),
            Member.reference.label("member"),
            Member.name,
            Relief.distance_m,
        )
        .join(Grid, Grid.id == Relief.grid_id)
        .join(Member, Member.id == Relief.member_id)
        .order_by(Relief.distance_m, Grid.code, Relief.role, Member.reference)
    )
    if role is not None:
        rows = rows.where(Relief.role == role)
    if grid is not None:
        rows = rows.where(Grid.code == grid)
    return list_some(session, rows.limit(limit), among=rows, limit=limit)


def add_post(session: Session, *, grid: AnyRow, member: str, role: str, fixed: bool) -> AnyRow:
    """Post a member of the grid's data set; the database refuses a role or a post too many.

    Raises
    ------
    InputError
        The data set has no such member.
    Conflict
        The member holds this very post already.
    """
    found = session.scalar(
        select(Member).where(Member.reference == member, Member.dataset_id == grid.dataset_id)
    )
    if found is None:
        raise InputError(f"There is no member '{member}' in the data set of the grid.")
    same = (Post.member_id == found.id, Post.grid_id == grid.id, Post.role == role)
    if session.scalar(select(Post.id).where(*same, Post.valid_to.is_(None))) is not None:
        raise Conflict(f"The member '{member}' holds this post already.")
    post = Post(member_id=found.id, grid_id=grid.id, role=role, fixed=fixed)
    session.add(post)
    session.flush()
    posts = list_posts(session, grid_id=grid.id)
    return next(each for each in posts if each.id == post.id)


def end_post(session: Session, *, post_id: int) -> None:
    """End a current post; it stays in the history.

    Raises
    ------
    NotFound
        There is no current post of that id.
    """
    ended = session.scalar(
        update(Post)
        .where(Post.id == post_id, Post.valid_to.is_(None))
        .values(valid_to=func.now())
        .returning(Post.id)
    )
    if ended is None:
        raise NotFound(f"There is no current post {post_id}.")
