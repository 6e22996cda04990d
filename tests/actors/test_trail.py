"""The trail of followed mails, kept by both stores."""

from __future__ import annotations

from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from actors.outside import open_outside
from actors.store.memory import MemoryStore
from actors.store.port import Commit, HitRow, JudgedRow, LinkRow, OutboxRow, Settled, UnjudgedRow
from actors.store.sqlite import open_store

NOW = 1_770_000_000_000


@asynccontextmanager
async def opened(kind, folder):
    if kind == "memory":
        yield MemoryStore(lambda: NOW)
        return
    async with (
        open_outside() as outside,
        open_store(Path(folder) / "ecrm.db", outside, lambda: NOW) as store,
    ):
        yield store


@pytest.fixture(params=["memory", "sqlite"])
async def store(request, tmp_path):
    async with opened(request.param, tmp_path) as made:
        await made.commit(Commit(outbox=[mail("m1"), mail("m2"), mail("m3", "bob")]))
        yield made


def mail(mail_id, customer_id="ana"):
    return OutboxRow(
        mail_id, customer_id, "k07", "cart", "reminder", 2, "x.example", NOW, NOW, NOW, b"mail"
    )


def hit(at=0, mail_id="m1", deed="clicked", place=1, **more):
    return HitRow(mail_id, deed, place, NOW + at, **more)


async def kept(store, *hits):
    for one in hits:
        await store.trail.keep_hit(one)
    return await store.trail.unjudged(99)


async def test_a_link_leads_where_it_was_last_said_to(store):
    await store.trail.keep_links([LinkRow("m1", 1, "https://a/"), LinkRow("m1", 2, "https://b/")])
    await store.trail.keep_links([LinkRow("m1", 2, "https://c/")])
    found = [await store.trail.link(*place) for place in (("m1", 1), ("m1", 2), ("m2", 1))]
    assert found == ["https://a/", "https://c/", None]


@pytest.mark.parametrize("state", ["accepted", "accepted_unknown", "dead"])
async def test_only_a_mail_that_was_handed_over_was_accepted(store, state):
    assert await store.trail.accepted_at("m1") is None
    await store.settle(NOW + 7, [Settled("m1", state)])
    assert await store.trail.accepted_at("m1") == (None if state == "dead" else NOW + 7)


async def test_a_hit_waits_for_its_verdict_with_all_that_is_known(store):
    await store.settle(NOW - 9, [Settled("m1", "accepted")])
    found = await kept(store, hit(agent="Firefox", network="1.2.3.0/24", prefetch=True))
    assert found == [
        UnjudgedRow(
            arrival=1, mail_id="m1", customer_id="ana", deed="clicked", place=1, at=NOW,
            agent="Firefox", prefetch=True, accepted_at=NOW - 9, together=1, trapped=False, crowd=1,
            programme="cart", step="reminder", decided_at=NOW,
        )
    ]  # fmt: skip


async def test_links_followed_together_are_counted_each_once(store):
    found = await kept(
        store,
        hit(0, place=1),
        hit(500, place=1),
        hit(2_000, place=2),
        hit(1_000, deed="rated", place=2),
        hit(1_000, deed="opened", place=0),
        hit(2_001, place=3),
        hit(0, mail_id="m2", place=4),
    )
    assert [(row.at - NOW, row.mail_id, row.together) for row in found] == [
        (0, "m1", 3), (0, "m2", 1), (500, "m1", 4), (1_000, "m1", 4), (1_000, "m1", 4),
        (2_000, "m1", 4), (2_001, "m1", 4),
    ]  # fmt: skip


async def test_a_trap_tells_of_those_that_came_with_it(store):
    found = await kept(store, hit(0, place=0), hit(2_000, place=5), hit(2_001, place=6))
    assert [row.trapped for row in found] == [True, True, False]


async def test_a_network_is_a_crowd_by_the_mails_it_fetched(store):
    found = await kept(
        store,
        hit(0, network="1.2.3.0/24"),
        hit(1, network="1.2.3.0/24"),
        hit(60_000, mail_id="m2", network="1.2.3.0/24"),
        hit(90_000, mail_id="m3", network="1.2.3.0/24"),
        hit(90_000, mail_id="m3"),
    )
    assert [row.crowd for row in found] == [2, 2, 3, 2, 1]


async def test_what_was_judged_waits_no_more_and_counts_for_others_still(store):
    await kept(store, hit(0, place=1), hit(1, place=2))
    await store.trail.judge([JudgedRow(1, "human", "why", 1)])
    [left] = await store.trail.unjudged(9)
    assert (left.arrival, left.together) == (2, 2)


async def test_no_more_is_given_than_was_asked_for(store):
    await kept(store, *(hit(at) for at in (3, 1, 2)))
    assert [row.at - NOW for row in await store.trail.unjudged(2)] == [1, 2]


async def test_old_hits_are_forgotten_with_old_message_ids(store):
    await kept(store, hit(-2), hit(-1), hit(0))
    assert await store.prune(NOW, 1) == 1
    assert await store.prune(NOW, 9) == 1
    assert await store.prune(NOW, 9) == 0
    assert [row.at for row in await store.trail.unjudged(9)] == [NOW]


async def test_nothing_is_kept_of_a_mail_that_is_gone(store):
    await store.trail.keep_links([LinkRow("m1", 1, "https://a/"), LinkRow("m3", 1, "https://c/")])
    await kept(store, hit(), hit(mail_id="m3"))
    await store.commit(Commit(erase=["ana"]))
    assert await store.trail.link("m1", 1) is None
    assert await store.trail.link("m3", 1) == "https://c/"
    assert [row.mail_id for row in await kept(store, hit(), hit(mail_id="nobody's"))] == ["m3"]
