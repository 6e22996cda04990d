"""Triggers: what programmes listen to.

A trigger is made of a fact, not of an event, so an event that tells nothing new triggers nothing: a
payment reported twice pays once. Where a fact stands for a wire event, the trigger has its name; an
event that leaves no fact of its own, those of the shop's invention among them, triggers by its
name. Of our own making are `"Registered"`, `"Site Rated"`, `"Relevance Rated"`, `"Support Rated"`,
`"Review Earned"` (a first review of a product), `"First Order"` and `"Next Order"` (a purchase
counts), `"Products Returned"`, `"Product Bought"`, `"Sent k11"` (a mail was handed over),
`"Appointment Moved"`, `"Frequency Wished"`, `"Notice Kept"`, `"Became inactive"` and so on for each
tier, and `"Sign Of Life"`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, get_args

import msgspec

from ecrm import facts, matters
from ecrm.engagement import Tier
from ecrm.matters import AnyMatter, Refund, Review
from ecrm.moment import Instant
from ecrm.state import Order, State


class Trigger(msgspec.Struct, frozen=True, gc=False):
    """`occurred` is when it happened to the sender's knowledge; `refs` what it is about, and
    `matter` the same in full, where a mail may show it.
    """

    name: str
    occurred: Instant
    refs: dict[str, str] = {}
    about: str = ""
    matter: AnyMatter | None = None

    def __str__(self) -> str:
        return f"{self.name} {self.about}".strip()


def _order(name: str) -> Callable[[State, Any], Trigger]:
    def trigger(_state: State, fact: Any) -> Trigger:
        return Trigger(name, fact.occurred, {"order": fact.order_id}, fact.order_id)

    return trigger


def _placed(state: State, fact: facts.OrderPlaced) -> tuple[Trigger, ...]:
    return _purchase("Order Completed", state, fact.order, fact.order.placed_at)


def _paid(state: State, fact: facts.OrderPaid) -> tuple[Trigger, ...]:
    return _purchase("Order Paid", state, fact.order, fact.order.paid_at)


def _purchase(name: str, state: State, told: Order, at: Instant | None) -> tuple[Trigger, ...]:
    """What an order's event sets off: itself and, where the purchase counts by it, that."""
    at = at or state.now
    itself = Trigger(name, at, {"order": told.order_id}, told.order_id)
    order = state.orders.get(told.order_id, told)
    heard_before = order.placed_at is not None and order.paid_at is not None
    if heard_before or not order.bought:
        return (itself,)
    nth = "First Order" if state.purchases.count == 1 else "Next Order"
    bought = (
        Trigger("Product Bought", at, {"product": line.product_id}, line.product_id)
        for line in order.lines
    )
    # A next order concerns every stay, whatever order that is about: it names none.
    counted = Trigger(nth, at, {"order": told.order_id} if nth == "First Order" else {})
    return (itself, counted, *bought)


def _money_back(
    name: str,
) -> Callable[[State, facts.OrderRefunded | facts.ProductsReturned], tuple[Trigger, ...]]:
    def trigger(
        state: State, fact: facts.OrderRefunded | facts.ProductsReturned
    ) -> tuple[Trigger, ...]:
        order = state.orders.get(fact.order_id)
        whole = isinstance(fact, facts.OrderRefunded)
        amount = fact.amount
        if amount is None and whole and order is not None and order.total:
            amount = order.total
        currency = fact.currency or (order.currency if order is not None else "")
        refund = Refund(fact.order_id, amount, currency, whole)
        return (Trigger(name, fact.occurred, {"order": fact.order_id}, fact.order_id, refund),)

    return trigger


def _heard(state: State, fact: facts.Heard) -> tuple[Trigger, ...]:
    """A mail was handed over: what is to follow it may be set off (R26)."""
    if fact.outcome not in SENT or not fact.kind:
        return ()
    return (Trigger(f"Sent {fact.kind}", state.now, fact.refs, fact.kind),)


def _reviewed(state: State, fact: facts.ProductReviewed) -> tuple[Trigger, ...]:
    product_id = fact.product_id
    itself = Trigger("Product Reviewed", state.now, about=product_id)
    # What somebody writes about a thing that was never bought here earns nothing.
    if fact.again or product_id not in state.had:
        return (itself,)
    lines = (line for order in state.orders.values() for line in order.lines)
    name = next((line.name for line in lines if line.product_id == product_id), "")
    review = Review(product_id, name, fact.rating)
    earned = Trigger("Review Earned", state.now, {"product": product_id}, product_id, review)
    return (itself, earned)


def _surveyed(state: State, fact: facts.SurveyTaken) -> tuple[Trigger, ...]:
    match fact.survey:
        case "relevance":
            return (Trigger("Relevance Rated", state.now),)
        case "support":
            return (Trigger("Support Rated", state.now, {"ticket": fact.about}, fact.about),)
        case _:
            return ()


def _shipped(_state: State, fact: facts.OrderShipped) -> Trigger:
    parcel = fact.parcel
    refs = {"order": fact.order_id, "parcel": f"{fact.order_id}/{parcel.parcel_id}"}
    return Trigger("Order Fulfilled", parcel.shipped_at, refs, fact.order_id)


