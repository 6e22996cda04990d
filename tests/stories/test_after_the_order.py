"""After each order: what goes with it in the confirmation (k11), thanks (k12), what completes it
(k21).
"""

from __future__ import annotations

import pytest

from tests.worlds import Unsent, text_of

ORDERED = ("k11", "k12", "k21")


async def opened(world):
    """A shop that sells a telephone and what goes with it."""
    shop = await world.shop()
    await shop.sells(
        "phone", price=300, category="phones", complements=["case", "charger"], services=["care"]
    )
    await shop.sells("case", price=20, category="cases", url="https://shop.example/case")
    await shop.sells("charger", price=30, category="chargers")
    await shop.sells("care", name="Three years of warranty", price=45, category="services")
    await shop.sells("pan", price=40, category="kitchen")
    return shop


def proposed(letter, *products):
    """Which of these a mail proposes: as lines of their own."""
    lines = text_of(letter).splitlines()
    return [one for one in products if any(line.startswith(f"- {one} – ") for line in lines)]


# In the confirmation (R27).


async def test_the_confirmation_proposes_a_service_and_an_accessory(autojump_clock, world):
    shop = await opened(world)
    await shop.knows("zoe", locale="en")
    await shop.pays("zoe", "o1", "phone")
    await world.passes(0)
    text = text_of(world.letter("k11"))
    assert "- Three years of warranty – €45.00\n  For phone" in text
    assert "- case – €20.00\n  Goes with phone\n  https://shop.example/case" in text
    assert "- charger – €30.00" in text
    assert "- pan" not in text


async def test_the_confirmation_proposes_nothing_to_who_objected_and_goes_all_the_same(
    autojump_clock, world
):
    shop = await opened(world)
    await shop.knows("zoe", locale="en", consent=False)
    await shop.consents("zoe", "denied")
    await shop.pays("zoe", "o1", "phone")
    await world.passes(0)
    text = text_of(world.letter("k11"))
    assert "- phone – €10.00" in text
    assert "warranty" not in text
    assert "case" not in text


async def test_what_is_in_the_order_already_is_not_proposed_beside_it(autojump_clock, world):
    shop = await opened(world)
    await shop.knows("zoe", locale="en")
    await shop.pays("zoe", "o1", "phone", "case")
    await world.passes(0)
    text = text_of(world.letter("k11"))
    assert text.count("- case – ") == 1
    assert "- charger – €30.00\n  Goes with phone" in text


async def test_what_is_used_up_brings_a_word_about_the_next_time(autojump_clock, world):
    shop = await opened(world)
    await shop.sells("tea", recurring=True, cycle_days=20)
    for customer in ("zoe", "ada", "no"):
        await shop.knows(customer, locale="en", consent=customer != "no")
    await shop.consents("no", "denied")
    await shop.pays("zoe", "o1", "tea")
    await shop.pays("ada", "o2", "phone")
    await shop.pays("no", "o3", "tea")
    await world.passes(0)
    told = {
        letter["X-Ecrm-Customer"]: "When it runs out" in text_of(letter)
        for letter in world.letters()
    }
    assert told == {"zoe": True, "ada": False, "no": False}


# Thanks (k12).


async def test_each_order_is_thanked_for_the_day_after_at_ten(autojump_clock, world):
    shop = await world.shop()
    await shop.knows("zoe", locale="en")
    await shop.pays("zoe", "o1", "cup")
    await world.until("2026-03-10 15:30")
    await shop.pays("zoe", "o2", "pot")
    await world.until("2026-03-15 10:00")
    assert world.kinds("zoe", "k12") == [
        ("k12", "2026-03-03 10:00"),
        # A day after half past three is past the next ten o'clock.
        ("k12", "2026-03-12 10:00"),
    ]
    first, second = (x for x in world.letters() if x["X-Ecrm-Kind"] == "k12")
    assert "your order o1" in text_of(first)
    assert "your order o2" in text_of(second)
    assert "€" not in text_of(first)
    assert "%" not in text_of(first)


