"""The turnstile: a round stays short, and whoever waits comes in the order of coming."""

from __future__ import annotations

import trio

from actors.turnstile import EVERY, Turnstile

ABREAST = 4


async def test_who_waits_comes_in_the_order_of_coming(autojump_clock, nursery):
    turnstile = Turnstile(ABREAST)
    came = []

    async def one(number):
        # Tasks that are ready in one round run in any order: these come one by one.
        await trio.sleep(number)
        await turnstile.through()
        came.append(number)

    for number in range(3 * ABREAST):
        nursery.start_soon(one, number)
    await trio.sleep(3 * ABREAST)
    assert came == [*range(3 * ABREAST)]


async def test_many_at_once_share_the_rounds(autojump_clock):
    turnstile = Turnstile(ABREAST)
    rounds, through = 0, []

    async def one():
        await turnstile.through()
        through.append(rounds)

    async with trio.open_nursery() as nursery:
        for _ in range(10 * ABREAST):
            nursery.start_soon(one)
        while len(through) < 10 * ABREAST:
            await trio.lowlevel.checkpoint()
            rounds += 1
    assert max(through.count(number) for number in through) <= ABREAST
    assert rounds >= 9 * EVERY


async def test_who_goes_away_while_waiting_holds_nobody_up(autojump_clock):
    turnstile = Turnstile(ABREAST)
    through = []

    async def one(number):
        await turnstile.through()
        through.append(number)

    async with trio.open_nursery() as impatient:
        for number in range(100):
            impatient.start_soon(one, number)
        await trio.lowlevel.checkpoint()
        impatient.cancel_scope.cancel()
    assert len(through) < 100
    await turnstile.through()
    through.clear()
    async with trio.open_nursery() as nursery:
        for number in range(100):
            nursery.start_soon(one, number)
    assert sorted(through) == [*range(100)]
