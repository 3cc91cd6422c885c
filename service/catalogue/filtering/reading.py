"""CQL2 text and CQL2 JSON -> one tree of plain dictionaries, of a size that can be worked out."""

from __future__ import annotations

import json
from typing import Any, Final, Literal

from service.catalogue.filtering.errors import FilterError
from service.catalogue.filtering.parsing import parse_text

__all__ = ["Language", "read"]

Language = Literal["cql2-text", "cql2-json"]

_LONGEST: Final = 20_000
#: Levels of the tree, two an operation: SQLAlchemy takes up to two dozen calls for each of these.
_DEEPEST: Final = 80
_MOST_NODES: Final = 5_000
#: Of all geometries: lines that cross each other take the square of their positions.
_MOST_POSITIONS: Final = 1_500


def read(text: str, language: Language) -> Any:
    """The tree of a filter.

    Raises
    ------
    FilterError
        It is too long, nests too deeply, or is not of that language.
    """
    if len(text) > _LONGEST:
        raise FilterError(f"is longer than {_LONGEST:,} characters")
    _check_text(text)
    tree = _read_json(text) if language == "cql2-json" else parse_text(text)
    _check_tree(tree)
    return tree


def _read_json(text: str) -> Any:
    try:
        return json.loads(text, parse_int=_whole, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise FilterError("nests too deeply") from error
    except ValueError as error:
        raise FilterError(f"is no JSON: {error}") from error


def _whole(digits: str) -> float:
    return int(digits) if len(digits) < 20 else float(digits)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")


def _check_tree(tree: Any) -> None:
    """Refuse a tree that would exhaust the stack or the planner, or that no database can hold."""
    waiting, nodes, positions = [(tree, 0)], 0, 0
    while waiting:
        node, depth = waiting.pop()
        nodes += 1
        if depth > _DEEPEST or nodes > _MOST_NODES:
            raise FilterError("nests too deeply or is too large")
        if isinstance(node, dict):
            waiting.extend((each, depth + 1) for each in node.values())
        elif isinstance(node, list) and not _is_numbers(node):
            waiting.extend((each, depth + 1) for each in node)
        elif isinstance(node, list):
            positions += 1
        elif isinstance(node, str):
            _check_text(node)
    if positions > _MOST_POSITIONS:
        raise FilterError(f"has geometries of more than {_MOST_POSITIONS:,} positions")


def _check_text(text: str) -> None:
    # JSON can name half a character, which is in no encoding
    if "\x00" in text or any("\ud800" <= each <= "\udfff" for each in text):
        raise FilterError("has a character that no text can hold")


def _is_numbers(node: list[Any]) -> bool:
    return all(isinstance(each, int | float) for each in node)
