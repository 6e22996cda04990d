"""The cart: what is put aside, what was looked at, how far the checkout came."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from ecrm import facts
from ecrm.acceptance.told import Facts, Told
from proto import events

_REACHED: Final = ("", "start", *events.STEPS)


def _is_past(told: Told) -> bool:
    """Does this cart event tell of what an order has taken, or the shop emptied, since?"""
    last = told.state.purchases.last_at
    return (last is not None and told.occurred <= last) or told.occurred < told.state.emptied_at


def added(told: Told, event: events.ProductAdded) -> Facts:
    if _is_past(told):
        return ()
    currency = event.currency or told.currency
    line = told.line(event, currency)
    cart = told.state.cart
    if cart is not None and cart.currency not in ("", currency):
        # A sum in two currencies is none: the line is shown without its price.
        line = replace(line, price=0)
    return (facts.LinePut(event.cart_id or "", currency, line, told.occurred),)


def removed(told: Told, event: events.ProductRemoved) -> Facts:
    cart = told.state.cart
    line = next((x for x in cart.lines if x.product_id == event.product_id), None) if cart else None
    if cart is None or line is None:
        return ()
    quantity = event.quantity or line.quantity
    if len(cart.lines) == 1 and quantity >= line.quantity:
        return (facts.CartEmptied("Product Removed"),)
    return (facts.LineTaken(event.product_id, quantity, told.occurred),)


def emptied(told: Told, _event: events.CartEmptied) -> Facts:
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
    lines = told.lines(products, known)
    if cart is not None and cart.lines == lines:
        return ()
    return (facts.CartReplaced(cart_id or "", known, lines, told.occurred),)


def cart_viewed(told: Told, event: events.CartViewed) -> Facts:
    if _is_past(told):
        return ()
    return _whole_cart(told, event.cart_id, event.currency, event.products)


def checkout_started(told: Told, event: events.CheckoutStarted) -> Facts:
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


def step(
    told: Told,
    event: events.CheckoutStepViewed | events.CheckoutStepCompleted | events.PaymentInfoEntered,
) -> Facts:
    paying = isinstance(event, events.PaymentInfoEntered)
    step = "payment" if paying else event.named
    if not step or _is_past(told):
        return ()
    return (_reached(told, event.cart_id, step),)


def browsed(told: Told, _event: events.Event) -> Facts:
    cart = told.state.cart
    if cart is None or cart.browsed or not cart.lines or told.occurred < cart.touched_at:
        return ()
    return (facts.Browsed(told.occurred),)


def viewed(told: Told, event: events.ProductViewed) -> Facts:
    """A product was looked at; told again and again, it was looked at once."""
    currency = event.currency or told.currency
    line = replace(told.line(event, currency), quantity=1)
    if currency != told.currency:
        # What was looked at is shown in one list, in the shop's currency.
        line = replace(line, price=0)
    known = told.state.viewed[-1:] == (line,)
    return (*browsed(told, event), *(() if known else (facts.Viewed(line),)))
