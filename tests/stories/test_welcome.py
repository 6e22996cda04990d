"""Welcome (k01 to k06): greeted at once, then once a week for a month, until the first order."""

from __future__ import annotations

from tests.worlds import Unsent

WELCOME = ("k01", "k02", "k03", "k04", "k05")


async def test_a_new_registrant_is_greeted_at_once_and_then_once_a_week(autojump_clock, world):
    shop = await world.shop()
    await shop.registers("zoe", firstName="Zoé")
    await world.until("2026-04-15 10:00")
    assert world.kinds("zoe") == [
        ("k01", "2026-03-02 10:00"),
        ("k02", "2026-03-09 10:00"),
        ("k03", "2026-03-16 10:00"),
        ("k04", "2026-03-23 10:00"),
        # Seven times 24 hours later the clocks have gone forward.
        ("k05", "2026-03-30 11:00"),
    ]


async def test_the_first_order_ends_the_welcome(autojump_clock, world):
    shop = await world.shop()
    await shop.registers("zoe")
    await world.until("2026-03-10 10:00")
    await shop.pays("zoe", "o1", "tea")
    await world.until("2026-04-15 10:00")
    assert [kind for kind, _ in world.kinds("zoe", *WELCOME)] == ["k01", "k02"]
    assert await world.unsent("zoe", *WELCOME) == [
        Unsent("k03", "welcome/week-2", "stop_condition")
    ]


async def test_who_has_not_ordered_after_a_month_graduates_to_the_newsletter(autojump_clock, world):
    shop = await world.shop()
    await shop.registers("zoe")
    await world.until("2026-04-01 10:59")
    before = (await world.ask("inspect", customer="zoe"))["result"]["state"]
    await world.until("2026-04-01 11:00")
    after = (await world.ask("inspect", customer="zoe"))["result"]["state"]
    assert "marks" not in before
    assert list(after["marks"]) == ["graduated"]


async def test_without_consent_only_the_confirmation_of_the_registration_goes(
    autojump_clock, world
):
    shop = await world.shop()
    await shop.registers("zoe", consent=False)
    await world.until("2026-04-15 10:00")
    assert world.kinds("zoe") == [("k01", "2026-03-02 10:00")]


async def test_a_registrant_of_the_night_gets_the_weekly_mail_in_the_morning(autojump_clock, world):
    await world.until("2026-03-02 23:30")
    shop = await world.shop()
    await shop.registers("zoe")
    await world.until("2026-03-11 10:00")
    assert world.kinds("zoe") == [
        ("k01", "2026-03-02 23:30"),
        ("k02", "2026-03-10 08:00"),
    ]


async def test_who_unsubscribes_in_the_welcome_month_hears_no_more_of_it(autojump_clock, world):
    shop = await world.shop()
    await shop.registers("zoe")
    await world.until("2026-03-12 10:00")
    await shop.consents("zoe", "denied")
    await world.until("2026-04-15 10:00")
    assert [kind for kind, _ in world.kinds("zoe")] == ["k01", "k02"]
    assert {(one.kind, one.reason) for one in await world.unsent("zoe")} == {
        ("k03", "consent"),
        ("k04", "consent"),
        ("k05", "consent"),
    }


async def test_a_refused_order_brings_no_second_welcome(autojump_clock, world):
    shop = await world.shop()
    await shop.registers("zoe")
    await world.until("2026-03-03 10:00")
    await shop.track("zoe", "Order Completed", order_id="o1", total=10, currency="EUR")
    await shop.track("zoe", "Order Cancelled", order_id="o1")
    await world.until("2026-04-15 10:00")
    assert [kind for kind, _ in world.kinds("zoe")] == ["k01"]
