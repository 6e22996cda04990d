"""Offers: coupons for one person and one mail (R16, R71).

A code is derived from the mail it goes with, so the same decision always makes the same code. Its
letters cannot be mistaken for one another when read aloud: no 0 and O, no 1 and I.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from ecrm import calendar
from ecrm.moment import Instant

ALPHABET: Final = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"


class Offer(msgspec.Struct, frozen=True, gc=False):
    """A discount in percent, valid until the end of the local day, `more_days` days on."""

    percent: int
    more_days: int = 0


def code_for(mail_id: str) -> str:
    """Ten letters of fifty bits: hard to guess, easy to type."""
    number = int.from_bytes(blake2b(f"offer\0{mail_id}".encode(), digest_size=8).digest())
    letters = ""
    for _ in range(10):
        number, index = divmod(number, len(ALPHABET))
        letters += ALPHABET[index]
    return f"{letters[:5]}-{letters[5:]}"


def ends(offer: Offer, now: Instant, zone: ZoneInfo) -> Instant:
    end = calendar.end_of_day(now, zone)
    for _ in range(offer.more_days):
        end = calendar.end_of_day(Instant(end + 1), zone)
    return end
