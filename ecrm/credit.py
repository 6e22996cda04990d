"""Credit: which order is counted for which mail (R19, R79, R85).

An order is counted once, for the mail that its person clicked last before it, if that was no longer
ago than the window: the one by which a tier says that somebody buys after a click (delivery §5.3).
A click of a machine is none, an opening is none, and who did not agree to have clicks seen is
counted for nothing. An order of the past that a file tells is not counted either.

What is cancelled or paid back is taken off again, so what was counted can always be told anew from
the orders as they stand.
"""

from __future__ import annotations

from collections.abc import Iterator

from ecrm import facts
from ecrm.moment import Duration
from ecrm.state import Credit, Order, State


def credited(before: State, state: State, window: Duration) -> Iterator[facts.OrderCredited]:
    """The credits of the orders that became purchases since `before`."""
    if state.orders is before.orders or not state.followed:
        return
    for order_id, order in sorted(state.orders.items()):
        known = before.orders.get(order_id)
        if order is known or not order.bought or (known is not None and known.bought):
            continue
        found = None if order.credit is not None else _credit_of(order, state, window)
        if found is not None:
            yield facts.OrderCredited(order_id, found)


def _credit_of(order: Order, state: State, window: Duration) -> Credit | None:
    at = min(at for at in (order.placed_at, order.paid_at) if at is not None)
    clicks = [one for one in state.followed if at - window <= one.at <= at]
    if not clicks:
        return None
    last = max(clicks, key=lambda one: (one.at, one.mail_id))
    return Credit(last.mail_id, last.programme, last.step, last.decided_at, clicked_at=last.at)


def worth(order: Order) -> int:
    """What a counted order is worth now, in minor units of its currency."""
    if order.credit is None or not order.bought:
        return 0
    return max(0, order.total - order.credit.back)
