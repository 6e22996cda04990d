"""Quoted-printable (RFC 2045 §6.7) in pieces: what never changes is encoded once.

A mail's HTML is mostly the template's own text, the same in every mail. `encode` takes the pieces
a template yields and joins their encodings with soft breaks, which a reader removes; a piece found
in `known` costs a dictionary look-up. Rules: CRLF, lines of at most 76 characters, no blank at the
end of a line, line breaks of any kind become CRLF.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

WIDTH = 75  # characters beside the soft break's "="
SOFT = "=\r\n"
_SHORT = re.compile(r"[ -<>-~]{0,74}[!-<>-~]")  # a word or two: nothing to encode, one line
_PLAIN = re.compile(r"[\t\n -<>-~]*")
_BLANKS = re.compile(r"[ \t](?=\n|\Z)")


class _Escapes(dict[int, str]):
    """Every character's spelling, written down when it is first met."""

    def __missing__(self, point: int) -> str:
        character = chr(point)
        plain = _PLAIN.fullmatch(character)
        raw = character.encode("utf-8", "replace")
        self[point] = character if plain else "".join(f"={byte:02X}" for byte in raw)
        return self[point]


_ESCAPES = _Escapes()


class Quoted(NamedTuple):
    """An encoded piece: the lengths of its first and last line, and whether it has several.

    A tuple, because taking one apart is most of what `encode` does.
    """

    text: str
    head: int
    tail: int
    breaks: bool


def quote(piece: str) -> Quoted:
    """Encode one piece, as if it began a line. A lone surrogate becomes a question mark."""
    clean = str(piece)  # a subclass, such as escaped HTML, may be slow
    clean = clean.replace("\r\n", "\n").replace("\r", "\n") if "\r" in clean else clean
    clean = clean if _PLAIN.fullmatch(clean) else clean.translate(_ESCAPES)
    if clean[-1:] in " \t" or " \n" in clean or "\t\n" in clean:
        clean = _BLANKS.sub(lambda blank: f"={ord(blank[0]):02X}", clean)
    if len(clean) <= WIDTH and "\n" not in clean:
        return Quoted(text=clean, head=len(clean), tail=len(clean), breaks=False)
    text = "\r\n".join(
        [_wrapped(line) if len(line) > WIDTH else line for line in clean.split("\n")]
    )
    head = text.find("\r\n")
    if head < 0:
        return Quoted(text=text, head=len(text), tail=len(text), breaks=False)
    tail = len(text) - text.rfind("\r\n") - 2
    return Quoted(text=text, head=head, tail=tail, breaks=True)


def encode(pieces: Iterable[str], known: Mapping[str, Quoted]) -> str:
    """Encode pieces as one text. `known` holds the pieces that were encoded before."""
    out: list[str] = []
    column = 0
    for piece in pieces:
        quoted = known.get(piece)
        if quoted is None and _SHORT.fullmatch(piece):
            text, head, tail, breaks = piece, len(piece), len(piece), False
        else:
            text, head, tail, breaks = quoted or quote(piece)
        if column and column + head > WIDTH:
            out.append(SOFT)
            column = 0
        out.append(text)
        column = tail if breaks else column + tail
    return "".join(out)


def _wrapped(line: str) -> str:
    """Cut an encoded line with soft breaks, never within an escape."""
    out: list[str] = []
    start, length = 0, len(line)
    while length - start > WIDTH:
        end = start + WIDTH
        escape = line.rfind("=", end - 2, end)
        end = escape if escape >= 0 else end
        out.append(line[start:end])
        start = end
    out.append(line[start:])
    return SOFT.join(out)
