"""The clocks: what time it is, and waking at the right one."""

from __future__ import annotations

import math
import time

import pytest
import trio

from actors import clock as clocks
from actors.clock import NAP, TrioClock, WallClock, WarpClock
from ecrm.moment import DAY, HOUR, NEVER, Instant

START = Instant(1_772_442_000_000)


class Sleeper:
    """Wakes every `period` milliseconds and takes `work` of its clock's seconds to do something."""

    def __init__(self, clock, period, work=0.0):
        self.clock = clock
        self.period = period
        self.work = work
        self.woken = []
        self.done = []
        self.bell = clock.bell()

    async def run(self):
        due = Instant(self.clock.now() + self.period)
        while True:
            await self.bell.rest(due)
            if self.clock.now() < due:
                continue
            self.woken.append(self.clock.now())
            with self.clock.working():
                await trio.sleep(self.work)
                self.done.append(self.clock.now())
            due = Instant(due + self.period)


@pytest.fixture
async def sleepers():
    """Starts sleepers, and ends them after the test."""
    async with trio.open_nursery() as nursery:

        async def start(*those):
            for one in those:
                nursery.start_soon(one.run)
            await those[0].clock.settled()

        yield start
        nursery.cancel_scope.cancel()


# The clock of the tests.


async def test_trios_clock_wakes_at_the_exact_instant(autojump_clock, sleepers):
    clock = TrioClock(START)
    every = {period: Sleeper(clock, period) for period in (1_234_567, HOUR, DAY)}
    await sleepers(*every.values())
    await trio.sleep(2 * 86_400)
    await clock.settled()
    for period, sleeper in every.items():
        count = 2 * DAY // period
        assert sleeper.woken == [START + period * n for n in range(1, count + 1)]


async def test_a_virtual_third_of_a_second_is_read_to_the_millisecond(autojump_clock):
    clock = TrioClock(START)
    for _ in range(3):
        await trio.sleep(0.1)
    assert clock.now() == START + 300


async def test_a_ring_wakes_before_the_instant_and_counts_once(autojump_clock):
    clock = TrioClock(START)
    bell = clock.bell()
    bell.ring()
    bell.ring()
    await bell.rest(Instant(START + HOUR))
    assert clock.now() == START
    await bell.rest(Instant(START + HOUR))
    assert clock.now() == START + HOUR


async def test_a_rest_until_a_past_instant_is_over_at_once(autojump_clock):
    clock = TrioClock(START)
    await clock.bell().rest(Instant(START - HOUR))
    assert clock.now() == START


async def test_an_earlier_expectation_wakes_a_sleeper_earlier_and_a_later_one_does_not(
    autojump_clock, nursery
):
    clock = TrioClock(START)
    bell = clock.bell()
    woken = []

    async def sleeps():
        await bell.rest(Instant(START + 2 * HOUR))
        woken.append(clock.now())

    nursery.start_soon(sleeps)
    await clock.settled()
    bell.expect(Instant(START + 3 * HOUR))
    bell.expect(Instant(START + HOUR))
    await trio.sleep(4 * 3_600)
    assert woken == [START + HOUR]


async def test_settled_waits_for_what_is_under_way(autojump_clock, sleepers):
    clock = TrioClock(START)
    sleeper = Sleeper(clock, HOUR, work=5.0)
    await sleepers(sleeper)
    await trio.sleep(3_600)
    assert sleeper.done == []
    await clock.settled()
    assert sleeper.done == [START + HOUR + 5_000]


async def test_who_is_dismissed_is_not_waited_for(autojump_clock):
    clock = TrioClock(START)
    bell = clock.bell()
    assert not clock.is_settled
    clock.dismiss(bell)
    with trio.fail_after(1):
        await clock.settled()


# The clock of production.


def test_the_wall_clock_reads_utc_milliseconds():
    before = time.time_ns() // 1_000_000
    now = WallClock().now()
    assert before <= now <= time.time_ns() // 1_000_000


def test_the_wall_clock_naps_at_most_thirty_seconds():
    clock = WallClock()
    assert NAP == 30
    assert clock.patience(NEVER) == NAP
    assert clock.patience(Instant(clock.now() + DAY)) == NAP
    assert 9 < clock.patience(Instant(clock.now() + 10_000)) <= 10


