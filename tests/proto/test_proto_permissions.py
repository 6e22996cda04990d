"""What each kind of key may say."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest
from msgspec.structs import replace

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


IDENTIFY = message(kind="identify", name="Identified")
ALIAS = message(kind="alias", name="Aliased", user_id="u1")


@pytest.mark.parametrize(
    ("said", "rule"),
    [
        (message(kind="page", name="Page Viewed"), None),
        (message(user_id="u1"), "leave userId out, or prove it with userHash"),
        (message(kind="page", name="Page Viewed", user_id="u1"), "leave userId out"),
        (IDENTIFY, "may not identify without userId and userHash"),
        (ALIAS, "prove it with userHash"),
        (message(name="Order Paid"), "may not say 'Order Paid': send it with a secret key"),
    ],
)
def test_a_refusal_names_the_rule_and_what_to_do(said, rule):
    refusal = permissions.refusal("publishable", said)
    assert refusal == rule or rule in refusal


def traits(**told):
    return replace(IDENTIFY, user_id="u1", event=envelope.Traits(**told))


@pytest.mark.parametrize(
    ("said", "rule"),
    [
        (message(user_id="u1"), None),
        (message(kind="page", name="Page Viewed", user_id="u1"), None),
        (message(user_id="u1", name="Order Paid"), "may not say 'Order Paid'"),
        (message(user_id="u1", name="Consent Updated"), "may not say 'Consent Updated'"),
        (traits(), None),
        (traits(first_name="Zoé", locale="fr", preferences={"tea": True}), None),
        (traits(first_name="Zoé", email="mine@evil.example"), "may not set email"),
        (traits(created_at=datetime(2020, 1, 1, tzinfo=UTC)), "may not set createdAt"),
        (replace(ALIAS, previous_id="a1"), None),
        (replace(ALIAS, previous_id="a1", anonymous_id=None), None),
        (replace(ALIAS, previous_id="a2"), "previousId is its anonymousId"),
    ],
)
def test_a_proved_person_says_more_and_still_no_money_and_no_address(said, rule):
    refusal = permissions.refusal("publishable", said, proved=True)
    assert refusal == rule or rule in refusal


def test_every_trait_a_browser_may_set_is_one_of_the_wires():
    known = {field.encode_name for field in msgspec.structs.fields(envelope.Traits)}
    assert known - permissions.BROWSER_TRAITS == {"email", "createdAt"}
    assert known >= permissions.BROWSER_TRAITS


SHOP = ("https://www.boutique.example",)


@pytest.mark.parametrize(
    ("origins", "came_from", "rule"),
    [
        ((), None, None),
        ((), "https://anywhere.example", None),
        (SHOP, SHOP[0], None),
        (SHOP, "https://WWW.boutique.example", None),
        (SHOP, "http://www.boutique.example", "not for pages of http:"),
        (SHOP, "https://boutique.example", "not for pages of"),
        (SHOP, "https://www.boutique.example:8443", "not for pages of"),
        (SHOP, "https://www.boutique.example.evil.example", "not for pages"),
        (SHOP, "null", "not for pages of null"),
        (SHOP, None, 'add "none" to its origins'),
        ((*SHOP, "none"), None, None),
        ((*SHOP, "none"), "https://evil.example", "not for pages"),
    ],
)
def test_a_key_is_used_from_where_it_belongs(origins, came_from, rule):
    refusal = permissions.origin_refusal(origins, came_from)
    assert refusal == rule or rule in refusal


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("https://www.boutique.example", "https://www.boutique.example"),
        ("https://www.Boutique.example/", "https://www.boutique.example"),
        ("https://www.boutique.example:443", "https://www.boutique.example"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://[::1]:3000", "http://[::1]:3000"),
    ],
)
def test_an_origin_is_kept_as_browsers_write_it(written, read):
    assert permissions.origin(written) == read


@pytest.mark.parametrize(
    "wrong",
    ["", "*", "www.boutique.example", "ftp://a.example", "https://a.example/shop", "https:"],
)
def test_what_is_no_origin_is_answered_with_one(wrong):
    with pytest.raises(ValueError, match="is no origin: write"):
        permissions.origin(wrong)


def test_the_table_for_people_lists_what_the_rules_say():
    text = permissions.table()
    assert all(f"`{name}`" in text for name in BROWSER | permissions.BROWSER_TRAITS)
    assert "email" not in text
    assert all(line.count("|") == 5 for line in text.splitlines())
