"""What a shop can tell: every event of wire §3, as the struct of its properties.

Rules:

- A class is named as its event without spaces; `TRACKED` maps wire names to classes, `NAMES` back.
- Properties carry Segment's snake_case names. What wire §3 stars is required, the rest may be
  missing or null. Sequences are tuples; instants are aware datetimes; money is a decimal number
  beside its `currency`, finite and of a sane size.
- Unknown properties do not fail: decoding passes over them, and they are kept because the journal
  keeps the message's own bytes (`envelope.Message.original`), not these structs.
- An event of another name is `Unlisted`, with its properties as they came.
- Secrets (mission §9.11) are listed in `SECRETS`; what is stored or shown goes through `redacted`.
- The structs are tagged under a field no shop sends, so that a stored event knows its own type.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Final, Literal, TypeVar

import msgspec
from msgspec import Meta

# Bounds: an id is a key of rows, a text a line in a mail, a body what a person wrote by hand.
# No control characters: an id is shown, logged, and stands in a header of the Maildir's mails.
PRINTABLE: Final = r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*\Z"
Id = Annotated[str, Meta(min_length=1, max_length=255, pattern=PRINTABLE)]
Text = Annotated[str, Meta(max_length=2_000)]
Body = Annotated[str, Meta(max_length=20_000)]
Link = Annotated[str, Meta(max_length=2_048)]
# No white space: an address must not be able to start another header line.
Email = Annotated[str, Meta(max_length=320, pattern=r"^[^@\s]+@[^@\s]+\Z")]
Currency = Annotated[str, Meta(pattern=r"^[A-Z]{3}\Z")]  # ISO 4217
At = Annotated[datetime, Meta(tz=True)]
# NaN and the infinities fail both bounds; 1e12 is beyond any order in any currency.
Number = Annotated[int, Meta(ge=-(10**12), le=10**12)] | Annotated[float, Meta(ge=-1e12, le=1e12)]
# Beyond 2^53 a browser has lost the number already.
Edition = Text | Annotated[int, Meta(ge=-(2**53), le=2**53)]
Quantity = Annotated[int, Meta(ge=1, le=1_000_000)]
Ids = Annotated[tuple[Id, ...], Meta(max_length=500)]
Scalar = Text | Number | bool | None

Cadence = Literal["daily", "weekly", "monthly", "off"]
Purpose = Literal["email_marketing", "open_tracking", "click_tracking"]
ConsentState = Literal["granted", "denied"]
PurchaseKind = Literal["impulse", "considered"]

STEPS: Final = ("contact", "address", "shipping", "payment", "review")
StepName = Literal["contact", "address", "shipping", "payment", "review", ""]

_WORD = re.compile(r"(?<!^)(?=[A-Z])")


def wire_name(class_name: str) -> str:
    """The wire's name of an event class: `OrderPaid` is "Order Paid"."""
    spaced = _WORD.sub(" ", class_name)
    return spaced.replace(" To ", " to ").replace(" From ", " from ")


class Event(
    msgspec.Struct,
    frozen=True,
    gc=False,
    kw_only=True,
    omit_defaults=True,
    tag=wire_name,
    tag_field="$event",
):
    """The properties of one tracked event."""


class Unlisted(msgspec.Struct, frozen=True, tag=True, tag_field="$event"):
    """An event wire §3 does not list, kept as it came: it can start a shop's own programme.

    `properties` holds plain values only: str, int, finite float, bool, None, lists, dicts with
    str keys, and from MessagePack aware datetimes. It takes part in garbage collection, for those.
    """

    name: Id
    properties: dict[str, object]


