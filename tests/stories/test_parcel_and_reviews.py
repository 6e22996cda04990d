"""Parcel and reviews (k17 to k19): asked when there is something to say, and until it was said."""

from __future__ import annotations

import pytest

from ecrm.pressure import Limits
from tests.worlds import Unsent, open_world, text_of

QUESTIONS = ("k17", "k18", "k19")


async def shipped(world, *products, user="zoe", order_id="o1"):
    """An order of Monday 2 March, ten o'clock, that leaves at once."""
    shop = await world.shop()
    await shop.knows(user, locale="en")
    await shop.pays(user, order_id, *(products or ("cup",)))
    await shop.ships(user, order_id)
    return shop


def asked(world, user="zoe"):
    return world.kinds(user, *QUESTIONS)


async def test_the_parcel_is_asked_about_after_15_days_and_the_product_after_30(
    autojump_clock, world
):
    await shipped(world)
    await world.until("2026-06-01 10:00")
    assert asked(world) == [
        ("k17", "2026-03-17 10:00"),
        # From the last Sunday of March a day of 24 hours ends an hour later on the clock.
        ("k18", "2026-04-01 11:00"),
        ("k19", "2026-04-11 11:00"),
        ("k19", "2026-04-21 11:00"),
    ]
    steps = [mail.step for mail in world.mails() if mail.kind == "k19"]
    assert steps == ["review/reminder-1", "review/reminder-2"]
    waits = {
        one["programme"] for one in (await world.ask("inspect", customer="zoe"))["result"]["timers"]
    }
    assert waits & {"parcel", "review"} == set()


async def test_the_questions_can_be_answered_by_a_click(autojump_clock, world):
    await shipped(world, "cup", "pot")
    await world.until("2026-04-02 10:00")
    parcel, review = text_of(world.letter("k17")), text_of(world.letter("k18"))
    assert "5/5 (Very satisfied): http" in parcel
    assert "- cup\n  http" in review
    assert "- pot\n  http" in review


async def test_a_late_delivery_puts_the_question_three_days_after_it(autojump_clock, world):
    shop = await shipped(world)
    await world.until("2026-03-16 15:00")
    await shop.track("zoe", "Order Delivered", order_id="o1")
    await world.until("2026-03-30 10:00")
    assert asked(world) == [("k17", "2026-03-19 15:00")]


async def test_an_early_delivery_does_not_bring_the_question_forward(autojump_clock, world):
    shop = await shipped(world)
    await world.until("2026-03-05 15:00")
    await shop.track("zoe", "Order Delivered", order_id="o1")
    await world.until("2026-03-30 10:00")
    assert asked(world) == [("k17", "2026-03-17 10:00")]


async def test_the_carriers_word_counts_as_a_delivery(autojump_clock, world):
    shop = await shipped(world)
    await world.until("2026-03-16 15:00")
    await shop.track("zoe", "Shipment Updated", order_id="o1", status="delivered")
    await world.until("2026-03-30 10:00")
    assert asked(world) == [("k17", "2026-03-19 15:00")]


async def test_after_a_failed_delivery_nothing_is_asked(autojump_clock, world):
    shop = await shipped(world)
    await world.until("2026-03-10 10:00")
    await shop.track("zoe", "Shipment Updated", order_id="o1", status="delivery failed")
    await world.until("2026-06-01 10:00")
    assert asked(world) == []
    assert await world.unsent("zoe", *QUESTIONS) == [
        Unsent("k17", "parcel/arrived", "condition"),
        Unsent("k18", "review/product", "condition"),
        Unsent("k19", "review/reminder-1", "condition"),
        Unsent("k19", "review/reminder-2", "condition"),
    ]


async def test_a_delivery_that_failed_and_then_succeeded_is_asked_about(autojump_clock, world):
    shop = await shipped(world)
    await world.until("2026-03-10 10:00")
    await shop.track("zoe", "Shipment Updated", order_id="o1", status="delivery failed")
    await world.until("2026-03-12 10:00")
    await shop.track("zoe", "Order Delivered", order_id="o1")
    await world.until("2026-03-30 10:00")
    assert asked(world) == [("k17", "2026-03-17 10:00")]


@pytest.mark.parametrize("event", ["Order Refunded", "Order Cancelled"])
async def test_what_was_given_back_is_not_asked_about(autojump_clock, world, event):
    shop = await shipped(world)
    await world.until("2026-03-10 10:00")
    await shop.track("zoe", event, order_id="o1")
    await world.until("2026-06-01 10:00")
    assert asked(world) == []
    assert await world.unsent("zoe", *QUESTIONS) == [
        Unsent("k17", "parcel/arrived", "stop_condition"),
        Unsent("k18", "review/product", "stop_condition"),
    ]


async def test_a_partial_refund_leaves_the_rest_to_be_reviewed(autojump_clock, world):
    shop = await shipped(world, "cup", "pot")
    await world.until("2026-03-20 10:00")
    await shop.track("zoe", "Order Refunded", order_id="o1", products=[{"product_id": "cup"}])
    await world.until("2026-04-02 10:00")
    assert [kind for kind, _ in asked(world)] == ["k17", "k18"]
    assert "pot" in text_of(world.letter("k18"))
    assert "cup" not in text_of(world.letter("k18"))


