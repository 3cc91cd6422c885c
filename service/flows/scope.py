"""What a flow acts on: every data set, one of them, or some communities."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from geodata.errors import InputError, PlanError
from geodata.manifest import nearest
from service.divisions.queries import list_community_codes, list_datasets

__all__ = ["Area", "Progress", "find_areas", "require_dataset", "silent"]

#: Called with the step, how much of it is done and the total (None while unknown).
Progress = Callable[[str, int, int | None], None]


def silent(step: str, done: int, total: int | None = None) -> None:
    """Report progress to nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """Communities of one data set with the size that their grids should have.

    ``whole`` says that they are all the communities of the data set.
    """

    dataset_id: int
    dataset: str
    target: int
    minimum: int
    maximum: int
    snap_tolerance_m: float
    communities: tuple[str, ...]
    whole: bool


def require_dataset(session: Session, dataset: str | None) -> None:
    """Refuse the name of a data set that is not there; None stands for all of them.

    Raises
    ------
    InputError
        There is no such data set; the message names the nearest one.
    """
    names = [each.name for each in list_datasets(session)]
    if dataset is not None and dataset not in names:
        raise InputError(f"there is no data set '{dataset}': {nearest(dataset, names)}")


def find_areas(
    session: Session, *, dataset: str | None = None, communities: Sequence[str] | None = None
) -> list[Area]:
    """The areas of a request, one a data set; no area is empty.

    Raises
    ------
    InputError
        There is no such data set or community.
    PlanError
        Nothing is loaded yet, or the data set has no community.
    """
    datasets = list_datasets(session)
    wanted = set(communities or ())
    if not datasets:
        raise PlanError("nothing is loaded yet: run 'gridward load dataset.toml' first")
    require_dataset(session, dataset)
    areas = []
    for each in datasets:
        if dataset is not None and each.name != dataset:
            continue
        own = list_community_codes(session, dataset_id=each.id)
        chosen = [code for code in own if code in wanted] if wanted else own
        if chosen:
            areas.append(
                Area(
                    dataset_id=each.id,
                    dataset=each.name,
                    target=each.target,
                    minimum=each.minimum,
                    maximum=each.maximum,
                    snap_tolerance_m=each.snap_tolerance_m,
                    communities=tuple(chosen),
                    whole=len(chosen) == len(own),
                )
            )
    found = {code for area in areas for code in area.communities}
    for code in communities or ():
        if code not in found:
            where = f" in the data set '{dataset}'" if dataset else ""
            raise InputError(f"there is no community '{code}'{where}")
    if not areas:
        raise PlanError(
            'no community is loaded: [[divisions]] with level = "community" has no rows'
        )
    return areas
