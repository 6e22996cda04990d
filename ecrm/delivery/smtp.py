"""SMTP without a socket (RFC 5321): what to say, and what was answered.

`Replies` cuts a stream of bytes into replies, the same ones however it arrives. `Transaction` is
one mail's way from MAIL to the go-ahead for its text, at once where the server takes commands in a
row (PIPELINING, RFC 2920). Rules it keeps:

- an address is read strictly before a byte is sent; nothing in it can end a command;
- a text is sent as it was signed: ASCII lines that end in CRLF, or not at all;
- SMTPUTF8 (RFC 6531) is asked for only by an address that needs it;
- what cannot be read as a reply ends the conversation: the stream is never guessed at, because a
  reply taken for another one is a mail lost or sent twice.
"""

from __future__ import annotations

import base64
import re
from collections import deque
from typing import Final, Literal

import msgspec

from ecrm import errors
from ecrm.delivery import addresses
from ecrm.delivery.verdict import Stage

# RFC 5321 §4.5.3.1.5 allows 512; filters that add their address are longer, attacks longer still.
LONGEST_LINE: Final = 4_096
MOST_LINES: Final = 128
# What is kept of an answer for people to read.
LONGEST_TEXT: Final = 500

STARTTLS: Final = b"STARTTLS\r\n"
RSET: Final = b"RSET\r\n"
QUIT: Final = b"QUIT\r\n"
# An end without a text: for a go-ahead that nobody wanted any more (RFC 2920 §3.1).
LONE_DOT: Final = b".\r\n"

_LINE = re.compile(r"([2-5]\d\d)(?:([ -])(.*))?", re.DOTALL)
_ENHANCED = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?:\s+|$)")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_UTF8_LOCAL = re.compile(r"[^\x00-\x20\x7f-\xa0\s\"(),:;<>@\[\\\]\ud800-\udfff]+")


class Reply(msgspec.Struct, frozen=True, gc=False):
    """One reply: `enhanced` is its RFC 2034 code (`"5.1.1"`) or empty, `lines` what it says."""

    code: int
    enhanced: str = ""
    lines: tuple[str, ...] = ("",)

    @property
    def text(self) -> str:
        """What it says, on one line."""
        return " ".join(line for line in self.lines if line)[:LONGEST_TEXT]

    @property
    def kind(self) -> int:
        """2: done, 3: go on, 4: not now, 5: no."""
        return self.code // 100


class Refusal(msgspec.Struct, frozen=True, gc=False):
    """Where a mail's way ended, and the words. Code 0: nothing was answered, or we went no further
    ourselves, in which case `enhanced` says why in RFC 3463's terms.
    """

    stage: Stage
    code: int = 0
    enhanced: str = ""
    text: str = ""

    def __str__(self) -> str:
        answer = f"{self.code or ''} {self.enhanced} {self.text}"
        return f"{self.stage or 'smtp'}: {' '.join(answer.split())}"


def refused(stage: Stage, reply: Reply) -> Refusal:
    """What a reply other than the hoped for one means. A yes to another question refuses nothing:
    replies and commands are out of step, and nobody can tell what was meant.
    """
    if reply.kind < 4:
        return Refusal(stage, text=f"out of step: {reply.code} {reply.text}")
    return Refusal(stage, reply.code, reply.enhanced, reply.text)