@pytest.mark.parametrize("event", ["Order Cancelled", "Order Refunded"])
async def test_an_order_that_came_to_nothing_is_not_thanked_for(autojump_clock, world, event):
    shop = await opened(world)
    await shop.knows("zoe")
    await shop.pays("zoe", "o1", "phone")
    await world.until("2026-03-03 09:00")
    await shop.track("zoe", event, order_id="o1")
    await world.until("2026-03-20 10:00")
    assert world.kinds("zoe", *ORDERED) == [("k11", "2026-03-02 10:00")]
    assert await world.unsent("zoe", *ORDERED) == [
        Unsent("k12", "thanks/thanks", "stop_condition"),
        Unsent("k21", "cross-sell/suggestions", "stop_condition"),
    ]


async def test_an_order_that_is_only_submitted_is_not_thanked_for(autojump_clock, world):
    shop = await world.shop()
    await shop.knows("zoe")
    await shop.track("zoe", "Order Completed", order_id="o1", total=10, currency="EUR")
    await world.until("2026-03-10 10:00")
    assert world.kinds("zoe", "k12") == []


# What completes it (k21).


async def test_what_completes_an_order_is_proposed_five_days_after_its_confirmation(
    autojump_clock, world
):
    shop = await opened(world)
    await shop.knows("zoe", locale="en")
    await shop.pays("zoe", "o1", "phone")
    await world.until("2026-03-20 10:00")
    assert world.kinds("zoe", *ORDERED) == [
        ("k11", "2026-03-02 10:00"),
        ("k12", "2026-03-03 10:00"),
        ("k21", "2026-03-07 10:00"),
    ]
    letter = world.letter("k21")
    assert "With your order o1 in mind" in text_of(letter)
    assert proposed(letter, "case", "charger", "care", "pan", "phone") == ["case", "charger"]


async def test_more_by_the_same_maker_is_proposed_too(autojump_clock, world):
    shop = await world.shop()
    await shop.sells("novel", category="books", creator_id="ada", complements=["bookmark"])
    await shop.sells("sequel", category="books", creator_id="ada")
    await shop.sells("other", category="books", creator_id="bob")
    await shop.sells("bookmark", price=3)
    await shop.knows("zoe", locale="en")
    await shop.pays("zoe", "o1", "novel")
    await world.until("2026-03-07 10:00")
    text = text_of(world.letter("k21"))
    assert "- bookmark – €3.00\n  Goes with novel" in text
    assert "- sequel – €10.00\n  By the same maker as novel" in text
    assert "- other" not in text


async def test_the_five_days_count_from_the_confirmation_and_not_from_the_order(
    autojump_clock, world
):
    shop = await opened(world)
    await shop.track(
        "zoe",
        "Order Paid",
        order_id="o1",
        total=300,
        currency="EUR",
        products=[{"product_id": "phone"}],
    )
    await world.until("2026-03-04 12:00")
    # Owed since Monday, and sent once there is an address.
    await shop.knows("zoe")
    await world.until("2026-03-20 10:00")
    assert world.kinds("zoe", "k11", "k21") == [
        ("k11", "2026-03-04 12:00"),
        ("k21", "2026-03-10 10:00"),
    ]


async def test_what_was_bought_or_put_aside_meanwhile_is_not_proposed(autojump_clock, world):
    shop = await opened(world)
    for customer in ("zoe", "ada"):
        await shop.knows(customer, locale="en")
        await shop.pays(customer, f"o-{customer}", "phone")
    await world.until("2026-03-04 12:00")
    await shop.track(
        "zoe",
        "Order Completed",
        order_id="o2",
        total=20,
        currency="EUR",
        products=[{"product_id": "case"}],
    )
    await shop.track("ada", "Cart Viewed", cart_id="c", products=[{"product_id": "case"}])
    await world.until("2026-03-07 10:00")
    sent = [x for x in world.letters() if x["X-Ecrm-Kind"] == "k21"]
    assert [proposed(one, "case", "charger") for one in sent] == [["charger"]] * 2


