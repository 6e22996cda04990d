"""What is remembered of one customer: a tree of frozen values.

The sequence number is part of the state, so a snapshot can never disagree with its place in the
journal. The tree is bounded: it holds what some rule reads and nothing that only grows (orders
and enrolments of the past are counted and forgotten). Mappings are replaced, never changed in
place. Schema rule (law 12): fields are only added, and with a default.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

import msgspec

from ecrm import money
from ecrm.delivery.hygiene import CLEAN, Record
from ecrm.engagement import Engagement, Tier
from ecrm.mail import MailClass
from ecrm.matters import AnyMatter, Cadence, Digest, Notice
from ecrm.moment import NEVER, CustomerId, Duration, Instant, Seq
from ecrm.rfm import Score

SCHEMA: Final = 1

# A person with more orders than this keeps the newest; the sums go on counting all of them.
ORDERS_KEPT: Final = 32

# What was ever bought is never proposed again; of more products than these the oldest is forgotten.
HAD_KEPT: Final = 256
RATINGS_KEPT: Final = 256
VIEWED_KEPT: Final = 8
# What waits for one digest, and what is over and may still be heard of.
NOTICES_KEPT: Final = 50
OVER_KEPT: Final = 64
INVITED_KEPT: Final = 1_000
VISITORS_KEPT: Final = 64
# Addresses of which something came back; those of which it was longest ago are forgotten.
MAILBOXES_KEPT: Final = 16

FOLLOWED_KEPT: Final = 8

VISITOR: Final = "visitor:"


class Person(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """Who it is, as far as the shop told us. `zone` is an IANA name, `locale` like `fr-FR`."""

    email: str = ""
    first_name: str = ""
    last_name: str = ""
    phone: str = ""
    birthday: str = ""
    gender: str = ""
    country: str = ""
    locale: str = ""
    zone: str = ""


class Consent(msgspec.Struct, frozen=True, gc=False):
    """The last word on one purpose, and the proof that came with it."""

    granted: bool
    at: Instant
    source: str = ""


class Wish(msgspec.Struct, frozen=True, gc=False):
    """How often a person wants to hear of the shop: at most `count` times in any `window`."""

    count: int
    window: Duration


class Line(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A product in a cart or an order; `price` is for one piece, in minor units. From `series_id`
    on it is what the catalogue knew of it at the time; `cycle_days` is 0 where nobody said.
    """

    product_id: str
    quantity: int = 1
    price: int = 0
    name: str = ""
    variant: str = ""
    category: str = ""
    url: str = ""
    image_url: str = ""
    series_id: str = ""
    edition: str = ""
    purchase_kind: str = ""
    recurring: bool = False
    cycle_days: int = 0


def total_of(lines: tuple[Line, ...]) -> int:
    """What these lines cost together, in minor units."""
    return money.bounded(sum(line.price * line.quantity for line in lines))


