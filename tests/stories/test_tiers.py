"""A programme for each way of living with our mails (k25), the question (k26), the last offer (k27)
and what follows from silence: sunset, and the way back (R47 to R53).
"""

from __future__ import annotations

from itertools import count

from ecrm import facts
from tests.worlds import Unsent, instant, text_of

NUMBERS = count(1)
REACTIVATION = ("k25", "k26", "k27")


async def opened(world, *, watched=True, **traits):
    """Somebody who registers, agrees to marketing and, where `watched`, to having opens seen."""
    shop = await world.shop()
    await shop.registers("zoe", locale="en", **traits)
    if watched:
        await shop.track("zoe", "Consent Updated", purpose="open_tracking", state="granted")
    return shop


async def buyer(world):
    """Somebody who bought a table, in a shop with something that suits it."""
    shop = await world.shop()
    await shop.sells("table", category="furniture", affinity_categories=["garden"])
    for product in ("gazebo", "mower", "hose"):
        await shop.sells(product, price=50, category="garden")
    await shop.knows("zoe", locale="en")
    await shop.track("zoe", "Consent Updated", purpose="open_tracking", state="granted")
    await shop.pays("zoe", "o1", "table")
    return shop


async def writes(world, shop, *days, deeds=()):
    """A newsletter at noon of each day; the person does this with each."""
    for day in days:
        await world.until(f"{day} 12:00")
        campaign = {"campaign_id": day, "template": "news"}
        await shop.say("track", "?editor", event="Campaign Launched", properties=campaign)
        await world.passes(60_000)
        for deed in deeds:
            await world.sees("zoe", "k28", deed)


async def tiers(world):
    """Each tier the person came into, and when."""
    found, now = [], 0
    for fact in await world.past("zoe"):
        now = getattr(fact, "at", now)
        if isinstance(fact, facts.Assessed) and fact.tier != fact.before:
            found.append(fact.tier)
    return found


async def tier(world):
    return (await world.ask("inspect", customer="zoe"))["result"]["state"].get("tier", "unmeasured")


async def marks(world):
    state = (await world.ask("inspect", customer="zoe"))["result"]["state"]
    return sorted(set(state.get("marks", {})) - {"graduated"})


def steps(world, *kinds):
    return [(mail.step, mail.at) for mail in world.mails("zoe") if mail.kind in kinds]


# Silence.


async def test_half_a_year_of_silence_is_answered_step_by_step_and_ends_in_sunset(
    autojump_clock, world
):
    shop = await opened(world)
    # Registering was the last sign of life, on the second of March at ten, in winter.
    await world.until("2026-09-01 10:59")
    assert await tier(world) == "semi-active"
    await world.until("2026-09-01 11:01")
    assert await tier(world) == "inactive"
    await world.until("2026-11-30 09:59")
    assert await marks(world) == []
    await world.until("2026-11-30 10:01")
    assert await marks(world) == ["sunset"]
    assert steps(world, *REACTIVATION) == [
        ("inactive/come-back", "2026-09-03 10:00"),
        ("question/question", "2026-09-16 10:00"),
        ("last-chance/offer", "2026-10-17 10:00"),
    ]
    await writes(world, shop, "2026-12-10")
    await world.until("2027-06-01 10:00")
    assert world.kinds("zoe", "k28", *REACTIVATION)[3:] == []
    assert await world.unsent("zoe", "k28") == [Unsent("k28", "newsletter/news", "consent")]


async def test_the_last_offer_is_very_commercial_and_valid_for_two_days(autojump_clock, world):
    await opened(world)
    await world.until("2026-10-20 10:00")
    letter = world.letter("k27")
    assert letter["Subject"] == "20% off until October 19, 2026: your last chance!"
    (offer,) = [fact for fact in await world.past("zoe") if isinstance(fact, facts.OfferMade)]
    assert (offer.percent, offer.programme) == (20, "last-chance")
    assert offer.until == instant("2026-10-20 00:00") - 1
    assert offer.code in text_of(letter)


async def test_who_opens_the_last_offer_is_kept(autojump_clock, world):
    shop = await opened(world)
    await world.until("2026-10-18 10:00")
    await world.sees("zoe", "k27", "opened")
    await world.until("2026-12-10 10:00")
    assert await marks(world) == []
    await writes(world, shop, "2026-12-11")
    assert world.kinds("zoe", "k28") == [("k28", "2026-12-11 12:00")]


