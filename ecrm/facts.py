"""Facts: what happened in a customer's life and what was decided about it.

The journal is made of these, so they only grow (law 12): a new field has a default, a type is
never renamed or removed, and golden files of old facts are replayed in the tests for ever. The
first fact of every turn says what the turn was about and at what instant (`at`); the facts after
it happened at that same instant. `occurred` is the sender's instant where the business cares.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from ecrm.mail import Mail
from ecrm.moment import CustomerId, Instant
from ecrm.state import Cart, Consent, Enrolment, Line, Order, Parcel, Person, Wish

Reason = Literal[
    "consent",  # the legal basis is missing
    "cap",  # enough marketing mails lately
    "quiet_hours",  # it would have had to leave at night
    "arbitration",  # another mail had precedence
    "condition",  # the step's own condition did not hold
    "deadline",  # it came too late to make sense
    "stop_condition",  # what it was for has happened, or became pointless
    "missing_data",  # no address, nothing to show
    "suppression",  # the address may not be written to
    "switched_off",  # the programme or the step is gone or switched off
]


class Fact(msgspec.Struct, frozen=True, gc=False, tag=True, omit_defaults=True):
    """The root of all facts."""


# What a turn is about: always the first fact of it.


class Happened(Fact, frozen=True, gc=False):
    """An event was accepted; `event` is its wire name."""

    at: Instant
    event: str
    occurred: Instant


class Ticked(Fact, frozen=True, gc=False):
    """The alarm rang."""

    at: Instant


class Heard(Fact, frozen=True, gc=False):
    """Delivery reported what became of a mail; `outcome` is a terminal state of its queue."""

    at: Instant
    mail_id: str
    outcome: str
    response: str = ""
    kind: str = ""
    key: str = ""


class Bound(Fact, frozen=True, gc=False):
    """The visitor is a known person from now on; its life moves there."""

    at: Instant
    to: CustomerId
    cart: Cart | None = None
    consents: dict[str, Consent] = {}
    orders: dict[str, Order] = {}
    stays: dict[str, Enrolment] = {}


class Inherited(Fact, frozen=True, gc=False):
    """A visitor's life came to this person."""

    at: Instant
    origin: CustomerId
    cart: Cart | None = None
    consents: dict[str, Consent] = {}
    orders: dict[str, Order] = {}


# The person.


class Recognised(Fact, frozen=True, gc=False):
    """A visitor turned out to be this person (wire §1)."""

    visitor: CustomerId


class PersonChanged(Fact, frozen=True, gc=False):
    person: Person


class SignedUp(Fact, frozen=True, gc=False):
    """An account was opened."""


class Registered(Fact, frozen=True, gc=False):
    """There is an account and an address to write to (R8): whichever came last."""


class ConsentChanged(Fact, frozen=True, gc=False):
    purpose: str
    granted: bool
    source: str = ""


class FrequencyWished(Fact, frozen=True, gc=False):
    """The person said how often to write (R51): it is obeyed from now on."""

    wish: Wish


# The cart.


class LinePut(Fact, frozen=True, gc=False):
    """A product was put into the cart; the quantity adds to what is there."""

    cart_id: str
    currency: str
    line: Line
    occurred: Instant


class LineTaken(Fact, frozen=True, gc=False):
    product_id: str
    quantity: int
    occurred: Instant


class CartReplaced(Fact, frozen=True, gc=False):
    """The shop told the whole cart."""

    cart_id: str
    currency: str
    lines: tuple[Line, ...]
    occurred: Instant


class CartEmptied(Fact, frozen=True, gc=False):
    """Nothing is in it any more; `occurred` where the shop said so, not an order."""

    because: str
    occurred: Instant = Instant(0)


class CheckoutReached(Fact, frozen=True, gc=False):
    """A checkout began (`began`) or went on; `step` is the furthest it came."""

    cart_id: str
    step: str
    occurred: Instant
    began: bool = False


class Browsed(Fact, frozen=True, gc=False):
    """Products were looked at after the cart's last change."""

    occurred: Instant


# The orders.


class OrderPlaced(Fact, frozen=True, gc=False):
    order: Order


class OrderPaid(Fact, frozen=True, gc=False):
    """The payment was authorised (R54); the order is as far as the payment event tells."""

    order: Order


