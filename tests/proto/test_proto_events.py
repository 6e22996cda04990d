"""Every event of wire §3: its name, what must be there, and that it survives both notations."""

from __future__ import annotations

import math

import msgspec
import pytest

from proto import events

P = {"product_id": "p1", "name": "Chair", "price": 49.9, "quantity": 2, "currency": "EUR"}
ORDER = {"order_id": "o1", "total": 99.8, "shipping": 5, "currency": "EUR", "products": [P]}
COUPON = {"order_id": "o1", "coupon_id": "C10"}
INVOICE = {"invoice_id": "i1", "total": 12, "currency": "EUR", "due_at": "2026-03-01T00:00:00Z"}
TICKET = {"ticket_id": "t1", "subject": "Broken", "parties": ["a@b.example"]}
STEP = {"checkout_id": "k1", "step": 4, "step_name": "payment"}
DATE = {"appointment_id": "a1", "starts_at": "2026-03-01T10:00:00+01:00", "place": "Lyon"}

# Each with what wire §3 stars.
EXAMPLES = {
    "Products Searched": ({"query": "chair"}, []),
    "Product List Viewed": ({"list_id": "l", "products": [P]}, []),
    "Product Viewed": (P, ["product_id"]),
    "Product Added": ({**P, "cart_id": "c1"}, ["product_id"]),
    "Product Removed": ({**P, "cart_id": "c1"}, ["product_id"]),
    "Cart Viewed": ({"cart_id": "c1", "products": [P]}, []),
    "Checkout Started": ({"checkout_id": "k1", "cart_id": "c1", "value": 99.8}, []),
    "Checkout Step Viewed": (STEP, []),
    "Checkout Step Completed": (STEP, []),
    "Payment Info Entered": (STEP, []),
    "Order Completed": (ORDER, ["order_id"]),
    "Order Updated": (ORDER, ["order_id"]),
    "Order Refunded": (ORDER, ["order_id"]),
    "Order Cancelled": (ORDER, ["order_id"]),
    "Coupon Entered": (COUPON, []),
    "Coupon Applied": ({**COUPON, "discount": 10}, []),
    "Coupon Denied": ({**COUPON, "reason": "over"}, []),
    "Coupon Removed": (COUPON, []),
    "Product Added to Wishlist": ({**P, "wishlist_id": "w"}, ["product_id"]),
    "Product Removed from Wishlist": ({**P, "wishlist_id": "w"}, ["product_id"]),
    "Product Reviewed": ({"product_id": "p1", "rating": 4, "review_body": "ok"}, ["product_id"]),
    "Signed Up": ({"email": "a@b.example", "first_name": "Ada"}, []),
    "Signed In": ({"username": "ada"}, []),
    "Account Deleted": ({}, []),
    "Invite Sent": ({"invitee_email": "c@d.example"}, []),
    "Order Paid": (ORDER, ["order_id", "total", "currency"]),
    "Order Prepared": ({"order_id": "o1"}, ["order_id"]),
    "Order Fulfilled": ({"order_id": "o1", "tracking_number": "1Z"}, ["order_id"]),
    "Shipment Updated": (
        {"order_id": "o1", "status": "in_transit", "eta": "Tuesday"},
        ["order_id", "status"],
    ),
    "Order Delivered": ({"order_id": "o1", "delivered_at": "2026-03-01T10:00:00Z"}, ["order_id"]),
    "Invoice Issued": (INVOICE, ["invoice_id"]),
    "Invoice Overdue": (INVOICE, ["invoice_id"]),
    "Invoice Paid": (INVOICE, ["invoice_id"]),
    "Payment Failed": ({"order_id": "o1", "reason": "declined"}, []),
    "Verification Code Requested": (
        {"code": "123456", "expires_at": "2026-03-01T10:00:00Z"},
        ["code", "expires_at"],
    ),
    "Password Reset Requested": (
        {"reset_url": "https://shop.example/r/1", "expires_at": "2026-03-01T10:00:00Z"},
        ["reset_url", "expires_at"],
    ),
    "Email Changed": (
        {"old_email": "a@b.example", "new_email": "c@d.example"},
        ["old_email", "new_email"],
    ),
    "Login Attempted": ({"success": False, "ip": "192.0.2.1"}, ["success"]),
    "Account Updated": ({"fields": ["phone"]}, ["fields"]),
    "Comment Posted": ({"subject_id": "s1", "author": "Bo", "excerpt": "Hi"}, ["subject_id"]),
    "Appointment Scheduled": (DATE, ["appointment_id", "starts_at"]),
    "Appointment Cancelled": (DATE, ["appointment_id", "starts_at"]),
    "Support Ticket Opened": (TICKET, ["ticket_id"]),
    "Support Ticket Updated": (TICKET, ["ticket_id"]),
    "Support Ticket Closed": (TICKET, ["ticket_id"]),
    "Cart Emptied": ({"cart_id": "c1"}, ["cart_id"]),
    "Cart Merged": ({"cart_id": "c1", "from_cart_id": "c0"}, ["cart_id"]),
    "Survey Answered": ({"survey_id": "site/o1", "score": 9, "answers": {"q": 1}}, ["survey_id"]),
    "Preference Updated": (
        {"frequency": "weekly", "topics": {"news": True}, "digest": {"comments": "daily"}},
        [],
    ),
    "Consent Updated": (
        {"purpose": "email_marketing", "state": "granted", "source": "checkout"},
        ["purpose", "state"],
    ),
    "Product Upserted": (
        {**P, "complements": ["p2"], "cycle_days": 30, "purchase_kind": "impulse", "edition": 26},
        ["product_id"],
    ),
    "Product Released": ({"product_id": "p1", "series_id": "s"}, ["product_id", "series_id"]),
    "Campaign Launched": ({"campaign_id": "n1", "template": "t"}, ["campaign_id", "template"]),
}
NOTATIONS = [msgspec.json, msgspec.msgpack]


