"""Dates (k36, k37): a reminder the day before, of the date as it stands then."""

from __future__ import annotations

import pytest

from ecrm import moment
from tests.worlds import Unsent, instant, text_of

KINDS = [("", "k36"), ("Fitting", "k36"), ("Event", "k37")]


def on(local, appointment_id="D-3", **said):
    starts = moment.format_instant(instant(local))
    return {"appointment_id": appointment_id, "starts_at": starts, "place": "12 quai Sud", **said}


async def known(world, **traits):
    shop = await world.shop()
    await shop.knows("zoe", locale="en-GB", consent=False, **traits)
    return shop


@pytest.mark.parametrize(("kind", "number"), KINDS)
async def test_a_date_is_reminded_the_day_before_at_its_hour(autojump_clock, world, kind, number):
    shop = await known(world)
    await shop.consents("zoe", "denied")
    await shop.track("zoe", "Appointment Scheduled", **on("2026-03-12 22:30", kind=kind))
    await world.until("2026-03-30 10:00")
    assert world.kinds() == [(number, "2026-03-11 22:30")]
    letter = world.letter(number)
    assert letter["List-Unsubscribe"] is None
    assert letter["Auto-Submitted"] == "auto-generated"
    assert "12 March 2026" in letter["Subject"]
    text = text_of(letter)
    assert "Day: Thursday, 12 March 2026" in text
    assert "Time: 22:30" in text
    assert "Place: 12 quai Sud" in text
    assert "Reference: D-3" in text
    assert "Choose what you receive: http" in text


async def test_the_date_is_told_in_the_persons_own_time(autojump_clock, world):
    shop = await known(world, timezone="America/Montreal")
    await shop.track("zoe", "Appointment Scheduled", **on("2026-03-12 22:30"))
    await world.until("2026-03-30 10:00")
    assert world.kinds() == [("k36", "2026-03-11 22:30")]
    assert "Time: 17:30" in text_of(world.letter("k36"))


@pytest.mark.parametrize(("kind", "number"), KINDS)
async def test_a_cancelled_date_is_not_reminded(autojump_clock, world, kind, number):
    shop = await known(world)
    await shop.track("zoe", "Appointment Scheduled", **on("2026-03-12 15:00", kind=kind))
    await shop.track("zoe", "Appointment Scheduled", **on("2026-03-13 15:00", "D-4", kind=kind))
    await world.until("2026-03-11 14:59")
    await shop.track("zoe", "Appointment Cancelled", **on("2026-03-12 15:00"))
    await world.until("2026-03-30 10:00")
    assert world.kinds() == [(number, "2026-03-12 15:00")]
    assert "D-4" in text_of(world.letter(number))
    programme = "event" if number == "k37" else "appointment"
    assert await world.unsent("zoe") == [Unsent(number, f"{programme}/reminder", "stop_condition")]


async def test_a_cancellation_heard_first_counts(autojump_clock, world):
    shop = await known(world)
    await shop.track("zoe", "Appointment Cancelled", **on("2026-03-12 15:00"))
    scheduled = on("2026-03-12 15:00")
    await shop.track("zoe", "Appointment Scheduled", at="2026-03-02 09:00", **scheduled)
    await world.until("2026-03-30 10:00")
    assert world.kinds() == []


async def test_a_date_that_is_made_again_after_a_cancellation_is_reminded(autojump_clock, world):
    shop = await known(world)
    await shop.track("zoe", "Appointment Scheduled", **on("2026-03-12 15:00"))
    await shop.track("zoe", "Appointment Cancelled", **on("2026-03-12 15:00"))
    await world.until("2026-03-03 10:00")
    await shop.track("zoe", "Appointment Scheduled", **on("2026-03-12 15:00"))
    await world.until("2026-03-30 10:00")
    assert world.kinds() == [("k36", "2026-03-11 15:00")]


@pytest.mark.parametrize("moved", ["2026-03-09 11:00", "2026-03-20 11:00"])
async def test_a_date_that_was_moved_is_reminded_once_and_of_its_new_time(
    autojump_clock, world, moved
):
    shop = await known(world)
    await shop.track("zoe", "Appointment Scheduled", **on("2026-03-12 15:00"))
    await world.until("2026-03-05 10:00")
    await shop.track("zoe", "Appointment Scheduled", **on(moved))
    await world.until("2026-03-30 10:00")
    day = moment.format_instant(moment.Instant(instant(moved) - moment.DAY))
    assert [letter["X-Ecrm-At"] for letter in world.letters()] == [day]
    assert "Time: 11:00" in text_of(world.letter("k36"))


async def test_a_date_moved_after_its_reminder_is_reminded_again(autojump_clock, world):
    shop = await known(world)
    await shop.track("zoe", "Appointment Scheduled", **on("2026-03-12 15:00"))
    await world.until("2026-03-11 18:00")
    await shop.track("zoe", "Appointment Scheduled", **on("2026-03-19 15:00"))
    await world.until("2026-03-30 10:00")
    assert world.kinds() == [("k36", "2026-03-11 15:00"), ("k36", "2026-03-18 15:00")]


async def test_a_date_told_twice_is_reminded_once(autojump_clock, world):
    shop = await known(world)
    for _ in range(2):
        await shop.track("zoe", "Appointment Scheduled", **on("2026-03-12 15:00"))
    await world.until("2026-03-30 10:00")
    assert world.kinds() == [("k36", "2026-03-11 15:00")]


async def test_a_date_made_within_the_day_is_reminded_at_once_and_at_short_notice_not_at_all(
    autojump_clock, world
):
    shop = await known(world)
    await shop.track("zoe", "Appointment Scheduled", **on("2026-03-03 06:00", "tomorrow"))
    await shop.track("zoe", "Appointment Scheduled", **on("2026-03-02 21:30", "tonight"))
    await shop.track("zoe", "Appointment Scheduled", **on("2026-03-01 21:30", "yesterday"))
    await world.until("2026-03-30 10:00")
    assert world.kinds() == [("k36", "2026-03-02 10:00")]
    assert "Reference: tomorrow" in text_of(world.letter("k36"))
    late = Unsent("k36", "appointment/reminder", "deadline")
    assert await world.unsent("zoe") == [late, late]


async def test_who_wants_no_reminders_gets_none_of_that_kind(autojump_clock, world):
    shop = await known(world)
    await shop.track("zoe", "Preference Updated", topics={"event": False})
    await shop.track("zoe", "Appointment Scheduled", **on("2026-03-12 15:00", "D-1", kind="event"))
    await shop.track("zoe", "Appointment Scheduled", **on("2026-03-12 16:00", "D-2"))
    await world.until("2026-03-30 10:00")
    assert world.kinds() == [("k36", "2026-03-11 16:00")]
    assert await world.unsent("zoe") == [Unsent("k37", "event/reminder", "preference")]


async def test_a_reminder_is_resolved_as_the_clock_goes_forward(autojump_clock, world):
    shop = await known(world)
    await shop.track("zoe", "Appointment Scheduled", **on("2026-03-29 15:00"))
    await world.until("2026-04-30 10:00")
    # The day before is 24 hours: the last Sunday of March has one hour less.
    assert world.kinds() == [("k36", "2026-03-28 14:00")]
