"""Vector files that a command is given, as frames."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from geodata.errors import UnreadableFile

if TYPE_CHECKING:
    import geopandas as gpd

__all__ = ["read_layer", "read_vector"]


def read_layer(words: str) -> tuple[gpd.GeoDataFrame, str]:
    """What FILE or FILE:LAYER holds, and what to call it."""
    path, layer = Path(words), None
    if not path.exists() and ":" in words:
        before, _, after = words.rpartition(":")
        path, layer = Path(before), after
    return read_vector(path, layer), layer or path.stem


def read_vector(file: Path, layer: str | None) -> gpd.GeoDataFrame:
    """A vector file of any format, or one layer of it."""
    import geopandas as gpd

    from geodata.manifest import BarrierSource
    from geodata.read import whole

    if not file.exists():
        raise UnreadableFile("there is no such file", file=file)
    batch = whole(BarrierSource(table="check", file=file, layer=layer))
    return gpd.GeoDataFrame(batch.table.to_pandas(), geometry=batch.geometry, crs=batch.crs)
