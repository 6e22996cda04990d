"""A returned message taken apart into plain values, whatever it is made of.

The stdlib's parser reads MIME; it may raise nearly anything on bytes that only look like a mail, so
all that touches it stands here, behind one door, and what comes out is text without surrogates.
Beside the words of the reporter stand the fields of its machine-readable parts (RFC 3464, RFC 5965)
and the headers of the mail that it is about. What our own mail said is no part of the words: it is
cut off where the copy of it begins, or its "spam" and "full" would be taken for the server's.
"""

from __future__ import annotations

import email
import email.errors
import email.header
import email.message
import html
import re
from collections.abc import Iterator
from typing import Final

import msgspec

Fields = dict[str, str]

# A report on a mail of ours is hardly larger; of one that is, the beginning says what happened.
READ: Final = 128 * 1024
# The parser's time grows with lines times levels; a report with a mail in it has four or five.
LEVELS: Final = 16
# Reports have three or four parts; a mail with hundreds is none.
PARTS: Final = 50
WORDS: Final = 16_000

_TAG: Final = re.compile(r"<(?:style|script)\b[^>]{0,500}>[^<]{0,20000}|<[^<>]{0,2000}>")
# Where a report without parts begins to quote the mail it is about.
_COPY: Final = re.compile(
    r"^[ \t>*-]*(?:"
    r"(?:below this line is|this is|here follows) a copy of the (?:message|mail)|"
    r"(?:the )?(?:original|returned|undelivered|unsent) (?:message|mail)\b(?: headers?| follows?)?|"
    r"message (?:header|text) follows?|message headers?:|received: from |return-path: ?<|"
    r"ci-dessous.{0,40}copie|message (?:d'origine|original)|en-t[eê]tes? (?:du message )?d'origine|"
    r"urspr[uü]ngliche nachricht|original ?nachricht|"
    r"(?:a copy of|start of) (?:the|your) (?:original )?message)",
    re.IGNORECASE | re.MULTILINE,
)


class Parts(msgspec.Struct, frozen=True, gc=False):
    """`headers`, `feedback` and `original` by small name; `report` is the type of the report; the
    first of `status` speaks of the message, the others of a recipient each.
    """

    readable: bool = True
    headers: Fields = {}
    report: str = ""
    words: str = ""
    status: tuple[Fields, ...] = ()
    feedback: Fields = {}
    original: Fields = {}


def take_apart(raw: bytes) -> Parts:
    """Take a message apart. Never raises: one that cannot be read is not `readable`."""
    if _levels(raw[:READ]) > LEVELS:
        return Parts(readable=False)
    try:
        return _parts(email.message_from_bytes(raw[:READ]))
    except Exception:  # noqa: BLE001 - it raises nearly anything, and not only what it documents
        return Parts(readable=False)


def _levels(raw: bytes) -> int:
    """At most so many parts of it lie within one another: each needs one of these words."""
    small = raw.lower()
    return max(small.count(b"boundary"), small.count(b"message/"))


def _parts(message: email.message.Message) -> Parts:
    status: list[Fields] = []
    feedback: Fields = {}
    original: Fields = {}
    words: list[str] = []
    for part in _leaves(message):
        match part.get_content_type():
            case "message/delivery-status" | "message/global-delivery-status":
                status += _groups(part)
            case "message/feedback-report":
                feedback = feedback or _fields(_inner(part))
            case "message/rfc822" | "message/global":
                original = original or _fields(_inner(part))
            case "text/rfc822-headers" | "message/rfc822-headers" | "message/global-headers":
                original = original or _headers_in(part)
            case "text/plain" | "text/html" if not original:
                words.append(_words(part))
    said = next((text for text in words if text.strip()), "")
    # A report may also open with such words; what it quotes comes after what it says.
    copy = next((one for one in _COPY.finditer(said) if said[: one.start()].strip()), None)
    return Parts(
        headers=_fields(message),
        report=_clean(str(message.get_param("report-type", ""))).lower(),
        words=said[: copy.start()] if copy else said,
        status=tuple(status),
        feedback=feedback,
        original=original or (_fields(_quoted(said[copy.start() :])) if copy else {}),
    )


