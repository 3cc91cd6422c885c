"""CQL2 text -> the tree that CQL2 JSON has, by the grammar of the standard (OGC 21-065r2, Annex B).

Operators are read by precedence, each character once: a text costs what it is long, whatever is
wrong with it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from service.catalogue.filtering.errors import FilterError

__all__ = ["parse_text"]

Node = Any

#: Expressions within expressions; a bracket is one, and so is what stands right of an operator.
_DEEPEST: Final = 100

_TOKENS: Final = re.compile(
    r"""\s+
    | (?P<string> ' (?: [^'\\] | '' | \\. )* ' )
    | " (?P<quoted> [^"]+ ) "
    | (?P<number> (?: [0-9]+ \.? [0-9]* | \.[0-9]+ ) (?: [eE] [-+]? [0-9]+ )? )
    | (?P<name> (?: [^\W\d] | : ) [\w.:\u0300-\u036f\u200c\u200d\u203f\u2040]* )
    | (?P<sign> <> | != | <= | >= | [-+*/%^=<>(),] )""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPED: Final = re.compile(r"''|\\(.)", re.DOTALL)
_ESCAPES: Final = {
    **{"'": "'", "a": "\a", "b": "\b", "t": "\t", "n": "\n", "v": "\v", "f": "\f", "r": "\r"},
    "\\": "\\",
}
#: Words that are no names of properties unless they stand in double quotes.
_WORDS: Final = frozenset(
    {"and", "or", "not", "like", "between", "in", "is", "null", "true", "false", "div"}
)
#: operator -> how tightly it binds
_BINDING: Final = {
    **{"or": 1, "and": 2},
    **dict.fromkeys(("=", "<>", "!=", "<", ">", "<=", ">="), 4),
    **dict.fromkeys(("not", "like", "between", "in", "is"), 4),
    **{"+": 5, "-": 5, "*": 6, "/": 6, "%": 6, "div": 6, "^": 7},
}
_OF_NOT: Final = 3
_OF_VALUES: Final = 5
_OF_SIGNS: Final = 8
#: type in capitals -> its name in GeoJSON and how deep its positions lie
_GEOMETRIES: Final = {
    each.upper(): (each, depth)
    for each, depth in (
        *(("Point", 0), ("LineString", 1), ("Polygon", 2)),
        *(("MultiPoint", 1), ("MultiLineString", 2), ("MultiPolygon", 3)),
        ("GeometryCollection", 0),
    )
}


class Token(NamedTuple):
    """A piece of the text: its kind, what it is, and the character that it begins at."""

    kind: str
    text: str
    place: int

    @property
    def word(self) -> str:
        """A sign, or a name in small letters; nothing of what has quotes."""
        return self.text.lower() if self.kind in ("name", "sign") else ""


def parse_text(text: str) -> Node:
    """The tree of a filter.

    Raises
    ------
    FilterError
        It is no CQL2 text; the message names the first character that does not fit.
    """
    reader = _Reader(_tokens(text))
    node = reader.expression()
    reader.expect_end()
    return node


def _tokens(text: str) -> list[Token]:
    found, place = [], 0
    while place < len(text):
        match = _TOKENS.match(text, place)
        if match is None:
            if text[place] == "'":
                raise FilterError(
                    f"has a text from character {place + 1} on that does not end; "
                    "a quote after a backslash belongs to it"
                )
            raise _misplaced(place, None)
        if match.lastgroup is not None:
            found.append(Token(match.lastgroup, match[match.lastgroup], place))
        place = match.end()
    found.append(Token("end", "", len(text)))
    return found


def _misplaced(place: int, expected: str | None) -> FilterError:
    wanted = f", expected {expected}" if expected else ""
    return FilterError(f"is no CQL2 text: character {place + 1} is not understood{wanted}")


