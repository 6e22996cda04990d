"""Left cart (k07 to k10): two clocks to the first reminder, an offer of one day, a last word."""

from __future__ import annotations

from ecrm import calendar, facts, moment
from ecrm.delivery.limiter import limit
from ecrm.pressure import Limits
from tests.worlds import PARIS, Unsent, instant, local, open_world, text_of

# The default cap of two a week leaves no room for the third mail of a cart.
ROOM_FOR_ALL = Limits(per_week=5)
# What a cart says, beside the mails of the order that may follow it.
CART = ("k07", "k08", "k09", "k10")
# One mail an hour: whatever else is decided waits in the queue.
ONE_AN_HOUR = limit(1 / 3_600)


async def offers(world, customer):
    return [fact for fact in await world.past(customer) if isinstance(fact, facts.OfferMade)]


async def test_a_cart_that_is_left_is_reminded_an_hour_after_the_last_product(
    autojump_clock, world
):
    shop = await world.shop()
    await shop.knows("zoe")
    await shop.adds("zoe", "cup")
    await world.until("2026-03-02 10:40")
    await shop.adds("zoe", "pot")
    await world.until("2026-03-02 11:39")
    assert world.kinds() == []
    await world.until("2026-03-02 11:40")
    assert world.kinds() == [("k07", "2026-03-02 11:40")]
    text = text_of(world.letter("k07"))
    assert "- cup – 10,00 €" in text
    assert "- pot – 10,00 €" in text
    assert "Total : 20,00 €" in text


async def test_a_checkout_that_is_left_is_reminded_after_ten_minutes(autojump_clock, world):
    shop = await world.shop()
    await shop.knows("zoe")
    await shop.adds("zoe", "cup")
    await world.until("2026-03-02 10:30")
    await shop.track("zoe", "Checkout Started", cart_id="cart-zoe")
    await world.until("2026-03-02 10:40")
    assert world.kinds() == [("k07", "2026-03-02 10:40")]


async def test_a_checkout_late_in_the_hour_does_not_put_the_reminder_off(autojump_clock, world):
    shop = await world.shop()
    await shop.knows("zoe")
    await shop.adds("zoe", "cup")
    await world.until("2026-03-02 10:55")
    await shop.track("zoe", "Checkout Started", cart_id="cart-zoe")
    await world.until("2026-03-03 10:00")
    assert world.kinds() == [("k07", "2026-03-02 11:00")]


async def test_the_reminder_goes_in_the_night_and_the_offer_waits_for_the_morning(
    autojump_clock, world
):
    await world.until("2026-03-02 23:30")
    shop = await world.shop()
    await shop.knows("zoe")
    await shop.adds("zoe", "cup")
    await world.until("2026-03-05 12:00")
    assert world.kinds() == [("k07", "2026-03-03 00:30"), ("k08", "2026-03-05 08:00")]


async def test_the_offer_comes_two_days_after_and_is_valid_until_the_end_of_that_day(
    autojump_clock, world
):
    shop = await world.shop()
    await shop.knows("zoe", firstName="Zoé")
    await shop.adds("zoe", "cup")
    await world.until("2026-03-04 10:00")
    assert world.kinds() == [("k07", "2026-03-02 11:00"), ("k08", "2026-03-04 10:00")]
    (offer,) = await offers(world, "zoe")
    assert offer.percent == 10
    assert offer.until == instant("2026-03-05 00:00") - 1
    text = text_of(world.letter("k08"))
    assert "10 %" in text
    assert offer.code in text
    assert "mercredi 4 mars 2026" in text
    assert "23:59" in text


async def test_the_first_and_the_last_mail_of_a_cart_carry_no_offer(autojump_clock, tmp_path):
    async with open_world(tmp_path, autojump_clock, limits=ROOM_FOR_ALL) as world:
        shop = await world.shop()
        await shop.knows("zoe")
        await shop.adds("zoe", "cup")
        await world.until("2026-03-30 10:00")
        assert [(mail.kind, mail.step, mail.at) for mail in world.mails()] == [
            ("k07", "cart/reminder", "2026-03-02 11:00"),
            ("k08", "cart/offer", "2026-03-04 10:00"),
            ("k08", "cart/last-call", "2026-03-07 10:00"),
        ]
        first, offer, last = (text_of(letter) for letter in world.letters())
        assert "%" not in first
        assert "10 %" in offer
        assert "%" not in last


async def test_the_last_mail_waits_until_the_week_s_cap_has_room(autojump_clock, world):
    shop = await world.shop()
    await shop.knows("zoe")
    await shop.adds("zoe", "cup")
    await world.until("2026-03-30 10:00")
    assert world.kinds() == [
        ("k07", "2026-03-02 11:00"),
        ("k08", "2026-03-04 10:00"),
        ("k08", "2026-03-09 11:00"),
    ]
    assert await world.unsent("zoe") == []


