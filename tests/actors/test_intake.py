"""The intake: bounded for what comes from outside, and open for what comes from inside."""

from __future__ import annotations

from itertools import chain

import pytest
import trio

from actors import intake as intakes
from actors.clock import TrioClock
from actors.intake import (
    BATCH,
    BATCH_BYTES,
    BYTES,
    INWARD_SHARE,
    LATEST,
    MESSAGES,
    PAGES_BESIDE,
    PAGES_SHARE,
    SHARE,
    SOONEST,
    Answer,
    Intake,
    Item,
)
from ecrm import messages
from ecrm.errors import Busy
from ecrm.moment import CustomerId, Instant


@pytest.fixture
def intake():
    return Intake(TrioClock(Instant(0)).bell())


def event(customer="c1", size=1, *, page=False):
    return Item(CustomerId(customer), messages.Tick(), lambda _answer: None, size=size, page=page)


def fill(intake, count, *, customers=1_000, size=1):
    for number in range(count):
        intake.offer(event(f"c{number % customers}", size))


def names(batch):
    return [item.customer_id for item in batch]


async def test_what_comes_first_is_taken_first(intake):
    for name in ("c1", "c2", "c1", "c3"):
        intake.offer(event(name))
    assert names(intake.take()) == ["c1", "c2", "c1", "c3"]
    assert intake.take() == []


async def test_a_batch_holds_so_many_and_leaves_the_rest(intake):
    fill(intake, BATCH + 10)
    assert len(intake.take()) == BATCH
    assert len(intake.take()) == 10