async def test_who_has_rated_the_shop_is_not_asked_about_the_parcel(autojump_clock, world):
    shop = await shipped(world)
    await world.until("2026-03-10 10:00")
    await shop.track("zoe", "Survey Answered", survey_id="site/o1", score=4)
    await world.until("2026-04-02 10:00")
    assert asked(world) == [("k18", "2026-04-01 11:00")]
    assert await world.unsent("zoe", *QUESTIONS) == [
        Unsent("k17", "parcel/arrived", "stop_condition")
    ]


async def test_the_answer_about_another_order_stops_nothing(autojump_clock, world):
    shop = await shipped(world)
    await shop.track("zoe", "Survey Answered", survey_id="site/o2", score=4)
    await shop.track("zoe", "Survey Answered", survey_id="relevance/o1", score=4)
    await world.until("2026-03-20 10:00")
    assert asked(world) == [("k17", "2026-03-17 10:00")]


async def test_a_review_ends_the_reminders(autojump_clock, world):
    shop = await shipped(world, "cup", "pot")
    await world.until("2026-04-05 10:00")
    await shop.track("zoe", "Product Reviewed", product_id="pot", rating=5)
    await world.until("2026-06-01 10:00")
    assert [kind for kind, _ in asked(world)] == ["k17", "k18"]
    assert await world.unsent("zoe", *QUESTIONS) == [
        Unsent("k19", "review/reminder-1", "condition"),
        Unsent("k19", "review/reminder-2", "condition"),
    ]


async def test_a_review_of_something_else_ends_nothing(autojump_clock, world):
    shop = await shipped(world)
    await world.until("2026-04-05 10:00")
    await shop.track("zoe", "Product Reviewed", product_id="tray", rating=5)
    await world.until("2026-06-01 10:00")
    assert [kind for kind, _ in asked(world)] == ["k17", "k18", "k19", "k19"]


async def test_who_objects_is_asked_nothing_more(autojump_clock, world):
    shop = await shipped(world)
    await world.until("2026-03-20 10:00")
    await shop.consents("zoe", "denied")
    await world.until("2026-06-01 10:00")
    assert [kind for kind, _ in asked(world)] == ["k17"]
    assert [mail.reason for mail in await world.unsent("zoe", *QUESTIONS)] == ["consent"] * 3


async def test_an_order_of_the_night_is_asked_about_in_the_morning(autojump_clock, world):
    await world.until("2026-03-02 22:30")
    await shipped(world)
    await world.until("2026-04-02 12:00")
    assert asked(world) == [("k17", "2026-03-18 08:00"), ("k18", "2026-04-02 08:00")]


# Programmes that want to speak at once.


async def test_of_two_questions_due_at_once_one_waits_for_the_gap(autojump_clock, world):
    shop = await shipped(world, order_id="o1")
    await shop.pays("zoe", "o2", "pot")
    await shop.ships("zoe", "o2")
    await world.until("2026-03-25 10:00")
    # Twenty hours after ten in the morning is six: the quiet hours end at eight.
    assert asked(world) == [("k17", "2026-03-17 10:00"), ("k17", "2026-03-18 08:00")]


async def test_a_cart_goes_before_a_question(autojump_clock, world):
    shop = await shipped(world)
    await world.until("2026-03-17 09:00")
    await shop.adds("zoe", "tray")
    await world.until("2026-03-30 10:00")
    marketing = world.kinds("zoe", "k07", "k08", "k17")
    # The reminder and the question are due at ten, and the offer of the cart two days later.
    assert marketing == [
        ("k07", "2026-03-17 10:00"),
        ("k17", "2026-03-18 08:00"),
        # The cap of two in seven days holds the offer back for too long, and the last call not.
        ("k08", "2026-03-24 10:00"),
    ]
    assert await world.unsent("zoe", "k07", "k08", "k17") == [Unsent("k08", "cart/offer", "cap")]


async def test_no_programme_breaks_the_cap_that_all_share(autojump_clock, tmp_path):
    one = Limits(per_week=1)
    async with open_world(tmp_path, autojump_clock, limits=one) as world:
        shop = await world.shop()
        await shop.registers("zoe")
        await world.until("2026-03-09 09:30")
        await shop.adds("zoe", "tray")
        await world.until("2026-04-10 10:00")
        # Welcome goes on Monday at ten; the cart half an hour later has no room within two hours.
        # A week later both want the one place there is, and the cart goes first.
        assert world.kinds("zoe") == [
            ("k01", "2026-03-02 10:00"),
            ("k02", "2026-03-09 10:00"),
            ("k08", "2026-03-16 10:00"),
            ("k04", "2026-03-23 10:00"),
            ("k05", "2026-03-30 11:00"),
        ]
        assert await world.unsent("zoe") == [
            Unsent("k07", "cart/reminder", "cap"),
            Unsent("k08", "cart/offer", "cap"),
            Unsent("k03", "welcome/week-2", "arbitration"),
        ]


async def test_an_owed_mail_takes_no_room_from_the_optional_ones(autojump_clock, world):
    shop = await shipped(world)
    await world.until("2026-03-17 09:59")
    await shop.pays("zoe", "o2", "pot")
    await world.until("2026-03-17 10:00")
    assert asked(world) == [("k17", "2026-03-17 10:00")]
