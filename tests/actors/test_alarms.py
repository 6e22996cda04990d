"""Alarms ring at the exact instant; lost, late and repeated ticks are harmless (law 5)."""

from __future__ import annotations

import pytest
import trio

from actors.clock import TrioClock
from actors.store.memory import MemoryStore
from actors.store.port import AlarmRow, Commit
from actors.system import Item
from ecrm import facts, messages
from ecrm.moment import HOUR, MINUTE, Instant, hours
from ecrm.rules import Rules
from proto import envelope, events
from tests.actors.house import START, House, added, marking
from tests.lives import shop

RULES = Rules(shop(), of=(marking(hours(2)),))


@pytest.fixture
async def house(autojump_clock):
    clock = TrioClock(START)
    return House(MemoryStore(clock.now), clock, RULES)


async def until(house, at):
    await trio.sleep((at - house.clock.now()) / 1_000)
    await house.clock.settled()


def registers(house, user):
    """Offer a registration; the mark is due two hours after it."""
    traits = envelope.Traits(email=f"{user}@customers.example")
    return house.offer(
        house.message(user, traits, kind="identify", name=envelope.IDENTIFIED),
        house.message(user, events.SignedUp()),
    )


def marked(house, *users):
    """When each got its mark."""
    return {
        user: row.at
        for user in users
        for row in house.rows(user)
        if any(isinstance(fact, facts.Marked) for fact in facts.decode(row.facts))
    }


async def test_an_alarm_rings_at_its_very_instant(autojump_clock, house):
    async with house.lives():
        registers(house, "ana")
        await until(house, START + 24 * HOUR)
    assert marked(house, "ana") == {"ana": START + 2 * HOUR}
    assert house.alarms.ticks == 1
    assert await house.store.next_alarm() is None


async def test_an_earlier_alarm_is_not_slept_through(autojump_clock, house):
    async with house.lives():
        registers(house, "ana")
        await until(house, START + MINUTE)
        # Bob's is later than ana's and eve's, told last, earlier than both.
        registers(house, "bob")
        early = Instant(START + HOUR)
        await house.store.commit(Commit(alarms=[AlarmRow("eve", early)]))
        house.alarms.bell.expect(early)
        await until(house, early)
        assert house.alarms.ticks == 1
        await until(house, START + 24 * HOUR)
    assert marked(house, "ana", "bob") == {
        "ana": START + 2 * HOUR,
        "bob": START + 2 * HOUR + MINUTE,
    }


async def test_an_alarm_set_in_the_past_rings_at_once(autojump_clock, house):
    async with house.lives():
        await until(house, START + HOUR)
        await house.store.commit(Commit(alarms=[AlarmRow("eve", START)]))
        house.alarms.bell.expect(START)
        await house.clock.settled()
        assert house.clock.now() == START + HOUR
        assert house.alarms.ticks == 1


async def test_an_alarm_that_was_missed_rings_when_the_service_is_back(autojump_clock, house):
    async with house.lives():
        registers(house, "ana")
        await house.clock.settled()
    await trio.sleep(5 * 3_600)
    after = house.restarted(RULES)
    async with after.lives():
        await after.clock.settled()
    assert marked(after, "ana") == {"ana": START + 5 * HOUR}


async def test_a_tick_too_early_or_too_often_changes_nothing(autojump_clock, house):
    async with house.lives():
        registers(house, "ana")
        await house.clock.settled()
        before = house.state("ana")
        for _ in range(3):
            house.system.intake.put(Item("ana", messages.Tick(), lambda _: None))
        await house.clock.settled()
        assert house.state("ana") == before
        await until(house, START + 2 * HOUR)
        after = house.state("ana")
        house.system.intake.put(Item("ana", messages.Tick(), lambda _: None))
        await house.clock.settled()
        assert house.state("ana") == after
    assert marked(house, "ana") == {"ana": START + 2 * HOUR}


async def test_a_row_that_no_timer_stands_behind_rings_once(autojump_clock, house):
    async with house.lives():
        registers(house, "ana")
        house.offer(house.message("bob", added()))
        await house.clock.settled()
        stale = [AlarmRow("ana", Instant(START + HOUR)), AlarmRow("bob", Instant(START + HOUR))]
        await house.store.commit(Commit(alarms=stale))
        house.alarms.bell.expect(Instant(START + HOUR))
        await until(house, START + HOUR + MINUTE)
        assert house.alarms.ticks == 2
        # What is ana's own is there again.
        assert house.store._alarms == {"ana": START + 2 * HOUR}
        await until(house, START + 3 * HOUR)
    assert marked(house, "ana") == {"ana": START + 2 * HOUR}


async def test_a_tick_whose_commit_failed_is_repeated(autojump_clock, house):
    async with house.lives():
        registers(house, "ana")
        await until(house, START + 2 * HOUR - 1)
        house.store.fail_next(2)
        await until(house, START + 2 * HOUR)
    assert marked(house, "ana") == {"ana": START + 2 * HOUR}


async def test_a_backlog_drains_in_the_order_of_its_dues_behind_live_events(autojump_clock, house):
    customers = [f"c{n:03}" for n in range(1_000)]
    async with house.lives():
        for n, user in enumerate(reversed(customers)):
            registers(house, user)
            if n % 250 == 249:
                # Whose name is earlier in the alphabet is due later.
                await house.clock.settled()
                await trio.sleep(60)
    due = sorted((at, user) for user, at in house.store._alarms.items())
    assert len(due) == 1_000
    await trio.sleep(86_400)
    after = house.restarted(RULES)
    turns = []
    after.system.watchers.append(lambda who, made: turns.append((who, type(made[0]))))
    live = [after.message(f"live{n}", added()) for n in range(600)]
    after.offer(*live)
    async with after.lives():
        await after.clock.settled()
    ticked = [who for who, kind in turns if kind is facts.Ticked]
    assert ticked == [user for _, user in due]
    # Every batch of 256 keeps 64 places for what comes from inside, no more while events wait.
    last = max(n for n, (_, kind) in enumerate(turns) if kind is facts.Happened)
    assert sum(kind is facts.Ticked for _, kind in turns[:last]) <= 64 * 4
    assert after.alarms.ticks == 1_000
