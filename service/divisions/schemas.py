"""Divisions as they are told over HTTP."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

__all__ = ["DivisionStep"]


class DivisionStep(BaseModel):
    """One step on the way from the province down to the community."""

    model_config = ConfigDict(from_attributes=True)

    code: str
    name: str
    level: str
