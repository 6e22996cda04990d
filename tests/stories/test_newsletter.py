"""The newsletter (k28): a campaign to a segment, with blocks made for each reader (R43, R44)."""

from __future__ import annotations

import pytest

from ecrm.delivery.limiter import limit
from tests.worlds import Unsent, open_world, text_of


async def launches(shop, campaign="march", template="news", **properties):
    told = {"campaign_id": campaign, "template": template, **properties}
    await shop.say("track", "?editor", event="Campaign Launched", properties=told)


def readers(world):
    return sorted(mail.to.partition("@")[0] for mail in world.mails() if mail.kind == "k28")


def letters(world):
    return {
        letter["X-Ecrm-Customer"]: letter
        for letter in world.letters()
        if letter["X-Ecrm-Kind"] == "k28"
    }


async def test_a_campaign_reaches_everybody_who_agreed_and_nobody_else(autojump_clock, world):
    shop = await world.shop()
    await shop.knows("agreed", locale="en")
    await shop.knows("silent", consent=False)
    await shop.knows("objected", consent=False)
    await shop.consents("objected", "denied")
    await shop.knows("buyer", consent=False)
    await shop.track("buyer", "Order Completed", order_id="o1", total=10, currency="EUR")
    # A visitor, and somebody without an address.
    await shop.adds("?v1", "cup")
    await shop.consents("nowhere")
    await launches(shop, subject="Spring is here")
    await world.until("2026-03-02 10:30")
    assert readers(world) == ["agreed", "buyer"]
    assert {mail.at for mail in world.mails() if mail.kind == "k28"} == {"2026-03-02 10:00"}
    assert letters(world)["agreed"]["Subject"] == "Spring is here"
    assert await world.unsent("silent", "k28") == [Unsent("k28", "newsletter/news", "consent")]
    assert await world.unsent("objected", "k28") == [Unsent("k28", "newsletter/news", "consent")]
    assert await world.past("nowhere") != []
    assert await world.unsent("nowhere", "k28") == []


async def test_the_blocks_come_from_orders_the_cart_left_and_what_was_looked_at(
    autojump_clock, world
):
    shop = await world.shop()
    await shop.sells("table", category="furniture", affinity_categories=["garden"])
    for product in ("gazebo", "mower"):
        await shop.sells(product, price=50, category="garden")
    for product in ("lamp", "cup"):
        await shop.sells(product, price=15)
    for customer in ("zoe", "plain"):
        await shop.knows(customer, locale="en", firstName=customer.title())
    await shop.pays("zoe", "o1", "table")
    await world.until("2026-03-04 12:00")
    await shop.adds("zoe", "cup", price=15)
    await shop.track("zoe", "Product Viewed", product_id="lamp")
    await shop.track("zoe", "Product Viewed", product_id="table")
    await world.until("2026-03-20 12:00")
    await launches(shop)
    await world.until("2026-03-20 12:30")
    text = text_of(letters(world)["zoe"])
    assert "Hello Zoe," in text
    assert "Still in your cart\n\n- cup – €15.00" in text
    assert "In the spirit of table" in text
    assert "- gazebo – €50.00" in text
    assert "You looked at\n\n- lamp – €15.00" in text
    # What she has is not shown as something she looked at.
    assert "- table" not in text
    plain = text_of(letters(world)["plain"])
    for heading in ("Still in your cart", "We thought of you", "You looked at"):
        assert heading not in plain


async def test_who_has_bought_nothing_yet_is_proposed_what_goes_with_what_they_looked_at(
    autojump_clock, world
):
    shop = await world.shop()
    await shop.sells("table", category="furniture", affinity_categories=["garden"])
    await shop.sells("gazebo", price=50, category="garden")
    for customer in ("looker", "plain"):
        await shop.knows(customer, locale="en")
    await shop.track("looker", "Product Viewed", product_id="table")
    await launches(shop)
    await world.until("2026-03-02 10:30")
    told = {name: "- gazebo – €50.00" in text_of(letter) for name, letter in letters(world).items()}
    assert told == {"looker": True, "plain": False}


async def test_a_segment_crosses_behaviour_with_what_people_declared(autojump_clock, world):
    shop = await world.shop()
    for customer, country, orders in (("ada", "FR", 2), ("bob", "DE", 2), ("zoe", "FR", 1)):
        await shop.knows(customer, address={"country": country})
        for number in range(orders):
            order = {"order_id": f"{customer}-{number}", "total": 10, "currency": "EUR"}
            await shop.track(customer, "Order Completed", **order)
    await launches(shop, segment='orders.count >= 2 and person.country == "FR"')
    await world.until("2026-03-02 10:30")
    assert readers(world) == ["ada"]
    # Who is not meant was never to get it: nothing was withheld.
    assert await world.unsent("bob", "k28") == []


async def test_who_has_graduated_from_the_welcome_gets_the_newsletter(autojump_clock, world):
    shop = await world.shop()
    await shop.registers("zoe")
    await world.until("2026-03-20 12:00")
    await launches(shop, "early", segment="person.graduated")
    await world.until("2026-04-10 12:00")
    await launches(shop, "april", segment="person.graduated")
    await world.until("2026-04-12 12:00")
    assert world.kinds("zoe", "k28") == [("k28", "2026-04-10 12:00")]


