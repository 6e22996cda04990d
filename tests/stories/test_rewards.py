"""The coupon for a review (k20), and the life of a coupon: announced, shown, used, paid for."""

from __future__ import annotations

import msgspec
import pytest

from actors import overrides
from ecrm import facts
from proto import notices
from tests.worlds import EVENTS_PATH, SECRET, Unsent, instant, open_world, text_of

# The shop gives away five euros a month for reviews.
FIVE_EUROS = overrides.changed({"reward": overrides.ProgrammeSection(budget=5.0)}, "EUR")


async def reviewer(world, user="zoe", *products):
    """Somebody who bought things a while ago."""
    shop = await world.shop()
    await shop.knows(user, locale="en")
    await shop.pays(user, f"first-{user}", *(products or ("cup", "pot", "tray")))
    return shop


async def reviews(shop, user, product, rating=5):
    await shop.track(user, "Product Reviewed", product_id=product, rating=rating)


async def coupons(world, user="zoe"):
    made = [fact for fact in await world.past(user) if isinstance(fact, facts.OfferMade)]
    return [offer for offer in made if offer.programme == "reward"]


async def spends(shop, user, order_id, coupon, **properties):
    order = {"order_id": order_id, "total": 45, "currency": "EUR", "coupon": coupon, **properties}
    lines = [{"product_id": "lamp", "name": "lamp", "price": 50}]
    await shop.track(user, "Order Completed", **order, products=lines)


def rewarded(world, user="zoe"):
    return world.kinds(user, "k20")


async def subscribed(world):
    """A back end that listens to coupons and says nothing."""
    websocket = await world.dial(EVENTS_PATH)
    await websocket.send_message(f'{{"type": "hello", "key": "{SECRET}"}}')
    await websocket.get_message()
    await websocket.send_message('{"type": "subscribe", "topics": ["coupon"]}')
    await world.passes(1)
    return websocket


async def heard(websocket):
    return msgspec.json.decode(await websocket.get_message())


async def test_a_review_is_rewarded_at_once_with_a_coupon_of_thirty_days(autojump_clock, world):
    shop = await reviewer(world)
    await world.until("2026-03-20 12:00")
    await reviews(shop, "zoe", "cup")
    await world.passes(0)
    assert rewarded(world) == [("k20", "2026-03-20 12:00")]
    (coupon,) = await coupons(world)
    assert coupon.percent == 10
    assert coupon.until == instant("2026-04-20 00:00") - 1
    text = text_of(world.letter("k20"))
    assert "what you think of cup" in text
    assert coupon.code in text
    assert "Sunday, April 19, 2026" in text


async def test_a_promised_reward_is_owed_by_night_and_without_consent(autojump_clock, world):
    shop = await reviewer(world)
    await shop.consents("zoe", "denied")
    await world.until("2026-03-20 23:30")
    await reviews(shop, "zoe", "cup", rating=1)
    await world.passes(0)
    assert rewarded(world) == [("k20", "2026-03-20 23:30")]
    assert "not what you had hoped for" in text_of(world.letter("k20"))


async def test_each_product_is_rewarded_once(autojump_clock, world):
    shop = await reviewer(world)
    await reviews(shop, "zoe", "cup", rating=5)
    await world.until("2026-03-02 12:00")
    await reviews(shop, "zoe", "cup", rating=4)
    await world.until("2026-05-20 12:00")
    await reviews(shop, "zoe", "cup", rating=3)
    await world.passes(0)
    assert rewarded(world) == [("k20", "2026-03-02 10:00")]


async def test_who_has_a_coupon_that_lives_is_shown_that_one(autojump_clock, world):
    shop = await reviewer(world)
    await reviews(shop, "zoe", "cup")
    await world.until("2026-03-20 12:00")
    await reviews(shop, "zoe", "pot")
    await world.until("2026-04-02 12:00")
    # The first has ended with the first of April.
    await reviews(shop, "zoe", "tray")
    await world.passes(0)
    first, second = await coupons(world)
    shown = [text_of(x) for x in world.letters() if x["X-Ecrm-Kind"] == "k20"]
    assert [first.code in text for text in shown] == [True, True, False]
    assert second.code in shown[2]


# What the shop hears.


async def test_the_shop_hears_of_a_coupon_before_its_mail_can_leave(autojump_clock, world):
    shop = await reviewer(world)
    websocket = await subscribed(world)
    out_already = []

    def listener(notice):
        if isinstance(notice, notices.CouponIssued):
            out_already.append(rewarded(world))

    world.service.system.listeners.append(listener)
    await reviews(shop, "zoe", "cup")
    await world.passes(0)
    assert out_already == [[]]
    assert rewarded(world) == [("k20", "2026-03-02 10:00")]
    (coupon,) = await coupons(world)
    issued = await heard(websocket)
    assert issued == {
        "type": "notice",
        "topic": "coupon",
        "event": "Coupon Issued",
        "customerId": "zoe",
        "at": "2026-03-02T09:00:00.001Z",
        "code": coupon.code,
        "percent": 10,
        "until": "2026-04-01T21:59:59.999Z",
        "programme": "reward",
    }