async def test_a_machine_that_opens_is_no_sign_of_life_and_no_reason_to_give_up(
    autojump_clock, world
):
    await opened(world)
    await world.until("2026-09-10 10:00")
    await world.sees("zoe", "k25", "opened", human=False)
    await world.sees("zoe", "k25", "clicked", human=False)
    await world.until("2026-12-10 10:00")
    # What waited for the person goes on.
    assert [step for step, _ in steps(world, "k26", "k27")] == [
        "question/question",
        "last-chance/offer",
    ]
    # Behind a scanner nobody can be measured, and who is not is not cleaned away.
    assert await tier(world) == "unmeasured"
    assert await marks(world) == []


async def test_after_sunset_what_is_owed_goes_on_and_an_order_brings_everything_back(
    autojump_clock, world
):
    shop = await opened(world)
    await world.until("2026-12-10 10:00")
    assert await marks(world) == ["sunset"]
    await shop.track("zoe", "Invoice Issued", invoice_id="i1", total=5, currency="EUR")
    await world.passes(0)
    assert world.kinds("zoe", "k15") == [("k15", "2026-12-10 10:00")]
    assert await marks(world) == ["sunset"]
    await shop.pays("zoe", "o1", "cup")
    await world.until("2026-12-20 10:00")
    assert await marks(world) == []
    assert world.kinds("zoe", "k11", "k12") == [
        ("k11", "2026-12-10 10:00"),
        ("k12", "2026-12-11 10:00"),
    ]


async def test_a_click_in_an_old_mail_brings_back_who_was_given_up(autojump_clock, world):
    shop = await opened(world)
    await world.until("2026-12-10 10:00")
    await world.sees("zoe", "k27", "clicked")
    assert await marks(world) == []
    await writes(world, shop, "2026-12-11")
    assert world.kinds("zoe", "k28") == [("k28", "2026-12-11 12:00")]


async def test_a_visit_ends_what_was_planned_for_the_inactive(autojump_clock, world):
    shop = await opened(world)
    await world.until("2026-09-10 10:00")
    await shop.track("zoe", "Product Viewed", product_id="cup")
    await world.until("2027-02-01 10:00")
    assert steps(world, *REACTIVATION) == [("inactive/come-back", "2026-09-03 10:00")]
    assert await world.unsent("zoe", "k26", "k27") == [
        Unsent("k27", "last-chance/offer", "stop_condition"),
        Unsent("k26", "question/question", "stop_condition"),
    ]
    assert await marks(world) == []


async def test_a_wish_for_less_answers_the_question_and_is_obeyed(autojump_clock, world):
    shop = await opened(world)
    await world.until("2026-09-10 10:00")
    await shop.track("zoe", "Preference Updated", frequency="monthly")
    assert await tier(world) != "inactive"
    await writes(world, shop, "2026-10-01", "2026-10-15", "2026-11-01")
    await world.until("2026-11-10 10:00")
    assert steps(world, "k26", "k27") == []
    assert world.kinds("zoe", "k28") == [
        # A month after the come-back of the third of September there is room again.
        ("k28", "2026-10-03 10:00"),
        ("k28", "2026-11-02 09:00"),
    ]


async def test_a_word_on_the_relevance_answers_the_question(autojump_clock, world):
    shop = await opened(world)
    await world.until("2026-09-10 10:00")
    await shop.track("zoe", "Survey Answered", survey_id="relevance", score=2)
    await world.until("2027-02-01 10:00")
    assert steps(world, "k26", "k27") == []
    state = (await world.ask("inspect", customer="zoe"))["result"]["state"]
    assert state["relevance"] == 2


async def test_the_question_can_be_answered_by_a_click(autojump_clock, world):
    await opened(world)
    await world.until("2026-09-16 10:00")
    text = text_of(world.letter("k26"))
    for answer in ("Once a week", "Once a month", "Only about my orders", "5/5 (Very useful)"):
        assert f"{answer}: http" in text


async def test_who_cannot_be_measured_is_never_given_up(autojump_clock, world):
    await opened(world, watched=False)
    await world.until("2027-06-01 10:00")
    assert world.kinds("zoe", *REACTIVATION) == []
    assert await marks(world) == []


