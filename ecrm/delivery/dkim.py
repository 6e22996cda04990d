"""DKIM: a signature over a built message (RFC 6376), relaxed in headers and body.

Both headers of the one-click unsubscribe are covered, as RFC 8058 §4 asks, and `Feedback-ID`; From,
Subject and the List headers are signed once more than they occur, so that nobody can add another.
The time is the mail's own, so the same mail is always signed alike (RSA PKCS #1 v1.5 and Ed25519
are deterministic). The private key stays outside: a `Signer` brings a function.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from hashlib import sha256
from typing import Final, Literal

import msgspec

from ecrm.moment import Instant

Algorithm = Literal["rsa-sha256", "ed25519-sha256"]

SIGNED: Final = (
    "From", "To", "Reply-To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type",
    "Auto-Submitted", "List-Id", "List-Unsubscribe", "List-Unsubscribe-Post", "Feedback-ID",
)  # fmt: skip
OVERSIGNED: Final = frozenset(
    ("From", "Subject", "List-Id", "List-Unsubscribe", "List-Unsubscribe-Post")
)

_BLANKS: Final = re.compile(rb"[ \t]+")
_LINE: Final = 72


class Signer(msgspec.Struct, frozen=True):
    """`sign` makes the signature of the bytes to be signed: RSA hashes them itself, Ed25519 signs
    their SHA-256 (RFC 8463 §3).
    """

    domain: str
    selector: str
    algorithm: Algorithm
    sign: Callable[[bytes], bytes]


def signed(message: bytes, signer: Signer, at: Instant) -> bytes:
    """The message with a signature before its own headers. `message` has CRLF line ends."""
    head, _, body = message.partition(b"\r\n\r\n")
    headers = _headers(head)
    names = [name for name in SIGNED if name.lower().encode() in headers or name in OVERSIGNED]
    listed = [*(n for n in names if n.lower().encode() in headers), *_again(names)]
    value = (
        f"v=1; a={signer.algorithm}; c=relaxed/relaxed; d={signer.domain}; s={signer.selector};"
        f" t={at // 1_000}; h={':'.join(listed)};"
        f" bh={base64.b64encode(sha256(relaxed_body(body)).digest()).decode()}; b="
    )
    folded = _folded(value)
    hashed = b"".join(
        _canonical(name, headers[key]) + b"\r\n"
        for name in listed[: len(listed) - len(_again(names))]
        if (key := name.lower().encode()) in headers
    )
    hashed += _canonical("DKIM-Signature", folded)
    signature = base64.b64encode(signer.sign(hashed)).decode()
    broken = "\r\n ".join(signature[at : at + _LINE] for at in range(0, len(signature), _LINE))
    return b"DKIM-Signature: " + folded + broken.encode() + b"\r\n" + message


def relaxed_body(body: bytes) -> bytes:
    """The body as RFC 6376 §3.4.4 hashes it."""
    lines = [_BLANKS.sub(b" ", line).rstrip(b" ") for line in body.split(b"\r\n")]
    while lines and not lines[-1]:
        lines.pop()
    return b"".join(line + b"\r\n" for line in lines)


def _again(names: list[str]) -> list[str]:
    return [name for name in names if name in OVERSIGNED]


def _headers(head: bytes) -> dict[bytes, bytes]:
    """The value of each header by its small name; ours occur once."""
    unfolded = head.replace(b"\r\n ", b" ").replace(b"\r\n\t", b" ")
    found: dict[bytes, bytes] = {}
    for line in unfolded.split(b"\r\n"):
        name, _, value = line.partition(b":")
        found[name.strip().lower()] = value
    return found


def _canonical(name: str, value: bytes) -> bytes:
    """A header as RFC 6376 §3.4.2 hashes it, without its line end."""
    plain = _BLANKS.sub(b" ", value.replace(b"\r\n", b"")).strip()
    return name.lower().encode() + b":" + plain


def _folded(value: str) -> bytes:
    """Broken at blanks and, in the list of headers, at colons: no line is long."""
    out, line = [], " " * len("DKIM-Signature:")
    for word in re.split(r"(?<= )|(?<=:)", value):
        if len(line) + len(word) > _LINE and line:
            out.append(line)
            line = ""
        line += word
    # The blank before the signature belongs to the value: it is hashed, and folding keeps it.
    return "\r\n ".join([*(part.rstrip(" ") for part in out), line]).lstrip(" ").encode()