class Cart(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What was put aside and not bought. `step` is the furthest checkout step reached; `browsed`
    tells that other products were looked at after the last change.
    """

    cart_id: str
    currency: str
    lines: tuple[Line, ...] = ()
    touched_at: Instant = Instant(0)
    step: str = ""
    browsed: bool = False


class Parcel(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    parcel_id: str
    shipped_at: Instant
    carrier: str = ""
    tracking_number: str = ""
    tracking_url: str = ""
    delivered_at: Instant | None = None
    failed: bool = False


class Followed(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A mail of which a person followed a link, last `at`; it was `decided_at`."""

    mail_id: str
    programme: str
    step: str
    decided_at: Instant
    at: Instant


class Credit(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """The mail that an order is counted for. `back` is what of it was paid back in parts since, in
    minor units.
    """

    mail_id: str
    programme: str
    step: str
    decided_at: Instant
    clicked_at: Instant
    back: int = 0


class Order(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One order and how far it came. Amounts in minor units, None where nobody said; `back` counts
    the pieces of each product that were sent back.
    """

    order_id: str
    currency: str = ""
    lines: tuple[Line, ...] = ()
    total: int = 0
    shipping: int | None = None
    tax: int | None = None
    discount: int | None = None
    payment_method: str = ""
    placed_at: Instant | None = None
    paid_at: Instant | None = None
    prepared_at: Instant | None = None
    cancelled_at: Instant | None = None
    refunded_at: Instant | None = None
    parcels: tuple[Parcel, ...] = ()
    back: dict[str, int] = {}
    rated_at: Instant | None = None
    # The carrier's last word, in its own words.
    carriage: str = ""
    credit: Credit | None = None

    @property
    def kept(self) -> tuple[Line, ...]:
        """The lines as they stand after what was sent back."""
        left = ((line, line.quantity - self.back.get(line.product_id, 0)) for line in self.lines)
        return tuple(
            line if count == line.quantity else msgspec.structs.replace(line, quantity=count)
            for line, count in left
            if count > 0
        )

    @property
    def bought(self) -> bool:
        """It counts as a purchase: placed or paid, and neither cancelled nor refunded."""
        placed = self.placed_at is not None or self.paid_at is not None
        return placed and self.cancelled_at is None and self.refunded_at is None


class Purchases(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """The sums over all orders ever, those no longer kept included (R46)."""

    count: int = 0
    total: int = 0
    first_at: Instant | None = None
    last_at: Instant | None = None


class Enrolment(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A stay in a programme. `step` is the name of the one awaited and `due` its instant before any
    deferral; `clocks` holds when each trigger last started, by name; `refs` what it is about
    (`{"order": "42"}`) and `matter` the same in full; `because` the trigger that began it; `nth`
    how many stays in the programme there were before; `round` how often it has begun anew since;
    `again` how often the awaited step was decided anew because its mail came too late.
    """

    programme: str
    began_at: Instant
    because: str
    refs: dict[str, str] = {}
    clocks: dict[str, Instant] = {}
    step: str = ""
    due: Instant = Instant(0)
    nth: int = 0
    matter: AnyMatter | None = None
    round: int = 0
    again: int = 0


class Waiting(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A mail that was decided on and of which delivery has not reported yet. `stay` is what it was
    decided in, where it may be decided again; `digest` what it tells, for one that overtakes it.
    """

    key: str
    step: str
    kind: str
    mail_class: MailClass
    refs: dict[str, str] = {}
    to: str = ""
    stay: Enrolment | None = None
    digest: Digest | None = None


class Pressed(msgspec.Struct, frozen=True, gc=False):
    """A marketing mail that counts against the cap."""

    mail_id: str
    at: Instant


class Offered(msgspec.Struct, frozen=True, gc=False):
    """A coupon this person was given: `percent`, or else `amount` in `currency`, on orders of at
    least `minimum`; used once, by an order that named it.
    """

    code: str
    percent: int
    until: Instant
    programme: str
    amount: int = 0
    minimum: int = 0
    currency: str = ""


class Had(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A product that was bought; `back` if it was sent back. The series where it is of one."""

    at: Instant
    series_id: str = ""
    edition: str = ""
    name: str = ""
    back: bool = False


class Ban(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """Why an address is not written to, and until when."""

    reason: str
    until: Instant = NEVER


class Mailbox(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What came back from an address, last `at`: its row of soft bounces, and by scope (`all`,
    `marketing`) why it is not written to. `taken_id` is the first mail that was taken during the
    row, and is not known to have come back.
    """

    at: Instant
    record: Record = CLEAN
    bans: dict[str, Ban] = {}
    taken_id: str = ""
    taken_at: Instant = Instant(0)


class State(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    customer_id: CustomerId
    seq: Seq = Seq(0)
    now: Instant = Instant(0)
    person: Person = Person()
    signed_up: bool = False
    registered_at: Instant | None = None
    bound_to: CustomerId | None = None
    consents: dict[str, Consent] = {}
    wish: Wish | None = None
    cart: Cart | None = None
    emptied_at: Instant = Instant(0)
    orders: dict[str, Order] = {}
    purchases: Purchases = Purchases()
    ratings: dict[str, int] = {}
    marks: dict[str, Instant] = {}
    enrolments: dict[str, Enrolment] = {}
    timers: dict[str, Instant] = {}
    stays: dict[str, int] = {}
    ended: dict[str, Instant] = {}
    waiting: dict[str, Waiting] = {}
    pressed: tuple[Pressed, ...] = ()
    offers: tuple[Offered, ...] = ()
    had: dict[str, Had] = {}
    viewed: tuple[Line, ...] = ()
    topics: dict[str, bool] = {}
    digests: dict[str, str] = {}
    kept: dict[Cadence, tuple[Notice, ...]] = {}
    over: dict[str, Instant] = {}
    invited: dict[str, Instant] = {}
    visitors: tuple[CustomerId, ...] = ()
    former: tuple[CustomerId, ...] = ()
    engagement: Engagement = Engagement()
    tier: Tier = "unmeasured"
    assess_at: Instant | None = None
    rfm: Score | None = None
    relevance: int = 0
    closed_at: Instant | None = None
    # Who it is as the shop's past told: the rest of `person` was heard live, and counts more.
    remembered: Person | None = None
    mailboxes: dict[str, Mailbox] = {}
    # The mails that were clicked last, the newest click at the end.
    followed: tuple[Followed, ...] = ()

    @property
    def is_visitor(self) -> bool:
        return self.customer_id.startswith(VISITOR)


def mailbox_name(address: str) -> str:
    """By what an address is known: writing it in capitals does not make it another."""
    return address.strip().casefold()


def earliest_timer(state: State) -> Instant | None:
    """The instant of the customer's one alarm row (law 5): the first of its programmes' timers and
    of the next look at its tier.
    """
    first = min(state.timers.values(), default=None)
    if state.assess_at is None or (first is not None and first <= state.assess_at):
        return first
    return state.assess_at


_encoder = msgspec.msgpack.Encoder(order="deterministic")
_decoder = msgspec.msgpack.Decoder(State)


def encode(state: State) -> bytes:
    """The same state always gives the same bytes."""
    return _encoder.encode(state)


def decode(data: bytes) -> State:
    """Raises msgspec.MsgspecError on bytes that are no state."""
    return _decoder.decode(data)


def hash_of(encoded: bytes) -> bytes:
    return blake2b(encoded, digest_size=16).digest()
