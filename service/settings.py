"""Settings: ``GRIDWARD_*`` variables, read when a front door asks for them, never at import."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from geodata.errors import InputError

__all__ = ["Settings"]

_DRIVER = "postgresql+psycopg"


def _normalised_url(value: Any) -> URL | None:
    """A database URL in any of its usual spellings, for the psycopg driver; blank means none."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    try:
        url = make_url(value.strip() if isinstance(value, str) else value)
    except (ArgumentError, ValueError):
        # the message of SQLAlchemy repeats the URL, which may hold a password
        raise ValueError("is not a URL like postgresql://user@host:5432/name") from None
    if url.drivername not in {"postgresql", "postgres", _DRIVER}:
        raise ValueError(f"must start with postgresql://, not {url.drivername}://")
    return url.set(drivername=_DRIVER)


def _comma_separated(value: Any) -> Any:
    """A list as it stands in a variable: values between commas."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


class Settings(BaseSettings):
    """Everything that can be set from outside.

    Attributes
    ----------
    database_url : sqlalchemy.URL or None
        An external PostgreSQL >= 14 with PostGIS >= 3.3; None means the embedded cluster.
    home : pathlib.Path
        Where the embedded cluster keeps its data.
    auto_migrate : bool
        Whether opening the database brings its tables up to date.
    host, port
        Where ``gridward serve`` listens.
    workers : int
        Processes of ``gridward serve``.
    token : pydantic.SecretStr or None
        Whoever shows it may write. None lets only this machine write.
    require_if_match : bool
        Whether a feature may be changed only by a client that says which version it read.
    publish : tuple of str
        Further tables as collections to read: ``schema.table``, or ``schema.view:column`` where the
        column identifies a row; comma-separated.
    cors_origins : tuple of str
        Web sites whose pages may call the API, comma-separated; none by default.
    exports : pathlib.Path or None
        Where files of jobs lie, shared by the service and its workers; None means ``exports``
        under ``home``.
    export_days : int
        Days after which a job that has ended is removed with its file.
    assets : pathlib.Path or None
        The ``node_modules`` folder with the web assets; None means the project's own.
    snap_tolerance_m : float
        How far outside every grid a household may lie and still go to the nearest, metres.
    default_limit, max_limit : int
        Features on a page when nothing is asked for, and at most.
    basemap_url : str or None
        Address template of background tiles ({z}/{x}/{y}); None draws none, so that no request
        leaves the host.
    basemap_attribution : str
        The credit that the background tiles ask for.
    """

    model_config = SettingsConfigDict(
        env_prefix="GRIDWARD_", env_ignore_empty=True, arbitrary_types_allowed=True, frozen=True
    )

    database_url: Annotated[URL | None, BeforeValidator(_normalised_url)] = None
    home: Path = Path(".gridward")
    auto_migrate: bool = True
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    workers: int = Field(default=1, ge=1)
    token: SecretStr | None = Field(default=None, min_length=1)
    require_if_match: bool = True
    publish: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_comma_separated)] = ()
    cors_origins: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_comma_separated)] = ()
    exports: Path | None = None
    export_days: int = Field(default=7, ge=1)
    assets: Path | None = None
    snap_tolerance_m: float = Field(default=50.0, ge=0.0, allow_inf_nan=False)
    default_limit: int = Field(default=100, ge=1)
    max_limit: int = Field(default=10_000, ge=1)
    basemap_url: str | None = None
    basemap_attribution: str = ""

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise InputError(_explain(error)) from None

    @property
    def is_embedded(self) -> bool:
        """Whether Gridward runs the database itself."""
        return self.database_url is None

    @property
    def exports_folder(self) -> Path:
        """Where files of jobs lie."""
        return self.exports or self.home / "exports"


def _explain(error: ValidationError) -> str:
    """One line that names every wrong variable; values stay out, one may be a password."""
    faults = []
    for fault in error.errors(include_url=False, include_input=False, include_context=False):
        name = "_".join(["GRIDWARD", *(str(part) for part in fault["loc"])]).upper()
        faults.append(f"{name}: {fault['msg'].removeprefix('Value error, ')}")
    return "; ".join(faults)