def _leaves(message: email.message.Message) -> Iterator[email.message.Message]:
    """The parts in the order of reading, not going into enclosed messages."""
    waiting, seen = [message], 0
    while waiting and seen < PARTS:
        part, seen = waiting.pop(0), seen + 1
        if part.is_multipart() and part.get_content_maintype() == "multipart":
            waiting[:0] = _enclosed(part)
        else:
            yield part


def _inner(part: email.message.Message) -> email.message.Message:
    """The message enclosed in a part; the parser makes one of whatever calls itself so."""
    return next(iter(_enclosed(part)), part)


def _enclosed(part: email.message.Message) -> list[email.message.Message]:
    inner = part.get_payload()
    many = inner if isinstance(inner, list) else []
    return [one for one in many if isinstance(one, email.message.Message)]


def _groups(part: email.message.Message) -> list[Fields]:
    """The groups of fields of a delivery status, which blank lines part (RFC 3464 §2.1)."""
    found: list[Fields] = []
    for group in _enclosed(part):
        rest = group.get_payload()
        text = rest if isinstance(rest, str) else ""
        # The parser knows the groups of the plain kind only; of others the rest is one text.
        later = [one for one in re.split(r"\r?\n\s*\n", text) if ":" in one]
        found += [_fields(group), *(_fields(_quoted(one)) for one in later)]
    return [fields for fields in found if fields]


def _headers_in(part: email.message.Message) -> Fields:
    return _fields(_inner(part) if part.is_multipart() else _quoted(_text(part)))


def _quoted(text: str) -> email.message.Message:
    """The headers that stand in a text, from its first line that looks like one."""
    start = re.search(r"^[ \t>]*[A-Za-z][A-Za-z-]{1,40}:", text, re.MULTILINE)
    quoted = re.sub(r"^[ \t]*>+ ?", "", text[start.start() :] if start else "", flags=re.MULTILINE)
    return email.message_from_string(quoted.lstrip())


def _fields(message: email.message.Message) -> Fields:
    """The first value of each header, unfolded and decoded."""
    found: Fields = {}
    for name, value in message.raw_items():
        found.setdefault(name.lower(), _decoded(_clean(str(value))))
    return found


def _decoded(value: str) -> str:
    """RFC 2047 words as what they stand for, or as they are where they stand for nothing."""
    if "=?" not in value:
        return value
    try:
        return _clean(str(email.header.make_header(email.header.decode_header(value))))
    except (LookupError, ValueError, email.errors.HeaderParseError):
        return value


def _words(part: email.message.Message) -> str:
    text = _text(part)
    if part.get_content_type() == "text/html":
        text = html.unescape(_TAG.sub(" ", text))
    return text


def _text(part: email.message.Message) -> str:
    """The text of a part, in its charset or else in the one that takes everything."""
    payload = part.get_payload(decode=True)
    raw = payload if isinstance(payload, bytes) else b""
    charset = part.get_content_charset() or "utf-8"
    try:
        text = raw.decode(charset)
    except (LookupError, ValueError):
        text = raw.decode("latin-1")
    return text[:WORDS].encode("utf-8", "replace").decode()


def _clean(value: str) -> str:
    """One line, and nothing that cannot be written down."""
    plain = value.encode("ascii", "surrogateescape") if _is_raw(value) else value.encode(
        "utf-8", "replace"
    )  # fmt: skip
    return " ".join(plain.decode("utf-8", "replace").split())


def _is_raw(value: str) -> bool:
    """Does it hold bytes that the parser could not read, and nothing else beyond ASCII?"""
    return all(char < "\x80" or "\udc80" <= char <= "\udcff" for char in value)
