"""Data sets and communities: small look-ups that the flows and the API share."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session, defer

from service.db.spatial import point
from service.divisions.models import Dataset, Division

__all__ = ["find_deepest", "list_community_codes", "list_datasets", "list_path"]


def list_datasets(session: Session, *, name: str | None = None) -> Sequence[Dataset]:
    """The data sets in the order in which they came, or the one of that name."""
    query = select(Dataset).order_by(Dataset.id)
    if name is not None:
        query = query.where(Dataset.name == name)
    return session.scalars(query).all()


def list_community_codes(
    session: Session, *, dataset_id: int, codes: Sequence[str] | None = None
) -> Sequence[str]:
    """Codes of a data set's communities in their order, or of those that are in ``codes``."""
    query = (
        select(Division.code)
        .where(Division.dataset_id == dataset_id, Division.level == "community")
        .order_by(Division.code.collate("C"))
    )
    if codes is not None:
        query = query.where(Division.code.in_(codes))
    return session.scalars(query).all()


def list_path(session: Session, *, code: str) -> Sequence[Division]:
    """The division of that code and those above it, from the top down, without geometry."""
    path = select(Division.code, Division.parent).where(Division.code == code).cte(recursive=True)
    above = select(Division.code, Division.parent).join(path, Division.code == path.c.parent)
    path = path.union(above)
    return session.scalars(
        select(Division)
        .options(defer(Division.geometry))
        .join(path, Division.code == path.c.code)
        .order_by(Division.rank)
    ).all()


def find_deepest(session: Session, *, lon: float, lat: float) -> str | None:
    """Code of the lowest division that covers a point in degrees; of several, the lowest code."""
    return session.scalar(
        select(Division.code)
        .where(func.ST_Covers(Division.geometry, point(lon, lat)))
        .order_by(Division.rank.desc(), Division.code.collate("C"))
        .limit(1)
    )
