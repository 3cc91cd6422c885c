"""The page of the live map: the same scripts as the stand-alone one, fed by the service.

Nothing in it is executed but our own files, and nothing is asked of another host (the policy says
so to the browser), except for the base map that the settings name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup
from sqlalchemy import Row

from geodata.assets import asset_url
from geodata.draw import SCRIPTS, STYLE, script_text
from geodata.draw.encode import script_json
from service.settings import Settings

__all__ = ["SCRIPT", "STYLE_SHEET", "content_policy", "map_page"]

_HERE: Final = Path(__file__).parent
_TEMPLATES: Final = Environment(loader=FileSystemLoader(_HERE), autoescape=True)


@dataclass(frozen=True, slots=True)
class StaticText:
    """A file of the page with the tag by which a browser knows whether it has it."""

    content: bytes

    @property
    def etag(self) -> str:
        """Quoted, as HTTP wants it."""
        return f'"{hashlib.sha256(self.content).hexdigest()[:20]}"'


_OWN: Final = "\n".join((_HERE / name).read_text("utf-8") for name in ("tiled.js", "live.js"))
SCRIPT: Final = StaticText((script_text(*SCRIPTS) + "\n" + _OWN).encode())
#: More grids than this are drawn from vector tiles.
MOST_DRAWN_ONE_BY_ONE: Final = 1_500
STYLE_SHEET: Final = StaticText(STYLE.read_bytes())


def map_page(
    *,
    root: str,
    settings: Settings,
    choices: Sequence[Row[Any]],
    chosen: Row[Any] | None,
    overview: dict[str, Any] | None,
) -> str:
    """Return the page for one data set; without one it says how to get one.

    Parameters
    ----------
    root : str
        The root path behind a proxy, without a slash at its end.
    choices, chosen
        The data sets that have grids, and the one to show.
    overview : dict, optional
        What :func:`service.maps.queries.overview` says of it.
    """
    live = None
    maplibre: dict[str, Any] = {}
    if chosen is not None and overview is not None:
        live = {
            "root": f"{root}/map/{chosen.id}",
            "meta": {
                "title": chosen.name,
                "target": chosen.target,
                "minimum": chosen.minimum,
                "maximum": chosen.maximum,
                "roles": overview["roles"],
                "bounds": overview["bounds"],
            },
            **{key: overview[key] for key in ("has", "totals", "mostMissing")},
            "choices": [{"id": row.id, "name": row.name} for row in choices],
            "chosen": chosen.id,
            "basemap": settings.basemap_url,
            "attribution": settings.basemap_attribution,
        }
        if overview["totals"]["grids"] > MOST_DRAWN_ONE_BY_ONE:
            live["tiles"] = {
                "root": root,
                "chosen": chosen.id,
                "worker": asset_url("maplibre-gl/maplibre-gl-worker.js", root),
            }
            maplibre = {
                "style": asset_url("maplibre-gl/maplibre-gl.css", root),
                "scripts": [
                    asset_url(f"maplibre-gl/{name}.js", root)
                    for name in ("maplibre-gl", "leaflet-maplibre-gl")
                ],
            }
    return _TEMPLATES.get_template("map.html").render(
        title=chosen.name if chosen is not None else "Gridward",
        root=root,
        leaflet=asset_url("leaflet/leaflet.js", root),
        maplibre=maplibre,
        leaflet_style=asset_url("leaflet/leaflet.css", root),
        # script_json leaves nothing in the text that could end the element
        live=Markup(script_json(live)) if live is not None else None,  # noqa: S704
    )


def content_policy(settings: Settings) -> str:
    """Return the Content-Security-Policy: this host alone, and the images of the base map."""
    images = "img-src 'self' data:"
    if settings.basemap_url:
        parts = urlsplit(settings.basemap_url)
        images += f" {parts.scheme}://{parts.netloc.replace('{s}', '*')}"
    return (
        "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; "
        "connect-src 'self'; "
        f"{images}; base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
    )
