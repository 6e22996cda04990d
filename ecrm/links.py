"""Links that prove themselves: a signed token instead of an address or an id that can be guessed.

A token is base64url(version ‖ key id ‖ message id, 16 B ‖ link index, 2 B ‖ MAC, 16 B), the MAC an
HMAC-SHA256 cut to 16 bytes (delivery §5.1). It names a mail and a place in it, nothing else: what
the place leads to is looked up, so there is no open redirect and no address in a URL. Every purpose
signs with its own key, derived from the secret: a token that lets somebody see a mail unsubscribes
nobody. Two keys may live at once, so that a secret can be replaced while mails are out.
"""

from __future__ import annotations

import base64
import hmac
import re
import struct
from functools import lru_cache
from typing import Literal

import msgspec

Purpose = Literal["unsubscribe", "preferences", "view", "rate", "review", "click", "open"]

# Short, for a link is read aloud and typed at times.
PATHS: dict[Purpose, str] = {
    "unsubscribe": "u",
    "preferences": "p",
    "view": "v",
    "rate": "r",
    "review": "w",
    "click": "c",
    "open": "o",
}
VERSION = 1
_BODY = struct.Struct(">BB16sH")
_MAC = 16
_TOKEN = re.compile(r"[A-Za-z0-9_-]{48}")  # 36 bytes, so without padding
SECRET = 16  # the fewest bytes a secret may have


class LinkKey(msgspec.Struct, frozen=True, gc=False):
    """A secret and its number, 0 to 255, which travels in the token."""

    key_id: int
    secret: bytes

    def __post_init__(self) -> None:
        if not 0 <= self.key_id <= 255:
            raise ValueError(f"a link key's number is 0 to 255, not {self.key_id}")
        if len(self.secret) < SECRET:
            raise ValueError(f"a link key's secret has at least {SECRET} bytes")


class LinkKeys(msgspec.Struct, frozen=True, gc=False):
    """`current` signs; tokens of `former` are still read while mails with them are out."""

    current: LinkKey
    former: LinkKey | None = None


class Link(msgspec.Struct, frozen=True, gc=False):
    """What a token says: a mail (a UUID in text form) and a place in it."""

    mail_id: str
    index: int


def make(keys: LinkKeys, purpose: Purpose, mail_id: str, index: int = 0) -> str:
    """A token of 48 URL-safe characters. Raises ValueError on an id that is no UUID and on an index
    outside 0 to 65 535.
    """
    if not 0 <= index <= 0xFFFF:
        raise ValueError(f"a link index is 0 to 65535, not {index}")
    key = keys.current
    body = _BODY.pack(VERSION, key.key_id, _id_bytes(mail_id), index)
    return base64.urlsafe_b64encode(body + _mac(key, purpose, body)).decode()


def read(keys: LinkKeys, purpose: Purpose, token: str) -> Link | None:
    """What a token says, or None where any part of it is not ours: the caller answers every bad
    token alike, so that nothing can be learnt from trying.
    """
    raw = _decode(token)
    if raw is None:
        return None
    body, mac = raw[: _BODY.size], raw[_BODY.size :]
    version, key_id, mail, index = _BODY.unpack(body)
    for key in (keys.current, keys.former):
        if key is None or key.key_id != key_id or version != VERSION:
            continue
        if hmac.compare_digest(mac, _mac(key, purpose, body)):
            return Link(mail_id=_id_text(mail), index=index)
    return None


def url(base: str, purpose: Purpose, token: str) -> str:
    """The address of a page of the service; `base` is `[web] public_url`."""
    return f"{base.rstrip('/')}/{PATHS[purpose]}/{token}"


def _mac(key: LinkKey, purpose: Purpose, body: bytes) -> bytes:
    return hmac.digest(_own_secret(key.secret, purpose), body, "sha256")[:_MAC]


@lru_cache(maxsize=64)
def _own_secret(secret: bytes, purpose: Purpose) -> bytes:
    return hmac.digest(secret, b"ecrm link " + purpose.encode(), "sha256")


def _decode(token: str) -> bytes | None:
    """Only the one spelling that `make` writes: a lax decoder skips foreign characters."""
    return base64.urlsafe_b64decode(token) if _TOKEN.fullmatch(token) else None


def _id_bytes(mail_id: str) -> bytes:
    compact = mail_id.replace("-", "")
    if len(compact) != 32 or len(mail_id) != 36:
        raise ValueError(f"{mail_id!r} is no UUID")
    return bytes.fromhex(compact)


def _id_text(raw: bytes) -> str:
    text = raw.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))
