"""Letters: a mail's bytes taken apart to be looked at, whoever wrote them.

What lies in a Maildir may have been changed by anybody with a mail program, and the library's
parser raises where bytes are bad enough: each part is then told as broken, and the others shown.
A page out of a mail is made inert: nothing in it tells of the look, or leads away.
"""

from __future__ import annotations

import email
import email.policy
import re
from collections.abc import Callable
from email.errors import MessageError
from email.message import EmailMessage
from functools import partial
from typing import Final

import msgspec

FRAME_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; img-src https:; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'self'; sandbox"
    )
}
# What the library's parser is known to raise on bad bytes.
_BROKEN: Final = (
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    AssertionError,
    RecursionError,
    MessageError,
)
# Where links of ours lead (`ecrm/links.py`): a picture there is an opening.
_OURS: Final = re.compile(r'(<img\b[^>]*?)\ssrc="[^"]*/o/[\w-]{40,}"')
_HREF: Final = re.compile(r'(<a\b[^>]*?)\shref="[^"]*"')


class Letter(msgspec.Struct, frozen=True):
    """What an operator sees of a mail; `broken` says which parts could not be read."""

    subject: str
    headers: tuple[tuple[str, str], ...]
    text: str
    html: str
    broken: tuple[str, ...] = ()


def read(message: bytes) -> Letter:
    """Never raises for what the bytes are."""
    broken: list[str] = []

    def tried(name: str, what: Callable[[], str]) -> str:
        try:
            return what()
        except _BROKEN as error:
            broken.append(f"{name}: {type(error).__name__}")
            return ""

    try:
        letter = email.message_from_bytes(message, policy=email.policy.default)
    except _BROKEN as error:
        return Letter("", (), "", "", (f"message: {type(error).__name__}",))
    assert isinstance(letter, EmailMessage)
    headers = tuple(
        (name, tried(name, partial(_header, name, raw)) or _plain(raw))
        for name, raw in letter.raw_items()
    )
    subject = next((value for name, value in headers if name.lower() == "subject"), "")
    text = tried("text", lambda: _part(letter, "plain"))
    html = tried("html", lambda: _part(letter, "html"))
    return Letter(subject, headers, text, html, tuple(broken))


def inert(page: str) -> str:
    """The same page to look at: nothing in it tells of this look, or leads away."""
    return _HREF.sub(r"\1", _OURS.sub(r"\1", page))


def _header(name: str, raw: object) -> str:
    return str(email.policy.default.header_fetch_parse(name, _plain(raw)))


def _plain(raw: object) -> str:
    """One line, and no halves of characters (bytes that were none of ASCII)."""
    return str(raw).encode("utf-8", "replace").decode()


def _part(letter: EmailMessage, subtype: str) -> str:
    body = letter.get_body((subtype,))
    return "" if body is None else _plain(body.get_content())
