"""Offers: coupons for one person and one mail (R16, R71 to R76).

A code is derived from the mail it goes with, so the same decision always makes the same code. Its
letters cannot be mistaken for one another when read aloud: no 0 and O, no 1 and I; the last one
checks the others, so that a slip of the finger is known from a code that never was. A coupon ends
with a local day, is used once, and belongs to the person it was made for.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from ecrm import calendar
from ecrm.moment import Duration, Instant, format_duration

ALPHABET: Final = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
_LENGTH: Final = 10


class Offer(msgspec.Struct, frozen=True, gc=False):
    """A discount of `percent`, or else of `amount` in minor units of the shop's currency, on orders
    of at least `minimum`. It is valid until the end of a local day: the one it is made on (R71), or
    the one that `valid` later falls on.
    """

    percent: int = 0
    amount: int = 0
    valid: Duration = Duration(0)
    minimum: int = 0

    def until(self, now: Instant, zone: ZoneInfo) -> Instant:
        return calendar.end_of_day(Instant(now + self.valid), zone)

    def __str__(self) -> str:
        worth = f"{self.percent} %" if self.percent else f"{self.amount / 100:.2f}"
        lasts = f"for {format_duration(self.valid)}" if self.valid else "for the day"
        return f"{worth} {lasts}"


def code_for(cause: str) -> str:
    """Nine letters of forty-five bits and one that checks them: hard to guess, easy to type."""
    number = int.from_bytes(blake2b(f"offer\0{cause}".encode(), digest_size=8).digest())
    letters = ""
    for _ in range(_LENGTH - 1):
        number, index = divmod(number, len(ALPHABET))
        letters += ALPHABET[index]
    letters += _check(letters)
    return f"{letters[:5]}-{letters[5:]}"


def read(typed: str) -> str:
    """The code that somebody typed, as we write it: small letters, spaces and a missing dash are
    forgiven. Empty where it is none of ours.
    """
    letters = "".join(letter for letter in typed.upper() if letter not in " -\u00a0\u2011\u2013")
    if len(letters) != _LENGTH or not set(letters) <= set(ALPHABET):
        return ""
    if _check(letters[:-1]) != letters[-1]:
        return ""
    return f"{letters[:5]}-{letters[5:]}"


def _check(letters: str) -> str:
    # Odd weights are coprime to 32: any one wrong letter shows.
    weighed = sum((2 * place + 1) * ALPHABET.index(letter) for place, letter in enumerate(letters))
    return ALPHABET[weighed % len(ALPHABET)]
