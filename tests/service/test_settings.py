"""Settings are read from ``GRIDWARD_*`` and refused with one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from geodata.errors import InputError
from service.settings import Settings


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GRIDWARD_DATABASE_URL", raising=False)
    monkeypatch.delenv("GRIDWARD_HOME", raising=False)


def test_defaults_need_nothing() -> None:
    settings = Settings()
    assert settings.is_embedded
    assert settings.home == Path(".gridward")
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    assert settings.basemap_url is None


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_any_usual_address_is_taken(monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    monkeypatch.setenv(
        "GRIDWARD_DATABASE_URL", f" {scheme}://me:hush@db:6543/town?sslmode=require "
    )
    url = Settings().database_url
    assert url is not None
    assert url.drivername == "postgresql+psycopg"
    assert (url.host, url.port, url.database) == ("db", 6543, "town")
    assert url.query == {"sslmode": "require"}
    assert "hush" not in repr(Settings())


@pytest.mark.parametrize("blank", ["", "  "])
def test_a_blank_address_means_embedded(monkeypatch: pytest.MonkeyPatch, blank: str) -> None:
    monkeypatch.setenv("GRIDWARD_DATABASE_URL", blank)
    assert Settings().is_embedded


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("DATABASE_URL", "mysql://me:hush@db/town", "must start with postgresql://"),
        ("DATABASE_URL", "host=db password=hush", "is not a URL"),
        ("DATABASE_URL", "postgresql://me:hush@db:port/town", "is not a URL"),
        ("PORT", "eighty", "valid integer"),
        ("PORT", "70000", "65535"),
        ("SNAP_TOLERANCE_M", "-1", "greater than or equal to 0"),
        ("SNAP_TOLERANCE_M", "nan", "finite"),
        ("MAX_LIMIT", "0", "greater than or equal to 1"),
    ],
)
def test_a_wrong_value_is_one_line(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, says: str
) -> None:
    monkeypatch.setenv(f"GRIDWARD_{name}", value)
    with pytest.raises(InputError) as caught:
        Settings()
    message = str(caught.value)
    assert message.startswith(f"GRIDWARD_{name}: ")
    assert says in message
    assert "\n" not in message
    assert "hush" not in message


def test_all_wrong_values_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRIDWARD_PORT", "x")
    monkeypatch.setenv("GRIDWARD_MAX_LIMIT", "0")
    with pytest.raises(InputError, match=r"GRIDWARD_PORT: .*; GRIDWARD_MAX_LIMIT: "):
        Settings()
