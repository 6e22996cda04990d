"""Triggers: what programmes listen to.

A trigger is made of a fact, not of an event, so an event that tells nothing new triggers nothing: a
payment reported twice pays once. Where a fact stands for a wire event, the trigger has its name;
`"Registered"` and `"Site Rated"` are of our own making. An event that leaves no fact of its own,
those of the shop's invention among them, triggers by its name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from ecrm import facts
from ecrm.moment import Instant
from ecrm.state import State


class Trigger(msgspec.Struct, frozen=True, gc=False):
    """`occurred` is when it happened to the sender's knowledge; `refs` what it is about."""

    name: str
    occurred: Instant
    refs: dict[str, str] = {}
    about: str = ""

    def __str__(self) -> str:
        return f"{self.name} {self.about}".strip()


def _order(name: str) -> Callable[[State, Any], Trigger]:
    def trigger(_state: State, fact: Any) -> Trigger:
        return Trigger(name, fact.occurred, {"order": fact.order_id}, fact.order_id)

    return trigger


def _placed(_state: State, fact: facts.OrderPlaced) -> Trigger:
    order = fact.order
    return Trigger(
        "Order Completed", order.placed_at or _state.now, {"order": order.order_id}, order.order_id
    )


def _paid(state: State, fact: facts.OrderPaid) -> Trigger:
    order = fact.order
    return Trigger(
        "Order Paid", order.paid_at or state.now, {"order": order.order_id}, order.order_id
    )


def _shipped(_state: State, fact: facts.OrderShipped) -> Trigger:
    parcel = fact.parcel
    refs = {"order": fact.order_id, "parcel": f"{fact.order_id}/{parcel.parcel_id}"}
    return Trigger("Order Fulfilled", parcel.shipped_at, refs, fact.order_id)


def _checkout(_state: State, fact: facts.CheckoutReached) -> Trigger | None:
    return Trigger("Checkout Started", fact.occurred) if fact.began else None


_MAKERS: Final[dict[type, Callable[[State, Any], Trigger | None]]] = {
    facts.SignedUp: lambda state, _: Trigger("Signed Up", state.now),
    facts.Registered: lambda state, _: Trigger("Registered", state.now),
    facts.LinePut: lambda _, fact: Trigger("Product Added", fact.occurred),
    facts.CheckoutReached: _checkout,
    facts.CartEmptied: lambda state, fact: Trigger(
        "Cart Emptied", state.now, about=f"by {fact.because}"
    ),
    facts.OrderPlaced: _placed,
    facts.OrderPaid: _paid,
    facts.OrderPrepared: _order("Order Prepared"),
    facts.OrderShipped: _shipped,
    facts.ParcelDelivered: _order("Order Delivered"),
    facts.ParcelFailed: _order("Delivery Failed"),
    facts.OrderCancelled: _order("Order Cancelled"),
    facts.OrderRefunded: _order("Order Refunded"),
    facts.ProductReviewed: lambda state, fact: Trigger(
        "Product Reviewed", state.now, about=fact.product_id
    ),
    facts.SiteRated: lambda state, fact: Trigger(
        "Site Rated", state.now, {"order": fact.order_id}, fact.order_id
    ),
}

# Triggers that come from facts alone: the event of that name does not trigger by itself.
FROM_FACTS: Final = frozenset((
    "Signed Up", "Registered", "Product Added", "Checkout Started", "Cart Emptied",
    "Order Completed", "Order Paid", "Order Prepared", "Order Fulfilled", "Order Delivered",
    "Delivery Failed", "Order Cancelled", "Order Refunded", "Product Reviewed", "Site Rated",
))  # fmt: skip


def triggers_of(state: State, fact: facts.AnyFact) -> tuple[Trigger, ...]:
    """What a fact of the world sets off, given the state right after it."""
    if isinstance(fact, facts.Happened):
        if fact.event in FROM_FACTS:
            return ()
        return (Trigger(fact.event, fact.occurred),)
    if isinstance(fact, facts.Inherited):
        return _inherited(fact)
    maker = _MAKERS.get(type(fact))
    trigger = maker(state, fact) if maker is not None else None
    return () if trigger is None else (trigger,)


def _inherited(fact: facts.Inherited) -> tuple[Trigger, ...]:
    """A cart that came along is as if it had been filled here at the time."""
    if fact.cart is None or not fact.cart.lines:
        return ()
    added = Trigger("Product Added", fact.cart.touched_at)
    if not fact.cart.step:
        return (added,)
    return (added, Trigger("Checkout Started", fact.cart.touched_at))