def _checkout(_state: State, fact: facts.CheckoutReached) -> Trigger | None:
    return Trigger("Checkout Started", fact.occurred) if fact.began else None


# As what an outcome of the queue counts as sent.
SENT: Final = frozenset(("accepted", "accepted_unknown"))

_MAKERS: Final[dict[type, Callable[[State, Any], Trigger | tuple[Trigger, ...] | None]]] = {
    facts.SignedUp: lambda state, _: Trigger("Signed Up", state.now),
    facts.Registered: lambda state, _: Trigger("Registered", state.now),
    facts.AccountClosed: lambda state, _: Trigger("Account Deleted", state.now),
    facts.Heard: _heard,
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
    facts.OrderRefunded: _money_back("Order Refunded"),
    facts.ProductsReturned: _money_back("Products Returned"),
    facts.ProductReviewed: _reviewed,
    facts.SiteRated: lambda state, fact: Trigger(
        "Site Rated", state.now, {"order": fact.order_id}, fact.order_id
    ),
    facts.SurveyTaken: _surveyed,
    facts.FrequencyWished: lambda state, _: Trigger("Frequency Wished", state.now),
    facts.Raised: lambda _, fact: Trigger(
        fact.trigger, fact.occurred, fact.refs, next(iter(fact.refs.values()), ""), fact.matter
    ),
    facts.Assessed: lambda state, fact: (
        Trigger(f"Became {fact.tier}", state.now) if fact.tier != fact.before else None
    ),
    facts.CameBack: lambda state, _: Trigger("Sign Of Life", state.now),
    facts.NoticeKept: lambda state, fact: Trigger(
        "Notice Kept", state.now, {"cadence": fact.cadence}, fact.cadence
    ),
}

# What a trigger brings along for a mail to show, where it brings something.
MATTERS: Final[dict[str, type[matters.Matter]]] = {
    "Invoice Issued": matters.Invoice,
    "Invoice Overdue": matters.Invoice,
    "Invoice Paid": matters.Invoice,
    "Payment Failed": matters.FailedPayment,
    "Order Refunded": matters.Refund,
    "Products Returned": matters.Refund,
    "Verification Code Requested": matters.Code,
    "Password Reset Requested": matters.Reset,
    "Login Attempted": matters.Login,
    "Email Changed": matters.AddressChange,
    "Account Updated": matters.AccountChange,
    "Comment Posted": matters.Comment,
    "Appointment Scheduled": matters.Appointment,
    "Shipment Updated": matters.Carriage,
    "Support Ticket Opened": matters.Ticket,
    "Support Ticket Updated": matters.Ticket,
    "Support Ticket Closed": matters.Ticket,
    "Invite Sent": matters.Invitation,
    "Review Earned": matters.Review,
    "Product Released": matters.Release,
    "Campaign Launched": matters.Campaign,
}

# Triggers that come from facts alone: the event of that name does not trigger by itself.
FROM_FACTS: Final = frozenset((
    "Signed Up", "Registered", "Account Deleted", "Product Added", "Checkout Started",
    "Cart Emptied", "Order Completed", "Order Paid", "Order Prepared", "Order Fulfilled",
    "Order Delivered", "Delivery Failed", "Order Cancelled", "Order Refunded",
    "Product Reviewed", "Site Rated",
    "Email Changed", "Account Updated", "Invoice Issued", "Invoice Overdue", "Invoice Paid",
    "Payment Failed", "Verification Code Requested", "Password Reset Requested",
    "Login Attempted", "Comment Posted", "Appointment Scheduled", "Appointment Cancelled",
    "Shipment Updated", "Support Ticket Opened", "Support Ticket Updated",
    "Support Ticket Closed", "Invite Sent", "Product Released", "Campaign Launched",
    "Relevance Rated", "Support Rated", "Review Earned", "First Order", "Next Order",
    "Products Returned", "Product Bought", "Notice Kept", "Sign Of Life", "Frequency Wished",
    "Appointment Moved", *(f"Became {tier}" for tier in get_args(Tier)),
))  # fmt: skip

# A mail that was handed over, by its number of mission §8.
_SENT_MAIL: Final = re.compile(r"Sent k\d+")


def is_ours(name: str) -> bool:
    """Does this trigger come from facts alone, so that no event of its name may stand for it?"""
    return name in FROM_FACTS or _SENT_MAIL.fullmatch(name) is not None


def triggers_of(state: State, fact: facts.AnyFact) -> tuple[Trigger, ...]:
    """What a fact of the world sets off, given the state right after it."""
    if isinstance(fact, facts.Happened):
        if is_ours(fact.event):
            return ()
        return (Trigger(fact.event, fact.occurred),)
    if isinstance(fact, facts.Inherited):
        return _inherited(fact)
    maker = _MAKERS.get(type(fact))
    made = maker(state, fact) if maker is not None else None
    return () if made is None else made if isinstance(made, tuple) else (made,)


def _inherited(fact: facts.Inherited) -> tuple[Trigger, ...]:
    """A cart that came along is as if it had been filled here at the time."""
    cart = fact.cart if fact.legacy is None else fact.legacy.cart
    if cart is None or not cart.lines:
        return ()
    added = Trigger("Product Added", cart.touched_at)
    if not cart.step:
        return (added,)
    return (added, Trigger("Checkout Started", cart.touched_at))
