"""Which encoding a text is in, where nobody says.

A byte order mark decides; else text that is valid UTF-8 is UTF-8 (other encodings pass that test
by accident almost never); else the encodings of East Asia and the West are tried, and the one
wins whose text looks most like what people write: the common characters of its own script.
"""

from __future__ import annotations

import codecs
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

__all__ = ["Detected", "Utf8Stream", "detect", "detect_dbf", "detect_file", "plain", "widest"]

_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

#: In this order where two fit equally well.
_CANDIDATES: Final = ("gb18030", "big5hkscs", "cp932", "cp1252")

#: Lead bytes of the characters of daily use: level 1 of GB 2312, Big5 and JIS X 0208.
_COMMON_LEADS: Final = {
    "gb18030": (0xB0, 0xD7),
    "big5hkscs": (0xA4, 0xC6),
    "cp932": (0x88, 0x97),
}

#: Encodings and the larger ones that hold them, which is what files that claim the former are in.
_WIDER: Final = {
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "big5": "big5hkscs",
    "cp950": "big5hkscs",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "utf-8": "utf-8-sig",
}

#: Byte 29 of a dBase header, where it names one encoding and no other.
_LANGUAGE_DRIVERS: Final = {
    b"\x13": "cp932",
    b"\x7b": "cp932",
    b"\x4d": "gb18030",
    b"\x7a": "gb18030",
    b"\x4e": "cp949",
    b"\x79": "cp949",
    b"\x4f": "big5hkscs",
    b"\x78": "big5hkscs",
    b"\x26": "cp866",
    b"\x65": "cp866",
    b"\xc8": "cp1250",
    b"\xc9": "cp1251",
    b"\xca": "cp1254",
    b"\xcb": "cp1253",
}


@dataclass(frozen=True, slots=True)
class Detected:
    """An encoding, and whether it was guessed from the look of the text."""

    encoding: str
    guessed: bool


def widest(encoding: str) -> str:
    """The encoding to decode with where a text claims to be in ``encoding``."""
    name = codecs.lookup(encoding).name
    return _WIDER.get(name, name)


def plain(encoding: str) -> str:
    """The name by which people know an encoding."""
    return {"big5hkscs": "big5", "utf-8-sig": "utf-8"}.get(encoding, encoding)


def detect(sample: bytes) -> Detected:
    """The encoding of a text, from a part of it that starts at a line and ends at one."""
    for mark, name in _MARKS:
        if sample.startswith(mark):
            return Detected(name, guessed=False)
    if _decodes(sample, "utf-8"):
        return Detected("utf-8", guessed=False)
    scores = {name: _plausibility(sample, name) for name in _CANDIDATES}
    best = max(_CANDIDATES, key=lambda name: scores[name])
    if scores[best] <= 0.0:
        # a few broken bytes in a text that is UTF-8 otherwise
        return Detected("utf-8", guessed=True)
    return Detected(best, guessed=True)


def detect_file(stream: Any, *, enough: int = 1 << 16, chunk: int = 1 << 20) -> Detected:
    """The encoding of a binary stream: reads on until it has seen text that is not ASCII."""
    seen, rest, first = bytearray(), b"", True
    while block := bytes(stream.read(chunk)):
        if first and any(block.startswith(mark) for mark, _ in _MARKS):
            return detect(block)
        first = False
        if rest.isascii() and block.isascii():
            rest = block[block.rfind(b"\n") + 1 :]
            continue
        lines = (rest + block).splitlines(keepends=True)
        rest = lines.pop() if len(block) == chunk else b""
        seen += b"".join(line for line in lines if not line.isascii())
        if len(seen) >= enough:
            return detect(bytes(seen))
    seen += rest
    return detect(bytes(seen))


def detect_dbf(path: Path) -> Detected:
    """The encoding of the text columns of a dBase table (``.dbf``, of a shapefile).

    The language driver in its header is followed where it is specific and the text agrees: many
    programs write one that says nothing.
    """
    sample = b"\n".join(_dbf_texts(path))
    found = detect(sample)
    stated = _LANGUAGE_DRIVERS.get(_head(path, 30)[29:30])
    if found.guessed and stated is not None and _decodes(sample, stated):
        return Detected(stated, guessed=True)
    return found


