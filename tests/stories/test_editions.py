"""New editions (k24): at a release, everybody who has an earlier one is told, once (R35, R36)."""

from __future__ import annotations

import trio

from ecrm import facts
from ecrm.delivery.limiter import limit
from tests.worlds import Unsent, instant, open_world, text_of

NEW = "game-26"
OWNERS = 300
# Hundreds of mails at fifty a second would make a test of delivery's patience.
FAST = limit(1_000)


async def opened(world):
    """A shop with two editions of a game, the later of which is not out yet."""
    shop = await world.shop()
    await shop.sells("game-24", name="Game 24", series_id="game", edition=2024)
    await shop.sells("game-25", name="Game 25", series_id="game", edition=2025)
    await shop.sells(NEW, name="Game 26", series_id="game", edition=2026, price=60)
    await shop.sells("puzzle")
    return shop


async def owns(shop, user, product="game-25", **properties):
    """Somebody who bought a product some time ago."""
    await shop.knows(user, locale="en")
    await places(shop, user, f"o-{user}-{product}", product, **properties)


async def places(shop, user, order_id, product, **properties):
    order = {"order_id": order_id, "total": 50, "currency": "EUR"}
    lines = [{"product_id": product}]
    await shop.track(user, "Order Completed", **order, products=lines, **properties)


async def releases(shop, product=NEW, series="game", **properties):
    named = {"product_id": product, "series_id": series, **properties}
    await shop.say("track", "?editor", event="Product Released", properties=named)


def told(world):
    return sorted(
        (mail.to.partition("@")[0], mail.at) for mail in world.mails() if mail.kind == "k24"
    )


async def test_whoever_has_an_earlier_edition_is_told_at_the_release_with_a_discount(
    autojump_clock, world
):
    shop = await opened(world)
    await owns(shop, "ada", "game-24")
    await owns(shop, "zoe", "game-25")
    await owns(shop, "bob", "puzzle")
    await shop.knows("new")
    await world.until("2026-03-20 10:00")
    await releases(shop)
    await world.until("2026-03-20 12:00")
    assert told(world) == [("ada", "2026-03-20 10:00"), ("zoe", "2026-03-20 10:00")]
    letters = {
        x["X-Ecrm-Customer"]: text_of(x) for x in world.letters() if x["X-Ecrm-Kind"] == "k24"
    }
    assert "You have Game 24." in letters["ada"]
    assert "You have Game 25." in letters["zoe"]
    assert "- Game 26 – €60.00" in letters["zoe"]
    (offer,) = [fact for fact in await world.past("zoe") if isinstance(fact, facts.OfferMade)]
    assert (offer.percent, offer.programme) == (10, "edition")
    assert offer.until == instant("2026-04-04 00:00") - 1
    assert offer.code in letters["zoe"]


async def test_who_rated_the_earlier_edition_badly_is_left_alone(autojump_clock, world):
    shop = await opened(world)
    for customer, rating in (("happy", 4), ("cross", 2), ("silent", None)):
        await owns(shop, customer)
        if rating is not None:
            await shop.track(customer, "Product Reviewed", product_id="game-25", rating=rating)
    await world.until("2026-03-20 10:00")
    await releases(shop)
    await world.until("2026-04-20 10:00")
    assert [who for who, _ in told(world)] == ["happy", "silent"]
    assert await world.unsent("cross", "k24") == [Unsent("k24", "edition/released", "condition")]


async def test_who_has_the_new_one_already_is_not_told(autojump_clock, world):
    shop = await opened(world)
    await owns(shop, "zoe", "game-25")
    await owns(shop, "zoe", NEW)
    await world.until("2026-03-20 10:00")
    await releases(shop)
    await world.until("2026-03-30 10:00")
    assert told(world) == []
    assert await world.unsent("zoe", "k24") == [Unsent("k24", "edition/released", "condition")]


async def test_who_sent_the_earlier_edition_back_is_not_told(autojump_clock, world):
    shop = await opened(world)
    await owns(shop, "zoe")
    await shop.track("zoe", "Order Refunded", order_id="o-zoe-game-25")
    await owns(shop, "ada")
    await shop.track("ada", "Order Cancelled", order_id="o-ada-game-25")
    await world.until("2026-03-20 10:00")
    await releases(shop)
    await world.until("2026-03-30 10:00")
    assert told(world) == []


async def test_what_was_sent_back_and_bought_anew_counts(autojump_clock, world):
    shop = await opened(world)
    await owns(shop, "zoe")
    await shop.track("zoe", "Order Refunded", order_id="o-zoe-game-25")
    await places(shop, "zoe", "o2", "game-25")
    # One of two copies goes back.
    await owns(shop, "ada")
    await places(shop, "ada", "o3", "game-25")
    await shop.track("ada", "Order Refunded", order_id="o3")
    await world.until("2026-03-20 10:00")
    await releases(shop)
    await world.until("2026-03-20 12:00")
    assert [who for who, _ in told(world)] == ["ada", "zoe"]


async def test_who_objected_is_not_told(autojump_clock, world):
    shop = await opened(world)
    await owns(shop, "zoe")
    await shop.consents("zoe", "denied")
    await world.until("2026-03-20 10:00")
    await releases(shop)
    await world.until("2026-03-30 10:00")
    assert told(world) == []
    assert await world.unsent("zoe", "k24") == [Unsent("k24", "edition/released", "consent")]