async def test_an_order_that_names_the_coupon_uses_it_up(autojump_clock, world):
    shop = await reviewer(world)
    await reviews(shop, "zoe", "cup")
    websocket = await subscribed(world)
    (coupon,) = await coupons(world)
    await world.until("2026-03-05 12:00")
    # As people type it.
    await spends(shop, "zoe", "o2", coupon.code.lower().replace("-", " "), discount=4.5)
    redeemed = await heard(websocket)
    assert redeemed == {
        "type": "notice",
        "topic": "coupon",
        "event": "Coupon Redeemed",
        "customerId": "zoe",
        "at": "2026-03-05T11:00:00.000Z",
        "code": coupon.code,
        "orderId": "o2",
        "programme": "reward",
        "cost": 450,
        "currency": "EUR",
    }
    await reviews(shop, "zoe", "pot")
    await world.passes(0)
    # It lives no more: the next review makes another.
    assert len(await coupons(world)) == 2
    assert (await heard(websocket))["event"] == "Coupon Issued"


async def test_an_order_told_twice_uses_its_coupon_once(autojump_clock, world):
    shop = await reviewer(world)
    await reviews(shop, "zoe", "cup")
    (coupon,) = await coupons(world)
    await spends(shop, "zoe", "o2", coupon.code)
    await spends(shop, "zoe", "o2", coupon.code)
    await shop.track(
        "zoe", "Order Paid", order_id="o2", total=45, currency="EUR", coupon=coupon.code
    )
    used = [fact for fact in await world.past("zoe") if isinstance(fact, facts.OfferUsed)]
    # Without a discount told, ten in a hundred of what was ordered.
    assert [(fact.order_id, fact.cost) for fact in used] == [("o2", 500)]


@pytest.mark.parametrize("named", ["the other's", "WELCOME10", "ABCDE-FGHJK"])
async def test_a_coupon_of_somebody_else_or_of_nobody_is_not_used(autojump_clock, world, named):
    shop = await reviewer(world)
    await reviewer(world, "ada")
    await reviews(shop, "ada", "cup")
    (hers,) = await coupons(world, "ada")
    await reviews(shop, "zoe", "cup")
    await spends(shop, "zoe", "o2", hers.code if named == "the other's" else named)
    used = [fact for fact in await world.past("zoe") if isinstance(fact, facts.OfferUsed)]
    assert used == []
    await reviews(shop, "zoe", "pot")
    assert len(await coupons(world)) == 1


# What it may cost.


async def test_when_the_month_has_cost_what_it_may_no_more_is_given_away(autojump_clock, tmp_path):
    async with open_world(tmp_path, autojump_clock, programmes=FIVE_EUROS) as world:
        shop = await reviewer(world)
        await reviewer(world, "ada")
        await reviews(shop, "zoe", "cup")
        (coupon,) = await coupons(world)
        await reviews(shop, "ada", "cup")
        await spends(shop, "zoe", "o2", coupon.code, discount=5)
        await world.until("2026-03-10 12:00")
        await reviews(shop, "zoe", "pot")
        # Who holds a coupon keeps it, and is reminded of it.
        await reviews(shop, "ada", "pot")
        await world.until("2026-04-01 00:00")
        await reviews(shop, "zoe", "tray")
        await world.passes(0)
        assert rewarded(world) == [("k20", "2026-03-02 10:00"), ("k20", "2026-04-01 00:00")]
        assert await world.unsent("zoe", "k20") == [Unsent("k20", "reward/reward", "budget")]
        assert rewarded(world, "ada") == [("k20", "2026-03-02 10:00"), ("k20", "2026-03-10 12:00")]
        assert len(await coupons(world, "ada")) == 1


async def test_what_the_month_has_cost_outlives_a_restart(autojump_clock, tmp_path):
    async with open_world(tmp_path, autojump_clock, programmes=FIVE_EUROS) as world:
        shop = await reviewer(world)
        await reviews(shop, "zoe", "cup")
        (coupon,) = await coupons(world)
        await spends(shop, "zoe", "o2", coupon.code, discount=5)
        await world.passes(0)
    later = "2026-03-10 12:00"
    async with open_world(tmp_path, autojump_clock, later, programmes=FIVE_EUROS) as world:
        # The ids of this world's messages begin anew: they must not be those of the first.
        shop = await world.shop()
        await shop.client.send(
            [
                {
                    "type": "track",
                    "messageId": "after-the-restart",
                    "userId": "zoe",
                    "event": "Product Reviewed",
                    "properties": {"product_id": "pot", "rating": 5},
                }
            ]
        )
        await world.passes(0)
        assert rewarded(world) == [("k20", "2026-03-02 10:00")]
        assert await world.unsent("zoe", "k20") == [Unsent("k20", "reward/reward", "budget")]


async def test_a_budget_in_euros_is_not_spent_in_pounds(autojump_clock, tmp_path):
    async with open_world(tmp_path, autojump_clock, programmes=FIVE_EUROS) as world:
        shop = await reviewer(world)
        await reviews(shop, "zoe", "cup")
        (coupon,) = await coupons(world)
        await spends(shop, "zoe", "o2", coupon.code, discount=5, currency="GBP")
        await reviews(shop, "zoe", "pot")
        await world.passes(0)
        assert rewarded(world) == [("k20", "2026-03-02 10:00")] * 2