class _Reader:
    """Reads the tokens from the first to the last."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens, self._next, self._depth = tokens, 0, 0
        self._in_pattern = False

    # tokens

    @property
    def _token(self) -> Token:
        return self._tokens[self._next]

    def _take(self) -> Token:
        self._next += 1
        return self._tokens[self._next - 1]

    def _takes(self, word: str) -> bool:
        """Whether the word stands here; it is read then."""
        if self._token.word != word:
            return False
        self._next += 1
        return True

    def _expect(self, word: str) -> None:
        if not self._takes(word):
            raise self._misplaced(f"'{word.upper()}'")

    def expect_end(self) -> None:
        """Refuse what comes after the filter."""
        if self._token.kind != "end":
            raise self._misplaced("an operator or the end")

    def _misplaced(self, expected: str) -> FilterError:
        return _misplaced(self._token.place, expected)

    def _listed(self, read: Callable[[], Node]) -> list[Node]:
        """What stands in brackets, separated by commas."""
        self._expect("(")
        found = [read()]
        while self._takes(","):
            found.append(read())
        self._expect(")")
        return found

    # expressions

    def expression(self, binding: int = 1) -> Node:
        """What is held together by operators that bind at least so tightly."""
        self._depth += 1
        if self._depth > _DEEPEST:
            raise FilterError("nests too deeply; say it with fewer brackets and operators")
        node = self._operand()
        while (found := _BINDING.get(self._token.word, 0)) >= binding:
            word = self._take().word
            if word in ("not", "like", "between", "in", "is"):
                node = self._predicate(word, node)
            else:
                # all but powers are read from the left to the right
                right = self.expression(found if word == "^" else found + 1)
                node = _joined("<>" if word == "!=" else word, node, right)
        self._depth -= 1
        return node

    def _predicate(self, word: str, left: Node) -> Node:
        if word == "is":
            negated = self._takes("not")
            self._expect("null")
            node = _operation("isNull", left)
        else:
            negated = word == "not"
            if negated:
                word = self._take().word
            if word == "like":
                node = _operation("like", left, self._pattern())
            elif word == "in":
                node = _operation("in", left, self._listed(self.expression))
            elif word == "between":
                lower = self.expression(_OF_VALUES)
                self._expect("and")
                node = _operation("between", left, lower, self.expression(_OF_VALUES))
            else:
                self._next -= 1
                raise self._misplaced("LIKE, BETWEEN or IN")
        return _operation("not", node) if negated else node

    def _pattern(self) -> Node:
        """What stands after LIKE: there, two backslashes stand for one to be matched."""
        self._in_pattern = True
        node = self.expression(_OF_VALUES)
        self._in_pattern = False
        return node

    def _operand(self) -> Node:
        token = self._take()
        if token.kind == "number":
            return _number(token.text)
        if token.kind == "string":
            return self._text(token)
        if token.kind == "quoted":
            return {"property": token.text}
        if token.word in ("true", "false"):
            return token.word == "true"
        if token.word == "not":
            return _operation("not", self.expression(_OF_NOT))
        if token.word in ("-", "+"):
            return _signed(token.word, self.expression(_OF_SIGNS))
        if token.word == "(":
            self._next -= 1
            elements = self._elements()
            return elements[0] if len(elements) == 1 else elements
        if token.kind == "name" and token.word not in _WORDS:
            return self._named(token)
        self._next -= 1
        raise self._misplaced("a value")

    def _elements(self) -> list[Node]:
        """A list in brackets, which may be empty."""
        if self._tokens[self._next + 1].word == ")":
            self._next += 2
            return []
        return self._listed(self.expression)

    def _text(self, token: Token) -> str:
        def shown(match: re.Match[str]) -> str:
            letter = match[1]
            if letter is None:
                return "'"
            if letter == "\\" and self._in_pattern:
                return "\\\\"
            return _ESCAPES.get(letter, match[0])

        return _ESCAPED.sub(shown, token.text[1:-1])

    # names and what stands in brackets after them

    def _named(self, token: Token) -> Node:
        kind = token.text.upper()
        if kind in _GEOMETRIES and self._token.word in ("(", "z"):
            return self._geometry(kind)
        if self._token.word != "(":
            return {"property": token.text}
        word = token.word
        if word in ("date", "timestamp"):
            (text,) = self._arguments(word, 1)
            return {word: text}
        if word == "interval":
            return {"interval": self._arguments(word, 2)}
        if word == "bbox":
            return {"bbox": self._listed(self._coordinate)}
        if word.startswith("a_"):
            return {"op": token.text, "args": self._listed(self._array)}
        return {"op": token.text, "args": self._elements()}

    def _arguments(self, word: str, number: int) -> list[Node]:
        place = self._token.place
        found = self._elements()
        if len(found) != number:
            raise _misplaced(place, f"{number} in the brackets of {word.upper()}")
        return found

    def _array(self) -> Node:
        """An argument of an array predicate: one element in brackets is an array as well."""
        return self._elements() if self._token.word == "(" else self.expression()

    # geometries

    def _geometry(self, kind: str) -> Node:
        self._takes("z")
        name, depth = _GEOMETRIES[kind]
        if kind == "GEOMETRYCOLLECTION":
            return {"type": name, "geometries": self._listed(self._part)}
        if kind == "MULTIPOINT":
            return {"type": name, "coordinates": self._listed(self._point)}
        return {"type": name, "coordinates": self._coordinates(depth)}

    def _part(self) -> Node:
        kind = self._take().text.upper()
        if kind not in _GEOMETRIES or kind == "GEOMETRYCOLLECTION":
            self._next -= 1
            raise self._misplaced("a geometry of one type")
        return self._geometry(kind)

    def _point(self) -> Node:
        """A point of several, with brackets of its own or without."""
        return self._coordinates(0) if self._token.word == "(" else self._position()

    def _coordinates(self, depth: int) -> Node:
        if depth == 0:
            (position,) = self._listed(self._position)
            return position
        return self._listed(self._position if depth == 1 else lambda: self._coordinates(depth - 1))

    def _position(self) -> list[float]:
        numbers = [self._coordinate()]
        while self._token.word not in (",", ")"):
            numbers.append(self._coordinate())
        return numbers

    def _coordinate(self) -> float:
        sign = self._take().word if self._token.word in ("-", "+") else "+"
        if self._token.kind != "number":
            raise self._misplaced("a coordinate")
        number = _number(self._take().text)
        return -number if sign == "-" else number


def _operation(name: str, *arguments: Node) -> Node:
    return {"op": name, "args": [*arguments]}


def _joined(word: str, left: Node, right: Node) -> Node:
    """Two operands; a third condition joins the two before it."""
    if word in ("and", "or") and isinstance(left, dict) and left.get("op") == word:
        return {"op": word, "args": [*left["args"], right]}
    return _operation(word, left, right)


def _signed(sign: str, node: Node) -> Node:
    if sign == "+":
        return node
    if isinstance(node, int | float) and not isinstance(node, bool):
        return -node
    return _operation("*", -1, node)


def _number(text: str) -> float:
    """A number; one without a fraction stays whole."""
    return int(text) if text.isdigit() and len(text) < 19 else float(text)
