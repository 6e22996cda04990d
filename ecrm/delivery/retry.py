"""When to try again: the table of `delivery.md` §1.3, by lane.

A mail that was not taken goes back into the queue until its lane's patience or the mail's own
`not_after` ends, whichever is first. The waits carry a jitter of a tenth, derived from the mail's
id, so that a crowd refused together does not come back together.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

from ecrm.mail import Lane
from ecrm.moment import HOUR, MINUTE, SECOND, Instant

_WAITS: Final[dict[Lane, tuple[int, ...]]] = {
    0: (5 * SECOND, 15 * SECOND, 30 * SECOND, 60 * SECOND),
    1: (MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 4 * HOUR),
    2: (20 * MINUTE, 40 * MINUTE, 80 * MINUTE, 160 * MINUTE, 4 * HOUR),
    3: (20 * MINUTE, 40 * MINUTE, 80 * MINUTE, 160 * MINUTE, 4 * HOUR),
}

# Lanes whose mail is sent again when nobody knows whether it was taken: a receipt twice is a
# nuisance, a receipt never is a loss; with marketing it is the other way round.
RETRIED_IN_DOUBT: Final[frozenset[int]] = frozenset((0, 1))

# Marketing's own waits are longer than some keys live (Brevo: 15 minutes).
_REPEATS: Final = (MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 4 * HOUR)


def next_attempt(
    lane: Lane, attempts: int, mail_id: str, now: Instant, not_after: Instant
) -> Instant | None:
    """When to try again after `attempts` failed ones, or None: there is no sense in it any more."""
    at = _after(_WAITS[lane], attempts, mail_id, now)
    return at if at <= not_after else None


def repeat_at(attempts: int, mail_id: str, now: Instant) -> Instant:
    """When a mail that may have been taken is handed over again under its key (delivery §1.5)."""
    return _after(_REPEATS, attempts, mail_id, now)


def _after(waits: tuple[int, ...], attempts: int, mail_id: str, now: Instant) -> Instant:
    wait = waits[min(max(1, attempts), len(waits)) - 1]
    share = int.from_bytes(blake2b(mail_id.encode(), digest_size=2).digest()) / 0xFFFF
    return Instant(now + wait + int(wait * 0.1 * share))
