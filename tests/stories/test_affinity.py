"""Affinity (k23): every six weeks something related to what was bought, while there is something
to show and somebody to look at it (R32, R33).
"""

from __future__ import annotations

from tests.worlds import Unsent, text_of

# Garden furniture stands in a garden: the need is inferred from the category (R33).
GARDEN = {"category": "furniture", "affinity_categories": ["garden"]}


async def opened(world):
    shop = await world.shop()
    await shop.sells("table", **GARDEN)
    for product in ("gazebo", "mower", "hose"):
        await shop.sells(product, price=50, category="Garden")
    await shop.sells("radio", category="music")
    await shop.knows("zoe", locale="en")
    return shop


def days_of(world):
    return [at for _, at in world.kinds("zoe", "k23")]


SIX_TIMES = [
    # Six times seven days end at eleven in summer time: the next ten o'clock is a day later.
    "2026-04-14 10:00",
    "2026-05-26 10:00",
    "2026-07-07 10:00",
    "2026-08-18 10:00",
    "2026-09-29 10:00",
    # And at nine in winter: the same day.
    "2026-11-10 10:00",
]


async def test_what_suits_a_purchase_is_proposed_every_six_weeks_six_times(autojump_clock, world):
    shop = await opened(world)
    await shop.pays("zoe", "o1", "table")
    await world.until("2027-03-01 10:00")
    assert days_of(world) == SIX_TIMES
    first = next(x for x in world.letters() if x["X-Ecrm-Kind"] == "k23")
    text = text_of(first)
    assert first["Subject"] == "You chose table: our ideas for you"
    for product in ("gazebo", "mower", "hose"):
        assert f"- {product} – €50.00\n  In the spirit of table" in text
    assert "radio" not in text


async def test_each_purchase_starts_it_anew(autojump_clock, world):
    shop = await opened(world)
    await shop.sells("lamp", category="light")
    await shop.pays("zoe", "o1", "table")
    await world.until("2026-06-01 09:00")
    await shop.pays("zoe", "o2", "lamp")
    await world.until("2027-06-01 10:00")
    assert days_of(world) == [
        *SIX_TIMES[:2],
        # Six weeks after the second order, and six times from there.
        "2026-07-13 10:00",
        "2026-08-24 10:00",
        "2026-10-05 10:00",
        "2026-11-16 10:00",
        "2026-12-28 10:00",
        "2027-02-08 10:00",
    ]


async def test_what_was_bought_of_it_is_not_proposed_again(autojump_clock, world):
    shop = await opened(world)
    await shop.pays("zoe", "o1", "table")
    await world.until("2026-03-20 09:00")
    await shop.pays("zoe", "o2", "mower")
    await world.until("2026-05-02 10:00")
    letter = world.letter("k23")
    assert "- mower" not in text_of(letter)
    assert "- gazebo" in text_of(letter)
    assert "- hose" in text_of(letter)


async def test_a_single_idea_is_not_worth_a_mail(autojump_clock, world):
    shop = await opened(world)
    await shop.pays("zoe", "o1", "table", "gazebo", "mower")
    await world.until("2026-04-20 10:00")
    assert days_of(world) == []
    assert await world.unsent("zoe", "k23") == [
        Unsent("k23", "affinity/suggestions", "missing_data")
    ]


async def test_it_goes_on_once_there_is_something_to_show(autojump_clock, world):
    shop = await opened(world)
    await shop.pays("zoe", "o1", "table", "gazebo", "mower")
    await world.until("2026-05-01 10:00")
    await shop.sells("rake", price=15, category="garden")
    await world.until("2026-06-01 10:00")
    assert days_of(world) == ["2026-05-26 10:00"]


async def test_what_was_sent_back_is_no_reason_to_propose_anything(autojump_clock, world):
    shop = await opened(world)
    await shop.pays("zoe", "o1", "table", "radio")
    await world.until("2026-03-10 10:00")
    await shop.track("zoe", "Order Refunded", order_id="o1", products=[{"product_id": "table"}])
    await world.until("2026-04-20 10:00")
    assert days_of(world) == []


async def test_who_objects_gets_no_more_of_it(autojump_clock, world):
    shop = await opened(world)
    await shop.pays("zoe", "o1", "table")
    await world.until("2026-05-01 10:00")
    await shop.consents("zoe", "denied")
    await world.until("2026-07-10 10:00")
    assert days_of(world) == SIX_TIMES[:1]
    assert {one.reason for one in await world.unsent("zoe", "k23")} == {"consent"}


async def test_who_has_become_inactive_is_not_animated_by_more_of_it(autojump_clock, world):
    shop = await opened(world)
    await shop.track("zoe", "Consent Updated", purpose="open_tracking", state="granted")
    await shop.pays("zoe", "o1", "table")
    await world.until("2027-03-01 10:00")
    # Half a year after the order, the last sign of life, the tier is inactive.
    assert days_of(world) == SIX_TIMES[:4]
    assert await world.unsent("zoe", "k23") == [
        Unsent("k23", "affinity/suggestions", "stop_condition")
    ]
