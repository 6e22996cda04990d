"""Pressure: everything at once, and no more than two mails a week of it (R6, mission §9.7)."""

from __future__ import annotations

from itertools import pairwise

from ecrm import facts
from ecrm.moment import DAY, HOUR
from tests.worlds import Unsent, instant

MARKETING = (
    "k02", "k03", "k04", "k05", "k07", "k08", "k09", "k10", "k17", "k18", "k19", "k21",
    "k22", "k23", "k24", "k25", "k26", "k27", "k28", "k44",
)  # fmt: skip


async def opened(world):
    """A shop with something to propose to everybody."""
    shop = await world.shop()
    await shop.sells("table", category="garden", complements=["cloth"], series_id="t", edition=1)
    await shop.sells("table-2", category="garden", series_id="t", edition=2)
    for product in ("gazebo", "mower", "hose", "cloth"):
        await shop.sells(product, category="garden")
    return shop


async def campaign(shop, campaign_id):
    told = {"campaign_id": campaign_id, "template": "news"}
    await shop.say("track", "?editor", event="Campaign Launched", properties=told)


async def release(shop):
    told = {"product_id": "table-2", "series_id": "t"}
    await shop.say("track", "?editor", event="Product Released", properties=told)


def marketing(world):
    return world.kinds("zoe", *MARKETING)


async def everything(world):
    """Half a year in which all programmes have something to say to one person."""
    shop = await opened(world)
    await shop.registers("zoe")
    await world.until("2026-03-08 11:00")
    await shop.adds("zoe", "table")
    await world.until("2026-03-12 23:00")
    await shop.pays("zoe", "o1", "table")
    await shop.ships("zoe", "o1")
    for month in ("04", "05", "06", "07"):
        for day in ("01", "11", "21"):
            await world.until(f"2026-{month}-{day} 10:00")
            await campaign(shop, f"{month}-{day}")
            await shop.adds("zoe", "mower")
        await world.until(f"2026-{month}-25 20:30")
        await shop.track("zoe", "Support Ticket Closed", ticket_id=month, status="closed")
        await shop.pays("zoe", f"o{month}", "hose")
        await shop.ships("zoe", f"o{month}")
        if month == "05":
            await release(shop)
    await world.until("2026-09-01 10:00")
    return shop


async def test_however_much_there_is_to_say_the_cap_the_gap_and_the_night_are_kept(
    autojump_clock, world
):
    await everything(world)
    requested = [
        fact.mail
        for fact in await world.past("zoe")
        if isinstance(fact, facts.MailRequested) and fact.mail.mail_class == "marketing"
    ]
    instants = [mail.at for mail in requested]
    assert len(instants) > 20
    assert all(later - sooner >= 20 * HOUR for sooner, later in pairwise(instants))
    thirds = zip(instants, instants[2:], strict=False)
    assert all(third - first >= 7 * DAY for first, third in thirds)
    # Only the reminder of a cart may ignore the night.
    obeying = [
        mail.at
        for mail in world.mails("zoe")
        if mail.kind in MARKETING and mail.step != "cart/reminder"
    ]
    assert all("08:00" <= at.partition(" ")[2] < "21:00" for at in obeying)


async def test_every_mail_of_a_crowded_half_year_was_sent_or_has_one_reason(autojump_clock, world):
    await everything(world)
    past = await world.past("zoe")
    settled = [
        (fact.key, fact.step)
        for fact in past
        if isinstance(fact, facts.MailWithheld) or (isinstance(fact, facts.Left) and fact.kind)
    ]
    deferred = {(f.key, f.step) for f in past if isinstance(f, facts.MailDeferred)}
    sent = {(f.key, f.mail.step) for f in past if isinstance(f, facts.MailRequested)}
    state = (await world.ask("inspect", customer="zoe"))["result"]["state"]
    waits = {(key, stay["step"]) for key, stay in state["enrolments"].items()}
    assert deferred
    assert deferred <= sent | set(settled) | waits
    reasons = {one.reason for one in await world.unsent("zoe", *MARKETING)}
    assert reasons <= {
        "cap",
        "arbitration",
        "condition",
        "stop_condition",
        "missing_data",
        "deadline",
    }


