"""What others are told, as they read it."""

from __future__ import annotations

from typing import get_args

import pytest

from proto import frames, notices

WHO = {"customer_id": "c1", "at": 1_772_359_200_000}
MAIL = {**WHO, "mail_id": "x1", "kind": "k07", "programme": "cart", "step": "reminder"}

EXAMPLES = {
    "Email Sent": notices.EmailSent(**MAIL),
    "Email Withheld": notices.EmailWithheld(**WHO, reason="cap"),
    "Email Deferred": notices.EmailDeferred(**MAIL, response="451 later"),
    "Email Failed": notices.EmailFailed(**MAIL, response="550 no"),
    "Email Delivered": notices.EmailDelivered(**MAIL),
    "Email Opened": notices.EmailOpened(**MAIL),
    "Email Link Clicked": notices.EmailLinkClicked(**MAIL, link="https://s.example/"),
    "Email Bounced": notices.EmailBounced(**MAIL, permanent=True),
    "Email Marked as Spam": notices.EmailMarkedAsSpam(**MAIL),
    "Unsubscribed": notices.Unsubscribed(**WHO, mail_id="x1", scope="marketing"),
    "Coupon Issued": notices.CouponIssued(**WHO, code="C10", percent=10, until=1_772_445_600_000),
    "Coupon Redeemed": notices.CouponRedeemed(**WHO, code="C10", order_id="o1"),
    "Segment Changed": notices.SegmentChanged(**WHO, axis="tier", before="active", after="inactive"),
}  # fmt: skip


def test_every_notice_has_an_example():
    assert {type(example) for example in EXAMPLES.values()} == set(get_args(notices.Notice))


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_notice_says_its_event_in_segments_words_and_when_in_iso(name):
    told = frames.noticed(EXAMPLES[name])
    assert (told["type"], told["event"], told["customerId"]) == ("notice", name, "c1")
    assert told["at"] == "2026-03-01T10:00:00.000Z"


@pytest.mark.parametrize(
    ("prefix", "topic"),
    [("Email", "mail"), ("Unsub", "mail"), ("Coupon", "coupon"), ("Segment", "segment")],
)
def test_a_notice_belongs_to_one_topic(prefix, topic):
    told = [frames.noticed(x)["topic"] for name, x in EXAMPLES.items() if name.startswith(prefix)]
    assert told == [topic] * len(told) != []
    assert topic in notices.TOPICS


def test_a_coupon_says_until_when_in_iso_and_leaves_out_what_it_does_not_know():
    assert frames.noticed(EXAMPLES["Coupon Issued"]) == {
        "type": "notice",
        "topic": "coupon",
        "event": "Coupon Issued",
        "customerId": "c1",
        "at": "2026-03-01T10:00:00.000Z",
        "code": "C10",
        "percent": 10,
        "until": "2026-03-02T10:00:00.000Z",
    }
