"""Suppression: addresses that are not written to, and what that keeps from going (delivery §1.6).

An address is known by a keyed hash alone, so that the list can outlive an erasure and tells nobody
anything. Three scopes, each wider than the one before: `invitation` (no more invitations),
`marketing` (nothing that is not owed), `all` (nothing: the mailbox is no good).
"""

from __future__ import annotations

import hmac
from typing import Final, Literal

from ecrm.mail import Mail

Scope = Literal["all", "marketing", "invitation"]

REASONS: Final[dict[str, str]] = {
    "all": "the address cannot be written to",
    "marketing": "the recipient wants no advertising",
    "invitation": "the recipient wants no invitations",
}


def hash_of(address: str, key: bytes) -> str:
    """The name of an address on the list; writing it in capitals does not change it."""
    return hmac.digest(key, address.strip().casefold().encode(), "sha256")[:16].hex()


def stops(scope: str, mail: Mail) -> bool:
    """Does a suppression of this scope keep this mail from going?"""
    match scope:
        case "all":
            return True
        case "marketing":
            return mail.mail_class == "marketing" or mail.stranger
        case _:
            return mail.stranger
