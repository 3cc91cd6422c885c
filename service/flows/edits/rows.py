"""What the editors share: rows held by their id, and the data set that a draft names."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.catalogue.editing import Draft
from service.divisions.queries import list_datasets
from service.errors import Conflict, InvalidParameter, NotFound

__all__ = ["dataset_of", "hold", "keep_dataset", "require_geometry"]


def hold(session: Session, model: Any, identifier: str) -> None:
    """Hold the row of that id until the transaction ends.

    Raises
    ------
    NotFound
        It has gone meanwhile.
    """
    row = session.scalar(select(model.id).where(model.id == int(identifier)).with_for_update())
    if row is None:
        raise NotFound(f"There is no feature '{identifier}'.")


def dataset_of(session: Session, draft: Draft) -> int:
    """The id of the data set that a new feature belongs to.

    Raises
    ------
    InvalidParameter
        There is none of that name, or there are several and none is named.
    """
    name = draft.properties["dataset"]
    found = list_datasets(session, name=name)
    if len(found) == 1:
        return found[0].id
    if name is not None:
        raise InvalidParameter("dataset", f"names '{name}', which is not there")
    listed = ", ".join(each.name for each in found) or "none"
    raise InvalidParameter("dataset", f"has to name one of the data sets: {listed}")


def keep_dataset(session: Session, draft: Draft, dataset_id: int) -> None:
    """Refuse a draft that would move a feature to another data set.

    Raises
    ------
    Conflict
    """
    name = draft.properties["dataset"]
    if name is not None and [each.id for each in list_datasets(session, name=name)] != [dataset_id]:
        raise Conflict("A feature stays in its data set: delete it and create it in the other.")


def require_geometry(draft: Draft) -> None:
    """Refuse a draft without a place.

    Raises
    ------
    InvalidParameter
    """
    if draft.geometry is None:
        raise InvalidParameter("geometry", "is missing")