class Product(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """P of wire §3. `price` is for one piece."""

    product_id: Id
    sku: Text | None = None
    category: Text | None = None
    name: Text | None = None
    brand: Text | None = None
    variant: Text | None = None
    price: Number | None = None
    quantity: Quantity | None = None
    coupon: Text | None = None
    position: Number | None = None
    url: Link | None = None
    image_url: Link | None = None
    currency: Currency | None = None

    @property
    def product(self) -> Product:
        """The product alone, without what the event around it adds."""
        if type(self) is Product:
            return self
        return Product(**{name: getattr(self, name) for name in Product.__struct_fields__})


# The longest order of a real wholesale shop had 675 lines (tests/data); a frame holds about 2 000.
Products = Annotated[tuple[Product, ...], Meta(max_length=2_000)]


# Browsing


class ProductsSearched(Event, frozen=True, kw_only=True):
    query: Text | None = None


class ProductListViewed(Event, frozen=True, kw_only=True):
    list_id: Text | None = None
    category: Text | None = None
    products: Products = ()


class ProductViewed(Product, Event, frozen=True, kw_only=True):
    cart_id: Id | None = None
    value: Number | None = None


class ProductAdded(Product, Event, frozen=True, kw_only=True):
    cart_id: Id | None = None
    value: Number | None = None


class ProductRemoved(Product, Event, frozen=True, kw_only=True):
    cart_id: Id | None = None
    value: Number | None = None


class ProductAddedToWishlist(Product, Event, frozen=True, kw_only=True):
    wishlist_id: Id | None = None
    wishlist_name: Text | None = None


class ProductRemovedFromWishlist(Product, Event, frozen=True, kw_only=True):
    wishlist_id: Id | None = None
    wishlist_name: Text | None = None


class ProductReviewed(Event, frozen=True, kw_only=True):
    product_id: Id
    review_id: Id | None = None
    review_body: Body | None = None
    rating: Number | None = None


# Cart and checkout


class CartViewed(Event, frozen=True, kw_only=True):
    cart_id: Id | None = None
    value: Number | None = None
    currency: Currency | None = None
    products: Products = ()


class CartEmptied(Event, frozen=True, kw_only=True):
    cart_id: Id


class CartMerged(Event, frozen=True, kw_only=True):
    cart_id: Id
    from_cart_id: Id | None = None


class CheckoutStarted(Event, frozen=True, kw_only=True):
    checkout_id: Id | None = None
    order_id: Id | None = None
    cart_id: Id | None = None
    value: Number | None = None
    revenue: Number | None = None
    shipping: Number | None = None
    tax: Number | None = None
    discount: Number | None = None
    coupon: Text | None = None
    currency: Currency | None = None
    products: Products = ()


class _Step(Event, frozen=True, kw_only=True):
    checkout_id: Id | None = None
    order_id: Id | None = None
    cart_id: Id | None = None
    value: Number | None = None
    currency: Currency | None = None
    step: Text | Annotated[int, Meta(ge=0, le=1_000)] | None = None
    step_name: Text | None = None
    name: Text | None = None
    shipping_method: Text | None = None
    payment_method: Text | None = None

    @property
    def named(self) -> StepName:
        return step_named(self.step_name, self.name, self.step)


class CheckoutStepViewed(_Step, frozen=True, kw_only=True):
    """A step of the checkout is shown; `named` says which, where the shop named it."""


class CheckoutStepCompleted(_Step, frozen=True, kw_only=True):
    """A step of the checkout is done; `named` says which, where the shop named it."""


class PaymentInfoEntered(_Step, frozen=True, kw_only=True):
    """The means of payment was given."""


class CouponEntered(Event, frozen=True, kw_only=True):
    order_id: Id | None = None
    cart_id: Id | None = None
    coupon_id: Text | None = None
    coupon_name: Text | None = None


class CouponApplied(Event, frozen=True, kw_only=True):
    order_id: Id | None = None
    cart_id: Id | None = None
    coupon_id: Text | None = None
    coupon_name: Text | None = None
    discount: Number | None = None


class CouponDenied(Event, frozen=True, kw_only=True):
    order_id: Id | None = None
    cart_id: Id | None = None
    coupon_id: Text | None = None
    coupon_name: Text | None = None
    reason: Text | None = None


class CouponRemoved(Event, frozen=True, kw_only=True):
    order_id: Id | None = None
    cart_id: Id | None = None
    coupon_id: Text | None = None
    coupon_name: Text | None = None
    discount: Number | None = None


# Orders


class _Order(Event, frozen=True, kw_only=True):
    order_id: Id
    checkout_id: Id | None = None
    cart_id: Id | None = None
    total: Number | None = None
    revenue: Number | None = None
    shipping: Number | None = None
    tax: Number | None = None
    discount: Number | None = None
    coupon: Text | None = None
    currency: Currency | None = None
    payment_method: Text | None = None
    products: Products = ()


class OrderCompleted(_Order, frozen=True, kw_only=True):
    """The order was submitted; the bank has not spoken yet (R54)."""


class OrderUpdated(_Order, frozen=True, kw_only=True):
    """The order changed after it was submitted."""


class OrderRefunded(_Order, frozen=True, kw_only=True):
    """Money went back: `total` of it, for `products` where only some were returned."""


class OrderCancelled(_Order, frozen=True, kw_only=True):
    """The order will not be fulfilled."""


class OrderPaid(_Order, frozen=True, kw_only=True):
    """The payment is authorised: the confirmation goes now, not at submit (R54)."""

    total: Number
    currency: Currency


class OrderPrepared(Event, frozen=True, kw_only=True):
    order_id: Id


class OrderFulfilled(Event, frozen=True, kw_only=True):
    order_id: Id
    fulfillment_id: Id | None = None
    carrier: Text | None = None
    tracking_number: Text | None = None
    tracking_url: Link | None = None
    products: Products = ()


class ShipmentUpdated(Event, frozen=True, kw_only=True):
    """News from the carrier; `eta` is the carrier's own words or a date."""

    order_id: Id
    fulfillment_id: Id | None = None
    status: Text
    eta: Text | None = None


class OrderDelivered(Event, frozen=True, kw_only=True):
    order_id: Id
    fulfillment_id: Id | None = None
    delivered_at: At | None = None


class _Invoice(Event, frozen=True, kw_only=True):
    invoice_id: Id
    order_id: Id | None = None
    total: Number | None = None
    currency: Currency | None = None
    due_at: At | None = None
    url: Link | None = None


class InvoiceIssued(_Invoice, frozen=True, kw_only=True):
    """An invoice was made out (R57)."""


class InvoiceOverdue(_Invoice, frozen=True, kw_only=True):
    """An invoice is unpaid past `due_at` (R62)."""


class InvoicePaid(_Invoice, frozen=True, kw_only=True):
    """An invoice was paid; its reminders stop."""


class PaymentFailed(Event, frozen=True, kw_only=True):
    order_id: Id | None = None
    invoice_id: Id | None = None
    reason: Text | None = None
    retry_url: Link | None = None


# Account


class SignedUp(Event, frozen=True, kw_only=True):
    email: Email | None = None
    first_name: Text | None = None
    last_name: Text | None = None


class SignedIn(Event, frozen=True, kw_only=True):
    username: Text | None = None


class AccountDeleted(Event, frozen=True, kw_only=True):
    """The account is gone; R63 asks for a confirmation."""


class AccountUpdated(Event, frozen=True, kw_only=True):
    fields: Annotated[tuple[Text, ...], Meta(max_length=500)]


class InviteSent(Event, frozen=True, kw_only=True):
    invitee_email: Email | None = None
    invitee_first_name: Text | None = None
    invitee_last_name: Text | None = None


class VerificationCodeRequested(Event, frozen=True, kw_only=True):
    code: Annotated[str, Meta(min_length=1, max_length=64)]
    expires_at: At
    purpose: Text | None = None


class PasswordResetRequested(Event, frozen=True, kw_only=True):
    reset_url: Annotated[str, Meta(min_length=1, max_length=2_048)]
    expires_at: At


class EmailChanged(Event, frozen=True, kw_only=True):
    old_email: Email
    new_email: Email


class LoginAttempted(Event, frozen=True, kw_only=True):
    success: bool
    ip: Text | None = None
    user_agent: Text | None = None
    location: Text | None = None


# Around the shop


class CommentPosted(Event, frozen=True, kw_only=True):
    subject_id: Id
    subject_url: Link | None = None
    author: Text | None = None
    excerpt: Body | None = None


class _Appointment(Event, frozen=True, kw_only=True):
    appointment_id: Id
    starts_at: At
    place: Text | None = None
    kind: Text | None = None


class AppointmentScheduled(_Appointment, frozen=True, kw_only=True):
    """A date was made; again with the same id, it was moved."""


class AppointmentCancelled(_Appointment, frozen=True, kw_only=True):
    """The date is off; its reminder stops."""


class _SupportTicket(Event, frozen=True, kw_only=True):
    ticket_id: Id
    subject: Text | None = None
    status: Text | None = None
    parties: Annotated[tuple[Email, ...], Meta(max_length=50)] = ()


class SupportTicketOpened(_SupportTicket, frozen=True, kw_only=True):
    """A question was asked; `parties` are the addresses of those who are told (R68)."""


class SupportTicketUpdated(_SupportTicket, frozen=True, kw_only=True):
    """The question's status changed."""


class SupportTicketClosed(_SupportTicket, frozen=True, kw_only=True):
    """The question is settled."""


class SurveyAnswered(Event, frozen=True, kw_only=True):
    survey_id: Id
    mail_id: Id | None = None
    score: Number | None = None
    answers: Annotated[dict[Text, Scalar], Meta(max_length=100)] = {}


# What the customer wants


class PreferenceUpdated(Event, frozen=True, kw_only=True):
    """`digest` says per kind of notification how often; `frequency` is the customer's own wish,
    a word ("weekly") or a number of mails a week.
    """

    frequency: Annotated[str, Meta(max_length=64)] | Annotated[int, Meta(ge=0, le=100)] | None = (
        None
    )
    topics: Annotated[dict[Text, bool], Meta(max_length=100)] = {}
    digest: Annotated[dict[Text, Cadence], Meta(max_length=100)] = {}


class ConsentUpdated(Event, frozen=True, kw_only=True):
    purpose: Purpose
    state: ConsentState
    source: Text | None = None
    proof: Body | None = None


# Catalogue and campaigns


class ProductUpserted(Product, Event, frozen=True, kw_only=True):
    complements: Ids = ()
    services: Ids = ()
    creator_id: Id | None = None
    series_id: Id | None = None
    edition: Edition | None = None
    purchase_kind: PurchaseKind | None = None
    recurring: bool | None = None
    cycle_days: Annotated[int, Meta(ge=1, le=3_650)] | None = None
    affinity_categories: Annotated[tuple[Text, ...], Meta(max_length=500)] = ()
    in_stock: bool | None = None


class ProductReleased(Event, frozen=True, kw_only=True):
    product_id: Id
    series_id: Id
    edition: Edition | None = None
    released_at: At | None = None


class CampaignLaunched(Event, frozen=True, kw_only=True):
    campaign_id: Id
    template: Id
    segment: Text | None = None
    subject: Text | None = None
    schedule: At | None = None


_EVENTS: Final[tuple[type[Event], ...]] = (
    ProductsSearched, ProductListViewed, ProductViewed, ProductAdded, ProductRemoved, CartViewed,
    CheckoutStarted, CheckoutStepViewed, CheckoutStepCompleted, PaymentInfoEntered,
    OrderCompleted, OrderUpdated, OrderRefunded, OrderCancelled,
    CouponEntered, CouponApplied, CouponDenied, CouponRemoved,
    ProductAddedToWishlist, ProductRemovedFromWishlist, ProductReviewed,
    SignedUp, SignedIn, AccountDeleted, InviteSent,
    OrderPaid, OrderPrepared, OrderFulfilled, ShipmentUpdated, OrderDelivered,
    InvoiceIssued, InvoiceOverdue, InvoicePaid, PaymentFailed,
    VerificationCodeRequested, PasswordResetRequested, EmailChanged, LoginAttempted,
    AccountUpdated, CommentPosted, AppointmentScheduled, AppointmentCancelled,
    SupportTicketOpened, SupportTicketUpdated, SupportTicketClosed, CartEmptied, CartMerged,
    SurveyAnswered, PreferenceUpdated, ConsentUpdated,
    ProductUpserted, ProductReleased, CampaignLaunched,
)  # fmt: skip

TRACKED: Final[dict[str, type[Event]]] = {wire_name(kind.__name__): kind for kind in _EVENTS}
NAMES: Final[dict[type[Event], str]] = {kind: name for name, kind in TRACKED.items()}

# Of the catalogue or of everybody: they have no customer of their own.
BROADCAST: Final[frozenset[str]] = frozenset(
    ("Product Upserted", "Product Released", "Campaign Launched")
)

HIDDEN: Final = "•••"
SECRETS: Final[dict[type, tuple[str, ...]]] = {
    VerificationCodeRequested: ("code",),
    PasswordResetRequested: ("reset_url",),
}

_E = TypeVar("_E", bound=msgspec.Struct)


def redacted(event: _E) -> _E:
    """The event as it may be stored and shown: its secrets replaced by "•••" (mission §9.11)."""
    secret = SECRETS.get(type(event))
    return msgspec.structs.replace(event, **dict.fromkeys(secret, HIDDEN)) if secret else event


def step_named(*told: str | int | None) -> StepName:
    """Which step of the checkout is meant, the first that is one of `STEPS`; "" where none is.

    A bare number names nothing: shops count differently.
    """
    for word in told:
        name = word.strip().casefold() if isinstance(word, str) else ""
        for step in STEPS:
            if name == step:
                return step
    return ""