def test_every_event_of_the_wire_is_tracked_under_its_name():
    assert set(EXAMPLES) == set(events.TRACKED)
    assert {name: events.NAMES[kind] for name, kind in events.TRACKED.items()} == {
        name: name for name in EXAMPLES
    }


def test_the_class_of_an_event_is_named_as_the_event_without_spaces():
    assert [kind.__name__ for kind in events.TRACKED.values()] == [
        "".join(word.capitalize() for word in name.split()) for name in events.TRACKED
    ]


@pytest.mark.parametrize("notation", NOTATIONS)
@pytest.mark.parametrize("name", EXAMPLES)
def test_an_event_says_what_was_said_and_survives_a_round_trip(name, notation):
    kind, (told, _) = events.TRACKED[name], EXAMPLES[name]
    event = notation.decode(notation.encode(told), type=kind)
    assert notation.decode(notation.encode(event), type=kind) == event
    said = msgspec.json.decode(msgspec.json.encode(event))
    assert said == {"$event": name, **told}


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_event_without_what_is_starred_is_refused_and_without_the_rest_is_not(name):
    told, starred = EXAMPLES[name]
    least = {key: told[key] for key in starred}
    msgspec.convert(least, events.TRACKED[name])
    for missing in starred:
        short = {key: value for key, value in least.items() if key != missing}
        with pytest.raises(msgspec.ValidationError, match=missing):
            msgspec.convert(short, events.TRACKED[name])