async def test_a_wall_clock_that_steps_forward_wakes_at_the_next_look(monkeypatch, nursery):
    """NTP steps, suspended laptops, paused machines: one rule for all of them."""
    clock, bell = WallClock(), None
    bell = clock.bell()
    woken = trio.Event()
    due = Instant(clock.now() + DAY)
    monkeypatch.setattr(clocks, "NAP", 0.01)

    async def sleeps():
        await bell.rest(due)
        woken.set()

    nursery.start_soon(sleeps)
    await clock.settled()
    assert not woken.is_set()
    stepped = time.time_ns() + 2 * DAY * 1_000_000
    monkeypatch.setattr(time, "time_ns", lambda: stepped)
    with trio.fail_after(5):
        await woken.wait()


async def test_a_wall_clock_that_steps_back_wakes_nobody_early(monkeypatch):
    clock = WallClock()
    real = time.time_ns
    due = Instant(clock.now() + 50)
    monkeypatch.setattr(time, "time_ns", lambda: real() - 100 * 1_000_000)
    await clock.bell().rest(due)
    assert clock.now() >= due


# The clock that is pushed.


async def test_a_push_goes_from_one_awaited_instant_to_the_next(sleepers):
    clock = WarpClock(START, rate=0)
    hourly, daily = Sleeper(clock, HOUR), Sleeper(clock, DAY)
    await sleepers(hourly, daily)
    await clock.advance(Instant(START + 2 * DAY))
    assert hourly.woken == [START + HOUR * n for n in range(1, 49)]
    assert daily.woken == [START + DAY, START + 2 * DAY]
    assert clock.now() == START + 2 * DAY


async def test_what_one_does_when_woken_is_done_before_the_push_goes_on(sleepers):
    clock = WarpClock(START, rate=0)
    slow, hourly = Sleeper(clock, HOUR, work=0.005), Sleeper(clock, HOUR)
    await sleepers(slow, hourly)
    await clock.advance(Instant(START + 5 * HOUR))
    assert slow.done == slow.woken == hourly.woken


async def test_a_wait_that_begins_during_a_push_ends_within_it(nursery):
    clock = WarpClock(START, rate=0)
    bell, woken = clock.bell(), []

    async def doubles():
        wait = HOUR
        while True:
            await bell.rest(Instant(clock.now() + wait))
            woken.append(clock.now() - START)
            wait *= 2

    nursery.start_soon(doubles)
    await clock.settled()
    await clock.advance(Instant(START + 8 * HOUR))
    assert woken == [HOUR, 3 * HOUR, 7 * HOUR]
    nursery.cancel_scope.cancel()


async def test_a_push_to_the_past_changes_nothing():
    clock = WarpClock(START, rate=0)
    await clock.advance(Instant(START + HOUR))
    await clock.advance(START)
    assert clock.now() == START + HOUR
    clock.resume(START)
    assert clock.now() == START + HOUR


async def test_a_warped_clock_goes_on_at_its_rate_and_never_back():
    clock = WarpClock(START, rate=1_000.0)
    seen = [clock.now()]
    await trio.sleep(0.01)
    seen.append(clock.now())
    await clock.advance(Instant(START + DAY))
    seen.append(clock.now())
    assert seen == sorted(seen)
    assert seen[1] >= START + 10_000
    assert seen[2] >= START + DAY


def test_a_standing_clock_waits_for_a_push_only():
    still = WarpClock(START, rate=0)
    assert still.patience(Instant(START + 1)) == math.inf
    running = WarpClock(START, rate=2.0)
    assert running.patience(NEVER) == math.inf
    assert 4 < running.patience(Instant(START + 10_000)) <= 5
    assert running.patience(Instant(START + DAY)) == NAP


async def test_two_pushes_at_once_go_one_after_the_other(sleepers):
    clock = WarpClock(START, rate=0)
    hourly = Sleeper(clock, HOUR)
    await sleepers(hourly)
    async with trio.open_nursery() as pushes:
        pushes.start_soon(clock.advance, Instant(START + 4 * HOUR))
        pushes.start_soon(clock.advance, Instant(START + 2 * HOUR))
    assert hourly.woken == [START + HOUR * n for n in range(1, 5)]