class Replies:
    """Cuts what arrives into replies. After `fault` is set (what is wrong with the stream), nothing
    more is read.
    """

    def __init__(self) -> None:
        self.fault = ""
        self._buffer = bytearray()
        self._lines: list[tuple[int, str]] = []

    @property
    def pending(self) -> bool:
        """Is there something that is no whole reply?"""
        return bool(self._buffer or self._lines or self.fault)

    def feed(self, data: bytes) -> list[Reply]:
        """The replies that are complete now."""
        if self.fault:
            return []
        self._buffer += data
        complete = []
        while (line := self._next_line()) is not None:
            reply = self._read(line)
            if reply is not None:
                complete.append(reply)
        return complete

    def _next_line(self) -> str | None:
        """A line without its end; a bare LF is an end as well, as some servers have it."""
        if self.fault:
            return None
        end = self._buffer.find(b"\n")
        if max(end, len(self._buffer) if end < 0 else 0) > LONGEST_LINE:
            self.fault = "a reply without an end"
        if self.fault or end < 0:
            return None
        line = bytes(self._buffer[:end]).removesuffix(b"\r")
        del self._buffer[: end + 1]
        return line.decode("utf-8", "replace")

    def _read(self, line: str) -> Reply | None:
        match = _LINE.fullmatch(line)
        if match is None:
            self.fault = f"no reply: {_shown(line)}"
            return None
        code = int(match[1])
        self._lines.append((code, match[3] or ""))
        if self._lines[0][0] // 100 != code // 100:
            # RFC 5321 §4.2.1: one code. Of two that mean alike the last one stands.
            self.fault = f"a reply that says both {self._lines[0][0]} and {code}"
        elif len(self._lines) > MOST_LINES:
            self.fault = "a reply without an end"
        if self.fault or match[2] == "-":
            return None
        lines, self._lines = self._lines, []
        return _reply(code, [text for _, text in lines])


def _reply(code: int, lines: list[str]) -> Reply:
    """The enhanced code is repeated on every line (RFC 2034 §4) and has the class of the code."""
    found = _ENHANCED.match(lines[0])
    enhanced = found[1] if found and found[1][0] == str(code)[0] else ""
    if enhanced:
        lines = [line.removeprefix(enhanced) for line in lines]
    return Reply(code, enhanced, tuple(_shown(line) for line in lines))


def _shown(text: str) -> str:
    """What a server says, made safe for a log."""
    return _CONTROL.sub(" ", text).strip()[:LONGEST_TEXT]


class Abilities(msgspec.Struct, frozen=True, gc=False):
    """What a server says it can do. `size` is the longest message in bytes, 0: it does not say."""

    pipelining: bool = False
    starttls: bool = False
    smtputf8: bool = False
    size: int = 0
    auth: frozenset[str] = frozenset()


def abilities_of(reply: Reply) -> Abilities:
    """Read the answer to EHLO (RFC 5321 §4.1.1.1); what cannot be read is not offered."""
    offered: dict[str, list[str]] = {}
    for line in reply.lines[1:]:
        # Some servers still write `AUTH=LOGIN`, from before it was a standard.
        keyword, *values = line.upper().replace("AUTH=", "AUTH ", 1).split() or [""]
        offered.setdefault(keyword, []).extend(values)
    size = next(iter(offered.get("SIZE", [])), "0")
    return Abilities(
        pipelining="PIPELINING" in offered,
        starttls="STARTTLS" in offered,
        smtputf8="SMTPUTF8" in offered,
        size=int(size) if re.fullmatch("[0-9]{1,18}", size) else 0,
        auth=frozenset(offered.get("AUTH", ())),
    )


def hello(verb: Literal["EHLO", "HELO"], name: str) -> bytes:
    """Raises errors.Rejected where the name would not stay a name."""
    if not name.isascii() or not name.isprintable() or " " in name or not name:
        raise errors.Rejected("bad_name", f"{name!r} is no name to introduce oneself by")
    return f"{verb} {name}\r\n".encode("ascii")


def auth_steps(offered: frozenset[str], username: str, password: str) -> list[bytes]:
    """What to say, each after a 334 to the one before it; empty: no way in common.

    AUTH PLAIN (RFC 4616) before LOGIN, which takes a round trip more.
    """
    if "PLAIN" in offered and "\0" not in username + password:
        token = base64.b64encode(f"\0{username}\0{password}".encode())
        return [b"AUTH PLAIN " + token + b"\r\n"]
    if "LOGIN" in offered:
        words = [base64.b64encode(word.encode()) + b"\r\n" for word in (username, password)]
        return [b"AUTH LOGIN\r\n", *words]
    return []


def envelope_address(text: str) -> str:
    """An address as it stands in a command, its domain in A-labels; a local part outside ASCII
    stays as it is. Raises errors.Rejected on what RFC 5321 §4.1.2 or RFC 6531 §3.3 does not allow.
    """
    local, _, domain = text.rpartition("@")
    if local.isascii():
        return addresses.parse_address(text)
    if len(local.encode("utf-8", "replace")) > 64 or not _UTF8_LOCAL.fullmatch(local):
        raise errors.Rejected("bad_address", f"the address {text!r} cannot be sent to", path="to")
    return f"{local}@{addresses.domain_of(addresses.parse_address(f'postmaster@{domain}'))}"


