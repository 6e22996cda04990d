"""Facts: what happened in a customer's life and what was decided about it.

The journal is made of these, so they only grow (law 12): a new field has a default, a type is
never renamed or removed, and golden files of old facts are replayed in the tests for ever. The
first fact of every turn says what the turn was about and at what instant (`at`); the facts after
it happened at that same instant. `occurred` is the sender's instant where the business cares.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from ecrm.delivery.bounces.verdict import Verdict
from ecrm.delivery.hygiene import Record
from ecrm.delivery.suppression import Scope
from ecrm.engagement import Tier
from ecrm.mail import Mail
from ecrm.matters import AnyMatter, Cadence, Notice
from ecrm.moment import NEVER, CustomerId, Instant
from ecrm.rfm import Score
from ecrm.state import (
    Cart,
    Consent,
    Credit,
    Enrolment,
    Line,
    Order,
    Parcel,
    Person,
    State,
    Wish,
)

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
    "preference",  # the person does not want to hear of this
    "digest",  # the person hears of it in a digest
    "settling",  # it was heard of late, and more may be on its way
    "budget",  # the programme has given away what it may this month
    "merged",  # a later mail says what this one would have
]


class Fact(msgspec.Struct, frozen=True, gc=False, tag=True, omit_defaults=True):
    """The root of all facts."""


# What a turn is about: always the first fact of it.


class Happened(Fact, frozen=True, gc=False):
    """An event was accepted; `event` is its wire name. `life`: the person was there (§9.3)."""

    at: Instant
    event: str
    occurred: Instant
    life: bool = False


class Ticked(Fact, frozen=True, gc=False):
    """The alarm rang."""

    at: Instant


class Heard(Fact, frozen=True, gc=False):
    """Delivery reported what became of a mail; `outcome` is a terminal state of its queue. Where it
    was refused and the words say something, `bounce` is what, and of which `address`.
    """

    at: Instant
    mail_id: str
    outcome: str
    response: str = ""
    kind: str = ""
    key: str = ""
    refs: dict[str, str] = {}
    address: str = ""
    bounce: str = ""


class Returned(Fact, frozen=True, gc=False):
    """A mail that was handed over came back, or its provider told of it; `source` is by which door.
    What only names the mail is not `proved`, and has no consequence.
    """

    at: Instant
    mail_id: str
    address: str
    verdict: Verdict
    reason: str = ""
    response: str = ""
    source: str = ""
    kind: str = ""
    programme: str = ""
    proved: bool = True


class AddressFreed(Fact, frozen=True, gc=False):
    """An operator said that an address may be written to again."""

    at: Instant
    address: str
    why: str = ""


class Opened(Fact, frozen=True, gc=False):
    """A mail was opened, as far as its picture tells; by a person where `human`."""

    at: Instant
    mail_id: str
    human: bool


class Clicked(Fact, frozen=True, gc=False):
    """A person followed a link of a mail; of which step, and decided on when, if that is told."""

    at: Instant
    mail_id: str
    programme: str = ""
    step: str = ""
    decided_at: Instant = Instant(0)


class Announced(Fact, frozen=True, gc=False):
    """What is told to many reached this person: a release, a campaign."""

    at: Instant
    broadcast_id: str


class Remembered(Fact, frozen=True, gc=False):
    """The shop told of the past, from `source`: what follows happened before, and sets nothing off.
    `person` is who it is as far as it was ever told so.
    """

    at: Instant
    source: str
    person: Person | None = None


class Bound(Fact, frozen=True, gc=False):
    """From now on it is another one's life, and moves there: `legacy` as it stood, or the other
    fields where it was written before lives were handed on whole.
    """

    at: Instant
    to: CustomerId
    cart: Cart | None = None
    consents: dict[str, Consent] = {}
    orders: dict[str, Order] = {}
    stays: dict[str, Enrolment] = {}
    legacy: State | None = None


class Inherited(Fact, frozen=True, gc=False):
    """A visitor's life, or that under an older id, came to this person; `legacy` as in `Bound`."""

    at: Instant
    origin: CustomerId
    cart: Cart | None = None
    consents: dict[str, Consent] = {}
    orders: dict[str, Order] = {}
    legacy: State | None = None


# The person.


class Recognised(Fact, frozen=True, gc=False):
    """A visitor turned out to be this person (wire §1)."""

    visitor: CustomerId


class Joined(Fact, frozen=True, gc=False):
    """An older id of this person was named (wire §1, alias)."""

    former: CustomerId


class PersonChanged(Fact, frozen=True, gc=False):
    person: Person


class SignedUp(Fact, frozen=True, gc=False):
    """An account was opened."""


class Registered(Fact, frozen=True, gc=False):
    """There is an account and an address to write to (R8): whichever came last. `occurred` where
    it was there before we heard of it.
    """

    occurred: Instant | None = None


class ConsentChanged(Fact, frozen=True, gc=False):
    """`occurred` where it was said before we heard of it; `proof` in the shop's own words."""

    purpose: str
    granted: bool
    source: str = ""
    occurred: Instant | None = None
    proof: str = ""


class AccountClosed(Fact, frozen=True, gc=False):
    """The account is gone: what is owed goes on for the moment, nothing else does."""


class Erased(Fact, frozen=True, gc=False):
    """All that is known of this life goes (R63): the last fact there is, and never seen again."""

    at: Instant


class TopicsChosen(Fact, frozen=True, gc=False):
    """What the person wants to hear of, and what of it in digests: `"off"` is not at all."""

    topics: dict[str, bool] = {}
    digests: dict[str, str] = {}


class AddressJudged(Fact, frozen=True, gc=False):
    """The row of soft bounces that an address has by now, by what became of `mail_id`."""

    address: str
    record: Record
    mail_id: str = ""


