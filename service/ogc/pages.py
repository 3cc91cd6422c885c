"""The documents as web pages."""

from __future__ import annotations

from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse

__all__ = ["page"]


def page(template: str, **context: Any) -> HTMLResponse:
    """Fill a template; every value is escaped."""
    text = _environment().get_template(template).render(**context)
    return HTMLResponse(text, headers={"Vary": "Accept"})


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("service", "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters["shown"] = _shown
    return environment


def _shown(value: Any) -> str:
    """Show a JSON value to a reader."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(str(each) for each in value)
    if isinstance(value, float):
        return f"{value:.6g}"
    return str(value)
