"""What a provider tells about a mail, in our words; and how far its word is taken.

A provider sorts bounces by its own lights. Where it passes on what the receiving server said, our
own table reads that too, and the milder of the two stands: a provider's "hard" about a mail that
was taken for spam must not cost a customer (delivery §1.6).
"""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import Final

import msgspec

from ecrm.delivery import returns
from ecrm.delivery.bounces import verdict
from ecrm.delivery.bounces.verdict import Finding, Verdict
from ecrm.moment import Instant

RESPONSE: Final = 500
# The name under which a mail's id travels with it: metadata, argument, variable or tag.
MAIL_ID: Final = "mail_id"
_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")

# A refusal of either costs the recipient less than the one before.
_MILDER: Final[dict[Verdict, tuple[Verdict, ...]]] = {
    "hard": ("soft", "block"),
    "soft": ("block",),
}


class Event(msgspec.Struct, frozen=True, gc=False):
    """One thing that became of one mail. `event_id` is the same when it is told again; `mail_id` is
    ours where the provider carried it, `provider_id` the one it gave when it took the mail.
    """

    event_id: str
    verdict: Verdict
    reason: str
    at: Instant
    address: str = ""
    mail_id: str = ""
    provider_id: str = ""
    response: str = ""


def weighed(told: Finding, response: str, status: str = "") -> Finding:
    """What a provider says of a bounce, or what the server's own words say where that is milder."""
    own = verdict.judge(response, status)
    if own.verdict == told.verdict or own.verdict in _MILDER.get(told.verdict, ()):
        return own
    return told


def mail_id_in(*places: object) -> str:
    """The first of these that is the id of a mail, or a Message-ID of ours; or nothing."""
    for place in places:
        if not isinstance(place, str):
            continue
        if _UUID.fullmatch(place):
            return place
        claimed = returns.claimed(place)
        if claimed:
            return claimed
    return ""


def digest(*parts: str | bytes) -> str:
    """A name for what has none of its own: repeated by the provider, it is the same again."""
    sized = blake2b(digest_size=16)
    for part in parts:
        raw = part.encode("utf-8", "replace") if isinstance(part, str) else part
        sized.update(len(raw).to_bytes(8) + raw)
    return sized.hexdigest()


def at_seconds(value: float) -> Instant:
    """Unix seconds. Raises ValueError on what is no instant of this age."""
    if not 0 <= value < 2**40:
        raise ValueError(f"{value} are no seconds since 1970")
    return Instant(round(value * 1_000))
