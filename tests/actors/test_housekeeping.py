"""Message ids are remembered for thirty days, and forgotten a little at a time (wire §1)."""

from __future__ import annotations

import pytest
import trio

from actors.clock import TrioClock
from actors.housekeeping import AT_ONCE, Housekeeping
from actors.store.memory import MemoryStore
from actors.store.port import Commit, DedupeRow, OutboxRow, Settled
from ecrm.moment import DAY, Instant, days
from tests.actors.house import START


@pytest.fixture
def clock(autojump_clock):
    return TrioClock(START)


@pytest.fixture
def store(clock):
    return MemoryStore(clock.now)


async def remember(store, *seen):
    rows = [DedupeRow(str(at).encode(), "ana", Instant(at), b"taken") for at in seen]
    await store.commit(Commit(dedupe=rows))


async def remembered(store, *seen):
    known = await store.repeats([str(at).encode() for at in seen])
    return [at for at in seen if str(at).encode() in known]


async def test_an_id_is_forgotten_when_it_is_thirty_days_old_and_not_before(
    autojump_clock, clock, store
):
    old, limit, new = START - 30 * DAY - 1, START - 30 * DAY, START
    await remember(store, old, limit, new)
    keeping = Housekeeping(store, clock)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(keeping.run)
        await clock.settled()
        assert await remembered(store, old, limit, new) == [limit, new]
        await trio.sleep(DAY / 1_000)
        await clock.settled()
        assert await remembered(store, old, limit, new) == [new]
        await trio.sleep(29 * DAY / 1_000)
        await clock.settled()
        assert await remembered(store, new) == [new]
        await trio.sleep(DAY / 1_000)
        await clock.settled()
        assert await remembered(store, new) == []
        nursery.cancel_scope.cancel()


async def test_a_great_many_are_forgotten_in_parts_so_that_no_commit_waits_long(
    autojump_clock, clock, store
):
    old = START - 31 * DAY
    await remember(store, *range(old, old + AT_ONCE * 2 + 1))
    store.slow = 1.0
    keeping = Housekeeping(store, clock)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(keeping.run)
        await trio.sleep(1.5)
        assert len(store._dedupe) == AT_ONCE + 1
        # Whoever waits gets a turn in between.
        await store.commit(Commit())
        assert len(store._dedupe) == 1
        await clock.settled()
        assert len(store._dedupe) == 0
        nursery.cancel_scope.cancel()


async def test_a_mail_is_forgotten_when_it_ended_as_long_ago_as_is_said(
    autojump_clock, clock, store
):
    mail = OutboxRow(
        "m1", "ana", "k07", "cart", "reminder", 2, "a.example", START, START, START, b""
    )
    await store.commit(Commit(outbox=[mail]))
    await store.settle(START, [Settled("m1", "accepted")])
    await store.commit(Commit(reported=["m1"]))
    keeping = Housekeeping(store, clock, days(60))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(keeping.run)
        await trio.sleep(60 * DAY / 1_000)
        await clock.settled()
        assert await store.mail("m1") == b""
        await trio.sleep(DAY / 1_000)
        await clock.settled()
        assert await store.mail("m1") is None
        nursery.cancel_scope.cancel()


async def test_a_stop_ends_it_at_once(autojump_clock, clock, store):
    keeping = Housekeeping(store, clock)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(keeping.run)
        await clock.settled()
        keeping.bell.stop()
    assert clock.now() == START
