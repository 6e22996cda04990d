"""Acceptance: what an accepted event says happened, as facts about the world.

Events come late, twice and out of order, so nothing here trusts their order of arrival:
- what is known already makes no fact: an order paid twice was paid once;
- an order empties the cart, whichever of its events is heard first;
- what was put into the cart before the last order was part of it, and what is older than the cart
  does not replace it (wire §1);
- what is over (an invoice that was paid, a date that was cancelled) does not begin again.

Nothing is decided here about mails; `ecrm/turn.py` answers these facts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from ecrm import facts
from ecrm.acceptance import cart, orders, person, said
from ecrm.acceptance.told import Facts, Told
from ecrm.catalogue import EMPTY, Shelf
from ecrm.moment import HOUR, CustomerId, Instant
from ecrm.state import VISITOR, State
from proto import envelope, events

# How far back an order that comes with a visitor's life still speaks for the cart (wire §1).
STILL_SPEAKS: Final = 72 * HOUR

secret_of = said.secret_of


def accept(
    state: State, message: envelope.Message, now: Instant, currency: str, shelf: Shelf = EMPTY
) -> Facts:
    """The facts an event makes, `Happened` first; `currency` is the shop's own, `shelf` what the
    catalogue knows of the products that are named.
    """
    occurred = min(Instant(message.timestamp), now)
    happened = facts.Happened(
        at=now, event=message.event_name, occurred=occurred, life=_is_life(message)
    )
    handler = _HANDLERS.get(type(message.event))
    told = Told(state, occurred, currency, shelf)
    made = handler(told, message.event) if handler is not None else ()
    return (happened, *_recognised(state, message), *made)


# What only the person does, and so tells that there is somebody (mission §9.3). Orders, reviews and
# answers tell it by facts of their own.
_LIFE: Final = frozenset((
    "Products Searched", "Product List Viewed", "Product Viewed", "Product Added",
    "Product Removed", "Cart Viewed", "Checkout Started", "Checkout Step Viewed",
    "Checkout Step Completed", "Payment Info Entered", "Coupon Entered", "Signed Up", "Signed In",
    "Product Added to Wishlist", "Product Removed from Wishlist", "Invite Sent",
    "Verification Code Requested", "Password Reset Requested",
))  # fmt: skip


def _is_life(message: envelope.Message) -> bool:
    event = message.event
    if isinstance(event, events.LoginAttempted):
        return event.success
    return message.kind == "page" or message.event_name in _LIFE


def _recognised(state: State, message: envelope.Message) -> Facts:
    """Who says at once who they are and who they were is one person from now on. Segment's
    libraries put both ids on whatever they track: that says it too, the first time.
    """
    was = message.previous_id if message.kind == "alias" else message.anonymous_id
    if not was or not message.user_id:
        return ()
    visitor = facts.Recognised(CustomerId(f"{VISITOR}{was}"))
    match message.kind:
        case "identify":
            return (visitor,)
        case "alias":
            # A browser may name its own visitor, never another person's id.
            may_join = message.source != "publishable" and was != state.customer_id
            return (visitor, facts.Joined(CustomerId(was))) if may_join else (visitor,)
        case _:
            return () if visitor.visitor in state.visitors else (visitor,)


_HANDLERS: Final[dict[type, Callable[[Told, Any], Facts]]] = {
    envelope.Traits: person.identified,
    events.SignedUp: person.signed_up,
    events.AccountDeleted: person.closed,
    events.EmailChanged: person.email_changed,
    events.ConsentUpdated: person.consent,
    events.PreferenceUpdated: person.preferred,
    events.ProductAdded: cart.added,
    events.ProductRemoved: cart.removed,
    events.CartEmptied: cart.emptied,
    events.CartViewed: cart.cart_viewed,
    events.CheckoutStarted: cart.checkout_started,
    events.CheckoutStepViewed: cart.step,
    events.CheckoutStepCompleted: cart.step,
    events.PaymentInfoEntered: cart.step,
    events.ProductsSearched: cart.browsed,
    events.ProductListViewed: cart.browsed,
    events.ProductViewed: cart.viewed,
    events.OrderCompleted: orders.completed,
    events.OrderPaid: orders.paid,
    events.OrderUpdated: orders.updated,
    events.OrderPrepared: orders.prepared,
    events.OrderFulfilled: orders.fulfilled,
    events.OrderDelivered: orders.delivered,
    events.ShipmentUpdated: orders.shipment,
    events.OrderCancelled: orders.cancelled,
    events.OrderRefunded: orders.refunded,
    events.ProductReviewed: said.reviewed,
    events.SurveyAnswered: said.answered,
    events.InvoiceIssued: said.issued,
    events.InvoiceOverdue: said.overdue,
    events.InvoicePaid: said.settled,
    events.PaymentFailed: said.payment_failed,
    events.VerificationCodeRequested: said.secret_asked,
    events.PasswordResetRequested: said.secret_asked,
    events.LoginAttempted: said.login,
    events.AccountUpdated: said.account_updated,
    events.CommentPosted: said.commented,
    events.AppointmentScheduled: said.scheduled,
    events.AppointmentCancelled: said.unscheduled,
    events.SupportTicketOpened: said.ticket,
    events.SupportTicketUpdated: said.ticket,
    events.SupportTicketClosed: said.ticket,
    events.InviteSent: said.invited,
}
