"""Web assets of the maps and the API pages: from ``node_modules``, served or inlined.

``package.json`` pins them and npm installs them; nothing is ever fetched from another host when a
page is opened. :data:`ASSETS` is the whole list: a name that is not in it cannot be read or served.
A stand-alone page carries its assets inside (:func:`inline_script`, :func:`inline_style`), a served
page links to them (:func:`asset_url`).
"""

from __future__ import annotations

import base64
import mimetypes
import re
from pathlib import Path
from typing import Final

from geodata.errors import InputError, UnavailableError

__all__ = [
    "ASSETS",
    "VENDOR_URL",
    "asset_path",
    "asset_url",
    "data_uri",
    "find_assets",
    "inline_script",
    "inline_style",
]

#: Where the service mounts the assets.
VENDOR_URL: Final = "/static/vendor"

#: asset name -> file below ``node_modules``
ASSETS: Final = {
    "leaflet/leaflet.js": "leaflet/dist/leaflet.js",
    "leaflet/leaflet.css": "leaflet/dist/leaflet.css",
    "leaflet/images/layers.png": "leaflet/dist/images/layers.png",
    "leaflet/images/layers-2x.png": "leaflet/dist/images/layers-2x.png",
    "leaflet/images/marker-icon.png": "leaflet/dist/images/marker-icon.png",
    "leaflet/images/marker-icon-2x.png": "leaflet/dist/images/marker-icon-2x.png",
    "leaflet/images/marker-shadow.png": "leaflet/dist/images/marker-shadow.png",
    # the build whose worker is a file: the other one needs a policy that lets blobs run
    "maplibre-gl/maplibre-gl.js": "maplibre-gl/dist/maplibre-gl-csp.js",
    "maplibre-gl/maplibre-gl-worker.js": "maplibre-gl/dist/maplibre-gl-csp-worker.js",
    "maplibre-gl/maplibre-gl.css": "maplibre-gl/dist/maplibre-gl.css",
    "maplibre-gl/leaflet-maplibre-gl.js": ("@maplibre/maplibre-gl-leaflet/leaflet-maplibre-gl.js"),
    "supercluster/supercluster.js": "supercluster/dist/supercluster.min.js",
    "swagger-ui/swagger-ui.css": "swagger-ui-dist/swagger-ui.css",
    "swagger-ui/swagger-ui-bundle.js": "swagger-ui-dist/swagger-ui-bundle.js",
    "swagger-ui/favicon-32x32.png": "swagger-ui-dist/favicon-32x32.png",
}

_SOURCE_MAP = re.compile(r"(?m)^\s*(?://|/\*)[#@] sourceMappingURL=[^\n]*$")
_CSS_URL = re.compile(r"""url\(\s*["']?(?!data:|#)([^"')]+)["']?\s*\)""")
_SCRIPT_END = re.compile(r"<(?=/script|!--)", re.IGNORECASE)
_STYLE_END = re.compile(r"<(?=/style)", re.IGNORECASE)


def find_assets(folder: Path | str | None = None) -> Path:
    """Find the ``node_modules`` folder that holds the web assets.

    Parameters
    ----------
    folder : path, optional
        The folder itself. By default the one beside the project (an editable installation),
        then the one in the working directory.

    Raises
    ------
    UnavailableError
        No such folder holds them.
    """
    project = Path(__file__).resolve().parents[1]
    candidates = (
        [Path(folder)]
        if folder is not None
        else [project / "node_modules", Path.cwd() / "node_modules"]
    )
    for candidate in candidates:
        if (candidate / ASSETS["leaflet/leaflet.js"]).is_file():
            return candidate
    looked = " or ".join(str(candidate) for candidate in candidates)
    raise UnavailableError(
        f"the web assets are not in {looked}: run 'make setup' (it calls 'npm ci'), "
        "or name their node_modules folder in GRIDWARD_ASSETS"
    )


def asset_path(name: str, folder: Path | str | None = None) -> Path:
    """Return the file of one asset.

    Parameters
    ----------
    name : str
        A key of :data:`ASSETS`.
    folder : path, optional
        As for :func:`find_assets`.

    Raises
    ------
    InputError
        The name is not in the list.
    UnavailableError
        The file is not installed.
    """
    if name not in ASSETS:
        raise InputError(f"'{name}' is not a web asset of Gridward; see geodata.assets.ASSETS")
    path = find_assets(folder) / ASSETS[name]
    if not path.is_file():
        raise UnavailableError(f"the web asset {path} is missing: run 'make setup' ('npm ci')")
    return path


def asset_url(name: str, root: str = "") -> str:
    """Return the address of one asset on the service; ``root`` is its root path behind a proxy."""
    if name not in ASSETS:
        raise InputError(f"'{name}' is not a web asset of Gridward; see geodata.assets.ASSETS")
    return f"{root}{VENDOR_URL}/{name}"


def inline_script(text: str) -> str:
    """Return JavaScript as it may stand inside a ``<script>`` element.

    ``</script`` and ``<!--`` can only stand in a string or a pattern there, where a backslash
    before the second character keeps the meaning. Source map comments go: they name files that
    a stand-alone page does not have.
    """
    return _SCRIPT_END.sub(r"<\\", _SOURCE_MAP.sub("", text))


def inline_style(path: Path) -> str:
    """Return a style sheet as it may stand inside a ``<style>`` element, its images as data URIs.

    An image that is not beside the style sheet becomes an empty one: nothing is fetched.
    """

    def embedded(match: re.Match[str]) -> str:
        image = path.parent / match[1].split("?")[0].split("#")[0]
        return f"url({data_uri(image) if image.is_file() else 'data:,'})"

    text = _SOURCE_MAP.sub("", path.read_text(encoding="utf-8"))
    return _STYLE_END.sub(r"<\\", _CSS_URL.sub(embedded, text))


def data_uri(path: Path) -> str:
    """Return a file as a data URI, its kind by its suffix."""
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode('ascii')}"
