"""Offers: coupons for one person and one mail (R16, R71).

A code is derived from the mail it goes with, so the same decision always makes the same code. Its
letters cannot be mistaken for one another when read aloud: no 0 and O, no 1 and I.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

import msgspec

ALPHABET: Final = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"


class Offer(msgspec.Struct, frozen=True, gc=False):
    """A discount in percent, valid until the end of the local day it is made on (R71)."""

    percent: int


def code_for(mail_id: str) -> str:
    """Ten letters of fifty bits: hard to guess, easy to type."""
    number = int.from_bytes(blake2b(f"offer\0{mail_id}".encode(), digest_size=8).digest())
    letters = ""
    for _ in range(10):
        number, index = divmod(number, len(ALPHABET))
        letters += ALPHABET[index]
    return f"{letters[:5]}-{letters[5:]}"