async def test_who_objected_hears_nothing_when_inactive(autojump_clock, world):
    shop = await opened(world)
    await world.until("2026-08-01 10:00")
    await shop.consents("zoe", "denied")
    await world.until("2027-02-01 10:00")
    assert world.kinds("zoe", *REACTIVATION) == []
    assert {one.reason for one in await world.unsent("zoe", *REACTIVATION)} == {
        "consent",
        "missing_data",
    }


# Readers.

MONDAYS = ("2026-03-09", "2026-03-16", "2026-03-23", "2026-03-30")


async def test_who_reads_nothing_and_buys_is_shown_one_thing_worth_a_click(autojump_clock, world):
    shop = await buyer(world)
    await writes(world, shop, *MONDAYS)
    # Thirty times 24 hours after the first marketing mail, at noon of the ninth of March, in winter.
    await world.until("2026-04-08 12:59")
    assert await tiers(world) == []
    await world.until("2026-04-08 13:01")
    assert await tiers(world) == ["semi-active"]
    await world.until("2026-04-12 10:00")
    # Three days later, at the next ten in the morning.
    assert steps(world, "k25") == [("semi-active/closer", "2026-04-12 10:00")]
    text = text_of(world.letter("k25"))
    assert "Worth a click" in text
    assert "In the spirit of table" in text


async def test_who_reads_and_clicks_gets_an_early_look(autojump_clock, world):
    shop = await buyer(world)
    await writes(world, shop, *MONDAYS[:3], deeds=("opened",))
    await writes(world, shop, MONDAYS[3], deeds=("opened", "clicked"))
    await world.until("2026-04-12 10:00")
    assert await tiers(world) == ["active"]
    assert steps(world, "k25") == [("active/more", "2026-04-12 10:00")]


async def faithful(world):
    """Somebody who reads all, clicks, and buys after the click."""
    shop = await buyer(world)
    await writes(world, shop, *MONDAYS, deeds=("opened", "clicked"))
    await shop.pays("zoe", "o2", "mower")
    await world.until("2026-04-12 10:00")
    return shop


async def test_who_reads_all_and_buys_after_the_click_is_thanked(autojump_clock, world):
    await faithful(world)
    assert await tiers(world) == ["super-active"]
    assert steps(world, "k25") == [("super-active/first", "2026-04-12 10:00")]
    assert world.letter("k25")["Subject"] == "You come first: thank you for your loyalty"


async def test_who_comes_into_a_tier_again_within_half_a_year_is_not_written_to_again(
    autojump_clock, world
):
    shop = await faithful(world)
    await writes(world, shop, "2026-04-20", "2026-04-27", "2026-05-04")
    assert await tier(world) == "active"
    weeks = ("2026-05-18", "2026-05-25", "2026-06-01", "2026-06-08", "2026-06-15", "2026-06-22")
    await writes(world, shop, *weeks, deeds=("opened", "clicked"))
    for kind in ("k23", "k25"):
        await world.sees("zoe", kind)
    await world.until("2026-07-10 10:00")
    assert (await tiers(world))[:3] == ["super-active", "active", "super-active"]
    assert [step for step, _ in steps(world, "k25")] == ["super-active/first", "active/more"]


async def test_a_click_takes_back_what_was_planned_for_the_semi_active(autojump_clock, world):
    shop = await buyer(world)
    await writes(world, shop, *MONDAYS, deeds=("opened",))
    await world.until("2026-04-09 12:00")
    assert await tier(world) == "semi-active"
    await world.sees("zoe", "k28", "clicked")
    assert await tier(world) == "active"
    await world.until("2026-04-13 10:00")
    assert await world.unsent("zoe", "k25") == [
        Unsent("k25", "semi-active/closer", "stop_condition")
    ]
    # In its place comes what the active get, from the click on.
    assert [step for step, _ in steps(world, "k25")] == ["active/more"]


async def test_with_nothing_to_show_the_semi_active_are_not_written_to(autojump_clock, world):
    await opened(world)
    await world.until("2026-06-01 10:00")
    assert await tiers(world) == ["semi-active"]
    assert world.kinds("zoe", "k25") == []
    assert await world.unsent("zoe", "k25") == [Unsent("k25", "semi-active/closer", "missing_data")]
