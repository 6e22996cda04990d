"""A mail as bytes: our own header serialiser and MIME builder (delivery §2.2, §2.3).

ASCII only, CRLF, lines of at most 76 characters; `List-Unsubscribe` stays on one physical line and
is never encoded (hard limit 998, RFC 5322 §2.1.1). The same mail always makes the same bytes: the
date is the instant of the decision, when its creator completed the message (RFC 5322 §3.6.1), and
the boundary comes from the mail's id. Header names come from a fixed table; a value with a control
character or a line separator is refused, one outside ASCII or with `=?` in it is encoded as a whole
(RFC 2047), so that nothing a customer is called can become a header.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from hashlib import blake2b
from zoneinfo import ZoneInfo

import msgspec

from ecrm import errors
from ecrm.delivery import addresses, quoted
from ecrm.delivery.addresses import Mailbox
from ecrm.delivery.quoted import Quoted
from ecrm.mail import Mail

LINE, HARD_LINE, WORD = 76, 998, 75
NAMES = frozenset(
    (
        "From", "To", "Reply-To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type",
        "Content-Transfer-Encoding", "Auto-Submitted", "List-Id", "List-Unsubscribe",
        "List-Unsubscribe-Post", "Feedback-ID",
        "X-Ecrm-Kind", "X-Ecrm-Programme", "X-Ecrm-Customer", "X-Ecrm-At",
    )
)  # fmt: skip
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_FORBIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
# RFC 2047 §5 (3): what a Q word may show as itself even in a display name
_Q_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/")
_SLUG = re.compile(r"[^a-z0-9]+")


class MailSettings(msgspec.Struct, frozen=True, gc=False):
    """Who writes (`[mail]`) and where links lead (`[web] public_url`).

    Addresses are written `Name <a@b>` or `a@b`; the shop's name is shown where there is no name.
    `unsubscribe` is the mailbox that takes unsubscriptions by mail: the token is put behind its
    local part (`u@shop.tld` becomes `u+TOKEN@shop.tld`); without one the header offers HTTPS only.
    """

    from_transactional: str
    from_marketing: str
    reply_to: str
    links_url: str
    unsubscribe: str = ""


class Sender(msgspec.Struct, frozen=True, gc=False):
    """`MailSettings`, checked: what `write` needs to know of the shop."""

    transactional: Mailbox
    marketing: Mailbox
    reply_to: Mailbox
    shop_slug: str
    unsubscribe: str = ""


class Part(msgspec.Struct, frozen=True, gc=False):
    """A body as the pieces a template yielded, and those of them that are encoded already."""

    pieces: list[str]
    known: Mapping[str, Quoted] = {}


class Content(msgspec.Struct, frozen=True, gc=False):
    """What a mail says. `unsubscribe_token` is empty in a mail that is no marketing."""

    subject: str
    text: Part
    html: Part
    unsubscribe_url: str = ""
    unsubscribe_token: str = ""


def is_marketing(mail: Mail) -> bool:
    """Lanes 2 and 3: the mail carries the ways out, in its headers and in its footer."""
    return mail.lane >= 2


def sender_of(settings: MailSettings, shop_name: str) -> Sender:
    """Read the settings once. Raises errors.Rejected on an address that cannot be written to."""
    slug = _SLUG.sub("-", shop_name.lower()).strip("-") or "shop"
    mailbox = addresses.parse_mailbox
    return Sender(
        transactional=mailbox(settings.from_transactional, shop_name),
        marketing=mailbox(settings.from_marketing, shop_name),
        reply_to=mailbox(settings.reply_to, shop_name),
        shop_slug=slug,
        unsubscribe=addresses.parse_address(settings.unsubscribe) if settings.unsubscribe else "",
    )


def write(mail: Mail, sender: Sender, content: Content) -> bytes:
    """The whole message, envelope aside. Raises errors.Rejected on a value that cannot be sent."""
    boundary = "ecrm=_" + blake2b(mail.mail_id.encode(), digest_size=12).hexdigest()
    out = [*_headers(mail, sender, content)]
    out.append(f'Content-Type: multipart/alternative;\r\n boundary="{boundary}"\r\n\r\n')
    out.extend(_part("plain", content.text, boundary))
    out.extend(_part("html", content.html, boundary))
    out.append(f"--{boundary}--\r\n")
    return "".join(out).encode("ascii")


def with_headers(body: bytes, headers: Mapping[str, str]) -> bytes:
    """`body` with `headers` written before its own. Raises errors.Rejected as `write` does."""
    lines = "".join(text_header(name, value) for name, value in headers.items())
    return lines.encode("ascii") + body


def text_header(name: str, value: str) -> str:
    """One unstructured header, folded. Raises errors.Rejected."""
    _refuse_controls(name, value)
    if not _is_plain(name, value):
        return f"{_known(name)}: " + "\r\n ".join(_words(value, len(name) + 2)) + "\r\n"
    return _folded(f"{_known(name)}: ", value)


def mailbox_header(name: str, mailbox: Mailbox) -> str:
    """One header that holds one mailbox. Raises errors.Rejected."""
    _refuse_controls(name, mailbox.name)
    address = addresses.parse_address(mailbox.address)
    if not mailbox.name:
        return f"{_known(name)}: {address}\r\n"
    shown = '"' + mailbox.name.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if not _is_plain(name, mailbox.name) or len(name) + len(shown) + 2 > LINE:
        shown = "\r\n ".join(_words(mailbox.name, len(name) + 2))
    start = f"{_known(name)}: {shown}"
    last = len(start) - start.rfind("\n") - 1
    gap = " " if last + len(address) + 3 <= LINE else "\r\n "
    return f"{start}{gap}<{address}>\r\n"


def bare_header(name: str, value: str) -> str:
    """One header on one physical line, never encoded. Raises errors.Rejected where it cannot be."""
    _refuse_controls(name, value)
    line = f"{_known(name)}: {value}"
    if not line.isascii() or len(line) > HARD_LINE:
        raise errors.Rejected("bad_header", f"{name} does not fit on one plain line", path=name)
    return line + "\r\n"


def date(mail: Mail) -> str:
    """The instant of the decision in the customer's zone (RFC 5322 §3.3). Raises errors.Rejected
    on a zone nobody knows.
    """
    try:
        zone = ZoneInfo(mail.zone)
    except (KeyError, ValueError, OSError):
        raise errors.Rejected("bad_zone", f"{mail.zone!r} is no time zone", path="zone") from None
    at = datetime.fromtimestamp(mail.at // 1_000, zone)
    day, month = _DAYS[at.weekday()], _MONTHS[at.month - 1]
    return f"{day}, {at.day:02d} {month} {at.year} {at:%H:%M:%S %z}"


def _headers(mail: Mail, sender: Sender, content: Content) -> Iterator[str]:
    author = sender.marketing if is_marketing(mail) else sender.transactional
    domain = addresses.domain_of(author.address)
    yield mailbox_header("From", author)
    yield mailbox_header("To", Mailbox("", mail.to))
    yield mailbox_header("Reply-To", sender.reply_to)
    yield bare_header("Date", date(mail))
    yield bare_header("Message-ID", f"<{mail.mail_id}.{mail.lane}@{domain}>")
    yield text_header("Subject", content.subject)
    if is_marketing(mail):
        yield from _ways_out(mail, sender, content, domain)
    else:
        yield bare_header("Auto-Submitted", "auto-generated")
    yield bare_header("Feedback-ID", _feedback_id(mail, sender, domain))
    yield bare_header("MIME-Version", "1.0")


def _ways_out(mail: Mail, sender: Sender, content: Content, domain: str) -> Iterator[str]:
    """RFC 8058 asks for an HTTPS address; the mailbox is for readers without one-click."""
    if not content.unsubscribe_url:
        raise errors.Rejected("bad_header", "marketing without a way out", path="List-Unsubscribe")
    ways = f"<{content.unsubscribe_url}>"
    if sender.unsubscribe:
        local, _, at = sender.unsubscribe.rpartition("@")
        ways += f", <mailto:{local}+{content.unsubscribe_token}@{at}?subject=unsubscribe>"
    yield bare_header("List-Id", f"<{_SLUG.sub('-', mail.programme.lower())}.{domain}>")
    yield bare_header("List-Unsubscribe", ways)
    yield bare_header("List-Unsubscribe-Post", "List-Unsubscribe=One-Click")


def _feedback_id(mail: Mail, sender: Sender, domain: str) -> str:
    """`class:programme:shop:sender`; Gmail wants a stable sender of 5 to 15 characters."""
    stream = "campaign" if is_marketing(mail) else "txn"
    sender_id = blake2b(domain.encode(), digest_size=5).hexdigest()
    programme = _SLUG.sub("-", mail.programme.lower())
    return f"{stream}:{programme}:{sender.shop_slug}:{sender_id}"


def _part(subtype: str, part: Part, boundary: str) -> Iterator[str]:
    yield f"--{boundary}\r\nContent-Type: text/{subtype}; charset=utf-8\r\n"
    yield "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
    yield quoted.encode(part.pieces, part.known)
    yield "\r\n"


def _known(name: str) -> str:
    if name not in NAMES:
        raise errors.Rejected("bad_header", f"{name!r} is no header of ours", path="headers")
    return name


def _refuse_controls(name: str, value: str) -> None:
    if _FORBIDDEN.search(value):
        raise errors.Rejected("bad_header", f"{name} has a control character", path=name)


def _is_plain(name: str, value: str) -> bool:
    """Whether a value can be written as it is: ASCII that neither looks encoded nor would be
    changed by folding, and has no word too long for a line.
    """
    return (
        value.isascii()
        and "=?" not in value
        and value == value.strip()
        and "  " not in value
        and all(len(word) + len(name) + 2 <= LINE for word in value.split(" "))
    )


def _folded(start: str, value: str) -> str:
    """Break before a blank that follows a word: unfolding gives the value back exactly."""
    line, out = start, []
    for chunk in re.findall(r" *[^ ]+", value):
        if len(line) + len(chunk) > LINE and line != start:
            out.append(line)
            line = ""
        line += chunk
    return "\r\n".join([*out, line]) + "\r\n"


def _words(value: str, used: int) -> list[str]:
    """RFC 2047 words of at most 75 characters, each with whole characters; the first leaves room
    for the header's name.
    """
    return [*_q_words(value, used)] if _q_is_shorter(value) else [*_b_words(value, used)]


def _q_is_shorter(value: str) -> bool:
    raw = value.encode()
    escaped = sum(1 if byte in _Q_PLAIN or byte == 0x20 else 3 for byte in raw)
    return escaped <= len(raw) * 4 / 3


def _q_words(value: str, used: int) -> Iterator[str]:
    spelled = ("".join(map(_q_byte, character.encode())) for character in value)
    for word in _filled(((text, len(text)) for text in spelled), used, WORD - 12):
        yield f"=?utf-8?q?{''.join(word)}?="


def _q_byte(byte: int) -> str:
    if byte == 0x20:
        return "_"
    return chr(byte) if byte in _Q_PLAIN else f"={byte:02X}"


def _b_words(value: str, used: int) -> Iterator[str]:
    sized = ((character, len(character.encode())) for character in value)
    for word in _filled(sized, used, (WORD - 12) // 4 * 3, ratio=4 / 3):
        yield f"=?utf-8?b?{base64.b64encode(''.join(word).encode()).decode()}?="


def _filled(
    sized: Iterable[tuple[str, int]], used: int, room: int, ratio: float = 1
) -> Iterator[list[str]]:
    """Group characters into words of at most `room`; `used` characters of the first are taken."""
    word: list[str] = []
    left = room - int(used / ratio + 3)
    for text, size in sized:
        if size > left and word:
            yield word
            word, left = [], room
        word.append(text)
        left -= size
    yield word
