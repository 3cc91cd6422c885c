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
    return read_vector(path, layer, layer_option="FILE:LAYER"), layer or path.stem


def read_vector(
    file: Path, layer: str | None, *, layer_option: str = "--layer"
) -> gpd.GeoDataFrame:
    """A vector file of any format, or one layer of it; ``layer_option`` says how to name one."""
    import geopandas as gpd

    from geodata.manifest import GivenSource
    from geodata.read import whole

    if not file.exists():
        raise UnreadableFile("there is no such file", file=file)
    batch = whole(GivenSource(file=file, layer=layer, layer_option=layer_option))
    if batch.geometry is None or not len(batch):
        raise UnreadableFile("there is nothing in it", file=file)
    return gpd.GeoDataFrame(batch.table.to_pandas(), geometry=batch.geometry, crs=batch.crs)
