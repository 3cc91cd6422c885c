"""Grids of a delineation that has not come to its end: kept, so that it goes on where it stopped.

They are written beside the flow's transaction, in transactions of their own, and stay when the
process is killed. What they follow from is written with them as a digest. Whoever asks names the
digest, so what was kept of other households, sizes, seeds or code is never found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from time import monotonic
from types import TracebackType
from typing import Any, Final

import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from geodata.delineate.drawn import Drawn
from geodata.schema import STORAGE_CRS
from service.db.frames import copy_frame, read_frame
from service.db.statements import load_statements

__all__ = ["Kept", "forget"]

_SQL = load_statements("service.flows", "kept.sql")

#: Seconds of work that a kill may cost; a run that is over sooner writes nothing.
_EVERY_S: Final = 5.0


class Kept:
    """What is kept of unfinished delineations in one database.

    Parameters
    ----------
    session : Session
        Of the flow; another one on the same database is opened beside it.
    """

    def __init__(self, session: Session) -> None:
        self._session = Session(session.get_bind().engine)
        self._waiting: list[tuple[bytes, Drawn]] = []
        self._written = monotonic()

    def __enter__(self) -> Kept:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            # only what ended half way will be wanted again
            if isinstance(error, Exception | KeyboardInterrupt):
                self._write()
        finally:
            self._session.close()

    def find(self, digests: Mapping[str, bytes]) -> list[Drawn]:
        """The communities, by code and digest, whose grids are kept."""
        with self._session.begin():
            frame = read_frame(
                self._session,
                _SQL["find"],
                {"codes": list(digests), "digests": list(digests.values())},
            )
        return [
            Drawn(
                code=str(code),
                grids=group.geometry.to_numpy(),
                households=group["households"].to_numpy(dtype=np.int64),
                flag=_none_where_missing(group["flag"]),
                reason=_none_where_missing(group["reason"]),
            )
            for code, group in frame.groupby("community_code", sort=False)
        ]

    def put(self, digest: bytes, drawn: Drawn) -> None:
        """Keep the grids of a community; they are on disk within some seconds."""
        self._waiting.append((digest, drawn))
        if monotonic() - self._written >= _EVERY_S:
            self._write()

    def _write(self) -> None:
        if not self._waiting:
            return
        counts = [len(drawn.grids) for _, drawn in self._waiting]
        frame = gpd.GeoDataFrame(
            {
                "community_code": np.repeat([drawn.code for _, drawn in self._waiting], counts),
                "digest": [
                    digest
                    for (digest, _), count in zip(self._waiting, counts, strict=True)
                    for _ in range(count)
                ],
                "number": np.concatenate([np.arange(1, count + 1) for count in counts]),
                "households": np.concatenate([drawn.households for _, drawn in self._waiting]),
                "flag": np.concatenate([drawn.flag for _, drawn in self._waiting]),
                "reason": np.concatenate([drawn.reason for _, drawn in self._waiting]),
            },
            geometry=np.concatenate([drawn.grids for _, drawn in self._waiting]),
            crs=STORAGE_CRS,
        )
        with self._session.begin():
            self._session.execute(_SQL["stage"])
            copy_frame(self._session, frame, "staged_kept_grid")
            self._session.execute(_SQL["keep"])
        self._waiting.clear()
        self._written = monotonic()


def _none_where_missing(texts: pd.Series) -> NDArray[Any]:
    return texts.astype(object).where(texts.notna(), None).to_numpy()


def forget(session: Session, *, communities: Sequence[str]) -> None:
    """Remove what is kept of communities, whatever it follows from; in the caller's transaction."""
    session.execute(_SQL["forget"], {"codes": list(communities)})
