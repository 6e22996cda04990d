"""The past: what a file tells, as facts about the world, by the rules of the events it stands for.

Where a live event would believe itself, here what is known already counts more: a trait that was
heard, a consent that was said later, a cart that was filled after the order. An account that was
there before is registered without an address too, so that nobody is welcomed who has come long ago.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from msgspec.structs import replace

from ecrm import facts
from ecrm.acceptance import orders, person
from ecrm.acceptance.told import Facts, Told
from ecrm.messages import Deed, History, SentBack
from ecrm.moment import Instant
from ecrm.state import Order, Person, State
from proto import envelope, events


def traits_in(told: History) -> dict[str, str]:
    """All that a history says of the person, the last word of each."""
    found: dict[str, str] = {}
    for one in told.past:
        if isinstance(one.deed, envelope.Traits):
            found |= person.said(one.deed)
    return found


def remembered(state: State, traits: dict[str, str]) -> Person | None:
    """The person as the past has told it until now; None where it tells nothing new."""
    before = state.remembered or Person()
    after = replace(before, **traits)
    return None if after == before else after


def recalled(told: Told, deed: Deed, before: Person | None) -> Facts:
    """The facts of one deed; `before` is the person as the past had told it until this history."""
    if isinstance(deed, envelope.Traits):
        return _traits(told, deed, before or Person())
    made = _HANDLERS[type(deed)](told, deed)
    cart = told.state.cart
    if cart is not None and cart.touched_at > told.occurred:
        # What was put aside after an order was no part of it.
        return tuple(fact for fact in made if not isinstance(fact, facts.CartEmptied))
    return made


def _traits(told: Told, traits: envelope.Traits, before: Person) -> Facts:
    """What was heard live stays; what is missing, or came from a file itself, is as told now."""
    known = told.state.person
    news = {
        name: value
        for name, value in person.said(traits).items()
        if getattr(known, name) in ("", getattr(before, name))
    }
    after = replace(known, **news)
    return () if after == known else (facts.PersonChanged(after),)


def _account(told: Told, _event: events.SignedUp) -> Facts:
    opened = () if told.state.signed_up else (facts.SignedUp(),)
    known = told.state.registered_at is not None
    return opened if known else (*opened, facts.Registered(told.occurred or None))


def _consent(told: Told, event: events.ConsentUpdated) -> Facts:
    known = told.state.consents.get(event.purpose)
    if known is not None and known.at >= told.occurred:
        return ()
    granted, source, proof = event.state == "granted", event.source or "", event.proof or ""
    at = told.occurred or None
    return (facts.ConsentChanged(event.purpose, granted, source, at, proof),)


def _returned(told: Told, event: SentBack) -> Facts:
    """Pieces are looked for in the orders before, the newest first; what is left of none was bought
    before anything that is known.
    """
    left = {product_id: count for product_id, count in event.pieces.items() if count > 0}
    return (*_taken_back(told, left), *_unmatched(told, left))


def _unmatched(told: Told, left: dict[str, int]) -> Iterator[facts.AnyFact]:
    missing = {product_id: count for product_id, count in left.items() if count}
    if missing:
        yield facts.ReturnUnmatched(missing, told.occurred)


def _taken_back(told: Told, left: dict[str, int]) -> list[facts.AnyFact]:
    """What comes back of each order; it is taken out of `left`."""
    made: list[facts.AnyFact] = []
    known = told.state.orders.values()
    before = [one for one in known if one.bought and _bought_at(one) <= told.occurred]
    for order in sorted(before, key=lambda one: (-_bought_at(one), one.order_id)):
        there = _pieces(order)
        back = {i: min(left[i], count) for i, count in there.items() if left.get(i)}
        if not back:
            continue
        for product_id, count in back.items():
            left[product_id] -= count
        if back == there:
            made.append(facts.OrderRefunded(order.order_id, told.occurred))
        else:
            made.append(facts.ProductsReturned(order.order_id, back, told.occurred))
    return made


def _bought_at(order: Order) -> Instant:
    return order.placed_at or order.paid_at or Instant(0)


def _pieces(order: Order) -> dict[str, int]:
    """What is left of an order: a product may stand in several of its lines."""
    bought: dict[str, int] = {}
    for line in order.lines:
        bought[line.product_id] = bought.get(line.product_id, 0) + line.quantity
    left = {i: count - order.back.get(i, 0) for i, count in bought.items()}
    return {product_id: count for product_id, count in left.items() if count > 0}


_HANDLERS: Final[dict[type, Callable[[Told, Any], Facts]]] = {
    SentBack: _returned,
    events.SignedUp: _account,
    events.ConsentUpdated: _consent,
    events.OrderCompleted: orders.completed,
    events.OrderPaid: orders.paid,
    events.OrderFulfilled: orders.fulfilled,
    events.OrderDelivered: orders.delivered,
    events.OrderCancelled: orders.cancelled,
    events.OrderRefunded: orders.refunded,
}
