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
from datetime import datetime, timedelta
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
_Q_BYTES = [chr(byte) if byte in _Q_PLAIN else f"={byte:02X}" for byte in range(256)]
_Q_BYTES[0x20] = "_"
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


class Author(msgspec.Struct, frozen=True, gc=False):
    """Who a mail is from: the domain that answers for it, the header, the id for its feedback."""

    domain: str
    header: str
    feedback: str


class Sender(msgspec.Struct, frozen=True, gc=False):
    """`MailSettings`, checked: what `write` needs to know of the shop."""

    transactional: Author
    marketing: Author
    reply_to: str
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
    reply_to = addresses.parse_mailbox(settings.reply_to, shop_name)
    return Sender(
        transactional=_author(addresses.parse_mailbox(settings.from_transactional, shop_name)),
        marketing=_author(addresses.parse_mailbox(settings.from_marketing, shop_name)),
        reply_to=mailbox_header("Reply-To", reply_to),
        shop_slug=_slug(shop_name) or "shop",
        unsubscribe=addresses.parse_address(settings.unsubscribe) if settings.unsubscribe else "",
    )


def _author(mailbox: Mailbox) -> Author:
    """Gmail wants a stable sender id of 5 to 15 characters in `Feedback-ID`."""
    domain = addresses.domain_of(mailbox.address)
    return Author(
        domain=domain,
        header=mailbox_header("From", mailbox),
        feedback=blake2b(domain.encode(), digest_size=5).hexdigest(),
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
    minutes = int((at.utcoffset() or timedelta()).total_seconds()) // 60
    sign, (hours, minutes) = "-" if minutes < 0 else "+", divmod(abs(minutes), 60)
    day = f"{_DAYS[at.weekday()]}, {at.day:02d} {_MONTHS[at.month - 1]} {at.year}"
    clock = f"{at.hour:02d}:{at.minute:02d}:{at.second:02d}"
    return f"{day} {clock} {sign}{hours:02d}{minutes:02d}"


def _headers(mail: Mail, sender: Sender, content: Content) -> Iterator[str]:
    author = sender.marketing if is_marketing(mail) else sender.transactional
    yield author.header
    yield mailbox_header("To", Mailbox("", mail.to))
    yield sender.reply_to
    yield bare_header("Date", date(mail))
    yield bare_header("Message-ID", f"<{mail.mail_id}.{mail.lane}@{author.domain}>")
    yield text_header("Subject", content.subject)
    if is_marketing(mail):
        yield from _ways_out(mail, sender, content, author)
    else:
        yield bare_header("Auto-Submitted", "auto-generated")
    stream = "campaign" if is_marketing(mail) else "txn"
    campaign = f"{stream}:{_slug(mail.programme)}:{sender.shop_slug}"
    yield bare_header("Feedback-ID", f"{campaign}:{author.feedback}")
    yield "MIME-Version: 1.0\r\n"


def _ways_out(mail: Mail, sender: Sender, content: Content, author: Author) -> Iterator[str]:
    """RFC 8058 asks for an HTTPS address; the mailbox is for readers without one-click."""
    if not content.unsubscribe_url:
        raise errors.Rejected("bad_header", "marketing without a way out", path="List-Unsubscribe")
    ways = f"<{content.unsubscribe_url}>"
    if sender.unsubscribe:
        local, _, domain = sender.unsubscribe.rpartition("@")
        to = f"{local}+{content.unsubscribe_token}@{domain}"
        ways += f", <mailto:{to}?subject=unsubscribe>"
    yield bare_header("List-Id", f"<{_slug(mail.programme)}.{author.domain}>")
    yield bare_header("List-Unsubscribe", ways)
    yield bare_header("List-Unsubscribe-Post", "List-Unsubscribe=One-Click")


def _slug(text: str) -> str:
    return _SLUG.sub("-", text.lower()).strip("-")


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
    raw = value.encode()
    spelled = "".join([_Q_BYTES[byte] for byte in raw])
    if len(spelled) > len(raw) * 4 / 3:
        return [*_b_words(value, used)]
    if len(spelled) + 12 + used <= WORD:
        return [f"=?utf-8?q?{spelled}?="]
    return [*_q_words(value, used)]


def _q_words(value: str, used: int) -> Iterator[str]:
    spelled = ("".join([_Q_BYTES[byte] for byte in character.encode()]) for character in value)
    for word in _filled(((text, len(text)) for text in spelled), used, WORD - 12):
        yield f"=?utf-8?q?{''.join(word)}?="


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