async def test_who_left_at_the_payment_is_told_how_it_is_protected(autojump_clock, world):
    shop = await world.shop()
    await shop.knows("zoe", locale="en-GB")
    await shop.adds("zoe", "cup")
    await shop.track("zoe", "Checkout Started", cart_id="cart-zoe")
    await shop.track("zoe", "Checkout Step Viewed", cart_id="cart-zoe", step=3, name="Payment")
    await world.until("2026-03-04 10:00")
    assert world.kinds() == [("k09", "2026-03-02 10:10"), ("k09", "2026-03-04 10:00")]
    reminder, offer = (text_of(letter) for letter in world.letters())
    assert "The payment page is encrypted from end to end" in reminder
    assert "%" not in reminder
    assert "The payment page is encrypted from end to end" in offer
    assert "10% off" in offer


async def test_who_went_on_looking_hears_about_products(autojump_clock, world):
    shop = await world.shop()
    await shop.knows("zoe")
    await shop.adds("zoe", "cup")
    await shop.track("zoe", "Product Viewed", product_id="pot")
    await world.until("2026-03-04 10:00")
    assert world.kinds() == [("k10", "2026-03-02 11:00"), ("k10", "2026-03-04 10:00")]


async def test_an_emptied_cart_is_not_reminded(autojump_clock, world):
    shop = await world.shop()
    await shop.knows("zoe")
    await shop.adds("zoe", "cup")
    await world.until("2026-03-02 10:59")
    await shop.track("zoe", "Cart Emptied", cart_id="cart-zoe")
    await world.until("2026-03-10 10:00")
    assert world.kinds() == []
    assert await world.unsent("zoe") == [Unsent("k07", "cart/reminder", "stop_condition")]


async def test_a_cart_whose_last_product_was_taken_out_is_not_reminded(autojump_clock, world):
    shop = await world.shop()
    await shop.knows("zoe")
    await shop.adds("zoe", "cup", "pot")
    await shop.track("zoe", "Product Removed", product_id="cup", cart_id="cart-zoe")
    await shop.track("zoe", "Product Removed", product_id="pot", cart_id="cart-zoe")
    await world.until("2026-03-10 10:00")
    assert world.kinds() == []


async def test_an_order_ends_the_reminders_wherever_they_are(autojump_clock, world):
    shop = await world.shop()
    for customer in ("before", "between", "after"):
        await shop.knows(customer)
        await shop.adds(customer, "cup")
    await world.until("2026-03-02 10:30")
    await shop.pays("before", "o1", "cup")
    await world.until("2026-03-03 10:00")
    await shop.pays("between", "o2", "cup")
    await world.until("2026-03-05 10:00")
    await shop.pays("after", "o3", "cup")
    await world.until("2026-03-30 10:00")
    assert [kind for kind, _ in world.kinds("before", *CART)] == []
    assert [kind for kind, _ in world.kinds("between", *CART)] == ["k07"]
    assert [kind for kind, _ in world.kinds("after", *CART)] == ["k07", "k08"]


async def test_an_order_told_twice_and_in_any_order_cancels_once(autojump_clock, world):
    shop = await world.shop()
    await shop.knows("zoe")
    await shop.adds("zoe", "cup")
    order = {"order_id": "o1", "total": 10, "currency": "EUR"}
    for event in ("Order Paid", "Order Completed", "Order Paid", "Order Completed"):
        await shop.track("zoe", event, **order)
    await world.until("2026-03-30 10:00")
    assert world.kinds("zoe", "k11", *CART) == [("k11", "2026-03-02 10:00")]
    assert await world.unsent("zoe", *CART) == [Unsent("k07", "cart/reminder", "stop_condition")]


async def test_a_product_heard_of_after_the_order_it_was_part_of_makes_no_cart(
    autojump_clock, world
):
    await world.until("2026-03-02 10:05")
    shop = await world.shop()
    await shop.knows("zoe")
    await shop.pays("zoe", "o1", "cup", at="2026-03-02 10:04")
    await shop.adds("zoe", "cup", at="2026-03-02 10:01")
    await world.until("2026-03-10 10:00")
    assert world.kinds("zoe", *CART) == []


async def test_an_order_that_is_heard_of_late_still_stops_the_offer(autojump_clock, world):
    shop = await world.shop()
    await shop.knows("zoe")
    await shop.adds("zoe", "cup")
    await world.until("2026-03-03 10:00")
    await shop.pays("zoe", "o1", "cup", at="2026-03-02 10:15")
    await world.until("2026-03-10 10:00")
    assert world.kinds("zoe", *CART) == [("k07", "2026-03-02 11:00")]


