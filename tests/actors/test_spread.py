"""Spreads, the meter and the pulse: numbers that are noted in passing."""

from __future__ import annotations

import math

import pytest
import trio
import trio.testing

from actors.pulse import EVERY, KEPT, Pulse
from actors.spread import ACKS, COMMITS, MAILS, TURNS, Spread


def test_what_is_noted_counts_in_its_class_and_all_above():
    spread = Spread((0.1, 1.0))
    for seconds in (0.05, 0.1, 0.5, 2.0):
        spread.note(seconds)
    assert spread.cumulated == [2, 3, 4]
    assert (spread.count, spread.total) == (4, pytest.approx(2.65))


def test_many_at_once_count_as_they_would_one_by_one():
    seconds = [2.0, 0.05, 0.1, 0.5, 1.0, 0.1]
    single, many = Spread((0.1, 1.0)), Spread((0.1, 1.0))
    for one in seconds:
        single.note(one)
    many.note_all(seconds[:4])
    many.note_all([])
    many.note_all(seconds[4:])
    assert many.cumulated == single.cumulated == [3, 5, 6]
    assert many.total == pytest.approx(single.total)


@pytest.mark.parametrize("bounds", [TURNS, COMMITS, ACKS, MAILS])
def test_the_classes_rise(bounds):
    assert list(bounds) == sorted(set(bounds))


async def test_the_pulse_tells_the_latest_waking_of_the_last_minute(mock_clock):
    pulse = Pulse()
    assert pulse.latest == 0.0
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pulse.beat)
        await trio.testing.wait_all_tasks_blocked()
        mock_clock.jump(EVERY + 0.5)
        await trio.testing.wait_all_tasks_blocked()
        assert pulse.latest == pytest.approx(0.5)
        for _ in range(KEPT - 1):
            mock_clock.jump(EVERY)
            await trio.testing.wait_all_tasks_blocked()
        assert pulse.latest == pytest.approx(0.5)
        mock_clock.jump(EVERY)
        await trio.testing.wait_all_tasks_blocked()
        assert pulse.latest == pytest.approx(0.0)
        nursery.cancel_scope.cancel()


def test_a_spread_tells_its_mean_and_what_most_were_within():
    spread = Spread((0.1, 1.0))
    assert (spread.mean, spread.within(0.99)) == (0, 0.1)
    for seconds in (0.05, 0.05, 0.05, 0.25):
        spread.note(seconds)
    assert spread.mean == pytest.approx(0.1)
    assert (spread.within(0.75), spread.within(0.99)) == (0.1, 1.0)
    spread.note(5)
    assert spread.within(0.99) == math.inf
