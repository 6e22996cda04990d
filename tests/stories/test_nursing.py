"""Nursing (k22): from the first order to the second, which ends it."""

from __future__ import annotations

from ecrm import facts
from tests.worlds import Unsent, instant, text_of


async def bought(world, user="zoe", *, consent=True, **product):
    """A first order of Monday 2 March, ten o'clock, of something of this kind."""
    shop = await world.shop()
    await shop.sells("thing", complements=["extra"], **product)
    await shop.sells("extra", price=5)
    await shop.knows(user, locale="en", consent=consent)
    await shop.pays(user, "o1", "thing")
    return shop


def nursed(world, user="zoe"):
    return [(mail.step, mail.at) for mail in world.mails(user) if mail.kind == "k22"]


async def offers(world, user="zoe"):
    made = [fact for fact in await world.past(user) if isinstance(fact, facts.OfferMade)]
    return [offer for offer in made if offer.programme == "nursing"]


async def test_an_impulse_purchase_is_followed_by_a_promotion_after_a_month(autojump_clock, world):
    await bought(world, purchase_kind="impulse")
    await world.until("2026-04-01 10:59")
    assert nursed(world) == []
    await world.until("2026-04-03 10:00")
    # Thirty times 24 hours end at eleven in summer time: the next ten o'clock is a day later.
    assert nursed(world) == [("nursing/promotion", "2026-04-02 10:00")]
    (offer,) = await offers(world)
    assert offer.percent == 10
    assert offer.until == instant("2026-05-01 00:00") - 1
    text = text_of(world.letter("k22"))
    assert offer.code in text
    assert "- extra – €5.00" in text
    assert world.letter("k22")["Subject"] == "10% off your second order"


async def test_a_considered_purchase_is_followed_by_something_to_read(autojump_clock, world):
    await bought(world, purchase_kind="considered")
    await world.until("2026-04-03 10:00")
    assert nursed(world) == [("nursing/editorial", "2026-04-02 10:00")]
    text = text_of(world.letter("k22"))
    assert "Get the most out of your purchase" in world.letter("k22")["Subject"]
    assert "- thing" in text
    assert "%" not in text
    assert await offers(world) == []


async def test_a_last_word_follows_three_weeks_after_the_first(autojump_clock, world):
    await bought(world)
    await world.until("2026-07-01 10:00")
    assert nursed(world) == [
        ("nursing/promotion", "2026-04-02 10:00"),
        ("nursing/second", "2026-04-23 10:00"),
    ]


async def test_what_lasts_two_months_is_spoken_of_after_two_months(autojump_clock, world):
    await bought(world, purchase_kind="impulse", cycle_days=60)
    await world.until("2026-07-01 10:00")
    assert nursed(world) == [
        ("nursing/promotion", "2026-05-02 10:00"),
        # Three weeks more.
        ("nursing/second", "2026-05-23 10:00"),
    ]


async def test_what_is_bought_again_and_again_is_not_spoken_of_within_a_week(autojump_clock, world):
    await bought(world, recurring=True, cycle_days=3)
    await world.until("2026-04-15 10:00")
    # The confirmation began it on the second of March.
    assert nursed(world) == [
        ("nursing/promotion", "2026-03-09 10:00"),
        ("nursing/second", "2026-03-31 10:00"),
    ]


async def test_a_second_order_ends_it_before_its_first_mail(autojump_clock, world):
    shop = await bought(world)
    await world.until("2026-03-20 10:00")
    await shop.pays("zoe", "o2", "extra")
    await world.until("2026-07-01 10:00")
    assert nursed(world) == []
    assert await world.unsent("zoe", "k22") == [
        Unsent("k22", "nursing/promotion", "stop_condition")
    ]


async def test_a_second_order_ends_it_between_its_mails(autojump_clock, world):
    shop = await bought(world)
    await world.until("2026-04-10 10:00")
    # Submitted is enough: it was made.
    await shop.track("zoe", "Order Completed", order_id="o2", total=5, currency="EUR")
    await world.until("2026-07-01 10:00")
    assert nursed(world) == [("nursing/promotion", "2026-04-02 10:00")]
    assert await world.unsent("zoe", "k22") == [
        Unsent("k22", "nursing/editorial", "condition"),
        Unsent("k22", "nursing/second", "stop_condition"),
    ]


async def test_a_first_order_that_was_sent_back_is_not_nursed(autojump_clock, world):
    shop = await bought(world)
    await world.until("2026-03-20 10:00")
    await shop.track("zoe", "Order Refunded", order_id="o1")
    await world.until("2026-07-01 10:00")
    assert nursed(world) == []


async def test_who_has_bought_before_is_not_nursed_again(autojump_clock, world):
    shop = await bought(world)
    await shop.pays("zoe", "o2", "thing")
    await shop.pays("zoe", "o3", "thing")
    await world.until("2026-07-01 10:00")
    assert nursed(world) == []


async def test_who_bought_without_being_asked_is_nursed_until_they_object(autojump_clock, world):
    shop = await bought(world, consent=False)
    await world.until("2026-04-10 10:00")
    assert nursed(world) == [("nursing/promotion", "2026-04-02 10:00")]
    await shop.consents("zoe", "denied")
    await world.until("2026-07-01 10:00")
    assert nursed(world) == [("nursing/promotion", "2026-04-02 10:00")]
    assert await world.unsent("zoe", "k22") == [
        Unsent("k22", "nursing/editorial", "condition"),
        Unsent("k22", "nursing/second", "consent"),
    ]


async def test_what_the_person_has_is_not_among_the_ideas(autojump_clock, world):
    shop = await bought(world)
    await world.until("2026-03-02 12:00")
    await shop.adds("zoe", "extra")
    await world.until("2026-04-03 10:00")
    assert nursed(world) == [("nursing/promotion", "2026-04-02 10:00")]
    assert "A few ideas" not in text_of(world.letter("k22"))
