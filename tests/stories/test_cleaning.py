"""Cleaning rehearsed (R50, R52): who would go under each definition, and nothing is changed."""

from __future__ import annotations

from actors import cleaning
from ecrm.moment import days

UNTIL = "2027-06-01 12:00"


async def rehearsed(world):
    store, thresholds = world.service.store, world.service.settings.thresholds
    found = await cleaning.rehearse(store, world.clock.now(), thresholds)
    return found, {one.name: [gone.customer for gone in one.gone] for one in found.definitions}


async def reads_for_a_month(world, shop, user, *, tracked):
    """Somebody gets the letters of the welcome; where it may be seen, they open them."""
    await shop.registers(user)
    if tracked:
        await shop.track(user, "Consent Updated", purpose="open_tracking", state="granted")


async def test_opens_alone_would_strike_out_who_is_there(autojump_clock, world):
    shop = await world.shop()
    await reads_for_a_month(world, shop, "silent", tracked=True)
    await reads_for_a_month(world, shop, "visitor", tracked=True)
    await reads_for_a_month(world, shop, "reader", tracked=True)
    await world.until("2026-04-15 12:00")
    await world.sees("reader", "k05")
    await shop.track("visitor", "Signed In")
    await world.until("2026-08-01 12:00")
    before = await world.past("silent")
    found, gone = await rehearsed(world)
    assert (found.customers, found.held) == (3, 0)
    # "Did not open" takes the visitor too, who was there in April.
    assert gone["no open"] == ["silent", "visitor"]
    assert gone["sunset"] == gone["retention"] == []
    assert await world.past("silent") == before


async def test_who_was_given_up_is_named_and_comes_back_with_a_sign_of_life(autojump_clock, world):
    shop = await world.shop()
    await reads_for_a_month(world, shop, "silent", tracked=True)
    await world.until("2027-02-01 12:00")
    _, gone = await rehearsed(world)
    assert gone["sunset"] == ["silent"]
    await shop.track("silent", "Signed In")
    _, gone = await rehearsed(world)
    assert gone["sunset"] == []


async def test_three_years_without_a_contact_are_for_erasure(autojump_clock, world):
    shop = await world.shop()
    await shop.registers("ana")
    await shop.registers("max")
    later = days(3 * 365 + 1)
    store, thresholds = world.service.store, world.service.settings.thresholds
    now = world.clock.now()
    found = await cleaning.rehearse(store, now + later, thresholds)
    assert [g.customer for d in found.definitions if d.name == "retention" for g in d.gone] == [
        "ana",
        "max",
    ]
    found = await cleaning.rehearse(store, now + later - days(2), thresholds)
    assert [d.gone for d in found.definitions if d.name == "retention"] == [()]
