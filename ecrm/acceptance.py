"""Acceptance: what an accepted event says happened, as facts about the world.

Events come late, twice and out of order, so nothing here trusts their order of arrival:
- what is known already makes no fact: an order paid twice was paid once;
- an order empties the cart, whichever of its events is heard first;
- what was put into the cart before the last order was part of it, and what is older than the cart
  does not replace it (wire §1).

Nothing is decided here about mails; `ecrm/turn.py` answers these facts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from ecrm import calendar, facts, money
from ecrm.moment import HOUR, CustomerId, Instant, days
from ecrm.pressure import WEEK
from ecrm.state import VISITOR, Line, Order, Parcel, Person, State, Wish, total_of
from proto import envelope, events

Facts = tuple[facts.AnyFact, ...]

# How far back an order that comes with a visitor's life still speaks for the cart (wire §1).
STILL_SPEAKS: Final = 72 * HOUR

_REACHED: Final = ("", "start", *events.STEPS)
_FAILED: Final = frozenset(("failed", "failure", "exception", "lost", "returned", "undeliverable"))


class Told(msgspec.Struct, frozen=True, gc=False):
    """One event in its context: who has said it about whom, when, in a shop of which currency."""

    state: State
    occurred: Instant
    currency: str


def accept(state: State, message: envelope.Message, now: Instant, currency: str) -> Facts:
    """The facts an event makes, `Happened` first; `currency` is the shop's own."""
    occurred = min(Instant(message.timestamp), now)
    happened = facts.Happened(at=now, event=message.event_name, occurred=occurred)
    handler = _HANDLERS.get(type(message.event))
    made = handler(Told(state, occurred, currency), message.event) if handler is not None else ()
    return (happened, *_recognised(message), *made)


def _recognised(message: envelope.Message) -> Facts:
    """Who says at once who they are and who they were is one person from now on."""
    was = message.anonymous_id if message.kind == "identify" else message.previous_id
    if message.kind not in ("identify", "alias") or not was or not message.user_id:
        return ()
    return (facts.Recognised(CustomerId(f"{VISITOR}{was}")),)


# The person.


def _identified(told: Told, traits: envelope.Traits) -> Facts:
    before = told.state.person
    address = traits.address
    zone = traits.timezone or ""
    said = {
        "email": traits.email,
        "first_name": traits.first_name,
        "last_name": traits.last_name,
        "phone": traits.phone,
        "birthday": traits.birthday,
        "gender": traits.gender,
        "country": address.country if address else None,
        "locale": traits.locale,
        # A zone that no calendar knows would silence the quiet hours: the shop's own is better.
        "zone": zone if calendar.zone_of(zone) else None,
    }
    after = replace(before, **{name: str(value) for name, value in said.items() if value})
    return (*_person(before, after), *_registered(told.state, after, signed_up=False))


def _person(before: Person, after: Person) -> Facts:
    return () if before == after else (facts.PersonChanged(after),)


def _registered(state: State, person: Person, *, signed_up: bool) -> Facts:
    account = state.signed_up or signed_up
    new = account and person.email and state.registered_at is None
    return (facts.Registered(),) if new else ()


def _signed_up(told: Told, event: events.SignedUp) -> Facts:
    before = told.state.person
    after = replace(
        before,
        email=before.email or event.email or "",
        first_name=before.first_name or event.first_name or "",
        last_name=before.last_name or event.last_name or "",
    )
    opened = () if told.state.signed_up else (facts.SignedUp(),)
    registered = _registered(told.state, after, signed_up=True)
    return (*_person(before, after), *opened, *registered)


def _email_changed(told: Told, event: events.EmailChanged) -> Facts:
    before = told.state.person
    after = replace(before, email=event.new_email)
    return (*_person(before, after), *_registered(told.state, after, signed_up=False))


def _consent(_told: Told, event: events.ConsentUpdated) -> Facts:
    granted = event.state == "granted"
    return (facts.ConsentChanged(event.purpose, granted, event.source or ""),)


