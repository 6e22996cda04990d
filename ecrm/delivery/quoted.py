"""Quoted-printable (RFC 2045 §6.7) in pieces: what never changes is encoded once.

A mail's HTML is mostly the template's own text, the same in every mail. `encode` takes the pieces
a template yields and joins their encodings with soft breaks, which a reader removes; a piece found
in `known` costs a dictionary look-up. Rules: CRLF, lines of at most 76 characters, no blank at the
end of a line, line breaks of any kind become CRLF.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import msgspec

WIDTH = 75  # characters beside the soft break's "="
SOFT = "=\r\n"
_PLAIN = re.compile(r"[\t\n -<>-~]*")
_SPECIAL = re.compile(r"[^\t\n -<>-~]+")
_BLANKS = re.compile(r"[ \t](?=\n|\Z)")


class Quoted(msgspec.Struct, frozen=True, gc=False):
    """An encoded piece: the lengths of its first and last line, and whether it has several."""

    text: str
    head: int
    tail: int
    breaks: bool


def quote(piece: str) -> Quoted:
    """Encode one piece, as if it began a line. A lone surrogate becomes a question mark."""
    clean = piece.replace("\r\n", "\n").replace("\r", "\n") if "\r" in piece else piece
    if not _PLAIN.fullmatch(clean):
        clean = _SPECIAL.sub(_escape, clean)
    if " " in clean or "\t" in clean:
        clean = _BLANKS.sub(_escape, clean)
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
        quoted = known.get(piece) or quote(piece)
        if column and column + quoted.head > WIDTH:
            out.append(SOFT)
            column = 0
        out.append(quoted.text)
        column = quoted.tail if quoted.breaks else column + quoted.tail
    return "".join(out)


def _escape(match: re.Match[str]) -> str:
    raw = match[0].encode("utf-8", "replace")
    return "".join(f"={byte:02X}" for byte in raw)


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
