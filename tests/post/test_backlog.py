"""A code is not kept waiting by newsletters, and not sent when it is of no use any more.

`ECRM_NEWSLETTERS` sets how many wait (2000; 20000 is the full size). The queue is the real one, on
SQLite; the clock is virtual and the instants are exact.
"""

from __future__ import annotations

import os
from contextlib import asynccontextmanager

import trio

from actors.batch import outbox_row
from actors.clock import TrioClock
from actors.delivery import Delivery
from actors.outside import open_holding
from actors.store.port import Commit
from actors.store.sqlite import open_store
from ecrm.delivery.limiter import limit
from ecrm.delivery.policy import Policy
from ecrm.moment import MINUTE, SECOND, Instant
from tests.actors.house import START, Nudges, a_mail
from tests.actors.offices import Post, Press

NEWSLETTERS = int(os.environ.get("ECRM_NEWSLETTERS", "2000"))
RATE = 50


class Office:
    """The delivery actor on SQLite, with a post office that notes when it was handed what."""

    def __init__(self, store, clock):
        self.store, self.clock = store, clock
        self.post = Post(clock, None, lines=4, lot=16)
        self.delivery = Delivery(
            store, clock, Press(), self.post,
            epoch="now", policy=Policy(limit(RATE)), reports=Nudges(),
        )  # fmt: skip

    async def queue(self, *mails):
        for at in range(0, len(mails), 500):
            rows = [outbox_row(one, None) for one in mails[at : at + 500]]
            await self.store.commit(Commit(outbox=rows))
        self.delivery.bell.expect(min(one.at for one in mails))

    async def outcome(self, mail_id):
        rows = await self.store.queue_rows(None, None, NEWSLETTERS + 100)
        return {row.mail_id: row.state for row in rows}[mail_id]


@asynccontextmanager
async def open_office(folder, mock, newsletters=NEWSLETTERS):
    """An office with newsletters that wait."""
    clock = TrioClock(Instant(START - round(trio.current_time() * 1_000)))
    async with (
        open_holding(mock) as outside,
        open_store(folder / "ecrm.db", outside, clock.now) as store,
        trio.open_nursery() as nursery,
    ):
        office = Office(store, clock)
        await office.queue(*(a_mail(f"n{n}", lane=3) for n in range(newsletters)))
        nursery.start_soon(office.delivery.run)
        yield office
        nursery.cancel_scope.cancel()


def code(name="code", *, at=START, lasts=10 * MINUTE):
    return a_mail(name, lane=0, at=at, not_after=Instant(at + lasts))


async def test_a_code_passes_a_backlog_of_newsletters(tmp_path, autojump_clock):
    async with open_office(tmp_path, autojump_clock) as office:
        await trio.sleep(2.005)
        await office.queue(code(at=office.clock.now()))
        await trio.sleep(0.5)
        sent = dict(office.post.handed)
    # At once: a fifth of the rate is kept for it.
    assert sent["code"] == 2_005
    # Four fifths of the first second's burst at once, then one every 20 ms; the code took one place.
    waits = [at for name, at in office.post.handed if name != "code"]
    assert waits[:40] == [0] * 40
    due = [20 * n for n in range(1, len(waits) - 39)]
    assert waits[40:] == [at if at <= 2_000 else at + 20 for at in due]


async def test_many_codes_at_once_pass_a_backlog_within_two_seconds(tmp_path, autojump_clock):
    async with open_office(tmp_path, autojump_clock) as office:
        await trio.sleep(2.005)
        await office.queue(*(code(f"code{n}", at=office.clock.now()) for n in range(60)))
        await trio.sleep(1)
        sent = [at - 2_005 for name, at in office.post.handed if name.startswith("code")]
    assert sent == [0] * 10 + [15 + 20 * n for n in range(50)]


async def test_a_code_is_never_sent_after_it_has_expired(tmp_path, autojump_clock):
    async with open_office(tmp_path, autojump_clock, 100) as office:
        office.post.verdicts["code"] = ["retry"] * 99
        await office.queue(code(lasts=2 * MINUTE))
        await trio.sleep(600)
        tried = [at for name, at in office.post.handed if name == "code"]
        state = await office.outcome("code")
    assert len(tried) > 4
    assert max(tried) <= 2 * MINUTE
    assert state == "expired"


async def test_a_code_whose_time_ran_out_while_nothing_left_is_not_sent(tmp_path, autojump_clock):
    async with open_office(tmp_path, autojump_clock, 100) as office:
        await trio.sleep(1)
        office.delivery.gate.breaker.trip(office.clock.now(), "535 wrong password")
        await office.queue(code("late", lasts=61 * SECOND - 1), code("just", lasts=61 * SECOND))
        await trio.sleep(120)
        sent = dict(office.post.handed)
        outcomes = [await office.outcome(name) for name in ("late", "just")]
    assert outcomes == ["expired", "accepted"]
    assert (sent.get("late"), sent["just"]) == (None, 61 * SECOND)