# A month of the calendar has no fixed length; thirty days keep "any window" exact.
_FREQUENCIES: Final = {
    "daily": Wish(7, WEEK),
    "weekly": Wish(1, WEEK),
    "monthly": Wish(1, days(30)),
    "never": Wish(0, WEEK),
    "off": Wish(0, WEEK),
}


def _preferred(told: Told, event: events.PreferenceUpdated) -> Facts:
    frequency = event.frequency
    if isinstance(frequency, int):
        wish: Wish | None = Wish(frequency, WEEK)
    else:
        wish = _FREQUENCIES.get((frequency or "").strip().casefold())
    if wish is None or wish == told.state.wish:
        return ()
    return (facts.FrequencyWished(wish),)


# The cart.


def _line(product: events.Product, currency: str) -> Line:
    return Line(
        product_id=product.product_id,
        quantity=product.quantity or 1,
        price=money.minor_units(product.price or 0, currency),
        name=product.name or "",
        variant=product.variant or "",
        category=product.category or "",
        url=product.url or "",
        image_url=product.image_url or "",
    )


def _lines(products: tuple[events.Product, ...], currency: str) -> tuple[Line, ...]:
    return tuple(_line(product, currency) for product in products)


def _is_past(told: Told) -> bool:
    """Does this cart event tell of what an order has taken, or the shop emptied, since?"""
    last = told.state.purchases.last_at
    return (last is not None and told.occurred <= last) or told.occurred < told.state.emptied_at


def _added(told: Told, event: events.ProductAdded) -> Facts:
    if _is_past(told):
        return ()
    currency = event.currency or told.currency
    line = _line(event, currency)
    cart = told.state.cart
    if cart is not None and cart.currency not in ("", currency):
        # A sum in two currencies is none: the line is shown without its price.
        line = replace(line, price=0)
    return (facts.LinePut(event.cart_id or "", currency, line, told.occurred),)


def _removed(told: Told, event: events.ProductRemoved) -> Facts:
    cart = told.state.cart
    line = next((x for x in cart.lines if x.product_id == event.product_id), None) if cart else None
    if cart is None or line is None:
        return ()
    quantity = event.quantity or line.quantity
    if len(cart.lines) == 1 and quantity >= line.quantity:
        return (facts.CartEmptied("Product Removed"),)
    return (facts.LineTaken(event.product_id, quantity, told.occurred),)


def _emptied(told: Told, _event: events.CartEmptied) -> Facts:
    cart = told.state.cart
    known = told.state.emptied_at if cart is None else cart.touched_at
    # Heard before what it emptied, it is remembered: what comes late must not fill the cart again.
    if told.occurred < known or (cart is None and told.occurred == known):
        return ()
    return (facts.CartEmptied("Cart Emptied", told.occurred),)


def _whole_cart(
    told: Told,
    cart_id: str | None,
    currency: str | None,
    products: tuple[events.Product, ...],
) -> Facts:
    """The cart as the shop tells it, unless ours is newer or the same."""
    cart = told.state.cart
    if not products or (cart is not None and told.occurred < cart.touched_at):
        return ()
    known = currency or (cart.currency if cart else "") or told.currency
    lines = _lines(products, known)
    if cart is not None and cart.lines == lines:
        return ()
    return (facts.CartReplaced(cart_id or "", known, lines, told.occurred),)


def _cart_viewed(told: Told, event: events.CartViewed) -> Facts:
    if _is_past(told):
        return ()
    return _whole_cart(told, event.cart_id, event.currency, event.products)


def _checkout_started(told: Told, event: events.CheckoutStarted) -> Facts:
    if _is_past(told):
        return ()
    lines = _whole_cart(told, event.cart_id, event.currency, event.products)
    return (*lines, _reached(told, event.cart_id, "start", began=True))


def _reached(
    told: Told, cart_id: str | None, step: str, *, began: bool = False
) -> facts.CheckoutReached:
    cart = told.state.cart
    so_far = cart.step if cart else ""
    furthest = max(so_far, step, key=_REACHED.index)
    began = began or not so_far
    return facts.CheckoutReached(cart_id or "", furthest, told.occurred, began)


