"""What each kind of key may say."""

from __future__ import annotations

import pytest

from proto import envelope, events, permissions

BROWSER = permissions.BROWSER_EVENTS


def message(kind="track", name="Product Viewed", user_id=None):
    return envelope.Message(
        kind=kind,
        message_id="m1",
        event_name=name,
        event=envelope.Aliased(),
        timestamp=0,
        user_id=user_id,
        anonymous_id="a1",
    )


@pytest.mark.parametrize("name", [*events.TRACKED, "Seen"])
def test_a_browser_may_say_what_is_listed_and_a_back_end_all(name):
    assert (permissions.refusal("publishable", message(name=name)) is None) is (name in BROWSER)
    assert permissions.refusal("secret", message(name=name)) is None
    assert permissions.refusal("operator", message(name=name)) is None


def test_a_browser_may_browse_fill_a_cart_and_check_out_and_nothing_else():
    assert set(events.TRACKED) >= BROWSER
    assert not any(
        name.startswith(("Order ", "Invoice ", "Payment F", "Account ", "Campaign ", "Signed "))
        or name in ("Product Upserted", "Product Released", "Consent Updated", "Cart Merged")
        for name in BROWSER
    )


@pytest.mark.parametrize(
    ("said", "rule"),
    [
        (message(kind="page", name="Page Viewed"), None),
        (message(user_id="u1"), "leave userId out"),
        (message(kind="page", name="Page Viewed", user_id="u1"), "leave userId out"),
        (message(kind="identify", name="Identified"), "may not identify"),
        (message(kind="alias", name="Aliased", user_id="u1"), "may not alias"),
        (message(name="Order Paid"), "may not say 'Order Paid'"),
    ],
)
def test_a_refusal_names_the_rule(said, rule):
    refusal = permissions.refusal("publishable", said)
    assert refusal == rule or rule in refusal