def wire_form(body: bytes) -> bytes:
    """A text as it goes through the wire: lines that begin with a dot get another one, the last
    line ends, a lone dot follows (RFC 5321 §4.5.2).

    Raises errors.Rejected where it is no ASCII or has a CR or LF without the other: a server that
    mends it breaks the signature, and one that reads a bare LF as an end is told a second mail.
    """
    ends = body.count(b"\r\n")
    if not body.isascii() or b"\0" in body or not ends == body.count(b"\n") == body.count(b"\r"):
        raise errors.Rejected("bad_body", "the message is not made of ASCII lines that end in CRLF")
    stuffed = (b"\r\n" + body).replace(b"\r\n.", b"\r\n..")[2:]
    return stuffed + (LONE_DOT if stuffed.endswith(b"\r\n") else b"\r\n" + LONE_DOT)


class Envelope(msgspec.Struct, frozen=True, gc=False):
    """Addresses that were read; an empty sender is the null reverse path. `size` in bytes."""

    sender: str
    recipient: str
    size: int


class Transaction:
    """From MAIL to the go-ahead. The driver writes what `says` gives, hears a reply for `stage`,
    and goes on until `stage` is empty. Then:

    - `refusal` is None: the text may follow;
    - else the mail goes no further; `unwanted` tells that a go-ahead came all the same, and must be
      answered with a lone dot;
    - `begun` tells whether anything was said; then `sound` tells whether the connection can be used
      for more, after a RSET.
    """

    def __init__(self, envelope: Envelope, abilities: Abilities) -> None:
        self.refusal = _unfit(envelope, abilities)
        self.unwanted = self.begun = False
        self.sound = True
        self._said: deque[Stage] = deque()
        self._left: deque[tuple[Stage, bytes]] = deque()
        self._at_once = abilities.pipelining
        if self.refusal is None:
            self._left.extend(_commands(envelope, abilities))

    @property
    def stage(self) -> Stage:
        """Whose reply is heard next; empty when no more is to be said."""
        waiting = self._said or [stage for stage, _ in self._left]
        return waiting[0] if waiting else ""

    def says(self) -> bytes:
        """What is to be written now: all that is left, or one command when the last is answered."""
        out = b""
        while self._left and (self._at_once or not self._said):
            stage, command = self._left.popleft()
            self._said.append(stage)
            self.begun = True
            out += command
        return out

    def hears(self, reply: Reply) -> None:
        stage = self._said.popleft()
        if reply.kind == (3 if stage == "data" else 2):
            self.unwanted = stage == "data" and self.refusal is not None
            return
        self.refusal = self.refusal or refused(stage, reply)
        self._left.clear()
        if reply.kind < 4 or reply.code == 421:
            # The other answers will not come, or mean nothing.
            self.sound = False
            self._said.clear()


def _unfit(envelope: Envelope, abilities: Abilities) -> Refusal | None:
    """What this server says beforehand that it will not take."""
    if 0 < abilities.size < envelope.size:
        said = f"the message has {envelope.size} bytes, the server takes {abilities.size}"
        return Refusal("mail", 552, "5.3.4", said)
    if not _is_ascii(envelope) and not abilities.smtputf8:
        return Refusal("address", 0, "5.6.7", "the server takes ASCII addresses only")
    return None


def _commands(envelope: Envelope, abilities: Abilities) -> list[tuple[Stage, bytes]]:
    size = f" SIZE={envelope.size}" if abilities.size else ""
    utf8 = "" if _is_ascii(envelope) else " SMTPUTF8"
    return [
        ("mail", f"MAIL FROM:<{envelope.sender}>{size}{utf8}\r\n".encode()),
        ("rcpt", f"RCPT TO:<{envelope.recipient}>\r\n".encode()),
        ("data", b"DATA\r\n"),
    ]


def _is_ascii(envelope: Envelope) -> bool:
    return envelope.sender.isascii() and envelope.recipient.isascii()