def _step(
    told: Told,
    event: events.CheckoutStepViewed | events.CheckoutStepCompleted | events.PaymentInfoEntered,
) -> Facts:
    paying = isinstance(event, events.PaymentInfoEntered)
    step = "payment" if paying else event.named
    if not step or _is_past(told):
        return ()
    return (_reached(told, event.cart_id, step),)


def _browsed(told: Told, _event: events.Event) -> Facts:
    cart = told.state.cart
    if cart is None or cart.browsed or not cart.lines or told.occurred < cart.touched_at:
        return ()
    return (facts.Browsed(told.occurred),)


# The orders.


def _order(event: Any, currency: str) -> Order:
    known = event.currency or currency
    lines = _lines(event.products, known)
    told = event.total if event.total is not None else event.revenue
    total = money.minor_units(told, known) if told is not None else 0

    def amount(value: float | None) -> int | None:
        return None if value is None else money.minor_units(value, known)

    return Order(
        order_id=event.order_id,
        currency=known,
        lines=lines,
        total=total or total_of(lines),
        shipping=amount(event.shipping),
        tax=amount(event.tax),
        discount=amount(event.discount),
        payment_method=event.payment_method or "",
    )


def _bought(told: Told, because: str) -> Facts:
    """People who have bought are not reminded of what they bought: the cart is theirs now."""
    return () if told.state.cart is None else (facts.CartEmptied(because),)


def _first_news(told: Told, order_id: str, event: str) -> Facts:
    """Whatever is heard first of an order, there is one: its cart was bought."""
    return () if order_id in told.state.orders else _bought(told, f"{event} {order_id}")


def _completed(told: Told, event: events.OrderCompleted) -> Facts:
    known = told.state.orders.get(event.order_id)
    if known is not None and known.placed_at is not None:
        return ()
    order = replace(_order(event, told.currency), placed_at=told.occurred)
    first_heard = known is None or not known.bought
    emptied = _bought(told, f"Order Completed {event.order_id}") if first_heard else ()
    return (facts.OrderPlaced(order), *emptied)


def _paid(told: Told, event: events.OrderPaid) -> Facts:
    known = told.state.orders.get(event.order_id)
    if known is not None and known.paid_at is not None:
        return ()
    order = replace(_order(event, told.currency), paid_at=told.occurred)
    if known is not None and known.lines and not event.products:
        order = replace(order, lines=known.lines)
    first_heard = known is None or not known.bought
    emptied = _bought(told, f"Order Paid {event.order_id}") if first_heard else ()
    return (facts.OrderPaid(order), *emptied)


def _updated(told: Told, event: events.OrderUpdated) -> Facts:
    if event.order_id not in told.state.orders:
        return _first_news(told, event.order_id, "Order Updated")
    return (facts.OrderUpdated(_order(event, told.currency)),)


def _prepared(told: Told, event: events.OrderPrepared) -> Facts:
    known = told.state.orders.get(event.order_id)
    if known is not None and known.prepared_at is not None:
        return ()
    emptied = _first_news(told, event.order_id, "Order Prepared")
    return (facts.OrderPrepared(event.order_id, told.occurred), *emptied)


def _fulfilled(told: Told, event: events.OrderFulfilled) -> Facts:
    known = told.state.orders.get(event.order_id)
    parcel_id = event.fulfillment_id or event.tracking_number or "1"
    if known is not None and any(p.parcel_id == parcel_id for p in known.parcels):
        return ()
    parcel = Parcel(
        parcel_id=parcel_id,
        shipped_at=told.occurred,
        carrier=event.carrier or "",
        tracking_number=event.tracking_number or "",
        tracking_url=event.tracking_url or "",
    )
    emptied = _first_news(told, event.order_id, "Order Fulfilled")
    return (facts.OrderShipped(event.order_id, parcel), *emptied)


def _delivered(told: Told, event: events.OrderDelivered) -> Facts:
    at = told.occurred
    if event.delivered_at is not None:
        at = min(at, Instant(round(event.delivered_at.timestamp() * 1_000)))
    return _parcel_delivered(told, event.order_id, event.fulfillment_id or "", at)


