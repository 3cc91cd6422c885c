"""CQL2: filters as text or JSON, compiled to bound expressions over the columns of a collection."""

from __future__ import annotations

from service.catalogue.filtering.filter import LANGUAGES, Filter, parse_filter

__all__ = ["LANGUAGES", "Filter", "parse_filter"]
