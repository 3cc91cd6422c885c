"""Whether the service can do its work."""

from __future__ import annotations

from importlib.metadata import version

from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlalchemy import text

from service.web.parameters import NO_PARAMETERS
from service.web.session import DatabaseSession

__all__ = ["Health", "router"]

router = APIRouter(tags=["Capabilities"])


class Health(BaseModel):
    """The service and its database are up."""

    status: str = "ok"
    version: str = Field(examples=["0.1.0"])
    postgis: str = Field(examples=["3.5.2"])


@router.get("/health", summary="Whether the service is up", dependencies=[NO_PARAMETERS])
def get_health(session: DatabaseSession) -> Health:
    """Tell whether the service and its database are up; 503 if the database does not answer."""
    release = session.scalar(text("SELECT postgis_lib_version()"))
    return Health(version=version("gridward"), postgis=str(release))