async def test_a_batch_holds_so_many_bytes_and_the_first_however_large(intake):
    intake.offer(event(size=3 * BATCH_BYTES))
    intake.offer(event(size=BATCH_BYTES // 2))
    intake.offer(event(size=BATCH_BYTES // 2))
    intake.offer(event(size=1))
    assert [[item.size for item in intake.take()] for _ in range(3)] == [
        [3 * BATCH_BYTES],
        [BATCH_BYTES // 2, BATCH_BYTES // 2],
        [1],
    ]


async def test_pages_fill_a_share_and_back_ends_find_room(intake):
    for n in range(MESSAGES // PAGES_SHARE):
        intake.offer(event(f"visitor:{n}", page=True))
    with pytest.raises(Busy):
        intake.offer(event("visitor:late", page=True))
    intake.offer(event("ana", 0))
    intake.take()
    intake.offer(event("visitor:late", page=True))


async def test_the_wait_is_as_long_as_commits_have_lately_taken(autojump_clock, intake):
    for n in range(MESSAGES):
        intake.offer(event(f"c{n}", 0))

    def wait():
        with pytest.raises(Busy) as busy:
            intake.offer(event("ana", 0))
        return busy.value.retry_after

    assert wait() == 1_000 * MESSAGES // 2 // 2_000
    for _ in range(100):
        # A slow disk: 256 messages in two seconds.
        for item in intake.take():
            intake.offer(item)
        await trio.sleep(2)
    assert wait() == LATEST
    for _ in range(100):
        for item in intake.take():
            intake.offer(item)
        await trio.sleep(0.01)
    assert SOONEST <= wait() <= 200


async def test_a_full_intake_refuses_and_says_when_to_come_back(intake):
    fill(intake, MESSAGES)
    with pytest.raises(Busy) as busy:
        intake.offer(event("late"))
    assert busy.value.retry_after == 1_000 * MESSAGES // 2 // 2_000
    assert (len(intake), intake.refused) == (MESSAGES, 1)
    intake.take()
    intake.offer(event("late"))


async def test_an_intake_full_of_bytes_refuses_what_does_not_fit(intake):
    intake.offer(event("c1", BYTES - 10))
    with pytest.raises(Busy):
        intake.offer(event("c2", 11))
    intake.offer(event("c3", 10))
    assert intake.bytes == BYTES
    intake.take()
    assert intake.bytes == 10
    intake.take()
    assert intake.bytes == 0


async def test_one_customer_fills_a_share_and_no_more(intake):
    fill(intake, SHARE, customers=1)
    with pytest.raises(Busy):
        intake.offer(event("c0"))
    intake.offer(event("c1"))
    intake.take()
    intake.offer(event("c0"))


async def test_words_from_inside_are_taken_when_nothing_else_is(intake):
    fill(intake, MESSAGES)
    intake.put(event("inward"))
    assert len(intake) == MESSAGES + 1


async def test_ticks_drain_behind_events_and_still_drain(intake):
    for number in range(200):
        intake.put(event(f"tick{number}"))
    fill(intake, 1_000)
    batches = [names(intake.take()) for _ in range(3)]
    ticks = [[name for name in batch if name.startswith("tick")] for batch in batches]
    assert [len(batch) for batch in batches] == [BATCH] * 3
    assert [len(found) for found in ticks] == [INWARD_SHARE] * 3
    assert [*chain(*ticks)] == [f"tick{number}" for number in range(3 * INWARD_SHARE)]


async def test_ticks_alone_fill_a_whole_batch(intake):
    for number in range(BATCH + 1):
        intake.put(event(f"tick{number}"))
    assert len(intake.take()) == BATCH
    assert len(intake.take()) == 1


async def test_a_large_event_does_not_hold_the_ticks_up(intake):
    intake.offer(event("large", 2 * BATCH_BYTES))
    intake.put(event("tick"))
    assert names(intake.take()) == ["tick"]
    assert names(intake.take()) == ["large"]


async def test_an_offer_wakes_the_loop(autojump_clock):
    clock = TrioClock(Instant(0))
    intake = Intake(clock.bell())
    intake.offer(event())
    with trio.fail_after(1):
        await intake._bell.rest()


async def test_a_relay_is_over_when_every_word_was_answered(autojump_clock, intake, nursery):
    durable = []

    async def relays():
        words = [(CustomerId(name), messages.Tick()) for name in ("a", "b")]
        durable.append(await intake.relay(words))

    nursery.start_soon(relays)
    await trio.testing.wait_all_tasks_blocked()
    first, second = intake.take()
    first.answered(Answer("taken"))
    await trio.testing.wait_all_tasks_blocked()
    assert durable == []
    second.answered(Answer("held"))
    await trio.testing.wait_all_tasks_blocked()
    assert durable == [True]


@pytest.mark.parametrize("lost", [0, 1])
async def test_a_relay_tells_where_the_store_did_not_take_a_word(
    autojump_clock, intake, nursery, lost
):
    durable = []

    async def relays():
        words = [(CustomerId(name), messages.Tick()) for name in ("a", "b")]
        durable.append(await intake.relay(words))

    nursery.start_soon(relays)
    await trio.testing.wait_all_tasks_blocked()
    for place, item in enumerate(intake.take()):
        item.answered(Answer("unknown" if place == lost else "taken"))
    await trio.testing.wait_all_tasks_blocked()
    assert durable == [False]


async def test_words_about_something_are_the_same_for_a_customer_and_not_for_another(
    autojump_clock, intake, nursery
):
    words = [(CustomerId(name), messages.Tick()) for name in ("a", "b")]
    for about in ("told x", "told x", "told y", ""):
        nursery.start_soon(intake.relay, words, about)
        await trio.testing.wait_all_tasks_blocked()
    keys = [item.dedupe for item in intake.take()]
    assert keys[:2] == keys[2:4]
    assert len({*keys[:2], *keys[4:6]}) == 4
    assert keys[6:] == [b"", b""]
    nursery.cancel_scope.cancel()


def test_the_bounds_are_those_of_the_design():
    assert (BATCH, BATCH_BYTES) == (256, 1024 * 1024)
    assert intakes.SHARE < intakes.MESSAGES


async def test_a_back_end_waits_behind_few_of_the_pages_and_pages_still_come_in(intake):
    for number in range(1_000):
        intake.offer(event(f"p{number}", page=True))
    fill(intake, 3)
    batch = names(intake.take())
    assert batch == ["c0", "c1", "c2", *(f"p{number}" for number in range(PAGES_BESIDE))]
    fill(intake, 2 * BATCH)
    batch = names(intake.take())
    assert (len(batch), sum(name[0] == "p" for name in batch)) == (BATCH, PAGES_BESIDE)


async def test_pages_alone_fill_a_whole_batch(intake):
    for number in range(BATCH + 1):
        intake.offer(event(f"p{number}", page=True))
    assert names(intake.take()) == [f"p{number}" for number in range(BATCH)]
    assert names(intake.take()) == [f"p{BATCH}"]
