"""Return paths that name their mail: `b+TOKEN@bounces.shop.tld` (delivery §1.6, VERP with a MAC).

What comes back to such an address is about that mail, whatever the message says and even where
nobody can read it. A token is base32(version ‖ key id ‖ message id, 16 B ‖ MAC, 16 B), the MAC an
HMAC-SHA256 cut to 16 bytes under a key of its own, derived from the secret of the links: a return
path opens no page, and a link is no return path. Base32 because some servers write a local part in
small or in capital letters; with 55 characters it stays within the 64 of RFC 5321 §4.5.3.1.1.
"""

from __future__ import annotations

import base64
import hmac
import re
import struct
from functools import lru_cache
from typing import Final

from ecrm.delivery import addresses
from ecrm.links import LinkKey, LinkKeys

VERSION: Final = 1
_BODY: Final = struct.Struct(">BB16s")
_MAC: Final = 16
_TOKEN: Final = re.compile(r"[a-z2-7]{55}")
_PADDING: Final = "="  # 55 characters are one short of a whole number of groups
_SEPARATOR: Final = "+"
# What a server may put around an address it was given; nothing else may stand there.
_AROUND: Final = " \t\r\n<>"
# `message.write` makes Message-IDs like this.
_MESSAGE_ID: Final = re.compile(
    r"<?([0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12})\.[0-3]@"
)


def make(keys: LinkKeys, mailbox: str, mail_id: str) -> str:
    """The return path of a mail; `mailbox` takes the bounces (`b@bounces.shop.tld`). Raises
    ValueError on an id that is no UUID and on a mailbox with no room for the token.
    """
    local, _, domain = addresses.parse_address(mailbox).rpartition("@")
    body = _BODY.pack(VERSION, keys.current.key_id, _id_bytes(mail_id))
    raw = body + _mac(keys.current, body)
    token = base64.b32encode(raw).decode().rstrip(_PADDING).lower()
    if len(local) + len(_SEPARATOR) + len(token) > 64:
        raise ValueError(
            f"{mailbox!r} has no room for a token: 8 letters before the @ are the most"
        )
    return f"{local}{_SEPARATOR}{token}@{domain}"


def read(keys: LinkKeys, mailbox: str, address: str) -> str | None:
    """The id of the mail that an address is the return path of, or None where any part of it is not
    ours. How it is written, large or small, makes no difference.
    """
    local, _, domain = mailbox.strip().lower().rpartition("@")
    given, _, host = address.strip(_AROUND).lower().rpartition("@")
    prefix, _, token = given.rpartition(_SEPARATOR)
    if (prefix, host) != (local, domain):
        return None
    raw = _decode(token)
    if raw is None:
        return None
    body, mac = raw[: _BODY.size], raw[_BODY.size :]
    version, key_id, mail = _BODY.unpack(body)
    for key in (keys.current, keys.former):
        if key is None or key.key_id != key_id or version != VERSION:
            continue
        if hmac.compare_digest(mac, _mac(key, body)):
            return _id_text(mail)
    return None


def is_for(mailbox: str, address: str) -> bool:
    """Is an address the mailbox itself or one of its return paths, ours or not? For a listener,
    which tells who is unknown here apart from what is not true.
    """
    local, _, domain = mailbox.strip().lower().rpartition("@")
    given, _, host = address.strip(_AROUND).lower().rpartition("@")
    return host == domain and given.partition(_SEPARATOR)[0] == local


def claimed(message_id: str) -> str:
    """The mail that a Message-ID names, or nothing where it is none of ours. A claim, no proof:
    everybody who got a mail knows its Message-ID.
    """
    found = _MESSAGE_ID.search(message_id[:300])
    return found[1] if found else ""


def _mac(key: LinkKey, body: bytes) -> bytes:
    return hmac.digest(_own_secret(key.secret), body, "sha256")[:_MAC]


@lru_cache(maxsize=8)
def _own_secret(secret: bytes) -> bytes:
    return hmac.digest(secret, b"ecrm return path", "sha256")


def _decode(token: str) -> bytes | None:
    """Only the one spelling that `make` writes, its case aside."""
    if not _TOKEN.fullmatch(token):
        return None
    raw = base64.b32decode(token.upper() + _PADDING)
    # The last character has bits to spare, so several could stand for the same bytes.
    spelled = base64.b32encode(raw).decode().rstrip(_PADDING).lower()
    return raw if spelled == token else None


def _id_bytes(mail_id: str) -> bytes:
    compact = mail_id.replace("-", "")
    if len(compact) != 32 or len(mail_id) != 36:
        raise ValueError(f"{mail_id!r} is no UUID")
    return bytes.fromhex(compact)


def _id_text(raw: bytes) -> str:
    text = raw.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))
