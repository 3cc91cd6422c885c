"""The page around a coverage map: a ``folium.Map`` whose figure carries all that it needs.

Folium hands what an element writes to Jinja once more (``Element(text)``), so a household named
``{{ 7 * 7 }}`` would be computed. Here text goes in as it is (:class:`Verbatim`), after it has been
made safe for the place where it stands.
"""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any, ClassVar, Final

import folium
from branca.element import Element, Figure
from jinja2 import Environment

from geodata.assets import asset_path, data_uri, find_assets, inline_script, inline_style
from geodata.draw.encode import script_json
from geodata.draw.scripts import SCRIPTS, STYLE, script_text

__all__ = ["ComparisonMap", "CoverageMap"]

_VENDOR_SCRIPTS: Final = ("leaflet/leaflet.js", "supercluster/supercluster.js")
_VENDOR_ICONS: Final = {
    "iconUrl": "leaflet/images/marker-icon.png",
    "iconRetinaUrl": "leaflet/images/marker-icon-2x.png",
    "shadowUrl": "leaflet/images/marker-shadow.png",
}


class Verbatim(Element):
    """Text that is written as it is."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text

    def render(self, **kwargs: Any) -> str:
        """Return the text."""
        return self.text


class Page(Figure):
    """A figure whose document names its language and may be zoomed by the reader."""

    _template = Environment(autoescape=False).from_string(  # noqa: S701 - parts are safe already
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        "<title>{{ this.title }}</title>\n"
        "{{ this.header.render(**kwargs) }}\n</head>\n<body>\n{{ this.html.render(**kwargs) }}\n"
        "<script>\n{{ this.script.render(**kwargs) }}\n</script>\n</body>\n</html>\n"
    )

    def __init__(self, title: str) -> None:
        super().__init__(title=html.escape(title))
        self._id = "page"
        del self.header._children["meta_http"]


class CoverageMap(folium.Map):
    """A map that carries its scripts, styles, images and data: its HTML needs no other file.

    ``save`` writes it, notebooks show it, and further Folium layers can be added to it. Layers of
    ``folium.plugins`` bring addresses of other hosts with them; those are not rewritten.

    Parameters
    ----------
    payload : dict
        The columns of :func:`geodata.draw.payload.coverage_payload`.
    meta : dict
        ``title``, ``target``, ``minimum``, ``maximum`` and ``roles``.
    assets : path, optional
        The ``node_modules`` folder, as for :func:`geodata.assets.find_assets`.
    tiles, attribution : str, optional
        A base map (a Leaflet address with {z}, {x}, {y}) and its attribution. It is fetched from
        its host when the page is opened, so a page that must work alone has none.
    """

    # Folium's own lists name CDN hosts; what is needed is carried instead
    default_js: ClassVar[list[tuple[str, str]]] = []
    default_css: ClassVar[list[tuple[str, str]]] = []

    #: Our scripts on the page, and how the map is started with ``meta`` and ``payload``.
    scripts: ClassVar[tuple[str, ...]] = (*SCRIPTS, "embedded.js")
    starter: ClassVar[str] = "Gridward.coverageMap({name}, meta, Gridward.embeddedSource(payload));"

    def __init__(
        self,
        payload: dict[str, Any],
        meta: dict[str, Any],
        *,
        assets: Path | str | None = None,
        tiles: str | None = None,
        attribution: str | None = None,
    ) -> None:
        west, south, east, north = payload["bounds"]
        super().__init__(
            location=[(south + north) / 2, (west + east) / 2],
            tiles=tiles,
            attr=attribution or "",
        )
        # Folium names things at random; the same input gives the same bytes here
        self._id = "coverage"
        for number, child in enumerate(self._children.values()):
            child._id = f"base_{number}"
        self.payload, self.meta = payload, meta
        self.assets = find_assets(assets)
        Page(meta["title"]).add_child(self, name=self.get_name())

    def render(self, **kwargs: Any) -> None:
        """Write the parts of the page into the figure."""
        figure = self.get_root()
        assert isinstance(figure, Figure)  # noqa: S101 - Folium's own contract
        name = self.get_name()
        figure.header.add_child(Verbatim(self._head()), name=name)
        figure.html.add_child(Verbatim(self._body()), name=name)
        figure.script.add_child(Verbatim(self._start()), name=name)
        for child in self._children.values():
            child.render(**kwargs)

    def _head(self) -> str:
        styles = [inline_style(asset_path("leaflet/leaflet.css", self.assets)), inline_style(STYLE)]
        scripts = [asset_path(name, self.assets).read_text("utf-8") for name in _VENDOR_SCRIPTS]
        scripts.append(script_text(*self.scripts))
        return "\n".join(
            [f"<style>\n{style}\n</style>" for style in styles]
            + [f"<script>\n{inline_script(script)}\n</script>" for script in scripts]
        )

    def _body(self) -> str:
        data = script_json({"meta": self.meta, "payload": self.payload})
        return (
            f'<div class="folium-map gw-map" id="{self.get_name()}" role="region" '
            'aria-label="Coverage map"></div>\n'
            f'<script type="application/json" id="gridward-data">{data}</script>'
        )

    def _start(self) -> str:
        name = self.get_name()
        icons = {
            key: data_uri(asset_path(path, self.assets)) for key, path in _VENDOR_ICONS.items()
        }
        options = script_json(
            {"zoomSnap": 0.25, "zoomDelta": 0.5, "fadeAnimation": False, "maxZoom": 20}
        )
        return f"""
delete L.Icon.Default.prototype._getIconUrl;
L.Icon.Default.mergeOptions({script_json(icons)});
var {name} = L.map({name!r}, {options});
{{
  const {{ meta, payload }} = JSON.parse(document.getElementById("gridward-data").textContent);
  {self.starter.format(name=name)}
}}
"""


class ComparisonMap(CoverageMap):
    """Two plans on one map, with the look and the means of a coverage map."""

    scripts: ClassVar[tuple[str, ...]] = (*SCRIPTS, "embedded.js", "compare.js")
    starter: ClassVar[str] = "Gridward.comparisonMap({name}, meta, payload);"
