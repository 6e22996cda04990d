"""A mail that was decided on: who gets it, what it shows, until when it makes sense.

`Mail` is the row of the outbox and the composer's only input, so a mail can be composed again
from it alone, byte for byte. What the template shows is a typed tree (`Values`): a template
that asks for anything else fails the check, not the customer. Money is integer minor units
beside its ISO 4217 currency; instants are UTC milliseconds.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Literal

import msgspec

from ecrm import matters
from ecrm.moment import CustomerId, Instant

MailClass = Literal["transactional", "notification", "marketing"]
TRANSACTIONAL: MailClass = "transactional"
NOTIFICATION: MailClass = "notification"
MARKETING: MailClass = "marketing"

# delivery.md §1.3: 0 code and security, 1 transactional, 2 triggered marketing, 3 bulk
Lane = Literal[0, 1, 2, 3]


class ShownPerson(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    first_name: str = ""
    last_name: str = ""


class ShownLine(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One product as a mail shows it; `price` is for one piece."""

    product_id: str
    name: str = ""
    variant: str = ""
    quantity: int = 1
    price: int = 0
    url: str = ""
    image_url: str = ""


class ShownCart(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    cart_id: str
    currency: str
    lines: tuple[ShownLine, ...] = ()
    total: int = 0


class ShownOrder(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """An order; a part that the shop did not report (shipping, tax, discount) is None. `recurring`:
    something in it is used up and bought again (R22).
    """

    order_id: str
    currency: str
    lines: tuple[ShownLine, ...] = ()
    total: int = 0
    shipping: int | None = None
    tax: int | None = None
    discount: int | None = None
    placed_at: Instant = Instant(0)
    payment_method: str = ""
    recurring: bool = False


class ShownParcel(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    order_id: str
    carrier: str = ""
    tracking_number: str = ""
    tracking_url: str = ""
    shipped_at: Instant = Instant(0)


class ShownOffer(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A discount of `percent`, or else of `amount`, by `code`, until `until`, on orders of at least
    `minimum`; both sums in `currency`. `today`: it ends with the day on which the mail goes.
    """

    code: str
    percent: int
    until: Instant
    amount: int = 0
    minimum: int = 0
    currency: str = ""
    today: bool = True


Relation = Literal["complements", "services", "same_creator", "series", "affinity", "bought_with"]


class Proposal(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A product that is proposed, and why: `relation` to the one called `because` (R28, R29)."""

    product_id: str
    relation: Relation
    because: str = ""
    name: str = ""
    price: int = 0
    currency: str = ""
    url: str = ""
    image_url: str = ""


class Values(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """All that a template may show beside `shop` and `links`; of the matters (`ecrm/matters.py`) a
    mail has the one that its programme is about.

    `promote` is true where marketing is allowed for this person: a promotional block inside a
    transactional mail is shown only then (mission §9.8).
    """

    person: ShownPerson = ShownPerson()
    cart: ShownCart | None = None
    order: ShownOrder | None = None
    parcel: ShownParcel | None = None
    offer: ShownOffer | None = None
    promote: bool = False
    proposals: tuple[Proposal, ...] = ()
    viewed: tuple[ShownLine, ...] = ()
    currency: str = ""
    invoice: matters.Invoice | None = None
    refund: matters.Refund | None = None
    payment: matters.FailedPayment | None = None
    code: matters.Code | None = None
    reset: matters.Reset | None = None
    login: matters.Login | None = None
    address: matters.AddressChange | None = None
    account: matters.AccountChange | None = None
    appointment: matters.Appointment | None = None
    comment: matters.Comment | None = None
    carriage: matters.Carriage | None = None
    digest: matters.Digest | None = None
    invitation: matters.Invitation | None = None
    ticket: matters.Ticket | None = None
    review: matters.Review | None = None
    release: matters.Release | None = None
    campaign: matters.Campaign | None = None


class Mail(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A mail on its way. `mail_id` is derived from its cause (law 4), a UUID in text form.

    `kind` is the number of mission §8 (`"k07"`), `template` the path under `templates/mail`
    without its ending (`"cart/reminder"`), `at` the instant of the decision and the mail's Date,
    `not_after` the last instant at which handing it over still makes sense.
    """

    mail_id: str
    customer_id: CustomerId
    kind: str
    programme: str
    step: str
    template: str
    mail_class: MailClass
    lane: Lane
    at: Instant
    not_after: Instant
    to: str
    locale: str
    zone: str
    values: Values = Values()
    # To somebody who is no customer of ours: no account, no preferences, no tracking.
    stranger: bool = False
    # The recipient agreed to it, when the mail was decided on (`ecrm/tracking.py`).
    track_opens: bool = False
    track_clicks: bool = False
    # Until when it may go as it was decided: after that its customer decides again.
    fresh_until: Instant | None = None


def mail_id_for(cause: str, since: Instant) -> str:
    """The id of the mail with this cause: a UUID of version 7 (RFC 9562 §5.7), always the same.

    Its time is `since`, the instant at which the cause began, and what would be random is a hash
    of the cause; so the same decision, taken twice, names the same mail (law 4).
    """
    digest = int.from_bytes(blake2b(cause.encode(), digest_size=10).digest())
    high, low = digest >> 62 & 0xFFF, digest & (1 << 62) - 1
    number = (since & (1 << 48) - 1) << 80 | 0x7 << 76 | high << 64 | 0b10 << 62 | low
    text = f"{number:032x}"
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Mail)


def encode(mail: Mail) -> bytes:
    return _encoder.encode(mail)


def decode(data: bytes) -> Mail:
    """Raises msgspec.MsgspecError on bytes that are no mail."""
    return _decoder.decode(data)
