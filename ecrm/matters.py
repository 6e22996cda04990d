"""Matters: what a mail can be about beside a cart, an order and its parcel.

A matter comes with an event, is kept by the stay in a programme that it begins, and is shown by
that stay's mails, so the same value is all three: what was told, what is remembered, what is shown.
Amounts are minor units beside their ISO 4217 currency; instants are UTC milliseconds. `ends` is
the last instant at which writing about it makes sense. Secrets (mission §9.11) are `HIDDEN` in
whatever is journalled, remembered or looked at; only the mail in the queue has them.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from ecrm.moment import Instant
from proto.events import HIDDEN

Cadence = Literal["daily", "weekly", "monthly"]
Stage = Literal["opened", "updated", "closed"]


class Matter(msgspec.Struct, frozen=True, gc=False, tag=True, omit_defaults=True):
    """The root of all matters."""

    @property
    def ends(self) -> Instant | None:
        return None

    @property
    def template(self) -> str:
        """The template it asks for under its programme; empty where the step says it."""
        return ""

    @property
    def addresses(self) -> tuple[str, ...]:
        """Whom it concerns beside the customer."""
        return ()


class Invoice(Matter, frozen=True, gc=False):
    """`total` is None where the shop did not say it."""

    invoice_id: str
    order_id: str = ""
    total: int | None = None
    currency: str = ""
    due_at: Instant | None = None
    url: str = ""


class Refund(Matter, frozen=True, gc=False):
    """`amount` went back for an order: all of it (`whole`), or a part; None where nobody said."""

    order_id: str
    amount: int | None = None
    currency: str = ""
    whole: bool = True


class FailedPayment(Matter, frozen=True, gc=False):
    order_id: str = ""
    invoice_id: str = ""
    reason: str = ""
    retry_url: str = ""


class Code(Matter, frozen=True, gc=False):
    """A verification code: a secret."""

    code: str
    expires_at: Instant
    purpose: str = ""

    @property
    def ends(self) -> Instant | None:
        return self.expires_at


class Reset(Matter, frozen=True, gc=False):
    """A way to a new password: `url` is a secret."""

    url: str
    expires_at: Instant

    @property
    def ends(self) -> Instant | None:
        return self.expires_at


class Login(Matter, frozen=True, gc=False):
    success: bool
    at: Instant
    ip: str = ""
    device: str = ""
    location: str = ""


class AddressChange(Matter, frozen=True, gc=False):
    """Both addresses are told (R62)."""

    old_email: str
    new_email: str
    at: Instant

    @property
    def addresses(self) -> tuple[str, ...]:
        return (self.old_email, self.new_email)


class AccountChange(Matter, frozen=True, gc=False):
    """`fields` are the shop's names of what was changed."""

    fields: tuple[str, ...]
    at: Instant


class Appointment(Matter, frozen=True, gc=False):
    """A date; `kind` is the shop's word, "event" for one that many come to."""

    appointment_id: str
    starts_at: Instant
    kind: str = ""
    place: str = ""

    @property
    def ends(self) -> Instant | None:
        return self.starts_at

    @property
    def topic(self) -> str:
        """As preferences name it (R66)."""
        return "event" if self.kind.casefold() == "event" else "appointment"


class Comment(Matter, frozen=True, gc=False):
    subject_id: str
    subject_url: str = ""
    author: str = ""
    excerpt: str = ""

    @property
    def topic(self) -> str:
        return "comment"


class Carriage(Matter, frozen=True, gc=False):
    """News of the carrier; `status` and `eta` are its own words."""

    order_id: str
    status: str
    eta: str = ""
    tracking_url: str = ""

    @property
    def topic(self) -> str:
        return "shipping"


class Invitation(Matter, frozen=True, gc=False):
    """To somebody without an account, in the customer's name."""

    email: str
    first_name: str = ""

    @property
    def addresses(self) -> tuple[str, ...]:
        return (self.email,)


class Ticket(Matter, frozen=True, gc=False):
    """A support request; `parties` are the addresses of those who are told (R68)."""

    ticket_id: str
    stage: Stage
    subject: str = ""
    status: str = ""
    parties: tuple[str, ...] = ()

    @property
    def addresses(self) -> tuple[str, ...]:
        return self.parties


class Review(Matter, frozen=True, gc=False):
    product_id: str
    name: str = ""
    rating: int = 0


class Release(Matter, frozen=True, gc=False):
    """A new edition of a series; `owned` is the name of the edition this person has."""

    product_id: str
    series_id: str
    edition: str = ""
    name: str = ""
    price: int = 0
    currency: str = ""
    url: str = ""
    image_url: str = ""
    owned: str = ""


class Campaign(Matter, frozen=True, gc=False):
    """A newsletter; `segment` is a condition, empty for everybody."""

    campaign_id: str
    name: str
    subject: str = ""
    segment: str = ""

    @property
    def template(self) -> str:
        return self.name


AnyMatter = (
    Invoice | Refund | FailedPayment | Code | Reset | Login | AddressChange | AccountChange
    | Appointment | Comment | Carriage | Invitation | Ticket | Review | Release | Campaign
)  # fmt: skip

# What may wait for a digest (R65, R66).
Notice = Appointment | Comment | Carriage


class Digest(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What was gathered since the last one: `comments` and `carriages`, oldest first."""

    cadence: Cadence
    comments: tuple[Comment, ...] = ()
    carriages: tuple[Carriage, ...] = ()
    appointments: tuple[Appointment, ...] = ()


# How a matter is called in a template: `{{ invoice.total|money(invoice.currency) }}`.
NAMES: Final[dict[type[Matter], str]] = {
    Invoice: "invoice",
    Refund: "refund",
    FailedPayment: "payment",
    Code: "code",
    Reset: "reset",
    Login: "login",
    AddressChange: "address",
    AccountChange: "account",
    Appointment: "appointment",
    Comment: "comment",
    Carriage: "carriage",
    Invitation: "invitation",
    Ticket: "ticket",
    Review: "review",
    Release: "release",
    Campaign: "campaign",
}

_SECRETS: Final[dict[type[Matter], str]] = {Code: "code", Reset: "url"}


def is_secret(matter: Matter) -> bool:
    return type(matter) in _SECRETS


def redacted(matter: AnyMatter) -> AnyMatter:
    """The matter as it may be journalled and shown (mission §9.11)."""
    secret = _SECRETS.get(type(matter))
    return msgspec.structs.replace(matter, **{secret: HIDDEN}) if secret else matter
