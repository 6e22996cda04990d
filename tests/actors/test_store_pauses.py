"""What an operator stops and starts again in the queue: kept alike by both stores."""

from __future__ import annotations

import pytest

from actors.outside import open_outside
from actors.store.memory import MemoryStore
from actors.store.port import Commit, OutboxRow, PauseRow, Settled
from actors.store.sqlite import open_store

NOW = 1_770_000_000_000
LANES = (0, 1, 2, 3)
NOBODY = frozenset()


@pytest.fixture(params=["memory", "sqlite"])
async def store(request, tmp_path):
    if request.param == "memory":
        yield MemoryStore(lambda: NOW)
        return
    async with (
        open_outside() as outside,
        open_store(tmp_path / "ecrm.db", outside, lambda: NOW) as made,
    ):
        yield made


def row(mail_id, programme="cart", lane=2, due=NOW):
    return OutboxRow(
        mail_id=mail_id,
        customer_id="ana",
        kind="k07",
        programme=programme,
        step="reminder",
        lane=lane,
        domain="example.org",
        at=NOW,
        due=due,
        not_after=NOW + 10_000,
        mail=b"mail",
    )


async def claimed(store, paused=NOBODY):
    rows = await store.claim(NOW, "boot", 10, LANES, NOBODY, paused)
    return [one.mail_id for one in rows]


async def test_the_mails_of_a_paused_programme_are_passed_over(store):
    await store.commit(Commit(outbox=[row("m1"), row("m2", "welcome"), row("m3")]))
    assert await claimed(store, frozenset({"cart"})) == ["m2"]
    assert await claimed(store) == ["m1", "m3"]


async def test_the_next_mail_of_a_paused_programme_is_not_waited_for(store):
    await store.commit(Commit(outbox=[row("m1", due=NOW + 5), row("m2", "welcome", due=NOW + 9)]))
    assert await store.next_send(LANES) == NOW + 5
    assert await store.next_send(LANES, NOBODY, frozenset({"cart"})) == NOW + 9
    assert await store.next_send(LANES, NOBODY, frozenset({"cart", "welcome"})) is None


async def test_a_pause_is_kept_with_its_first_instant_and_its_last_reason(store):
    await store.pause(PauseRow("programme", "cart", "prices are wrong", NOW))
    await store.pause(PauseRow("all", "", "maintenance", NOW + 1))
    await store.pause(PauseRow("programme", "cart", "prices are being mended", NOW + 2))
    assert await store.pauses() == [
        PauseRow("programme", "cart", "prices are being mended", NOW),
        PauseRow("all", "", "maintenance", NOW + 1),
    ]


async def test_what_goes_on_is_paused_no_more(store):
    await store.pause(PauseRow("lane", "3", "", NOW))
    assert await store.resume("lane", "3")
    assert not await store.resume("lane", "3")
    assert await store.pauses() == []


@pytest.mark.parametrize("state", ["dead", "expired"])
async def test_a_mail_that_was_given_up_gets_another_chance(store, state):
    await store.commit(Commit(outbox=[row("m1")]))
    await claimed(store)
    await store.settle(NOW, [Settled("m1", state, "550 no", NOW, 3)])
    assert await store.requeue("m1", NOW + 20_000, NOW + 90_000)
    (again,) = await store.claim(NOW + 20_000, "boot", 10, LANES, NOBODY)
    assert (again.mail_id, again.attempts, again.not_after) == ("m1", 0, NOW + 90_000)
    assert await store.unreported(10) == []


@pytest.mark.parametrize("state", ["accepted", "cancelled", "suppressed"])
async def test_a_mail_that_went_or_is_not_wanted_gets_no_other_chance(store, state):
    await store.commit(Commit(outbox=[row("m1")]))
    await claimed(store)
    await store.settle(NOW, [Settled("m1", state, "", NOW, 1)])
    assert not await store.requeue("m1", NOW, NOW + 90_000)
    assert not await store.requeue("nobody", NOW, NOW + 90_000)


async def test_a_mail_with_a_secret_gets_no_other_chance(store):
    await store.commit(Commit(outbox=[row("m1", lane=0)]))
    await claimed(store)
    await store.settle(NOW, [Settled("m1", "expired", "", NOW, 1)])
    assert not await store.requeue("m1", NOW, NOW + 90_000)


async def test_its_outcome_is_reported_again(store):
    await store.commit(Commit(outbox=[row("m1")]))
    await claimed(store)
    await store.settle(NOW, [Settled("m1", "dead", "550 no", NOW, 3)])
    await store.commit(Commit(reported=["m1"]))
    await store.requeue("m1", NOW, NOW + 90_000)
    await claimed(store)
    await store.settle(NOW, [Settled("m1", "accepted", "250 ok", NOW, 1)])
    assert [(one.mail_id, one.state) for one in await store.unreported(10)] == [("m1", "accepted")]


async def test_since_when_a_mail_is_in_doubt_is_kept_with_it(store):
    await store.commit(Commit(outbox=[row("m1"), row("m2")]))
    await claimed(store)
    await store.submitting([("m1", b"body")], "boot")
    await store.settle(NOW, [Settled("m1", "queued", "?", NOW + 5, 1, doubted_at=NOW - 9)])
    await store.settle(NOW, [Settled("m2", "queued", "later", NOW + 5, 1)])
    rows = await store.claim(NOW + 5, "boot", 10, LANES, NOBODY)
    assert [(one.mail_id, one.doubted_at) for one in rows] == [("m1", NOW - 9), ("m2", None)]
    # The first time counts, for it is then that the key was used.
    await store.settle(NOW, [Settled("m1", "queued", "?", NOW + 9, 2, doubted_at=NOW + 5)])
    await store.settle(NOW, [Settled("m2", "queued", "later", NOW + 99, 2)])
    (again,) = await store.claim(NOW + 9, "boot", 10, LANES, NOBODY)
    assert again.doubted_at == NOW - 9


async def test_what_a_crash_leaves_half_handed_over_is_in_doubt_since_it_was(store):
    await store.commit(Commit(outbox=[row("m1"), row("m2")]))
    await claimed(store)
    await store.submitting([("m1", b"body")], "boot")
    (left,) = await store.reclaim("next boot")
    assert (left.mail_id, left.doubted_at) == ("m1", NOW)