async def test_a_release_in_the_night_is_told_in_the_morning_and_not_to_who_bought_it_then(
    autojump_clock, world
):
    shop = await opened(world)
    await owns(shop, "ada")
    await owns(shop, "zoe")
    await world.until("2026-03-20 23:59")
    await releases(shop)
    await world.until("2026-03-21 00:30")
    await places(shop, "zoe", "o9", NEW)
    await world.until("2026-03-30 10:00")
    assert told(world) == [("ada", "2026-03-21 08:00")]
    assert await world.unsent("zoe", "k24") == [Unsent("k24", "edition/released", "stop_condition")]


async def test_a_release_to_come_is_told_when_it_comes(autojump_clock, world):
    shop = await opened(world)
    await owns(shop, "zoe")
    await releases(shop, released_at="2026-03-20T09:30:00+01:00")
    await world.until("2026-03-20 09:29")
    assert told(world) == []
    await world.until("2026-03-20 10:00")
    assert told(world) == [("zoe", "2026-03-20 09:30")]


async def test_only_the_earlier_editions_count(autojump_clock, world):
    shop = await opened(world)
    await owns(shop, "ahead", NEW)
    await owns(shop, "zoe", "game-24")
    await world.until("2026-03-20 10:00")
    await releases(shop, "game-25")
    await world.until("2026-03-20 12:00")
    assert [who for who, _ in told(world)] == ["zoe"]


async def test_what_only_the_release_says_of_the_series_counts(autojump_clock, world):
    shop = await opened(world)
    await shop.sells("special", name="Game Special")
    await owns(shop, "zoe")
    await world.until("2026-03-20 10:00")
    await releases(shop, "special", edition=2027)
    await world.until("2026-03-20 12:00")
    assert told(world) == [("zoe", "2026-03-20 10:00")]


async def test_a_release_of_what_nobody_knows_is_refused(autojump_clock, world):
    shop = await opened(world)
    released = {
        "type": "track",
        "messageId": "r1",
        "anonymousId": "editor",
        "event": "Product Released",
        "properties": {"product_id": "chess-26", "series_id": "chess"},
    }
    (refusal,) = await shop.client.send([released])
    assert (refusal.code, refusal.path) == ("invalid", "$.properties.product_id")
    assert "Product Upserted" in refusal.reason


# To many.


async def crowd(world):
    """Hundreds of owners, told in few frames."""
    shop = await opened(world)
    line = {"product_id": "game-25"}
    order = {"total": 50, "currency": "EUR", "products": [line]}
    frames = []
    for number in range(OWNERS):
        who = {"userId": f"c{number:03}"}
        traits = {"email": f"c{number:03}@customers.example"}
        placed = {"order_id": f"o{number}", **order}
        frames += [
            {"type": "identify", "messageId": f"i{number}", **who, "traits": traits},
            {
                "type": "track",
                "messageId": f"t{number}",
                **who,
                "event": "Order Completed",
                "properties": placed,
            },
        ]
    assert await shop.client.send(frames) == []
    return shop


def owners_told(world):
    return [who for who, _ in told(world)]


EVERYBODY = [f"c{number:03}" for number in range(OWNERS)]


async def test_an_order_is_answered_while_hundreds_of_owners_are_told(autojump_clock, tmp_path):
    async with open_world(tmp_path, autojump_clock, rate=FAST) as world:
        shop = await crowd(world)
        await releases(shop)
        await trio.sleep(0.15)
        await shop.knows("zoe")
        await shop.pays("zoe", "o1", "puzzle")
        # The order was answered between two pages.
        assert 0 < world.service.broadcasts.told < OWNERS
        await world.until("2026-03-02 10:05")
        assert world.kinds("zoe") == [("k11", "2026-03-02 10:00")]
        assert owners_told(world) == EVERYBODY


async def test_a_restart_in_the_middle_tells_the_rest_and_nobody_twice(autojump_clock, tmp_path):
    async with open_world(tmp_path, autojump_clock, rate=FAST) as world:
        shop = await crowd(world)
        await releases(shop)
        await trio.sleep(0.15)
        assert 0 < world.service.broadcasts.told < OWNERS
    async with open_world(tmp_path, autojump_clock, "2026-03-02 10:30", rate=FAST) as world:
        assert len(owners_told(world)) < OWNERS
        await world.until("2026-03-02 10:45")
        assert 0 < world.service.broadcasts.told < OWNERS
        assert owners_told(world) == EVERYBODY


async def test_neither_a_second_launch_nor_a_page_repeated_after_a_crash_tells_anybody_twice(
    autojump_clock, tmp_path
):
    async with open_world(tmp_path, autojump_clock, rate=FAST) as world:
        shop = await crowd(world)
        await releases(shop)
        await world.until("2026-03-02 10:05")
        await releases(shop)
        await world.until("2026-03-03 10:00")
        assert owners_told(world) == EVERYBODY
        # As if the process had ended before it could note how far it was.
        await world.service.store.advance(f"release/{NEW}", "", done=False)
    async with open_world(tmp_path, autojump_clock, "2026-03-03 10:30", rate=FAST) as world:
        await world.until("2026-03-12 10:00")
        assert world.service.broadcasts.told == OWNERS
        assert owners_told(world) == EVERYBODY