class AddressSuppressed(Fact, frozen=True, gc=False):
    """An address is not written to: at all, or with nothing that is not owed (delivery §1.6)."""

    address: str
    scope: Scope
    reason: str
    until: Instant = NEVER


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


class OrderCredited(Fact, frozen=True, gc=False):
    """An order is counted for the mail that its person had clicked last (`ecrm/credit.py`)."""

    order_id: str
    credit: Credit


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
    """All of it was paid back; `amount` where the shop said how much."""

    order_id: str
    occurred: Instant
    amount: int | None = None
    currency: str = ""


class ProductsReturned(Fact, frozen=True, gc=False):
    """A part of it was paid back; `pieces` counts what came back, by product."""

    order_id: str
    pieces: dict[str, int]
    occurred: Instant
    amount: int | None = None
    currency: str = ""


class ReturnUnmatched(Fact, frozen=True, gc=False):
    """Pieces came back, by product, of which no order is known."""

    pieces: dict[str, int]
    occurred: Instant


# What people say.


class Viewed(Fact, frozen=True, gc=False):
    """A product was looked at."""

    line: Line


class ProductReviewed(Fact, frozen=True, gc=False):
    """`again`: this person had reviewed it before."""

    product_id: str
    rating: int
    again: bool = False


class SiteRated(Fact, frozen=True, gc=False):
    """The parcel question was answered."""

    order_id: str
    score: int


class SurveyTaken(Fact, frozen=True, gc=False):
    """A question was answered: `"relevance"` (R51), or `"support"` about a ticket (R42)."""

    survey: str
    about: str
    score: int


# What else the shop tells.


class Raised(Fact, frozen=True, gc=False):
    """Something arose that a programme may write about. `trigger` is the wire event's name; `over`
    names what has an end by this, and may still be heard of late.
    """

    trigger: str
    occurred: Instant
    matter: AnyMatter
    refs: dict[str, str] = {}
    over: str = ""


class NoticeKept(Fact, frozen=True, gc=False):
    """A notification waits for the digest of that cadence."""

    cadence: Cadence
    notice: Notice


# How the person stands.


class Assessed(Fact, frozen=True, gc=False):
    """The engagement tier, and when it has to be looked at again (delivery §5.3)."""

    tier: Tier
    until: Instant | None
    before: Tier = "unmeasured"


class CameBack(Fact, frozen=True, gc=False):
    """Somebody who was given up, or about to be, gave a sign of life (mission §9.3)."""


class Scored(Fact, frozen=True, gc=False):
    """The RFM scores, by the cut points of their version (R46), with their names."""

    score: Score
    segment: str
    before: str = ""


# Programmes.


class Enrolled(Fact, frozen=True, gc=False):
    key: str
    programme: str
    because: str
    refs: dict[str, str] = {}
    since: Instant = Instant(0)
    nth: int = 0
    matter: AnyMatter | None = None
    round: int = 0


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


class Reconsidered(Fact, frozen=True, gc=False):
    """A mail's turn came too late to send it as it was decided: its stay, as it is from now on, is
    at that step again and looks at what is known now.
    """

    key: str
    mail_id: str
    kind: str
    stay: Enrolment


class MailRetracted(Fact, frozen=True, gc=False):
    """A mail that may still wait in the queue became pointless."""

    mail_id: str
    kind: str
    because: str


class OfferMade(Fact, frozen=True, gc=False):
    """A coupon was made for this person: `percent`, or else `amount` in `currency`."""

    code: str
    percent: int
    until: Instant
    programme: str
    amount: int = 0
    minimum: int = 0
    currency: str = ""


class OfferUsed(Fact, frozen=True, gc=False):
    """An order named the coupon; it `cost` the shop so much, in minor units of `currency`."""

    code: str
    order_id: str
    programme: str
    cost: int
    currency: str


class DigestMade(Fact, frozen=True, gc=False):
    """What waited for the digest of that cadence is in the mail."""

    cadence: Cadence


class Invited(Fact, frozen=True, gc=False):
    """Somebody was invited; `invitee` is a hash of the address, which is not ours to keep."""

    invitee: str


AnyFact = (
    Happened | Ticked | Heard | Opened | Clicked | Announced | Remembered | Bound | Inherited
    | Returned | AddressFreed
    | Recognised | Joined | PersonChanged | SignedUp | Registered | ConsentChanged
    | AccountClosed | Erased | TopicsChosen | FrequencyWished
    | AddressJudged | AddressSuppressed
    | LinePut | LineTaken | CartReplaced | CartEmptied | CheckoutReached | Browsed
    | OrderPlaced | OrderPaid | OrderUpdated | OrderCredited | OrderPrepared | OrderShipped
    | ParcelDelivered | ParcelFailed | OrderCancelled | OrderRefunded | ProductsReturned
    | ReturnUnmatched
    | Viewed | ProductReviewed | SiteRated | SurveyTaken | Raised | NoticeKept
    | Assessed | CameBack | Scored
    | Enrolled | ClockSet | Awaits | Left | Finished | Marked
    | MailRequested | MailDeferred | MailWithheld | MailRetracted | Reconsidered
    | OfferMade | OfferUsed | DigestMade | Invited
)  # fmt: skip

_encoder = msgspec.msgpack.Encoder(order="deterministic")
_decoder = msgspec.msgpack.Decoder(tuple[AnyFact, ...])


def encode(facts: tuple[AnyFact, ...]) -> bytes:
    return _encoder.encode(facts)


def decode(data: bytes) -> tuple[AnyFact, ...]:
    """Raises msgspec.MsgspecError on bytes that are no facts."""
    return _decoder.decode(data)
