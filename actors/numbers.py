"""Numbers: who stands where, and what mails led to, counted as it happens.

A turn tells how its customer stands now and what its orders changed; the rows go with the very
commit of the turn, so a page reads sums that were kept and walks no life. Mails count themselves in
the store, from their decision to their end, and so do verdicts on who opened and clicked.

Each number can be told anew: where somebody stands from the state, what orders brought from the
orders that are counted for a mail. A life that goes on as another one takes its orders along, and
nothing of them is counted twice. What counts nobody by name stays when somebody is erased.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Final

from actors.store import port
from ecrm import credit, customer, facts
from ecrm.moment import Instant
from ecrm.state import Order, State
from proto.envelope import RESERVED

# A tier is where somebody stands in no programme.
TIER: Final = ""

# What is counted of orders; a sum of money is `REVENUE` and its currency.
ORDERS, UNDONE, REVENUE = "orders", "undone", "revenue "

Place = tuple[str, str]


def month_of(at: Instant) -> str:
    """The month of an instant, in UTC: that of a mail is when it was decided on."""
    return f"{datetime.fromtimestamp(at / 1_000, UTC):%Y-%m}"


def places_of(state: State) -> dict[Place, int]:
    """Where a life stands: how often at each step, and as one of its tier where it is a person."""
    found = Counter((stay.programme, stay.step) for stay in state.enrolments.values())
    known = state.seq > 0 and not state.customer_id.startswith(RESERVED)
    if known and state.bound_to is None:
        found[TIER, state.tier] = 1
    return found


def stands(before: State, taken: customer.Taken) -> Iterator[port.StandRow]:
    """Where somebody stands since this turn who stood elsewhere before, or does no more."""
    after = taken.after
    if after.enrolments is before.enrolments and (
        (before.seq > 0, before.tier, before.bound_to) == (True, after.tier, after.bound_to)
    ):
        return
    was, now = places_of(before), places_of(after)
    for place in sorted({*was, *now}):
        count = now.get(place, 0)
        if count != was.get(place, 0):
            yield port.StandRow(after.customer_id, *place, count)


def sums(orders: Mapping[str, Order]) -> Counter[tuple[str, str, str, str]]:
    """What orders come to that are counted for mails: by month, programme, step and what."""
    found: Counter[tuple[str, str, str, str]] = Counter()
    for order in orders.values():
        if order.credit is None:
            continue
        mail = month_of(order.credit.decided_at), order.credit.programme, order.credit.step
        found[*mail, ORDERS if order.bought else UNDONE] += 1
        if order.bought:
            found[*mail, REVENUE + order.currency] += credit.worth(order)
    return found


def brought(before: State, taken: customer.Taken) -> Iterator[port.CountRow]:
    """What this turn changed of what mails led to. An order that is only forgotten, or moves to the
    life that this one goes on as, changes nothing; it was counted where it came from.
    """
    after = taken.after
    if after.orders is before.orders:
        return
    known = sums({name: one for name, one in before.orders.items() if name in after.orders})
    for fact in taken.facts:
        if isinstance(fact, facts.Inherited) and fact.legacy is not None:
            known.update(sums(fact.legacy.orders))
    now = sums(after.orders)
    for place in sorted({*known, *now}):
        if now[place] != known[place]:
            yield port.CountRow(*place, now[place] - known[place])
