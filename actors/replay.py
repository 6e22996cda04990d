"""The replay: a shop's real weeks through the real service, in minutes (wire §5).

Starts nothing of its own: a running service on a warp clock that stands still between pushes, and a
client on a real loopback websocket. Instant by instant the clock is pushed to it, the events of
that instant are told, and all of them are durable before time goes on; so a second replay of the
same file on a fresh data folder gives the same mails, byte for byte.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Final

import msgspec

from actors import retail
from actors.client import Client, connect
from actors.clock import WarpClock
from actors.gateway import EVENTS_PATH
from actors.service import Service
from ecrm import facts, mail, moment
from ecrm.moment import DAY, CustomerId, Instant, days
from ecrm.state import VISITOR

# After the last line: long enough to see the review mails of the last orders.
AFTERWARDS: Final = days(45)

Progress = Callable[[Instant], None]


class Result(msgspec.Struct, rename={"from_": "from"}):
    """What came of a replay; `withheld_by_reason` counts what was due or awaited and not sent."""

    events: int
    customers: int
    visitors: int
    from_: str
    until: str
    mails: int
    mails_by_kind: dict[str, int]
    mails_by_step: dict[str, int]
    mails_by_day: dict[str, int]
    withheld_by_reason: dict[str, int]
    deferred_by_reason: dict[str, int]
    unmatched_returns: int
    refused: int
    wall_s: float
    events_per_s: float


async def replay(
    service: Service,
    clock: WarpClock,
    invoices: list[retail.Invoice],
    port: int,
    key: str,
    progress: Progress,
    since: Instant = Instant(0),  # noqa: B008 - an immutable number
) -> Result:
    """Play all invoices from `since` on and the days after, and count what came of them."""
    shop = retail.Shop(since)
    told = refused = 0
    tally = Tally()
    service.system.watchers.append(tally.watch)
    began = time.monotonic()
    async with connect(f"ws://127.0.0.1:{port}{EVENTS_PATH}", key) as client:
        last = clock.now()
        for at, events in shop.events(invoices):
            await clock.advance(at)
            refused += await _tell(client, events)
            told += len(events)
            last = at
            progress(at)
        end = Instant(last + AFTERWARDS)
        while (at := min(end, Instant(clock.now() + DAY))) > clock.now():
            await clock.advance(at)
            progress(at)
    await clock.settled()
    wall = time.monotonic() - began
    return Result(
        events=told,
        customers=len(tally.customers),
        visitors=len(tally.visitors),
        from_=moment.format_instant(max(since, invoices[0].at)) if invoices else "",
        until=moment.format_instant(clock.now()),
        mails=tally.by_kind.total(),
        mails_by_kind=dict(sorted(tally.by_kind.items())),
        mails_by_step=dict(sorted(tally.by_step.items())),
        mails_by_day=dict(sorted(tally.by_day.items())),
        withheld_by_reason=dict(sorted(tally.withheld.items())),
        deferred_by_reason=dict(sorted(tally.deferred.items())),
        unmatched_returns=shop.unmatched,
        refused=refused,
        wall_s=round(wall, 3),
        events_per_s=round(told / wall, 1) if wall else 0.0,
    )


async def _tell(client: Client, events: list[retail.Event]) -> int:
    return len(await client.send(events))


class Tally:
    """Counts facts as they become durable; a mail counts once the transport has taken it."""

    def __init__(self) -> None:
        self.customers: set[CustomerId] = set()
        self.visitors: set[CustomerId] = set()
        self.by_kind: Counter[str] = Counter()
        self.by_step: Counter[str] = Counter()
        self.by_day: Counter[str] = Counter()
        self.withheld: Counter[str] = Counter()
        self.deferred: Counter[str] = Counter()
        self._asked: dict[str, mail.Mail] = {}

    def watch(self, customer_id: CustomerId, made: tuple[facts.AnyFact, ...]) -> None:
        known = self.visitors if customer_id.startswith(VISITOR) else self.customers
        known.add(customer_id)
        for fact in made:
            self._count(fact)

    def _count(self, fact: facts.AnyFact) -> None:
        match fact:
            case facts.MailRequested(mail=wanted):
                self._asked[wanted.mail_id] = wanted
            case facts.Heard(mail_id=mail_id, outcome="accepted"):
                wanted = self._asked.pop(mail_id)
                self.by_kind[wanted.kind] += 1
                self.by_step[f"{wanted.programme}/{wanted.step}"] += 1
                self.by_day[moment.format_instant(wanted.at)[:10]] += 1
            case facts.Heard(outcome=outcome):
                self.withheld[outcome] += 1
            case facts.MailWithheld(reason=reason):
                self.withheld[reason] += 1
            case facts.Left(kind=kind, reason=reason) if kind:
                self.withheld[reason] += 1
            case facts.MailDeferred(reason=reason):
                self.deferred[reason] += 1
            case _:
                pass