async def test_who_wants_no_news_gets_none_and_everything_else(autojump_clock, world):
    shop = await world.shop()
    await shop.knows("zoe")
    await shop.track("zoe", "Preference Updated", topics={"news": False})
    await launches(shop)
    await shop.adds("zoe", "cup")
    await world.until("2026-03-02 12:00")
    assert world.kinds("zoe") == [("k07", "2026-03-02 11:00")]
    assert await world.unsent("zoe", "k28") == [Unsent("k28", "newsletter/news", "condition")]


@pytest.mark.parametrize(
    ("wrong", "path", "says"),
    [
        ({"template": "nwes"}, "$.properties.template", "there is no template newsletter/nwes"),
        ({"segment": "orders.cuont > 2"}, "$.properties.segment", "did you mean orders.count?"),
        ({"segment": "orders.count >"}, "$.properties.segment", "is no condition"),
        ({"segment": "__import__('os')"}, "$.properties.segment", "is not understood"),
    ],
)
async def test_a_campaign_that_could_not_work_is_refused_at_once(
    autojump_clock, world, wrong, path, says
):
    shop = await world.shop()
    await shop.knows("zoe")
    launch = {
        "type": "track",
        "messageId": "l1",
        "anonymousId": "editor",
        "event": "Campaign Launched",
        "properties": {"campaign_id": "c1", "template": "news", **wrong},
    }
    (refusal,) = await shop.client.send([launch])
    assert (refusal.code, refusal.path) == ("invalid", path)
    assert says in refusal.reason
    await world.until("2026-03-03 10:00")
    assert readers(world) == []
    # Corrected, the same message is taken.
    assert (
        await shop.client.send(
            [{**launch, "properties": {"campaign_id": "c1", "template": "news"}}]
        )
        == []
    )
    await world.until("2026-03-03 10:30")
    assert readers(world) == ["zoe"]


async def test_a_campaign_is_sent_when_it_is_scheduled_to_whom_it_describes_by_then(
    autojump_clock, world
):
    shop = await world.shop()
    for customer in ("zoe", "ada"):
        await shop.knows(customer)
    await launches(shop, schedule="2026-03-10T18:30:00+01:00", segment="orders.count == 1")
    await world.until("2026-03-09 10:00")
    await shop.track("ada", "Order Completed", order_id="o1", total=10, currency="EUR")
    await world.until("2026-03-10 18:29")
    assert readers(world) == []
    await world.until("2026-03-10 19:00")
    assert world.kinds("ada", "k28") == [("k28", "2026-03-10 18:30")]
    assert readers(world) == ["ada"]


async def test_a_campaign_in_the_evening_waits_for_the_morning_of_each_reader(
    autojump_clock, world
):
    shop = await world.shop()
    await shop.knows("zoe")
    await shop.knows("nyc", timezone="America/New_York")
    await world.until("2026-03-05 22:00")
    await launches(shop)
    await world.until("2026-03-06 10:00")
    assert world.kinds("nyc", "k28") == [("k28", "2026-03-05 22:00")]
    assert world.kinds("zoe", "k28") == [("k28", "2026-03-06 08:00")]


async def test_a_campaign_launched_twice_is_read_once(autojump_clock, world):
    shop = await world.shop()
    await shop.knows("zoe")
    await launches(shop)
    await world.until("2026-03-04 12:00")
    await launches(shop)
    await world.until("2026-03-06 12:00")
    assert world.kinds("zoe", "k28") == [("k28", "2026-03-02 10:00")]


async def test_the_third_campaign_of_a_week_is_too_much(autojump_clock, world):
    shop = await world.shop()
    await shop.knows("zoe")
    for day in ("02", "03", "04"):
        await world.until(f"2026-03-{day} 12:00")
        await launches(shop, day)
    await world.until("2026-03-30 12:00")
    assert world.kinds("zoe", "k28") == [("k28", "2026-03-02 12:00"), ("k28", "2026-03-03 12:00")]
    assert await world.unsent("zoe", "k28") == [Unsent("k28", "newsletter/news", "cap")]


async def test_a_campaign_waits_in_the_queue_behind_everything_else(autojump_clock, tmp_path):
    async with open_world(tmp_path, autojump_clock, rate=limit(1 / 3_600)) as world:
        shop = await world.shop()
        for customer in ("c1", "c2"):
            await shop.knows(customer)
        await launches(shop)
        await world.until("2026-03-02 10:05")
        await shop.knows("buyer")
        await shop.pays("buyer", "o1", "pot", at="2026-03-02 10:04")
        await shop.registers("newcomer")
        rows = await world.service.store.queue_rows(None, None, 50)
        assert {row.kind: row.lane for row in rows} == {"k28": 3, "k11": 1, "k01": 1}
        sent = []
        # One mail an hour: of the campaign only what nobody else was in a hurry for.
        for hour in ("10:30", "11:30", "12:30", "13:30"):
            await world.until(f"2026-03-02 {hour}")
            sent.append([kind for _, kind, state in await world.queue() if state == "accepted"])
        assert [sorted(kinds) for kinds in sent] == [
            ["k28"],
            ["k11", "k28"],
            ["k01", "k11", "k28"],
            ["k01", "k11", "k28", "k28"],
        ]
