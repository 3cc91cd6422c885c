"""CQL2 text and CQL2 JSON -> one tree of plain dictionaries.

The parser of text runs in native code on the stack of the thread, so what nests too deeply for it
is refused before it is asked.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final, Literal

import cql2

__all__ = ["FilterError", "Language", "read"]

Language = Literal["cql2-text", "cql2-json"]

_LONGEST: Final = 20_000
_DEEPEST: Final = 50
_MOST_NODES: Final = 5_000
_MOST_OPERATORS: Final = 100

_STRINGS: Final = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"")
_GEOMETRIES: Final = re.compile(
    r"\b(?:(?:MULTI)?(?:POINT|LINESTRING|POLYGON)|GEOMETRYCOLLECTION|BBOX)\s*Z?\s*\([-+0-9eE.,\s()]*\)",
    re.IGNORECASE,
)
_OPERATORS: Final = re.compile(r"[-+*/%^]|\b(?:NOT|DIV)\b", re.IGNORECASE)


class FilterError(ValueError):
    """What is wrong with a filter, as the end of a sentence that begins with its name."""


def read(text: str, language: Language) -> Any:
    """The tree of a filter.

    Raises
    ------
    FilterError
        It is too long, nests too deeply, or is not of that language.
    """
    if len(text) > _LONGEST:
        raise FilterError(f"is longer than {_LONGEST:,} characters")
    if "\x00" in text:
        raise FilterError("has a character that no text can hold")
    tree = _read_json(text) if language == "cql2-json" else _read_text(text)
    _check_size(tree)
    return tree


def _read_json(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise FilterError("nests too deeply") from error
    except ValueError as error:
        raise FilterError(f"is no JSON: {error}") from error


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")


def _read_text(text: str) -> Any:
    bare = _GEOMETRIES.sub("g", _STRINGS.sub("s", text))
    depth = deepest = 0
    for character in bare:
        depth += (character == "(") - (character == ")")
        deepest = max(deepest, depth)
    if deepest > _DEEPEST or len(_OPERATORS.findall(bare)) > _MOST_OPERATORS:
        raise FilterError("nests too deeply; say it with fewer brackets and operators")
    try:
        return cql2.parse_text(text).to_json()
    except Exception as error:  # the parser has exceptions of its own for text and for numbers
        raise FilterError(f"is no CQL2 text: {_where(str(error))}") from error


def _where(message: str) -> str:
    """The place and the reason out of a message that draws an arrow over several lines."""
    place = re.search(r"--> (\d+):(\d+)", message)
    reason = re.search(r"= (.+)", message)
    if place is None:
        return (message.strip().splitlines() or ["it cannot be read"])[0][:200]
    expected = f", {reason[1]}" if reason else ""
    return f"character {place[2]} is not understood{expected}"[:300]


def _check_size(tree: Any) -> None:
    """Refuse a tree that would exhaust the stack or the planner."""
    waiting, nodes = [(tree, 0)], 0
    while waiting:
        node, depth = waiting.pop()
        nodes += 1
        if depth > 4 * _DEEPEST or nodes > _MOST_NODES:
            raise FilterError("nests too deeply or is too large")
        if isinstance(node, dict):
            waiting.extend((each, depth + 1) for each in node.values())
        elif isinstance(node, list) and not _is_position(node):
            waiting.extend((each, depth + 1) for each in node)


def _is_position(node: list[Any]) -> bool:
    return all(isinstance(each, int | float) for each in node)
