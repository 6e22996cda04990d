"""Notifications (k38, k39) and their digest (k40): at once, gathered, or not at all, as wished."""

from __future__ import annotations

import pytest

from ecrm import moment
from tests.worlds import Unsent, instant, text_of


async def reader(world, **digest):
    """Zoé, who agreed to no marketing, and how she wants to hear of things."""
    shop = await world.shop()
    await shop.knows("zoe", locale="en-GB", consent=False)
    await shop.consents("zoe", "denied")
    if digest:
        await shop.track("zoe", "Preference Updated", digest=digest)
    return shop


async def comments(shop, author, subject="guide-4", excerpt="I agree."):
    await shop.track(
        "zoe",
        "Comment Posted",
        subject_id=subject,
        subject_url=f"https://boutique.example/{subject}",
        author=author,
        excerpt=excerpt,
    )


async def carries(shop, status, order_id="o1", **said):
    await shop.track("zoe", "Shipment Updated", order_id=order_id, status=status, **said)


# At once.


async def test_a_comment_is_told_at_once_unless_something_else_was_wished(autojump_clock, world):
    shop = await reader(world)
    await world.until("2026-03-02 22:50")
    await comments(shop, "Ben", excerpt="Mine broke too.")
    await world.until("2026-03-20 10:00")
    assert world.kinds() == [("k38", "2026-03-02 22:50")]
    letter = world.letter("k38")
    assert letter["X-Ecrm-Programme"] == "comment/posted"
    assert letter["Auto-Submitted"] == "auto-generated"
    assert letter["List-Id"] is letter["List-Unsubscribe"] is letter["List-Unsubscribe-Post"]
    text = text_of(letter)
    assert "Ben has written a comment" in text
    assert "> Mine broke too." in text
    assert "https://boutique.example/guide-4" in text
    assert "Choose what you receive: http" in text


async def test_two_comments_are_two_mails(autojump_clock, world):
    shop = await reader(world)
    await comments(shop, "Ben")
    await world.passes(moment.MINUTE)
    await comments(shop, "Ann")
    await world.until("2026-03-20 10:00")
    assert world.kinds() == [("k38", "2026-03-02 10:00"), ("k38", "2026-03-02 10:01")]


async def test_news_of_the_carrier_are_told_once_each_with_the_way_to_follow(autojump_clock, world):
    shop = await reader(world)
    await shop.pays("zoe", "o1", "cup")
    await shop.ships("zoe", "o1", "p1")
    await world.until("2026-03-04 07:00")
    for status in ("in transit", "in transit", "out for delivery"):
        await carries(shop, status, fulfillment_id="p1", eta="Thursday")
        await world.passes(moment.HOUR)
    await carries(shop, "delivered", fulfillment_id="p1")
    await world.until("2026-03-20 10:00")
    assert world.kinds("zoe", "k39") == [("k39", "2026-03-04 07:00"), ("k39", "2026-03-04 09:00")]
    first, second = (x for x in world.letters() if x["X-Ecrm-Kind"] == "k39")
    assert first["Subject"] == "News of your order o1"
    assert "Where it is: in transit" in text_of(first)
    assert "Expected: Thursday" in text_of(first)
    assert "https://carrier.example/6A-p1" in text_of(first)
    assert "Where it is: out for delivery" in text_of(second)


async def test_no_news_of_an_order_that_no_longer_stands(autojump_clock, world):
    shop = await reader(world)
    await shop.pays("zoe", "o1", "cup")
    await shop.pays("zoe", "o2", "cup")
    await shop.track("zoe", "Order Cancelled", order_id="o1")
    await shop.track("zoe", "Order Refunded", order_id="o2")
    for order_id in ("o1", "o2"):
        await carries(shop, "in transit", order_id)
    await world.until("2026-03-20 10:00")
    assert world.kinds("zoe", "k39") == []


async def test_old_news_are_no_news(autojump_clock, world):
    shop = await reader(world)
    await shop.track("zoe", "Comment Posted", subject_id="s", at="2026-02-28 09:59")
    await shop.track("zoe", "Shipment Updated", order_id="o1", status="lost", at="2026-02-28 09:59")
    await world.until("2026-03-20 10:00")
    assert world.kinds() == []
    assert await world.unsent("zoe") == [
        Unsent("k38", "comment/posted", "deadline"),
        Unsent("k39", "carrier/update", "deadline"),
    ]


# Gathered.