async def test_of_what_is_wanted_at_one_instant_the_first_in_line_goes_and_the_others_wait(
    autojump_clock, world
):
    shop = await opened(world)
    await shop.knows("zoe")
    await shop.track(
        "zoe",
        "Order Completed",
        order_id="o0",
        total=10,
        currency="EUR",
        products=[{"product_id": "table"}],
    )
    await shop.ships("zoe", "o0")
    await world.until("2026-03-17 09:00")
    await shop.adds("zoe", "mower")
    await world.until("2026-03-17 09:59")
    # At ten: the cart, the new edition, the question about the parcel, the newsletter.
    told = {"product_id": "table-2", "series_id": "t", "released_at": "2026-03-17T10:00:00+01:00"}
    await shop.say("track", "?editor", event="Product Released", properties=told)
    told = {"campaign_id": "c", "template": "news", "schedule": "2026-03-17T10:00:00+01:00"}
    await shop.say("track", "?editor", event="Campaign Launched", properties=told)
    await world.until("2026-03-30 10:00")
    assert marketing(world) == [
        ("k07", "2026-03-17 10:00"),
        # Twenty hours later it is six in the morning, and still quiet.
        ("k24", "2026-03-18 08:00"),
        # A week after the first there is room for one, and again the cart goes first.
        ("k08", "2026-03-24 10:00"),
    ]
    assert sorted(await world.unsent("zoe", "k08", "k17", "k28")) == [
        Unsent("k08", "cart/offer", "cap"),
        Unsent("k17", "parcel/arrived", "arbitration"),
        Unsent("k28", "newsletter/news", "arbitration"),
    ]


async def test_who_wishes_for_less_gets_less_of_everything(autojump_clock, world):
    shop = await opened(world)
    await shop.knows("zoe")
    await shop.track("zoe", "Preference Updated", frequency="monthly")
    for day in ("02", "09", "16", "23"):
        await world.until(f"2026-03-{day} 12:00")
        await campaign(shop, day)
    await shop.adds("zoe", "mower")
    await world.until("2026-04-20 10:00")
    assert marketing(world) == [("k28", "2026-03-02 12:00")]
    assert {one.reason for one in await world.unsent("zoe")} == {"cap"}


async def test_who_wishes_for_nothing_gets_what_is_owed(autojump_clock, world):
    shop = await opened(world)
    await shop.knows("zoe")
    await shop.track("zoe", "Preference Updated", frequency="never")
    await shop.pays("zoe", "o1", "table")
    await world.until("2026-06-01 10:00")
    assert world.kinds("zoe") == [("k11", "2026-03-02 10:00"), ("k12", "2026-03-03 10:00")]
    withheld = {(one.kind, one.reason) for one in await world.unsent("zoe")}
    assert {("k21", "cap"), ("k22", "cap"), ("k23", "cap")} <= withheld


async def test_who_objects_in_the_middle_hears_no_more_at_once(autojump_clock, world):
    shop = await opened(world)
    await shop.registers("zoe")
    await shop.adds("zoe", "table")
    await world.until("2026-03-10 09:59")
    await shop.consents("zoe", "denied")
    await campaign(shop, "c")
    await world.until("2026-06-01 10:00")
    assert all(instant(at) < instant("2026-03-10 10:00") for _, at in marketing(world))
    assert {one.reason for one in await world.unsent("zoe")} == {"consent"}


async def test_a_letter_between_the_mails_of_a_cart_costs_its_offer_and_not_its_last_word(
    autojump_clock, world
):
    shop = await opened(world)
    await shop.registers("zoe")
    await world.until("2026-03-08 11:00")
    await shop.adds("zoe", "table")
    await world.until("2026-03-25 10:00")
    assert marketing(world) == [
        ("k07", "2026-03-08 12:00"),
        ("k02", "2026-03-09 10:00"),
        # The offer was due on the tenth and worth something until the twelfth.
        ("k08", "2026-03-15 12:00"),
        ("k03", "2026-03-16 10:00"),
        ("k04", "2026-03-23 10:00"),
    ]
    assert await world.unsent("zoe", *MARKETING) == [Unsent("k08", "cart/offer", "cap")]