@pytest.mark.parametrize("name", EXAMPLES)
def test_what_is_optional_may_be_null_and_what_is_unknown_is_passed_over(name):
    told, _ = EXAMPLES[name]
    kind = events.TRACKED[name]
    nullable = {f.name: None for f in msgspec.structs.fields(kind) if f.default is None}
    assert msgspec.convert({**nullable, **told, "colour": ["red"]}, kind) == msgspec.convert(
        told, kind
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("price", math.nan),
        ("price", math.inf),
        ("price", -math.inf),
        ("price", 1.1e12),
        ("price", -(10**13)),
        ("price", "49.90"),
        ("price", True),
        ("quantity", 0),
        ("quantity", -1),
        ("quantity", 1_000_001),
        ("quantity", 1.5),
        ("currency", "eur"),
        ("currency", "EUR\n"),
        ("product_id", ""),
        ("product_id", "p" * 256),
        ("product_id", 7),
        ("name", "n" * 2_001),
        ("url", "u" * 2_049),
    ],
)
def test_a_product_with_an_absurd_value_is_refused(field, value):
    data = msgspec.msgpack.encode({**P, field: value})
    with pytest.raises(msgspec.ValidationError, match=rf"at `\$\.{field}`"):
        msgspec.msgpack.decode(data, type=events.ProductAdded)


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("Order Paid", "products", [P] * 2_001),
        ("Order Delivered", "delivered_at", "2026-03-01T10:00:00"),
        ("Order Delivered", "delivered_at", "yesterday"),
        ("Email Changed", "new_email", "a@b.example\nBcc: c@d.example"),
        ("Signed Up", "email", "nobody"),
        ("Consent Updated", "purpose", "anything"),
        ("Consent Updated", "state", "maybe"),
        ("Preference Updated", "digest", {"comments": "hourly"}),
        ("Product Upserted", "edition", 2**53 + 1),
        ("Product Upserted", "cycle_days", 0),
    ],
)
def test_a_wrong_property_is_refused(name, field, value):
    with pytest.raises(msgspec.ValidationError, match=field):
        msgspec.convert({**EXAMPLES[name][0], field: value}, events.TRACKED[name])


def test_an_event_about_a_product_gives_the_product_alone():
    added = events.ProductAdded(product_id="p1", price=3, cart_id="c1")
    assert added.product == events.Product(product_id="p1", price=3)
    assert added.product.product is not added
    assert type(added.product) is events.Product


def test_a_product_is_its_own_product():
    product = events.Product(product_id="p1")
    assert product.product is product


@pytest.mark.parametrize(
    ("told", "named"),
    [
        ({"step_name": "payment"}, "payment"),
        ({"step_name": " Shipping "}, "shipping"),
        ({"name": "ADDRESS"}, "address"),
        ({"step": "contact"}, "contact"),
        ({"step": 4, "step_name": "review"}, "review"),
        ({"step_name": "basket", "step": "payment"}, "payment"),
        ({"step": 4}, ""),
        ({"step": "4"}, ""),
        ({}, ""),
    ],
)
def test_a_checkout_step_is_known_by_its_name_and_never_guessed_from_its_number(told, named):
    assert msgspec.convert(told, events.CheckoutStepViewed).named == named


@pytest.mark.parametrize(
    ("name", "secret"),
    [("Verification Code Requested", "123456"), ("Password Reset Requested", "https://shop")],
)
def test_a_secret_is_replaced_and_the_rest_stays(name, secret):
    event = msgspec.convert(EXAMPLES[name][0], events.TRACKED[name])
    shown = events.redacted(event)
    assert secret.encode() in msgspec.json.encode(event)
    assert secret.encode() not in msgspec.json.encode(shown)
    assert "•••" in msgspec.json.encode(shown).decode()
    assert shown.expires_at == event.expires_at


def test_an_event_without_secrets_is_redacted_to_itself():
    event = events.OrderPrepared(order_id="o1")
    assert events.redacted(event) is event


def test_what_has_no_customer_is_of_the_catalogue_or_of_everybody():
    assert set(events.TRACKED) >= events.BROADCAST
    assert {events.TRACKED[name] for name in events.BROADCAST} == {
        events.ProductUpserted,
        events.ProductReleased,
        events.CampaignLaunched,
    }