def _decodes(sample: bytes, encoding: str) -> bool:
    try:
        sample.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _plausibility(sample: bytes, encoding: str) -> float:
    """0 for text that cannot be in the encoding, up to 1 for common characters throughout."""
    text = sample.decode(encoding, errors="replace")
    foreign = "".join(character for character in text if character > "\x7f")
    if not foreign:
        return 0.0
    broken = foreign.count("\ufffd") / len(foreign)
    if broken > 0.02:
        return 0.0
    if encoding == "cp1252":
        return 0.6 * _accented(text) - broken
    counts = Counter(foreign)
    weighed = sum(_weight(character, encoding) * count for character, count in counts.items())
    return weighed / len(foreign) - broken


def _weight(character: str, encoding: str) -> float:
    """How likely people write a character in texts of an encoding, roughly."""
    code = ord(character)
    if 0xFF61 <= code <= 0xFF9F or 0xE000 <= code <= 0xF8FF:
        return -1.0  # half-width kana and private use: the mark of a wrong guess
    if 0x3000 <= code <= 0x303F or 0xFF01 <= code <= 0xFF5E:
        return 0.8  # wide punctuation, digits and letters are at home in all of them
    if 0x3041 <= code <= 0x30FF:
        return 1.0 if encoding == "cp932" else 0.1
    encoded = character.encode(encoding, errors="replace")
    low, high = _COMMON_LEADS[encoding]
    common = len(encoded) == 2 and low <= encoded[0] <= high
    if encoding == "gb18030":
        common = common and encoded[1] >= 0xA1  # the others are the rare ones of GBK
    return 1.0 if common else 0.1


def _accented(text: str) -> float:
    """Share of characters beyond ASCII that are letters beside an ASCII letter."""
    foreign = [place for place, character in enumerate(text) if character > "\x7f"]
    fitting = 0
    for place in foreign:
        beside = text[max(place - 1, 0) : place] + text[place + 1 : place + 2]
        letters = any(other.isascii() and other.isalpha() for other in beside)
        fitting += letters and text[place].isalpha()
    return fitting / len(foreign)


def _dbf_texts(path: Path, enough: int = 1 << 16) -> Iterator[bytes]:
    """Texts that are not ASCII in a dBase file: names of columns, then values."""
    data = _head(path, 1 << 26)
    if len(data) < 33:
        return
    header, width = (int.from_bytes(data[at : at + 2], "little") for at in (8, 10))
    spans, start = [], 1
    for at in range(32, header - 1, 32):
        if data[at : at + 1] in (b"\r", b""):
            break
        size = data[at + 16]
        if data[at + 11 : at + 12] == b"C":
            spans.append((start, start + size))
        start += size
    count = (len(data) - header) // width if width else 0
    records = np.frombuffer(data, dtype="u1", count=count * width, offset=header)
    records = records.reshape(count, width)
    total = 0
    for record in records[(records > 0x7F).any(axis=1)]:
        for low, high in spans:
            value = record[low:high].tobytes().strip(b" \0")
            if not value.isascii():
                total += len(value)
                yield value
        if total >= enough:
            return


def _head(path: Path, size: int) -> bytes:
    with path.open("rb") as file:
        return file.read(size)


class Utf8Stream:
    """A binary stream in some encoding, read as UTF-8; what cannot be decoded becomes U+FFFD.

    Only what pyarrow asks of a Python file: ``read``, ``closed``, ``close``.
    """

    def __init__(self, stream: Any, encoding: str) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
        self._ready = b""
        self._ended = False
        self.closed = False

    def read(self, size: int = -1) -> bytes:
        """Up to ``size`` bytes of UTF-8; empty at the end."""
        parts, length = [self._ready], len(self._ready)
        while not self._ended and (size < 0 or length < size):
            block = bytes(self._stream.read(max(size - length, 1 << 16) if size >= 0 else 1 << 20))
            self._ended = not block
            parts.append(self._decoder.decode(block, final=self._ended).encode())
            length += len(parts[-1])
        whole = b"".join(parts)
        end = len(whole) if size < 0 else size
        self._ready = whole[end:]
        return whole[:end]

    def close(self) -> None:
        """Close the stream below."""
        self.closed = True
        self._stream.close()
