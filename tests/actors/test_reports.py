"""What became of a mail reaches its customer, once to any effect, whatever fails meanwhile."""

from __future__ import annotations

import pytest
import trio

from actors.clock import TrioClock
from actors.store.memory import MemoryStore
from actors.store.port import Settled
from ecrm import facts, messages
from ecrm.moment import HOUR
from proto import envelope, events, notices
from tests.actors.house import START, House, added


@pytest.fixture
async def house(autojump_clock):
    clock = TrioClock(START)
    return House(MemoryStore(clock.now), clock)


def registers(house, user, *more):
    traits = envelope.Traits(email=f"{user}@customers.example")
    return house.offer(
        house.message(user, traits, kind="identify", name=envelope.IDENTIFIED),
        house.message(user, events.SignedUp()),
        *(house.message(user, event) for event in more),
    )


async def settles(house, state, response=""):
    """Delivery is done with all that is queued."""
    rows = await house.store.queue_rows("queued", None, 2_000)
    results = [Settled(row.mail_id, state, response) for row in rows]
    await house.store.settle(house.clock.now(), results)
    house.reports.bell.expect(house.clock.now())


def heard(house, user):
    return [fact for fact in house.facts(user) if isinstance(fact, facts.Heard)]


async def test_a_report_reaches_the_customer_and_the_mail_waits_no_more(autojump_clock, house):
    async with house.lives():
        registers(house, "ana")
        await house.clock.settled()
        assert [waiting.kind for waiting in house.state("ana").waiting.values()] == ["k01"]
        await settles(house, "accepted", "250 fine")
        await house.clock.settled()
        assert house.state("ana").waiting == {}
    [fact] = heard(house, "ana")
    assert (fact.outcome, fact.response, fact.kind) == ("accepted", "250 fine", "k01")
    assert [type(notice) for notice in house.notices] == [notices.EmailSent]
    assert await house.store.unreported(10) == []


async def test_a_cancelled_mail_gives_its_place_under_the_cap_back(autojump_clock, house):
    granted = events.ConsentUpdated(purpose="email_marketing", state="granted")
    async with house.lives():
        registers(house, "ana", granted, added())
        await trio.sleep(3_600)
        await house.clock.settled()
        [pressed] = house.state("ana").pressed
        house.offer(house.message("ana", events.CartEmptied(cart_id="")))
        await house.clock.settled()
        assert house.state("ana").pressed == ()
    [fact] = [fact for fact in heard(house, "ana") if fact.outcome == "cancelled"]
    assert (fact.mail_id, fact.kind) == (pressed.mail_id, "k07")


async def test_a_report_whose_commit_failed_is_told_again_without_being_asked(
    autojump_clock, house
):
    async with house.lives():
        registers(house, "ana")
        await house.clock.settled()
        house.store.fail_next(1)
        await settles(house, "accepted")
        await house.clock.settled()
    assert [fact.outcome for fact in heard(house, "ana")] == ["accepted"]
    assert await house.store.unreported(10) == []


async def test_what_was_settled_before_a_crash_is_reported_after_it(autojump_clock, house):
    async with house.lives():
        registers(house, "ana")
        await house.clock.settled()
    await settles(house, "dead", "550 unknown")
    after = house.restarted()
    async with after.lives():
        await after.clock.settled()
        assert after.state("ana").waiting == {}
    assert [type(notice) for notice in after.notices] == [notices.EmailFailed]


async def test_more_reports_than_one_reading_holds_all_arrive(autojump_clock, house):
    people = [f"c{n}" for n in range(600)]
    async with house.lives():
        for user in people:
            registers(house, user)
        await house.clock.settled()
        await settles(house, "accepted")
        await house.clock.settled()
    assert [len(heard(house, user)) for user in people] == [1] * 600
    assert await house.store.unreported(10) == []


async def test_a_report_on_a_mail_nobody_waits_for_is_noted_and_changes_nothing(
    autojump_clock, house
):
    async with house.lives():
        house.offer(house.message("ana", added()))
        await house.clock.settled()
        before = house.state("ana")
        await house.system.intake.relay([("ana", messages.Report("of another life", "accepted"))])
        after = house.state("ana")
    assert (after.waiting, after.pressed, after.cart) == (
        before.waiting,
        before.pressed,
        before.cart,
    )
    assert START <= after.now < START + HOUR