async def test_what_is_put_aside_after_an_order_is_reminded_again(autojump_clock, world):
    shop = await world.shop()
    await shop.knows("zoe")
    await shop.adds("zoe", "cup")
    await shop.pays("zoe", "o1", "cup")
    await world.until("2026-03-05 10:00")
    await shop.adds("zoe", "tray")
    await world.until("2026-03-05 11:00")
    assert world.kinds("zoe", *CART) == [("k07", "2026-03-05 11:00")]
    assert "tray" in text_of(world.letter("k07"))
    assert "cup" not in text_of(world.letter("k07"))


# In the queue.


async def test_an_order_takes_back_the_reminder_that_waits_in_the_queue(autojump_clock, tmp_path):
    async with open_world(tmp_path, autojump_clock, rate=ONE_AN_HOUR) as world:
        shop = await world.shop()
        for customer in ("ana", "zoe"):
            await shop.knows(customer)
            await shop.adds(customer, "cup")
        await world.until("2026-03-02 11:30")
        assert await world.queue() == [("ana", "k07", "accepted"), ("zoe", "k07", "queued")]
        await shop.pays("zoe", "o1", "cup")
        await world.passes(0)
        assert await world.queue() == [
            ("ana", "k07", "accepted"),
            ("zoe", "k07", "cancelled"),
            ("zoe", "k11", "queued"),
        ]
        await world.until("2026-03-03 10:00")
        assert [kind for kind, _ in world.kinds("zoe")] == ["k11"]
        assert Unsent("k07", "cart", "cancelled") in await world.unsent("zoe")


async def test_a_mail_that_was_taken_back_does_not_weigh_on_the_cap(autojump_clock, tmp_path):
    one_a_week = Limits(per_week=1)
    async with open_world(tmp_path, autojump_clock, rate=ONE_AN_HOUR, limits=one_a_week) as world:
        shop = await world.shop()
        for customer in ("ana", "zoe"):
            await shop.knows(customer)
            await shop.adds(customer, "cup")
        await world.until("2026-03-02 11:30")
        await shop.track("zoe", "Cart Emptied", cart_id="cart-zoe")
        await world.until("2026-03-03 10:00")
        await shop.adds("zoe", "tray")
        await world.until("2026-03-03 11:00")
        assert world.kinds("zoe") == [("k07", "2026-03-03 11:00")]


async def test_a_reminder_that_waited_too_long_in_the_queue_is_not_sent(autojump_clock, tmp_path):
    async with open_world(tmp_path, autojump_clock, rate=ONE_AN_HOUR) as world:
        shop = await world.shop()
        for customer in ("c1", "c2", "c3", "c4"):
            await shop.knows(customer)
            await shop.adds(customer, "tea")
        await world.until("2026-03-02 16:00")
        # Each hour one goes, decided again by then; at two in the afternoon it is too late.
        assert len(world.kinds()) == 3
        assert max(at for _, at in world.kinds()) <= "2026-03-02 13:00"
        *_, last = await world.unsent("c4")
        assert last == Unsent("k07", "cart/reminder", "deadline")


# Who may be written to.


async def test_without_consent_and_without_an_order_nobody_is_reminded(autojump_clock, world):
    shop = await world.shop()
    await shop.knows("zoe", consent=False)
    await shop.adds("zoe", "cup")
    await world.until("2026-03-30 10:00")
    assert world.kinds() == []
    assert {(kind, reason) for kind, _, reason in await world.unsent("zoe")} == {
        ("k07", "consent"),
        ("k08", "consent"),
    }


async def test_a_buyer_is_reminded_without_having_been_asked_until_they_object(
    autojump_clock, world
):
    shop = await world.shop()
    await shop.knows("zoe", consent=False)
    await shop.pays("zoe", "o1", "cup")
    await world.until("2026-03-10 10:00")
    await shop.adds("zoe", "tray")
    await world.until("2026-03-10 11:00")
    await shop.consents("zoe", "denied")
    await world.until("2026-03-30 10:00")
    assert world.kinds("zoe", *CART) == [("k07", "2026-03-10 11:00")]
    assert await world.unsent("zoe", *CART) == [
        Unsent("k08", "cart/offer", "consent"),
        Unsent("k08", "cart/last-call", "consent"),
    ]


async def test_who_has_no_address_is_not_reminded_and_the_journal_says_so(autojump_clock, world):
    shop = await world.shop()
    await shop.consents("zoe")
    await shop.adds("zoe", "cup")
    await world.until("2026-03-02 11:00")
    assert await world.unsent("zoe") == [Unsent("k07", "cart/reminder", "missing_data")]


