"""Who is not written to any more after what came back: the rules of delivery §1.6 (R52, R86).

- a hard bounce, once: nothing more to this address, for good;
- a complaint or an unsubscription: no more marketing, for good; what is owed still goes;
- soft bounces, five in a row over at least seven days: nothing for thirty days;
- a block speaks about us, an automatic answer about nothing: neither ever costs a recipient;
- a delivery ends a row of soft bounces.

The caller keeps a `Record` per address and hands the same return in once: what a provider repeats
is told apart by its id (`webhooks.Event.event_id`).
"""

from __future__ import annotations

from typing import Final

import msgspec

from ecrm.delivery.bounces.verdict import Verdict
from ecrm.delivery.suppression import Scope
from ecrm.moment import NEVER, Duration, Instant, days

SOFT_BOUNCES: Final = 5
# Five in an hour are one full mailbox, and one mail tried five times.
SOFT_SPAN: Final = days(7)
SOFT_PAUSE: Final = days(30)
# Mail servers give up after five days (RFC 5321 §4.5.4.1); a mail that a server took over and that
# has not come back by then may be handed in as delivered. SMTP itself never says so.
SETTLED: Final = days(5)


class Record(msgspec.Struct, frozen=True, gc=False):
    """A row of soft bounces of one address: how many, when the first was, and the last."""

    soft: int = 0
    since: Instant = Instant(0)
    last: Instant = Instant(0)


CLEAN: Final = Record()


class Suppression(msgspec.Struct, frozen=True, gc=False):
    """What is to be written on the suppression list; `until` is `NEVER` where it is for good."""

    scope: Scope
    reason: str
    until: Instant = NEVER


class Outcome(msgspec.Struct, frozen=True, gc=False):
    record: Record
    suppression: Suppression | None = None


_FOR_GOOD: Final[dict[Verdict, Suppression]] = {
    "hard": Suppression("all", "hard_bounce"),
    "complaint": Suppression("marketing", "complaint"),
    "unsubscribed": Suppression("marketing", "unsubscribed"),
}


def after(record: Record, verdict: Verdict, at: Instant) -> Outcome:
    """What follows from a verdict about an address whose row of soft bounces is `record`; `at` is
    when it came back. Verdicts may come out of order: an old delivery does not end a younger row.
    """
    match verdict:
        case "hard":
            return Outcome(CLEAN, _FOR_GOOD[verdict])
        case "complaint" | "unsubscribed":
            # Somebody read it, so the mailbox is there.
            return Outcome(_unless_younger(record, at), _FOR_GOOD[verdict])
        case "delivered":
            return Outcome(_unless_younger(record, at))
        case "soft":
            return _one_more(record, at)
        case _:
            return Outcome(record)


def _one_more(record: Record, at: Instant) -> Outcome:
    first = min(record.since, at) if record.soft else at
    last = max(record.last, at)
    row = Record(soft=record.soft + 1, since=first, last=last)
    if row.soft < SOFT_BOUNCES or Duration(last - first) < SOFT_SPAN:
        return Outcome(row)
    pause = Suppression("all", "soft_bounces", Instant(last + SOFT_PAUSE))
    return Outcome(CLEAN, pause)


def _unless_younger(record: Record, at: Instant) -> Record:
    return record if record.soft and at < record.since else CLEAN