@pytest.mark.parametrize(
    ("cadence", "at", "title"),
    [
        ("daily", "2026-03-05 08:00", "Your day at Ma boutique"),
        ("weekly", "2026-03-09 08:00", "Your week at Ma boutique"),
        ("monthly", "2026-04-01 08:00", "Your month at Ma boutique"),
    ],
)
async def test_a_digest_tells_what_was_gathered_at_eight_in_the_morning(
    autojump_clock, world, cadence, at, title
):
    shop = await reader(world, comment=cadence, shipping=cadence)
    await world.until("2026-03-04 14:00")
    await comments(shop, "Ben", excerpt="First.")
    await carries(shop, "in transit")
    await world.until("2026-03-04 20:00")
    await comments(shop, "Ann", excerpt="Second.")
    await world.until("2026-05-20 10:00")
    assert world.kinds() == [("k40", at)]
    letter = world.letter("k40")
    assert letter["Subject"] == title
    assert letter["X-Ecrm-Programme"] == "digest/digest"
    assert letter["Auto-Submitted"] == "auto-generated"
    assert letter["List-Id"] is letter["List-Unsubscribe"] is letter["List-Unsubscribe-Post"]
    text = text_of(letter)
    assert "1 piece of news of your parcels" in text
    assert "- Order o1: in transit" in text
    assert "2 new comments" in text
    assert text.index("- Ben: First.") < text.index("- Ann: Second.")
    assert "Change the rhythm:" in text
    assert await world.unsent("zoe") == [
        Unsent("k38", "comment/posted", "digest"),
        Unsent("k39", "carrier/update", "digest"),
        Unsent("k38", "comment/posted", "digest"),
    ]


async def test_a_digest_tells_nothing_twice_and_is_never_empty(autojump_clock, world):
    shop = await reader(world, comment="daily")
    await comments(shop, "Ben", excerpt="Monday.")
    await world.until("2026-03-05 12:00")
    await comments(shop, "Ann", excerpt="Thursday.")
    await world.until("2026-03-20 10:00")
    assert world.kinds() == [("k40", "2026-03-03 08:00"), ("k40", "2026-03-06 08:00")]
    first, second = (text_of(letter) for letter in world.letters())
    assert "Monday." in first
    assert "Monday." not in second
    assert "Thursday." in second


@pytest.mark.parametrize(
    ("told", "at"),
    [("2026-03-03 07:59", "2026-03-03 08:00"), ("2026-03-03 08:00", "2026-03-04 08:00")],
)
async def test_what_comes_as_the_digest_leaves_is_in_the_next(autojump_clock, world, told, at):
    shop = await reader(world, comment="daily")
    await world.until(told)
    await comments(shop, "Ben")
    await world.until("2026-03-20 10:00")
    assert world.kinds() == [("k40", at)]


async def test_eight_is_the_persons_own_morning(autojump_clock, world):
    shop = await reader(world, comment="daily")
    await shop.identify("zoe", timezone="Asia/Tokyo")
    await comments(shop, "Ben")
    await world.until("2026-03-20 10:00")
    # Already evening in Tokyo: its next morning is midnight in Paris.
    assert world.kinds() == [("k40", "2026-03-03 00:00")]


async def test_kinds_with_rhythms_of_their_own_make_digests_of_their_own(autojump_clock, world):
    shop = await reader(world, comment="weekly", shipping="daily")
    await comments(shop, "Ben")
    await carries(shop, "in transit")
    await world.until("2026-03-20 10:00")
    assert world.kinds() == [("k40", "2026-03-03 08:00"), ("k40", "2026-03-09 08:00")]
    daily, weekly = (text_of(letter) for letter in world.letters())
    assert "in transit" in daily
    assert "Ben" not in daily
    assert "Ben" in weekly
    assert "in transit" not in weekly


async def test_only_the_kind_that_was_named_is_gathered(autojump_clock, world):
    shop = await reader(world, comment="daily")
    await comments(shop, "Ben")
    await carries(shop, "in transit")
    await world.until("2026-03-20 10:00")
    assert world.kinds() == [("k39", "2026-03-02 10:00"), ("k40", "2026-03-03 08:00")]


async def test_a_date_may_be_told_in_the_digest_as_well(autojump_clock, world):
    shop = await reader(world, appointment="daily")
    starts = moment.format_instant(instant("2026-03-12 15:00"))
    scheduled = {"appointment_id": "D-1", "starts_at": starts, "place": "12 quai Sud"}
    await shop.track("zoe", "Appointment Scheduled", **scheduled)
    await world.until("2026-03-20 10:00")
    assert world.kinds() == [("k40", "2026-03-12 08:00")]
    assert "- Thursday, 12 March 2026, 15:00, 12 quai Sud" in text_of(world.letter("k40"))


async def test_a_rhythm_that_changes_holds_for_what_comes_from_then_on(autojump_clock, world):
    shop = await reader(world, comment="monthly")
    await comments(shop, "Ben", excerpt="Gathered for the month.")
    await world.until("2026-03-04 10:00")
    await shop.track("zoe", "Preference Updated", digest={"comment": "daily"})
    await comments(shop, "Ann", excerpt="Gathered for the day.")
    await world.until("2026-04-20 10:00")
    assert world.kinds() == [("k40", "2026-03-05 08:00"), ("k40", "2026-04-01 08:00")]


# Not at all.


@pytest.mark.parametrize("wished", [{"digest": {"comment": "off"}}, {"topics": {"comment": False}}])
async def test_who_wants_no_comments_gets_none_and_goes_on_to_get_the_rest(
    autojump_clock, world, wished
):
    shop = await reader(world)
    await shop.track("zoe", "Preference Updated", **wished)
    await comments(shop, "Ben")
    await carries(shop, "in transit")
    await world.until("2026-05-20 10:00")
    assert world.kinds() == [("k39", "2026-03-02 10:00")]
    assert await world.unsent("zoe") == [Unsent("k38", "comment/posted", "preference")]
