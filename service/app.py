"""The HTTP front door: ``create_app(settings)``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import DEFAULT_EXCLUDED_CONTENT_TYPES, GZipMiddleware
from starlette.staticfiles import StaticFiles

from geodata.assets import VENDOR_URL
from service.catalogue.context import open_catalogue
from service.catalogue.published import COLLECTIONS
from service.db.asking import AsyncReader
from service.db.engine import Database
from service.exports.job_routes import router as jobs_router
from service.exports.routes import router as exports_router
from service.flows.change_routes import router as change_router
from service.flows.plan_routes import router as plans_router
from service.households.routes import router as households_router
from service.maps.routes import router as maps_router
from service.ogc.context import Memory
from service.ogc.routes import ITEM_PATH, ITEMS_PATH, get_item, get_items
from service.ogc.routes import router as ogc_router
from service.ogc.write_routes import router as write_router
from service.settings import Settings
from service.spatial.routes import router as spatial_router
from service.teams.routes import router as teams_router
from service.tiles.routes import TILE_PATH, send_tile
from service.tiles.routes import router as tiles_router
from service.tiles.store import TileStore
from service.web.assets import VendorFiles
from service.web.front import Front
from service.web.headers import AccessLog, SecurityHeaders
from service.web.health import router as health_router
from service.web.late import late
from service.web.methods import HeadAsGet
from service.web.parameters import NO_REPEATS
from service.web.problems import add_problem_handlers

if TYPE_CHECKING:
    from service.flows import edits
else:
    edits = late("service.flows.edits")

__all__ = ["create_app"]

_STATIC = Path(__file__).parent / "static"
_ROUTERS = (
    ogc_router,
    write_router,
    teams_router,
    spatial_router,
    households_router,
    plans_router,
    change_router,
    maps_router,
    exports_router,
    jobs_router,
    tiles_router,
    health_router,
)
#: What the way in answers by itself.
_MOST_ASKED: Final = {TILE_PATH: send_tile, ITEMS_PATH: get_items, ITEM_PATH: get_item}
#: Packed already.
_PACKED = ("application/geopackage+sqlite3", "application/vnd.apache.parquet")


def create_app(settings: Settings | None = None) -> FastAPI:
    """Build the service.

    The database is opened when the service starts and closed when it stops.

    Parameters
    ----------
    settings : Settings, optional
        By default, as the ``GRIDWARD_*`` variables say.
    """
    settings = settings or Settings()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with Database(settings) as database:
            app.state.database = database
            with database.session() as session:
                app.state.catalogue = open_catalogue(session, settings.publish)
            app.state.reader = AsyncReader(database.connect_to_read)
            try:
                yield
            finally:
                await app.state.reader.close()

    app = FastAPI(
        title="Gridward",
        version=version("gridward"),
        lifespan=lifespan,
        dependencies=[NO_REPEATS],
        # the document and its page are our own: OpenAPI 3.0, no other host
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
    )
    app.state.settings = settings
    app.state.memory = Memory()
    app.state.catalogue = COLLECTIONS
    app.state.editors = lambda: edits.EDITORS
    app.state.tiles = TileStore()
    for path, handler in _MOST_ASKED.items():
        app.add_route(path, handler, methods=["GET"], include_in_schema=False)
    for router in _ROUTERS:
        app.include_router(router)
    app.mount(VENDOR_URL, VendorFiles(settings.assets), name="vendor")
    app.mount("/static", StaticFiles(directory=_STATIC), name="static")
    add_problem_handlers(app)
    _add_middleware(app, settings)
    return app


def _add_middleware(app: FastAPI, settings: Settings) -> None:
    """Wrap the routes; what is added last sees the request first."""
    app.add_middleware(
        GZipMiddleware,
        minimum_size=1000,
        compresslevel=2,  # a page of 3 MB takes half the time of level 5 and a third more bytes
        exclude_content_types=(*DEFAULT_EXCLUDED_CONTENT_TYPES, *_PACKED),
    )
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.cors_origins),
            allow_methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=[
                "Authorization",
                "Content-Crs",
                "Content-Type",
                "If-Match",
                "If-None-Match",
            ],
            expose_headers=[
                "Content-Crs",
                "Content-Location",
                "ETag",
                "Location",
                "OGC-NumberMatched",
                "OGC-NumberReturned",
            ],
        )
    app.add_middleware(SecurityHeaders, shared=bool(settings.cors_origins))
    app.add_middleware(HeadAsGet)
    app.add_middleware(AccessLog)
    app.add_middleware(Front, routes=_MOST_ASKED, shared=bool(settings.cors_origins))