async def test_who_bought_everything_there_is_to_propose_gets_no_mail(autojump_clock, world):
    shop = await opened(world)
    await shop.knows("zoe")
    await shop.pays("zoe", "o1", "phone")
    await world.until("2026-03-04 12:00")
    await shop.track(
        "zoe",
        "Order Completed",
        order_id="o2",
        total=50,
        currency="EUR",
        products=[{"product_id": "case"}, {"product_id": "charger"}],
    )
    await world.until("2026-03-20 10:00")
    assert world.kinds("zoe", "k21") == []
    assert await world.unsent("zoe", "k21") == [
        Unsent("k21", "cross-sell/suggestions", "missing_data")
    ]


async def test_what_is_sold_out_is_not_proposed(autojump_clock, world):
    shop = await opened(world)
    await shop.knows("zoe", locale="en")
    await shop.pays("zoe", "o1", "phone")
    await shop.sells("case", price=20, in_stock=False)
    await world.until("2026-03-07 10:00")
    assert proposed(world.letter("k21"), "case", "charger") == ["charger"]


async def test_to_a_product_that_was_sent_back_nothing_is_proposed(autojump_clock, world):
    shop = await opened(world)
    await shop.knows("zoe")
    await shop.pays("zoe", "o1", "phone", "pan")
    await world.until("2026-03-04 12:00")
    await shop.track("zoe", "Order Refunded", order_id="o1", products=[{"product_id": "phone"}])
    await world.until("2026-03-20 10:00")
    assert world.kinds("zoe", "k21") == []
    assert await world.unsent("zoe", "k21") == [
        Unsent("k21", "cross-sell/suggestions", "missing_data")
    ]


async def test_each_order_of_a_morning_gets_what_goes_with_it(autojump_clock, world):
    shop = await opened(world)
    await shop.sells("lid", price=9)
    await shop.sells("pan", price=40, complements=["lid"])
    await shop.knows("zoe", locale="en")
    # The first has nothing to go with it, and both others are due at ten.
    await world.until("2026-03-03 08:00")
    await shop.pays("zoe", "o1", "lamp")
    await shop.pays("zoe", "o2", "pan")
    await shop.pays("zoe", "o3", "phone")
    await world.until("2026-03-20 10:00")
    # One word of thanks for all three weighs on no cap; the day between the two ends by night.
    assert world.kinds("zoe", "k12", "k21") == [
        ("k12", "2026-03-04 10:00"),
        ("k21", "2026-03-08 10:00"),
        ("k21", "2026-03-09 08:00"),
    ]
    for_pan, for_phone = (x for x in world.letters() if x["X-Ecrm-Kind"] == "k21")
    assert "your order o2" in text_of(for_pan)
    assert proposed(for_pan, "lid", "case", "charger") == ["lid"]
    assert "your order o3" in text_of(for_phone)
    assert proposed(for_phone, "lid", "case", "charger") == ["case", "charger"]


async def test_who_objects_is_thanked_and_proposed_nothing(autojump_clock, world):
    shop = await opened(world)
    await shop.knows("zoe")
    await shop.pays("zoe", "o1", "phone")
    await shop.consents("zoe", "denied")
    await world.until("2026-03-20 10:00")
    assert world.kinds("zoe") == [("k11", "2026-03-02 10:00"), ("k12", "2026-03-03 10:00")]
    assert await world.unsent("zoe", *ORDERED) == [
        Unsent("k21", "cross-sell/suggestions", "consent"),
    ]


async def test_who_wants_one_mail_a_month_is_thanked_each_time_and_proposed_something_once(
    autojump_clock, world
):
    shop = await opened(world)
    await shop.knows("zoe")
    await shop.track("zoe", "Preference Updated", frequency="monthly")
    await shop.pays("zoe", "o1", "phone")
    await world.until("2026-03-09 10:00")
    await shop.pays("zoe", "o2", "phone")
    await world.until("2026-03-30 10:00")
    assert world.kinds("zoe", *ORDERED) == [
        ("k11", "2026-03-02 10:00"),
        ("k12", "2026-03-03 10:00"),
        ("k21", "2026-03-07 10:00"),
        ("k11", "2026-03-09 10:00"),
        ("k12", "2026-03-10 10:00"),
    ]
    assert await world.unsent("zoe", *ORDERED) == [Unsent("k21", "cross-sell/suggestions", "cap")]