def _parcel_delivered(told: Told, order_id: str, parcel_id: str, at: Instant) -> Facts:
    order = told.state.orders.get(order_id)
    parcels = [p for p in order.parcels if parcel_id in ("", p.parcel_id)] if order else []
    if parcels and all(p.delivered_at is not None for p in parcels):
        return ()
    emptied = _first_news(told, order_id, "Order Delivered")
    return (facts.ParcelDelivered(order_id, parcel_id, at), *emptied)


def _shipment(told: Told, event: events.ShipmentUpdated) -> Facts:
    status = event.status.strip().casefold().replace(" ", "_")
    parcel_id = event.fulfillment_id or ""
    if status == "delivered":
        return _parcel_delivered(told, event.order_id, parcel_id, told.occurred)
    if status in _FAILED or status.endswith(("_failed", "_failure")):
        return (facts.ParcelFailed(event.order_id, parcel_id, event.status, told.occurred),)
    return ()


def _cancelled(told: Told, event: events.OrderCancelled) -> Facts:
    known = told.state.orders.get(event.order_id)
    if known is not None and known.cancelled_at is not None:
        return ()
    return (facts.OrderCancelled(event.order_id, told.occurred),)


def _refunded(told: Told, event: events.OrderRefunded) -> Facts:
    known = told.state.orders.get(event.order_id)
    if known is not None and known.refunded_at is not None:
        return ()
    if known is not None:
        pieces = _pieces(known, event.products)
        if _is_partial(known, event, pieces, told.currency):
            return (facts.ProductsReturned(event.order_id, pieces, told.occurred),)
    return (facts.OrderRefunded(event.order_id, told.occurred),)


def _pieces(order: Order, products: tuple[events.Product, ...]) -> dict[str, int]:
    """How many of each product a refund names; all of them where it does not count."""
    bought = {line.product_id: line.quantity for line in order.lines}
    pieces = {p.product_id: p.quantity or bought.get(p.product_id, 1) for p in products}
    return {product_id: n for product_id, n in pieces.items() if product_id in bought}


def _is_partial(
    order: Order, event: events.OrderRefunded, pieces: dict[str, int], currency: str
) -> bool:
    """Is something of the order left after this refund, by products or else by amount?"""
    if event.products and order.lines:
        back = {i: order.back.get(i, 0) + pieces.get(i, 0) for i in (*order.back, *pieces)}
        return any(line.quantity > back.get(line.product_id, 0) for line in order.lines)
    if event.total is None:
        return bool(event.products)
    return money.minor_units(event.total, order.currency or currency) < order.total


# What people say.


def _reviewed(_told: Told, event: events.ProductReviewed) -> Facts:
    return (facts.ProductReviewed(event.product_id, round(event.rating or 0)),)


def _answered(_told: Told, event: events.SurveyAnswered) -> Facts:
    # The parcel question's survey is named after its order: "site/42".
    kind, _, order_id = event.survey_id.partition("/")
    if kind != "site":
        return ()
    return (facts.SiteRated(order_id, round(event.score or 0)),)


_HANDLERS: Final[dict[type, Callable[[Told, Any], Facts]]] = {
    envelope.Traits: _identified,
    events.SignedUp: _signed_up,
    events.EmailChanged: _email_changed,
    events.ConsentUpdated: _consent,
    events.PreferenceUpdated: _preferred,
    events.ProductAdded: _added,
    events.ProductRemoved: _removed,
    events.CartEmptied: _emptied,
    events.CartViewed: _cart_viewed,
    events.CheckoutStarted: _checkout_started,
    events.CheckoutStepViewed: _step,
    events.CheckoutStepCompleted: _step,
    events.PaymentInfoEntered: _step,
    events.ProductsSearched: _browsed,
    events.ProductListViewed: _browsed,
    events.ProductViewed: _browsed,
    events.OrderCompleted: _completed,
    events.OrderPaid: _paid,
    events.OrderUpdated: _updated,
    events.OrderPrepared: _prepared,
    events.OrderFulfilled: _fulfilled,
    events.OrderDelivered: _delivered,
    events.ShipmentUpdated: _shipment,
    events.OrderCancelled: _cancelled,
    events.OrderRefunded: _refunded,
    events.ProductReviewed: _reviewed,
    events.SurveyAnswered: _answered,
}