async def test_a_second_cart_within_the_gap_is_not_reminded(autojump_clock, world):
    shop = await world.shop()
    await shop.knows("zoe")
    await shop.adds("zoe", "cup")
    await world.until("2026-03-02 11:00")
    await shop.track("zoe", "Cart Emptied", cart_id="cart-zoe")
    await shop.adds("zoe", "tray")
    await world.until("2026-03-03 09:00")
    assert world.kinds() == [("k07", "2026-03-02 11:00")]
    assert await world.unsent("zoe") == [
        Unsent("k08", "cart/offer", "stop_condition"),
        Unsent("k07", "cart/reminder", "cap"),
    ]


async def test_the_quiet_hours_are_those_of_the_customers_own_zone(autojump_clock, world):
    shop = await world.shop()
    await shop.knows("zoe", timezone="America/New_York")
    await shop.adds("zoe", "cup")
    await world.until("2026-03-04 18:00")
    # Ten in the morning in Paris is four in the night in New York, where the day begins at 14:00.
    assert world.kinds() == [("k07", "2026-03-02 11:00"), ("k08", "2026-03-04 14:00")]
    (offer,) = await offers(world, "zoe")
    new_york = calendar.zone_of("America/New_York")
    assert offer.until == calendar.end_of_day(instant("2026-03-04 14:00"), new_york)
    assert local(offer.until) == "2026-03-05 05:59"


async def test_the_offer_counts_48_hours_across_the_night_the_clocks_change(
    autojump_clock, tmp_path
):
    async with open_world(tmp_path, autojump_clock, "2026-03-28 10:00") as world:
        shop = await world.shop()
        await shop.knows("zoe")
        await shop.adds("zoe", "cup")
        await world.until("2026-03-31 10:00")
        assert world.kinds() == [("k07", "2026-03-28 11:00"), ("k08", "2026-03-30 11:00")]
        (offer,) = await offers(world, "zoe")
        assert offer.until == calendar.end_of_day(instant("2026-03-30 11:00"), PARIS)


# What it looks like.


async def test_each_customer_is_written_to_in_their_language_and_money(autojump_clock, world):
    shop = await world.shop()
    await shop.knows("zoe", locale="fr-FR", firstName="Zoé")
    await shop.knows("jack", locale="en-GB", firstName="Jack")
    await shop.adds("zoe", "cup", price=12.5, quantity=2)
    await shop.adds("jack", "cup", price=12.5, quantity=2, currency="GBP")
    await world.until("2026-03-02 11:00")
    jack, zoe = sorted(world.letters(), key=lambda letter: letter["X-Ecrm-Customer"])
    assert "Bonjour Zoé," in text_of(zoe)
    assert "Total : 25,00 €" in text_of(zoe)
    assert "Hello Jack," in text_of(jack)
    assert "Total: £25.00" in text_of(jack)


async def test_a_cart_mail_has_all_headers_of_marketing(autojump_clock, world):
    shop = await world.shop()
    await shop.knows("zoe")
    await shop.adds("zoe", "cup")
    await world.until("2026-03-02 11:00")
    letter = world.letter("k07")
    assert letter["From"].addresses[0].addr_spec == "offres@news.boutique.example"
    assert letter["From"].addresses[0].display_name == "Ma boutique"
    assert letter["To"] == "zoe@customers.example"
    assert letter["Reply-To"].addresses[0].addr_spec == "bonjour@boutique.example"
    assert letter["Date"].datetime.isoformat() == "2026-03-02T11:00:00+01:00"
    assert letter["List-Id"] == "<cart.news.boutique.example>"
    assert letter["List-Unsubscribe"].startswith("<http")
    assert letter["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert letter["Feedback-ID"].startswith("campaign:cart:ma-boutique:")
    assert letter["Auto-Submitted"] is None
    assert letter.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in letter.iter_parts()] == ["text/plain", "text/html"]
    assert {part["Content-Transfer-Encoding"] for part in letter.iter_parts()} == {
        "quoted-printable"
    }
    (row,) = (await world.ask("queue"))["result"]["mails"]
    assert letter["Message-ID"] == f"<{row['mail']}.2@news.boutique.example>"
    assert letter["X-Ecrm-Kind"] == "k07"
    assert letter["X-Ecrm-Programme"] == "cart/reminder"
    assert letter["X-Ecrm-Customer"] == "zoe"
    assert moment.parse_instant(letter["X-Ecrm-At"]) == instant("2026-03-02 11:00")
    assert letter["List-Unsubscribe"].strip("<>") in text_of(letter)