class OrderUpdated(Fact, frozen=True, gc=False):
    """The shop told more about an order, or something else."""

    order: Order


class OrderPrepared(Fact, frozen=True, gc=False):
    order_id: str
    occurred: Instant


class OrderShipped(Fact, frozen=True, gc=False):
    order_id: str
    parcel: Parcel


class ParcelDelivered(Fact, frozen=True, gc=False):
    order_id: str
    parcel_id: str
    occurred: Instant


class ParcelFailed(Fact, frozen=True, gc=False):
    """The carrier could not deliver."""

    order_id: str
    parcel_id: str
    status: str
    occurred: Instant


class OrderCancelled(Fact, frozen=True, gc=False):
    order_id: str
    occurred: Instant


class OrderRefunded(Fact, frozen=True, gc=False):
    """All of it was paid back."""

    order_id: str
    occurred: Instant


class ProductsReturned(Fact, frozen=True, gc=False):
    """A part of it was paid back; `pieces` counts what came back, by product."""

    order_id: str
    pieces: dict[str, int]
    occurred: Instant


# What people say.


class ProductReviewed(Fact, frozen=True, gc=False):
    product_id: str
    rating: int


class SiteRated(Fact, frozen=True, gc=False):
    """The parcel question was answered."""

    order_id: str
    score: int


# Programmes.


class Enrolled(Fact, frozen=True, gc=False):
    key: str
    programme: str
    because: str
    refs: dict[str, str] = {}
    since: Instant = Instant(0)
    nth: int = 0


class ClockSet(Fact, frozen=True, gc=False):
    """A trigger that an enrolment counts from happened (again)."""

    key: str
    clock: str
    since: Instant


class Awaits(Fact, frozen=True, gc=False):
    """The enrolment waits for its next step until `due`."""

    key: str
    step: str
    due: Instant


class Left(Fact, frozen=True, gc=False):
    """The enrolment ended before its time; what it still awaited will not be sent."""

    key: str
    step: str
    kind: str
    reason: Reason
    detail: str


class Finished(Fact, frozen=True, gc=False):
    key: str


class Marked(Fact, frozen=True, gc=False):
    """A programme set a mark on the customer (k06: `graduated`)."""

    mark: str


# Mails.


class MailRequested(Fact, frozen=True, gc=False):
    """A mail goes to the outbox; `seen` holds the readings its conditions looked at."""

    key: str
    mail: Mail
    refs: dict[str, str] = {}
    seen: dict[str, str | int | bool] = {}


class MailDeferred(Fact, frozen=True, gc=False):
    key: str
    step: str
    kind: str
    until: Instant
    reason: Reason
    detail: str


class MailWithheld(Fact, frozen=True, gc=False):
    """A mail that was due is not sent, for one reason (law 9)."""

    key: str
    step: str
    kind: str
    reason: Reason
    detail: str
    seen: dict[str, str | int | bool] = {}


class MailRetracted(Fact, frozen=True, gc=False):
    """A mail that may still wait in the queue became pointless."""

    mail_id: str
    kind: str
    because: str


class OfferMade(Fact, frozen=True, gc=False):
    """A coupon of `percent` was made for this person."""

    code: str
    percent: int
    until: Instant
    programme: str


AnyFact = (
    Happened | Ticked | Heard | Bound | Inherited
    | PersonChanged | SignedUp | Registered | ConsentChanged
    | LinePut | LineTaken | CartReplaced | CartEmptied | CheckoutReached | Browsed
    | OrderPlaced | OrderPaid | OrderUpdated | OrderPrepared | OrderShipped
    | ParcelDelivered | ParcelFailed | OrderCancelled | OrderRefunded
    | ProductsReturned | ProductReviewed | SiteRated | Recognised | FrequencyWished
    | Enrolled | ClockSet | Awaits | Left | Finished | Marked
    | MailRequested | MailDeferred | MailWithheld | MailRetracted | OfferMade
)  # fmt: skip

_encoder = msgspec.msgpack.Encoder(order="deterministic")
_decoder = msgspec.msgpack.Decoder(tuple[AnyFact, ...])


def encode(facts: tuple[AnyFact, ...]) -> bytes:
    return _encoder.encode(facts)


def decode(data: bytes) -> tuple[AnyFact, ...]:
    """Raises msgspec.MsgspecError on bytes that are no facts."""
    return _decoder.decode(data)
